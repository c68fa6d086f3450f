"""Models of the Hugging Face Hub on this disk: resumable, and every file as the hub has it.

    the hub's list of files ─► size, SHA-256 (git's SHA-1 of small files)
            each file ─► NAME.incomplete ─► hash compared ─► its place

What was killed goes on where it stopped: `huggingface_hub` alone begins a file anew. Nothing that
does not have the hub's hash ever gets a place, and nothing that is fetched is code.

Without a folder of the user's files go into the hub's own cache, where other libraries find them
and leave theirs: files there are named by their hash.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from corpora.errors import UsageError, writing_to

# Names that go without their owner.
NAMES = {
    name: f"openai-community/{name}" for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
}
# What models of other libraries have beside the files that ours have, as globs.
PRETRAINED = (
    *("model.safetensors.index.json", "model-*-of-*.safetensors", "generation_config.json"),
    *("vocab.json", "merges.txt", "special_tokens_map.json"),
    *("added_tokens.json", "tokenizer.model", "spiece.model"),
)
WEIGHTS = (".safetensors", ".gguf")
PARTS = ".incomplete"  # the folder of files that are not yet whole
# Why weights of the older kind are refused, and what to do.
CONVERT = (
    "that can run any code and is never opened here: convert it once with transformers, "
    "AutoModelForCausalLM.from_pretrained(...).save_pretrained(FOLDER)"
)
_UNREACHABLE = re.compile("Connect|Timeout|Offline|LocalEntry|IncompleteSnapshot")


@dataclass(frozen=True)
class HubFile:
    """A file as the hub describes it."""

    name: str  # its path in the repository
    size: int  # bytes
    digest: str  # hexadecimal: SHA-256 of large files, git's SHA-1 of others; "" where untold
    model: str  # OWNER/NAME
    revision: str  # the commit that it was found in


@dataclass(frozen=True)
class Download:
    """What `download` leaves: every file in `folder` has the size and hash of the hub."""

    model: str
    folder: Path
    files: list[HubFile]
    fetched: list[str]  # names of those that were not there
    remarks: list[str] = field(default_factory=list)


def full_name(name: str) -> str | None:
    """OWNER/NAME of what could be a model of the hub, None for any other text."""
    name = NAMES.get(name, name)
    is_name = all(name.partition("/")[::2]) and name.count("/") == 1
    is_name = is_name and not name.startswith((".", "~"))
    return name if is_name else None


def split_gguf(name: str) -> tuple[str, str | None]:
    """A model's name, and the file of it that OWNER/NAME/FILE.gguf names."""
    owner, model, file = [*name.split("/", 2), "", ""][:3]
    return (f"{owner}/{model}", file) if file.endswith(".gguf") else (name, None)


def files_of(name: str, patterns: Sequence[str]) -> list[HubFile]:
    """The files of a model that match, as the hub tells. Fails in the hub's ways."""
    from huggingface_hub import HfApi

    told = HfApi().model_info(name, files_metadata=True)
    files = [
        HubFile(
            one.rfilename,
            one.size or 0,
            one.lfs.sha256 if one.lfs else one.blob_id or "",
            name,
            told.sha or "main",
        )
        for one in told.siblings or []
    ]
    return _of_a_model(name, files, patterns)


def _of_a_model(name: str, files: Sequence[HubFile], patterns: Sequence[str]) -> list[HubFile]:
    """Those that match; `UsageError` where there are no weights that can be read among them."""
    from huggingface_hub.utils import filter_repo_objects

    wanted = list(filter_repo_objects(files, allow_patterns=list(patterns), key=_name))
    for file in wanted:
        path = PurePosixPath(file.name)
        if path.is_absolute() or ".." in path.parts or "\\" in file.name:
            raise UsageError(f"{name} has a file named {file.name!r}: nothing was fetched")
    if any(file.name.endswith(WEIGHTS) for file in wanted):
        return wanted
    names = [file.name for file in files]
    if ggufs := [one for one in names if one.endswith(".gguf")]:
        found = f"{', '.join(ggufs[:9])}: name one of them, {name}/{ggufs[0]}"
    elif pickled := [one for one in names if one.endswith((".bin", ".pt", ".pth"))]:
        found = f"{pickled[0]}, {CONVERT}"
    else:
        found = f"{', '.join(names[:9]) or 'nothing'}: expected model.safetensors"
    raise UsageError(f"{name} has no weights that can be read here, only {found}")


def _name(file: HubFile) -> str:
    return file.name


def cached(name: str, patterns: Sequence[str]) -> Path:
    """The folder of a model in the hub's cache, brought up to date where the hub can be reached.

    Files that are there are taken for whole where their size is right; those that are fetched are
    compared with the hub's hash.

    Raises:
        UsageError: there is no such model, or it is not here and the hub cannot be reached.
    """
    import huggingface_hub

    try:
        files = files_of(name, patterns)
    except UsageError:
        raise
    except Exception:  # without the hub the cache has to do; what is wrong is told below
        files = []
    for file in files:
        place = _cached(file)
        if file.digest and not _has_size(place, file):
            place.unlink(missing_ok=True)
            with writing_to(place):
                _fetch(file, place, place.parent)
    try:
        with _without_bars():  # there is nothing left to fetch
            return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(patterns)))
    except Exception as error:  # the network fails in as many kinds as there are libraries
        raise UsageError(
            f"{name} is neither a folder here nor a model that the Hugging Face Hub gives: "
            f"{_reason(name, error)}"
        ) from error


def download(
    name: str,
    patterns: Sequence[str],
    *,
    to: str | Path | None = None,
    progress: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Download:
    """Fetches a model, or what is missing of it, and compares every file with the hub's hash.

    Args:
        patterns: globs of the names of the files that are wanted.
        to: a folder to put them into; without it the cache, where a model is found by its name.
            Files in that folder that differ from the hub's are left alone and named.
        progress: whether to draw a bar of each file's bytes on stderr.
        report: is told of each file that is there.

    Raises:
        UsageError: in one line: no such model, no network, no space, a file that arrived damaged
            (it is deleted, so that the next call fetches it again).
    """
    hub_id = full_name(name)
    if hub_id is None:
        raise UsageError(
            f"{name!r} is no name of the Hugging Face Hub: expected OWNER/NAME, or one of "
            f"{', '.join(NAMES)}"
        )
    name = hub_id
    try:
        files = files_of(name, patterns)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"{name} is no model that the Hugging Face Hub gives: {_reason(name, error)}"
        ) from error
    folder = None if to is None else Path(to).expanduser()
    places = {file: _cached(file) if folder is None else folder / file.name for file in files}
    missing, remarks = [], []
    for file, place in places.items():
        if not file.digest:
            raise UsageError(f"{name}: the hub tells no hash of {file.name}: it cannot be compared")
        if not place.exists():
            missing.append(file)
        elif _digest_of(place, file) == file.digest:
            report(f"{file.name}: was there, {file.size:,} bytes, its hash is right")
        elif folder is not None:
            raise UsageError(
                f"{place} is there and is not the hub's (damaged, older, or another's): "
                "move it away or give another folder"
            )
        else:
            place.unlink()
            missing.append(file)
            remarks.append(f"{file.name} was damaged in the cache: deleted, to be fetched again")
            report(remarks[-1])
    for file in missing:
        place = places[file]
        with writing_to(place), _without_bars(not progress):
            _fetch(file, place, place.parent if folder is None else folder / PARTS)
        report(f"{file.name}: fetched, {file.size:,} bytes, its hash is right")
    if folder is None:
        folder = cached(name, patterns)  # which links them
    else:
        shutil.rmtree(folder / PARTS, ignore_errors=True)
    return Download(name, folder, files, [file.name for file in missing], remarks)


def digest(path: Path, *, sha256: bool = True) -> str:
    """The SHA-256 of a file, or else the SHA-1 that git gives it; hexadecimal."""
    with path.open("rb") as file:
        if sha256:
            return hashlib.file_digest(file, "sha256").hexdigest()
        content = file.read()  # git's own are small
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _digest_of(path: Path, file: HubFile) -> str:
    return digest(path, sha256=len(file.digest) == 64)


def _cached(file: HubFile) -> Path:
    """Where the hub's cache has a file, or will have it."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    found = try_to_load_from_cache(file.model, file.name, revision=file.revision)
    if isinstance(found, str):  # a link to the place below, or a file where there are no links
        return Path(found).resolve()
    folder = repo_folder_name(repo_id=file.model, repo_type="model")
    return Path(constants.HF_HUB_CACHE).expanduser() / folder / "blobs" / file.digest


def _has_size(place: Path, file: HubFile) -> bool:
    return place.is_file() and place.stat().st_size == file.size


def _fetch(file: HubFile, place: Path, parts: Path) -> None:
    """Fetches a file to `place`; what is there of it lies in the folder `parts` until it is whole.

    Its name there is its hash: a file that changes at the hub is not continued with another's end.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import WeakFileLock, build_hf_headers

    for folder in (place.parent, parts):
        folder.mkdir(parents=True, exist_ok=True)
    part = parts / f"{file.digest}.incomplete"
    lock = parts / f"{file.digest}.lock"
    with WeakFileLock(lock):
        if _has_size(place, file):  # another process was faster
            return
        if part.exists() and part.stat().st_size > file.size:
            part.unlink()
        with part.open("ab") as stream:
            there = stream.tell()
            _check_space(parts, file.size - there, file)
            try:
                if there < file.size:
                    http_get(
                        hf_hub_url(file.model, file.name, revision=file.revision),
                        stream,
                        resume_size=there,
                        headers=build_hf_headers(),
                        expected_size=file.size,
                        displayed_filename=file.name,
                    )
            except Exception as error:
                stream.flush()
                reason, done = _reason(file.model, error), stream.tell()
                raise UsageError(
                    f"{file.model}: {file.name} stopped at {done:,} of {file.size:,} bytes "
                    f"({reason}): the next call goes on from there"
                    if done
                    else f"{file.model}: {file.name} was not given: {reason}"
                ) from error
        found = _digest_of(part, file)
        if found != file.digest:
            part.unlink()
            raise UsageError(
                f"{file.model}: {file.name} arrived damaged (its hash is {found[:12]}, the hub's "
                f"{file.digest[:12]}) and was deleted: the next call fetches it again"
            )
        part.replace(place)
    lock.unlink(missing_ok=True)


def _check_space(folder: Path, needed: int, file: HubFile) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UsageError(
            f"{file.name} needs {needed:,} bytes more, and {free:,} are free at {folder}: "
            "make room there or choose another place"
        )


@contextmanager
def _without_bars(wanted: bool = True) -> Iterator[None]:
    from huggingface_hub import utils

    change = wanted and not utils.are_progress_bars_disabled()
    if change:
        utils.disable_progress_bars()
    try:
        yield
    finally:
        if change:
            utils.enable_progress_bars()


def _reason(name: str, error: Exception) -> str:
    """Why the hub did not answer, in one line."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, GatedRepoError):
        return f"accept its terms at https://huggingface.co/{name} and log in, `hf auth login`"
    if isinstance(error, RepositoryNotFoundError):
        return "there is none of that name, or it is private (log in with `hf auth login`)"
    if _UNREACHABLE.search(type(error).__name__):
        return f"the hub cannot be reached ({line})"
    return line
