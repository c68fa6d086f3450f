"""The tensor engine against a slow, obvious reference: one pair after the other, in plain loops."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nlp.core.words.word2vec import (
    BLOCK,
    Tree,
    Window,
    Word2Vec,
    huffman_tree,
    random_device,
    windows,
    without_empty_lines,
)
from nlp.core.words.word_counts import BREAK

WORDS, SIZE, NEGATIVES = 12, 5, 3


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def predictions(window: Window, algorithm: str) -> list[tuple[list[int], int]]:
    """What is read and what is told, from the tensors of a window."""
    found = []
    for block, position in np.ndindex(*window.centres.shape):
        centre = int(window.centres[block, position])
        chosen = window.band[block, position].bool()
        others = window.around[block][chosen].tolist()
        if algorithm == "skip-gram":
            found += [([centre], other) for other in others]
        elif others:
            found.append((others, centre))
    return found


class Reference(NamedTuple):
    """Of a batch: the loss, gradients, and how much the loss bends."""

    loss: float  # equation 4, with its expectation over the drawn words
    to_vectors: np.ndarray
    to_output: np.ndarray
    bend_vectors: np.ndarray  # [rows]
    bend_output: np.ndarray


def reference(
    vectors: np.ndarray,
    output: np.ndarray,
    made: list[tuple[list[int], int]],
    drawn: list[int],
    tree: Tree | None,
    *,
    divided: bool = True,
) -> Reference:
    loss, to_vectors, to_output = 0.0, np.zeros_like(vectors), np.zeros_like(output)
    bend_vectors, bend_output = np.zeros(len(vectors)), np.zeros(len(output))
    for read, told in made:
        v = np.mean([vectors[word] for word in read], axis=0)
        down, bend = np.zeros(SIZE), 0.0
        if tree is not None:
            nodes, codes, real = (part[told].numpy() for part in tree)
            turns = [(n, 1 - 2 * float(c), 1.0) for n, c, r in zip(nodes, codes, real) if r]  # noqa: B905
        else:
            turns = [(told, 1, 1.0), *((word, -1, NEGATIVES / len(drawn)) for word in drawn)]
        for row, sign, weight in turns:
            score = sign * float(output[row] @ v)
            loss -= weight * np.log(sigmoid(score))
            slope = weight * sign * (sigmoid(score) - 1)
            down += slope * output[row]
            bend += weight * float(output[row] @ output[row]) / 16
            to_output[row] += slope * v
            bend_output[row] += weight * float(v @ v) / 16
        for word in read:
            to_vectors[word] += down / (len(read) if divided else 1)
            bend_vectors[word] += bend
    return Reference(loss, to_vectors, to_output, bend_vectors, bend_output)


def stepped(table: np.ndarray, gradient: np.ndarray, bend: np.ndarray, rate: float) -> np.ndarray:
    """After one small step for each prediction, in a valley of that curvature, row by row."""
    there = table.copy()
    for row in range(len(table)):
        if bend[row]:
            there[row] -= (1 - np.exp(-rate * bend[row])) / bend[row] * gradient[row]
    return there


def corpus() -> torch.Tensor:
    ids = np.random.default_rng(0).integers(WORDS, size=150)
    ids[[10, 11, 40, 41, 149]] = BREAK
    return torch.from_numpy(ids.astype(np.int32))


def tables(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    vectors = torch.randn(WORDS, SIZE, generator=draw, dtype=torch.float64)
    return vectors, torch.randn(rows, SIZE, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("rate", [1e-6, 0.5])
@pytest.mark.parametrize("algorithm", ["skip-gram", "cbow"])
@pytest.mark.parametrize("hierarchical", [False, True])
def test_a_step_is_the_reference_step(algorithm: str, hierarchical: bool, rate: float) -> None:
    tree = huffman_tree(np.arange(WORDS, 0, -1)) if hierarchical else None
    vectors, output = tables(WORDS - hierarchical)
    before = vectors.numpy().copy(), output.numpy().copy()
    generator = torch.Generator().manual_seed(2)
    model = Word2Vec(
        vectors,
        output,
        algorithm=algorithm,  # type: ignore[arg-type]
        draw=torch.ones(WORDS),
        negatives=NEGATIVES,
        tree=None if tree is None else Tree(tree.nodes, tree.codes.double(), tree.real.double()),
        generator=generator,
    )
    window = windows(corpus(), 3, generator)
    window = window._replace(band=window.band.double())
    drawn = torch.tensor([0, 3, 3, 7, 11, 2])
    model.step(window, rate, drawn)
    made = predictions(window, algorithm)
    # The authors' program does not divide cbow's gradient by the number of neighbours.
    found = reference(*before, made, drawn.tolist(), tree, divided=algorithm == "skip-gram")
    for table, earlier, gradient, bend in (
        (vectors, before[0], found.to_vectors, found.bend_vectors),
        (output, before[1], found.to_output, found.bend_output),
    ):
        np.testing.assert_allclose(
            table.numpy(), stepped(earlier, gradient, bend, rate), atol=1e-12
        )
        if rate < 1e-5:  # the plain sum of the gradients, as long as steps are small
            moved = (earlier - table.numpy()) / rate
            np.testing.assert_allclose(moved, gradient, atol=0.01, rtol=1e-3)


def test_the_reference_gradient_is_the_slope_of_its_loss() -> None:
    vectors, output = (table.numpy() for table in tables(WORDS))
    made, drawn = [([1, 2], 3), ([4], 5), ([1], 1)], [3, 5, 6]
    found = reference(vectors, output, made, drawn, None)
    for table, gradient in ((vectors, found.to_vectors), (output, found.to_output)):
        for place in ((1, 0), (3, 2), (5, 4)):
            table[place] += 1e-6
            higher = reference(vectors, output, made, drawn, None).loss
            table[place] -= 1e-6
            assert (higher - found.loss) / 1e-6 == pytest.approx(gradient[place], abs=1e-4)


def test_a_batch_of_one_word_does_not_jump_out_of_the_valley() -> None:
    """A hundred times the gradient of one pair, at a rate at which their sum diverges."""
    vectors, output = tables(WORDS)
    model = Word2Vec(
        vectors,
        output,
        algorithm="skip-gram",
        draw=torch.ones(WORDS),
        negatives=NEGATIVES,
        tree=None,
        generator=torch.Generator().manual_seed(0),
    )
    ids = torch.tensor([1, 2] * 300, dtype=torch.int32)
    for _ in range(50):
        window = windows(ids, 1, model.generator)
        model.step(window._replace(band=window.band.double()), 1.0)
    assert float(vectors.abs().max()) < 20
    assert float(output[2] @ vectors[1]) > 1


def test_windows_hold_the_neighbours_within_reach_and_line() -> None:
    ids = corpus()
    window = windows(ids, 3, torch.Generator().manual_seed(0))
    lines, line = [], []
    for number in ids.tolist():
        if number == BREAK:
            lines, line = [*lines, line], []
        else:
            line.append(number)
    assert int((ids != BREAK).sum()) == sum(map(len, lines))
    flat_band = window.band.sum(-1).flatten().tolist()
    place = 0
    for line in lines:
        for position, word in enumerate(line):
            block, inner = divmod(place, BLOCK)
            assert int(window.centres[block, inner]) == word
            chosen = window.around[block][window.band[block, inner].bool()].tolist()
            possible = [
                line[max(0, position - reach) : position]
                + line[position + 1 : position + 1 + reach]
                for reach in (1, 2, 3)
            ]
            assert chosen in possible
            place += 1
    assert not any(flat_band[place:])  # what fills the last block reads nothing


@pytest.mark.parametrize("algorithm", ["skip-gram", "cbow"])
@pytest.mark.parametrize("ids", [[], [BREAK], [BREAK] * 7])
def test_no_word_is_no_window(ids: list[int], algorithm: str) -> None:
    generator = torch.Generator()
    window = windows(torch.tensor(ids, dtype=torch.int32), 5, generator)
    assert [tuple(part.shape) for part in window] == [
        (0, BLOCK),
        (0, BLOCK + 10),
        (0, BLOCK, BLOCK + 10),
    ]
    vectors, output = (table.float() for table in tables(WORDS))
    before = vectors.clone(), output.clone()
    model = Word2Vec(
        vectors,
        output,
        algorithm=algorithm,  # type: ignore[arg-type]
        draw=torch.ones(WORDS),
        negatives=NEGATIVES,
        tree=None,
        generator=generator,
    )
    model.step(window, 0.5)
    assert torch.equal(vectors, before[0])
    assert torch.equal(output, before[1])


@given(st.lists(st.integers(BREAK, 2)))
def test_empty_lines_go_and_lines_stay(ids: list[int]) -> None:
    def lines(ids: list[int]) -> list[list[int]]:
        found: list[list[int]] = [[]]
        for number in ids:
            if number == BREAK:
                found.append([])
            else:
                found[-1].append(number)
        return [line for line in found if line]

    kept = without_empty_lines(torch.tensor(ids, dtype=torch.int32)).tolist()
    assert lines(kept) == lines(ids)
    assert kept.count(BREAK) == max(0, len(lines(ids)) - 1)


class No64Bits(TorchDispatchMode):
    """The device "meta" like an Apple GPU: without float64."""

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        result = function(*arguments, **(keywords or {}))
        for part in tree_leaves(result):
            if isinstance(part, torch.Tensor) and part.is_meta:
                assert part.dtype != torch.float64, function
        return result


@pytest.mark.parametrize("algorithm", ["skip-gram", "cbow"])
def test_apples_gpus_which_have_no_float64_can_train(algorithm: str) -> None:
    """No such device is at hand: that none of it is asked for is all that is shown."""
    assert random_device(torch.device("mps")) == torch.device("cpu")
    assert random_device(torch.device("cuda:1")) == torch.device("cuda:1")
    generator = torch.Generator().manual_seed(0)
    window = Window(*(part.to("meta") for part in windows(corpus(), 3, generator)))
    with No64Bits():
        model = Word2Vec(
            *(table.float().to("meta") for table in tables(WORDS)),
            algorithm=algorithm,  # type: ignore[arg-type]
            draw=torch.ones(WORDS, dtype=torch.float64),
            negatives=NEGATIVES,
            tree=None,
            generator=generator,
        )
        assert model.drawn().is_meta
        model.step(window, 0.1)


def test_reaches_are_uniform_up_to_the_width() -> None:
    window = windows(torch.zeros(64_000, dtype=torch.int32), 4, torch.Generator().manual_seed(0))
    reach = window.band.sum(-1).flatten()[4:-4] / 2
    shares = torch.bincount(reach.long(), minlength=5) / len(reach)
    torch.testing.assert_close(shares, torch.tensor([0, 0.25, 0.25, 0.25, 0.25]), atol=0.01, rtol=0)


def test_words_are_drawn_by_their_weight() -> None:
    model = Word2Vec(
        *(table.float() for table in tables(WORDS)),
        algorithm="skip-gram",
        draw=torch.tensor([1.0, 0, 3] + [0] * (WORDS - 3)),
        negatives=1,
        tree=None,
        generator=torch.Generator().manual_seed(0),
    )
    drawn = torch.cat([model.drawn() for _ in range(20)])
    assert set(drawn.tolist()) == {0, 2}
    assert float((drawn == 2).float().mean()) == pytest.approx(0.75, abs=0.02)


def test_the_tree_is_a_prefix_code_of_least_length() -> None:
    counts = np.array([40, 30, 15, 10, 5])
    tree = huffman_tree(counts)
    lengths = tree.real.sum(1).tolist()
    assert lengths == [1, 2, 3, 4, 4]
    codes = [
        "".join(str(int(code)) for code, real in zip(row, there, strict=True) if real)
        for row, there in zip(tree.codes, tree.real, strict=True)
    ]
    assert not any(b.startswith(a) for a, b in pairwise(sorted(codes)))
    assert {int(row[0]) for row in tree.nodes} == {3}  # every way begins at the root
    gensim = pytest.importorskip("gensim.models")
    random = np.sort(np.random.default_rng(0).integers(1, 1000, 50))[::-1]
    model = gensim.Word2Vec(hs=1, negative=0, min_count=1, sorted_vocab=0)
    model.build_vocab_from_freq({str(n): int(count) for n, count in enumerate(random)})
    theirs = sum(len(model.wv.get_vecattr(n, "code")) * int(random[n]) for n in range(50))
    assert int((huffman_tree(random).real.sum(1).numpy() * random).sum()) == theirs


def test_one_word_has_a_tree_without_turns() -> None:
    assert not huffman_tree(np.array([3])).real.any()


@pytest.mark.gpu
@pytest.mark.parametrize("algorithm", ["skip-gram", "cbow"])
def test_a_gpu_takes_the_same_step(algorithm: str) -> None:
    window = windows(corpus(), 3, torch.Generator().manual_seed(2))
    drawn = torch.tensor([0, 3, 3, 7, 11, 2])
    results = []
    for device in ("cpu", "cuda"):
        vectors, output = (table.float().to(device) for table in tables(WORDS))
        moved = Window(*(part.to(device) for part in window))
        model = Word2Vec(
            vectors,
            output,
            algorithm=algorithm,  # type: ignore[arg-type]
            draw=torch.ones(WORDS, device=device),
            negatives=NEGATIVES,
            tree=None,
            generator=torch.Generator(device),
        )
        model.step(moved, 0.05, drawn.to(device))
        results.append((vectors.cpu(), output.cpu()))
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=1e-4)
