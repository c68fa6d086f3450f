"""Searching a gallery of a thousand to a million faces: ours, exactly, beside faiss if it imports.

The vectors are random ones of length 1, each of a person of its own; both tell the five nearest,
which is checked. faiss is asked for its exact search, `IndexFlatIP`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from bench.harness import alternate, save, table, use_cores
from bench.tables import markdown

COUNTS = (1_000, 100_000, 1_000_000)
SIZE = 128  # numbers of a vector
BATCHES = (1, 64)  # queries at once
TOP = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="rounds")
    parser.add_argument("--cores", type=int, default=1, help="to use")
    arguments = parser.parse_args()
    cores = use_cores(arguments.cores)  # before numpy

    import numpy as np

    from vision.gallery_search import Search

    try:
        import faiss
    except ImportError:
        faiss = None
    else:
        faiss.omp_set_num_threads(cores)

    rows: list[dict[str, Any]] = []
    for count in COUNTS:
        vectors = draw(count, seed=0)
        search = Search(vectors, np.arange(count))
        index: Any = None
        if faiss is not None:
            index = faiss.IndexFlatIP(SIZE)
            index.add(vectors)
        for batch in BATCHES:
            queries = draw(batch, seed=1)
            contenders: dict[str, Callable[[], Any]] = {
                "ours": lambda s=search, q=queries: [
                    [person for person, _ in row] for row in s.nearest(q, TOP)
                ]
            }
            if index is not None:
                contenders["faiss"] = lambda i=index, q=queries: i.search(q, TOP)[1].tolist()
            times = alternate(contenders, repeats=arguments.repeats, warm_up=1)
            row: dict[str, Any] = {"people": count, "batch": batch}
            row |= {name: round(batch / timing.median, 1) for name, timing in times.items()}
            if index is not None:
                row["times_as_fast"] = round(times["ours"].times_as_fast_as(times["faiss"]), 2)
                row["same"] = times["ours"].result == times["faiss"].result
            rows.append(row)
        del search, index
    columns = ("people", "batch", "ours", "faiss", "times_as_fast", "same")
    print(table(columns, [[row.get(column, "") for column in columns] for row in rows]))
    results = {"unit": "queries a second, of medians", "size": SIZE, "cores": cores, "rows": rows}
    print(save("gallery", results, packages=("numpy", "faiss-cpu")))


def tables(results: Mapping[str, Any]) -> list[str]:
    """The results for docs/vision.md."""
    rows = [
        [
            f"{row['people']:,} people, "
            + (f"{row['batch']} at once" if row["batch"] > 1 else "one"),
            *(f"{row[name]:,.0f}" if name in row else "" for name in ("ours", "faiss")),
            f"{row['times_as_fast']:.2f}x" if "times_as_fast" in row else "",
        ]
        for row in results["rows"]
    ]
    headings = ["queries a second", "Unrolled", "faiss, exact", "times as fast as it"]
    title = f"Searching a gallery of vectors of {results['size']} numbers exactly"
    return markdown(title, headings, rows)


def draw(count: int, seed: int) -> Any:
    """Random vectors of length 1."""
    import numpy as np

    vectors = np.random.default_rng(seed).standard_normal((count, SIZE), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
