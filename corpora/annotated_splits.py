"""Training, validation and test part of annotated data, which is small and is held in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from corpora import huggingface
from corpora.errors import UsageError
from corpora.huggingface import Dataset
from corpora.reader import Source
from corpora.splits import OWN_NAMES, deal, share

Item = TypeVar("Item")
# A source, or one split of it, to its items and to what there is to tell about them.
Read = Callable[[Source, str | None], tuple[list[Item], list[str]]]


class Parts(NamedTuple, Generic[Item]):
    """The three parts; the test part is empty where none was asked for."""

    train: list[Item]
    validation: list[Item]
    test: list[Item]
    remarks: list[str]
    rule: str

    def counted(self, items: str, within: str, count: Callable[[Item], int]) -> str:
        """How large each part is, say "train 80 texts (912 words), ...; 10% test held out, ..."."""
        told = ", ".join(
            f"{name} {len(part):,} {items} ({sum(map(count, part)):,} {within})"
            for name, part in zip(("train", "validation", "test"), self[:3], strict=True)
        )
        return f"{told}; {self.rule}"


def divide(
    source: Source,
    validation: float | Source,
    test: float | Source,
    *,
    read: Read[Item],
    groups: Callable[[Sequence[Item]], list[int]] = lambda items: list(range(len(items))),
) -> Parts[Item]:
    """Reads and divides a source.

    Args:
        validation, test: fractions of the source, or sources of their own. A Hugging Face dataset
            that has splits itself keeps them.
        groups: the number of each item's group, from 0; a group, say a document, is not divided.

    Raises:
        UsageError: fractions that leave nothing, a part that is empty, and what `read` raises.
    """
    remarks: list[str] = []

    def whole(place: Source, split: str | None = None) -> list[Item]:
        items, told = read(place, split)
        remarks.extend(told)
        return items

    parts: dict[str, list[Item]] = {}
    names = _own_splits(source)
    given = {"validation": validation, "test": test}
    for name, value in given.items():
        if not isinstance(value, int | float):
            parts[name] = whole(value)
    if "train" in names:
        parts["train"] = whole(source, names["train"])
        for name, value in given.items():
            if name not in parts and name in names and value:  # 0 asks for none
                parts[name] = whole(source, names[name])
    rest = parts.pop("train") if "train" in parts else whole(source)
    shares = {
        name: Fraction(0) if name in parts else share(name, value) for name, value in given.items()
    }
    if sum(shares.values()) >= 1:
        raise UsageError(f"validation {validation} and test {test} leave nothing to train on")
    rule = "as given"
    if any(shares.values()):
        number = groups(rest)
        count = max(number, default=-1) + 1
        if count < 10:
            number, count = list(range(len(rest))), len(rest)
        dealt = deal(0, count, shares["validation"], shares["test"])
        divided: dict[str, list[Item]] = {"train": [], "validation": [], "test": []}
        for item, group in zip(rest, number, strict=True):
            divided[dealt[group]].append(item)
        parts |= {name: items for name, items in divided.items() if name not in parts}
        told = [f"{float(part):.0%} {name}" for name, part in shares.items() if part]
        rule = f"{' and '.join(told)} held out, drawn with a fixed seed"
    else:
        parts["train"] = rest
    for name in ("train", "validation"):
        if not parts.get(name):
            raise UsageError(f"the {name} part is empty: give more data, or another --{name}")
    return Parts(parts["train"], parts["validation"], parts.get("test", []), remarks, rule)


def _own_splits(source: Source) -> dict[str, str]:
    """The names that the splits of a Hugging Face dataset have, by ours."""
    if not isinstance(source, str) or not source.startswith(huggingface.PREFIX):
        return {}
    found = huggingface.split_names(Dataset.parse(source), streaming=True)
    return {
        name: split
        for name, aliases in OWN_NAMES.items()
        if (split := next((alias for alias in aliases if alias in found), None))
    }
