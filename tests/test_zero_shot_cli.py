"""`unrolled evaluate --task`: a table, JSON, the examples in a file, and mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import nlp.zero_shot
from cli.main import main
from corpora import zero_shot_examples
from corpora.errors import UsageError
from nlp.core import transformer
from nlp.core.language import loading
from nlp.core.language.config import Config
from nlp.core.language.model import LanguageModel
from nlp.core.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "small"
    texts = [row["text"] for row in zero_shot_examples.LAST_WORDS]
    tokenizer = Tokenizer.train(texts, vocabulary_size=300)
    torch.manual_seed(0)
    size = tokenizer.vocabulary_size
    LanguageModel(
        Config(vocabulary_size=size, hidden_size=16, embedding_size=16), tokenizer
    ).save_pretrained(folder)
    return str(folder)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit:
        main(["evaluate", *arguments])
    out, err = capsys.readouterr()
    return int(exit.value.code or 0), out, err


def test_a_table_has_our_figures_the_papers_and_the_protocol(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, model, "--task", "lambada", "--limit", "2")
    assert (code, err) == (0, "")
    assert "lambada, 2 examples" in out
    assert "GPT-2 117M in the paper" in out
    assert "45.99" in out
    assert "protocol: last token (OpenAI's)" in out
    assert "source: our own examples" in out


def test_json_and_details(model: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    details = tmp_path / "examples.jsonl"
    options = ("--task", "lambada", "--set", "protocol=last word", "--limit", "2")
    code, out, _ = run(capsys, model, *options, "--json", "--details", str(details))
    assert code == 0
    told = json.loads(out)
    assert told["task"] == "lambada"
    assert told["examples"] == 2
    assert set(told["metrics"]["perplexity"]) == {"value", "low", "high"}
    assert list(told["rows"]) == ["last token (OpenAI's)"]
    assert told["paper"]["1542M"]["perplexity"] == 8.63
    lines = [json.loads(line) for line in details.read_text().splitlines()]
    assert [line["expected"] for line in lines] == ["scarf", "piano"]
    assert {line["task"] for line in lines} == {"lambada"}


def test_a_local_file_in_the_public_layout(
    model: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("she sat down and played the piano\nthe door was open\n")
    code, out, _ = run(capsys, model, str(file), "--task", "lambada", "--json")
    assert code == 0
    assert json.loads(out)["source"] == str(file)


def test_all_goes_on_when_one_cannot_be_done(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise UsageError("a package is missing")

    kept = dict(nlp.zero_shot.TASKS)
    tasks = {"cbt": missing, "winograd": kept["winograd"], "lambada": kept["lambada"]}
    monkeypatch.setattr(nlp.zero_shot, "TASKS", tasks)
    code, out, err = run(capsys, model, "--task", "all", "--limit", "2", "--json")
    assert code == 2
    assert [json.loads(line)["task"] for line in out.splitlines()] == ["winograd", "lambada"]
    assert "cbt: left out: a package is missing" in err


def test_precision_and_what_there_is_to_tell_of_a_models_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = Tokenizer.train(["take me to Mars " * 9], vocabulary_size=264)
    torch.manual_seed(0)
    config = transformer.Config(264, context=32, layers=1, heads=2, hidden_size=16)
    LanguageModel(config, tokenizer).save_pretrained(tmp_path / "m")
    text = tmp_path / "a.txt"
    text.write_text("take me to Mars\n" * 3)
    found = []
    for options in ((), ("--precision", "float32"), ("--precision", "int4")):
        _, out, _ = run(
            capsys, str(tmp_path / "m"), str(text), "--device", "cpu", "--json", *options
        )
        found.append(json.loads(out)["per_token"])
    assert found[0] == found[1] != found[2] == pytest.approx(found[0], rel=0.2)

    own = loading.load

    def load(*named: str) -> LanguageModel:
        model = own(*named)
        model.remarks = [f"loaded in {named[2]}"]
        return model

    monkeypatch.setattr(loading, "load", load)
    arguments = (str(tmp_path / "m"), str(text), "--task", "language-modelling", "--json")
    _, _, err = run(capsys, *arguments, "--precision", "int8")
    assert err == "loaded in int8\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--task", "cloze"), "--task 'cloze' is unknown: expected language-modelling, cbt"),
        (("a.txt", "--task", "all"), "a.txt cannot be the source of all tasks"),
        (("a", "b", "--task", "cbt"), "2 sources were given"),
        (("--task", "lambada", "--set", "protocol"), "expected NAME=VALUE"),
        (("--task", "lambada", "--set", "colour=red"), "no option 'colour'; its options: protocol"),
        (("--task", "lambada", "--set", "limit=3"), "no option 'limit'; its options: protocol"),
        (("--task", "lambada", "--set", "model=x"), "no option 'model'; its options: protocol"),
        (("--task", "lambada", "--set", "report=x"), "no option 'report'; its options: protocol"),
        (("--task", "winograd", "--set", "scoring=[1]"), "scoring is [1]: expected a text"),
        (("--task", "summarization", "--set", "hint=3"), "hint is 3: expected a text"),
        (
            ("--task", "language-modelling", "--set", "stride=abc"),
            "stride is 'abc': expected a whole number or null",
        ),
        (("--task", "questions", "--set", "shots=abc"), "shots is 'abc': expected a whole number"),
        (("--task", "cbt", "--precision", "float8"), "precision 'float8' is unknown"),
        (("--task", "cbt", "--precision", "int8"), "int8 is for GPT-2"),
        (("a.txt", "--precision", "int8"), "int8 is for GPT-2"),
        (("--task", "all", "--set", "a=1"), "--set is for one task"),
        (("--task", "cbt", "--beam-size", "3"), "--task takes no --beam-size"),
        (("--task", "cbt", "--split", "test"), "--task takes no --split"),
        (("none.txt", "--task", "cbt"), "none.txt: there is no such file"),
        ((), "no data was named"),
        (("a.txt", "--limit", "3"), "--limit is for a --task"),
        (("a.txt", "--details", "d"), "--details is for a --task"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], told: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, model, *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1
