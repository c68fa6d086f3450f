"""Word vectors out of the training text itself."""

from __future__ import annotations

import numpy as np

from nlp.core.word_features import WordFeatures
from nlp.core.words.own_vectors import own_vectors

SENTENCES = [
    f"{one} {animal} sleeps".split()
    for one in ("The", "a", "every", "no")
    for animal in ("cat", "dog", "hen")
] * 40 + [["red", "green", "blue", "yellow"]] * 200


def test_words_that_are_used_alike_are_near_and_the_same_seed_repeats() -> None:
    vectors = own_vectors(SENTENCES, 12, epochs=5, seed=1)
    assert "the" in vectors.index
    assert "The" not in vectors.index
    assert vectors.similarity("cat", "dog") > vectors.similarity("cat", "green")
    again = own_vectors(SENTENCES, 12, epochs=5, seed=1)
    assert np.array_equal(vectors.matrix, again.matrix)


def test_a_model_begins_at_them() -> None:
    vectors = own_vectors(SENTENCES, 12, epochs=1)
    features = WordFeatures(
        **{"words": 4, "word_size": 12, "given": 1, "given_size": 0, "trained": 0},
        **{"characters": 1, "character_size": 4, "spelling": "none", "shape_size": 0},
    )
    features.begin_at(vectors, ["cat", "unheard-of", "dog"])
    assert features.words is not None
    table = features.words.weight.detach().numpy()
    assert not table[[0, 2]].any()
    ratio = table[[1, 3]] / vectors.matrix[[vectors.index["cat"], vectors.index["dog"]]]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
