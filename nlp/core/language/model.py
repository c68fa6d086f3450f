"""A language model: a decoder with nothing to look at, and the tokenizer it was made for.

    token   <|endoftext|>    take       me        to
                 │            │         │         │
    state  0 ──► f ─────────► f ──────► f ──────► f ──►    log P(w1 ... wn) =
                 │            │         │         │            sum of log P(wi | w1 ... w(i-1))
    guess      take           me        to       Mars

The decoder is recurrent, or GPT-2's. What differs between the two, they say themselves; whoever
scores and writes with a language model knows `start`, `step` and `forward` only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from corpora.errors import UsageError
from nlp.core import checkpoint, scoring, transformer
from nlp.core.batching import Window
from nlp.core.decoder import Decoder
from nlp.core.decoding import Sampling, Strategy, generate
from nlp.core.device import choose_device, has_bfloat16
from nlp.core.language import config as recurrent
from nlp.core.language import gpt2_files
from nlp.core.recipe import Loss
from nlp.core.scoring import Score
from nlp.core.tokenizer import Tokenizer
from nlp.core.transformer import Transformer
from nlp.core.weight_only import Weights, packed

PRECISIONS = ("auto", "float32", "bfloat16", "int8", "int4")
Config = recurrent.Config | transformer.Config
State = tuple[Any, ...]


class LanguageModel(nn.Module):
    """Embedding, recurrent core or blocks of attention, softmax over the vocabulary."""

    decoder: Decoder | Transformer

    def __init__(self, config: Config, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self.config, self.tokenizer = config, tokenizer
        if isinstance(config, transformer.Config):
            self.decoder = Transformer(config)
            gpt2_files.publish_names(self)
        else:
            self.decoder = Decoder.of(asdict(config))

    @property
    def device(self) -> torch.device:
        return self.decoder.device

    @property
    def vocabulary_size(self) -> int:
        return self.config.vocabulary_size

    @property
    def context(self) -> int | None:
        """Tokens that it looks at, at most; None where all of a text bears on what follows."""
        return self.config.context if isinstance(self.config, transformer.Config) else None

    @property
    def backward(self) -> bool:
        """Whether it reads texts from their end; for taggers, it neither scores nor writes."""
        return isinstance(self.config, recurrent.Config) and self.config.backward

    @property
    def network(self) -> str:
        """Its kind of network, in words."""
        config = self.config
        return "GPT-2" if isinstance(config, transformer.Config) else config.cell

    def start(self, batch_size: int) -> State:
        """The state before the first token: a tuple of parts that are indexed by rows."""
        return self.decoder.start(batch_size)

    def forward(self, ids: Tensor, state: Any = None) -> tuple[Tensor, State]:
        """`[batch, time]` to logits `[batch, time, vocabulary_size]` and the state at the end."""
        return self.decoder(ids, state)

    def read(self, ids: Tensor, state: Any) -> tuple[Tensor, State]:
        """As `forward`, the last position's logits only: `[batch, vocabulary_size]`."""
        return self.decoder.read(ids, state)

    def step(self, token: Tensor, state: Any) -> tuple[Tensor, State]:
        """`[batch]` to logits `[batch, vocabulary_size]` and the next state."""
        return self.decoder.step(token, state)

    def fast_step(self) -> Callable[[Tensor, Any], tuple[Tensor, State]]:
        """A quicker `step` for writing a single text; see the decoder's."""
        return self.decoder.fast_step()

    def loss(self, batch: Window, carry: Any = None) -> Loss:
        """Mean nats per token of a window. A recurrent model goes on from the state `carry`; for
        GPT-2 a window is a text of its own."""
        count = batch.targets.numel()
        if isinstance(self.decoder, Transformer):
            return Loss(self.decoder.loss(batch.inputs, batch.targets), count)
        mean, state = self.decoder.loss(batch.inputs, batch.targets, carry)
        return Loss(mean, count, tuple(part.detach() for part in state))

    def sample(
        self,
        prompt: str = "",
        *,
        strategy: Strategy = Sampling(temperature=0.8),  # noqa: B008 - frozen
        max_tokens: int = 100,
        samples: int = 1,
        seed: int | None = None,
        stop: tuple[str, ...] = (),
    ) -> list[str]:
        """Continuations of `prompt`, without it; see `nlp.core.decoding.generate` for more."""
        tokenizer = self.text_tokenizer()
        generations = generate(
            self,
            tokenizer.encode(prompt, allowed_special="all"),
            strategy=strategy,
            max_tokens=max_tokens,
            samples=samples,
            stop_ids=(tokenizer.end_of_text,),
            seed=seed,
            stop=stop,
        )
        return [generation.text or "" for generation in generations]

    def score(self, text: str, *, context: str = "", top: int = 3) -> Score:
        """The probability of `text`, token by token; see `nlp.core.scoring.score` for more."""
        return scoring.score(self, self.text_tokenizer(), text, context=context, top=top)

    def text_tokenizer(self) -> Tokenizer:
        """What texts are scored and written with. `UsageError` where the model does neither."""
        if self.tokenizer is None:
            raise UsageError("this model has no tokenizer: it knows token ids only")
        if self.backward:
            raise UsageError("this model reads backward: it is for taggers, and knows no beginning")
        return self.tokenizer

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json`, `model.safetensors`, `tokenizer.json`; of a
        GPT-2 such as `transformers` reads too."""
        folder = Path(folder)
        if isinstance(self.decoder, Transformer) and self.decoder.token_embedding is None:
            raise UsageError("packed weights are not saved: load the model in float32")
        if self.tokenizer is not None:
            self.tokenizer.save(folder / checkpoint.TOKENIZER)
        self.save_config(folder)
        checkpoint.save_weights(self, folder)

    def save_config(self, folder: Path) -> None:
        """Writes `config.json`."""
        fingerprint = self.tokenizer.fingerprint if self.tokenizer else None
        if isinstance(self.config, transformer.Config):
            gpt2_files.save_config(folder, asdict(self.config), self.tokenizer)
        else:
            checkpoint.save_config(folder, recurrent.KIND, asdict(self.config), fingerprint)

    @classmethod
    def from_pretrained(
        cls, folder_or_hub_id: str | Path, device: str = "auto", precision: str = "auto"
    ) -> LanguageModel:
        """The model in a folder, or in a repository of the Hugging Face Hub, ready to be used.

        Args:
            folder_or_hub_id: of a model of ours, or of any GPT-2.
            precision: float32; bfloat16; int8 or int4 weights, for a GPT-2 on a CPU; auto is
                bfloat16 for a GPT-2 on a GPU that has it, else float32.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        if precision not in PRECISIONS:
            raise UsageError(
                f"precision {precision!r} is unknown: expected {', '.join(PRECISIONS)}"
            )
        folder, where = checkpoint.locate(folder_or_hub_id), choose_device(device)
        if gpt2_files.holds(folder):
            settings, tensors, tokenizer = gpt2_files.read(folder)
            model = cls(transformer.Config(**settings), tokenizer)
            model.decoder.load_state_dict(tensors)
        else:
            model = cls(*recurrent.read_folder(folder))
            checkpoint.load_weights(model, folder)
        return model.to(where).eval().in_precision(precision)

    def in_precision(self, precision: str) -> LanguageModel:
        """This model with its weights in a precision; see `from_pretrained`."""
        is_gpt2, on_cpu = isinstance(self.decoder, Transformer), self.device.type == "cpu"
        if precision == "auto":
            fast = is_gpt2 and not on_cpu and has_bfloat16(self.device)
            precision = "bfloat16" if fast else "float32"
        if precision == "float32":
            return self
        if not isinstance(self.decoder, Transformer):
            raise UsageError(
                f"{precision} is for GPT-2, and this is a recurrent model: leave it out"
            )
        if precision == "bfloat16" and not on_cpu:
            return self.to(torch.bfloat16)
        kind: Weights = precision  # type: ignore[assignment]
        self.decoder = packed(self.decoder, kind)
        return self
