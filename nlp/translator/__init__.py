"""Translators: a sentence in one language in, a sentence in another out, and which words it read.

    source   Ein   roter   Ball           encoder, reads in both directions
              │      │      │
             h1     h2     h3             memory
              └──┬───┴──────┘
              attention  0.1 0.8 0.1      what each word of the translation looks at
                 │
    target    a ─► red ─► ball            decoder, writes a word at a time

An encoder-decoder with attention (Bahdanau, Cho and Bengio 2015; Luong, Pham and Manning 2015);
without it, the one of Sutskever, Vinyals and Le (2014). Words are spelled with the pieces of a
byte-pair encoding that both languages share (Sennrich, Haddow and Birch 2016).

    from nlp.translator import Translator, train

    train("train.de", "train.en", output="my-translator")
    translator = Translator.from_pretrained("my-translator")
    for translation in translator.translate(["Ein roter Ball."]):
        print(translation.text, translation.alignment)
"""

from __future__ import annotations

from nlp.translator.evaluation import evaluate
from nlp.translator.model import Config, Translator, TranslatorBatch
from nlp.translator.training import Trained, train
from nlp.translator.translation import Translation, translate

__all__ = [
    "Config",
    "Trained",
    "Translation",
    "Translator",
    "TranslatorBatch",
    "evaluate",
    "train",
    "translate",
]
