"""The `header.json` of a token store: what it says, and how it is read with suspicion."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from corpora.errors import UsageError
from corpora.passage import Counts

FORMAT = "unrolled token store"
VERSION = 1
HEADER = "header.json"


@dataclass(frozen=True)
class Header:
    """What a store says of itself. `dtype` is "uint16" or "uint32", little-endian."""

    tokenizer_fingerprint: str
    vocabulary_size: int
    dtype: str
    splits: dict[str, Counts]
    files: dict[str, str] = field(repr=False)  # split to file name


def read_header(folder: Path) -> Header:
    """The header of the store in a folder. `UsageError` for what is none, or is damaged."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name one that holds a token store")
    try:
        content = json.loads((folder / HEADER).read_bytes())
    except FileNotFoundError as error:
        raise refusal(folder, f"it has no {HEADER}") from error
    except (OSError, ValueError) as error:
        raise refusal(folder, f"its {HEADER} cannot be read ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise refusal(folder, f"its {HEADER} belongs to something else")
    if content.get("version") != VERSION:
        raise refusal(
            folder, f"it has version {content.get('version')} of the format, this is {VERSION}"
        )
    try:
        header = Header(
            str(content["tokenizer_fingerprint"]),
            int(content["vocabulary_size"]),
            str(content["dtype"]),
            {split: Counts(**counts) for split, counts in content["splits"].items()},
            {split: str(content["files"][split]) for split in content["splits"]},
        )
        sound = (
            isinstance(content["tokenizer_fingerprint"], str)
            and header.dtype in ("uint16", "uint32")
            and all(Path(name).name == name for name in header.files.values())
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise refusal(folder, f"its {HEADER} is damaged ({error})") from error
    if not sound:
        raise refusal(folder, f"its {HEADER} is damaged")
    return header


def refusal(folder: Path, reason: str) -> UsageError:
    """The one wording for a folder that cannot be used."""
    return UsageError(f"{folder} is not a whole token store: {reason}; tokenize the text again")
