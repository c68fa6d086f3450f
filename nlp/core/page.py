"""What pages of HTML share."""

from __future__ import annotations

import html
import re


def escaped(text: str) -> str:
    """Text as HTML. What no page can hold, a null or half a surrogate pair, becomes a sign."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", html.escape(text))
