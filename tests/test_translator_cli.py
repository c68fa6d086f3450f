"""`unrolled train-translator`, `translate`, and the translator's part of `evaluate` and `score`."""

from __future__ import annotations

import inspect
import io
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

import cli.evaluate
from cli import display, interactive, translated, translated_output
from cli.main import main
from cli.partial import RECORD, Partial
from cli.score import score as score_command
from cli.translate import translate as translate_command
from cli.translator import train_translator
from corpora.errors import UsageError
from corpora.generated_pairs import pairs
from corpora.pairs import read_pairs
from nlp.core.checkpoint import CONFIG, WEIGHTS
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.translation.alignment import pharaoh, read_pharaoh
from nlp.core.translation.translation_scores import EXTREMES, paired_bootstrap, score_translations
from nlp.translator import Translator, train
from nlp.translator.scoring import score
from nlp.translator.translation import Translation, translate

ROOT = Path(__file__).parent.parent
TINY = {
    **{"hidden_size": 32, "embedding_size": 24, "decoder_layers": 1, "vocabulary_size": 400},
    **{"steps": 40, "evaluate_every": 40, "warmup_steps": 4, "learning_rate": 0.02},
    **{"dropout": 0.0, "input_dropout": 0.0, "output_dropout": 0.0, "batch_size": 32},
    **{"device": "cpu"},
}
OPTIONS = [part for name, value in TINY.items() for part in (f"--{name.replace('_', '-')}", value)]
TEXT = "Two old farmers bought a red horse."
TEXTS = (TEXT, "", "Anna slept.", " \t ", "I liked a  pear\u2028behind it , naïve.", "We saw Leo.")


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def write_data(folder: Path) -> None:
    given = list(pairs(seed=0, count=200))
    for side, name in enumerate(("train.en", "train.ta")):
        (folder / name).write_text("".join(f"{pair[side]}\n" for pair in given))
    for side, name in enumerate(("test.en", "test.ta")):
        (folder / name).write_text("".join(f"{pair[side]}\n" for pair in given[:24]))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_data(folder)
    train(folder / "train.en", folder / "train.ta", output=folder / "t", **TINY)  # type: ignore[arg-type]
    return folder / "t"


@pytest.fixture(scope="module")
def model(finished: Path) -> Translator:
    return Translator.from_pretrained(finished, "cpu")


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    finished: Path,
) -> Run:
    """Run `unrolled` in this process, in a folder with a translator t and its data."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path / "t")
    write_data(tmp_path)
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")

    def run(*arguments: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Ran(int(exit.value.code or 0), out.decode(), err.decode())

    return run


def said(ran: Ran) -> str:
    """The output of a run that has gone well and said nothing else."""
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.out


def answered(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(ran).splitlines()]


def told_in_one_line(ran: Ran) -> str:
    """The error of a run that is to have failed politely."""
    assert ran.code == 2, ran
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


# ── training ────────────────────────────────────────────────────────────────────────────────────


def defaults(function: Callable[..., object]) -> dict[str, Any]:
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


def test_command_and_function_have_the_same_names_and_defaults() -> None:
    command, function = defaults(train_translator), defaults(train)
    assert command.pop("as_json") is False
    del function["report"]
    for name in ("validation", "test"):  # text on the command line, and given once or twice
        (share,) = command[name]
        command[name] = float(share)
    assert command == function


def test_command_and_function_train_the_same_model(run: Run, finished: Path) -> None:
    ran = run("train-translator", "train.en", "train.ta", "-o", "new", *OPTIONS)
    assert ran.code == 0, ran.err
    for told in ("pieces/s", "on the test split", "signature: nrefs:1|", "unrolled translate new"):
        assert told in ran.out
    assert Path("new", WEIGHTS).read_bytes() == (finished / WEIGHTS).read_bytes()


def test_parts_may_be_files_of_their_own_and_json_is_a_line_per_event(run: Run) -> None:
    Path("test.tsv").write_text("source\ttarget\nAnna slept.\tAnna sab.\n")
    files = ("--validation", "test.en", "--validation", "test.ta", "--test", "test.tsv")
    few = (*OPTIONS, "--steps", 2, "--evaluate-every", 2, "--json")
    ran = run("train-translator", "train.en", "train.ta", "-o", "new", *few, *files)
    events = answered(ran)
    assert "validation 24 pairs" in events[0]["text"]
    end = events[-1]
    assert (end["event"], end["step"]) == ("end", 2)
    assert end["results"]["sentences"] == 1
    assert end["results"]["signatures"]["BLEU"].startswith("nrefs:1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train.en", "missing.ta"], "missing.ta"),
        (["train.en", "test.ta"], "train.en has 200 lines and test.ta has 24"),
        (["train.en"], "without a tab"),
        (["train.en", "train.ta", "--attention", "full"], "attention is 'full'"),
        (["train.en", "train.ta", "--test", "0.96"], "leave nothing to train on"),
        (["train.en", "train.ta", *["--test", "0.1"] * 3], "given 3 times"),
        (["train.en", "train.ta", "--average", "0"], "average is 0"),
        (["train.en", "train.ta", "--languages", "en"], "--languages"),
        (["train.en", "train.ta", "test.en"], "test.en"),
        (["-o", "new", "--resume"], "nothing to resume"),
    ],
)
def test_wrong_data_is_one_line_and_leaves_no_folder(
    arguments: list[str], message: str, run: Run, tmp_path: Path
) -> None:
    assert message in told_in_one_line(run("train-translator", "-o", "new", *arguments))
    assert not list(tmp_path.glob("new*"))


# ── translating ─────────────────────────────────────────────────────────────────────────────────


def test_all_ways_in_are_prepared_alike(run: Run, model: Translator) -> None:
    """Files, arguments, standard input and a person who types: the same translations."""
    wanted = [found.text for found in translate(model, TEXTS)]
    assert wanted[0]
    assert (wanted[1], wanted[3]) == ("", "")
    lines = "".join(f"{text}\n" for text in wanted)
    assert said(run("translate", "t", "--file", "texts.txt")) == lines
    assert said(run("translate", "t", *TEXTS)) == lines
    stdin = Path("texts.txt").read_bytes()
    assert said(run("translate", "t", stdin=stdin)) == lines
    windows = b"\xef\xbb\xbf" + stdin.replace(b"\n", b"\r\n")  # the same texts, otherwise saved
    Path("windows.txt").write_bytes(windows)
    assert said(run("translate", "t", stdin=windows)) == lines
    assert said(run("translate", "t", "--file", "windows.txt")) == lines
    typed = [line.rstrip() for line in said(run("translate", "t", "-i", stdin=stdin)).split("\n")]
    assert typed == lines.split("\n")
    said(run("translate", "t", "--file", "texts.txt", "-o", "out.txt"))
    assert Path("out.txt").read_text(encoding="utf-8") == lines
    assert said(run("translate", "t", "-", TEXT, stdin=b"")) == f"{wanted[0]}\n"


def test_lines_are_answered_as_they_come(
    monkeypatch: pytest.MonkeyPatch, model: Translator
) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", open(reading))  # noqa: SIM115
    answer = translated.asker(model, [], {"n_best": 1}, prefix="", mbr=None)
    groups = translated.lines_of(["-"], "strict")
    os.write(writing, b"Anna slept.\nLeo")
    first = [found.source for found in answer(next(groups))]
    os.write(writing, b" slept.\n")
    os.close(writing)
    assert (first, next(groups)) == (["Anna slept."], ["Leo slept."])


def test_json_tells_words_and_places(run: Run, model: Translator) -> None:
    Path("odd.txt").write_text(" 👩‍👩‍👧 saw\tLeo . \n\n", encoding="utf-8")
    record, empty = answered(run("translate", "t", "--file", "odd.txt", "--json", "--attention"))
    (found,) = translate(model, [" 👩‍👩‍👧 saw\tLeo . "])
    assert record["source"] == found.source
    assert record["translation"] == found.text
    assert record["log_probability"] == pytest.approx(found.log_probability, abs=1e-4)
    for side, words in ((record["translation"], "words"), (record["source"], "source_words")):
        assert [side[word["start"] : word["end"]] for word in record[words]] == [
            word["text"] for word in record[words]
        ]
    assert [word["text"] for word in record["source_words"]][1:] == ["saw", "Leo", "."]
    assert all(0 < word["probability"] <= 1 for word in record["words"])
    assert record["alignment"] == [list(link) for link in found.alignment]
    rows = record["attention"]
    assert len(rows) == len(record["words"])
    assert all(len(row) == 4 and sum(row) <= 1.0001 for row in rows)
    assert (empty["source"], empty["translation"], empty["words"]) == ("", "", [])
    (short,) = answered(run("translate", "t", TEXT, "--json"))
    assert "attention" not in short
    assert "others" not in short


def test_the_n_best_are_written_as_moses_does(run: Run, model: Translator) -> None:
    wanted = list(translate(model, [TEXT, "", "Leo ran."], strategy=Beam(7), n_best=7))
    out = said(run("translate", "t", TEXT, "", "Leo ran.", "--n-best", 7))
    rows = [line.split(" ||| ") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["0"] * 7 + ["1"] + ["2"] * 7
    assert [row[1] for row in rows[:7]] == [wanted[0].text, *(one.text for one in wanted[0].others)]
    assert float(rows[0][2]) == pytest.approx(wanted[0].score, abs=1e-3)
    record, empty, _ = answered(
        run("translate", "t", TEXT, "", "Leo ran.", "--n-best", 7, "--json")
    )
    assert [other["translation"] for other in record["others"]] == [row[1] for row in rows[1:7]]
    assert "others" not in empty
    with_links = said(run("translate", "t", TEXT, "--n-best", 2, "--alignments")).splitlines()
    assert [len(line.split(" ||| ")) for line in with_links] == [4, 4]


def test_alignments_are_pharaohs(run: Run, model: Translator) -> None:
    (found,) = translate(model, [TEXT])
    first, empty = said(run("translate", "t", TEXT, "", "--alignments")).splitlines()
    text, links = first.split(" ||| ")
    assert (text, links) == (found.text, pharaoh(found.alignment))
    assert read_pharaoh(links).sure == set(found.alignment)
    assert empty == " ||| "


def test_the_choice_is_the_librarys(run: Run, model: Translator) -> None:
    asked: dict[tuple[object, ...], dict[str, Any]] = {
        ("--greedy",): {"strategy": Greedy()},
        ("--beam-size", 2, "--length-penalty", 0): {"strategy": Beam(2, 0.0)},
        ("--coverage-penalty", 0.3): {"strategy": Beam(coverage_penalty=0.3)},
        ("--patience", "inf"): {"strategy": Beam(patience=math.inf)},
        ("--temperature", 1.5, "--seed", 3): {"strategy": Sampling(1.5), "seed": 3},
        ("--top-k", 4): {"strategy": Sampling(top_k=4)},
        ("--top-p", 0.8): {"strategy": Sampling(top_p=0.8)},
        ("--max-length", 3): {"max_length": 3},
        ("--no-repeat", 1): {"no_repeat": 1},
        ("--prefix", "Anna"): {"prefixes": ["Anna"]},
    }
    plain = next(translate(model, [TEXT])).text
    asked["--forbid", plain.split()[0]] = {"forbidden": [plain.split()[0]]}
    for options, arguments in asked.items():
        (found,) = translate(model, [TEXT], **arguments)
        ran = run("translate", "t", TEXT, *options)  # what is drawn may be bytes that are no text
        assert (ran.code, ran.out) == (0, f"{found.text}\n"), options
    assert said(run("translate", "t", TEXT, "--prefix", "Anna")).startswith("Anna")
    assert plain.split()[0] not in said(run("translate", "t", TEXT, "--forbid", plain.split()[0]))


def test_several_models_translate_together(run: Run, model: Translator, tmp_path: Path) -> None:
    torch.manual_seed(5)
    other = Translator(model.config, model.texts).eval()
    other.save_pretrained(tmp_path / "other")
    (found,) = translate(model, [TEXT], others=[other, model])
    ran = run(
        "translate", "t", TEXT, "--model", "other", "--model", "t", "--json", "--device", "cpu"
    )
    (record,) = answered(ran)
    assert record["translation"] == found.text
    assert record["score"] == pytest.approx(found.score, abs=1e-4)


def test_least_risk_is_most_like_the_others(run: Run, model: Translator) -> None:
    from sacrebleu.metrics.chrf import CHRF

    (found,) = translate(model, [TEXT], strategy=Sampling(0.7), n_best=6, seed=1)
    samples = [found.text, *(other.text for other in found.others)]
    chrf = CHRF()
    means = {
        text: sum(chrf.sentence_score(text, [other]).score for other in samples) / 6
        for text in samples
    }
    options = ("--mbr", 6, "--temperature", 0.7, "--seed", 1)
    (record,) = answered(run("translate", "t", TEXT, *options, "--n-best", 2, "--json"))
    best = max(means, key=lambda text: means[text])
    assert record["translation"] == best
    assert record["score"] == pytest.approx(means[best], abs=1e-6)
    assert [other["translation"] for other in record["others"]] != [best]
    assert said(run("translate", "t", "", *options)) == "\n"


def test_pictures_and_a_page(run: Run) -> None:
    shown = said(run("translate", "t", TEXT, "--show-attention")).splitlines()
    words = shown[0].replace(".", " .").split()
    drawn = [line for line in shown if line.startswith(tuple("·░▒▓█"))]
    assert [line.split()[-1] for line in drawn] == words
    assert "│ old" in shown
    assert said(run("translate", "t", "", "--show-attention")).strip() == ""
    assert said(run("translate", "t", TEXT, "--heatmap", "a.png")) == f"{shown[0]}\n"
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    assert (
        said(run("translate", "t", "--file", "texts.txt", "--html", "a.html", "--n-best", 2)) == ""
    )
    page = Path("a.html").read_text(encoding="utf-8")
    assert "<title>Translations by t</title>" in page
    assert page.count("<article>") == len(TEXTS)


def test_source_words_are_copied_and_counted(run: Run, tmp_path: Path) -> None:
    """By a model that mostly writes a byte that is no text, and numbers that are none of ours."""
    model = Translator.from_pretrained("t", "cpu")
    with torch.no_grad():
        model.decoder.output_bias[model.texts.target.encode("é")[0]] += 90
    model.save_pretrained("broken")
    asked = ("translate", "broken", "Zoë", "", "--max-length", 3)
    assert said(run(*asked, "--no-copy-unknown")) == "\ufffd\ufffd\ufffd\n\n"
    ran = run(*asked)
    assert (ran.out, ran.err) == (
        "Zoë\n\n",
        "1 word is copied from the source; --json tells which\n",
    )
    record, empty = answered(run(*asked, "--json", "--attention"))
    copy = {"start": 0, "end": 3, "source_word": 0, "written": "\ufffd" * 3}
    assert (record["copied"], empty["copied"]) == ([copy], [])
    assert record["alignment"] == [[0, 0]]
    assert [word["text"] for word in record["words"]] == ["Zoë"]
    assert run(*asked, "--n-best", 2).err.startswith("2 words are copied")
    assert run(*asked, "--html", "a.html").err.startswith("1 word is copied")
    assert ">Zoë<" in Path("a.html").read_text(encoding="utf-8")
    ran = run(*asked, "-o", "out.txt")
    assert ran.err.startswith("1 word is copied")
    assert Path("out.txt").read_text(encoding="utf-8") == "Zoë\n\n"
    with torch.no_grad():
        model.decoder.output_bias[model.texts.target.encode("7")] += 120
    model.save_pretrained("broken")
    asked = ("translate", "broken", "4711", "--max-length", 3)
    assert said(run(*asked)) == "777\n"
    assert run(*asked, "--copy-words", r"\d+").out == "4711\n"
    assert said(run(*asked, "--copy-words", "[a-z]+")) == "777\n"


def test_line_breaks_do_not_make_two_lines_of_one(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Translation("x", "one\r\ntwo\nthree", -1.0, -1.0, True)
    monkeypatch.setattr(translated, "asker", lambda *_, **__: lambda texts: [found] * len(texts))
    ran = run("translate", "t", "x", "y")
    assert ran.out == "one two three\n" * 2
    assert ran.err.startswith("2 translations hold line breaks")
    (record, _) = answered(run("translate", "t", "x", "y", "--json"))
    assert record["translation"] == found.text


def test_typing(run: Run, model: Translator) -> None:
    first, second = (found.text for found in translate(model, [TEXT, "/x"]))
    ran = run("translate", "t", "-i", stdin=f"/attention\n{TEXT}\n/attention\n/x\n /x\n".encode())
    assert ran.code == 0
    assert ran.err.splitlines() == [
        "error: nothing has been translated yet",
        "error: '/x' is not a command. See /help; put a space before a text",
    ]
    lines = ran.out.splitlines()
    assert lines[:2] == [first, first]  # and then its heatmap
    assert "│ old" in lines
    assert lines[-1] == second
    ran = run("translate", "t", "-i", "--n-best", 2, stdin=f"{TEXT}\n/help\n/quit\nx\n".encode())
    assert len(said(ran).splitlines()) == 2 + len(interactive.TRANSLATION_HELP.splitlines())
    assert "│ old" in said(run("translate", "t", "-i", "--show-attention", stdin=TEXT.encode()))


# ── output that can be gone on with ─────────────────────────────────────────────────────────────


@pytest.fixture
def stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a whole run writes; out.txt is that of one stopped after three lines."""
    whole = said(run("translate", "t", "--file", "texts.txt", "--alignments"))
    write = Partial.write

    def stop(self: Partial, text: str, answer: str) -> None:
        if self.answered == 3:
            raise KeyboardInterrupt
        write(self, text, answer)

    with monkeypatch.context() as patch:
        patch.setattr(Partial, "write", stop)
        ran = run("translate", "t", "--file", "texts.txt", "--alignments", "-o", "out.txt")
    assert (ran.code, ran.out) == (130, "")
    assert "3 translations are in out.txt. Go on with the same command and --resume" in ran.err
    assert Path("out.txt").read_text(encoding="utf-8") == "".join(whole.splitlines(True)[:3])
    return whole


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are translated from now on."""
    seen: list[str] = []
    asker = translated.asker

    def counting(*arguments: Any, **options: Any) -> Any:
        answer = asker(*arguments, **options)

        def count(texts: list[str]) -> Iterator[Translation]:
            seen.extend(texts)
            return answer(texts)

        return count

    monkeypatch.setattr(translated, "asker", counting)
    return seen


def test_a_stopped_run_is_gone_on_with(
    stopped: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = counted(monkeypatch)
    again = ("translate", "t", "--file", "texts.txt", "--alignments", "-o", "out.txt")
    assert "not finished: go on with --resume" in told_in_one_line(run(*again))
    ran = run(*again, "--resume", "--batch-size", 1)
    assert said(ran) == "6 translations are in out.txt, 3 of them from before\n"
    assert Path("out.txt").read_text(encoding="utf-8") == stopped
    assert seen == list(TEXTS[3:])
    assert not Path(f"out.txt{RECORD}").exists()
    assert "complete" in told_in_one_line(run(*again, "--resume"))
    assert "--overwrite" in told_in_one_line(run(*again))
    assert run(*again, "--overwrite").out == "6 translations are in out.txt\n"


def test_what_differs_is_not_gone_on_with(stopped: str, run: Run, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tmp_path.glob("out.txt*")}
    (tmp_path / "other.txt").write_text("\n".join([TEXT, "", "Leo slept.", "", ""]))
    (tmp_path / "short.txt").write_text(f"{TEXT}\n")
    for arguments, message in {
        ("--file", "other.txt", "--alignments"): "text 3 is not the one that out.txt answers there",
        ("--file", "short.txt", "--alignments"): "there are 1 texts, and out.txt answers 3",
        ("--file", "texts.txt"): "was begun with --alignments true, and it is false now",
        (
            "--file",
            "texts.txt",
            "--alignments",
            "--beam-size",
            "2",
        ): "--beam-size not given",
        ("--file", "texts.txt", "--alignments", "--overwrite"): "do not go together",
    }.items():
        ran = run("translate", "t", "-o", "out.txt", "--resume", *arguments)
        assert message in told_in_one_line(ran)
        assert {path: path.read_bytes() for path in tmp_path.glob("out.txt*")} == before
    model = Translator.from_pretrained("t", "cpu")
    with torch.no_grad():
        model.decoder.output_bias += 0.5
    model.save_pretrained("t")
    ran = run("translate", "t", "--file", "texts.txt", "--alignments", "-o", "out.txt", "--resume")
    assert "begun with model" in told_in_one_line(ran)


def test_killed_at_any_byte_it_is_gone_on_with(stopped: str, run: Run) -> None:
    """As a machine leaves files that has lost its power: cut anywhere, the note before the line."""
    answers, notes = (Path(name).read_bytes() for name in ("out.txt", f"out.txt{RECORD}"))
    for cut_answers, cut_notes in ((5, 0), (0, 3), (len(answers), 0), (0, 30)):
        Path("out.txt").write_bytes(answers[: len(answers) - cut_answers])
        Path(f"out.txt{RECORD}").write_bytes(notes[: len(notes) - cut_notes])
        again = ("--alignments", "-o", "out.txt", "--resume")
        ran = run("translate", "t", *again, stdin=Path("texts.txt").read_bytes())
        assert said(ran).startswith("6 translations are in out.txt")
        assert Path("out.txt").read_text(encoding="utf-8") == stopped


def test_all_that_answers_depend_on_is_kept() -> None:
    """An option of translate is a setting of a run, or has nothing to do with what is written."""
    names = set(inspect.signature(translate_command).parameters)
    settings = set(translated_output.SETTINGS)
    assert settings < names
    assert names - settings == {
        *("model", "models", "texts", "file", "interactive", "encoding_errors", "output", "resume"),
        *("overwrite", "show_attention", "heatmap", "html", "batch_size", "device"),
    }


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "x"], "no model folder missing: train one with `unrolled train-translator"),
        (["other", "x"], "other holds language-model"),
        (["t", "x", "--model", "missing"], "no model folder missing"),
        (["t", "x", "--file", "texts.txt"], "leave out one"),
        (["t", "--file", "missing.txt"], "missing.txt is missing"),
        (["t", "--file", "t"], "t is a folder"),
        (["t", "--file", "latin1.txt"], "latin1.txt: byte 0xe9 at byte offset 3, line 1"),
        (["t", "caf\udce9"], "not UTF-8"),
        (["t", "x", "--encoding-errors", "ignore"], "encoding_errors"),
        (["t", "x", "--json", "--alignments"], "--json and --alignments"),
        (["t", "x", "--html", "p.html", "--heatmap", "p.png"], "--html and --heatmap"),
        (["t", "x", "--attention"], "add --json"),
        (["t", "x", "--resume"], "there is no --output: leave out --resume"),
        (["t", "x", "-o", "o", "--show-attention"], "leave out --show-attention"),
        (["t", "--file", "texts.txt", "-o", "texts.txt", "--overwrite"], "to be translated"),
        (["t", "x", "-o", "t"], "t is no regular file"),
        (["t", "-i", "x"], "leave out the texts"),
        (["t", "-i", "--json", "-o", "x"], "leave out --output and --json"),
        (["t", "--heatmap", "p.png"], "--heatmap draws one text"),
        (["t", "", "--heatmap", "p.png"], "needs words on both sides"),
        (["t", "x", "--greedy", "--beam-size", "3"], "leave out --beam-size"),
        (["t", "x", "--greedy", "--n-best", "3"], "leave out --n-best"),
        (["t", "x", "--top-k", "3", "--length-penalty", "0"], "leave out --length-penalty"),
        (["t", "x", "--seed", "3"], "nothing is drawn"),
        (["t", "x", "--beam-size", "3", "--n-best", "4"], "--n-best 4 takes a beam as wide"),
        (["t", "x", "--top-p", "0"], "top_p is 0"),
        (["t", "x", "--coverage-penalty", "-1"], "coverage_penalty is -1"),
        (["t", "x", "--mbr", "1"], "--mbr"),
        (["t", "x", "--forbid", ""], "--forbid is empty"),
        (["t", "x", "--max-length", "0"], "--max-length"),
        (["t", "x", "--device", "abacus"], "device 'abacus' is unknown"),
        (["blind", "x", "--alignments"], "blind was trained without attention"),
        (["blind", "x", "--show-attention"], "leave out --show-attention"),
        (["blind", "x", "--copy-words", "x"], "leave out --copy-words"),
        (["t", "x", "--copy-words", "["], "copy_words is '['"),
        (["t", "x", "--patience", "0"], "patience is 0"),
        (["t", "x", "--greedy", "--patience", "2"], "leave out --patience"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, run: Run, tmp_path: Path
) -> None:
    shutil.copytree("t", "other")
    config = json.loads((tmp_path / "t" / CONFIG).read_text())
    (tmp_path / "other" / CONFIG).write_text(json.dumps({**config, "kind": "language-model"}))
    (tmp_path / "latin1.txt").write_bytes("José\n".encode("latin-1"))
    if arguments[0] == "blind":
        model = Translator.from_pretrained("t", "cpu")
        from dataclasses import replace

        Translator(replace(model.config, attention="none"), model.texts).save_pretrained("blind")
    before = sorted(tmp_path.rglob("*"))
    ran = run("translate", *arguments)
    assert message in told_in_one_line(ran)
    assert sorted(tmp_path.rglob("*")) == before


# ── evaluation ──────────────────────────────────────────────────────────────────────────────────


def test_evaluate_tells_what_the_library_measures(run: Run, model: Translator) -> None:
    given = read_pairs("test.en", "test.ta").pairs
    sources, references = ([pair[side] for pair in given] for side in (0, 1))
    written = [found.text for found in translate(model, sources)]
    wanted = score_translations(sources, written, references, bootstrap=50)
    Path("theirs.txt").write_text("".join(f"{text}\n" for text in reversed(references)))
    arguments = ("test.en", "test.ta", "--bootstrap", 50, "--against", "theirs.txt", "--errors", 3)
    (told,) = answered(run("evaluate", "t", *arguments, "--json"))
    assert (told["kind"], told["sentences"]) == ("translator", 24)
    for name in ("bleu", "chrf", "ter", "repetition", "length_ratio"):
        assert told[name] == getattr(wanted, name)
    assert told["signatures"] == dict(wanted.signatures)
    assert told["ranges"]["BLEU"] == list(wanted.ranges["BLEU"])
    assert [row["sentences"] for row in told["by_length"]] == [
        row.sentences for row in wanted.by_length
    ]
    assert [one["number"] for one in told["worst"]] == [one.number for one in wanted.worst[:3]]
    compared = paired_bootstrap(written, references[::-1], references, samples=50)
    assert told["against"] == {name: row._asdict() for name, row in compared.items()}


def test_evaluate_shows_scores_sentences_and_the_other(run: Run) -> None:
    Path("test.csv").write_text("en,ta\nAnna slept.,Anna sab.\nLeo ran.,Leo nag.\n")
    columns = ("--source-column", "en", "--target-column", "ta")
    out = said(run("evaluate", "t", "test.csv", *columns, "--against", "t", "--bootstrap", 10))
    for told in ("case:mixed", "to", "repeated 4-grams", "words of the source", "worst", "best"):
        assert told in out
    assert out.count("Anna sab.") == 2  # among the worst and the best
    assert "Beside t" in out
    rows = [line.split() for line in out.splitlines()]
    assert next(row for row in rows if row[:1] == ["TER"] and len(row) == 4)[-1] == "1.0000"
    short = said(run("evaluate", "t", "test.csv", *columns, "--errors", 0, "--beam-size", 1))
    assert "worst" not in short


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["test.en", "train.ta"], "test.en has 24 lines and train.ta has 200"),
        (["test.en", "test.ta", "train.en"], "3 sources"),
        (["test.en", "test.ta", "--against", "train.en"], "train.en has 200 lines"),
        (["test.en", "test.ta", "--against", "missing"], "missing"),
        (["test.en", "test.ta", "--text-column", "x"], "takes no --text-column"),
        (["test.en", "test.ta", "--tokenize", "x"], "tokenize 'x' is unknown"),
        (["test.en", "test.ta", "--plot", "x.png"], "--plot"),
        (["test.en", "test.ta", "--bootstrap", "1"], "--bootstrap"),
    ],
)
def test_wrong_pairs_are_one_line(arguments: list[str], message: str, run: Run) -> None:
    assert message in told_in_one_line(run("evaluate", "t", *arguments))


def test_what_is_the_translators_is_refused_of_others(run: Run) -> None:
    config = json.loads(Path("t", CONFIG).read_text())
    Path("t", CONFIG).write_text(json.dumps({**config, "kind": "tagger", "config": {}}))
    ran = run("evaluate", "t", "test.en", "--bootstrap", 100, "--source-column", "x")
    assert "takes no --bootstrap and --source-column" in told_in_one_line(ran)
    assert "holds no translator" in told_in_one_line(run("score", "t", "--source", "test.en"))


def test_the_options_of_reading_are_the_readers() -> None:
    taken = set(inspect.signature(cli.evaluate.evaluate).parameters)
    names = set(inspect.signature(read_pairs).parameters)
    reading = set(cli.evaluate.READING["translator"])
    assert names & taken == {*reading, "split", "encoding_errors"}
    assert set(cli.evaluate.MEASURING["translator"]) <= taken
    assert cli.evaluate.SHOWN <= EXTREMES


# ── scoring ─────────────────────────────────────────────────────────────────────────────────────


def test_given_translations_have_the_scores_of_those_found(model: Translator) -> None:
    """What a search says of its own translations is what the chain rule says, in any company."""
    sources = [TEXT, "Leo ran.", "Did Anna see two red horses in the village yesterday?"]
    found = [
        one
        for best in translate(model, sources, strategy=Beam(4, 0.0), n_best=4)
        for one in (best, *best.others)
        if one.finished
    ]
    assert len(found) > 6
    again = list(score(model, [(one.source, one.text) for one in found], batch_size=3))
    same = 0
    for one, other in zip(found, again, strict=True):
        assert (other.source, other.text) == (one.source, one.text)
        if len(other.pieces) != len(one.pieces):  # the search spelled it in a way of its own
            continue
        same += 1
        assert other.log_probability == pytest.approx(one.log_probability, abs=1e-3)
        assert other.words == one.words
        assert other.word_probabilities == pytest.approx(one.word_probabilities, abs=1e-3)
        assert other.attention == pytest.approx(one.attention, abs=1e-3)
    assert same > len(found) / 2


def test_scores_of_nothing(model: Translator) -> None:
    nothing, something, empty = score(model, [("", ""), (" ", "Anna"), ("Anna slept.", "")])
    assert (nothing.log_probability, something.log_probability) == (0.0, -math.inf)
    assert -math.inf < empty.log_probability < 0
    assert list(score(model, [])) == []
    with pytest.raises(UsageError, match="batch_size"):
        list(score(model, [("a", "b")], batch_size=0))


def test_score_ranks_translations_of_a_text(run: Run, model: Translator) -> None:
    good = next(translate(model, [TEXT])).text
    out = said(run("score", "t", TEXT, "Leo ve Leo.", good))
    ranked = [line for line in out.splitlines() if line.startswith((good, "Leo ve Leo."))][-2:]
    assert [line.startswith(good) for line in ranked] == [True, False]
    assert "looked at" in out
    records = answered(run("score", "t", TEXT, "Leo ve Leo.", good, "--json", "--attention"))
    wanted = list(score(model, [(TEXT, "Leo ve Leo."), (TEXT, good)]))
    for record, one in zip(records, wanted, strict=True):
        assert record["log_probability"] == pytest.approx(one.log_probability, abs=1e-4)
        assert len(record["attention"]) == len(one.words)


def test_score_of_files_is_line_by_line(run: Run) -> None:
    Path("a.en").write_text("Anna slept.\n\n\nLeo ran.\n")
    Path("a.ta").write_text("Anna sab.\n\nLeo\nLeo nag.\n")
    files = ("--source", "a.en", "--target", "a.ta")
    rows = [line.split("\t") for line in said(run("score", "t", *files)).splitlines()]
    assert [row[1:] for row in rows] == [
        ["Anna slept.", "Anna sab."],
        ["", ""],
        ["", "Leo"],
        ["Leo ran.", "Leo nag."],
    ]
    assert [float(row[0]) for row in rows[1:3]] == [0, -math.inf]
    records = answered(run("score", "t", *files, "--json"))
    assert [record["log_probability"] for record in records[1:3]] == [0.0, None]
    assert records[3]["log_probability"] == pytest.approx(float(rows[3][0]), abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a text and a translation of it"),
        (["x"], "a text and a translation of it"),
        (["x", "y", "--top", "5"], "holds a translator: leave out --top"),
        (["x", "y", "--file", "texts.txt"], "leave out --file"),
        (["--source", "test.en"], "give both"),
        (["x", "--source", "test.en", "--target", "test.ta"], "leave out the texts"),
        (["--source", "test.en", "--target", "train.ta"], "24 lines and train.ta has 200"),
        (["--source", "missing", "--target", "test.ta"], "missing"),
    ],
)
def test_what_cannot_be_scored_is_one_line(arguments: list[str], message: str, run: Run) -> None:
    assert message in told_in_one_line(run("score", "t", *arguments))


def test_low_probabilities_are_coloured(monkeypatch: pytest.MonkeyPatch, model: Translator) -> None:
    from cli import display_translations

    screen = io.StringIO()
    options = {"force_terminal": True, "color_system": "truecolor", "highlight": False}
    monkeypatch.setattr(display, "console", lambda: display.Console(file=screen, **options))
    (found,) = score(model, [(TEXT, "Leo\x1b[2J ve")])
    display_translations.translation(found)
    assert "48;2;" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()


def test_defaults_are_the_librarys() -> None:
    command, library, usual = defaults(translate_command), defaults(translate), Beam()
    names = ("n_best", "max_length", "batch_size", "no_repeat", "seed")
    for name in (*names, "copy_unknown", "copy_words"):
        assert command[name] == library[name]
    for name in ("length_penalty", "coverage_penalty", "patience"):
        assert command[name] == getattr(usual, name)
    assert translated.strategy_of() == library["strategy"] == usual
    assert defaults(score_command)["source"] is None
