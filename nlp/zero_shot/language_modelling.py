"""Language modelling as Radford et al. 2019 score it: perplexity of each published word.

    perplexity per word = exp(nats of the de-tokenized text / published tokens)
    bits per character  = bits of the de-tokenized text / characters of the published text

A published token is what stands between spaces, and the end of each line is one too, as the sets'
own vocabularies have it; of plain text it is a word, and ends of lines are none. Models with any
tokenizer can be compared by these, and with the paper's figures.

A model that looks at `context` tokens reads the text in overlapping windows: each is `context` long
and the last `stride` of its tokens are counted, so that all but the text's first have `context` -
`stride` tokens before them or more. A stride of `context` is cheapest and worst; a smaller one
costs `context` / `stride` times as much. A recurrent model reads the text once, its state carried.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from corpora.cloze_sets import Source, read_running_text
from corpora.detokenizers import Detokenizer
from corpora.errors import UsageError, check_positive
from nlp.core.continuations import score_many
from nlp.core.scoring import exponential
from nlp.core.tokens.special_tokens import ordinary
from nlp.zero_shot.task import SIZES, Report, TaskResult, Watch, ratio_estimate, silent

PERPLEXITY, CHARACTER, BYTE = "perplexity per word", "bits per character", "bits per byte"
UNKNOWN = re.compile("<unk>")
# By data set, in the metric that the paper has it in.
PAPER = {
    name: {size: {metric: value} for size, value in zip(SIZES, values, strict=True)}
    for name, metric, values in (
        ("wikitext-2", PERPLEXITY, (29.41, 22.76, 19.93, 18.34)),
        ("wikitext-103", PERPLEXITY, (37.50, 26.37, 22.05, 17.48)),
        ("ptb", PERPLEXITY, (65.85, 47.33, 40.31, 35.76)),
        ("1bw", PERPLEXITY, (75.20, 55.72, 44.575, 42.16)),
        ("enwik8", BYTE, (1.16, 1.01, 0.97, 0.93)),
        ("text8", CHARACTER, (1.17, 1.06, 1.02, 0.98)),
    )
}
# What the names of files and data sets hold, which set of the paper's that is, and its tokens.
SETS = (
    (re.compile(r"wikitext-?103"), "wikitext-103", "wikitext"),
    (re.compile(r"wikitext-?2|wiki\.(train|valid|test)\.tokens"), "wikitext-2", "wikitext"),
    (re.compile(r"\bptb|penn-?treebank"), "ptb", "ptb"),
    (re.compile(r"\blm1b|1-billion-word|\bnews\.en"), "1bw", "1bw"),
    (re.compile(r"\benwik8"), "enwik8", "plain"),
    (re.compile(r"\btext8"), "text8", "plain"),
)
TOGETHER = 16  # windows between two looks at the clock


class Piece(NamedTuple):
    """A line of the text as it is read, and what it was published as.

    `words` counts its published tokens, `characters` and `bytes` are of the published line.
    """

    text: str
    words: int
    characters: int
    bytes: int


def evaluate(
    model: Any,
    source: Source = None,
    *,
    detokenizer: str | None = None,
    unknown: str = "count",
    stride: int | None = None,
    limit: int | None = None,
    report: Report = silent,
) -> TaskResult:
    """Perplexity per published word, bits per character and per byte of a running text.

    Args:
        detokenizer: of `corpora.detokenizers.STYLES`; None goes by the source's name, and takes
            plain text where that says nothing.
        unknown: "count": <unk> is read and counted as published; "skip": it is read, but neither
            its nats nor its word, characters and bytes are counted.
        stride: tokens that each window adds, for models with a context; None is half of it.
        limit: lines.

    Raises:
        UsageError: the source cannot be read, or an argument is unknown.
    """
    if unknown not in ("count", "skip"):
        raise UsageError(f"unknown is {unknown!r}: expected count or skip")
    read = read_running_text(source, limit=limit)
    published = read.examples[0].lines
    known_set, usual = ("", "wikitext") if source is None else _set_of(read.source)
    style = detokenizer or usual
    pieces = pieces_of(published, style)
    text = "".join(piece.text for piece in pieces)
    tokenizer = model.text_tokenizer()
    ids = ordinary(tokenizer, text)
    context = getattr(model, "context", None)
    stride = _stride(stride, context)
    watch = Watch("language-modelling", len(ids), report)
    nats: list[float] = []
    for values in _windows(model, [tokenizer.end_of_text, *ids], context, stride):
        nats += values
        watch.tell(len(nats))
    spans = tokenizer.offsets(text, ids=ids)
    lines = _by_line(pieces, spans, nats)
    remarks = list(read.remarks)
    if count := len(UNKNOWN.findall(text)):
        lines = _without_unknown(lines, pieces, text, spans, nats) if unknown == "skip" else lines
        what = "counted as published" if unknown == "count" else "read, but not counted"
        remarks.append(f"<unk> in the text: {count:,}, {what}")
    amounts: dict[str, tuple[list[int], float, Callable[[float], float]]] = {
        PERPLEXITY: ([line.words for line in lines], 1.0, exponential),
        CHARACTER: ([line.characters for line in lines], 1 / math.log(2), float),
        BYTE: ([line.bytes for line in lines], 1 / math.log(2), float),
    }
    costs = [line.nats for line in lines]
    reading = (
        f"windows of {context:,} tokens of which the last {stride:,} are counted"
        if context
        else "read once, the state carried"
    )
    return TaskResult(
        task="language-modelling",
        protocol=f"{style} text{'' if style == 'plain' else ', de-tokenized invertibly'}; "
        f"{reading}, from the start symbol on; ranges over resampled lines",
        source=read.source,
        examples=len(lines),
        metrics={
            name: ratio_estimate(
                [cost * scale for cost in costs],
                units,
                change,
            )
            for name, (units, scale, change) in amounts.items()
        },
        details=[
            {
                "input": piece.text,
                "expected": None,
                "answered": None,
                "scores": {"nats": line.nats, "words": line.words, "characters": line.characters},
            }
            for piece, line in zip(pieces, lines, strict=True)
        ],
        paper=PAPER.get(known_set, {}),
        remarks=[
            *remarks,
            f"{sum(line.words for line in lines):,} words, {len(ids):,} tokens of the model's",
        ],
    )


def pieces_of(published: Sequence[str], style: str) -> list[Piece]:
    """The lines as they are read, each with its line break, and what they count for.

    Raises:
        UsageError: the style is none of `corpora.detokenizers.STYLES`, or no word is in the lines.
    """
    joined = Detokenizer(style, published)
    ends = 0 if joined.style is None else 1  # of lines, which are tokens of published sets
    pieces = [
        Piece(
            text=f"{joined.detokenize(line)}\n",
            words=len(line.split()) + ends,
            characters=len(line) + 1,
            bytes=len(line.encode("utf-8", "surrogatepass")) + 1,
        )
        for line in published
    ]
    if not any(piece.words > ends for piece in pieces):
        raise UsageError("there is no word in the text; expected one or more to score")
    return pieces


def _set_of(name: str) -> tuple[str, str]:
    """Which of the paper's sets a source is by its name, and how it is tokenized."""
    if "-raw" in name:
        return "", "plain"
    found = ((known, style) for pattern, known, style in SETS if pattern.search(name.lower()))
    return next(found, ("", "plain"))


def _stride(stride: int | None, context: int | None) -> int:
    if context is None:
        if stride is not None:
            raise UsageError("stride is for models with a context; this one carries its state")
        return 0
    stride = max(1, context // 2) if stride is None else stride
    check_positive(stride=stride)
    if stride > context:
        raise UsageError(f"stride is {stride}: expected at most the model's context, {context}")
    return stride


def _windows(
    model: Any, sequence: Sequence[int], context: int | None, stride: int
) -> Iterator[list[float]]:
    """The nats of all tokens of a sequence but its first, some at a time."""
    length = len(sequence) - 1
    first = length if context is None else min(length, context)
    ends = [first]
    if first < length:
        ends += range(first + stride, length + stride, stride)
    pairs = []
    done = 0
    for end in ends:
        end = min(end, length)
        # To predict tokens done + 1 to end, what is read is the `context` tokens before the last.
        begin = 0 if context is None else max(0, end - context)
        pairs.append((sequence[begin : done + 1], sequence[done + 1 : end + 1]))
        done = end
    for place in range(0, len(pairs), TOGETHER):
        for values in score_many(model, pairs[place : place + TOGETHER]):
            yield [-value for value in values]


class _Line(NamedTuple):
    nats: float
    words: int
    characters: int
    bytes: int


def _by_line(
    pieces: Sequence[Piece], spans: Sequence[tuple[int, int]], nats: Sequence[float]
) -> list[_Line]:
    """Each line with the nats of the tokens that begin in it."""
    ends = list(accumulate(len(piece.text) for piece in pieces))
    sums = [0.0] * len(pieces)
    for (start, _), cost in zip(spans, nats, strict=True):
        sums[min(bisect_right(ends, start), len(pieces) - 1)] += cost
    return [
        _Line(cost, piece.words, piece.characters, piece.bytes)
        for cost, piece in zip(sums, pieces, strict=True)
    ]


def _without_unknown(
    lines: Sequence[_Line],
    pieces: Sequence[Piece],
    text: str,
    spans: Sequence[tuple[int, int]],
    nats: Sequence[float],
) -> list[_Line]:
    """The lines without their <unk>: a token that has a part of one is not counted."""
    ends = list(accumulate(len(piece.text) for piece in pieces))
    found = [match.span() for match in UNKNOWN.finditer(text)]
    left = [list(line) for line in lines]
    size = len("<unk>")
    for start, _ in found:
        line = left[bisect_right(ends, start)]
        line[1:] = [line[1] - 1, line[2] - size, line[3] - size]
    starts = [start for start, _ in found]
    for (start, end), cost in zip(spans, nats, strict=True):
        place = bisect_right(starts, max(start, end - 1)) - 1
        if place >= 0 and start < found[place][1] and end > found[place][0]:
            left[min(bisect_right(ends, start), len(left) - 1)][0] -= cost
    return [_Line(float(cost), *map(int, counts)) for cost, *counts in left]
