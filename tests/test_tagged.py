"""Annotated columns, and several files: every form gives the same; what is wrong is told with file
and line. Other forms are in test_tagged_records and test_tagged_sources."""

from __future__ import annotations

import gzip
import re
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tagged_reading import ALEX, BIO, COLUMNS, MARTY, complaint, plain, read


@pytest.mark.parametrize("scheme", COLUMNS)
def test_schemes_are_found(write, scheme: str) -> None:
    file = write(COLUMNS[scheme])
    corpus = read(file)
    assert plain(corpus) == [ALEX, MARTY]
    assert corpus.labels == ("LOC", "PER")
    assert corpus.scheme == scheme
    assert corpus.remarks == []
    assert [one.where for one in corpus.sentences] == [f"{file}, line 1", f"{file}, line 7"]
    assert [one.begins_document for one in corpus.sentences] == [True, False]
    assert corpus.sentences[0].text is None
    if scheme != "plain types":
        assert plain(read(file, scheme=scheme)) == [ALEX, MARTY]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace(" ", "  \t "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "  \n"),
        lambda text: text.replace("\n\n", "\n\t\n").replace(" ", "\t"),  # as in WNUT-17
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n\n",
        lambda text: "-DOCSTART- -X- O\n\n" + text,
        lambda text: re.sub(r"(\S+) (\S+)", r"\1 NN I-NP \2", text),  # as in CoNLL-2003
    ],
)
def test_columns_in_other_dress(write, change) -> None:
    assert plain(read(write(change(BIO)))) == [ALEX, MARTY]


def test_columns_compressed_and_from_standard_input(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a.conll.gz").write_bytes(gzip.compress(BIO.encode()))
    assert plain(read(tmp_path / "a.conll.gz")) == [ALEX, MARTY]
    for text in (BIO, '{"tokens": ["Alex"], "tags": ["PER"]}\n'):
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(text.encode())))
        corpus = read("-")
        assert plain(corpus)[0][1][0] == (0, 1, "PER")
        assert corpus.sentences[0].where == "standard input, line 1"


@pytest.mark.parametrize("separator", [",", "|", "||", " ", "\t", "\\t"])
def test_separators(write, separator: str) -> None:
    file = write(BIO.replace(" ", separator.replace("\\t", "\t")))
    assert plain(read(file, separator=separator)) == [ALEX, MARTY]


def test_column_order(write) -> None:
    file = write("x PER Alex 0\ny O is 0\n")
    corpus = read(file, word_column=2, tag_column=1)
    assert plain(corpus) == [(("Alex", "is"), ((0, 1, "PER"),))]
    assert plain(read(file, word_column=-2, tag_column=-3)) == plain(corpus)
    assert "tag_column is 4, and there are 4 columns" in complaint(file, tag_column=4)
    assert "column 0 is both" in complaint(file, word_column=0, tag_column=0)


def test_conll_u(write) -> None:
    """An index before each word, comments, several words written as one, and documents."""
    text = (
        "# newdoc id = one\n# sent_id = 1\n# text = vámonos al mar\n"
        "1-2\tvámonos\t_\n1\tvamos\tO\n2\tnos\tB-PER\n3.1\tx\t_\n\n"
        "# newdoc\n1\tmar\tB-LOC\n\n1\t#\tO\n2\tnewdoc\tO\n"
    )
    file = write(text)
    corpus = read(file)
    assert plain(corpus) == [
        (("vamos", "nos"), ((1, 2, "PER"),)),
        (("mar",), ((0, 1, "LOC"),)),
        (("#", "newdoc"), ()),
    ]
    assert [one.begins_document for one in corpus.sentences] == [True, True, False]
    assert corpus.remarks == [
        f"lines read as the beginning of a document: 2 (first: {file}, line 1)",
        f"comment lines left out: 2 (first: {file}, line 2)",
        f"files whose first column counts the words, read from the second: 1 ({file})",
        f"CoNLL-U's lines for several words or none (1-2, 1.1) left out: 2 (first: {file}, line 4)",
    ]


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_a_word_that_is_a_number_sign_is_no_comment(write, blank: str) -> None:
    text = "# a comment of words\n#@O\ntag@B-X\n\n# other\n#@B-X\n#newdoc@O\n".replace("@", blank)
    corpus = read(write(text))
    assert plain(corpus) == [(("#", "tag"), ((1, 2, "X"),)), (("#", "#newdoc"), ((0, 1, "X"),))]
    assert len(corpus.remarks) == 1
    assert corpus.remarks[0].startswith("comment lines left out: 2")


def test_documents_and_empty_sentences(write) -> None:
    file = write(f"-DOCSTART- -X-\n\n{BIO}\n\n\n{BIO}-DOCSTART-\n\n{BIO}\n\n")
    corpus = read(file)
    assert plain(corpus) == [ALEX, MARTY] * 3
    begins = [one.begins_document for one in corpus.sentences]
    assert begins == [True, False, False, False, True, False]
    assert corpus.remarks == [
        f"lines read as the beginning of a document: 2 (first: {file}, line 1)",
        f"empty sentences (blank lines beyond the first) left out: 2 (first: {file}, line 14)",
    ]


def test_words_keep_every_sign(write) -> None:
    words = ("\u00a0", "a\u00a0b", "\u200b", "e\u0301", "👩‍👧", "\u2028", "x\x85y", '"', "#")
    file = write("".join(f"{word}\tO\n" for word in words))
    assert read(file).sentences[0].words == words
    spaced = write("New York\tB-LOC\nis\tO\n")
    assert read(spaced).sentences[0].words == ("New York", "is")


SIGNS = st.text(st.characters(exclude_characters="\0\n\r\t ", codec="utf-8"), min_size=1)


@given(
    st.lists(
        st.lists(st.tuples(SIGNS, st.sampled_from(["O", "B-X", "I-X"])), min_size=1), min_size=1
    ),
    st.sampled_from(["\t", " ", "  "]),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=50)
def test_columns_round_trip(tmp_path_factory, sentences, blank: str, line_break: str) -> None:
    file = tmp_path_factory.mktemp("columns") / "a.conll"
    # A prefix keeps the words from being comments, documents, JSON or a byte order mark.
    lines = [[*(f"w{word}{blank}{tag}" for word, tag in one), ""] for one in sentences]
    text = line_break.join(line for one in lines for line in one)
    file.write_text(text, encoding="utf-8", newline="")
    found = read(file).sentences
    assert [one.words for one in found] == [
        tuple(f"w{word}" for word, _ in one) for one in sentences
    ]
    starts = [0]
    for one in sentences:
        starts.append(starts[-1] + len(one) + 1)
    assert [one.where for one in found] == [f"{file}, line {start + 1}" for start in starts[:-1]]


def test_names_of_languages_before_words(write) -> None:
    file = write("en:R.H.\tB-PER\nen::\tO\n\nen:x\tO\n")
    corpus = read(file)
    assert [one.words for one in corpus.sentences] == [("R.H.", ":"), ("x",)]
    assert corpus.remarks == [
        f"files with 'en:' before every word, which was taken off: 1 ({file})"
    ]
    kept = read(write("en:R.H.\tB-PER\nde:x\tO\n"))
    assert kept.sentences[0].words == ("en:R.H.", "de:x")


def test_broken_tags_are_read_as_conlleval_reads_them_and_counted(write) -> None:
    file = write("a B-X\nb I-Y\nc O\n\nd B-X\ne I-X\n\nf I-X\n")
    corpus = read(file)
    assert plain(corpus)[0][1] == ((0, 1, "X"), (1, 2, "Y"))
    assert plain(corpus)[2][1] == ((0, 1, "X"),)
    assert corpus.remarks == [
        f"tags that break BIO, read as conlleval reads them: 2 (first: {file}, line 2)"
    ]


def test_tags_without_types(write) -> None:
    corpus = read(write("a B\nb I\nc O\n"))
    assert plain(corpus)[0][1] == ((0, 2, "entity"),)
    assert "name no type" in corpus.remarks[0]


def test_every_word_tagged(write) -> None:
    assert "none with O" in read(write("a NN\nb VB\n")).remarks[0]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a O\nb\n", {}, "line 2: the number of columns is 1, and 2 in line 1"),
        ("a\tO\nb\t\nc\tO\n", {}, "line 2: the number of columns is 1, and 2 in line 1"),
        ("a O\n\nb x O\n", {}, "line 3: the number of columns is 3, and 2 in line 1"),
        ("a\tO\tx\nb\t\tx\n", {"tag_column": 1}, "line 2: the tag is missing (column 1)"),
        ("x,a,O\nx,,O\n", {"separator": ",", "word_column": 1}, "line 2: the word is missing"),
        ("a\nb\n", {}, "line 1: one column"),
        ("a,O\n", {}, "--separator"),
        ("a B-X\n\nb O\nc X\n", {}, "line 4: tag 'X' fits no scheme"),
        ("a B-X\nb M-X\n", {}, "line 2: tag 'M-X' fits no scheme"),
        ("a B-X\nb B-\n", {}, "line 2: tag 'B-' has no type"),
        ("a S-X\nb U-X\n", {}, "line 2: tag 'U-X' is of BILOU and 'S-X' of IOBES"),
        ("a O\nb S-X\n", {"scheme": "BIO"}, "line 2: tag 'S-X' is none of BIO"),
        ("a O\nb S-X\n", {"scheme": "IOE"}, "scheme 'IOE' is unknown"),
        ("a O\n", {"format": "xml"}, "format 'xml' is unknown"),
        ("a O\n", {"split": "train"}, "only hf: datasets do"),
        ("a O\n", {"encoding_errors": "ignore"}, "encoding_errors"),
        ("", {}, "the file is empty"),
        ("\n\n# x\n", {}, "there is no sentence in it"),
        ("-DOCSTART-\n\n", {}, "there is no sentence in it"),
        (b"a O\n\xe9 O\n", {}, "line 2, is not UTF-8"),
        (b"\xff\xfea\0", {}, "UTF-16"),
    ],
)
def test_wrong_columns(write, text, options, expected: str) -> None:
    told = complaint(write(text), **options)
    assert expected in told
    assert "a.conll" in told or options.keys() & {"scheme", "format", "encoding_errors"}


def test_wrong_sources(tmp_path: Path) -> None:
    assert "no annotated text was given" in complaint([])
    assert "no such file" in complaint(tmp_path / "none.conll")
    assert "no tagged files" in complaint("wikipedia-sample")


def test_a_long_sentence(write) -> None:
    corpus = read(write("a B-X\n" + "b I-X\n" * 49_999))
    assert plain(corpus)[0][1] == ((0, 50_000, "X"),)


def test_several_files(write, tmp_path: Path) -> None:
    """Each has its own scheme; each begins a document."""
    write(COLUMNS["IOBES"], "folder/1.conll")
    write(COLUMNS["BIO"], "folder/2.conll")
    write('{"text": "Marty A.", "entities": [[0, 8, "PER"]]}', "folder/3.jsonl")
    for source in (
        tmp_path / "folder",
        f"{tmp_path}/folder/*",
        [tmp_path / "folder" / f"{name}" for name in ("1.conll", "2.conll", "3.jsonl")],
    ):
        corpus = read(source)
        assert plain(corpus) == [ALEX, MARTY, ALEX, MARTY, MARTY]
        assert corpus.scheme == "IOBES, BIO, character spans"
        begins = [one.begins_document for one in corpus.sentences]
        assert begins == [True, False, True, False, True]
