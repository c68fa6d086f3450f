"""Text: tokenizers, language models and what is built from them. The core is in `nlp.core`."""

from nlp.core.decoding import Greedy, Sampling
from nlp.core.tokenizer import Tokenizer
from nlp.language_model import LanguageModel

__all__ = ["Greedy", "LanguageModel", "Sampling", "Tokenizer"]
