"""`unrolled words`: what it answers, and that a mistake is one line and exit code 2."""

from __future__ import annotations

import inspect
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cli import word_evaluation as word_evaluation_command
from cli import word_map as word_map_command
from cli import words
from cli.main import main
from nlp.core.words import vector_formats, word_evaluation, word_map
from nlp.core.words.subwords import Subwords
from nlp.core.words.word_vectors import WordVectors

# Royal, female, and a direction for each kind of word: grown up, young, with wheels.
FEATURES = {
    **{"man": (0, -1, 3, 0, 0), "woman": (0, 1, 3, 0, 0)},
    **{"king": (2, -1, 3, 0, 0), "queen": (2, 1, 3, 0, 0)},
    **{"boy": (0, -1, 0, 3, 0), "girl": (0, 1, 0, 3, 0)},
    **{"prince": (2, -1, 0, 3, 0), "princess": (2, 1, 0, 3, 0)},
    **{"car": (0, 0, 0, 0, 3), "truck": (0, 0, 0.1, 0, 3)},
}
QUESTIONS = ": family\nman woman king queen\nboy girl prince princess\nman woman duke duchess\n"
JUDGED = "car\ttruck\t9\nman\tking\t6\nqueen\tcar\t1\nduke\tcar\t1\n"


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Run `unrolled words` in this process, in a folder with word vectors v.txt."""
    monkeypatch.chdir(tmp_path)
    vector_formats.save(WordVectors(list(FEATURES), np.array(list(FEATURES.values()))), "v.txt")

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        with pytest.raises(SystemExit) as exit:
            main(["words", *(str(argument) for argument in arguments)])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Ran(int(exit.value.code or 0), out.decode(), err.decode())

    return run


def answered(ran: Ran) -> Any:
    """The JSON of a run that has gone well and said nothing else."""
    assert (ran.code, ran.err) == (0, "")
    return json.loads(ran.out)


# ── questions ───────────────────────────────────────────────────────────────────────────────────


def test_nearest_is_a_table_or_a_line_of_json_a_word(run: Run) -> None:
    first, second = run("nearest", "v.txt", "car", "man", "--top", 2, "--json").out.splitlines()
    loaded = vector_formats.load("v.txt")
    for line, word in ((first, "car"), (second, "man")):
        wanted = [answer._asdict() for answer in loaded.nearest(word, 2)]
        assert json.loads(line) == {"word": word, "neighbours": wanted}
    ran = run("nearest", "v.txt", "car", "--top", 1)
    assert [line.split() for line in ran.out.splitlines()] == [
        ["word", "neighbour", "cosine"],
        ["car", "truck", "0.999"],
    ]


def test_the_help_warns_of_pickles(run: Run) -> None:
    assert "pickle" in run("nearest", "--help").out


def test_nearest_searches_the_first_words_only_where_told(run: Run) -> None:
    found = answered(run("nearest", "v.txt", "man", "--limit", 4, "--json"))
    assert {answer["word"] for answer in found["neighbours"]} == {"woman", "king", "queen"}


@pytest.mark.parametrize("method", ["3CosAdd", "3CosMul"])
def test_an_analogy_is_asked_in_reading_order(method: str, run: Run) -> None:
    """man is to king as woman is to queen."""
    ran = run("analogy", "v.txt", "man", "king", "woman", "--method", method, "--json")
    found = answered(ran)
    assert found["answers"][0]["word"] == "queen"
    assert (found["a"], found["b"], found["c"], found["method"]) == ("man", "king", "woman", method)
    table = run("analogy", "v.txt", "boy", "prince", "girl", "--method", method, "--top", 1).out
    assert table.split()[2] == "princess"


def test_odd_one_out_and_similarity(run: Run) -> None:
    assert run("odd-one-out", "v.txt", "man", "queen", "car", "boy").out == "car\n"
    found = answered(run("odd-one-out", "v.txt", "man", "car", "boy", "--json"))
    assert found == {"words": ["man", "car", "boy"], "odd_one_out": "car"}
    assert float(run("similarity", "v.txt", "man", "woman").out) == pytest.approx(0.8, abs=1e-4)
    found = answered(run("similarity", "v.txt", "man", "man", "--json"))
    assert found == {"a": "man", "b": "man", "cosine": pytest.approx(1.0)}


def test_words_cannot_command_the_terminal(run: Run) -> None:
    """Neither by its own codes nor by the table's markup."""
    names = ["[red]a[/red]", "b\x1b[2J", "[/]"]
    vector_formats.save(WordVectors(names, np.eye(3)), "bad.safetensors")
    ran = run("nearest", "bad.safetensors", "[/]")
    assert ran.code == 0
    assert "[red]a[/red]" in ran.out
    assert "b␛[2J" in ran.out
    assert "\x1b[2J" not in ran.out


# ── evaluation ──────────────────────────────────────────────────────────────────────────────────


def test_evaluate_prints_what_the_library_measures(run: Run, tmp_path: Path) -> None:
    (tmp_path / "questions.txt").write_text(QUESTIONS)
    (tmp_path / "judged.tsv").write_text(JUDGED)
    files = ("--analogies", "questions.txt", "--pairs", "judged.tsv")
    found = answered(run("evaluate", "v.txt", *files, "--json"))
    loaded = vector_formats.load("v.txt")
    scores = word_evaluation.analogies(loaded, "questions.txt")
    (section,) = found["analogies"]["questions.txt"]["sections"]
    assert section["name"] == "family"
    assert (section["correct"], section["asked"], section["questions"]) == scores.sections[0][1:]
    assert (section["correct"], section["asked"], section["questions"]) == (2, 2, 3)
    total = found["analogies"]["questions.txt"]["total"]
    assert total == {name: value for name, value in section.items() if name != "name"}
    assert found["analogies"]["questions.txt"]["syntactic"]["accuracy"] is None  # no NaN in JSON
    agreement = word_evaluation.pairs(loaded, "judged.tsv")
    assert found["pairs"]["judged.tsv"] == {
        "spearman": pytest.approx(agreement.spearman),
        "pearson": pytest.approx(agreement.pearson),
        "coverage": 0.75,
        "used": 3,
        "of": 4,
    }
    rows = [line.split() for line in run("evaluate", "v.txt", *files).out.splitlines()]
    assert ["family", "1.000", "0.667", "2", "2", "3"] in rows
    assert ["total", "1.000", "0.667", "2", "2", "3"] in rows
    assert not [row for row in rows if row and row[0] == "syntactic"]  # nothing of it was asked
    assert next(row for row in rows if row and row[0] == "judged.tsv")[-3:] == ["0.750", "3", "4"]


def test_evaluate_restricts_what_analogies_know(run: Run, tmp_path: Path) -> None:
    (tmp_path / "questions.txt").write_text(QUESTIONS)
    ask = ("evaluate", "v.txt", "--analogies", "questions.txt")
    asked = {
        restrict: answered(run(*ask, "--restrict", restrict, "--json"))["analogies"]
        for restrict in (0, 4)
    }
    assert asked[0]["questions.txt"]["total"]["asked"] == 2
    assert asked[0]["questions.txt"]["restrict"] is None
    assert asked[4]["questions.txt"]["total"]["asked"] == 1
    assert "the first 4" in run(*ask, "--restrict", 4).out
    assert "all 10" in run(*ask, "--restrict", 0).out


def test_evaluate_takes_the_bundled_tests_that_fit(run: Run, tmp_path: Path) -> None:
    """Few of these words are in them: what does not fit is told beside what does."""
    ran = run("evaluate", "v.txt", "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found["analogies"]["questions-words"]["total"]["asked"] > 0
    for name in ("wordsim353", "simlex999"):
        assert (name in found["pairs"]) != (name in ran.err)
    vector_formats.save(WordVectors(["ett", "två"], np.eye(2)), "swedish.txt")
    ran = run("evaluate", "swedish.txt")
    assert ran.code == 2
    assert ran.err.startswith("unrolled: error: none of the 19544 questions")
    assert ran.err.count("\n") == 1


# ── maps ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_is_a_page_or_a_picture_by_its_name(method: str, run: Run, tmp_path: Path) -> None:
    for module in ("sklearn", "bokeh", "matplotlib"):
        pytest.importorskip(module)
    found = answered(run("map", "v.txt", "-o", "m.html", "--method", method, "--json"))
    assert (found["map"], found["words"], found["method"]) == ("m.html", 10, method)
    page = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert "princess" in page
    assert f"<title>v.txt: 10 words by {method}</title>" in page
    ran = run("map", "v.txt", "-o", "out/m.PNG", "--method", method, "--words", 5)
    assert (ran.code, ran.err) == (0, "")
    assert (tmp_path / "out" / "m.PNG").read_bytes().startswith(b"\x89PNG")


def test_pairs_are_drawn_with_their_offsets(run: Run, tmp_path: Path) -> None:
    for module in ("sklearn", "matplotlib"):
        pytest.importorskip(module)
    pairs = "man:woman, king : queen,boy:girl"
    found = answered(run("map", "v.txt", "-o", "p.png", "--pairs", pairs, "--json"))
    assert found["pairs"] == 3
    assert found["mean_cosine_of_offsets"] == pytest.approx(1.0, abs=0.01)
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


# ── files ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["w.vec", "w.bin", "w.glove.txt", "w.safetensors", "w.txt.gz"])
def test_convert_keeps_words_and_vectors(name: str, run: Run, tmp_path: Path) -> None:
    found = answered(run("convert", "v.txt", name, "--json"))
    assert found == {"file": name, "words": 10, "size": 5}
    before, after = vector_formats.load("v.txt"), vector_formats.load(tmp_path / name)
    assert after.words == before.words
    np.testing.assert_array_equal(after.matrix, before.matrix)
    assert answered(run("convert", name, "first.txt", "--limit", 3, "--json"))["words"] == 3


def test_convert_tells_what_it_leaves_out(run: Run) -> None:
    ngrams = Subwords(np.ones((8, 5), np.float32))
    vector_formats.save(WordVectors(["a"], np.ones((1, 5)), None, ngrams), "s.safetensors")
    assert "n-grams" in run("convert", "s.safetensors", "s.txt").err
    assert run("convert", "s.safetensors", "again.safetensors").err == ""
    assert len(answered(run("nearest", "again.safetensors", "unknown", "--json"))) == 2


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nearest", "missing.txt", "man"], "missing.txt"),
        (["nearest", "v.txt", "prinse"], "prince"),
        (["nearest", "v.txt"], "'word'"),
        (["nearest", "v.txt", "man", "--top", "0"], "--top"),
        (["nearest", "v.txt", "man", "--limit", "0"], "--limit"),
        (["nearest", "bad.txt", "man"], "line 3"),
        (["analogy", "v.txt", "man", "king"], "'c'"),
        (["analogy", "v.txt", "man", "king", "duchess"], "'duchess'"),
        (["analogy", "v.txt", "man", "king", "woman", "--method", "add"], "3CosMul"),
        (["odd-one-out", "v.txt", "man"], "at least two"),
        (["similarity", "v.txt", "man"], "'b'"),
        (["map", "v.txt", "-o", "m.pdf"], ".html or .png"),
        (["map", "v.txt", "--method", "mds"], "pca, tsne or umap"),
        (["map", "v.txt", "--words", "2"], "2 words"),
        (["map", "v.txt", "--pairs", "man:woman,king:queen"], "map.html"),
        (["map", "v.txt", "-o", "m.png", "--pairs", "man:woman,king"], "'king'"),
        (["map", "v.txt", "-o", "m.png", "--pairs", "man:woman"], "two or more"),
        (["map", "v.txt", "-o", "m.png", "--pairs", "man:woman,a:b"], "'a'"),
        (["map", "v.txt", "-o", "m.png", "--pairs", "man:king", "--words", "5"], "--words"),
        (["map", "v.txt", "-o", "m.png", "--pairs", "man:king", "--seed", "5"], "--seed"),
        (["evaluate", "v.txt", "--analogies", "missing.txt"], "missing.txt"),
        (["evaluate", "v.txt", "--pairs", "bad.txt"], "bad.txt, line 3"),
        (["evaluate", "v.txt", "--restrict", "-1"], "--restrict"),
        (["evaluate", "v.txt", "--method", "add"], "3CosMul"),
        (["evaluate", "v.txt", "--pairs", "wordsim353", "--restrict", "5"], "--analogies"),
        (["convert", "v.txt", "v.docx"], "v.docx"),
        (["convert", "v.txt"], "'output'"),
        (["neighbours", "v.txt"], "neighbours"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], told: str, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    (tmp_path / "bad.txt").write_text("man 1 2\nwoman 3 4\nking 5\n")
    before = sorted(tmp_path.iterdir())
    ran = run(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("unrolled: error: ")
    assert ran.err.count("\n") == 1
    assert told in ran.err
    assert sorted(tmp_path.iterdir()) == before


def test_the_command_line_has_the_librarys_defaults() -> None:
    def default(function: Any, name: str) -> Any:
        return inspect.signature(function).parameters[name].default

    assert default(word_evaluation_command.evaluate, "restrict") == default(
        word_evaluation.analogies, "restrict"
    )
    assert default(word_map_command.draw, "method") == default(word_map.project, "method")
    assert default(words.nearest, "top") == default(WordVectors.nearest, "top")
    for command, function in (
        (words.analogy, WordVectors.analogy),
        (word_evaluation_command.evaluate, word_evaluation.analogies),
    ):
        assert default(command, "method") == default(function, "method")
