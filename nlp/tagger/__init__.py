"""Taggers: which words of a text name something, and how sure that is.

    words     Hermione   Granger    reads           vectors of words, letters and shapes, and of
                 │          │         │             language models where there are any
    encoder   ◄─ h1 ─►   ◄─ h2 ─►  ◄─ h3 ─►         reads in both directions
                 │          │         │
    CRF       B-person ─ E-person ──  O             the best whole sequence, and its probability

A bidirectional LSTM under a CRF (Huang, Xu and Yu 2015) that reads letters (Lample et al. 2016; Ma
and Hovy 2016) and the states of language models (Akbik et al. 2018). An entity's confidence is the
marginal probability that all its words have its tags (Culotta and McCallum 2004), after a
temperature fitted on the validation part (Guo et al. 2017).

    from nlp.tagger import Tagger, train

    train("entities.conll", output="my-tagger")
    tagger = Tagger.from_pretrained("my-tagger")
    for entity in next(tagger.tag(["Hermione Granger reads."])).entities:
        print(entity.text, entity.label, entity.confidence)
"""

from nlp.tagger.evaluation import evaluate
from nlp.tagger.model import AT_ONCE, KIND, SCHEME, Config, Tagger, TaggerBatch
from nlp.tagger.training import READING, RELIABILITY, SAMPLE, Trained, train

__all__ = [
    "AT_ONCE",
    "KIND",
    "READING",
    "RELIABILITY",
    "SAMPLE",
    "SCHEME",
    "Config",
    "Tagger",
    "TaggerBatch",
    "Trained",
    "evaluate",
    "train",
]
