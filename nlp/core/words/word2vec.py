"""Word2Vec on tensors: word vectors learned by telling a word's neighbours from other words.

    the  quick  brown  fox  jumps           skip-gram: brown ─► quick, brown ─► fox
                 ▲                          cbow:      (quick + fox) / 2 ─► brown

With v the vector of what is read and u that of what is told, negative sampling (Mikolov et al.
2013b, equation 4) makes this small, for words w_k drawn as often as their counts to the power 3/4:

    - log s(u_o . v)  -  sum over k of E[ log s(-u_k . v) ]           s(x) = 1 / (1 + exp(-x))

The usual program takes one pair after the other and draws k words for each. Here thousands of
positions are read at once, and the drawn words are shared among them: the scores of all positions
against all drawn words are one matrix product, weighted to the same expectation (a sum over many
more words, so with less noise). Positions that follow each other share their neighbours, too: in
blocks of 64 positions, all scores are a band of a small matrix. Gradients are written out below.
"""

from __future__ import annotations

import heapq
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nlp.core.words.word_counts import BREAK

Algorithm = Literal["skip-gram", "cbow"]
Objective = Literal["negative-sampling", "hierarchical-softmax"]

BLOCK = 64  # positions whose neighbours overlap
DRAWN = 512  # words drawn for a batch
# Of |v|^2, what a prediction that reads v bends the loss by. No direction bends more than 1/4 of
# it; a quarter of that was stable on texts of eleven and of forty thousand distinct words, and
# learned in thousands of positions at once what one pair after the other learns.
BEND = 1 / 16


class Window(NamedTuple):
    """Positions to read: blocks of them with what is to the left and right of each block.

    P = blocks * BLOCK positions, W = the widest window, C = BLOCK + 2 W.
    """

    centres: Tensor  # [blocks, BLOCK] int64
    around: Tensor  # [blocks, C] int64
    band: Tensor  # [blocks, BLOCK, C] float32: 1 where the latter is a neighbour of the former


class Tree(NamedTuple):
    """A Huffman tree: the way from the root to each word (Mikolov et al. 2013b, section 2.1)."""

    nodes: Tensor  # [words, depth] int64: inner nodes on the way
    codes: Tensor  # [words, depth] float32: 1 where the way turns right
    real: Tensor  # [words, depth] float32: 0 behind the end of a way


def windows(ids: Tensor, width: int, generator: torch.Generator) -> Window:
    """The windows around all of `ids` `[tokens]`, in which BREAK ends a line.

    Each position has a reach of its own, from 1 to `width`, so that near neighbours count more.
    """
    device = ids.device
    line = (ids == BREAK).cumsum(0)
    real = ids != BREAK
    ids, line = ids[real], line[real]
    blocks, around = -(-len(ids) // BLOCK), BLOCK + 2 * width
    if not blocks:
        shapes = ((0, BLOCK), (0, around), (0, BLOCK, around))
        centres, others, none = (torch.zeros(shape, device=device) for shape in shapes)
        return Window(centres.long(), others.long(), none)
    behind = blocks * BLOCK - len(ids)
    drawn_on = generator.device  # see random_device
    reach = torch.randint(1, width + 1, ids.shape, generator=generator, device=drawn_on).to(device)
    reach = torch.nn.functional.pad(reach, (0, behind)).view(blocks, BLOCK)  # 0 has no neighbours
    ids = torch.nn.functional.pad(ids.long(), (width, width + behind))
    line = torch.nn.functional.pad(line, (width, width + behind), value=-1)
    others = ids.unfold(0, around, BLOCK)
    lines = line.unfold(0, around, BLOCK)
    inner = slice(width, width + BLOCK)
    places = torch.arange(around, device=device) - width
    distance = (places - torch.arange(BLOCK, device=device)[:, None]).abs()
    band = (distance <= reach[..., None]) & (distance > 0)
    band &= lines[:, inner, None] == lines[:, None, :]
    return Window(others[:, inner], others, band.float())


def without_empty_lines(ids: Tensor) -> Tensor:
    """`ids` `[tokens]` with a BREAK only between two words, so that any two ids hold a word."""
    word = ids != BREAK
    # A break stays where a word is right before it; the last one goes.
    kept = ids[word | torch.cat([word.new_zeros(1), word[:-1]])] if len(ids) else ids
    return kept[: len(kept) - 1] if len(kept) and kept[-1] == BREAK else kept


def random_device(device: torch.device) -> torch.device:
    """Where to draw what a model on `device` needs: words are drawn by numbers of float64, for
    rare ones are lost in float32, and Apple's GPUs have none."""
    return torch.device("cpu") if device.type == "mps" else device


class Word2Vec:
    """The two tables and their gradient descent.

    Args:
        vectors: `[words, size]` of what is read; `output` of what is told: `[words, size]`, or of
            the tree's inner nodes, `[words - 1, size]`. Both are changed in place.
        draw: relative frequency with which each word is drawn, `[words]`, where `generator` is.
        negatives: drawn words per told one, k above.
        tree: in place of drawn words.
        generator: on `random_device(vectors.device)`.
    """

    def __init__(
        self,
        vectors: Tensor,
        output: Tensor,
        *,
        algorithm: Algorithm,
        draw: Tensor,
        negatives: int,
        tree: Tree | None,
        generator: torch.Generator,
    ) -> None:
        self.vectors, self.output, self.tree = vectors, output, tree
        self.algorithm, self.negatives, self.generator = algorithm, negatives, generator
        self.cumulative = draw.double().cumsum(0)

    def drawn(self) -> Tensor:
        """Words to tell apart from the neighbours: `[DRAWN]`."""
        device = self.cumulative.device
        uniform = torch.rand(DRAWN, generator=self.generator, device=device, dtype=torch.float64)
        drawn = torch.searchsorted(self.cumulative, uniform * self.cumulative[-1])
        return drawn.clamp_(max=len(self.cumulative) - 1).to(self.vectors.device)

    @torch.no_grad()
    def step(self, window: Window, learning_rate: float, drawn: Tensor | None = None) -> None:
        """Descends the gradient of the loss, summed over all predictions of a window; how far,
        `_descend` says."""
        tell = self._skip_gram if self.algorithm == "skip-gram" else self._cbow
        tell(window, learning_rate, drawn)

    def _skip_gram(self, window: Window, rate: float, drawn: Tensor | None) -> None:
        read = self.vectors[window.centres]  # [blocks, BLOCK, size]
        flat = read.flatten(0, 1)  # [P, size]
        if self.tree is not None:
            block, centre, other = window.band.nonzero(as_tuple=True)
            rows, told = block * BLOCK + centre, window.around[block, other]
            walked, outward = self._walk(flat[rows], told)
            inward = Moves(
                torch.zeros_like(flat).index_add_(0, rows, walked.gradient),
                flat.new_zeros(len(flat)).index_add_(0, rows, walked.curvature),
            )
        else:
            answers = self.output[window.around]  # [blocks, C, size]
            error = torch.sigmoid(read @ answers.mT).sub_(1).mul_(window.band)
            here = (window.band @ _squares(answers)[..., None]).flatten()
            inward = Moves((error @ answers).flatten(0, 1), here)
            away, outward = self._from_drawn(flat, window.band.sum(-1).flatten(), drawn)
            inward = Moves(inward.gradient + away.gradient, inward.curvature + away.curvature)
            there = (window.band.mT @ _squares(read)[..., None]).flatten()
            outward.append((window.around, Moves(error.mT @ read, there)))
        _descend(self.vectors, [(window.centres, inward)], rate)
        _descend(self.output, outward, rate)

    def _cbow(self, window: Window, rate: float, drawn: Tensor | None) -> None:
        counts = window.band.sum(-1, keepdim=True)  # [blocks, BLOCK, 1]
        neighbours = self.vectors[window.around]  # [blocks, C, size]
        flat = (window.band / counts.clamp(min=1) @ neighbours).flatten(0, 1)  # their means
        told, has_any = window.centres.flatten(), (counts.flatten() > 0).to(flat)
        if self.tree is not None:
            inward, outward = self._walk(flat, told, has_any)
        else:
            answers = self.output[told]
            error = torch.sigmoid((flat * answers).sum(-1)).sub_(1).mul_(has_any)[:, None]
            away, outward = self._from_drawn(flat, has_any, drawn)
            inward = Moves(
                error * answers + away.gradient, _squares(answers) * has_any + away.curvature
            )
            outward.append((told, Moves(error * flat, _squares(flat) * has_any)))
        # Not divided by the number of neighbours, although the mean is: the authors' program does
        # so, and its learning rates are made for it.
        blocks = window.centres.shape
        shared = Moves(
            window.band.mT @ inward.gradient.view(*blocks, self.vectors.shape[1]),
            (window.band.mT @ inward.curvature.view(*blocks, 1)).flatten(),
        )
        _descend(self.vectors, [(window.around, shared)], rate)
        _descend(self.output, outward, rate)

    def _from_drawn(
        self, read: Tensor, counts: Tensor, drawn: Tensor | None
    ) -> tuple[Moves, list[tuple[Tensor, Moves]]]:
        """Of `read` `[P, size]`, each of which makes so many predictions `[P]`, and of the drawn
        words that it is to be told from."""
        drawn = self.drawn() if drawn is None else drawn
        told = self.output[drawn]  # [DRAWN, size]
        weights = counts * (self.negatives / len(drawn))
        error = torch.sigmoid(read @ told.T) * weights[:, None]
        inward = Moves(error @ told, weights * _squares(told).sum())
        there = (weights @ _squares(read)).expand(len(drawn))
        return inward, [(drawn, Moves(error.T @ read, there))]

    def _walk(
        self, read: Tensor, told: Tensor, weight: Tensor | None = None
    ) -> tuple[Moves, list[tuple[Tensor, Moves]]]:
        """Of `read` `[n, size]`, each of which goes the way to its word in `told` `[n]`, and of the
        nodes on it: the probability of a word is that of all turns on its way."""
        assert self.tree is not None
        nodes, real = self.tree.nodes[told], self.tree.real[told]  # [n, depth]
        real = real if weight is None else real * weight[:, None]
        turns = self.output[nodes]  # [n, depth, size]
        error = torch.sigmoid((turns @ read[..., None]).squeeze(-1))
        error = (error - 1 + self.tree.codes[told]) * real
        inward = Moves((error[:, None] @ turns).squeeze(1), (_squares(turns) * real).sum(-1))
        outward = Moves(error[..., None] * read[:, None], _squares(read)[:, None] * real)
        return inward, [(nodes, outward)]


class Moves(NamedTuple):
    """What a batch wants of some rows of a table."""

    gradient: Tensor  # [..., size]
    curvature: Tensor  # [...]: in units of BEND


def _squares(vectors: Tensor) -> Tensor:
    return vectors.square().sum(-1)


def _descend(table: Tensor, moves: list[tuple[Tensor, Moves]], rate: float) -> None:
    """Goes as far down as one step for each prediction, after the other, would have gone.

    A frequent word has hundreds of predictions in a batch, and a step for all of them at once would
    jump over the valley and out of it. Small steps in a valley of curvature c, n in number, shrink
    the way to its bottom by exp(-rate c n); so the sum of the gradients is multiplied with
    (1 - exp(-x)) / x, where x = rate c n: next to 1 for a word that is rare in the batch.
    """
    rows = torch.cat([row.flatten() for row, _ in moves])
    bound = torch.cat([move.curvature.flatten() for _, move in moves])
    x = table.new_zeros(len(table)).index_add_(0, rows, bound, alpha=rate * BEND)
    shrink = torch.where(x > 1e-4, -torch.expm1(-x) / x.clamp(min=1e-12), 1 - x / 2)
    for row, move in moves:
        flat = row.flatten()
        gradient = move.gradient.reshape(-1, table.shape[1]) * shrink[flat, None]
        table.index_add_(0, flat, gradient, alpha=-rate)


def huffman_tree(counts: np.ndarray) -> Tree:
    """The tree in which frequent words have short ways; `counts` `[words]` fall."""
    words = len(counts)
    heap = [(int(count), number) for number, count in enumerate(counts)]
    heapq.heapify(heap)
    parent, right = np.zeros(2 * words - 1, np.int64), np.zeros(2 * words - 1, bool)
    for number in range(words, 2 * words - 1):
        (low, left), (high, other) = heapq.heappop(heap), heapq.heappop(heap)
        parent[[left, other]], right[other] = number, True
        heapq.heappush(heap, (low + high, number))
    ways: list[list[int]] = []
    for word in range(words):
        way, node = [], word
        while node != 2 * words - 2:
            way.append(node)
            node = parent[node]
        ways.append(way[::-1])
    depth = max(1, max(map(len, ways)))
    nodes = np.zeros((words, depth), np.int64)
    codes, real = np.zeros((words, depth), np.float32), np.zeros((words, depth), np.float32)
    for word, way in enumerate(ways):
        nodes[word, : len(way)] = parent[way] - words
        codes[word, : len(way)], real[word, : len(way)] = right[way], 1
    return Tree(*map(torch.from_numpy, (nodes, codes, real)))
