"""GPT-2: one network, trained to predict text, that was found to do tasks it was not trained for.

    P(answer | "passage", "question", ...)      every task is text, and is gone on with

Radford, Wu, Child, Luan, Amodei and Sutskever (2019), "Language Models are Unsupervised Multitask
Learners". The network is `nlp.core.transformer`; pretrained weights of it are read from any folder
or repository in the layout of Hugging Face, and what is saved can be read there.

    from nlp import gpt2

    model = gpt2.from_pretrained("gpt2")            # 124 million weights; or a folder
    print(model.sample("The meaning of life is", max_tokens=40, seed=1)[0])
    print(model.score("take me to Mars").log_probability)
    mine = gpt2.new("small", tokenizer)             # untrained; `unrolled train-lm --model gpt2`
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import torch

from corpora.errors import check_choice
from nlp.core.language.model import LanguageModel
from nlp.core.tokenizer import Tokenizer
from nlp.core.transformer import Config, Transformer

__all__ = ["SIZES", "Config", "Size", "Transformer", "from_pretrained", "new"]


class Size(NamedTuple):
    """One of the paper's four models (its table 2; the counts are corrected)."""

    layers: int
    heads: int
    hidden_size: int
    parameters: int
    hub_id: str


SizeName = Literal["small", "medium", "large", "xl"]
SIZES: dict[SizeName, Size] = {
    "small": Size(12, 12, 768, 124_439_808, "gpt2"),
    "medium": Size(24, 16, 1024, 354_823_168, "gpt2-medium"),
    "large": Size(36, 20, 1280, 774_030_080, "gpt2-large"),
    "xl": Size(48, 25, 1600, 1_557_611_200, "gpt2-xl"),
}


def new(
    size: SizeName = "small",
    tokenizer: Tokenizer | None = None,
    *,
    context: int = 1024,
    seed: int = 0,
) -> LanguageModel:
    """A model of one of the paper's sizes, untrained.

    Args:
        size: small, medium, large or xl.
        tokenizer: gives it its vocabulary; None is of GPT-2's size, for token ids only.
        context: tokens that it looks at.
        seed: draws its weights.
    """
    check_choice("size", size, SizeName)
    layers, heads, hidden_size, *_ = SIZES[size]
    vocabulary_size = 50_257 if tokenizer is None else tokenizer.vocabulary_size
    config = Config(vocabulary_size, context, layers, heads, hidden_size)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LanguageModel(config, tokenizer)


def from_pretrained(
    folder_or_hub_id: str | Path = "gpt2", device: str = "auto", precision: str = "auto"
) -> LanguageModel:
    """The weights of a folder or of the Hugging Face Hub; see `LanguageModel.from_pretrained`."""
    return LanguageModel.from_pretrained(folder_or_hub_id, device, precision)
