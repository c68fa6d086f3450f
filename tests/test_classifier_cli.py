"""`unrolled train-classifier` and `unrolled classify`."""

from __future__ import annotations

import inspect
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
import typer

from cli.classifier import classify, train_classifier
from cli.main import main
from nlp.classifier import Classifier, evaluate, train
from nlp.core.checkpoint import WEIGHTS, read_tensors

ROOT = Path(__file__).parent.parent
ROWS = [("good film", "pos"), ("a fine one", "pos"), ("bad film", "neg"), ("a dull one", "neg")]
TINY = {
    **{"word_size": 12, "hidden_size": 12, "steps": 40, "batch_size": 16, "learning_rate": 0.01},
    **{"word_dropout": 0.1, "evaluate_every": 20, "word_epochs": 0, "device": "cpu"},
}
OPTIONS = [part for name, value in TINY.items() for part in (f"--{name.replace('_', '-')}", value)]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def write(path: Path, repeat: int = 30) -> Path:
    rows = [f"{text} {number},{label}" for number in range(repeat) for text, label in ROWS]
    path.write_text("\n".join(["text,label", *rows]) + "\n")
    return path


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Run a command in this process, in a folder with a table."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "films.csv")

    def run(*arguments: object, stdin: str | bytes = "") -> Ran:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Ran(int(exit.value.code or 0), out.decode(), err.decode())

    return run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    options = {**TINY, "pooling": "attention"}
    train(write(folder / "films.csv"), output=folder / "model", **options)  # type: ignore[arg-type]
    return folder / "model"


def told_in_one_line(ran: Ran) -> str:
    assert ran.code == 2, ran
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


# ── the same thing ──────────────────────────────────────────────────────────────────────────────


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    command = {n: p.default for n, p in inspect.signature(train_classifier).parameters.items()}
    function = {n: p.default for n, p in inspect.signature(train).parameters.items()}
    assert command.pop("as_json") is False
    del function["report"]
    for name in ("validation", "test"):  # a fraction or a source: text on the command line
        command[name] = float(command[name])
    assert command == function


def test_classify_and_the_method_have_the_same_defaults() -> None:
    command = inspect.signature(classify).parameters
    method = inspect.signature(Classifier.classify).parameters
    for name in ("explain", "label", "batch_size"):
        assert command[name].default == method[name].default


# ── training ────────────────────────────────────────────────────────────────────────────────────


def test_command_and_function_train_the_same_model(run: Run, tmp_path: Path) -> None:
    ran = run("train-classifier", "films.csv", "-o", "by-command", *OPTIONS, "--seed", 3)
    assert ran.code == 0, ran.err
    train(tmp_path / "films.csv", output=tmp_path / "by-function", seed=3, **TINY)  # type: ignore[arg-type]
    tensors, others = (
        read_tensors(tmp_path / name / WEIGHTS)[0] for name in ("by-command", "by-function")
    )
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())
    for part in ("texts/s", "neg", "bag of words", "ROC-AUC", "The model is in by-command. Try:"):
        assert part in ran.out


def test_training_is_told_to_machines(run: Run) -> None:
    ran = run("train-classifier", "films.csv", "-o", "model", *OPTIONS, "--json")
    events = [json.loads(line) for line in ran.out.splitlines()]
    end = events[-1]
    assert end["event"] == "end"
    ours, baseline = end["results"]["this model"], end["results"]["bag of words"]
    scores = {"accuracy", "macro_f1", "micro_f1", "roc_auc", "pr_auc"}
    summary = {*scores, "ranges", "scores", "calibration_error", "texts", "words"}
    for result in (ours, baseline):  # nothing of each text
        assert set(result) == {*summary, "words_per_second"}
        assert set(result["ranges"]) == scores
    assert ours["texts"] == baseline["texts"] > 0
    low, high = baseline["ranges"]["accuracy"]
    assert 0 <= low <= baseline["accuracy"] <= high <= 1
    assert ours["scores"]["pos"]["texts"] > 0


def test_texts_by_files_of_their_labels(run: Run, tmp_path: Path) -> None:
    for name, word in (("pos", "good"), ("neg", "bad")):
        lines = [f"{word} film {number}" for number in range(60)]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    sources = ("pos=pos.txt", "neg=neg.txt")
    ran = run("train-classifier", *sources, "-o", "model", *OPTIONS, "--no-baseline")
    assert ran.code == 0, ran.err
    assert "bag of words" not in ran.out
    answer = run("classify", "model", "good film", "--json")
    assert json.loads(answer.out)["labels"] == ["pos"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no labelled texts are named"),
        (("films.csv", "--label-column", "stars"), "stars"),
        (("films.csv", "--pooling", "sum"), "pooling 'sum' is unknown"),
        (("films.csv", "--class-weights", "good"), "LABEL=WEIGHT"),
        (("films.csv", "--multi-label", "--class-weights", "meh=2"), "which no text has"),
        (("missing.csv",), "missing.csv"),
        (("--resume", "-o", "nothing"), "nothing to resume"),
    ],
)
def test_mistakes_are_told_in_one_line(run: Run, arguments: tuple[str, ...], message: str) -> None:
    assert message in told_in_one_line(run("train-classifier", *arguments))


# ── classifying ─────────────────────────────────────────────────────────────────────────────────


def test_texts_are_arguments_or_lines_of_stdin(run: Run, model: Path) -> None:
    texts = ["good film", "a dull one"]
    by_argument = run("classify", model, *texts, "--json")
    assert by_argument.code == 0, by_argument.err
    answers = [json.loads(line) for line in by_argument.out.splitlines()]
    assert [answer["text"] for answer in answers] == texts
    assert [answer["labels"] for answer in answers] == [["pos"], ["neg"]]
    for answer in answers:
        assert set(answer) == {"text", "labels", "probabilities"}
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
    lines = "\n\n".join(texts) + "\n"
    for arguments in ((), ("-",)):
        by_stdin = run("classify", model, *arguments, "--json", stdin=lines).out.splitlines()
        for line, answer in zip(by_stdin, answers, strict=True):
            found = json.loads(line)
            assert (found["text"], found["labels"]) == (answer["text"], answer["labels"])
            # other texts beside it, in another order of sums
            assert found["probabilities"] == pytest.approx(answer["probabilities"], rel=1e-5)


def test_lines_are_answered_as_they_come(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = ["good film\nbad", " film\na fine one\r\n \n", "", "a dull one\ngood", " one"]
    arriving = iter([block.encode() for block in blocks if block])
    answers: list[str] = []
    answered_before: list[int] = []  # each block

    def read1(size: int) -> bytes:
        answered_before.append(len(answers))
        return next(arriving, b"")

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(read1=read1)))
    monkeypatch.setattr(typer, "echo", lambda line: answers.append(json.loads(line)["text"]))
    with pytest.raises(SystemExit) as exit:
        main(["classify", str(model), "given", "-", "--json"])
    assert not exit.value.code
    assert answered_before == [1, 2, 4, 5, 5]
    assert answers == ["given", "good film", "bad film", "a fine one", "a dull one", "good one"]


@pytest.mark.slow
def test_an_answer_does_not_wait_for_the_next_line(model: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "classify", str(model)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for text, label in (("good film", "pos"), ("a dull one", "neg")):
            running.stdin.write(f"{text}\n")
            running.stdin.flush()
            assert running.stdout.readline().startswith(f"{label} ")
        running.stdin.close()
        assert running.wait() == 0


def test_files_and_stdin_are_answered_in_order(run: Run, model: Path, tmp_path: Path) -> None:
    texts = [f"film {number}" for number in range(600)]  # more than are classified at once
    rows = [json.dumps({"text": text}) for text in texts]
    (tmp_path / "texts.jsonl").write_text("\n".join(rows) + "\n")
    files = ("--file", "texts.jsonl", "--file", "-", "--json")
    ran = run("classify", model, *files, stdin="the\n\nend\n")
    assert [json.loads(line)["text"] for line in ran.out.splitlines()] == [*texts, "the", "end"]
    assert run("classify", model) == (0, "", "")  # of nothing, nothing


def test_texts_of_files(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("good film\na dull one\n")
    (tmp_path / "table.csv").write_text("review\ngood film\na dull one\n")
    expected = run("classify", model, "--json", stdin="good film\na dull one\n").out
    assert run("classify", model, "--file", "lines.txt", "--json").out == expected
    table = ("--file", "table.csv", "--text-column", "review")
    assert run("classify", model, *table, "--json").out == expected
    both = ("--file", "lines.txt", "--file", "table.csv", "--text-column", "review")
    assert run("classify", model, *both, "--json").out == 2 * expected
    whole = run("classify", model, "--file", "lines.txt", "--document", "file", "--json").out
    assert [json.loads(line)["text"] for line in whole.splitlines()] == ["good film\na dull one\n"]


def test_an_explanation_has_a_weight_for_each_word(run: Run, model: Path) -> None:
    text = "A  dull one\N{HORIZONTAL ELLIPSIS}"
    for kind in ("gradient", "attention"):
        answer = json.loads(run("classify", model, text, "--explain", kind, "--json").out)
        words = answer["words"]
        assert [word["text"] for word in words] == ["A", "dull", "one", "\N{HORIZONTAL ELLIPSIS}"]
        assert [text[word["start"] : word["end"]] for word in words] == [w["text"] for w in words]
        assert answer["labels"] == [answer["explained"]]
    asked = run("classify", model, text, "--explain", "gradient", "--label", "pos", "--json")
    assert json.loads(asked.out)["explained"] == "pos"


def test_a_terminal_shows_labels_and_coloured_words(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run("classify", model, "good\x1b[31m film").out
    label, probability, *words = plain.split()
    assert (label, words) == ("pos", ["good␛[31m", "film"])
    assert 0.5 < float(probability) <= 1
    told = run("classify", model, "good film", "--explain", "attention").out
    assert re.fullmatch(r"pos 0\.\d\d  good(\(\+0\.\d\d\))? film(\(\+0\.\d\d\))?\n", told)
    assert "(+0." in told
    for name, value in (("FORCE_COLOR", "1"), ("COLORTERM", "truecolor"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    coloured = run("classify", model, "good film", "--explain", "attention").out
    assert "48;2;" in coloured
    assert "\x1b[48;2;116;192;252m" in coloured.replace("\x1b[38;2;0;0;0;", "\x1b[")


def test_a_page_is_written(run: Run, model: Path, tmp_path: Path) -> None:
    ran = run("classify", model, "good <b>film</b>", "--explain", "gradient", "--html", "why.html")
    assert (ran.code, ran.out) == (0, "")
    page = (tmp_path / "why.html").read_text()
    assert "&lt;" in page
    assert "<mark" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", "--explain", "magic"), "explain 'magic' is unknown"),
        (("a", "--label", "pos"), "--label says what to explain"),
        (("a", "--explain", "gradient", "--label", "meh"), "the label 'meh' is unknown"),
        (("a", "--html", "a.html", "--json"), "leave out one"),
        (("a", "--file", "films.csv"), "leave out one"),
        (("a", "--document", "file", "--text-column", "t"), "leave out --document and --text-col"),
        (("a", "--batch-size", 0), "--batch-size"),
        (("a", "caf\udce9"), "not UTF-8"),
        (("--file", "-", "--file", "missing.csv"), "missing.csv"),
        (("--file", "empty.csv"), "empty.csv"),
        (("--file", "films.csv", "--text-column", "review"), "no column 'review'"),
    ],
)
def test_what_makes_no_sense_is_told(
    run: Run, model: Path, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.csv").touch()
    ran = run("classify", model, *arguments, stdin="never read")
    assert message in told_in_one_line(ran)
    assert "never read" not in ran.out
    assert {path.name for path in tmp_path.iterdir()} == {"empty.csv", "films.csv"}


def test_what_is_no_text_is_told(run: Run, model: Path) -> None:
    ran = run("classify", model, stdin=b"good film\n\x7fELF\0\0\n")
    assert "standard input, line 2: NUL byte" in told_in_one_line(ran)


def test_another_folder_is_told(run: Run) -> None:
    assert "no model folder" in told_in_one_line(run("classify", ".", "a"))
    missing = told_in_one_line(run("classify", "missing", "a"))
    assert "unrolled train-classifier --output missing" in missing


# ── evaluation ──────────────────────────────────────────────────────────────────────────────────


def test_evaluate_tells_what_was_left_out_and_draws(run: Run, model: Path, tmp_path: Path) -> None:
    rows = ["good film,pos", " ,pos", "good film,neg", "a dull one,neg", "bad film,neg"]
    (tmp_path / "odd.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    ran = run("evaluate", model, "odd.csv", "--json", "--errors", 1, "--plot", "r.png")
    assert ran.code == 0
    remarks = ran.err.splitlines()
    assert remarks[0] == "empty texts left out: 1 (odd.csv, line 3)"
    assert "odd.csv, line 4" in remarks[1]
    assert len(remarks) == 2
    told = json.loads(ran.out)
    measured = evaluate(model, tmp_path / "odd.csv")
    assert (told["kind"], told["texts"], told["accuracy"]) == ("classifier", 4, 0.75)
    assert told["accuracy"] == measured.accuracy
    assert [one["where"] for one in told["errors"]] == ["odd.csv, line 4"]
    assert sum(row["answers"] for row in told["reliability"]) == 4
    assert "confidences" not in told
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("films.csv", "--scheme", "BIO"), "takes no --scheme: leave it out"),
        (("films.csv", "--scheme", "BIO", "--format", "brat"), "leave them out"),
        (("films.csv", "--text-column", "review"), "no column 'review'"),
        (("stars.csv",), "stars.csv, line 2: the label '5'"),
        (("lines.txt",), "have no labels"),
        (("empty.csv",), "empty.csv"),
    ],
)
def test_evaluate_tells_mistakes_in_one_line(
    run: Run, model: Path, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "lines.txt").write_text("good film\n")
    (tmp_path / "stars.csv").write_text("text,label\ngood film,5\n")
    ran = run("evaluate", model, *arguments)
    assert message in told_in_one_line(ran)
    assert ran.out == ""
