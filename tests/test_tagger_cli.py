"""`unrolled train-tagger`, `tag` and `evaluate`: their answers, and that a mistake is one line."""

from __future__ import annotations

import inspect
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli import display, display_entities, evaluate, inputs
from cli.main import main
from cli.tagger import train_tagger
from corpora.generated_people import sentences
from corpora.labelled import read_labelled
from corpora.reader import read
from corpora.schemes import to_tags
from corpora.tagged import read_tagged
from nlp import language_model, tagger
from nlp.core.checkpoint import CONFIG, WEIGHTS
from nlp.core.events import Event, Progress
from nlp.core.tags.entities import Entity, TaggedText
from nlp.core.tags.entity_scores import worst_errors
from nlp.core.tokens.word_splitter import words_of

ROOT = Path(__file__).parent.parent
PEOPLE, PLACES = ("Igor", "Ida Karvin", "Noor"), ("Oslo", "Rome", "Ostermond")
TINY = {
    **{"hidden_size": 16, "word_size": 16, "spelling": "none", "steps": 60, "evaluate_every": 30},
    **{"warmup_steps": 2, "learning_rate": 0.02, "word_dropout": 0.0, "device": "cpu"},
}
OPTIONS = [part for name, value in TINY.items() for part in (f"--{name.replace('_', '-')}", value)]
TEXT = "Igor left Oslo\twith 👩‍👩‍👧 and\r\nIda Karvin, who went to  Rome."


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def write_data(path: Path, sentences: int = 60) -> Path:
    """Columns in which names are always of the same kind, so that little training finds them."""
    lines = []
    for number in range(sentences):
        person, place = PEOPLE[number % 3], PLACES[number // 3 % 3]
        verb = ("left", "went to", "came from")[number % 2 + number % 5 % 2]
        lines += [f"{word}\t{'BI'[place > 0]}-person" for place, word in enumerate(person.split())]
        lines += [f"{word}\tO" for word in (*verb.split(), *(["with", ","] * (number % 2)))]
        lines += [f"{place}\tB-place", ".\tO", ""]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tagger that has learned these names."""
    folder = tmp_path_factory.mktemp("finished")
    data = write_data(folder / "data.conll")
    trained = tagger.train(data, output=folder / "tagger", **TINY)  # type: ignore[arg-type]
    assert trained.test is not None
    assert trained.test.scores.micro.f1 == 1
    return folder / "tagger"


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    finished: Path,
) -> Run:
    """Run `unrolled` in this process, in a folder with a tagger t and its data."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path / "t")
    write_data(tmp_path / "data.conll")

    def run(*arguments: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Ran(int(exit.value.code or 0), out.decode(), err.decode())

    return run


def answered(ran: Ran) -> list[dict[str, Any]]:
    """The lines of JSON of a run that has gone well and said nothing else."""
    assert (ran.code, ran.err) == (0, "")
    return [json.loads(line) for line in ran.out.splitlines()]


def found(record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entity["text"], entity["label"]) for entity in record["entities"]]


def told_in_one_line(ran: Ran) -> str:
    """The error of a run that is to have failed politely."""
    assert ran.code == 2, ran
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


# ── training ────────────────────────────────────────────────────────────────────────────────────


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    command = {name: p.default for name, p in inspect.signature(train_tagger).parameters.items()}
    function = {name: p.default for name, p in inspect.signature(tagger.train).parameters.items()}
    assert command.pop("as_json") is False
    del function["report"]
    for name in ("validation", "test"):  # a fraction or a source: text on the command line
        command[name] = float(command[name])
    command["language_models"] = command["language_models"] or ()  # Typer's word for none given
    assert command == function


def test_command_and_function_train_the_same_model(run: Run, finished: Path) -> None:
    ran = run("train-tagger", "data.conll", "-o", "new", *OPTIONS)
    assert (ran.code, ran.err) == (0, "")
    for told in ("words/s", "F1 1", "on the test split", "person", "calibration", "tag new"):
        assert told in ran.out
    assert Path("new", WEIGHTS).read_bytes() == (finished / WEIGHTS).read_bytes()


def test_json_is_a_line_per_event(run: Run) -> None:
    events = answered(run("train-tagger", "data.conll", "-o", "new", *OPTIONS, "--json"))
    assert {event["event"] for event in events} == {"remark", "progress", "evaluation", "end"}
    end = events[-1]
    assert (end["event"], end["step"], end["ended"]) == ("end", 60, "finished")
    assert end["results"]["scores"]["person"]["f1"] == 1
    assert 0 <= end["results"]["calibration_error"] <= 1


def test_without_data_the_sample_is_used(run: Run) -> None:
    ran = run("train-tagger", "-o", "new", *OPTIONS, "--steps", 1, "--test", "0.8")
    assert "generated-people" in Path("new", "README.md").read_text()
    assert ran.code == 0


def test_control_c_saves_and_says_how_to_go_on(
    run: Run, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = display.TrainingDisplay.__call__

    def press(self: display.TrainingDisplay, event: Event) -> None:
        show(self, event)
        if isinstance(event, Progress) and event.step == 40:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(display.TrainingDisplay, "__call__", press)
    ran = run("train-tagger", "data.conll", "-o", "new", *OPTIONS)
    assert ran.code == 130
    assert ran.out.endswith("Go on with: unrolled train-tagger --output new --resume\n")
    assert Path("new", WEIGHTS).read_bytes() != (finished / WEIGHTS).read_bytes()
    monkeypatch.setattr(display.TrainingDisplay, "__call__", show)
    assert "cell is gru here" in told_in_one_line(
        run("train-tagger", "-o", "new", "--resume", "--cell", "gru")
    )
    assert "resumed at step 40" in run("train-tagger", "-o", "new", "--resume").out
    assert Path("new", WEIGHTS).read_bytes() == (finished / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.conll"], "missing.conll"),
        (["empty.conll"], "empty"),
        (["ragged.conll"], "ragged.conll, line 2"),
        (["mixed.conll"], "mixed.conll, line 1"),
        (["latin1.conll"], "latin1.conll"),
        (["nothing.conll"], "names no entity"),
        (["data.conll", "--format", "xml"], "format 'xml' is unknown"),
        (["data.conll", "--scheme", "BIOO"], "scheme 'BIOO' is unknown"),
        (["data.conll", "--tag-column", "7"], "tag_column is 7"),
        (["data.conll", "--validation", "missing.conll"], "missing.conll"),
        (["data.conll", "--test", "0.95"], "leave nothing to train on"),
        (["data.conll", "--spelling", "ear"], "spelling 'ear' is unknown"),
        (["data.conll", "--layers", "0"], "layers is 0"),
        (["data.conll", "--batch-size", "0"], "batch_size is 0"),
        (["data.conll", "--dropout", "1"], "dropout is 1"),
        (["data.conll", "--embedding", "missing.txt"], "missing.txt"),
        (["data.conll", "--language-model", "missing"], "missing"),
        (["data.conll", "--language-models", "x"], "No such option"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_no_folder(
    arguments: list[str], message: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "empty.conll").write_text("")
    (tmp_path / "ragged.conll").write_text("Igor\tN\tB-person\nleft\tO\n")
    (tmp_path / "mixed.conll").write_text("Igor\tU-person\nOslo\tS-place\nleft\tO\n")
    (tmp_path / "latin1.conll").write_bytes("José\tB-person\n".encode("latin-1"))
    (tmp_path / "nothing.conll").write_text("Igor\tO\nleft\tO\n\n" * 30)
    options = [] if message == "leave nothing to train on" else OPTIONS
    data, *rest = arguments
    assert message in told_in_one_line(run("train-tagger", data, "-o", "new", *options, *rest))
    assert not list(tmp_path.glob("new*"))


# ── tagging ─────────────────────────────────────────────────────────────────────────────────────


def test_json_has_places_in_the_original_text(run: Run) -> None:
    (record,) = answered(run("tag", "t", TEXT, "--json"))
    assert record["text"] == TEXT
    wanted = [("Igor", "person"), ("Oslo", "place"), ("Ida Karvin", "person"), ("Rome", "place")]
    assert found(record) == wanted
    for entity in record["entities"]:
        assert TEXT[entity["start"] : entity["end"]] == entity["text"]
        assert 0 < entity["confidence"] <= 1
        assert entity["rank"] == 0


def test_the_terminal_shows_labels_and_confidences(run: Run) -> None:
    ran = run("tag", "t", TEXT, "nobody left")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("[Igor person ")
    assert "% ] " not in ran.out
    assert ran.out.splitlines()[1].startswith("[Ida Karvin person ")
    assert ran.out.endswith("\nnobody left\n")
    assert ran.out.count("%]") == 4


def test_a_line_of_stdin_is_a_line_of_json(run: Run) -> None:
    ran = run("tag", "t", "--json", stdin="\ufeffIgor left\r\n\nRome is far".encode())
    assert [record["text"] for record in answered(ran)] == ["Igor left", "", "Rome is far"]
    ran = run("tag", "t", "Noor left .", "-", "--json", stdin=b"Ida Karvin left .\n")
    assert [found(record)[0][0] for record in answered(ran)] == ["Noor", "Ida Karvin"]
    assert run("tag", "t") == (0, "", "")  # of nothing, nothing


def test_lines_are_taken_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", open(reading))  # noqa: SIM115
    batches = inputs.arriving_texts(["-"])
    os.write(writing, b"one\ntw")
    assert next(batches) == ["one"]
    os.write(writing, b"o\nthr")
    assert next(batches) == ["two"]
    os.write(writing, "ee\n\nfour\nfü".encode()[:-1])
    assert next(batches) == ["three", "", "four"]
    os.write(writing, "ü".encode()[1:] + b"nf")
    os.close(writing)
    assert list(batches) == [["fünf"]]


@pytest.mark.slow
def test_an_answer_does_not_wait_for_the_next_line(finished: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "tag", str(finished), "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for name in ("Igor", "Noor"):
            running.stdin.write(f"{name} left Oslo .\n")
            running.stdin.flush()
            assert found(json.loads(running.stdout.readline()))[0] == (name, "person")
        running.stdin.close()
        assert running.wait() == 0


def test_files_are_documents(run: Run, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("Igor left\nOslo .\n")
    (tmp_path / "texts" / "b.txt").write_text("Noor left Rome .\n")
    (tmp_path / "c.txt").write_text("Igor went to Rome .")
    records = answered(run("tag", "t", "--file", "texts", "--file", "c.txt", "--json"))
    names = [Path(record["file"]).name for record in records]
    assert names == ["a.txt", "b.txt", "c.txt"]
    assert records[0]["text"] == "Igor left\nOslo .\n"
    # On a line of its own, little tells a small tagger what Oslo is.
    assert [text for text, _ in found(records[0])] == ["Igor", "Oslo"]
    shown = run("tag", "t", "--file", "c.txt").out.splitlines()
    assert shown[0] == "--- c.txt"
    assert len(shown) == 2


def test_words_stay_as_they_are(run: Run) -> None:
    line = "Igor went to  Rome. O slo"
    (record,) = answered(run("tag", "t", line, "--words", "--json"))
    assert record["text"] == line
    ran = run("tag", "t", line, "--words", "--conll")
    assert [row.split("\t")[0] for row in ran.out.splitlines()[:-1]] == line.split()
    (with_dot,) = answered(run("tag", "t", line, "--json"))
    assert ("Rome", "place") in found(with_dot)


def test_conll_is_read_back_with_the_same_entities(run: Run, tmp_path: Path) -> None:
    ran = run("tag", "t", TEXT, "Noor left .", "--conll")
    (tmp_path / "tagged.conll").write_text(ran.out)
    corpus = read_tagged(tmp_path / "tagged.conll", words_of=words_of)
    assert [len(one.spans) for one in corpus.sentences] == [2, 2, 1]  # a line is a sentence
    texts = [" ".join(one.words[s.start : s.end]) for one in corpus.sentences for s in one.spans]
    assert texts == ["Igor", "Oslo", "Ida Karvin", "Rome", "Noor"]


def test_json_is_read_back_with_the_same_entities(run: Run, tmp_path: Path) -> None:
    ran = run("tag", "t", TEXT, "Noor left .", "--json")
    (tmp_path / "tagged.jsonl").write_text(ran.out)
    corpus = read_tagged(tmp_path / "tagged.jsonl", words_of=words_of)
    texts = [" ".join(one.words[s.start : s.end]) for one in corpus.sentences for s in one.spans]
    assert texts == ["Igor", "Oslo", "Ida Karvin", "Rome", "Noor"]


@pytest.mark.parametrize("separator", ["\t", " "])
def test_columns_get_one_more(separator: str, run: Run, tmp_path: Path) -> None:
    """As conlleval wants them: the tag that is there, and the tag found."""
    lines = [
        line.replace("\t", separator) for line in (tmp_path / "data.conll").read_text().split("\n")
    ]
    (tmp_path / "given.conll").write_text("\n".join(lines))
    ran = run("tag", "t", "--file", "given.conll", "--columns", "--conll")
    assert (ran.code, ran.err) == (0, "")
    for given, line in zip(lines, ran.out.split("\n"), strict=False):
        assert line == (f"{given}{separator}{given.split(separator)[1]}" if given else "")
    by_stdin = run("tag", "t", "--columns", "--conll", stdin="\n".join(lines).encode())
    assert by_stdin.out == ran.out
    (tmp_path / "commented.conll").write_text("# newdoc\n" + "\n".join(lines))
    told = run("tag", "t", "--file", "commented.conll", "--columns", "--json")
    assert "beginning of a document" in told.err
    assert len(told.out.splitlines()) == 60


def test_a_page_instead(run: Run, tmp_path: Path) -> None:
    assert run("tag", "t", TEXT, "--html", "out/page.html") == (0, "", "")
    page = (tmp_path / "out" / "page.html").read_text(encoding="utf-8")
    assert "Ida Karvin" in page
    assert "<title>Entities by t</title>" in page


def test_less_and_more_than_the_surest(run: Run) -> None:
    best = answered(run("tag", "t", TEXT, "--json"))[0]["entities"]
    sure = answered(run("tag", "t", TEXT, "--json", "--min-confidence", 1))[0]["entities"]
    assert all(entity["confidence"] == 1 for entity in sure)
    more = answered(run("tag", "t", TEXT, "--json", "--second-choices", "--min-confidence", 1))
    kept = more[0]["entities"]
    assert len(kept) >= len(best)
    assert {entity["rank"] for entity in kept if entity["confidence"] < 1} == {1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag", "missing", "x"], "no model folder missing"),
        (["tag", "data.conll", "x"], "data.conll is a file"),
        (["tag", ".", "x"], "no model folder"),
        (["tag", "other", "x"], "language-model"),
        (["tag", "t", "x", "--json", "--conll"], "--json and --conll"),
        (["tag", "t", "x", "--html", "p.html", "--json"], "--json and --html"),
        (["tag", "t", "x", "--words", "--columns"], "--words and --columns"),
        (["tag", "t", "x", "--conll", "--second-choices"], "--second-choices"),
        (["tag", "t", "x", "--file", "data.conll"], "leave out one"),
        (["tag", "t", "x", "--min-confidence", "1.5"], "--min-confidence"),
        (["tag", "t", "x", "--device", "abacus"], "device 'abacus' is unknown"),
        (["tag", "t", "--file", "missing.txt"], "missing.txt"),
        (["tag", "t", "--file", "latin1.txt"], "latin1.txt"),
        (["tag", "t", "--encoding-errors", "ignore"], "encoding_errors"),
        (["tag", "t", "--columns", "--file", "prose.txt"], "prose.txt, line 2"),
        (["tag", "t", "--columns"], "no sentence"),
        (["tag", "t", "caf\udce9"], "not UTF-8"),
        (["tag"], "'model'"),
        (["evaluate", "t"], "no data was named"),
        (["evaluate", "t", "missing.conll"], "missing.conll"),
        (["evaluate", "t", "prose.txt"], "prose.txt, line 2"),
        (["evaluate", "missing", "data.conll"], "no model folder missing"),
        (["evaluate", "vectors", "data.conll"], "unrolled words evaluate"),
        (["evaluate", "damaged", "data.conll"], "config.json"),
        (["evaluate", "t", "data.conll", "--errors", "51"], "--errors"),
        (["evaluate", "t", "data.conll", "--label-column", "x"], "--label-column"),
        (["evaluate", "t", "data.conll", "--text-column", "x"], "--text-column"),
        (["evaluate", "t", "data.conll", "--split", "test"], "split 'test'"),
        (["evaluate", "other", "prose.txt", "--plot", "p.png"], "--plot"),
        (["evaluate", "other", "prose.txt", "--scheme", "BIO"], "--scheme"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, run: Run, tmp_path: Path
) -> None:
    for name, kind in (("other", "language-model"), ("vectors", "embeddings"), ("damaged", None)):
        shutil.copytree(tmp_path / "t", tmp_path / name)
        config = json.loads((tmp_path / name / CONFIG).read_text())
        (tmp_path / name / CONFIG).write_text(json.dumps({**config, "kind": kind}) if kind else "{")
    (tmp_path / "latin1.txt").write_bytes("José\n".encode("latin-1"))
    (tmp_path / "prose.txt").write_text("Igor left Oslo\nand went to the town of Rome\n")
    before = sorted(tmp_path.iterdir())
    ran = run(*arguments)
    assert message in told_in_one_line(ran)
    assert ran.out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_a_bad_byte_is_told_with_its_line(run: Run) -> None:
    stdin = "Igor left .\nJosé\n".encode("latin-1")
    ran = run("tag", "t", "--json", stdin=stdin)
    assert "standard input, line 2: byte 0xe9" in told_in_one_line(ran)
    binary = told_in_one_line(run("tag", "t", "--json", stdin=b"Igor left .\n\x7fELF\0\n"))
    assert "standard input, line 2: NUL byte" in binary
    replaced = answered(run("tag", "t", "--json", "--encoding-errors", "replace", stdin=stdin))
    assert replaced[1]["text"] == "Jos\N{REPLACEMENT CHARACTER}"


# ── what a terminal shows ───────────────────────────────────────────────────────────────────────


def entity(text: str, label: str, start: int, **options: Any) -> Entity:
    values = {"confidence": 0.9, "first_word": 0, "last_word": 1, **options}
    return Entity(label, text, start, start + len(text), **values)


@pytest.fixture
def coloured(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What would be written to a terminal of all colours."""
    screen = io.StringIO()
    options = {"force_terminal": True, "color_system": "truecolor", "highlight": False}
    monkeypatch.setattr(display, "console", lambda: display.Console(file=screen, **options))
    return screen


def test_each_label_has_its_colour(coloured: io.StringIO) -> None:
    text = "Ida saw Ida in Rome\n"
    entities = entity("Ida", "a", 0), entity("Ida", "a", 8), entity("Rome", "b", 15)
    display_entities.tagged_text(TaggedText(text, (), entities), ["a", "b"])
    shown = coloured.getvalue()
    colours = [
        f"48;2;{int(c[1:3], 16)};{int(c[3:5], 16)};{int(c[5:], 16)}m" for c in display.TOKEN_COLOURS
    ]
    assert shown.count(colours[0] + "Ida") == 2
    assert shown.count(colours[1] + "Rome") == 1
    assert "[Ida" not in shown
    assert shown.count("\n") == 1


def test_what_overlaps_is_listed_below(capsys: pytest.CaptureFixture[str]) -> None:
    text = "New York City\x1b[2J and Rome"
    entities = (
        entity("New York City", "place", 0, confidence=0.95),
        entity("York", "person", 4, confidence=0.2, rank=1),
        entity("Rome", "place", 22, confidence=0.004, rank=1),
    )
    display_entities.tagged_text(TaggedText(text, (), entities), ["place"])
    assert capsys.readouterr().out.splitlines() == [
        "[New York City place 95%]␛[2J and [Rome place? 0.4%]",
        "  or [York person? 20%]",
    ]


def test_a_confusion_tells_inexact_ones_apart(capsys: pytest.CaptureFixture[str]) -> None:
    display_entities.confusion(
        ("a", "b", "none"), [[1200, 0, 3], [0, 0, 0], [4, 0, 0]], [[5, 6, 0], [0] * 3, [0] * 3]
    )
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["there", "is", "/", "found", "a", "b", "none"],
        ["a", "1,200", "+5", "+6", "3"],
        ["b", "·", "·", "·"],
        ["none", "4", "·", "·"],
    ]


# ── evaluation ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def unlike(tmp_path: Path) -> Path:
    """Sentences that the tagger errs in, with a label it does not know."""
    lines = []
    for words, spans in sentences(count=40):
        tags = zip(words, to_tags(spans, len(words), "BIO"), strict=True)
        lines += [*(f"{word}\t{tag}" for word, tag in tags), ""]
    (tmp_path / "unlike.conll").write_text("\n".join(lines))
    return tmp_path / "unlike.conll"


def test_evaluate_tells_what_the_library_measures(run: Run, unlike: Path) -> None:
    ran = run("evaluate", "t", "unlike.conll", "--json", "--errors", 7, "--plot", "r.png")
    assert ran.code == 0
    assert "has not learned organisation (" in ran.err
    assert ran.err.count("\n") == 1
    (told,) = [json.loads(line) for line in ran.out.splitlines()]
    measured = tagger.evaluate("t", unlike)
    for label, row in told["scores"].items():
        assert list(row.values()) == list(measured.rows()[label])
    assert told["calibration_error"] == measured.ece
    assert told["confusion"]["labels"] == list(measured.confusion.labels)
    assert told["confusion"]["same"] == [list(row) for row in measured.confusion.same]
    assert len(told["errors"]) == 7
    assert [one["confidence"] for one in told["errors"]] == [
        mistake.confidence for mistake in measured.worst[:7]
    ]
    assert sum(row["answers"] for row in told["reliability"]) == len(measured.confidences)
    assert Path("r.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_shows_tables_and_errors(run: Run, unlike: Path) -> None:
    ran = run("evaluate", "t", "unlike.conll")
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["entities", "precision", "recall", "F1", "entities", "found"] in rows
    assert next(row for row in rows if row[:2] == ["calibration", "error"])
    assert sum("unlike.conll, line" in line for line in ran.out.splitlines()) == evaluate.SHOWN
    assert "unlike.conll, line" not in run("evaluate", "t", "unlike.conll", "--errors", 0).out


def test_evaluate_reads_as_it_is_told(run: Run, tmp_path: Path) -> None:
    text = (tmp_path / "data.conll").read_text().replace("\t", "|")
    (tmp_path / "bars.conll").write_text(text)
    ran = run("evaluate", "t", "bars.conll", "--separator", "|", "--word-column", 0, "--json")
    assert answered(ran)[0]["scores"]["all"]["f1"] == 1


def test_evaluate_takes_a_language_model(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Igor went to Rome and Noor left Oslo. " * 40)
    options = {"kind": "characters", "hidden_size": 8, "steps": 2, "window": 8, "device": "cpu"}
    language_model.train("text.txt", output="lm", **options)  # type: ignore[arg-type]
    (told,) = answered(run("evaluate", "lm", "text.txt", "--json"))
    measured = language_model.evaluate("lm", "text.txt")
    assert told["kind"] == "language-model"
    assert told["per_word"] == pytest.approx(measured.per_word)
    assert "bits per byte" in run("evaluate", "lm", "text.txt").out


def test_the_options_of_reading_are_the_readers() -> None:
    readers: dict[str, Callable[..., Any]] = {
        **{"tagger": read_tagged, "classifier": read_labelled},
        **{"language-model": read},
    }
    taken = set(inspect.signature(evaluate.evaluate).parameters)
    for kind, reader in readers.items():
        names = set(inspect.signature(reader).parameters)
        assert set(evaluate.READING[kind]) <= names & taken
        assert names & taken <= {*evaluate.READING[kind], "split", "encoding_errors"}
    kept = inspect.signature(worst_errors).parameters["n"].default
    assert kept == evaluate.KEPT
