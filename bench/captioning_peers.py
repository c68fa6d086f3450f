"""Captioning as the usual PyTorch tutorial does it (sgrvinod's "Show, Attend and Tell").

The decoder is an LSTM cell in a Python loop over the longest caption; rows are sorted by length and
the batch shrinks as captions end; attention, gate and the full softmax are computed step by step.
Captions are written by a beam for one picture at a time. Sizes, backbone, tokens and penalty are
those of ours, so that only the way it is computed differs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.captioner.model import CaptionBatch, Config
from vision.image_encoder import ImageEncoder


class Attention(nn.Module):
    """Additive attention over the cells of a picture."""

    def __init__(self, features: int, hidden_size: int, size: int) -> None:
        super().__init__()
        self.encoder_att = nn.Linear(features, size)
        self.decoder_att = nn.Linear(hidden_size, size)
        self.full_att = nn.Linear(size, 1)

    def forward(self, cells: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        att = self.encoder_att(cells) + self.decoder_att(hidden).unsqueeze(1)
        alpha = F.softmax(self.full_att(torch.relu(att)).squeeze(2), dim=1)
        return (cells * alpha.unsqueeze(2)).sum(1), alpha


class Tutorial(nn.Module):
    """Encoder, attention and an LSTM cell."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size, hidden = config.embedding_size, config.hidden_size
        self.encoder = ImageEncoder(config.backbone, config.features)
        self.attention = Attention(config.features, hidden, hidden)
        self.embedding = nn.Embedding(config.vocabulary_size, size)
        self.decode_step = nn.LSTMCell(size + config.features, hidden)
        self.init_h = nn.Linear(config.features, hidden)
        self.init_c = nn.Linear(config.features, hidden)
        self.f_beta = nn.Linear(hidden, config.features)
        self.fc = nn.Linear(hidden, config.vocabulary_size)

    def begin(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        mean = cells.mean(1)
        return self.init_h(mean), self.init_c(mean)

    def step(
        self, token: Tensor, cells: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        context, alpha = self.attention(cells, hidden)
        context = torch.sigmoid(self.f_beta(hidden)) * context
        hidden, cell = self.decode_step(
            torch.cat([self.embedding(token), context], 1), (hidden, cell)
        )
        return self.fc(hidden), alpha, hidden, cell

    def loss(self, batch: CaptionBatch) -> Tensor:
        """Cross entropy and the doubly stochastic penalty, as the tutorial's train.py."""
        memory, _ = self.encoder(batch.pixels)
        lengths, order = batch.mask.sum(1).sort(descending=True)
        cells = memory.states[batch.picture[order]]
        inputs, targets = batch.inputs[order], batch.targets[order]
        hidden, cell = self.begin(cells)
        decode = lengths.tolist()
        scores = cells.new_zeros(len(inputs), max(decode), self.fc.out_features)
        alphas = cells.new_zeros(len(inputs), max(decode), cells.shape[1])
        for t in range(max(decode)):
            size = sum(length > t for length in decode)
            logits, alpha, hidden, cell = self.step(
                inputs[:size, t], cells[:size], hidden[:size], cell[:size]
            )
            scores[:size, t], alphas[:size, t] = logits, alpha
        packed = nn.utils.rnn.pack_padded_sequence
        found = packed(scores, decode, batch_first=True).data
        wanted = packed(targets[:, : max(decode)], decode, batch_first=True).data
        return F.cross_entropy(found, wanted) + ((1 - alphas.sum(1)) ** 2).mean()

    @torch.no_grad()
    def caption(self, pixels: Tensor, symbol: int, *, size: int = 5, most: int = 50) -> list[int]:
        """The best caption of one picture `[1, 3, height, width]`, by the tutorial's beam."""
        memory, _ = self.encoder(pixels)
        k = size
        cells = memory.states.expand(k, *memory.states.shape[1:])
        texts = torch.full((k, 1), symbol)
        totals = torch.zeros(k, 1)
        hidden, cell = self.begin(cells)
        complete: list[tuple[float, list[int]]] = []
        for step in range(1, most + 1):
            logits, _, hidden, cell = self.step(texts[:, -1], cells, hidden, cell)
            scores = totals + F.log_softmax(logits, dim=1)
            flat = scores[0] if step == 1 else scores.view(-1)
            best, places = flat.topk(k, 0)
            parents, tokens = places // self.fc.out_features, places % self.fc.out_features
            texts = torch.cat([texts[parents], tokens.unsqueeze(1)], 1)
            going = [row for row, token in enumerate(tokens.tolist()) if token != symbol]
            for row in set(range(k)) - set(going):
                complete.append((float(best[row]), texts[row].tolist()))
            k = len(going)
            if not k:
                break
            texts, totals = texts[going], best[going].unsqueeze(1)
            hidden, cell = hidden[parents[going]], cell[parents[going]]
            cells = cells[parents[going]]
        return max(complete)[1] if complete else texts[0].tolist()


def sizes(model: nn.Module) -> int:
    """Trainable numbers."""
    return sum(part.numel() for part in model.parameters() if part.requires_grad)


def captions_of(model: Tutorial, pictures: Sequence[Tensor], symbol: int) -> list[list[int]]:
    """The captions of prepared pictures, one after the other."""
    model.eval()
    return [model.caption(pixels.unsqueeze(0), symbol) for pixels in pictures]
