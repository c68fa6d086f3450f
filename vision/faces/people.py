"""People to train on, to validate and to test with: nobody is in two parts."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from corpora.errors import UsageError
from corpora.identities import Portrait, read_identities
from corpora.reader import Source
from corpora.splits import deal

NAMES = ("train", "validation", "test")


class People(NamedTuple):
    """The portraits of each part."""

    train: list[Portrait]
    validation: list[Portrait]
    test: list[Portrait]
    remarks: list[str]
    rule: str

    @property
    def counted(self) -> str:
        """How large each part is, in words."""
        told = ", ".join(
            f"{name} {len(_names(part)):,} people ({len(part):,} pictures)"
            for name, part in zip(NAMES, self[:3], strict=True)
        )
        return f"{told}; {self.rule}"


def divide_people(
    source: Source, validation: float | Source, test: float | Source, **reading: Any
) -> People:
    """Reads a source for training, validation and test.

    A source that has such parts itself keeps them; of those that it lacks, `validation` and `test`
    are fractions of the people that would be trained on, or sources of their own. 0 is none.

    Args:
        reading: what else `corpora.identities.read_identities` takes.

    Raises:
        UsageError: a source cannot be read, or a part that was asked for has less than two people,
            or, to validate or test with, nobody with two pictures.
    """
    corpus = read_identities(source, **reading)
    remarks = list(corpus.remarks)
    own = corpus.splits if "train" in corpus.splits else {"train": corpus.items}
    parts: dict[str, list[Portrait]] = {"train": own.pop("train"), "validation": [], "test": []}
    shares = dict.fromkeys(NAMES, Fraction(0))
    for name, wanted in (("validation", validation), ("test", test)):
        if not isinstance(wanted, int | float):
            other = read_identities(wanted, **reading)
            parts[name] = other.items
            remarks += other.remarks
        elif not 0 <= wanted < 1:
            raise UsageError(f"{name} is {wanted}: expected 0 to below 1, or a source")
        elif wanted and name in own:
            parts[name] = own.pop(name)
        else:
            shares[name] = Fraction(str(wanted))
    remarks += [
        f"pictures of the part {name or 'without a name'}, left out: {len(part):,}"
        for name, part in own.items()
    ]
    if sum(shares.values()) >= 1:
        raise UsageError(f"validation {validation} and test {test} leave nobody to train on")
    people = list(_names(parts["train"]))
    dealt = dict(
        zip(people, deal(0, len(people), shares["validation"], shares["test"]), strict=True)
    )
    pool, parts["train"] = parts["train"], []
    for one in pool:
        parts[dealt[one.person]].append(one)
    for name, wanted in (("train", 1), ("validation", validation), ("test", test)):
        if wanted and len(_names(parts[name])) < 2:
            raise UsageError(
                f"the {name} part has {len(_names(parts[name]))} of {len(people)} people: expected "
                f"2 or more; give more people, or another --"
                f"{'validation' if name == 'train' else name}"
            )
        if wanted and name != "train" and len(_names(parts[name])) == len(parts[name]):
            raise UsageError(
                f"nobody of the {name} part has two pictures, so that no pair is of one person: "
                f"give more pictures, or another --{name}"
            )
    for name in NAMES[1:]:
        known = _names(parts["train"])
        if both := [person for person in _names(parts[name]) if person in known]:
            remarks.append(
                f"people of the {name} part who are trained on too, which flatters: {len(both):,} "
                f"(first: {both[0]})"
            )
    told = [f"{float(part):.0%} {name}" for name, part in shares.items() if part]
    rule = f"{' and '.join(told)} of the people held out" if told else "as given"
    return People(parts["train"], parts["validation"], parts["test"], remarks, rule)


def _names(portraits: Iterable[Portrait]) -> dict[str, None]:
    return dict.fromkeys(one.person for one in portraits)
