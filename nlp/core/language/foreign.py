"""Any causal model of `transformers` as a model of ours: Llama, Qwen, Mistral, GPT-NeoX, GGUF ...

    from nlp.core.language.foreign import Foreign

    model = Foreign.from_pretrained("SmolLM2-135M-Instruct.Q4_1.gguf")
    generate(model, model.text_tokenizer().encode("Once upon a"), strategy=Greedy(), max_tokens=20)

It is decoded, scored and searched like any other: `start`, `step`, and a state that is a value.

A model that is used to a symbol at the beginning of each text (Llama's `<s>`) gets it: it is read
first, unless the text begins with it. An `end_of_text` at a beginning, which our models start from,
is read as that symbol, or as what ended the texts that it was taught first, where that is another:
a model taught to chat ends its answers with `<|im_end|>`, and not documents. Chat templates are not
used: a prompt is text that goes on. Where a text is longer than `context`, the
state slides as GPT-2's does: the older half is forgotten, the later half read anew.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError
from nlp.core import checkpoint, scoring
from nlp.core.decoding import Sampling, Strategy, generate
from nlp.core.device import Precision, choose_device, choose_precision
from nlp.core.language import foreign_files
from nlp.core.language.foreign_cache import Reading, copied
from nlp.core.scoring import Score
from nlp.core.tokenizer import Tokenizer

State = tuple[Reading]


class Foreign(nn.Module):
    """A network of `transformers` with the contract of our models; see the top of the file.

    Args:
        network: a causal `PreTrainedModel`.
        tokenizer: that which it was trained with; None where only ids are read and written.
        begin: the symbol that it is used to find at the beginning of each text.
        remarks: what there is to tell about its files.

    Raises:
        UsageError: the network looks ahead, or keeps no cache that can be gone on from.
    """

    def __init__(
        self,
        network: Any,
        tokenizer: Tokenizer | None = None,
        begin: int | None = None,
        remarks: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.decoder: Any = network
        self.tokenizer, self.begin, self.remarks = tokenizer, begin, list(remarks)
        self._end: int | None = None
        self._opening = begin  # what `end_of_text` is read as where a text begins
        if tokenizer is not None:
            with contextlib.suppress(UsageError):  # told to whoever asks the tokenizer for it
                self._end = tokenizer.end_of_text
            if begin is None:
                self._opening = tokenizer.vocabulary.end_of_text
        self.eval()
        taken = inspect.signature(network.forward).parameters
        self._takes = {name for name in ("position_ids", "logits_to_keep") if name in taken}
        config = self.decoder.config.get_text_config(decoder=True)
        self.limit: int | None = getattr(config, "max_position_embeddings", None)
        known = config.vocab_size if tokenizer is None else tokenizer.vocabulary_size
        self.vocabulary_size: int = known
        self.vocabulary_size = self._checked()

    @classmethod
    def from_pretrained(
        cls, name: str | Path, device: str = "auto", precision: str = "auto"
    ) -> Foreign:
        """The model in a folder, a .gguf file, or a repository of the Hugging Face Hub.

        Args:
            name: OWNER/NAME of the latter, or OWNER/NAME/FILE.gguf.
            precision: of the weights; "auto" is bfloat16 on CUDA and float32 elsewhere.

        Raises:
            UsageError: the extra `pretrained` is missing, or this is no causal model.
        """
        place = choose_device(device)
        if precision == "auto" and place.type != "cuda":
            precision = "float32"
        dtype = choose_precision(cast(Precision, precision), place)
        files = foreign_files.read(checkpoint.locate(name), dtype)
        return cls(files.network.to(place), files.tokenizer, files.begin, files.remarks)

    @property
    def device(self) -> torch.device:
        return next(self.decoder.parameters()).device

    @property
    def network(self) -> str:
        """Its kind of network, in transformers' words."""
        return type(self.decoder).__name__

    @property
    def context(self) -> int | None:
        """How many tokens it can look at; None where nothing bounds them."""
        return None if self.limit is None else self.limit - (self.begin is not None)

    @property
    def stop_ids(self) -> frozenset[int]:
        """All that ends a text: `end_of_text`, and what the model's makers stop at."""
        found = {self._end, None if self.begin is not None else self._opening}
        for config in (self.decoder.config, getattr(self.decoder, "generation_config", None)):
            ends = getattr(config, "eos_token_id", None)
            found |= set(ends) if isinstance(ends, list) else {ends}
        return frozenset(index for index in found if index is not None)

    def text_tokenizer(self) -> Tokenizer:
        """What texts are scored and written with. `UsageError` where the model has none."""
        if self.tokenizer is None:
            reason = next((r for r in self.remarks if r.startswith("no tokenizer")), "it has none")
            raise UsageError(f"this model knows token ids only ({reason})")
        return self.tokenizer

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
        generations = generate(
            self,
            self.text_tokenizer().encode(prompt, allowed_special="all"),
            strategy=strategy,
            max_tokens=max_tokens,
            samples=samples,
            stop_ids=self.stop_ids,
            seed=seed,
            stop=stop,
        )
        return [generation.text or "" for generation in generations]

    def score(self, text: str, *, context: str = "", top: int = 3) -> Score:
        """The probability of `text`, token by token; see `nlp.core.scoring.score` for more."""
        return scoring.score(self, self.text_tokenizer(), text, context=context, top=top)

    def start(self, batch_size: int) -> State:
        """The state before the first token."""
        return (Reading(torch.empty(batch_size, 0, dtype=torch.long, device=self.device)),)

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits `[batch, time, vocabulary_size]` of each place's follower, and the state."""
        return self._go_on(ids, state, 0)

    def read(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """As `forward`, the logits of the last place only: `[batch, vocabulary_size]`."""
        logits, state = self._go_on(ids, state, 1)
        return logits[:, -1], state

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """`[batch]` to logits `[batch, vocabulary_size]` and the next state."""
        return self.read(token.unsqueeze(1), state)

    # ── within ──────────────────────────────────────────────────────────────────────────────────

    def _go_on(self, ids: Tensor, state: State | None, keep: int) -> tuple[Tensor, State]:
        (reading,) = self.start(len(ids)) if state is None else state
        given = ids.shape[1]
        ids, own = self._begun(ids, reading)
        parts, at = [], 0
        while at < ids.shape[1]:
            if self.limit is not None and reading.length >= self.limit:
                reading = self._slid(reading)
            room = ids.shape[1] if self.limit is None else self.limit - reading.length
            window = slice(at, at + room)
            part, reading = self._pass(
                ids[:, window], None if own is None else own[:, window], reading, keep
            )
            parts.append(part)
            at += room
        if keep:
            return parts[-1], (reading,)
        whole = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return whole[:, len(whole[0]) - given :], (reading,)

    def _pass(
        self, ids: Tensor, own: Tensor | None, reading: Reading, keep: int
    ) -> tuple[Tensor, Reading]:
        """One call of the network, for tokens that there is room for."""
        options: dict[str, Any] = {}
        if keep and "logits_to_keep" in self._takes:
            options["logits_to_keep"] = keep
        seen = torch.cat([reading.ids, ids], 1)
        if own is not None or reading.own is not None:
            before = torch.ones_like(reading.ids).bool() if reading.own is None else reading.own
            own = torch.cat([before, torch.ones_like(ids).bool() if own is None else own], 1)
            options["attention_mask"] = own.long()
            if "position_ids" in self._takes:
                options["position_ids"] = (own.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        cache = None if reading.cache is None else copied(reading.cache)
        answer = self.decoder(input_ids=ids, past_key_values=cache, use_cache=True, **options)
        kept = getattr(answer, "past_key_values", None)
        if not hasattr(kept, "layers"):
            raise UsageError(
                f"{self.network} keeps no cache of keys and values, or is no causal "
                "model: it cannot go on from what it has read"
            )
        # Some makers round the width up: what no id stands for is not to be written.
        return answer.logits[..., : self.vocabulary_size], Reading(seen, own, kept)

    def _begun(self, ids: Tensor, reading: Reading) -> tuple[Tensor, Tensor | None]:
        """The tokens with the symbol that texts begin with, where they begin; and which are own."""
        if self._opening is None or (reading.length and reading.own is None):
            return ids, None
        fresh = torch.ones(len(ids), dtype=torch.bool, device=ids.device)
        if reading.own is not None:
            fresh = ~reading.own.any(1)
        marked = ids[:, 0] == self._opening
        if self._end is not None:
            marked |= ids[:, 0] == self._end
        opened = ids[:, :1].masked_fill((fresh & marked).unsqueeze(1), self._opening)
        ids = torch.cat([opened, ids[:, 1:]], 1)
        if self.begin is None:
            return ids, None
        missing = fresh & ~marked
        if not bool(missing.any()):
            return ids, None
        own = F.pad(missing.unsqueeze(1), (0, ids.shape[1]), value=True)
        return F.pad(ids, (1, 0), value=self.begin), None if bool(own.all()) else own

    def _slid(self, reading: Reading) -> Reading:
        """What there would be, had only the later half been read."""
        assert self.limit is not None
        (fresh,), kept = self.start(len(reading)), self.limit // 2
        if not kept:
            return fresh
        ids = reading.ids[:, -kept:].clone()
        own = None if reading.own is None else reading.own[:, -kept:].clone()
        if self.begin is not None:
            ids[:, 0] = self.begin
            if own is not None:
                own[:, 0] = True
        return self._pass(ids, own, fresh, 1)[1]

    @torch.inference_mode()
    def _checked(self) -> int:
        """The width of the logits, once the network has shown that it reads forward only."""
        (begin,) = self.start(1)
        ids = torch.tensor([[0, 1]], device=self.device)
        both, _ = self._pass(ids, None, begin, 0)
        first, reading = self._pass(ids[:, :1], None, begin, 0)
        second, _ = self._pass(ids[:, 1:], None, reading, 0)
        steps = torch.cat([first, second], 1)
        # What rounding may make of it; a network that looks ahead is far beyond.
        near = (1e-3 if both.dtype == torch.float32 else 0.1) * float(both.abs().max())
        if not bool(((both - steps).abs() <= near).all()):
            raise UsageError(
                f"{self.network} read token by token gives other probabilities than "
                "read at once: it looks ahead, and is no causal model"
            )
        return both.shape[-1]
