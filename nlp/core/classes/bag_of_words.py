"""What the words of a text say in any order: the line that a model of sequences must be above.

    "good, not bad"  =  "bad, not good"  =  {good, not, bad, ","}

Logistic regression on words weighted by TF-IDF, both scikit-learn's, on the words that the model
reads. How strongly it is regularised is chosen on the validation part, as the model's best step is:
a baseline left at its defaults would be too easy to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np

from nlp.core.classes.bootstrap import f1
from nlp.core.classes.class_scores import ClassEvaluation, choose, evaluate_classes, require
from nlp.core.classes.labelled_texts import Text, has_labels

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)  # scikit-learn's C: the larger, the less regularised


class BagOfWords:
    """A classifier that knows which words a text has, or which runs of up to `ngrams` of them.

    Args:
        labels, multi_label: as the classifier's.
        balanced: each label counts the same in training.
    """

    def __init__(
        self, labels: Sequence[str], *, multi_label: bool, balanced: bool = False, ngrams: int = 1
    ) -> None:
        require()
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.labels, self.multi_label = labels, multi_label
        self.weights = "balanced" if balanced else None
        self.vectorizer = TfidfVectorizer(analyzer=lambda text: _runs(text.words, ngrams))
        self.models: list[Any] = []  # one for each label where a text may have several
        self.strength = 0.0

    def fit(self, texts: Sequence[Text], validation: Sequence[Text]) -> BagOfWords:
        """Learns from texts; the strength that is best on others is kept, by micro F1."""
        features = self.vectorizer.fit_transform(texts)
        gold, held_out = (
            has_labels(part, self.labels, self.multi_label) for part in (texts, validation)
        )
        best, kept = -1.0, self.models
        for strength in STRENGTHS:
            self.models = self._fitted(features, gold, strength)
            score = f1(held_out, choose(self.probabilities(validation), self.multi_label))[1]
            if score > best:
                best, self.strength, kept = score, strength, self.models
        self.models = kept
        return self

    def _fitted(self, features: Any, gold: np.ndarray, strength: float) -> list[Any]:
        from sklearn.dummy import DummyClassifier
        from sklearn.linear_model import LogisticRegression

        return [
            (
                LogisticRegression(C=strength, class_weight=self.weights, max_iter=1000)
                if len(np.unique(target)) > 1
                else DummyClassifier()  # there is nothing to tell apart
            ).fit(features, target)
            for target in (gold.T.astype(int) if self.multi_label else [gold.argmax(1)])
        ]

    def probabilities(self, texts: Sequence[Text]) -> np.ndarray:
        """Of each label, `[texts, labels]`."""
        features = self.vectorizer.transform(texts)
        found = np.zeros((len(texts), len(self.labels)))
        for label, model in enumerate(self.models):
            likely = model.predict_proba(features)
            if self.multi_label:
                found[:, label] = likely @ model.classes_  # 0 and 1, or only one of them
            else:
                found[:, model.classes_] = likely
        return found

    def measure(self, texts: Sequence[Text]) -> ClassEvaluation:
        """Its scores on labelled texts."""
        began = perf_counter()
        found = self.probabilities(texts)
        seconds = perf_counter() - began
        return evaluate_classes(
            texts, self.labels, found, multi_label=self.multi_label, seconds=seconds
        )


def _runs(words: Sequence[str], longest: int) -> list[str]:
    small = [word.lower() for word in words]
    return [
        " ".join(small[start : start + length])
        for length in range(1, longest + 1)
        for start in range(len(small) - length + 1)
    ]
