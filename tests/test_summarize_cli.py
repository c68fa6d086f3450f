"""`unrolled summarize`: what is read, what is answered, and what becomes of what cannot be read."""

from __future__ import annotations

import inspect
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from scripted_model import Scripted

from cli.main import main
from cli.summarize import _Answers
from cli.summarize import summarize as command
from nlp import summarizer
from nlp.core.language import loading
from nlp.core.language.config import Config
from nlp.core.language.model import LanguageModel
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.tokenizer import Tokenizer
from nlp.summarizer import summarize


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def first_word(text: str) -> dict[str, float]:
    return {f" {text.split()[0]}.": 0.75, " Perhaps.": 0.25}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """What every name stands for."""
    model = Scripted(first_word, context=150)
    monkeypatch.setattr(loading, "load", lambda *named: model)
    return model


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as exit:
            main(["summarize", *map(str, arguments)])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Ran(int(exit.value.code or 0), out.decode(), err.decode())

    return run


SHORT = ("--greedy", "--max-tokens", "40")


def refused(ran: Ran) -> str:
    assert (ran.code, ran.out) == (2, ""), ran
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


# One text


def test_a_file_and_standard_input(run: Run, model: Scripted, write: Callable[..., Path]):
    write("\ufeffPears are ripe.\n", "a.txt")
    assert run("a.txt", *SHORT) == Ran(0, "Pears.\n", "")
    assert model.prompts[-1] == "Pears are ripe."


def test_standard_input_is_read_where_nothing_is_named(run: Run, model: Scripted):
    assert run(*SHORT, stdin=b"Apples fell.") == Ran(0, "Apples.\n", "")


def test_json_tells_all(run: Run, model: Scripted, write: Callable[..., Path]):
    write("Pears, naïve. " * 20, "a.txt")
    ran = run("a.txt", "--json", "--beam", 2, "--candidates", 2, "--max-tokens", 40)
    told = json.loads(ran.out)
    assert list(told)[:4] == ["name", "text", "sentences", "prompt_tokens"]
    assert (told["name"], told["text"], told["sentences"]) == ("a.txt", "Pears,.", ["Pears,."])
    assert told["prompt_tokens"] == 110
    assert told["cut_tokens"] == 20 * 15 - 1 + 7 - 110
    assert [one["text"] for one in told["candidates"]] == ["Pears,.", "Perhaps."]
    assert told["sections"] == []
    expected = f"looks at 150 tokens: {told['cut_tokens']} tokens were left out at the end of the"
    assert expected in ran.err
    assert ran.err.count("\n") == 1


def test_a_text_longer_than_the_model_looks_at(
    run: Run, model: Scripted, write: Callable[..., Path]
):
    write("".join(f"Word{n} is one. " for n in range(1667)), "5000-words.txt")
    ran = run("5000-words.txt", *SHORT)
    assert (ran.code, ran.out) == (0, "Word0.\n")
    assert "--long sections reads all of a text" in ran.err
    ran = run("5000-words.txt", *SHORT, "--long", "sections", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert len(json.loads(ran.out)["sections"]) > 200
    assert all(any(f"Word{n} " in read for read in model.prompts) for n in range(1667))


@pytest.mark.parametrize("long", ["cut", "sections"])
def test_a_single_line(run: Run, model: Scripted, write: Callable[..., Path], long: str):
    write("é" * 3000 if long == "sections" else "x" * 100_000, "line.txt")
    model.say = lambda text: {"A line.": 1.0}
    ran = run("line.txt", *SHORT, "--long", long)
    assert (ran.code, ran.out) == (0, "A line.\n")


def test_another_language(run: Run, model: Scripted, write: Callable[..., Path]):
    write("今日は晴れ。 明日も晴れ。", "ja.txt")
    model.say = lambda text: {"晴れ。 雨。": 1.0}
    assert run("ja.txt", *SHORT, "--language", "ja", "--sentences", 1).out == "晴れ。\n"


def test_hint(run: Run, model: Scripted, write: Callable[..., Path]):
    write("Pears are ripe.", "a.txt")
    model.hint = b"\n\nIn short:"
    assert run("a.txt", *SHORT, "--hint", r"\n\nIn short:").out == "Pears.\n"


def test_nothing_to_say(run: Run, model: Scripted, write: Callable[..., Path]):
    write("Pears.", "a.txt")
    model.say = lambda text: {"": 1.0}
    ran = run("a.txt", *SHORT)
    assert ran == Ran(0, "\n", "1 of 1 summaries: the model wrote nothing\n")


# Many


def test_a_thousand_files_in_order(run: Run, model: Scripted, write: Callable[..., Path]):
    model.say = lambda text: {f" {text}.": 1.0}
    for number in range(1000):
        write(f"n{number}", f"texts/{number:03}.txt")
    ran = run("texts", "--greedy", "--max-tokens", 8, "--batch-size", 50)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "\n".join(
        f"==> texts/{number:03}.txt <==\nn{number}.\n" for number in range(1000)
    )


def test_one_bad_file_stops_no_other(run: Run, model: Scripted, write: Callable[..., Path]):
    write("Pears are ripe.", "a.txt")
    write("", "empty.txt")
    write(" \n\t", "blank.txt")
    write(b"\xff\xfe\x00", "binary.txt")
    write(b"caf\xe9", "latin.txt")
    write("Apples fell.", "b.txt")
    names = ["a.txt", "empty.txt", "none.txt", "blank.txt", "binary.txt", "latin.txt", "b.txt"]
    ran = run(*names, *SHORT)
    assert ran.code == 2
    assert ran.out == "==> a.txt <==\nPears.\n\n==> b.txt <==\nApples.\n"
    *errors, last = ran.err.splitlines()
    expected = [*names[1:3], *names[3:6]]
    assert len(errors) == len(expected)
    for error, name in zip(errors, expected, strict=True):
        assert error.startswith(f"unrolled: error: {name}: ")
    assert last == "unrolled: 5 of 7 texts could not be read"


@pytest.mark.parametrize("name", ["empty.txt", "none.txt", "blank.txt"])
def test_a_bad_file_alone_is_one_line(run: Run, name: str, write: Callable[..., Path]):
    write("", "empty.txt")
    write("\n", "blank.txt")
    assert f"error: {name}: " in refused(run(name))  # and no model is loaded


def test_rows_of_tables_and_lines(run: Run, model: Scripted, write: Callable[..., Path]):
    rows = [{"article": "Pears."}, {"article": " "}, {"article": "Figs."}]
    write("".join(json.dumps(row) + "\n" for row in rows), "t.jsonl")
    ran = run("t.jsonl", "--text-column", "article", *SHORT)
    assert ran.out == "==> t.jsonl:1 <==\nPears..\n\n==> t.jsonl:3 <==\nFigs..\n"
    assert ran.err.startswith("unrolled: error: t.jsonl:2: there is no text in it")
    write("Pears\n\nFigs\n", "lines.txt")
    model.prompts.clear()
    ran = run("lines.txt", "--document", "line", *SHORT, "-o", "out")
    assert ran.code == 0
    assert {file.name: file.read_text() for file in Path("out").iterdir()} == {
        "lines-1.txt": "Pears.\n",
        "lines-3.txt": "Figs.\n",
    }


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv", "t.txt"])
def test_numbers_are_of_rows_and_lines_and_not_of_texts(
    run: Run, model: Scripted, write: Callable[..., Path], name: str
):
    rows = ["Pears.", "", "Figs."]
    lines = [json.dumps({"text": row, "id": 1}) for row in rows]
    if name == "t.csv":
        lines = ["text,id", *(f"{row},1" for row in rows)]
    write("\n".join(rows if name == "t.txt" else lines), name)
    ran = run(name, "--document", "line", *SHORT)
    assert ran.out == f"==> {name}:1 <==\nPears..\n\n==> {name}:3 <==\nFigs..\n"


@pytest.mark.parametrize("on_a_terminal", [False, True])
def test_what_there_is_to_tell_of_a_models_files_is_told_once(
    run: Run, model: Scripted, write: Callable[..., Path], monkeypatch, on_a_terminal: bool
):
    monkeypatch.setattr(_Answers, "on_a_terminal", on_a_terminal)
    model.remarks = ["the chat template of the file is not used"]
    write("Pears.", "a.txt")
    ran = run("a.txt", *SHORT)
    assert ran == Ran(0, "Pears..\n", "the chat template of the file is not used\n")


# Folders


def test_an_output_folder_is_not_written_over(
    run: Run, model: Scripted, write: Callable[..., Path]
):
    for name in ("a.txt", "b.md", "more/a.md.gz", "out/old.txt"):
        write("Pears.", name)
    assert "out is not empty: choose another folder, or --overwrite" in refused(
        run("a.txt", "-o", "out")
    )
    assert "of a.txt and more/a.md.gz would both be new/a.json" in refused(
        run("a.txt", "more/a.md.gz", "-o", "new", "--json")
    )
    assert "a.txt is in the --output-folder" in refused(run("a.txt", "-o", ".", "--overwrite"))
    assert "b.md is a file" in refused(run("a.txt", "-o", "b.md"))
    assert "--overwrite is about --output-folder" in refused(run("a.txt", "--overwrite"))
    ran = run("a.txt", "b.md", "-o", "out", "--overwrite", "--json", *SHORT)
    assert ran == Ran(0, "2 summaries are in out\n", "")
    assert sorted(file.name for file in Path("out").iterdir()) == ["a.json", "b.json", "old.txt"]
    assert json.loads(Path("out/b.json").read_text())["name"] == "b.md"


# On a terminal


def test_a_summary_is_streamed(
    run: Run, model: Scripted, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_Answers, "on_a_terminal", True)
    write("Pears are ripe. " * 20, "a.txt")
    model.say = lambda text: {" \x1b[31mPears. And\nfigs.": 1.0}
    ran = run("a.txt", *SHORT)
    assert (ran.code, ran.out) == (0, "␛[31mPears. And\nfigs.\n")
    assert "left out at the end of the text" in ran.err


# Options


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--long middle", "--long is middle: expected cut or sections"),
        ("--greedy --beam 2", "--greedy takes the likeliest token each time: leave out --beam"),
        ("--greedy --seed 2 --top-k 2", "leave out --top-k and --seed"),
        ("--greedy --candidates 2", "leave out --candidates"),
        ("--beam 2 --top-p 0.5", "--beam searches, and draws nothing: leave out --top-p"),
        ("--beam 2 --candidates 3", "--candidates 3 takes a beam as wide: give --beam 3"),
        ("--document page", "document is 'page'"),
        ("--max-tokens 0", "Invalid value for '--max-tokens'"),
        ("--top-p 2", "top_p is 2.0"),
    ],
)
def test_what_does_not_go_together(run: Run, options: str, told: str):
    assert told in refused(run("a.txt", *options.split()))


@pytest.mark.parametrize(
    ("options", "strategy"),
    [
        ("", Sampling(top_k=2)),
        ("--top-p 0.9", Sampling(top_p=0.9)),
        ("--top-k 0 --temperature 0.7", Sampling(0.7)),
        ("--temperature 0.7", Sampling(0.7, top_k=2)),
        ("--greedy", Greedy()),
        ("--beam 3", Beam(3)),
    ],
)
def test_strategies(
    run: Run, model: Scripted, write: Callable[..., Path], monkeypatch, options, strategy
):
    write("Pears.", "a.txt")
    asked = {}
    monkeypatch.setattr(
        summarizer, "summarize", lambda texts, model, **given: (asked.update(given), [])[1]
    )
    with pytest.raises(BaseException):  # noqa: B017, PT011 - there are no answers
        command(["a.txt"], **_parsed(options))
    assert asked["strategy"] == strategy


def _parsed(options: str) -> dict[str, object]:
    words = options.split()
    if words == ["--greedy"]:
        return {"greedy": True}
    return {
        name.removeprefix("--").replace("-", "_"): float(value) if "." in value else int(value)
        for name, value in zip(words[::2], words[1::2], strict=True)
    }


def test_the_command_and_the_function_have_the_same_defaults():
    given = inspect.signature(command).parameters
    for name, parameter in inspect.signature(summarize).parameters.items():
        if name not in ("text", "strategy", "report"):
            assert given[name].default == parameter.default, name


def test_with_a_real_model(run: Run, tmp_path: Path, write: Callable[..., Path]):
    text = "One two. Two ones, naïve threes.\n\nAnd so on.\n"
    tokenizer = Tokenizer.train([text * 3], vocabulary_size=280)
    config = Config(vocabulary_size=280, hidden_size=16, embedding_size=16)
    LanguageModel(config, tokenizer).save_pretrained(tmp_path / "m")
    write(text, "a.txt")
    ran = run("a.txt", "--model", "m", "--device", "cpu", "--max-tokens", 20, "--seed", 3)
    found = summarize(text, tmp_path / "m", device="cpu", max_tokens=20, seed=3)
    assert (ran.code, ran.out) == (0, found.text + "\n")
    assert "there is no" in run("a.txt", "--model", "./nowhere").err
