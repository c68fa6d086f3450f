"""What bench.translation sets beside ours: the encoder-decoder of the usual PyTorch tutorial with a
beam for one sentence at a time, and joeynmt; both on the pieces of words that ours reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from nlp.translator import Config

Row = tuple[list[int], list[int]]  # ids of a source and of its target, without start and stop
RATE, CLIP = 1e-3, 1.0


# The tutorial


class Tutorial(nn.Module):
    """GRU encoder-decoder with additive attention, a step of the decoder after the other in Python.

    As in PyTorch's "NLP From Scratch: Translation with a Sequence to Sequence Network and
    Attention": each step asks the attention, which makes its keys anew, then the GRU, then an
    nn.Linear over the whole vocabulary. From other tutorials it has what ours has too: an encoder
    that reads in both directions, a bridge to the decoder, and a mask where there is padding.
    """

    def __init__(self, config: Config, symbol: int) -> None:
        super().__init__()
        size, hidden = config.embedding_size, config.hidden_size
        self.symbol = symbol  # starts and stops a sentence
        self.pads = config.source_vocabulary_size, config.target_vocabulary_size
        self.layers = config.decoder_layers
        self.source_embedding = nn.Embedding(self.pads[0] + 1, size, padding_idx=self.pads[0])
        self.target_embedding = nn.Embedding(self.pads[1] + 1, size, padding_idx=self.pads[1])
        self.encoder = nn.GRU(
            size, hidden // 2, config.encoder_layers, batch_first=True, bidirectional=True
        )
        self.bridge = nn.Linear(hidden, hidden)
        self.query, self.key = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1)
        self.gru = nn.GRU(size + hidden, hidden, self.layers, batch_first=True)
        self.output = nn.Linear(hidden, self.pads[1])
        self.dropout = nn.Dropout(config.dropout)
        self.criterion = nn.CrossEntropyLoss(ignore_index=self.pads[1])

    def encode(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """`[batch, positions]` to states `[batch, positions, hidden]` and the decoder's first."""
        states, last = self.encoder(self.dropout(self.source_embedding(sources)))
        begun = torch.tanh(self.bridge(torch.cat([last[-2], last[-1]], 1)))
        return states, begun.expand(self.layers, -1, -1).contiguous()

    def step(
        self, token: Tensor, hidden: Tensor, states: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens `[batch]` to logits `[batch, vocabulary]` and the next hidden state."""
        vector = self.dropout(self.target_embedding(token))[:, None]
        query = hidden[-1][:, None]
        scores = self.score(torch.tanh(self.query(query) + self.key(states))).squeeze(2)
        weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=1)
        context = torch.bmm(weights[:, None], states)
        output, hidden = self.gru(torch.cat([vector, context], 2), hidden)
        return self.output(output.squeeze(1)), hidden

    def loss(self, rows: Sequence[Row]) -> Tensor:
        sources = pad_sequence(
            [torch.tensor(source) for source, _ in rows], True, padding_value=self.pads[0]
        )
        whole = pad_sequence(
            [torch.tensor([self.symbol, *target, self.symbol]) for _, target in rows],
            True,
            padding_value=self.pads[1],
        )
        states, hidden = self.encode(sources)
        mask, outputs = sources != self.pads[0], []
        for time_step in range(whole.shape[1] - 1):
            logits, hidden = self.step(whole[:, time_step], hidden, states, mask)
            outputs.append(logits)
        return self.criterion(torch.stack(outputs, 1).flatten(0, 1), whole[:, 1:].flatten())

    def search(self, source: list[int], size: int, limit: int) -> list[int]:
        """The best translation of one sentence by `one_beam`."""
        states, hidden = self.encode(torch.tensor([source]))
        mask = torch.ones(1, len(source), dtype=torch.bool)

        def step(tokens: Tensor, state: State) -> tuple[Tensor, State]:
            rows = len(tokens)
            hidden = state[0].transpose(0, 1).contiguous()
            own = states.expand(rows, -1, -1), mask.expand(rows, -1)
            logits, hidden = self.step(tokens, hidden, *own)
            return logits, (hidden.transpose(0, 1),)

        return one_beam(step, (hidden.transpose(0, 1),), self.symbol, size, limit)


State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], tuple[Tensor, State]]


def one_beam(
    step: Step, state: State, symbol: int, size: int, limit: int, penalty: float = 1.0
) -> list[int]:
    """Beam search for one sentence, as tutorials write it; those that go on are one batch.

    `step` takes tokens `[rows]` and a state whose tensors have one row each, and begins with one
    row. Finished ones are ranked by Wu et al.'s length penalty, as ours are.
    """
    sequences, scores = [[symbol]], torch.zeros(1, 1)
    finished: list[tuple[float, list[int]]] = []
    for _ in range(limit):
        tokens = torch.tensor([sequence[-1] for sequence in sequences])
        logits, state = step(tokens, state)
        scores = scores + torch.log_softmax(logits, dim=1)
        best, places = scores.flatten().topk(size - len(finished))
        going, kept, parents = [], [], []
        for score, place in zip(best.tolist(), places.tolist(), strict=True):
            parent, token = divmod(place, logits.shape[1])
            if token == symbol:
                ids = sequences[parent][1:]
                finished.append((score / ((6 + len(ids)) / 6) ** penalty, ids))
            else:
                going.append([*sequences[parent], token])
                kept.append(score)
                parents.append(parent)
        if not going:
            break
        sequences, scores = going, torch.tensor(kept)[:, None]
        state = tuple(part[parents] for part in state)
    if not finished:
        return sequences[0][1:]
    return max(finished)[1]


# joeynmt


class Joey(nn.Module):
    """joeynmt's recurrent model of the same sizes, its batches and its beam search.

    Its vocabulary is ours, each piece under its number's name, behind joeynmt's four symbols.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        from joeynmt.model import build_model
        from joeynmt.vocabulary import Vocabulary

        symbols = SimpleNamespace(
            **{"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"},
            **{"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "sep_id": None},
            **{"sep_token": None, "lang_tags": []},
        )
        sizes = config.source_vocabulary_size, config.target_vocabulary_size
        source, target = (Vocabulary([str(n) for n in range(size)], symbols) for size in sizes)
        shared: dict[str, Any] = {
            "type": "recurrent",
            "rnn_type": config.cell if config.cell in ("lstm", "gru") else "lstm",
            "embeddings": {"embedding_dim": config.embedding_size, "scale": False},
            "dropout": config.dropout,
        }
        settings = {
            "encoder": {
                **shared,
                "hidden_size": config.hidden_size // 2,
                "num_layers": config.encoder_layers,
                "bidirectional": True,
            },
            "decoder": {
                **shared,
                "hidden_size": config.hidden_size,
                "num_layers": config.decoder_layers,
                "hidden_dropout": config.output_dropout,
                "attention": "bahdanau",
            },
            "tied_embeddings": config.shared_vocabulary,
        }
        self.model = build_model(settings, source, target)
        self.model.loss_function = ("crossentropy", 0.0)

    def batch(self, sources: Sequence[list[int]], targets: Sequence[list[int]] | None) -> Any:
        from joeynmt.batch import Batch

        def padded(rows: Iterable[list[int]]) -> Tensor:
            return pad_sequence([torch.tensor(row) for row in rows], True, padding_value=1)

        # as joeynmt's vocabulary does it: a stop symbol on both sides, a start on the target's
        return Batch(
            src=padded([[n + 4 for n in row] + [3] for row in sources]),
            src_length=torch.tensor([len(row) + 1 for row in sources]),
            src_prompt_mask=None,
            trg=targets and padded([[2, *(n + 4 for n in row), 3] for row in targets]),
            trg_prompt_mask=None,
            indices=torch.arange(len(sources)),
            device=torch.device("cpu"),
            pad_index=1,
            eos_index=3,
        )

    def loss(self, rows: Sequence[Row]) -> Tensor:
        batch = self.batch([source for source, _ in rows], [target for _, target in rows])
        batch.sort_by_src_length()
        total, *_ = self.model(return_type="loss", **vars(batch))
        return total / batch.ntokens

    def search(self, sources: Sequence[list[int]], size: int) -> list[list[int]]:
        """What `joeynmt.prediction.predict` does with a batch."""
        from joeynmt.search import search

        batch = self.batch(sources, None)
        order = batch.sort_by_src_length()
        found, _, _ = search(self.model, batch, max_output_length=-1, beam_size=size, beam_alpha=1)
        rows = []
        for row in found[order].astype(int).tolist():
            end = row.index(3) if 3 in row else len(row)
            rows.append([piece - 4 for piece in row[:end] if piece >= 4])
        return rows


# Training both


class Steps:
    """A peer, trained as its users train it: shuffled, padded to the longest, Adam, float32."""

    def __init__(self, model: nn.Module, batch_size: int) -> None:
        self.model, self.batch_size = model.train(), batch_size
        self.optimizer = torch.optim.Adam(model.parameters(), RATE)

    def epoch(self, rows: Sequence[Row]) -> None:
        loader: DataLoader[Any] = DataLoader(
            rows,  # type: ignore[arg-type]
            self.batch_size,
            shuffle=True,
            collate_fn=lambda batch: batch,
        )
        for batch in loader:
            self.step(batch)

    def step(self, rows: Sequence[Row]) -> None:
        self.optimizer.zero_grad()
        self.model.loss(rows).backward()  # type: ignore[operator]
        clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()


def trained(
    model: nn.Module, rows: Sequence[Row], batch_size: int, minutes: float, kept: Path
) -> nn.Module:
    """The model after so many minutes, or as it was kept by an earlier call with the same.

    Sentences of like length share a batch here, so that the peers learn more in the time.
    """
    from safetensors.torch import load_model, save_model

    from nlp.core.batching import Buckets

    if kept.exists():
        load_model(model, str(kept))
        return model.eval()
    lengths = [(len(target), len(source)) for source, target in rows]
    buckets = Buckets(lengths, batch_size, lambda own: [rows[row] for row in own], seed=0)
    steps, end, epoch = Steps(model, batch_size), time.perf_counter() + 60 * minutes, 0
    while time.perf_counter() < end:
        for batch in buckets.epoch(epoch):
            steps.step(batch)
            if time.perf_counter() > end:
                break
        epoch += 1
    save_model(model, str(kept))
    return model.eval()
