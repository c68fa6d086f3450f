"""Scores of captions, against COCO's own script and against scores worked out by hand."""

from __future__ import annotations

import gzip
import importlib.util
import math
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import UsageError
from vision import meteor
from vision.caption_scores import CaptionScores, score_captions
from vision.caption_words import words_of
from vision.cider import Cider, grams_of
from vision.meteor_alignment import Match, align

WRITTEN = [
    "A man is riding a bike down the street.",
    "two dogs playing with a ball in the park",
    "a woman's hat",
    "A black-and-white cat can't sleep on the couch, can it?",
    "children children children",
    "a bus",
    "the kids are jumping into the swimming pool",
    "a plate of food with broccoli and meat",
]
REFERENCES = [
    ["A man rides his bicycle along a street.", "A cyclist is going down the road."],
    [
        "Two dogs are chasing a ball on the grass.",
        "a pair of dogs play in the park with a ball",
        "Dogs with a ball.",
    ],
    ["The hat of a woman is blue.", "A woman wears a large hat."],
    ["A black and white cat lies awake on a sofa.", "The cat does not sleep."],
    ["Three children sing.", "Kids sing a song at school."],
    ["A red double-decker bus drives past a (closed) shop.", "A bus in London."],
    ["Children jump into a pool.", "the kids are jumping into the swimming pool"],
    [
        "A plate with meat, broccoli & rice.",
        "Some food on a white plate.",
        "A meal of meat and vegetables.",
    ],
]
# What pycocoevalcap 1.2, with Stanford's tokenizer and METEOR 1.5, says of these.
BLEU = (0.7635070299, 0.5262969094, 0.3853971628, 0.308548074)
CIDERS = (1.120553168, 2.484682915, 1.9086005289, 0.4805412768)
CIDERS += (0.1776672636, 1.5742564405, 5.5267404817, 1.3311130025)
ROUGES = (0.5115303983, 0.7530864198, 0.5791139241, 0.3357798165)
ROUGES += (0.3333333333, 0.6288659794, 1.0, 0.5398230088)
METEOR = 0.3166271809
METEORS = (0.2291358646, 0.4087013151, 0.2521892558, 0.3103404191)
METEORS += (0.1333333333, 0.2581998173, 1.0, 0.2782239467)


@pytest.fixture(scope="module")
def scores() -> CaptionScores:
    return score_captions(WRITTEN, REFERENCES, training=["A bus!", "Two dogs."], bootstrap=200)


def test_equal_to_cocos_script(scores: CaptionScores) -> None:
    assert scores.bleu == pytest.approx([100 * one for one in BLEU])
    assert [one.cider for one in scores.by_image] == pytest.approx(CIDERS)
    assert scores.cider == pytest.approx(1.8255193846)
    assert [one.rouge_l for one in scores.by_image] == pytest.approx([100 * r for r in ROUGES])
    assert scores.rouge_l == pytest.approx(58.519161)


@pytest.mark.slow  # it reads five million paraphrases
def test_meteor_equal_to_cocos_script() -> None:
    scores = score_captions(WRITTEN, REFERENCES, meteor=True)
    if scores.meteor is None:
        pytest.skip(scores.without_meteor)
    assert scores.meteor == pytest.approx(100 * METEOR)
    found = [one.meteor for one in scores.by_image]
    assert found == pytest.approx([100 * one for one in METEORS])


WORDS = ["a", "red", "blue", "dog", "cat", "runs"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=2, max_size=5))
def test_equal_to_pycocoevalcap(pictures: list[tuple[list[str], list[list[str]]]]) -> None:
    pytest.importorskip("pycocoevalcap.bleu.bleu")
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider as Theirs
    from pycocoevalcap.rouge.rouge import Rouge

    own = {n: [" ".join(text)] for n, (text, _) in enumerate(pictures)}
    references = {n: [" ".join(text) for text in refs] for n, (_, refs) in enumerate(pictures)}
    scores = score_captions([text for (text,) in own.values()], list(references.values()))
    bleu = Bleu(4).compute_score(references, own, verbose=0)[0]
    assert np.array(scores.bleu) / 100 == pytest.approx(np.array(bleu), abs=1e-3)
    assert scores.cider == pytest.approx(Theirs().compute_score(references, own)[0])
    assert scores.rouge_l / 100 == pytest.approx(Rouge().compute_score(references, own)[0])


def test_bleu_is_sacrebleus() -> None:
    sacrebleu = pytest.importorskip("sacrebleu.metrics")
    most = max(map(len, REFERENCES))
    cut = [[" ".join(words_of(text)) for text in refs] for refs in REFERENCES]
    columns = [[(refs + [refs[0]] * most)[n] for refs in cut] for n in range(most)]
    bleu = sacrebleu.BLEU(tokenize="none", smooth_method="none", force=True)
    theirs = bleu.corpus_score([" ".join(words_of(text)) for text in WRITTEN], columns)
    assert score_captions(WRITTEN, REFERENCES).bleu[3] == pytest.approx(theirs.score)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man (in red) said \"hello, it's 5 o'clock\".",
         "a man -lrb- in red -rrb- said hello it 's 5 o'clock"),
        ("The U.S. flag. Mr. Smith's dog can't run; I cannot either.",
         "the u.s. flag mr. smith 's dog ca n't run i can not either"),
        ("Don’t stop, they'll be here at 10:30 a.m. with 2,000 people & 1/2 a cake.",
         "do n't stop they 'll be here at 10:30 a.m. with 2,000 people & 1/2 a cake"),
        ("The dogs' bowl - a black-and-white one -- is 3.5 cm wide...",
         "the dogs bowl a black-and-white one is 3.5 cm wide"),
        ("I'm gonna wanna gotta gimme 'tis 'twas ain't",
         "i 'm gon na wan na got ta gim me 't is 't was ai n't"),
        ("$5.00 100% #1 [x] café “quoted” rock 'n' roll '90s salt &amp; tar",
         "$ 5.00 100 % # 1 -lsb- x -rsb- café quoted rock 'n' roll '90s salt & tar"),
        ("A man.A woman and/or child, T-shirt; etc.", "a man.a woman and/or child t-shirt etc."),
        ("", ""),
    ],
)  # fmt: skip
def test_words_are_stanfords(text: str, words: str) -> None:
    assert words_of(text) == words.split()


def test_what_a_sample_of_captions_is_like(scores: CaptionScores) -> None:
    words = [word for text in WRITTEN for word in words_of(text)]
    assert scores.vocabulary == len(set(words))
    assert scores.distinct_1 == len(set(words)) / len(words)
    assert scores.length == len(words) / len(WRITTEN)
    assert scores.unique == 1.0
    assert scores.novelty == 7 / 8  # "a bus" was trained on
    assert score_captions(["a b", "A b."], [["c"], ["d"]]).unique == 0.5
    assert score_captions(["a b", "A b."], [["c"], ["d"]]).distinct_2 == 0.5
    assert score_captions(["a"], [["a"]]).novelty is None
    assert [one.number for one in scores.best[:2]] == [6, 1]
    assert scores.worst[0].written == "children children children"
    assert scores.without_meteor == "not asked for"
    assert scores.signature.startswith("coco|pictures:8|refs:2-3|tok:ptb")


def test_ranges_hold_the_score(scores: CaptionScores) -> None:
    assert set(scores.ranges) == {*(f"BLEU-{n}" for n in range(1, 5)), "ROUGE-L", "CIDEr"}
    low, high = scores.ranges["CIDEr"]
    assert low < scores.cider < high
    assert score_captions(WRITTEN, REFERENCES, bootstrap=200).ranges == scores.ranges


def test_empty_captions_and_mistakes() -> None:
    scores = score_captions(["", "..."], [["a dog"], ["a cat"]])
    assert (*scores.bleu, scores.rouge_l, scores.cider) == (0.0,) * 6
    assert scores.empty == 2
    assert score_captions(["a dog"], [["", "a dog runs"]]).rouge_l > 0
    for written, references, said in (
        ([], [], "expected a caption for each"),
        (["a"], [["a"], ["b"]], "1 captions and references of 2 pictures"),
        (["a", "b"], [["a"], []], "picture 2 has no reference"),
    ):
        with pytest.raises(UsageError, match=said):
            score_captions(written, references)


def test_cider_by_hand() -> None:
    cider = Cider([["red dog"], ["red cat"]])
    # "red" is in both and weighs nothing; "dog" and the pair weigh log 2.
    assert cider(["red dog", "dog", "red", "red cat"], [0, 0, 0, 0]) == pytest.approx(
        [5.0, 2.5 * math.exp(-1 / 72), 0.0, 0.0]
    )
    assert cider.of_grams(grams_of(["red", "cat"]), 1) == pytest.approx(5.0)


def test_cider_is_a_reward_for_any_words() -> None:
    texts = ["ein roter Hund endofcaption", "eine blaue Katze endofcaption"]
    cider = Cider([[text] for text in texts], words=str.split)
    right, without_end = cider([texts[0], "ein roter Hund"], [0, 0])
    assert right > without_end > 0


def best_alignment(own: list[str], theirs: list[str], possible: list[Match]) -> tuple[float, int]:
    """Worth of the words and chunks of the best alignment, by trying all."""
    worth = (1.0, 0.5, 0.5, 0.5)
    best = (0.0, 0)
    for bits in range(1 << len(possible)):
        chosen = [match for n, match in enumerate(possible) if bits >> n & 1]
        words = [m.own for m in chosen], [m.start for m in chosen]
        if any(len(set(places)) < len(places) for places in words):
            continue
        covered = sum(2 * worth[match.module] for match in chosen)
        spots = sorted((match.start, match.own) for match in chosen)
        follows = {(i + 1, j + 1) for i, j in spots}
        best = max(best, (covered, -sum(spot not in follows for spot in spots)))
    return best[0], -best[1]


@settings(max_examples=60, deadline=None)
@given(texts.map(lambda text: text[:4]), texts.map(lambda text: text[:4]))
def test_alignments_are_the_best_ones(own: list[str], theirs: list[str]) -> None:
    possible = [
        Match(0, i, 1, j, 1)
        for i in range(len(theirs))
        for j in range(len(own))
        if theirs[i] == own[j]
    ]
    chosen, chunks = align(own, theirs, possible)
    if len(possible) <= 10:
        assert (2.0 * len(chosen), chunks) == best_alignment(own, theirs, possible)


def test_meteor_with_tables_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nltk")
    folder = tmp_path / "pycocoevalcap" / "meteor"
    (folder / "data").mkdir(parents=True)
    with zipfile.ZipFile(folder / "meteor-1.5.jar", "w") as jar:
        jar.writestr("function/english.words", "the\na\n")
        jar.writestr("synonym/english.synsets", "couch\n7 8\nsofa\n8\nman\n1\nadult\n1\n")
        jar.writestr("synonym/english.exceptions", "man\nmen menfolk\n")
    with gzip.open(folder / "data" / "paraphrase-en.gz", "wt", encoding="utf-8") as table:
        table.write("0.5\nat once\nimmediately\n0.4\nunseen\nimmediately\n")
    monkeypatch.setattr(meteor, "_folder", lambda: (folder, ""))
    own, references = ["the men sleep at once"], [["a couch", "the adult sleeping immediately"]]
    row, why = meteor.statistics(
        [words_of(text) for text in own], [[words_of(text) for text in one] for one in references]
    )
    assert row is not None
    assert why == ""
    # Five words and four, one function word in each, one chunk; then content and function words
    # by form, stem, synonym and paraphrase.
    assert row[0].tolist() == [5, 4, 1, 1, 0, *(0, 1, 1, 2), *(1, 0, 0, 0), *(0, 1, 1, 1),
                               *(1, 0, 0, 0)]  # fmt: skip
    precision = (0.75 * (0.6 + 0.8 + 2 * 0.6) + 0.25) / (0.75 * 4 + 0.25)
    recall = (0.75 * (0.6 + 0.8 + 0.6) + 0.25) / (0.75 * 3 + 0.25)
    mean = precision * recall / (0.85 * precision + 0.15 * recall)
    assert meteor.score(row[0]) == pytest.approx(100 * mean)
    scores = score_captions(own, references, meteor=True, bootstrap=10)
    assert scores.meteor == pytest.approx(100 * mean)
    assert "METEOR" in scores.ranges
    assert "meteor:1.5" in scores.signature


def test_meteor_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pycocoevalcap" else found(name)
    )
    scores = score_captions(WRITTEN, REFERENCES, meteor=True)
    assert scores.meteor is None
    assert "install pycocoevalcap" in scores.without_meteor
    assert "nltk" not in sys.modules or scores.by_image[0].meteor is None


def test_meteor_cuts_words_once_more() -> None:
    words = ["a", "black-and-white", "u.s.", "cat", "'s", "bed", "ca", "n't", "mr.", "smith"]
    assert meteor.normalized([*words, "etc."]) == (
        *("a", "black", "and", "white", "us", "cat", "'", "s", "bed", "ca", "n", "'t"),
        *("mr.", "smith", "etc", "."),
    )
