"""`corpora.read`: plain text is never changed, every format gives its rows, and every mistake a
user can make gives one line."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

import corpora
import corpora.text
from corpora import Passage, UsageError, read
from corpora.passage import count_words
from corpora.reader import Options, numbered, resolve

TEXT = "A first line.\r\n\n  Привет, мир — \U0001d538\u00e9!\n\tand the last, without a line break"
GPT2 = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
GPT4 = regex.compile(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Few kinds of characters, so that runs of spaces, line breaks and signs meet each other often.
messy_text = st.text(st.sampled_from("ab '.,1\n\r\t\u3000\u00a0\u00e9字。\U0001d538"), max_size=60)


def joined(source, **options) -> str:
    return "".join(passage.text for passage in read(source, **options))


def documents(source, **options) -> list[str]:
    """Whole documents, whatever pieces they came in."""
    texts = [""]
    for text, ends_document in read(source, **options):
        texts[-1] += text
        if ends_document:
            texts.append("")
    assert texts.pop() == "", "the last document has no end"
    return texts


def complaint(source, **options) -> str:
    with pytest.raises(UsageError) as caught:
        list(read(source, **options))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(corpora.text, "BLOCK", 7)


# ---- plain text


@given(text=st.text(max_size=200), block=st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_pieces_join_to_the_text(tmp_path_factory, text, block):
    text = text.replace("\0", "") or "x"
    file = tmp_path_factory.mktemp("pieces") / "text.txt"
    file.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora.text, "BLOCK", block)
        passages = list(read(file))
    assert "".join(passage.text for passage in passages) == text
    assert all(passage.text for passage in passages)
    assert [passage.ends_document for passage in passages] == [False] * (len(passages) - 1) + [True]


@given(text=messy_text.filter(lambda text: len(text) > 1))
@settings(max_examples=500, deadline=None)
def test_a_cut_changes_no_pre_token(text):
    cut = corpora.text.cut_position(text)
    assert 0 < cut < len(text)
    before_space = [
        place
        for place in range(1, len(text))
        if text[place] == " " and not text[place - 1].isspace()
    ]
    if before_space:
        assert cut == before_space[-1]
    elif not any(pattern.search(text) for pattern in corpora.text._LESSER_CUTS):
        return  # no place to cut that keeps every pre-token
    for pattern in (GPT2, GPT4):
        assert pattern.findall(text[:cut]) + pattern.findall(text[cut:]) == pattern.findall(text)


def test_a_text_of_a_few_megabytes_comes_in_pieces(tmp_path):
    text = "twelve bytes " * 500_000
    (tmp_path / "big.txt").write_text(text)
    passages = list(read(tmp_path / "big.txt"))
    assert "".join(passage.text for passage in passages) == text
    assert len(passages) > 2
    assert max(len(passage.text) for passage in passages) <= 3 * corpora.text.BLOCK
    assert all(passage.text.startswith(" ") for passage in passages[1:])


def test_memory_does_not_grow_with_the_file(tmp_path):
    file = tmp_path / "big.txt"
    with file.open("wb") as stream:
        for _ in range(60):
            stream.write(b"no space\n" * 120_000)
    program = (
        "import resource, sys, corpora\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for passage in corpora.read(sys.argv[1]): pass\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "print(grown // (1024 if sys.platform == 'darwin' else 1))"
    )
    grown = subprocess.check_output([sys.executable, "-c", program, file], text=True)
    assert int(grown) < 30_000, f"{grown} KB for a file of {file.stat().st_size >> 10} KB"


@pytest.mark.parametrize("ending", [".txt", ".gz", ".bz2", ".xz", ".zst"])
def test_compressed_files(tmp_path, ending, small_blocks):
    import zstandard

    compress = {
        ".txt": bytes,
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
        # Two frames in a row, as `cat` and parallel compressors write them.
        ".zst": lambda data: b"".join(map(zstandard.compress, (data[:9], data[9:]))),
    }[ending]
    file = tmp_path / f"text{ending}"
    file.write_bytes(compress(TEXT.encode()))
    assert joined(file) == TEXT
    if ending != ".txt":
        file.write_bytes(file.read_bytes()[:-9])
        assert "not a complete" in complaint(file)
        file.write_bytes(b"no compression at all")
        assert str(file) in complaint(file)


def test_lines_as_documents(tmp_path, small_blocks):
    (tmp_path / "lines.txt").write_bytes("first\n\nsécond line\r\n \n\tthird, at length".encode())
    assert list(read(tmp_path / "lines.txt", document="line")) == [
        Passage("first", True),
        Passage("sécond line", True),
        Passage("\tthird, at length", True),
    ]


def test_rows_and_lines_are_numbered_where_they_stand(tmp_path):
    def found(*names: str, document: str = "file") -> list[tuple[int, str]]:
        inputs = resolve([str(tmp_path / name) for name in names])
        read = numbered(inputs, Options(document=document))
        return [(number, passage.text) for number, passage in read]

    (tmp_path / "a.txt").write_text("\none\n \ntwo\n")
    (tmp_path / "b.tsv").write_text("id\ttext\n1\t\n2\tthree\n")
    (tmp_path / "c.jsonl").write_text('{"text": null}\n{"text": "four"}')
    assert found("a.txt", "b.tsv") == [(0, "\none\n \ntwo\n"), (2, "three")]
    assert found("a.txt", "c.jsonl", document="line") == [(2, "one"), (4, "two"), (2, "four")]
    sample = numbered(resolve("wikipedia-sample"), Options(split="test"))
    numbers = [number for number, passage in sample if passage.ends_document]
    assert numbers == list(range(1, len(numbers) + 1))


def test_files_folders_globs_and_lists(tmp_path):
    for name in ("b.txt", "a.txt", "deep/er/c.md", "deep/.hidden/x.txt", ".hidden.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"this is {name}")
    (tmp_path / "deep" / "d.jsonl").write_text('{"text": "this is a row"}\n')
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "data").write_bytes(b"binary\0\0")
    (tmp_path / "empty.txt").touch()
    rest = ["this is a row", "this is deep/er/c.md"]
    assert documents(tmp_path) == ["this is a.txt", "this is b.txt", *rest]
    assert documents(str(tmp_path / "deep")) == rest
    assert documents(str(tmp_path / "*.txt")) == ["this is a.txt", "this is b.txt"]
    assert documents(str(tmp_path / "**" / "*.md")) == ["this is deep/er/c.md"]
    assert documents([tmp_path / "b.txt", str(tmp_path / "a.txt")]) == [
        "this is b.txt",
        "this is a.txt",
    ]


def test_a_name_with_magic_characters_is_a_name_first(tmp_path):
    (tmp_path / "what[1].txt").write_text("this one")
    (tmp_path / "what1.txt").write_text("not this one")
    assert joined(tmp_path / "what[1].txt") == "this one"


def test_standard_input():
    program = "import corpora; print(list(corpora.read('-')))"
    found = subprocess.run(
        [sys.executable, "-c", program], input=b"from a pipe\n", stdout=subprocess.PIPE, check=True
    )
    assert found.stdout.decode().strip() == str([Passage("from a pipe\n", True)])


# ---- mistakes


def test_a_bad_byte_is_located(tmp_path, small_blocks):
    file = tmp_path / "latin.txt"
    file.write_bytes("one\ntwo é\n".encode() + b"caf\xe9 au lait")
    message = complaint(file)
    for part in (str(file), "0xe9", "offset 14,", "line 3,", "--encoding-errors replace"):
        assert part in message
    assert joined(file, encoding_errors="replace") == "one\ntwo é\ncaf\ufffd au lait"
    file.write_bytes(b"cut short \xe2\x82")
    assert "offset 10, line 1" in complaint(file)
    assert joined(file, encoding_errors="replace") == "cut short \ufffd"


def first_bad_byte(data: bytes) -> int | None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


@given(data=st.binary(min_size=1, max_size=40).filter(lambda data: b"\0" not in data))
@settings(deadline=None)
def test_bad_bytes_are_found_and_replaced_as_python_does(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("bytes") / "text.txt"
    file.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora.text, "BLOCK", 3)
        assert joined(file, encoding_errors="replace") == data.decode(errors="replace")
        if (bad := first_bad_byte(data)) is None:
            assert joined(file) == data.decode()
        else:
            line = data.count(b"\n", 0, bad) + 1
            assert f"offset {bad}, line {line}," in complaint(file)


def test_binary_and_utf16_files(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\x7fELF\n\0\0")
    assert "offset 5, line 2" in complaint(tmp_path / "a.bin")
    (tmp_path / "wide.txt").write_text("text", encoding="utf-16")
    assert "UTF-16" in complaint(tmp_path / "wide.txt")
    assert "UTF-16" in complaint(tmp_path)


def test_missing_and_empty_sources(tmp_path, monkeypatch):
    assert "no such file" in complaint(tmp_path / "missing.txt")
    assert "no file matches" in complaint(str(tmp_path / "*.txt"))
    assert "nothing readable" in complaint(tmp_path)
    assert "no source" in complaint([])
    (tmp_path / "empty.txt").touch()
    assert "empty" in complaint(tmp_path / "empty.txt")
    (tmp_path / "empty.txt.gz").write_bytes(gzip.compress(b""))
    assert "no text" in complaint(tmp_path / "empty.txt.gz")
    (tmp_path / "blank.txt").write_text(" \n\n")
    assert "no text" in complaint(tmp_path / "blank.txt", document="line")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert "standard input" in complaint("-")


def test_what_is_missing_is_told_before_anything_is_read(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read(tmp_path / "missing.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "secret.txt").write_text("text")
    (tmp_path / "secret.txt").chmod(0)
    assert "cannot be read" in complaint(tmp_path / "secret.txt")


def test_wrong_options(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    assert "word" in complaint(tmp_path / "a.txt", document="word")
    assert "ignore" in complaint(tmp_path / "a.txt", encoding_errors="ignore")
    assert "no named splits" in complaint(tmp_path / "a.txt", split="train")


# ---- words, imports


@given(text=st.text() | messy_text)
@settings(max_examples=300)
def test_words_are_those_of_split(text):
    assert count_words(text.encode("utf-8", "surrogatepass")) == len(text.split())


def test_every_white_space_separates_words():
    for space in filter(str.isspace, map(chr, range(sys.maxunicode + 1))):
        for text in (f"a{space}b", f"{space}é{space}", space, f"—{space}{space}x", f"x{space}é"):
            assert count_words(text.encode()) == len(text.split()), repr(text)


def test_the_import_is_light():
    heavy = "gensim datasets zstandard pyarrow torch tokenizers rich platformdirs pandas"
    program = f"import sys, corpora; print([m for m in {heavy.split()} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
