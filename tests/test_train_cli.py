"""`unrolled train-lm` and `nlp.language_model.train`: the same thing, and hard to break."""

from __future__ import annotations

import inspect
import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from cli.main import main
from cli.train import train_lm
from corpora.errors import UsageError
from nlp.core.checkpoint import WEIGHTS, read_tensors
from nlp.core.events import Evaluation, Event, Progress, Remark
from nlp.core.training_state import FOLDER, METRICS, STATE, read_metrics
from nlp.language_model import LanguageModel, train

ROOT = Path(__file__).parent.parent
TEXT = "take me to Mars bake a cake and wake the moon soon over red green hills"
TINY = {
    **{"kind": "characters", "hidden_size": 16, "batch_size": 4, "window": 16, "steps": 24},
    **{"evaluate_every": 6, "warmup_steps": 2, "device": "cpu"},
}
OPTIONS = [part for name, value in TINY.items() for part in (f"--{name.replace('_', '-')}", value)]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def write_corpus(path: Path, lines: int = 60, seed: int = 0) -> Path:
    chance = random.Random(seed)
    path.write_text("\n".join(" ".join(chance.choices(TEXT.split(), k=9)) for _ in range(lines)))
    return path


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Run `unrolled train-lm` in this process, in a folder with a corpus."""
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "corpus.txt")

    def run(*arguments: object, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as exit:
            main(["train-lm", *(str(argument) for argument in arguments)])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Ran(int(exit.value.code or 0), out.decode(), err.decode())

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    train(write_corpus(folder / "corpus.txt"), output=folder / "model", **TINY)  # type: ignore[arg-type]
    return folder / "model"


@pytest.fixture
def model(finished: Path, tmp_path: Path) -> Path:
    """A copy of it that may be damaged."""
    return shutil.copytree(finished, tmp_path / "model")


def told_in_one_line(ran: Ran) -> str:
    """The error of a run that is to have failed politely."""
    assert ran.code == 2, ran
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def assert_same_run(folder: Path, expected: Path) -> None:
    """The same weights, state and log, bit for bit, but for what the clock says."""
    for name in (WEIGHTS, f"{FOLDER}/{STATE}"):
        (tensors, about), (others, told) = (
            read_tensors(place / name) for place in (folder, expected)
        )
        assert tensors.keys() == others.keys()
        for key, tensor in tensors.items():
            assert torch.equal(tensor, others[key]), key
        for row in (about, told):
            row.pop("seconds", None)
            row["unreported"] = row.get("unreported", [])[:2]
        assert about == told
    rows = [read_metrics(place / METRICS) for place in (folder, expected)]
    for row in (*rows[0], *rows[1]):
        row.pop("seconds", None)
        row.pop("items_per_second", None)
    assert rows[0] == rows[1]


# ── the same thing ──────────────────────────────────────────────────────────────────────────────


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    command = {name: p.default for name, p in inspect.signature(train_lm).parameters.items()}
    function = {name: p.default for name, p in inspect.signature(train).parameters.items()}
    assert command.pop("as_json") is False
    del function["report"]
    for name in ("validation", "test"):  # a fraction or a source: text on the command line
        command[name] = float(command[name])
    assert command == function


def test_command_and_function_train_the_same_model(run: Run, tmp_path: Path) -> None:
    run("corpus.txt", "-o", "by-command", *OPTIONS, "--seed", 3)
    train(tmp_path / "corpus.txt", output="by-function", seed=3, **TINY)  # type: ignore[arg-type]
    assert_same_run(tmp_path / "by-command", tmp_path / "by-function")
    train(tmp_path / "corpus.txt", output="another", seed=4, **TINY)  # type: ignore[arg-type]
    assert (tmp_path / "another" / WEIGHTS).read_bytes() != (
        tmp_path / "by-function" / WEIGHTS
    ).read_bytes()


def test_training_leaves_the_callers_random_numbers_alone(tmp_path: Path) -> None:
    torch.manual_seed(11)
    random.seed(11)
    before = torch.get_rng_state(), random.getstate()
    train(write_corpus(tmp_path / "corpus.txt"), output=tmp_path / "model", **TINY)  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


# ── what it does ────────────────────────────────────────────────────────────────────────────────


def test_a_file(run: Run, tmp_path: Path) -> None:
    ran = run("corpus.txt", "-o", "model", *OPTIONS)
    assert (ran.code, ran.err) == (0, "")
    for word in ("validation at step 24", "this model", "The model is in model"):
        assert word in ran.out
    files = {str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*")}
    assert files >= {
        *("config.json", "model.safetensors", "tokenizer.json", "README.md", "metrics.jsonl"),
        *("training/run.json", "training/state.safetensors", "training/tokens/header.json"),
    }
    assert not [name for name in files if Path(name).name.startswith(".")]
    loaded = LanguageModel.from_pretrained("model", device="cpu")
    assert loaded.score("take me to Mars").log_probability < 0
    assert len(loaded.sample("take", max_tokens=5, seed=0)) == 1
    card = (tmp_path / "model" / "README.md").read_text()
    assert "corpus.txt" in card
    assert "| this model |" in card


def test_standard_input(run: Run, tmp_path: Path) -> None:
    text = (tmp_path / "corpus.txt").read_text()
    ran = run("-", "-o", "model", *OPTIONS, stdin=text)
    assert ran.code == 0
    run("corpus.txt", "-o", "other", *OPTIONS)
    assert_same_run(tmp_path / "model", tmp_path / "other")


def test_several_files_and_sources_of_their_own_for_the_splits(run: Run, tmp_path: Path) -> None:
    write_corpus(tmp_path / "more.txt", seed=1)
    write_corpus(tmp_path / "valid.txt", lines=9, seed=2)
    ran = run(
        *("corpus.txt", "more.txt", "-o", "model", *OPTIONS),
        *("--validation", "valid.txt", "--test", 0, "--json"),
    )
    assert ran.code == 0
    end = json.loads(ran.out.splitlines()[-1])
    assert end["results"] == {}
    header = json.loads((tmp_path / "model/training/tokens/header.json").read_text())
    assert header["splits"]["validation"]["bytes"] == (tmp_path / "valid.txt").stat().st_size
    assert header["splits"]["test"]["tokens"] == 0


@pytest.mark.slow
def test_the_bundled_corpus(run: Run, tmp_path: Path) -> None:
    ran = run(*("-o", "model", *OPTIONS, "--steps", 3, "--kind", "bytes"))
    assert ran.code == 0
    assert "no corpus named" in ran.out
    assert "wikipedia-sample" in ran.out
    assert "CC BY-SA" in ran.out
    assert "CC BY-SA" in (tmp_path / "model" / "README.md").read_text()


def test_json_is_a_line_per_event(run: Run) -> None:
    ran = run("corpus.txt", "-o", "model", *OPTIONS, "--json", "--baselines")
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert {event["event"] for event in events} == {"remark", "progress", "evaluation", "end"}
    end = events[-1]
    assert (end["event"], end["step"], end["ended"]) == ("end", 24, "finished")
    assert set(end["results"]) == {"this model", "unigram", "5-gram Kneser-Ney"}
    steps = [event["step"] for event in events if event["event"] == "evaluation"]
    assert steps == [6, 12, 18, 24]


def test_a_picture_of_the_curves(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run("corpus.txt", "-o", "model", *OPTIONS, "--plot").err == ""
    assert (tmp_path / "model" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_without_matplotlib_is_refused_at_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "unrolled[plots]" in told_in_one_line(run("corpus.txt", "-o", "model", "--plot"))
    assert not (tmp_path / "model").exists()


def test_a_tokenizer_may_be_brought_along(run: Run, model: Path, tmp_path: Path) -> None:
    for place in ("model", "model/tokenizer.json"):
        ran = run("corpus.txt", "-o", "new", *OPTIONS, "--tokenizer", place, "--overwrite")
        assert ran.code == 0
        assert (tmp_path / "new/tokenizer.json").read_bytes() == (
            model / "tokenizer.json"
        ).read_bytes()


@pytest.mark.parametrize("cell", ["gru", "rnn"])
@pytest.mark.parametrize("optimizer", ["sgd", "nt-asgd"])
def test_other_cells_and_optimizers(cell: str, optimizer: str, run: Run) -> None:
    ran = run(
        *("corpus.txt", "-o", "model", *OPTIONS, "--cell", cell, "--optimizer", optimizer),
        *("--schedule", "plateau", "--accumulate", 2, "--layers", 2, "--no-tied", "--steps", 8),
    )
    assert ran.code == 0


# ── wrong input ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt"], "missing.txt"),
        (["empty.txt"], "empty"),
        (["binary.bin"], "binary.bin"),
        (["folder"], "folder"),
        (["latin1.txt"], "latin1.txt"),
        (["corpus.txt", "--kind", "bpe", "--vocabulary-size", "100000"], "vocabulary"),
        (["corpus.txt", "--kind", "bpe", "--vocabulary-size", "3"], "vocabulary"),
        (["corpus.txt", "--window", "100000"], "--window"),
        (["short.txt"], ""),
        (["corpus.txt", "--validation", "0.0001"], ""),
        (["corpus.txt", "--validation", "2"], "validation is 2"),
        (["corpus.txt", "--validation", "0"], "validation is 0"),
        (["corpus.txt", "--validation", "missing.txt"], "missing.txt"),
        (["corpus.txt", "--validation", "empty.txt"], "empty"),
        (["corpus.txt", "--test", "0.95"], "leave nothing to train on"),
        (["corpus.txt", "--test", "nan"], "test is nan"),
        (["corpus.txt", "--layer", "2"], "No such option: --layer"),
        (["corpus.txt", "--layers", "two"], "--layers"),
        (["corpus.txt", "--cell", "tree"], "cell 'tree' is unknown: expected lstm, gru"),
        (["corpus.txt", "--optimizer", "adam"], "expected adamw, sgd or nt-asgd"),
        (["corpus.txt", "--schedule", "steps"], "expected cosine, plateau or constant"),
        (["corpus.txt", "--kind", "words"], "expected bpe, characters or bytes"),
        (["corpus.txt", "--pattern", "gpt9"], "expected gpt2 or gpt4"),
        (["corpus.txt", "--device", "abacus"], "device 'abacus' is unknown"),
        (["corpus.txt", "--device", "cuda:99"], "not on this machine"),
        (["corpus.txt", "--precision", "int1"], "expected auto, float32 or bfloat16"),
        (["corpus.txt", "--document", "page"], "document"),
        (["corpus.txt", "--encoding-errors", "ignore"], "encoding_errors"),
        (["corpus.txt", "--tokenizer", "missing.json"], "missing.json"),
        (["corpus.txt", "--tokenizer", "corpus.txt"], "corpus.txt"),
        (["corpus.txt", "--tokenizer", "folder"], "tokenizer.json"),
        (["corpus.txt", "--learning-rate", "-1"], "learning_rate is -1"),
        (["corpus.txt", "--learning-rate", "nan"], "learning_rate is nan"),
        (["corpus.txt", "--dropout", "1"], "dropout is 1"),
        (["corpus.txt", "--hidden-size", "0"], "hidden_size is 0"),
        (["corpus.txt", "--embedding-size", "0"], "embedding_size is 0"),
        (["corpus.txt", "--layers", "0"], "layers is 0"),
        (["corpus.txt", "--batch-size", "0"], "batch_size is 0"),
        (["corpus.txt", "--window", "0"], "window is 0"),
        (["corpus.txt", "--steps", "0"], "steps is 0"),
        (["corpus.txt", "--minutes", "-1"], "minutes is -1"),
        (["corpus.txt", "--accumulate", "0"], "accumulate is 0"),
        (["corpus.txt", "--patience", "0"], "patience is 0"),
        (["corpus.txt", "--evaluate-every", "0"], "evaluate_every is 0"),
        (["corpus.txt", "--clip-norm", "-1"], "clip_norm is -1"),
        (["corpus.txt", "--seed", "-1"], "seed is -1"),
        (["hf:"], "hf:"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_no_folder(
    arguments: list[str], message: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "short.txt").write_text("short")
    (tmp_path / "binary.bin").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin1.txt").write_bytes("naïve ".encode("latin-1") * 99)
    options = [] if message == "leave nothing to train on" else OPTIONS
    corpus, *rest = arguments
    assert message in told_in_one_line(run(corpus, "-o", "model", *options, *rest))
    assert not [path.name for path in tmp_path.iterdir() if "model" in path.name]


def test_no_epochs_are_refused(run: Run, tmp_path: Path) -> None:
    for epochs in ("0", "-1", "nan", "inf"):
        ran = run("corpus.txt", "-o", "model", "--epochs", epochs)
        assert "epochs is" in told_in_one_line(ran)
    assert not (tmp_path / "model").exists()


def test_a_folder_with_a_model_is_left_alone(run: Run, model: Path, tmp_path: Path) -> None:
    before = contents(model)
    ran = run("corpus.txt", "-o", "model", *OPTIONS)
    assert "--resume goes on with its run, --overwrite replaces it" in told_in_one_line(ran)
    assert contents(model) == before
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary" / "today.txt").write_text("dear diary")
    assert "something else" in told_in_one_line(
        run("corpus.txt", "-o", "diary", *OPTIONS, "--overwrite")
    )
    assert "is a file" in told_in_one_line(run("corpus.txt", "-o", "corpus.txt", *OPTIONS))


def test_overwriting_keeps_the_model_as_the_previous_one(run: Run, model: Path) -> None:
    before = contents(model)
    assert run("corpus.txt", "-o", "model", *OPTIONS, "--overwrite", "--seed", 5).code == 0
    assert contents(model.with_name("model.previous")) == before
    assert (model / WEIGHTS).read_bytes() != before[WEIGHTS]


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.txt"],
        ["corpus.txt", "--validation", "0.0001"],
        ["corpus.txt", "--kind", "bpe", "--vocabulary-size", "100000"],
        ["corpus.txt", "--cell", "tree"],
        ["corpus.txt", "--tokenizer", "model"],  # which has just been moved away
    ],
)
def test_a_failed_overwrite_puts_the_model_back(
    arguments: list[str], run: Run, model: Path, tmp_path: Path
) -> None:
    before = contents(tmp_path)
    corpus, *rest = arguments
    told_in_one_line(run(corpus, "-o", "model", *OPTIONS, "--overwrite", *rest))
    assert contents(tmp_path) == before


def test_a_diverged_run_exits_with_1_and_says_why(run: Run, model: Path) -> None:
    before = contents(model)
    ran = run(
        *("corpus.txt", "-o", "model", *OPTIONS, "--overwrite", "--evaluate-every", 1000),
        *("--learning-rate", "1e30", "--clip-norm", 0, "--optimizer", "sgd"),
    )
    assert ran.code == 1
    assert "try a lower learning rate" in ran.err
    assert ran.err.count("\n") == 1
    # There was no evaluation: nothing of the new run is worth more than the model it replaced.
    assert contents(model) == before


# ── resuming ────────────────────────────────────────────────────────────────────────────────────


def test_nothing_to_resume(run: Run, tmp_path: Path) -> None:
    assert "nothing to resume" in told_in_one_line(run("-o", "model", "--resume"))
    assert not (tmp_path / "model").exists()


def test_other_arguments_than_the_runs_are_refused(run: Run, model: Path) -> None:
    before = contents(model)
    resume = ("-o", "model", "--resume")
    assert "layers is 3 here and 1 in the run" in told_in_one_line(run(*resume, "--layers", 3))
    assert "corpus is" in told_in_one_line(run("other.txt", *resume))
    assert "contradict" in told_in_one_line(run(*resume, "--overwrite"))
    assert contents(model) == before
    assert run(*resume, *OPTIONS).code == 0


def test_a_finished_run_is_resumed_in_vain(run: Run, model: Path) -> None:
    before = (model / WEIGHTS).read_bytes()
    ran = run("-o", "model", "--resume")
    assert ran.code == 0
    assert "resumed at step 24" in ran.out
    assert (model / WEIGHTS).read_bytes() == before


class Killed(BaseException):
    """Ends a run like SIGKILL: nothing of ours catches it."""


def killing(when: Callable[[Event], bool]) -> Callable[[Event], None]:
    def report(event: Event) -> None:
        if when(event):
            raise Killed

    return report


@pytest.mark.parametrize(
    "when",
    [
        lambda event: isinstance(event, Remark),
        lambda event: isinstance(event, Remark) and "parameters" in event.text,
        lambda event: isinstance(event, Progress),
        lambda event: isinstance(event, Evaluation) and event.step == 18,
    ],
    ids=["while learning the vocabulary", "before the first step", "at step 10", "at step 18"],
)
def test_a_killed_run_goes_on_to_the_same_end(
    when: Callable[[Event], bool], finished: Path, tmp_path: Path
) -> None:
    corpus = write_corpus(tmp_path / "corpus.txt")
    with pytest.raises(Killed):
        train(corpus, output=tmp_path / "model", report=killing(when), **TINY)  # type: ignore[arg-type]
    trained = train(output=tmp_path / "model", resume=True)
    assert_same_run(tmp_path / "model", finished)
    assert trained.outcome.ended == "finished"


def cut_to(size: Callable[[int], int]) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        content = path.read_bytes()
        if path.suffix == ".json":  # which lacks nothing without its last line break
            content = content.rstrip()
        path.write_bytes(content[: size(len(content))])

    return cut


CUTS = {
    "to nothing": cut_to(lambda size: 0),
    "to half": cut_to(lambda size: size // 2),
    "by a byte": cut_to(lambda size: size - 1),
}
NEEDED = (
    *("model.safetensors", "tokenizer.json", "training/run.json", "training/state.safetensors"),
    *("training/tokens/header.json", "training/tokens/train-*", "training/tokens/validation-*"),
    "training/tokens/test-*",
)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("name", NEEDED)
def test_a_run_with_a_file_cut_short_is_not_resumed(
    name: str, cut: Callable[[Path], None], model: Path
) -> None:
    (path,) = model.glob(name)
    cut(path)
    with pytest.raises(UsageError) as error:
        train(output=model, resume=True)
    assert "\n" not in str(error.value)
    assert path.name in str(error.value) or path.parent.name in str(error.value)


def test_a_run_with_the_tokenizer_of_another_is_not_resumed(model: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("Quite another text, with #other# characters. " * 99)
    train(tmp_path / "other.txt", output=tmp_path / "other", **TINY)  # type: ignore[arg-type]
    shutil.copy(tmp_path / "other/tokenizer.json", model)
    with pytest.raises(UsageError, match="tokenize the text again"):
        train(output=model, resume=True)


def test_the_config_is_written_anew_by_a_resumed_run(model: Path) -> None:
    before = (model / "config.json").read_bytes()
    (model / "config.json").write_bytes(b"")
    train(output=model, resume=True)
    assert (model / "config.json").read_bytes() == before


# ── killed and interrupted from outside ─────────────────────────────────────────────────────────

# Training in processes forked from one that has imported all and computed nothing: each is killed
# at once and often, without waiting for imports.
KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
import accelerate, torch._dynamo, nlp.language_model, cli.display
from cli.main import main
from nlp.core.training_state import read_metrics

first, rest = json.loads(sys.argv[1])
folder = first[first.index("-o") + 1]
chance = random.Random(int(sys.argv[2]))

def begin(arguments):
    child = os.fork()
    if child == 0:
        try:
            main(arguments)
        except SystemExit as exit:
            os._exit(exit.code or 0)
        os._exit(99)
    return child

def step():
    rows = read_metrics(Path(folder, "metrics.jsonl"))
    return rows[-1]["step"] if rows else 0

ends = []
for moment in [0, *sorted(chance.randrange(1, 155) for _ in range(6))]:
    child = begin(rest if ends and os.path.exists(folder + "/training/run.json") else first)
    ended, status = 0, 0
    while not ended and step() < moment:
        time.sleep(0.001)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        time.sleep(chance.random() * 0.02)
        os.kill(child, chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT]))
        ended, status = os.waitpid(child, 0)
    ends.append(os.waitstatus_to_exitcode(status))
ended, status = os.waitpid(begin(rest), 0)
ends.append(os.waitstatus_to_exitcode(status))
print("\\n" + json.dumps(ends))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_killed_at_random_steps_ends_with_the_same_bits(seed: int, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus.txt", lines=300)
    options = [
        *("--kind", "characters", "--hidden-size", "16", "--layers", "2", "--batch-size", "4"),
        *("--window", "16", "--steps", "160", "--evaluate-every", "15", "--device", "cpu"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def start(script: str, *arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    whole = ["train-lm", str(corpus), "-o", "whole", *options]
    start("import sys; from cli.main import main; main(sys.argv[1:])", *whole)
    killed = [part if part != "whole" else "killed" for part in whole]
    resumed = ["train-lm", "-o", "killed", "--resume"]
    told = start(KILLER, json.dumps([killed, resumed]), str(seed))
    ends = json.loads(told.splitlines()[-1])
    assert -9 in ends, "no kill has met the run"
    assert ends[-1] == 0
    assert set(ends) <= {0, -9, 130}, told  # 130: Ctrl-C before the first step
    assert_same_run(tmp_path / "killed", tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob(".*"))


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
def test_control_c_saves_and_says_how_to_go_on(
    as_json: bool, run: Run, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from cli.display import TrainingDisplay

    show = TrainingDisplay.__call__

    def press(self: TrainingDisplay, event: Event) -> None:
        show(self, event)
        if isinstance(event, Progress) and event.step == 10:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(TrainingDisplay, "__call__", press)
    ran = run("corpus.txt", "-o", "model", *OPTIONS, *(["--json"] if as_json else []))
    assert ran.code == 130
    told = ran.err if as_json else ran.out
    assert told.endswith("Go on with: unrolled train-lm --output model --resume\n")
    if as_json:
        assert json.loads(ran.out.splitlines()[-1])["ended"] == "interrupted"
    else:
        assert ran.err == ""
    monkeypatch.setattr(TrainingDisplay, "__call__", show)
    assert "resumed at step 10" in run("-o", "model", "--resume").out
    assert_same_run(tmp_path / "model", finished)


@pytest.mark.parametrize("step", [6, 12])
def test_a_full_disk_leaves_what_was_saved_last(
    step: int, run: Run, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files larger than a limit cannot be written from an evaluation on."""
    import resource

    from cli.display import TrainingDisplay

    show, before = TrainingDisplay.__call__, resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self: TrainingDisplay, event: Event) -> None:
        show(self, event)
        if isinstance(event, Evaluation) and event.step == step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

    monkeypatch.setattr(TrainingDisplay, "__call__", fill)
    try:
        ran = run("corpus.txt", "-o", "model", *OPTIONS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "state.safetensors" in told_in_one_line(ran)
    assert "make room" in ran.err
    monkeypatch.setattr(TrainingDisplay, "__call__", show)
    assert not list((tmp_path / "model").rglob(".*"))
    LanguageModel.from_pretrained(tmp_path / "model", device="cpu")
    ran = run("-o", "model", "--resume")
    assert ("resumed at step 6" in ran.out) == (step == 12)
    assert_same_run(tmp_path / "model", finished)


def test_a_disk_full_from_the_start_leaves_nothing(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors

    def full(*arguments: object, **options: object) -> None:
        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    before = contents(tmp_path)
    ran = run("corpus.txt", "-o", "model", *OPTIONS, "--overwrite")
    assert "no space is left on the disk" in told_in_one_line(ran)
    assert contents(tmp_path) == before
