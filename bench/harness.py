"""What every benchmark here shares: contenders in turn, a table, and a JSON file of results.

    times = alternate({"ours": ours, "theirs": theirs}, repeats=5)
    print(table(["contender", "seconds", "times as fast"], rows))
    save("name", {"contenders": ...})

Contenders run one after the other, round after round, in one process: what slows the machine for a
while slows them all. Medians are compared, so the ratios hold on a machine shared with others.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass
class Timing:
    """What one contender took, in seconds, and what it returned last."""

    seconds: list[float]
    result: Any = None

    @property
    def median(self) -> float:
        return median(self.seconds)

    def times_as_fast_as(self, other: Timing) -> float:
        """Above 1 where this one is faster."""
        return other.median / self.median


def alternate(
    contenders: Mapping[str, Callable[[], Any]],
    *,
    repeats: int = 5,
    warm_up: int = 0,
    before: Callable[[str], object] | None = None,
) -> dict[str, Timing]:
    """Time each contender `repeats` times, in turn; the order turns round with every round.

    `before` is called with a contender's name ahead of each of its runs and is not timed;
    `warm_up` rounds come first and are not counted.
    """
    timings = {name: Timing([]) for name in contenders}
    for number in range(-warm_up, repeats):
        names = list(contenders)
        for name in names if number % 2 == 0 else reversed(names):
            if before is not None:
                before(name)
            start = time.perf_counter()
            result = contenders[name]()
            seconds = time.perf_counter() - start
            if number >= 0:
                timings[name].seconds.append(seconds)
                timings[name].result = result
    return timings


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in plain text: the first column to the left, the others to the right."""
    cells = [[str(value) for value in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        first, *others = (value.rjust(width) for value, width in zip(row, widths, strict=True))
        lines.append("  ".join([row[0].ljust(len(first)), *others]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def use_cores(count: int) -> int:
    """Keep this process on `count` cores, where the system can; call it before heavy imports.

    Returns the number of cores that it may use afterwards.
    """
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))[:count]
        os.sched_setaffinity(0, allowed)
        count = len(allowed)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(count)
    return count


def peak_memory() -> int:
    """The most memory that this process has held so far, in bytes."""
    try:
        # not getrusage: there Linux counts what the parent held when it started this process
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10
    except (OSError, IndexError, ValueError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak << 10


def machine(packages: Iterable[str] = ()) -> dict[str, Any]:
    """What the numbers depend on: processor, cores in use, Python, versions, date."""
    versions = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    usable = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    return {
        "processor": _processor(),
        "cores": len(usable),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": versions,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def save(name: str, results: Mapping[str, Any], *, packages: Iterable[str] = ()) -> Path:
    """Write `bench/results/NAME.json`: the machine's facts and the results."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"benchmark": name, "machine": machine(packages), **results}
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
