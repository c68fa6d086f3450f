"""`unrolled info`: the machine, the versions, the extras. What to paste into a bug report."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

PACKAGES = (
    *("torch", "tokenizers", "accelerate", "safetensors", "huggingface_hub"),
    *("datasets", "gensim", "numpy", "typer", "rich", "prompt_toolkit", "sacrebleu"),
)
# As in pyproject.toml; a test compares them.
EXTRAS = {
    "plots": ["bokeh", "matplotlib", "scikit-learn"],
    "search": ["usearch"],
    "umap": ["umap-learn"],
    "vision": ["pillow"],
    "meteor": ["nltk", "pycocoevalcap"],
    "languages": ["py3langid"],
    "eval": ["rouge-score", "scikit-learn"],
    "pretrained": ["gguf", "transformers"],
}


def info(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the device, its precision, the versions and the extras that are installed.

    \b
    Examples:
        unrolled info
        unrolled info --json
    """
    facts = environment()
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    from cli import display

    display.facts(
        {
            "unrolled": facts["unrolled"] or "not installed",
            "device": facts["device"],
            "precision": facts["precision"],
            "threads": f"{facts['threads']} of {facts['cores']} cores",
            "bfloat16 on this CPU": "yes, in hardware" if facts["cpu_bfloat16"] else "no",
            "python": facts["python"],
            "platform": facts["platform"],
            **{name: found or "not installed" for name, found in facts["packages"].items()},
            **{
                f"extra [{name}]": "installed" if not missing else f"missing {', '.join(missing)}"
                for name, missing in facts["extras"].items()
            },
            "cache folder": facts["cache_folder"],
        }
    )


def environment() -> dict[str, Any]:
    """Everything about this machine that changes what a model does or how fast."""
    import torch

    from corpora.wikipedia import cache_folder
    from nlp.core.device import choose_device, choose_precision, cpu_has_bfloat16

    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "unrolled": package_version("unrolled"),
        "device": f"{device} ({name})",
        "precision": str(choose_precision("auto", device)).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "cpu_bfloat16": cpu_has_bfloat16(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "extras": {
            extra: [name for name in names if package_version(name) is None]
            for extra, names in EXTRAS.items()
        },
        "cache_folder": str(cache_folder()),
    }


def package_version(package: str) -> str | None:
    """The installed version of a distribution, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
