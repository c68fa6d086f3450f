"""De-tokenizers: what people would write, and exactly back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.detokenizers import STYLES, Detokenizer
from corpora.errors import UsageError

# What the rules look at, in and out of place.
SAMPLES = r"""
a I Mr. U.S. dogs don 's 't n't @-@ @,@ @.@ = == ' " 's. ( ) [ ] . , ; : ! ? % $ <unk> 12 1,000 3.5
co-star o'clock O 'Brien -- … ... `` '' -LRB- '90s (s) ='= "'"
"""
TOKENS = st.one_of(
    st.sampled_from(SAMPLES.split()),
    st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=4),
    st.text("ab'.,-\"()s=12@", min_size=1, max_size=5),
).filter(lambda token: token.split() == [token])


@given(
    st.lists(st.lists(TOKENS, max_size=12), max_size=4), st.sampled_from(["wikitext", "ptb", "1bw"])
)
def test_every_line_comes_back(lines: list[list[str]], style: str) -> None:
    published = [" ".join(line) for line in lines]
    detokenizer = Detokenizer(style, published)
    assert [detokenizer.retokenize(detokenizer.detokenize(line)) for line in published] == published


@pytest.mark.parametrize(
    ("style", "published", "text"),
    [
        ("wikitext", " = = Career = = ", "== Career =="),
        ("wikitext", " <unk> 's co @-@ star paid $ 1 @,@ 000 . ", "<unk>'s co-star paid $1,000."),
        ("wikitext", 'as " Craig " in " Teddy \'s Story " ,', 'as "Craig" in "Teddy\'s Story",'),
        ("wikitext", "Mr. O 'Brien can 't ( at 3 @.@ 5 % ) .", "Mr. O'Brien can't (at 3.5%)."),
        ("wikitext", "the dogs ' tails ; they [ sic ] wag", "the dogs' tails; they [sic] wag"),
        ("ptb", "mr. <unk> did n't say it 's $ N million", "mr. <unk> didn't say it's $N million"),
        ("1bw", "\" We 're not , \" he said .", '"We\'re not," he said.'),
        ("treebank", "`` I ca n't , '' said T -LRB- 5 -RRB- .", '"I can\'t," said T (5).'),
        ("plain", "  as  it is ", "  as  it is "),
    ],
)  # fmt: skip
def test_text_is_as_people_write_it(style: str, published: str, text: str) -> None:
    detokenizer = Detokenizer(style, [published])
    assert detokenizer.detokenize(published) == text
    if style not in ("treebank", "plain"):
        assert detokenizer.retokenize(text) == " ".join(published.split())


def test_a_whole_token_that_would_be_parted_is_kept() -> None:
    lines = ["See J. Smith .", "He is called J ."]
    detokenizer = Detokenizer("wikitext", lines)
    assert detokenizer.kept == {"J."}
    assert [detokenizer.detokenize(line) for line in lines] == ["See J. Smith.", "He is called J ."]


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(UsageError, match="expected plain, wikitext"):
        Detokenizer("moses")
    with pytest.raises(UsageError, match="no inverse"):
        Detokenizer("treebank").retokenize("so")
    assert set(STYLES) == {"plain", "wikitext", "ptb", "1bw", "treebank"}
