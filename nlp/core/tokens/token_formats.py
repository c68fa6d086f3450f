"""The three file formats that hold a vocabulary.

- Hugging Face `tokenizer.json`: everything in one file, the format of our model folders.
- GPT-2's `vocab.json` and `merges.txt`: tokens written in GPT-2's byte alphabet.
- tiktoken rank files: one base64 token and its rank a line; the merges follow from the ranks.

Readers refuse, with a `UsageError` of one line, what is damaged and what would lose text.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from corpora.errors import UsageError
from corpora.writing import write_text
from nlp.core.tokens.vocabulary import (
    BYTE_TO_CHARACTER,
    END_OF_TEXT,
    PRE_TOKENIZERS,
    Vocabulary,
    from_alphabet,
    to_alphabet,
)

# The names of GPT-2's two files: at the Hugging Face Hub, and as OpenAI published them.
GPT2_FILES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))


def read_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a file or of a folder, in whichever of the formats it is."""
    if path.suffix == ".tiktoken" and not path.is_dir():
        return read_tiktoken(path, "gpt4", (END_OF_TEXT,))
    if not path.is_dir():
        return read_tokenizer_json(path)
    if (path / "tokenizer.json").exists():
        return read_tokenizer_json(path / "tokenizer.json")
    for vocab, merges in GPT2_FILES:
        if (path / vocab).exists():
            return read_gpt2(path / vocab, path / merges, (END_OF_TEXT,))
    raise UsageError(
        f"{path}: found neither tokenizer.json nor GPT-2's vocab.json and merges.txt in this "
        "folder. Name the file itself, or another folder."
    )


def read_tokenizer_json(path: Path) -> Vocabulary:
    """The vocabulary in a Hugging Face `tokenizer.json`; `UsageError` for a kind we cannot keep."""
    document = _read_json(path)
    model = document.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), (dict, list)):
        raise UsageError(
            f"{path} is no tokenizer.json: it has no 'model' with a 'vocab'. "
            "Expected a file written by Tokenizer.save or by Hugging Face tokenizers."
        )
    if model.get("type", "BPE") != "BPE" or not isinstance(model["vocab"], dict):
        raise UsageError(f"{path} holds a {model.get('type')} tokenizer; only BPE can be read.")
    reason = _lossy(document, model)
    if reason:
        raise UsageError(f"{path} holds a tokenizer that would not give text back: {reason}.")
    try:
        merges = [_pair(merge) for merge in model.get("merges", ())]
        added = {token["content"]: int(token["id"]) for token in document.get("added_tokens") or ()}
        tokens = {
            str(token): int(index) for token, index in model["vocab"].items() if token not in added
        }
    except (TypeError, KeyError, ValueError) as error:
        raise UsageError(f"{path} is damaged: its tokens or merges cannot be read.") from error
    ids = [*tokens.values(), *added.values()]
    if not ids or min(ids) < 0 or len(set(ids)) != len(ids):
        raise UsageError(f"{path} is damaged: no tokens, or two tokens with the same id.")
    needed = (part for left, right in merges for part in (left, right, left + right))
    unknown = next((part for part in needed if part not in tokens), None)
    if unknown is not None:
        raise UsageError(f"{path} is damaged: a merge needs {unknown!r}, which has no id.")
    byte_level = document.get("pre_tokenizer") is not None
    if byte_level:
        kind = "bpe" if merges or document["pre_tokenizer"].get("use_regex", True) else "bytes"
        missing = [character for character in BYTE_TO_CHARACTER if character not in tokens]
        if missing:
            raise UsageError(
                f"{path} has no token for {len(missing)} of the 256 bytes, "
                "so some text would be lost. Expected a byte-level vocabulary."
            )
    else:
        kind = "characters"
    return Vocabulary(
        kind=kind,
        tokens=tokens,
        merges=merges,
        special_tokens=added,
        pre_tokenizer=_explicit(document["pre_tokenizer"]) if byte_level else None,
        byte_fallback=bool(model.get("byte_fallback")) and not byte_level,
        ignore_merges=bool(model.get("ignore_merges")),
    )


def write_tokenizer_json(vocabulary: Vocabulary, path: Path) -> None:
    """Write `tokenizer.json`, readable by `tokenizers.Tokenizer.from_file` with the same ids."""
    write_text(path, json.dumps(vocabulary.document(), ensure_ascii=False, indent=1) + "\n")


def _lossy(document: Mapping[str, Any], model: Mapping[str, Any]) -> str | None:
    """Why decoding would not return the text, or None."""
    if document.get("normalizer") is not None:
        return f"it normalises text ({document['normalizer'].get('type')})"
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            return f"it marks pieces with {name}={model[name]!r}"
    rule = document.get("pre_tokenizer")
    if rule is None:
        merges = model.get("merges")
        return "it merges without a byte-level pre-tokenizer" if merges else None
    steps = rule.get("pretokenizers", []) if rule.get("type") == "Sequence" else [rule]
    if not steps or steps[-1].get("type") != "ByteLevel":
        return f"its pre-tokenizer ({rule.get('type')}) is not byte-level"
    if steps[-1].get("add_prefix_space"):
        return "it adds a space before the text"
    for step in steps[:-1]:
        if step.get("type") not in ("Split", "Digits", "Punctuation"):
            return f"its pre-tokenizer has a {step.get('type')} step"
        if step.get("behavior") == "Removed":
            return "its pre-tokenizer removes text"
    return None


def _explicit(rule: dict[str, Any]) -> dict[str, Any]:
    """The pre-tokenizer with what older files leave unsaid: ByteLevel uses its pattern."""
    if rule["type"] == "Sequence":
        return {**rule, "pretokenizers": [_explicit(step) for step in rule["pretokenizers"]]}
    return {"use_regex": True, **rule} if rule["type"] == "ByteLevel" else rule


def _pair(merge: Any) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist; expected a tokenizer file there.") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; expected a tokenizer file.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text; expected a tokenizer file.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{path} is not complete JSON (line {error.lineno}: {error.msg}); "
            "it may be cut short. Save or copy the tokenizer again."
        ) from None
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds a JSON {type(document).__name__}; expected an object.")
    return document


def _with_special(
    tokens: Mapping[str, int], special: Sequence[str] | Mapping[str, int]
) -> dict[str, int]:
    """Ids of the special tokens: as given, else as in `tokens`, else the next free ones."""
    if isinstance(special, Mapping):
        return dict(special)
    ids: dict[str, int] = {}
    following = 1 + max(tokens.values(), default=-1)
    for token in dict.fromkeys(special):
        if token in tokens:
            ids[token] = tokens[token]
        else:
            ids[token] = following
            following += 1
    return ids


def read_gpt2(
    vocab: Path, merges: Path, special_tokens: Sequence[str] | Mapping[str, int]
) -> Vocabulary:
    """The vocabulary in GPT-2's two files; a special token without an id gets the next free one."""
    tokens = _read_json(vocab)
    lines = _read_text(merges).split("\n")
    pairs = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        parts = line.rstrip("\r").split(" ")
        if len(parts) != 2 or any(p not in tokens for p in (*parts, parts[0] + parts[-1])):
            raise UsageError(
                f"{merges}, line {number}: {line!r} is no merge of tokens in {vocab}; "
                "expected two tokens with one space between them."
            )
        pairs.append((parts[0], parts[1]))
    if any(not isinstance(index, int) for index in tokens.values()) or any(
        character not in tokens for character in BYTE_TO_CHARACTER
    ):
        raise UsageError(f"{vocab} is no vocab.json of GPT-2's kind: single bytes have no ids.")
    special = _with_special(tokens, special_tokens)
    return Vocabulary(
        kind="bpe",
        tokens={token: index for token, index in tokens.items() if token not in special},
        merges=pairs,
        special_tokens=special,
        pre_tokenizer=PRE_TOKENIZERS["gpt2"],
    )


def write_gpt2(vocabulary: Vocabulary, vocab: Path, merges: Path) -> None:
    """Write `vocab.json` and `merges.txt`, which say nothing of the pattern: it must be GPT-2's."""
    if vocabulary.kind == "characters" or vocabulary.pattern == "gpt4":
        raise UsageError(
            "GPT-2's files mean byte-level BPE with GPT-2's pattern; this tokenizer has "
            f"kind {vocabulary.kind!r} and pattern {vocabulary.pattern!r}. Save tokenizer.json."
        )
    tokens = {**vocabulary.tokens, **vocabulary.special_tokens}
    write_text(vocab, json.dumps(tokens, ensure_ascii=False))
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in vocabulary.merges), ""]
    write_text(merges, "\n".join(lines))


def read_tiktoken(
    path: Path, pattern: str, special_tokens: Sequence[str] | Mapping[str, int]
) -> Vocabulary:
    """The vocabulary in a tiktoken rank file: ranks are the ids, merges follow from them."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise UsageError(
                f"{path}, line {number}: expected a base64 token and its rank, found {line[:60]!r}."
            ) from None
    missing = sum(bytes([byte]) not in ranks for byte in range(256))
    if missing or len(set(ranks.values())) != len(ranks):
        raise UsageError(
            f"{path} is no complete rank file: {missing} of the 256 bytes have no rank, "
            f"{len(ranks)} tokens, {len(set(ranks.values()))} different ranks."
        )
    merges, whole = merges_of_ranks(ranks)
    tokens = {to_alphabet(token): rank for token, rank in ranks.items()}
    return Vocabulary(
        kind="bpe",
        tokens=tokens,
        merges=[(to_alphabet(left), to_alphabet(right)) for left, right in merges],
        special_tokens=_with_special(tokens, special_tokens),
        pre_tokenizer=PRE_TOKENIZERS[pattern],
        ignore_merges=whole,
    )


def write_tiktoken(vocabulary: Vocabulary, path: Path) -> None:
    """Write the ranks, which are the ids; special tokens are not part of the format.

    tiktoken merges whichever pair gives the token of lowest rank, so the file can only stand for
    merges that follow from the order of the ids; `UsageError` for a vocabulary where they do not.
    """
    if vocabulary.kind == "characters":
        raise UsageError("A tiktoken file holds byte-level tokens; this tokenizer has characters.")
    ranks = {from_alphabet(token): index for token, index in vocabulary.tokens.items()}
    merges, _ = merges_of_ranks(ranks)
    ours = [(from_alphabet(left), from_alphabet(right)) for left, right in vocabulary.merges]
    if merges != ours:
        raise UsageError(
            "The merges of this tokenizer do not follow from the order of its ids, which is all "
            "that a tiktoken file can say. Save tokenizer.json instead."
        )
    lines = sorted((rank, base64.b64encode(token).decode()) for token, rank in ranks.items())
    write_text(path, "".join(f"{token} {rank}\n" for rank, token in lines))


def merges_of_ranks(ranks: Mapping[bytes, int]) -> tuple[list[tuple[bytes, bytes]], bool]:
    """The merges that a rank file implies, and whether some tokens are reached by no merge.

    A token's merge is the pair left over when its bytes are merged by the lower ranks alone.
    """
    merges = []
    unreachable = False
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) == 1:
            continue
        parts = [bytes([byte]) for byte in token]
        while len(parts) > 2:
            candidates = [
                (ranks.get(left + right, rank), position)
                for position, (left, right) in enumerate(pairwise(parts))
            ]
            best, position = min(candidates)
            if best >= rank:
                break
            parts[position : position + 2] = [parts[position] + parts[position + 1]]
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
        else:
            unreachable = True
    return merges, unreachable
