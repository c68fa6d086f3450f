"""What the commands that look at pictures share: those that cannot be read, told in their place
and listed at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.format import harmless
from cli.translated import one_line

if TYPE_CHECKING:
    from vision.images import Refused


class Unreadable:
    """The pictures of a command that could not be read; the verb's `refused=`.

    Args:
        paths: all pictures, in their order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.reasons: dict[Any, str] = {}
        self._pending = iter(paths)

    def __call__(self, refused: Refused) -> None:
        self.reasons[refused.image] = refused.reason

    def before(self, image: Any = None) -> Iterator[dict[str, str]]:
        """A record for each that stands before this picture, which is the next that was read; with
        None for the rest."""
        from vision.images import name_of

        for path in self._pending:
            if path == image:
                return
            yield {"image": name_of(path), "error": self.reasons[path]}

    def tell(self) -> None:
        """Lists them, and ends the command with status 2, where there are some."""
        bad = [self.reasons[path] for path in self.paths if path in self.reasons]
        tell_refused(bad, len(self.paths))


def tell_refused(reasons: Sequence[str], total: int) -> None:
    """Lists why pictures could not be read, and exits with status 2 where there are some."""
    if not reasons:
        return
    count = "1 picture" if len(reasons) == 1 else f"{len(reasons):,} pictures"
    typer.echo(f"{count} of {total:,} could not be read:", err=True)
    for reason in reasons:
        typer.echo(f"  {one_line(harmless(reason))}", err=True)
    raise typer.Exit(2)
