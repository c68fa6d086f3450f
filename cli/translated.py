"""What `unrolled translate` reads, how it asks the model, and what it answers with."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import inputs
from corpora.errors import UsageError

if TYPE_CHECKING:
    from nlp.core.strategies import Beam, Greedy, Sampling
    from nlp.translator import Translator
    from nlp.translator.translation import Translation

AT_ONCE = 1024  # lines of a file; those of about the same length are translated together
BREAKS = re.compile("[\r\n]+")


def lines_of(sources: Sequence[str], encoding_errors: str) -> Iterator[list[str]]:
    """The lines of text files, many at a time; of standard input, -, as they come. A file that is
    missing is told before anything is read."""
    from corpora.reader import Options
    from corpora.text import File, lines

    Options(encoding_errors=encoding_errors).checked()
    for source in sources:
        if source != "-" and not Path(source).is_file():
            kind = "a folder" if Path(source).is_dir() else "missing"
            raise UsageError(f"{source} is {kind}: expected a file with a text a line")

    def groups() -> Iterator[list[str]]:
        for source in sources:
            if source == "-":
                yield from inputs.arriving_texts(["-"], encoding_errors)
                continue
            texts = lines(File(Path(source), source), encoding_errors)
            while group := list(islice(texts, AT_ONCE)):
                yield group

    return groups()


def strategy_of(
    *,
    n_best: int = 1,
    greedy: bool = False,
    beam_size: int | None = None,
    length_penalty: float = 1.0,
    coverage_penalty: float = 0.0,
    patience: float = 1.0,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    mbr: int | None = None,
    seed: int = 0,
) -> Beam | Greedy | Sampling:
    """The strategy that options name; those that would do nothing beside it are refused."""
    from nlp.core.strategies import Beam, Greedy, Sampling

    usual = Beam()
    beam = {
        "--beam-size": beam_size is not None,
        "--length-penalty": length_penalty != usual.length_penalty,
        "--coverage-penalty": coverage_penalty != usual.coverage_penalty,
        "--patience": patience != usual.patience,
    }
    drawing = {
        "--temperature": temperature is not None,
        "--top-k": top_k is not None,
        "--top-p": top_p is not None,
        "--mbr": mbr is not None,
    }
    drawn = next((name for name, is_given in drawing.items() if is_given), None)
    if greedy:
        others = {"--n-best": n_best != 1, "--seed": seed != 0}
        refuse({**beam, **drawing, **others}, "--greedy takes the likeliest piece each time")
        return Greedy()
    if drawn:
        refuse(beam, f"{drawn} draws translations, without a beam")
        return Sampling(1.0 if temperature is None else temperature, top_k, top_p)
    refuse({"--seed": seed != 0}, "nothing is drawn without --temperature, --top-k, --top-p, --mbr")
    if beam_size is not None and n_best > beam_size:
        raise UsageError(
            f"--n-best {n_best} takes a beam as wide: leave out --beam-size, or give {n_best}"
        )
    size = beam_size or max(usual.size, n_best)
    return Beam(size, length_penalty, coverage_penalty, patience)


def refuse(options: dict[str, bool], reason: str) -> None:
    """Refuse what was given and would do nothing, or something else than what was meant."""
    if given := [name for name, is_given in options.items() if is_given]:
        raise UsageError(f"{reason}: leave out {' and '.join(given)}")


def asker(
    model: Translator,
    others: Sequence[Translator],
    asked: dict[str, Any],
    *,
    prefix: str,
    mbr: int | None,
) -> Callable[[Sequence[str]], Iterator[Translation]]:
    """What answers texts, all in the same way, wherever they come from.

    Args:
        asked: of `nlp.translator.translation.translate`.
        mbr: samples of which the one is chosen that has most in common with the others.
    """
    from nlp.translator.translation import translate

    n_best = asked["n_best"]
    options = {**asked, "others": others, "n_best": mbr or n_best}

    def answer(texts: Sequence[str]) -> Iterator[Translation]:
        prefixes = [prefix] * len(texts) if prefix else None
        for found in translate(model, texts, prefixes=prefixes, **options):
            yield least_risk(found, n_best) if mbr else found

    list(answer([]))  # refuses what cannot be asked, before text is waited for
    return answer


def least_risk(found: Translation, n_best: int = 1) -> Translation:
    """Of the samples of a text the `n_best` different ones of least Bayes risk; the score of each
    is its mean chrF against all samples, 0 to 100."""
    from nlp.core.search.bayes_risk import choose

    samples = [found, *found.others]
    ranked: dict[str, Translation] = {}
    for number, utility in choose([one.text for one in samples]):
        one = dataclasses.replace(samples[number], score=utility, others=())
        ranked.setdefault(one.text, one)
    best, *others = ranked.values()
    return dataclasses.replace(best, others=tuple(others[: n_best - 1]))


def one_line(text: str) -> str:
    """A translation as a line of a file; line breaks in it, which a model may have learned, become
    spaces."""
    return BREAKS.sub(" ", text)


def text_lines(found: Translation, number: int, *, n_best: int, alignments: bool) -> str:
    """What is written of a translation: its line, or as Moses does it one for each of the n best,
    `number ||| text ||| score`; with its alignment in Pharaoh's format, ` ||| 0-0 1-2`, if wanted.
    """
    from nlp.core.translation.alignment import pharaoh

    lines = []
    for one in (found, *found.others) if n_best > 1 else (found,):
        parts = [one_line(one.text)]
        if n_best > 1:
            parts = [str(number), *parts, f"{one.score:.4f}"]
        if alignments:
            parts.append(pharaoh(one.alignment))
        lines.append(" ||| ".join(parts) + "\n")
    return "".join(lines)


def record(found: Translation, *, attention: bool = False) -> dict[str, Any]:
    """What `--json` tells of a translation; places are characters of the texts, from 0."""
    told = {
        "source": found.source,
        **_own_record(found, attention),
        "source_words": [
            {"text": found.source[start:end], "start": start, "end": end}
            for start, end in found.source_words
        ],
    }
    if found.others:
        told["others"] = [_own_record(other, attention) for other in found.others]
    return told


def _own_record(found: Translation, attention: bool) -> dict[str, Any]:
    words = zip(found.words, found.word_probabilities, strict=True)
    told: dict[str, Any] = {
        "translation": found.text,
        "score": found.score,
        "log_probability": found.log_probability,
        "finished": found.finished,
        "words": [
            {"text": found.text[start:end], "start": start, "end": end, "probability": probability}
            for (start, end), probability in words
        ],
        "alignment": found.alignment,
        "copied": [copy._asdict() for copy in found.copied],
    }
    if attention:
        weights = found.attention
        told["attention"] = None if weights is None else weights.astype(float).round(6).tolist()
    return told


def is_broken(found: Translation) -> bool:
    """Whether it holds line breaks, or one of its n best does."""
    return any(BREAKS.search(one.text) for one in (found, *found.others))


def words_of(found: Translation) -> tuple[list[str], list[str]]:
    """The words of the source and of the translation."""
    sides = ((found.source, found.source_words), (found.text, found.words))
    source, target = ([text[start:end] for start, end in places] for text, places in sides)
    return source, target
