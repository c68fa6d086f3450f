"""Translation memories: the same units as another reader finds, and no harm from hostile ones."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pair_files import EN_DE, PAIRS, as_tmx, complaint, texts, write

from corpora import tmx
from corpora.pairs import Pair, read_pairs
from corpora.sentence import Tally
from corpora.text import File


def test_units_are_those_of_element_tree(tmp_path: Path) -> None:
    """A second reader of the same file: the standard library's."""
    file = write(tmp_path, ".tmx", PAIRS * 20)
    expected = [
        {
            tuv.attrib["{http://www.w3.org/XML/1998/namespace}lang"]: tuv.findtext("seg")
            for tuv in unit.iter("tuv")
        }
        for unit in ElementTree.parse(file).iter("tu")
    ]
    assert [unit.texts for unit in tmx.units(File(file, "a"), Tally())] == expected


def test_a_translation_memory_of_many_languages(tmp_path: Path) -> None:
    file = tmp_path / "a.tmx"
    body = (
        '<tu><tuv lang="EN_gb"><seg>a<bpt i="1">&lt;b<sub>x</sub>></bpt>b<ept i="1"/> <hi>c</hi>'
        '<ph>\\f</ph></seg></tuv><tuv xml:lang="fr"><seg>d</seg></tuv>'
        '<tuv xml:lang="de-CH"><seg>e</seg></tuv></tu>\n'
        '<tu><tuv xml:lang="en"><seg>f</seg></tuv></tu>\n'
        '<tu><tuv xml:lang="en"><seg>g</seg></tuv><tuv xml:lang="en-US"><seg>h</seg></tuv>'
        '<tuv xml:lang="de"><seg>i</seg></tuv><tuv xml:lang="de"><seg>j</seg></tuv></tu>\n'
        '<tu><tuv xml:lang="en"><seg></seg></tuv><tuv xml:lang="de"><seg>k</seg></tuv></tu>\n'
    )
    file.write_text(f'<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx><body>{body}</body></tmx>')
    corpus = read_pairs(file, **EN_DE)
    assert corpus.pairs == [
        Pair("ab c", "e", f"{file}, line 2"),
        Pair("g", "i", f"{file}, line 4"),
    ]
    assert corpus.remarks == [
        f"formatting codes in texts left out: 3 (first: {file}, line 2)",
        f"texts in a language that the unit has already, left out: 1 ({file}, line 4)",
        f"translation units without 'de' left out: 1 ({file}, line 3)",
        f"translation units with several texts of a language, the first read: 1 ({file}, line 4)",
        f"pairs with an empty source left out: 1 ({file}, line 5)",
    ]
    told = complaint(file)
    assert "no translation unit is in 'source' and 'target'" in told
    assert "EN_gb, fr, de-CH, en, en-US, de" in told
    assert texts(read_pairs(file, source_column="de-CH", target_column="fr")) == [("e", "d")]


BOMB = '<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>\n'
THIEF = '<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (as_tmx(PAIRS)[:-40], "line 8: no XML (unclosed token)"),
        (as_tmx(PAIRS)[:-15], "line 8: no XML (no element found)"),
        (as_tmx(PAIRS).replace("</seg>", "", 1), "line 3: no XML (mismatched tag)"),
        (as_tmx(PAIRS, BOMB), "line 2: the file declares an entity, 'a'"),
        (as_tmx(PAIRS, THIEF), "line 2: the file declares an entity, 'a'"),
        (as_tmx(PAIRS).replace("Good", "&nbsp;"), "line 3: no XML (undefined entity)"),
        (
            as_tmx(PAIRS, '<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n').replace("Good", "&nbsp;"),
            "line 4: &nbsp; stands for nothing that is known",
        ),
        (as_tmx(PAIRS).replace('xml:lang="de"', "", 1), "line 4: a <tuv> without its language"),
        ("<html><p>a</p></html>", "line 1: <html> was found, and <tmx> was expected"),
        ("no XML", "line 1: no XML"),
        (as_tmx([]), "there is no pair in it"),
        ('<?xml version="1.0" encoding="klingon"?><tmx/>', "line 1: no XML (unknown"),
    ],
)
def test_damaged_translation_memories(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "a.tmx").write_text(content, encoding="utf-8")
    assert f"a.tmx{', ' if 'line' in expected else ': '}{expected}" in complaint(
        tmp_path / "a.tmx", **EN_DE
    )


def test_encodings_of_translation_memories(tmp_path: Path) -> None:
    content = as_tmx(PAIRS[1:2])
    (tmp_path / "a.tmx").write_text(content, encoding="utf-16")
    (tmp_path / "b.tmx").write_text(
        content.replace('"1.0"', '"1.0" encoding="ISO-8859-1"', 1), encoding="latin-1"
    )
    (tmp_path / "c.tmx").write_text(content, encoding="latin-1")
    (tmp_path / "d.tmx.gz").write_bytes(gzip.compress(content.encode()))
    for name in ("a.tmx", "b.tmx", "d.tmx.gz"):
        assert texts(read_pairs(tmp_path / name, **EN_DE)) == PAIRS[1:2]
    told = complaint(tmp_path / "c.tmx", **EN_DE)
    assert "c.tmx, line 4: no XML (not well-formed (invalid token))" in told
    assert "encoding that its first line declares" in told


def test_translation_memories_are_not_held_whole(tmp_path: Path) -> None:
    (tmp_path / "a.tmx").write_text(as_tmx([("word " * 2000, "wort " * 2000)] * 1000))
    tracemalloc.start()
    count = sum(1 for _ in tmx.units(File(tmp_path / "a.tmx", "a"), Tally()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1000
    assert peak < 10e6  # of 20 MB
