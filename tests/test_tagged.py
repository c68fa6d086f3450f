"""Annotated sentences: every form gives the same; what is wrong is told with file and line."""

from __future__ import annotations

import gzip
import json
import re
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from corpora.schemes import Span, to_tags
from corpora.sentence import Tally, from_text
from corpora.tagged import TaggedCorpus, read_tagged

ALEX = (("Alex", "is", "in", "Los", "Angeles"), ((0, 1, "PER"), (3, 5, "LOC")))
MARTY = (("Marty", "A."), ((0, 2, "PER"),))


def words_of(text: str) -> list[tuple[int, int]]:
    """Words at white space, so that the tests need no tokenizer."""
    return [found.span() for found in re.finditer(r"\S+", text)]


def read(source, **options) -> TaggedCorpus:
    corpus = read_tagged(source, words_of=words_of, **options)
    for sentence in corpus.sentences:
        if sentence.offsets is not None:
            assert sentence.text is not None
            cut = tuple(sentence.text[start:end] for start, end in sentence.offsets)
            assert cut == sentence.words
    return corpus


def plain(corpus: TaggedCorpus) -> list[tuple[tuple[str, ...], tuple[tuple[int, int, str], ...]]]:
    return [(one.words, tuple(map(tuple, one.spans))) for one in corpus.sentences]


def complaint(source, **options) -> str:
    with pytest.raises(UsageError) as caught:
        read(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def write(tmp_path: Path):
    def write(content: str | bytes, name: str = "a.conll") -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


# Columns

BIO = "Alex B-PER|is O|in O|Los B-LOC|Angeles I-LOC||Marty B-PER|A. I-PER|".replace("|", "\n")
COLUMNS = {
    "BIO": BIO,
    "IOB1": BIO.replace("B-", "I-"),
    "IOBES": BIO.replace("Alex B-", "Alex S-").replace("I-", "E-"),
    "BILOU": BIO.replace("Alex B-", "Alex U-").replace("I-", "L-"),
    "plain types": BIO.replace("B-", "").replace("I-", ""),
}


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


# Records

TEXT = "Alex is in Los Angeles"
SPANS = [[0, 4, "PER"], [11, 22, "LOC"]]
NAMED = [dict(zip(("start", "end", "label"), span, strict=True)) for span in SPANS]


@pytest.mark.parametrize(
    "record",
    [
        {"text": TEXT, "entities": NAMED},
        {"text": TEXT, "entities": SPANS[::-1]},
        {"text": TEXT, "spans": NAMED, "tokens": [{"text": "Alex", "start": 0}]},
        {"id": 1, "text": TEXT, "label": SPANS},
        {
            "text": TEXT,
            "entities": [
                {"id": 1, "start_offset": start, "end_offset": end, "label": label}
                for start, end, label in SPANS
            ],
            "relations": [],
        },
        [TEXT, {"entities": SPANS}],
        {"tokens": TEXT.split(), "ner_tags": ["B-PER", "O", "O", "B-LOC", "I-LOC"]},
        {"words": TEXT.split(), "tags": ["U-PER", "O", "O", "B-LOC", "L-LOC"]},
        {"text": TEXT, "tokens": TEXT.split(), "labels": ["PER", "O", "O", "LOC", "LOC"]},
    ],
)
def test_records(write, record) -> None:
    file = write("\n" + json.dumps(record) + "\n", "a.jsonl")
    corpus = read(file)
    assert plain(corpus) == [ALEX]
    assert corpus.sentences[0].where == f"{file}, line 2"
    has_tags = isinstance(record, dict) and record.keys() & {"tags", "ner_tags", "labels"}
    assert corpus.sentences[0].text == (None if has_tags else TEXT)
    array = write(json.dumps([record] * 2, indent=1), "a.json")
    corpus = read(array)
    assert plain(corpus) == [ALEX] * 2
    assert corpus.sentences[1].where == f"{array}, row 2"
    assert plain(read(write(json.dumps(record), "a.annotations"), format="jsonl")) == [ALEX]


def test_lines_of_a_text(write) -> None:
    """A sentence each; but lines that an entity runs over stay together."""
    text = "One in\r\n\r\nNew\nYork now.\nTwo"
    entities = [(10, 18, "LOC"), (24, 27, "NUM")]
    assert [text[start:end] for start, end, _ in entities] == ["New\nYork", "Two"]
    corpus = read(write(json.dumps({"text": text, "entities": entities}), "a.jsonl"))
    assert plain(corpus) == [
        (("One", "in"), ()),
        (("New", "York", "now."), ((0, 2, "LOC"),)),
        (("Two",), ((0, 1, "NUM"),)),
    ]
    assert [one.text for one in corpus.sentences] == ["One in\r", "New\nYork now.", "Two"]
    assert [one.begins_document for one in corpus.sentences] == [True, False, False]


def test_spans_that_do_not_fit_words(write) -> None:
    spans = [[0, 4, "A"], [5, 8, "B"], [8, 11, "C"], [12, 13, "D"], [5, 8, "B"], [11, 12, "E"]]
    file = write(json.dumps({"text": "the NewYork -based", "entities": spans}), "a.jsonl")
    corpus = read(file)
    assert plain(corpus) == [
        (
            ("the", "N", "ewY", "ork", "-", "based"),
            ((0, 1, "A"), (2, 3, "B"), (3, 4, "C"), (4, 5, "D")),
        )
    ]
    assert corpus.remarks == [
        f"spans with white space at an end, which was taken off: 1 ({file}, line 1)",
        f"spans of nothing but white space left out: 1 ({file}, line 1)",
        f"spans given more than once: 1 ({file}, line 1)",
        f"words cut where an entity begins or ends inside them: 2 (first: {file}, line 1)",
    ]


@st.composite
def annotated_texts(draw: st.DrawFn) -> tuple[str, list[Span]]:
    """A text of many scripts, and spans in it that do not overlap and hold more than space."""
    pieces = [
        "a",
        "Bc",
        " ",
        "\n",
        "\r\n",
        "\t",
        "👩‍👧",
        "e\u0301",
        "שלום",
        "\u00a0",
        "\u200b",
        "京",
        ".",
    ]
    text = draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=30).map("".join))
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    spans = [
        Span(start, end, draw(st.sampled_from("XY")))
        for start, end in zip(edges[::2], edges[1::2], strict=False)
    ]
    return text, [span for span in spans if text[span.start : span.end].strip()]


@given(annotated_texts())
@settings(max_examples=200)
def test_entities_of_any_text_keep_their_signs(annotated: tuple[str, list[Span]]) -> None:
    text, spans = annotated
    sentences = list(from_text(text, spans, "here", words_of, Tally()))
    found = []
    for sentence in sentences:
        assert sentence.text is not None
        assert sentence.offsets is not None
        assert "".join(sentence.words) == "".join(sentence.text.split())
        to_tags(sentence.spans, len(sentence.words), "BIO")  # they lie within, and do not overlap
        for start, end, label in sentence.spans:
            begin, stop = sentence.offsets[start][0], sentence.offsets[end - 1][1]
            found.append((sentence.text[begin:stop], label))
    assert found == [(text[span.start : span.end].strip(), span.label) for span in spans]
    assert "".join(word for one in sentences for word in one.words) == "".join(text.split())


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"text": TEXT, "entities": [[0, 4, "A"], [2, 7, "B"]]},
            "overlap: A 'Alex' (0 to 4) and B",
        ),
        ({"text": TEXT, "entities": [[0, 4, "A"], [0, 4, "B"]]}, "two entities overlap"),
        ({"text": TEXT, "entities": [[20, 23, "A"]]}, "not within the text, which has 22"),
        ({"text": TEXT, "entities": [[4, 4, "A"]]}, "from 4 to 4 is not within"),
        ({"text": TEXT, "entities": [[-4, 4, "A"]]}, "from -4 to 4 is not within"),
        ({"text": TEXT, "entities": [[0, 4]]}, "is not a span"),
        ({"text": TEXT, "entities": [[0, 4, ""]]}, "is not a span"),
        ({"text": TEXT, "entities": [{"start": 0, "end": "4", "label": "A"}]}, "is not a span"),
        ({"text": TEXT}, "found the fields text; expected"),
        ({"text": None, "entities": []}, "found the fields text, entities"),
        ({"tokens": ["a"], "ner_tags": ["O", "O"]}, "2 tags in 'ner_tags' for 1 words"),
        ({"tokens": ["a"], "ner_tags": [3]}, "3 in 'ner_tags'; expected the tags' names"),
        ({"tokens": [1], "ner_tags": ["O"]}, "1 among the words"),
        ({"tokens": ["a", "b"], "ner_tags": ["B-X", "X"]}, "tag 'X' fits no scheme"),
        ("text", "found 'text'; expected"),
        (None, "found None; expected"),
    ],
)
def test_wrong_records(write, record, expected: str) -> None:
    good = json.dumps({"text": "Alex", "entities": [], "tokens": ["a"], "tags": ["O"]})
    told = complaint(write(f"{good}\n{json.dumps(record)}\n", "a.jsonl"))
    assert "a.jsonl, line 2: " in told
    assert expected in told


def test_wrong_json(write) -> None:
    assert "line 2: not JSON" in complaint(write('{"text": "a", "label": []}\n{"text"', "a.jsonl"))
    assert "line 2: not JSON" in complaint(
        write('[{"text": "a", "label": []},\n{"text"]', "a.json")
    )


def test_empty_records_and_words_are_counted(write) -> None:
    records = [
        {"text": " \n", "entities": []},
        {"tokens": [], "tags": []},
        {"tokens": ["", "b"], "tags": ["B-X", "O"]},
    ]
    file = write("\n".join(map(json.dumps, records)), "a.jsonl")
    corpus = read(file)
    assert plain(corpus) == [(("\N{REPLACEMENT CHARACTER}", "b"), ((0, 1, "X"),))]
    assert corpus.remarks == [
        f"texts without a word left out: 1 ({file}, line 1)",
        f"empty sentences left out: 1 ({file}, line 2)",
        f"empty words, read as \N{REPLACEMENT CHARACTER}: 1 ({file}, line 3)",
    ]
    assert "no sentence" in complaint(write(json.dumps(records[0]), "b.jsonl"))


def test_a_brace_is_a_word(write) -> None:
    assert read(write("{ O\n} O\n")).sentences[0].words == ("{", "}")


# brat


def test_brat(write, tmp_path: Path) -> None:
    text = "Alex is in Los\r\nAngeles\n\n\u200bMarty A. of North and South Korea\n"
    places = [(0, 4, "PER"), (11, 23, "LOC"), (26, 34, "PER")]
    lines = [
        f"T{number}\t{label} {start} {end}\t{' '.join(text[start:end].split())}"
        for number, (start, end, label) in enumerate(places)
    ]
    lines += ["R1\tlives Arg1:T0 Arg2:T1", "#1\tAnnotatorNotes T1\twell", "", "*\tEquiv T0 T2"]
    lines.append("T9\tLOC 38 43;54 59\tNorth Korea")
    write(text, "brat/a.txt")
    annotations = write("\n".join(lines), "brat/a.ann")
    for source in (tmp_path / "brat", annotations):
        corpus = read(source)
        assert plain(corpus) == [
            ALEX,
            (
                ("\u200b", "Marty", "A.", "of", "North", "and", "South", "Korea"),
                ((1, 3, "PER"), (4, 8, "LOC")),
            ),
        ]
        assert corpus.sentences[0].text == "Alex is in Los\r\nAngeles"
        assert [one.begins_document for one in corpus.sentences] == [True, False]
        where = tmp_path / "brat" / "a.txt"
        assert [one.where for one in corpus.sentences] == [f"{where}, line 1", f"{where}, line 4"]
        assert corpus.remarks == [
            "brat's lines other than entities (relations, notes, ...) left out: 3 "
            f"(first: {annotations}, line 4)",
            "entities in several parts, read as all from the first to the last: 1 "
            f"({annotations}, line 8)",
            f"words cut where an entity begins or ends inside them: 1 ({where}, line 4)",
        ]
    assert plain(read(tmp_path / "brat" / "a.txt", format="brat")) == plain(read(annotations))


def test_a_folder_of_brat(write, tmp_path: Path) -> None:
    """Texts without entities count, texts without annotations do not."""
    write("\ufeffAlex", "brat/1.txt")
    write("T1\tPER 1 5\tAlex\n", "brat/1.ann")
    write("nothing here", "brat/deep/2.txt")
    write("", "brat/deep/2.ann")
    write("never annotated", "brat/3.txt")
    corpus = read(tmp_path / "brat")
    assert plain(corpus) == [(("Alex",), ((0, 1, "PER"),)), (("nothing", "here"), ())]
    left = tmp_path / "brat" / "3.txt"
    assert corpus.remarks == [f"texts without an .ann file left out: 1 ({left})"]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ("T1\tPER 0 4\tAlex\n\nT2\tPER 5 9\tAlex", "a.ann, line 3: characters 5 to 9 of a.txt are"),
        ("T1\tPER 40 44\tAlex", "a.ann, line 1: characters 40 to 44 of a.txt are ''"),
        ("T1\tPER 0\tAlex", "a.ann, line 1: 'T1\\tPER 0\\tAlex' was found"),
        ("x\n", "a.ann, line 1: 'x' was found"),
        ("T1\tA 0 7\tAlex is\nT2\tB 5 7\tis", "a.txt: two entities overlap: A 'Alex is'"),
        (b"T1\tPER 0 4\t\xe9", "a.ann: byte 0xe9"),
    ],
)
def test_wrong_brat(write, annotations, expected: str) -> None:
    write(TEXT, "a.txt")
    assert expected in complaint(write(annotations, "a.ann"))


def test_brat_without_a_text(write, tmp_path: Path) -> None:
    assert "there is no b.txt beside it" in complaint(write("T1\tA 0 1\ta", "b.ann"))
    assert "no sentence" in complaint(write("a", "c.txt"), format="brat")


# Datasets


def test_datasets(tmp_path: Path) -> None:
    import datasets

    tags = datasets.ClassLabel(names=["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(tags),
        }
    )
    rows = {
        "id": ["0", "1", "2"],
        "tokens": [list(ALEX[0]), [], list(MARTY[0])],
        "ner_tags": [[1, 0, 0, 3, 4], [], [1, 2]],
    }
    table = datasets.Dataset.from_dict(rows, features=features)
    test = datasets.Dataset.from_dict({"tokens": [["a"]], "tags": [[7]]})
    datasets.DatasetDict({"train": table, "test": test}).save_to_disk(tmp_path / "set")
    name = f"hf:{tmp_path / 'set'}"
    corpus = read(name, split="train")
    assert plain(corpus) == [ALEX, MARTY]
    assert corpus.scheme == "BIO"
    assert corpus.sentences[1].where == f"{name}, split train, row 3"
    assert corpus.remarks == [f"empty sentences left out: 1 ({name}, split train, row 2)"]
    assert plain(read(tmp_path / "set", format="hf", split="train")) == plain(corpus)
    assert "split test, row 1: 7 in 'tags'" in complaint(name)
    assert "no split 'dev'" in complaint(name, split="dev")


def test_a_dataset_read_as_a_stream(tmp_path: Path, monkeypatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    record = {"tokens": ALEX[0], "ner_tags": to_tags(map(Span._make, ALEX[1]), 5, "BIO"), "x": 1}
    (folder / "train.jsonl").write_text(json.dumps(record) + "\n")
    assert plain(read(f"hf:{folder}")) == [ALEX]
