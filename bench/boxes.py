"""Suppression and IoU of many boxes: ours beside a plain torch loop, and torchvision if it imports.

Crowded boxes lie around a few objects and few of them stay; of sparse ones nearly all stay. The
contenders keep the same boxes, which is checked; so is that ours has no limit (`most=None`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from bench.harness import Timing, alternate, save, table, use_cores
from bench.tables import markdown

COUNTS = (1000, 5000, 20000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="rounds")
    parser.add_argument("--cores", type=int, default=1, help="to use")
    arguments = parser.parse_args()
    cores = use_cores(arguments.cores)  # before torch

    import torch

    from vision.boxes import iou
    from vision.suppression import suppress

    torch.set_num_threads(cores)
    try:
        from torchvision import ops
    except (ImportError, RuntimeError):
        ops = None

    def plain(boxes: Any, scores: Any) -> Any:
        """The loop: the surest box, then what it does not overlap."""
        order, kept = scores.argsort(descending=True, stable=True), []
        while len(order):
            kept.append(order[0])
            order = order[1:][iou(boxes[order[:1]], boxes[order[1:]])[0] <= 0.5]
        return torch.stack(kept)

    rows: list[dict[str, Any]] = []
    for count in COUNTS:
        for kind in ("crowded", "sparse"):
            boxes, scores = draw(count, kind)
            for classes in (1, 80):
                labels = torch.randint(
                    classes, (count,), generator=torch.Generator().manual_seed(1)
                )
                own = None if classes == 1 else labels
                contenders: dict[str, Callable[[], Any]] = {
                    "ours": lambda b=boxes, s=scores, o=own: suppress(b, s, o, most=None)
                }
                if classes == 1 and count <= 5000:
                    contenders["plain"] = lambda b=boxes, s=scores: plain(b, s)
                if ops is not None:
                    contenders["torchvision"] = lambda b=boxes, s=scores, o=own: (
                        ops.nms(b, s, 0.5) if o is None else ops.batched_nms(b, s, o, 0.5)
                    )
                times = alternate(contenders, repeats=arguments.repeats, warm_up=1)
                first = times["ours"].result
                # as sets: torchvision orders equal scores of classes as it happens
                same = all(torch.equal(first.sort()[0], t.result.sort()[0]) for t in times.values())
                what = f"suppress {count:,} {kind}, {classes} class" + "es" * (classes > 1)
                rows.append({"what": what, "kept": len(first), "same": same, **numbers(times)})
        others = boxes[:1000]
        contenders = {
            "ours": lambda b=boxes, o=others: iou(b, o),
            "plain": lambda b=boxes, o=others: plain_iou(b, o),
        }
        if ops is not None:
            contenders["torchvision"] = lambda b=boxes, o=others: ops.box_iou(b, o)
        times = alternate(contenders, repeats=arguments.repeats, warm_up=1)
        same = all(
            torch.allclose(times["ours"].result, t.result, atol=1e-6) for t in times.values()
        )
        rows.append({"what": f"IoU {count:,} x 1,000", "same": same, **numbers(times)})
    columns = ("kept", "ours", "plain", "torchvision", "ours to torchvision", "same")
    print(
        table(["", *columns], [[row["what"], *(row.get(c, "") for c in columns)] for row in rows])
    )
    results = {"unit": "milliseconds, medians", "cores": cores, "rows": rows}
    print(save("boxes", results, packages=("torch", "torchvision")))


def tables(results: Mapping[str, Any]) -> list[str]:
    """The results for docs/vision.md."""
    rows = [
        [
            row["what"],
            *(f"{row[name]:g}" if name in row else "" for name in ("ours", "plain", "torchvision")),
            f"{row['ours to torchvision']:.2f}x" if "ours to torchvision" in row else "",
        ]
        for row in results["rows"]
    ]
    headings = ["milliseconds", "Unrolled", "plain torch", "torchvision", "times as fast as it"]
    return markdown("Suppression and IoU on a CPU, the same boxes kept", headings, rows)


def numbers(times: dict[str, Timing]) -> dict[str, float]:
    found = {name: round(1000 * timing.median, 2) for name, timing in times.items()}
    if "torchvision" in times:
        found["ours to torchvision"] = round(
            times["ours"].times_as_fast_as(times["torchvision"]), 2
        )
    return found


def plain_iou(a: Any, b: Any) -> Any:
    """In three expressions, as it is written everywhere."""
    first = a[:, None, :2].maximum(b[None, :, :2])
    shared = (a[:, None, 2:].minimum(b[None, :, 2:]) - first).clamp(min=0).prod(-1)
    own, others = ((boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (a, b))
    return shared / (own[:, None] + others - shared)


def draw(count: int, kind: str) -> tuple[Any, Any]:
    """Boxes and scores; the picture grows with the number of sparse ones."""
    import torch

    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(count, generator=generator)
    if kind == "crowded":
        objects = count // 100
        own = torch.randint(objects, (count,), generator=generator)
        middle = (torch.rand(objects, 2, generator=generator) * 640)[own]
        size = (20 + 100 * torch.rand(objects, 2, generator=generator))[own]
        middle += 0.1 * size * torch.randn(count, 2, generator=generator)
        size *= (1 + 0.15 * torch.randn(count, 2, generator=generator)).clamp(min=0.3)
    else:
        middle = 640 * (count / 1000) ** 0.5 * torch.rand(count, 2, generator=generator)
        size = 8 + 30 * torch.rand(count, 2, generator=generator)
    return torch.cat([middle - size / 2, middle + size / 2], 1), scores


if __name__ == "__main__":
    main()
