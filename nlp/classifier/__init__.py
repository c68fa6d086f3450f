"""Classifiers: what a whole text is, and which of its words say so.

    words     good      ,       not      bad
               │        │        │        │         vectors of words
    encoder  ◄ h1 ►── ◄ h2 ►── ◄ h3 ►── ◄ h4 ►      reads in both directions, so in order
               └────────┴───┬────┴────────┘
    pooling           max, mean, attention, last    one vector
                            │
                     positive 0.93                  a probability for each label

A bidirectional LSTM with pooling (Lai et al. 2015; attention: Yang et al. 2016) on locked dropout
(Gal and Ghahramani 2016). A text has one label (softmax) or any number of them (a sigmoid each).
Probabilities are calibrated by a temperature fitted on the validation part (Guo et al. 2017).

    from nlp.classifier import Classifier, train

    train("reviews.csv", output="my-classifier")
    classifier = Classifier.from_pretrained("my-classifier")
    answer = next(classifier.classify(["good, not bad"], explain="gradient"))
    print(answer.labels, answer.probabilities, answer.weights)
"""

from nlp.classifier.evaluation import evaluate
from nlp.classifier.model import AT_ONCE, KIND, ClassBatch, Classifier, Config
from nlp.classifier.training import READING, Trained, train

__all__ = [
    "AT_ONCE",
    "KIND",
    "READING",
    "ClassBatch",
    "Classifier",
    "Config",
    "Trained",
    "evaluate",
    "train",
]
