"""The one exception for mistakes that a user can mend."""

from __future__ import annotations


class UsageError(ValueError):
    """A mistake in what the user typed or supplied, told in one line.

    The message says what was found, what was expected, where, and what to do. The command line
    prints it without a traceback and exits with status 2; a Python caller catches a `ValueError`.
    """
