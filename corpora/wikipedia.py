"""The bundled text, `wikipedia-sample`: 106 articles of the English Wikipedia, as plain files.

The articles travel inside the gensim package, as the first part of a dump in Wikipedia's own
markup. They are turned into prose once and kept in the user's cache folder, a file an article,
in the folders `train`, `validation` and `test`.

The split is fixed: of the articles in the dump's order, counted from 0 and without redirects,
those whose number ends in 7 are for validation, those whose number ends in 2 for the test and the
others for training. That gives 81%, 10% and 10% of the 448,000 words.
"""

from __future__ import annotations

import bz2
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from corpora.errors import UsageError, writing_to
from corpora.wikitext import prose

NAME = "wikipedia-sample"
SPLITS = ("train", "validation", "test")
LICENCE = (
    "The articles of wikipedia-sample were written by the contributors of Wikipedia "
    "(https://en.wikipedia.org; each article's page lists its authors under 'View history') and "
    "are licensed under the Creative Commons Attribution-ShareAlike 3.0 licence, CC BY-SA 3.0 "
    "(https://creativecommons.org/licenses/by-sa/3.0/). They were changed: the markup was turned "
    "into plain text, and tables, references and pictures were left out."
)
CACHE_VARIABLE = "UNROLLED_CACHE"
VERSION = 1  # of the prepared text; to be raised when `prose` or the split changes
_DUMP = "enwiki-latest-pages-articles1*-shortened.bz2"


def cache_folder() -> Path:
    """Where prepared texts are kept: `$UNROLLED_CACHE`, or the platform's user cache folder."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("unrolled"))


def sample_folder() -> Path:
    """The folder with the prepared articles, made on the first call (about two seconds).

    Several processes may call it at once: each prepares a folder of its own, the first one to
    rename it into place wins and the others throw theirs away.
    """
    cache = cache_folder()
    folder = cache / f"{NAME}-{VERSION}"
    if folder.is_dir():
        return folder
    with writing_to(cache):
        cache.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=cache))
    try:
        with writing_to(cache):
            _write(partial)
            try:
                partial.rename(folder)
            except OSError:
                if not folder.is_dir():  # otherwise another process was faster
                    raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def articles() -> Iterator[tuple[str, str]]:
    """Title and text of each article in the dump's order. The text begins with the title."""
    from gensim.corpora import wikicorpus

    with bz2.open(_dump()) as stream:
        for title, markup, _ in wikicorpus.extract_pages(stream):
            if not markup.lstrip().upper().startswith("#REDIRECT"):
                yield title, f"{title}\n\n{prose(markup)}\n"


def split_of(number: int) -> str:
    """The split of the article with this number, counted from 0 in the dump's order."""
    return {7: "validation", 2: "test"}.get(number % 10, "train")


def _write(folder: Path) -> None:
    folder.chmod(0o755)
    for split in SPLITS:
        (folder / split).mkdir()
    for number, (title, text) in enumerate(articles()):
        name = re.sub(r"[^\w().-]+", "_", title)
        file = folder / split_of(number) / f"{number:03}-{name}.txt"
        file.write_bytes(text.encode("utf-8"))
    (folder / "LICENCE.txt").write_bytes(f"{LICENCE}\n".encode())


def _dump() -> Path:
    package = importlib.util.find_spec("gensim")
    found = (
        sorted((Path(package.origin).parent / "test" / "test_data").glob(_DUMP))
        if package and package.origin
        else []
    )
    if not found:
        raise UsageError(
            f"{NAME}: the installed gensim holds no sample of Wikipedia ({_DUMP}); "
            "install it from PyPI with `pip install --force-reinstall gensim`"
        )
    return found[0]
