"""The command line: what it prints, and that a mistake is one line and exit code 2."""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import math
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

import cli.sample
import cli.score
import cli.tokenize
from cli import info
from cli.interactive import Session, write
from cli.main import app, main
from corpora import Passage
from nlp.core import transformer
from nlp.core.strategies import Greedy, Sampling
from nlp.core.tokenizer import Tokenizer
from nlp.language_model import Config, LanguageModel

ROOT = Path(__file__).parent.parent
TEXT = "take me to Mars, bake me a cake, take me to the moon and wake me soon.\n" * 20


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, stdin: str | bytes = "") -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Ran(int(exit.value.code or 0), out.decode(), err.decode())

    return run


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    Tokenizer.train([TEXT], vocabulary_size=280).save(file)
    return file


@pytest.fixture
def small(tokenizer_file: Path) -> LanguageModel:
    """A model that has learned nothing, but is sure of what it says."""
    tokenizer = Tokenizer.load(tokenizer_file)
    torch.manual_seed(0)
    config = Config(tokenizer.vocabulary_size, embedding_size=8, hidden_size=8)
    model = LanguageModel(config, tokenizer)
    with torch.no_grad():
        model.decoder.embedding.mul_(60)
    return model.eval()


@pytest.fixture
def model(small: LanguageModel, tmp_path: Path) -> str:
    small.save_pretrained(tmp_path / "model")
    return "model"


def told_in_one_line(ran: Ran) -> str:
    """The error of a run that is to have failed politely."""
    assert ran.code == 2
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err
    return ran.err


# ── the whole ───────────────────────────────────────────────────────────────────────────────────


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


def all_commands() -> list[tuple[tuple[str, ...], Any]]:
    import typer.main

    return list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize(("path", "command"), all_commands())
def test_every_command_shows_help_with_an_example(
    path: tuple[str, ...], command: Any, run: Run
) -> None:
    ran = run(*path, "--help")
    assert ran.code == 0
    assert "Examples:" in ran.out
    assert f"unrolled {' '.join(path)}".strip() in ran.out
    for parameter in command.params:
        assert parameter.help or parameter.name == "help", parameter.name


def test_help_does_not_wait_for_anything_heavy() -> None:
    heavy = ("torch", "tokenizers", "datasets", "gensim", "accelerate", "prompt_toolkit", "pandas")
    script = (
        "import sys\nfrom cli.main import main\n"
        "try: main(['sample', '--help'])\nexcept SystemExit: pass\n"
        f"print('loaded:', [name for name in {heavy!r} if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "loaded: []"


def test_without_a_command_it_shows_help(run: Run) -> None:
    assert "train-lm" in run().out
    assert "encode" in run("tokenize").out


def test_version(run: Run) -> None:
    assert run("--version").out.startswith("unrolled ")


def test_info(run: Run) -> None:
    facts = json.loads(run("info", "--json").out)
    assert facts["packages"]["torch"] == torch.__version__
    assert facts["threads"] == torch.get_num_threads()
    assert f"torch                 {torch.__version__}" in run("info").out


def test_info_names_the_cache_folder_that_is_used(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "elsewhere"))
    assert json.loads(run("info", "--json").out)["cache_folder"] == str(tmp_path / "elsewhere")


def test_info_knows_the_extras_of_the_distribution() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, names in info.EXTRAS.items():
        found = [name.split(">")[0] for name in declared["optional-dependencies"][extra]]
        assert found == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smaple"], "No such command 'smaple'."),
        (["sample"], "See: unrolled sample --help"),
        (["sample", "m", "--temprature", "1"], "No such option: --temprature"),
        (["sample", "m", "--max-tokens", "many"], "Invalid value for '--max-tokens'"),
        (["tokenize", "encode", "--text", "x"], "--tokenizer"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments: list[str], message: str, run: Run) -> None:
    assert message in told_in_one_line(run(*arguments))


def test_a_bug_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "environment", lambda: {}["nothing"])
    with pytest.raises(KeyError, match="nothing"):
        main(["info"])


def test_control_c_exits_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "environment", interrupted)
    ran = run("info")
    assert (ran.code, ran.err) == (130, "")


def shell(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which $U is the command."""
    environment = {**os.environ, "U": f"{sys.executable} -m cli.main", **variables}
    environment.pop("PYTHONUNBUFFERED", None)  # users' output is held back until the end
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_a_reader_that_leaves_is_no_error(tokenizer_file: Path) -> None:
    ran = shell(
        "yes 'a b c' | head -n 50000 | $U tokenize encode -T $T --document line | head -n 1",
        T=str(tokenizer_file),
    )
    assert ran.stderr == ""
    assert ran.stdout.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["decode -T $T 97 98", "encode -T $T --text x"])
def test_a_full_disk_is_one_line(command: str, tokenizer_file: Path) -> None:
    ran = shell(f"$U tokenize {command} > /dev/full", T=str(tokenizer_file))
    assert ran.returncode == 2
    assert ran.stderr == "unrolled: error: No space left on device.\n"


# ── tokenize ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["bpe", "characters", "bytes"])
def test_train_encode_and_decode_lose_nothing(kind: str, run: Run, tmp_path: Path) -> None:
    text = TEXT + "naïve 👋\r\n\n no line break at the end"
    (tmp_path / "corpus.txt").write_bytes(text.encode())
    trained = run(
        *("tokenize", "train", "corpus.txt", "-o", "t.json", "--vocabulary-size", 270),
        *("--kind", kind, "--json"),
    )
    assert json.loads(trained.out)["kind"] == kind
    ids = run("tokenize", "encode", "-T", "t.json", "corpus.txt").out
    assert run("tokenize", "decode", "-T", "t.json", stdin=ids).out == text


def test_train_reads_stdin(run: Run) -> None:
    ran = run("tokenize", "train", "-", "--vocabulary-size", 270, stdin=TEXT)
    assert ran.code == 0
    assert Tokenizer.load("tokenizer.json").vocabulary_size == 270


def test_train_without_a_corpus_takes_the_bundled_one_and_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def read(source: list[str], **options: object) -> Iterator[Passage]:
        asked.update(source=source, split=options["split"])
        return iter([Passage(TEXT, True)])

    monkeypatch.setattr("corpora.read", read)
    ran = run("tokenize", "train", "--vocabulary-size", 270)
    assert "wikipedia-sample" in ran.err
    assert asked == {"source": ["wikipedia-sample"], "split": "train"}


def test_encode_and_decode_a_line_at_a_time(run: Run, tokenizer_file: Path) -> None:
    encode = ("tokenize", "encode", "-T", tokenizer_file, "--document", "line")
    ids = run(*encode, "--json", stdin="take me\nto Mars\n").out
    assert [json.loads(line) for line in ids.splitlines()] == [
        Tokenizer.load(tokenizer_file).encode(line) for line in ("take me", "to Mars")
    ]
    decoded = run("tokenize", "decode", "-T", tokenizer_file, "--lines", stdin=ids)
    assert decoded.out == "take me\nto Mars\n"


def test_encode_follows_the_policy_for_special_tokens(run: Run, tokenizer_file: Path) -> None:
    encode = ("tokenize", "encode", "-T", tokenizer_file, "--text", "a<|endoftext|>")
    assert "<|endoftext|>" in told_in_one_line(run(*encode))
    assert len(run(*encode, "--special", "allow").out.split()) == 2
    assert len(run(*encode, "--special", "text").out.split()) > 2
    assert "expected refuse, allow or text" in told_in_one_line(run(*encode, "--special", "x"))


def test_decode_tells_where_an_id_is_no_number(run: Run, tokenizer_file: Path) -> None:
    ran = run("tokenize", "decode", "-T", tokenizer_file, stdin="1 2\n3 x\n")
    assert "standard input, line 2" in told_in_one_line(ran)


def test_count(run: Run, tokenizer_file: Path) -> None:
    count = ("tokenize", "count", "-T", tokenizer_file)
    (row,) = json.loads(run(*count, "--json", stdin="take me\nto Mars").out)
    tokens = len(Tokenizer.load(tokenizer_file).encode("take me\nto Mars"))
    assert (row["tokens"], row["words"], row["bytes"], row["documents"]) == (tokens, 4, 15, 1)
    assert "bytes per token" in run(*count, "--text", "take me").out


def test_show_and_trace(run: Run, tokenizer_file: Path) -> None:
    show = ("tokenize", "show", "-T", tokenizer_file)
    tokens = [
        json.loads(line) for line in run(*show, "--json", "--text", "take me").out.split("\n")[:-1]
    ]
    assert "".join(token["text"] for token in tokens) == "take me"
    assert run(*show, "--text", "take [bold]me\n").out.strip() == "take [bold]me⏎"
    trace = ("tokenize", "trace", "-T", tokenizer_file, "take")
    steps = json.loads(run(*trace, "--json").out)
    assert "".join(steps[-1]["pieces"]) == "take"
    assert [step["rank"] for step in steps] == sorted(step["rank"] for step in steps)
    assert "t + ake" in run(*trace).out


@pytest.mark.parametrize("command", ["count", "show", "encode"])
def test_a_text_and_files_exclude_each_other(command: str, run: Run, tokenizer_file: Path) -> None:
    ran = run("tokenize", command, "-T", tokenizer_file, "nosuch.txt", "--text", "take me")
    assert "leave it out, or nosuch.txt" in told_in_one_line(ran)


def test_show_has_the_options_that_it_advises(
    run: Run, tokenizer_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "latin1.txt").write_bytes("naïve".encode("latin-1"))
    show = ("tokenize", "show", "-T", tokenizer_file)
    assert "--encoding-errors replace" in told_in_one_line(run(*show, "latin1.txt"))
    assert run(*show, "latin1.txt", "--encoding-errors", "replace").code == 0
    (tmp_path / "rows.jsonl").write_text('{"body": "take me"}\n')
    assert "--text-column" in told_in_one_line(run(*show, "rows.jsonl"))
    assert run(*show, "rows.jsonl", "--text-column", "body").out.strip() == "take me"


def test_counts_are_those_of_the_text(run: Run, tokenizer_file: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("take me\n")
    (tmp_path / "b.txt").write_text("naïve Mars")
    count = ("tokenize", "count", "-T", tokenizer_file, "--json")
    first, second = json.loads(run(*count, "a.txt", "b.txt").out)
    assert (first["source"], second["source"]) == ("a.txt", "b.txt")
    assert (second["characters"], second["bytes"], second["words"]) == (10, 11, 2)
    (row,) = json.loads(run(*count, "--text", "take me\n").out)
    assert row == {**first, "source": "text"}


def test_report(run: Run, tokenizer_file: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("take me to Mars")
    ran = run(
        *("tokenize", "report", "-T", tokenizer_file, "a.txt", "--train", "a.txt", "--json"),
        *("--beside", tokenizer_file.parent),
    )
    rows = json.loads(ran.out)
    assert {row["text"] for row in rows} == {"train", "held-out"}
    assert {row["bytes"] for row in rows} == {15}


def test_a_tokenizer_is_found_in_the_forms_it_has(run: Run, tmp_path: Path) -> None:
    tokenizer = Tokenizer.train([TEXT], vocabulary_size=280)
    for folder in ("model", "gpt2", "openai", "empty"):
        (tmp_path / folder).mkdir()
    tokenizer.save(tmp_path / "model/tokenizer.json")
    tokenizer.save_gpt2(tmp_path / "gpt2/vocab.json", tmp_path / "gpt2/merges.txt")
    tokenizer.save_gpt2(tmp_path / "openai/encoder.json", tmp_path / "openai/vocab.bpe")
    tokenizer.save_tiktoken(tmp_path / "ranks.tiktoken")
    for name in ("model", "model/tokenizer.json", "gpt2", "openai", "ranks.tiktoken"):
        ran = run("tokenize", "encode", "-T", name, "--text", "take me")
        assert ran.out.split() == [str(index) for index in tokenizer.encode("take me")], name
    for name in ("empty", "missing.json"):
        told_in_one_line(run("tokenize", "encode", "-T", name, "--text", "x"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.txt"],
        ["empty.txt"],
        ["binary.bin"],
        ["folder"],
        ["text.txt", "--vocabulary-size", "100000"],
        ["text.txt", "--vocabulary-size", "3"],
        ["text.txt", "--kind", "words"],
        ["text.txt", "--pattern", "gpt9"],
        ["text.txt", "--document", "page"],
        ["latin1.txt"],
    ],
)
def test_training_on_what_cannot_be_used_is_one_line(
    arguments: list[str], run: Run, tmp_path: Path
) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "binary.bin").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "latin1.txt").write_bytes("naïve".encode("latin-1"))
    told_in_one_line(run("tokenize", "train", *arguments))


# ── sample ──────────────────────────────────────────────────────────────────────────────────────


def test_sampling_with_a_seed_is_repeatable(run: Run, model: str) -> None:
    sample = ("sample", model, "-p", "take me", "--max-tokens", 20, "--seed", 3)
    first = run(*sample)
    assert first.out.startswith("take me")
    assert first.out == run(*sample).out != run(*sample[:-1], 4).out


def test_streamed_batched_and_json_samples_are_the_same(run: Run, model: str) -> None:
    sample = ("sample", model, "-p", "take", "--max-tokens", 20, "--seed", 3)
    streamed = run(*sample).out.removesuffix("\n")
    answers = [json.loads(line) for line in run(*sample, "--samples", 2, "--json").out.splitlines()]
    assert [answer["seed"] for answer in answers] == [3, 4]
    assert answers[0]["prompt"] + answers[0]["text"] == streamed
    assert streamed in run(*sample, "--samples", 2).out


def test_the_prompt_comes_from_stdin(run: Run, model: str) -> None:
    sample = ("sample", model, "--greedy", "--max-tokens", 5)
    assert run(*sample, "-p", "-", stdin="take me\n").out == run(*sample, "-p", "take me").out


def test_sampling_stops_before_a_stop_string(run: Run, model: str) -> None:
    sample = ("sample", model, "--max-tokens", 30, "--seed", 1)
    text = run(*sample).out.removesuffix("\n")
    stop = text[5:7]
    assert run(*sample, "--stop", "nowhere", "--stop", stop).out == text[: text.index(stop)] + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "-1"], "temperature"),
        (["--top-k", "0"], "top_k"),
        (["--top-p", "2"], "top_p"),
        (["--max-tokens", "0"], "max_tokens"),
        (["--samples", "0"], "samples"),
        (["--seed", "-5"], "seed"),
        (["--greedy", "--top-k", "5"], "--top-k 5"),
    ],
)
def test_settings_out_of_range_are_one_line(
    arguments: list[str], message: str, run: Run, model: str
) -> None:
    assert message in told_in_one_line(run("sample", model, *arguments))


def test_options_are_the_keywords_of_the_library() -> None:
    def defaults(function: Callable[..., object]) -> dict[str, object]:
        return {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
        }

    library, command = defaults(LanguageModel.sample), defaults(cli.sample.sample)
    strategy = dataclasses.asdict(library["strategy"])  # type: ignore[call-overload]
    assert strategy == {name: command[name] for name in strategy}
    for name in ("prompt", "max_tokens", "samples", "seed"):
        assert library[name] == command[name]
    library, command = defaults(LanguageModel.score), defaults(cli.score.score)
    for name in ("context", "top"):
        assert library[name] == command[name]
    library, command = defaults(Tokenizer.train), defaults(cli.tokenize.train)
    for name in ("vocabulary_size", "minimum_frequency", "kind", "pattern"):
        assert library[name] == command[name]


def test_a_model_comes_from_its_folder(run: Run, tokenizer_file: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(tokenizer_file)
    config = Config(vocabulary_size=tokenizer.vocabulary_size, embedding_size=8, hidden_size=8)
    LanguageModel(config, tokenizer).save_pretrained(tmp_path / "model")
    LanguageModel(config).save_pretrained(tmp_path / "wordless")
    options = ("--seed", 1, "--max-tokens", 5, "--device", "cpu")
    assert run("sample", "model", "-p", "take me", *options).out.startswith("take me")
    assert json.loads(run("score", "model", "take me", "--json").out)["perplexity"] > 1
    assert run("tokenize", "encode", "-T", "model", "--text", "take").code == 0
    assert "no tokenizer" in told_in_one_line(run("sample", "wordless"))
    assert "device" in told_in_one_line(run("sample", "model", "--device", "abacus"))


def test_a_folder_without_a_model_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for command in (["sample", "empty"], ["score", "empty", "take me"]):
        told_in_one_line(run(*command))


def test_interactive_continues_each_line(run: Run, model: str) -> None:
    refused = ["/set temperature -1", "/set top_k many", "/set nothing 1", "/jump"]
    lines = ["/seed 3", "take me", *refused, "/show", "", "/quit", "unread"]
    ran = run("sample", model, "-i", "--max-tokens", 5, stdin="\n".join(lines))
    once = run("sample", model, "-p", "take me", "--max-tokens", 5, "--seed", 3).out
    assert ran.code == 0
    told, text, settings, more = ran.out.removesuffix("\n").split("\n")
    assert told == "seed = 3"
    assert text + "\n" == once
    assert "temperature=0.8" in settings
    assert more.startswith(text)
    assert len(more) > len(text)
    assert len(ran.err.splitlines()) == len(refused)


@pytest.fixture
def session(small: LanguageModel) -> Session:
    settings = {"max_tokens": 5, "seed": None, "stop": None}
    return Session(small, small.tokenizer, Greedy(), settings)


def test_settings_change_and_go_back(session: Session) -> None:
    for line in ("/set temperature 0.5", "/set top-k 7", "/seed 4", "/set stop .", "/seed none"):
        assert session.answer(line)
    assert session.strategy == Sampling(temperature=0.5, top_k=7)
    assert session.settings == {"max_tokens": 5, "seed": None, "stop": ["."]}
    session.answer("/set temperature none")
    assert session.strategy == Sampling(temperature=0.8, top_k=7)


def test_a_setting_of_one_kind_begins_from_the_options_of_the_command(session: Session) -> None:
    session.answer("/set top_k 7")
    assert session.strategy == Sampling(temperature=0.8, top_k=7)


@pytest.mark.parametrize("line", ["/set max_tokens 0", "/seed -1", "/set seed -3", "/set top_p 2"])
def test_a_setting_out_of_range_is_refused_at_once(
    line: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(session.settings), session.strategy
    assert session.answer(line)
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert told.err.startswith("error: ")
    assert (session.settings, session.strategy) == before


def test_enter_goes_on_from_the_prompt(run: Run, model: str) -> None:
    sample = ("sample", model, "-p", "take me", "--max-tokens", 5, "--seed", 3)
    assert run(*sample, "--interactive", stdin="\n").out == run(*sample).out


@pytest.mark.parametrize(
    "arguments", [["--samples", "2"], ["--json"], ["-p", "-"], ["--max-tokens", "0"]]
)
def test_interactive_refuses_what_it_cannot_do(arguments: list[str], run: Run, model: str) -> None:
    assert arguments[0].strip("-").replace("-", "_") in told_in_one_line(
        run("sample", model, "-i", *arguments, stdin="take me\n")
    ).replace("-", "_")


def test_a_terminal_gets_no_control_characters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pieces = ["a\n\tb", "\x1b[31m", "c\r"]
    write("\x1b[1mtake", pieces)
    assert capsys.readouterr().out == "\x1b[1mtakea\n\tb\x1b[31mc\r\n"  # a file gets all there is
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    write("\x1b]0;take", pieces)
    told = capsys.readouterr().out
    assert "␛]0;take" in told
    assert "a\n\tb␛[31mc␍\n" in told
    assert "\x1b]" not in told


def test_control_c_stops_the_writing_only(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> Iterator[str]:
        yield " me"
        raise KeyboardInterrupt

    monkeypatch.setattr("nlp.core.decoding.stream", interrupted)
    assert session.answer("take")
    assert capsys.readouterr().out == "take me\n"
    assert session.text == "take me"  # Enter alone goes on from what was written


def test_on_a_terminal_the_line_is_edited_and_remembered(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    backspace, control_c, control_d = "\x7f", "\x03", "\x04"
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text(f"take mx{backspace}e\rdropped{control_c}\r{control_d}")
        assert list(session.lines()) == ["take me", ""]
    assert "+take me\n" in (tmp_path / "sample-history").read_text()


# ── score ───────────────────────────────────────────────────────────────────────────────────────


def test_scores_add_up(run: Run, model: str) -> None:
    ran = run("score", model, "take me to Mars", "bake me", "--json", "--top", 2)
    for line, text in zip(ran.out.splitlines(), ("take me to Mars", "bake me"), strict=True):
        score = json.loads(line)
        assert score["text"] == text
        total = score["log_probability"]
        assert sum(token["log_probability"] for token in score["tokens"]) == pytest.approx(total)
        assert sum(word["log_probability"] for word in score["words"]) == pytest.approx(total)
        assert all(len(token["top"]) == 2 for token in score["tokens"])


def test_score_with_weights_of_fewer_bits(run: Run, tokenizer_file: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(tokenizer_file)
    size = tokenizer.vocabulary_size
    config = transformer.Config(size, context=32, layers=1, heads=2, hidden_size=16)
    LanguageModel(config, tokenizer).save_pretrained(tmp_path / "gpt2")
    found = [
        json.loads(run("score", "gpt2", "take me", "--json", "--device", "cpu", *options).out)
        for options in ((), ("--precision", "float32"), ("--precision", "int4"))
    ]
    whole, same, rough = (one["log_probability"] for one in found)
    assert whole == same != rough == pytest.approx(whole, rel=0.3)


def test_score_shows_a_table_and_ranks(run: Run, model: str) -> None:
    ran = run("score", model, "take me to Mars", "bake me")
    assert "perplexity" in ran.out
    assert "most probable first" in ran.out
    assert "word " in run("score", model, "take me", "--words").out


def test_score_reads_lines_of_stdin(run: Run, model: str) -> None:
    given = run("score", model, "take me", "to Mars", "--json").out
    assert run("score", model, "-", "--json", stdin="take me\nto Mars\n").out == given
    assert run("score", model, "--json", stdin="take me\n\nto Mars\n").out == given
    assert "blank lines are skipped" in " ".join(
        run("score", "--help").out.replace("│", "").split()
    )
    bad = b"take m\xe9\n"
    told_in_one_line(run("score", model, "-", stdin=bad))
    assert run("score", model, "-", "--encoding-errors", "replace", stdin=bad).code == 0


def test_score_saves_the_picture(run: Run, model: str, tmp_path: Path) -> None:
    ran = run("score", model, "take me to Mars", "--svg", "score.svg")
    assert ran.code == 0
    picture = (tmp_path / "score.svg").read_text()
    assert picture.startswith("<svg")
    assert "#000000" in picture
    assert "no regular file" in told_in_one_line(run("score", model, "take me", "--svg", "."))


def test_score_of_a_corpus(run: Run, model: str, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    found = json.loads(run("score", model, "--file", "corpus.txt", "--json").out)
    nats = found["nats_per_token"] * found["tokens"]
    assert found["per_token"] > 1
    assert found["per_word"] == pytest.approx(math.exp(nats / len(TEXT.split())))
    assert found["bits_per_byte"] == pytest.approx(nats / math.log(2) / len(TEXT))
    assert run("score", model, "--file", "-", "--json", stdin=TEXT).code == 0
    assert "bits per byte" in run("score", model, "--file", "corpus.txt").out


def test_score_reads_a_corpus_as_training_does(run: Run, model: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,body\n1,take me\n2,to Mars\n")
    (tmp_path / "lines.txt").write_text("take me\n\nto Mars\n")
    (tmp_path / "latin1.txt").write_bytes("na\u00efve".encode("latin-1"))
    score = ("score", model, "--json", "--file")
    rows = json.loads(run(*score, "rows.csv", "--text-column", "body").out)
    lines = json.loads(run(*score, "lines.txt", "--document", "line").out)
    assert {**rows, "source": ""} == {**lines, "source": ""}
    told_in_one_line(run(*score, "latin1.txt"))
    assert run(*score, "latin1.txt", "--encoding-errors", "replace").code == 0


def test_score_takes_a_special_token_for_none_of_the_text(
    run: Run, model: str, tmp_path: Path
) -> None:
    """Python's advice, allowed_special=..., is none on a command line."""
    for arguments in (["a<|endoftext|>"], ["a", "--context", "b<|endoftext|>"]):
        told = told_in_one_line(run("score", model, *arguments))
        assert "'<|endoftext|>'" in told
        assert "allowed_special" not in told
        assert "--file" in told
    assert run("score", model, "--file", "-", "--json", stdin="a<|endoftext|>").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["take me", "--file", "corpus.txt"],
        ["--file", "missing.txt"],
        ["take me", "--first-token", "last"],
        ["take me", "--top", "-1"],
        [""],
        ["a<|endoftext|>"],
        ["take me", "--svg", "score.svg", "--json"],
        ["take me", "--split", "test"],
        ["take me", "--document", "line"],
        ["take me", "--text-column", "body"],
        ["--file", "-", "--words"],
        ["--file", "-", "--context", "take"],
        ["--file", "-", "--first-token", "skip"],
        ["--file", "-", "--top", "5"],
    ],
)
def test_scoring_what_cannot_be_scored_is_one_line(
    arguments: list[str], run: Run, model: str
) -> None:
    told_in_one_line(run("score", model, *arguments))
