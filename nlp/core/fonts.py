"""Fonts that pictures write words with, whatever their script."""

from __future__ import annotations

# For what matplotlib's own font lacks (Chinese, Japanese, Korean, Indian), if they are installed.
_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans", "WenQuanYi Zen Hei"),
    *("PingFang SC", "Hiragino Sans", "Arial Unicode MS", "Droid Sans Fallback", "Unifont"),
)


def installed_fonts() -> tuple[list[str], set[str]]:
    """The fonts to write names in, the first one that has a letter writes it; and all letters."""
    from matplotlib import font_manager

    files = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    families = ["DejaVu Sans", *(font for font in _FONTS if font in files)]
    charmaps = [font_manager.get_font(files[family]).get_charmap() for family in families]
    return families, {chr(code) for charmap in charmaps for code in charmap}
