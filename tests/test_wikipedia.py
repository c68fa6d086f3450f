"""The bundled sample: 106 articles as readable prose, split once and for all."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from itertools import chain

import pytest

from corpora import UsageError, read, splits, wikipedia
from corpora.wikitext import prose


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(wikipedia.CACHE_VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="module")
def articles(cache) -> dict[str, list[str]]:
    return {
        split: [passage.text for passage in read("wikipedia-sample", split=split)]
        for split in wikipedia.SPLITS
    }


def test_articles_and_words(articles):
    assert {split: len(texts) for split, texts in articles.items()} == {
        "train": 85,
        "validation": 10,
        "test": 11,
    }
    words = {split: sum(len(text.split()) for text in texts) for split, texts in articles.items()}
    total = sum(words.values())
    assert 430_000 < total < 490_000
    assert 0.79 < words["train"] / total < 0.82
    assert 0.09 < words["validation"] / total < 0.11
    assert 0.09 < words["test"] / total < 0.11


def test_the_split_is_fixed(articles):
    titles = [text.split("\n")[0] for text in articles["test"]]
    assert titles == [
        text.split("\n")[0]
        for number, (_, text) in enumerate(wikipedia.articles())
        if number % 10 == 2
    ]
    assert titles[0] == "Albedo"
    assert not set(articles["train"]) & set(articles["test"] + articles["validation"])


def test_the_text_reads_as_prose(articles):
    everything = "\n".join(chain.from_iterable(articles.values()))
    title, empty, first, *_ = articles["train"][0].split("\n")
    assert (title, empty) == ("Anarchism", "")
    assert first.startswith("Anarchism is a political philosophy that advocates self-governed")
    for left_over in (r"\[\[", r"\]\]", r"\{\{", r"</?ref", "&nbsp;", "'''", r"REDIRECT", "==="):
        assert not re.search(left_over, everything), left_over
    holes = len(re.findall(r"\( | ,|\(\)|  ", everything))
    assert holes < len(everything.split()) / 10_000


def test_whole_sample_and_own_splits(articles):
    assert [passage.text for passage in read("wikipedia-sample")] == [
        *articles["train"],
        *articles["validation"],
        *articles["test"],
    ]
    assert all(passage.ends_document for passage in read("wikipedia-sample"))
    parts = splits("wikipedia-sample")
    assert {part.name: [passage.text for passage in part] for part in parts} == articles
    with pytest.raises(UsageError, match="the splits are: train, validation, test"):
        list(read("wikipedia-sample", split="dev"))


def test_the_licence_travels_with_the_text(cache, articles):
    for part in ("CC BY-SA", "Wikipedia", "contributors", "https://creativecommons.org"):
        assert part in wikipedia.LICENCE
    assert wikipedia.LICENCE in (wikipedia.sample_folder() / "LICENCE.txt").read_text()


def test_the_cache_is_used_and_can_be_placed(cache, articles, monkeypatch, tmp_path):
    assert wikipedia.sample_folder().parent == cache
    monkeypatch.setattr(wikipedia, "articles", lambda: pytest.fail("prepared a second time"))
    wikipedia.sample_folder()
    monkeypatch.delenv(wikipedia.CACHE_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert tmp_path in wikipedia.cache_folder().parents
    assert wikipedia.cache_folder().name == "unrolled"


def test_an_interrupted_preparation_leaves_nothing(monkeypatch, tmp_path):
    def interrupted():
        yield "A", "A\n\ntext"
        raise KeyboardInterrupt

    monkeypatch.setenv(wikipedia.CACHE_VARIABLE, str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(wikipedia, "articles", interrupted)
        with pytest.raises(KeyboardInterrupt):
            wikipedia.sample_folder()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv(wikipedia.CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(UsageError, match="cannot write"):
        list(read("wikipedia-sample"))


def test_two_processes_at_once(tmp_path):
    program = "from corpora import wikipedia; print(wikipedia.sample_folder())"
    environment = {**os.environ, wikipedia.CACHE_VARIABLE: str(tmp_path)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, text=True
        )
        for _ in range(2)
    ]
    answers = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert len(answers) == 1
    assert [str(path) for path in tmp_path.iterdir()] == list(answers)
    assert len(list(tmp_path.glob("*/*/*.txt"))) == 106


def test_a_gensim_without_the_sample(monkeypatch, tmp_path):
    monkeypatch.setenv(wikipedia.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="no sample of Wikipedia"):
        list(read("wikipedia-sample"))


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        (
            "'''Andorra''' ({{IPAc-en|æ}}) has {{convert|468|km2|sqmi}} of [[land|ground]].",
            "Andorra has 468 km² of ground.",
        ),
        ("Water ({{lang|la|aqua}}) is wet.<ref>{{cite|x}}</ref>", "Water (aqua) is wet."),
        ("Light does 3\u00d710<sup>8</sup> m/s, ''fast''.", "Light does 3\u00d710⁸ m/s, fast."),
        ("From {{convert|10|to|20|km2}}.", "From 10 to 20 km²."),
        ("Text.\n\n{| class=x\n| cell\n|}\n\nMore text.", "Text.\n\nMore text."),
        ("[[File:a.jpg|thumb|A [[cat]]]]Cats purr.", "Cats purr."),
        ("A.\n* one\n* two\n\nB.", "A.\n\n- one\n- two\n\nB."),
        ("A.\n== Life ==\nB.\n== References ==\nC.\n=== Web ===\nD.", "A.\n\nLife\n\nB."),
        ("A.\n== Empty ==\n== Full ==\nB.", "A.\n\nFull\n\nB."),
        ("Algeria ({{lang-ar|}}{{x}} al-Jazair; Dzayer ) is.", "Algeria (al-Jazair; Dzayer) is."),
        ("{{Infobox|a=b}}", ""),
        ("", ""),
    ],
)
def test_markup_to_prose(markup, expected):
    assert prose(markup) == expected
