"""Text: tokenizers, language models, word vectors. The core is in `nlp.core`.

The names below are imported when they are first used: asking word vectors needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlp.core.decoding import Greedy, Sampling
    from nlp.core.tokenizer import Tokenizer
    from nlp.core.words.word_vectors import WordVectors
    from nlp.language_model import LanguageModel

__all__ = ["Greedy", "LanguageModel", "Sampling", "Tokenizer", "WordVectors"]

_HOMES = {
    "Greedy": "nlp.core.decoding",
    "LanguageModel": "nlp.language_model",
    "Sampling": "nlp.core.decoding",
    "Tokenizer": "nlp.core.tokenizer",
    "WordVectors": "nlp.core.words.word_vectors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
