"""How probable a model finds texts behind a prompt: cloze questions, choices, last words.

    log P(option | prompt) = sum over i of log P(option[i] | prompt, option[:i])

    prompt = tokenizer.encode("The trophy does not fit because")
    options = [tokenizer.encode(text) for text in (" the trophy is big", " the case is big")]
    best = max(score_options(model, prompt, options), key=sum)

Everything is in nats. A prompt that leaves no room within `model.context` is cut from its left:
`left_cut` says by how much. Rows of unequal length are padded on their right, where no causal model
looks before it has read all of the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from corpora.errors import UsageError
from nlp.core.decoding import PROMPT_WINDOW, Decodable, evaluation_mode, read_prompt
from nlp.core.scoring import LOGITS_AT_ONCE

ON_A_GPU = 2**28  # 1 GB of float32 logits: enough work for a device to be busy


def left_cut(model: Decodable, prompt: Sequence[int], behind: int) -> list[int]:
    """The end of the prompt that leaves room for `behind` tokens within the model's context.

    The last of them is predicted and never read, so prompt and `behind` may be one longer.

    Raises:
        UsageError: not one token of a prompt has room.
    """
    context = getattr(model, "context", None)
    if context is None:
        return list(prompt)
    room = context + 1 - behind
    if room < 1:
        raise UsageError(
            f"{behind:,} tokens are to be scored behind a prompt, but the model looks at "
            f"{context:,} only; score a shorter text"
        )
    return list(prompt[-room:])


@torch.inference_mode()
def score_options(
    model: Decodable, prompt: Sequence[int], options: Sequence[Sequence[int]]
) -> list[list[float]]:
    """Log-probabilities of each token of each option behind the prompt, in nats.

    The prompt is read once, a window at a time, and the options go on from it side by side.

    Raises:
        UsageError: an empty prompt or option, ids that the model does not know, an option longer
            than its context, or a model that gives NaN.
    """
    if not options:
        return []
    _check(model, [(prompt, option) for option in options])
    prompt = left_cut(model, prompt, max(map(len, options)))
    with evaluation_mode(model):
        state = read_prompt(model, prompt[:-1])[1] if len(prompt) > 1 else model.start(1)
        found: list[list[float]] = []
        for group in _groups(model, [len(option) for option in options]):
            rows = [[prompt[-1], *options[place]] for place in group]
            lanes = tuple(part[[0] * len(rows)] for part in state)
            found += _read(model, rows, [len(row) - 1 for row in rows], lanes)
    return found


@torch.inference_mode()
def score_many(
    model: Decodable, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[list[float]]:
    """The same for options that each have a prompt of their own: `pairs` of prompt and option.

    Texts of like length are read together. Raises as `score_options`.
    """
    _check(model, pairs)
    fitted = [(left_cut(model, prompt, len(option)), list(option)) for prompt, option in pairs]
    lengths = [len(prompt) + len(option) - 1 for prompt, option in fitted]
    order = sorted(range(len(pairs)), key=lambda place: -lengths[place])
    found: list[list[float]] = [[] for _ in pairs]
    with evaluation_mode(model):
        for group in _groups(model, [lengths[place] for place in order]):
            places = [order[number] for number in group]
            rows = [fitted[place][0] + fitted[place][1] for place in places]
            counted = [len(fitted[place][1]) for place in places]
            read = _read(model, rows, counted, model.start(len(rows)))
            for place, values in zip(places, read, strict=True):
                found[place] = values
    return found


def _check(model: Decodable, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> None:
    for prompt, option in pairs:
        if not prompt or not option:
            empty = "option" if prompt else "prompt"
            raise UsageError(f"the {empty} is empty; expected at least one token to read")
        for token in (min(prompt), max(prompt), min(option), max(option)):
            if not 0 <= token < model.vocabulary_size:
                raise UsageError(
                    f"token {token} is to be read, but the model knows 0 to "
                    f"{model.vocabulary_size - 1}; encode the text with the model's own tokenizer"
                )


def _positions(model: Decodable) -> int:
    """Logits `[positions, vocabulary]` that may be held at once."""
    room = LOGITS_AT_ONCE if model.device.type == "cpu" else ON_A_GPU
    return max(1, room // model.vocabulary_size)


def _groups(model: Decodable, lengths: Sequence[int]) -> Iterator[list[int]]:
    """Neighbours that are read as one batch: as many as have room when padded, or one."""
    group: list[int] = []
    longest = 0
    for place, length in enumerate(lengths):
        longest = max(longest, length)
        if group and longest * (len(group) + 1) > _positions(model):
            yield group
            group, longest = [], length
        group.append(place)
    if group:
        yield group


def _read(
    model: Decodable,
    rows: Sequence[Sequence[int]],
    counted: Sequence[int],
    state: Any,
) -> list[list[float]]:
    """Of the last `counted` tokens of each row; its first is only read. `state`: `[rows, ...]`."""
    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    ends = torch.tensor([len(row) - 1 for row in rows]).unsqueeze(1)  # [rows, 1]
    begins = ends - torch.tensor(counted).unsqueeze(1)
    first = int(begins.min())
    steps = torch.arange(longest - 1)
    asked = (steps < ends) & (steps >= begins)  # [rows, time]
    ids, asked = ids.to(model.device), asked.to(model.device)
    read = getattr(model, "read", model)  # the former has no logits but the last
    for part in ids[:, :first].split(PROMPT_WINDOW, dim=1) if first else ():
        _, state = read(part, state)
    found: list[list[float]] = [[] for _ in rows]
    width = max(1, _positions(model) // len(rows))
    for begin in range(first, longest - 1, width):
        window = slice(begin, min(begin + width, longest - 1))
        logits, state = model(ids[:, window], state)
        wanted = asked[:, window]
        heights = logits[wanted].float()  # [tokens, vocabulary], row by row
        targets = ids[:, 1:][:, window][wanted].unsqueeze(1)
        values = heights.log_softmax(-1).gather(1, targets).squeeze(1)
        if values.isnan().any():
            raise UsageError("the model's output is not a number (NaN): its training has failed")
        for number, value in zip(wanted.nonzero()[:, 0].tolist(), values.tolist(), strict=True):
            found[number].append(value)
    return found
