# ruff: noqa: RUF001 (signs of many scripts are what is tested)
"""Words of raw text: what they are, and that nothing of a text is lost between them."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nlp.core.tokens.word_splitter import words_of


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in words_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Penn Treebank: the examples of its tokenization guide, but for quotation marks.
        ("children's parents' don't gonna", "children|'s|parents|'|do|n't|gonna"),
        ("They'll I'm I’ve WON'T O'Brien", "They|'ll|I|'m|I|’ve|WO|N'T|O'Brien"),
        ("Did n't he ? It 's .", "Did|n't|he|?|It|'s|."),  # split before
        ("U.S. troops, e.g. J. Smith and D.C", "U.S.|troops|,|e.g.|J.|Smith|and|D.C"),
        ("Mr. Smith, St. John. No. 5? No.", "Mr.|Smith|,|St.|John|.|No.|5|?|No|."),
        ("$3.14 1,000,000 12:30 11/5/17 6–3 -5%", "$|3.14|1,000,000|12:30|11/5/17|6–3|-|5|%"),
        ("well-known AT&T rock'n'roll and/or", "well-known|AT&T|rock'n'roll|and|/|or"),
        ("wait... no -- yes — (maybe)!!", "wait|...|no|--|yes|—|(|maybe|)|!|!"),
        ("https://a.org/b?c=d, www.x.de. t.co/Xy1!", "https://a.org/b?c=d|,|www.x.de|.|t.co/Xy1|!"),
        ("jo.a+b@ex-am.co.uk. x.com. End.Next", "jo.a+b@ex-am.co.uk|.|x.com|.|End|.|Next"),
        (".@you_1: #NLProc a@b #", ".|@you_1|:|#NLProc|a|@|b|#"),
        ("👩‍👩‍👧‍👦!🇩🇪🇫🇷👍🏽❤️1️⃣🏴󠁧󠁢󠁥󠁮󠁧󠁿x", "👩‍👩‍👧‍👦|!|🇩🇪|🇫🇷|👍🏽|❤️|1️⃣|🏴󠁧󠁢󠁥󠁮󠁧󠁿|x"),
        ("Zoe\u0308’s cafe\u0301 \u0301", "Zoe\u0308|’s|cafe\u0301|\u0301"),
        ("東京タワーへ, 한국어", "東|京|タワー|へ|,|한국어"),
        ("שלום, עולם. می\u200cخواهم؟ हिन्दी।", "שלום|,|עולם|.|می\u200cخواهم|؟|हिन्दी|।"),
        ("a\r\nb\tc\u00a0d\u200be\ufefff", "a|b|c|d|\u200b|e|\ufeff|f"),
        ("half \ud83d pair", "half|\ud83d|pair"),
        ("", ""),
        (" \r\n\t\u00a0\u2028", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert words(text) == (expected.split("|") if expected else [])


def check(text: str) -> None:
    """Between words, and before the first and after the last, there is white space or nothing."""
    end = 0
    for start, stop in words_of(text):
        assert end <= start < stop
        assert not text[end:start].strip()
        assert not any(sign.isspace() for sign in text[start:stop])
        end = stop
    assert not text[end:].strip()


PIECES = (
    *("👩", "👩‍👩‍👧", "🏽", "\u200d", "\ufe0f", "🇩", "🇩🇪", "\u20e3", "\U000e0067", "❤️"),
    *(
        "e\u0301",
        "\u0301",
        "שלום",
        "מ",
        "مرحبا",
        "می\u200c",
        "हिन्दी",
        "京",
        "へ",
        "タ",
        "ไทย",
        "\u0600",
    ),
    *("\r\n", "\n", "\t", " ", "\u00a0", "\u2028", "\x1c", "\x85", "\u3000", "\u200b", "\ufeff"),
    *(
        "a",
        "I",
        "don't",
        "n't",
        "'s",
        "’ll",
        "Mr.",
        "U.S",
        ".",
        ",",
        "'",
        "-",
        "&",
        "1",
        "3.14",
        "–",
    ),
    *("http://", "www.", "x.com", "/", "(", ")", "@", "#", "_", "a@b.de", "\0", "\ud83d", "%", '"'),
)


@given(st.one_of(st.text(st.characters()), st.lists(st.sampled_from(PIECES)).map("".join)))
@example("\u0600 \u0301")
@settings(max_examples=300)
def test_everything_but_white_space_is_in_one_word(text: str) -> None:
    check(text)


def test_every_character_is_a_word_or_white_space() -> None:
    check("".join(f"a{chr(code)} " for code in range(1, 0x3200)))
    check("".join(f"{chr(code)}x" for code in range(1, sys.maxunicode + 1, 17)))


TEXTS = st.lists(st.sampled_from(PIECES)).map("".join)


@given(TEXTS, st.sampled_from(["\n", "\r\n"]), TEXTS)
def test_lines_do_not_change_each_other(before: str, line_break: str, after: str) -> None:
    shift = len(before + line_break)
    moved = [(start + shift, end + shift) for start, end in words_of(after)]
    assert words_of(before + line_break + after) == words_of(before) + moved


@pytest.mark.parametrize(
    "piece",
    ["a.", "a", ".", "a@", "1,", "a'", "a-", "www.", "http://", "👩\u200d", "\u0301", "@.a"],
)
def test_time_grows_with_the_text_alone(piece: str) -> None:
    """Oniguruma gives up, which would end the program, where a pattern tries too much."""
    began = time.process_time()
    check(piece * 60_000)
    assert time.process_time() - began < 5
