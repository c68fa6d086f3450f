"""Translators: what their attention learns, and that what they answer is true: alone or together,
best or next best, forced or free."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from corpora.errors import UsageError
from corpora.generated_pairs import pairs
from nlp.core.strategies import Beam, Greedy, Sampling
from nlp.core.tokenizer import Tokenizer
from nlp.core.translation.texts import Texts
from nlp.translator import Config, Translation, Translator, translate
from nlp.translator.ensemble import Together
from nlp.translator.scoring import score

LETTERS = Tokenizer.train([" abcdefgh"], kind="characters")
TASKS: dict[str, Callable[[str], str]] = {
    "copy": lambda text: text,
    "reverse": lambda text: text[::-1],
    "sort": lambda text: "".join(sorted(text)),
}
PAIRS = [*pairs(seed=0, count=60)]
PIECES = Tokenizer.train([f" {text}" for pair in PAIRS for text in pair], vocabulary_size=420)
OTHERS = Tokenizer.train([f" {source}" for source, _ in PAIRS], vocabulary_size=300)
SMALL: dict[str, Any] = {
    **{"embedding_size": 32, "hidden_size": 64, "decoder_layers": 1},
    **{"input_dropout": 0.0, "dropout": 0.0, "output_dropout": 0.0, "label_smoothing": 0.0},
}
SOURCES = [source for source, _ in PAIRS[:7]]


def build(
    source: Tokenizer = PIECES, target: Tokenizer = PIECES, seed: int = 0, **options: Any
) -> Translator:
    """An untrained translator."""
    sizes = source.vocabulary_size, target.vocabulary_size
    torch.manual_seed(seed)
    own = None if source is target else source.fingerprint
    known = {"shared_vocabulary": own is None, "source_tokenizer": own}
    config = Config(*sizes, **{**known, **SMALL, **options})
    forms = config.normalization, config.target_form
    return Translator(config, Texts(source, target, *forms)).eval()


def opinionated(*pieces: Tokenizer, **options: Any) -> Translator:
    """An untrained translator whose words depend on what it reads and has written."""
    model = build(*pieces, **options)
    for parameter in model.parameters():
        parameter.data *= 2
    return model


VARIANTS: dict[str, dict[str, Any]] = {
    "general": {},
    "additive, fed, covered": {
        **{"attention": "additive", "input_feeding": True, "coverage": True},
        **{"cell": "gru", "decoder_layers": 2},
    },
    "no attention, reversed": {"attention": "none", "reverse_source": True, "decoder_layers": 2},
    "dot, one direction, norms": {
        **{"attention": "dot", "bidirectional": False, "layer_norm": True, "tied": False},
        **{"cell": "rnn", "reverse_source": True},
    },
}


# ── what attention learns ───────────────────────────────────────────────────────────────────────


def strings(chance: random.Random, count: int, least: int, most: int) -> list[str]:
    return [
        "".join(chance.choices("abcdefgh", k=chance.randint(least, most))) for _ in range(count)
    ]


def learn(task: str, steps: int, rate: float = 5e-3, most: int = 10, **options: Any) -> Translator:
    """A translator that has read `steps` batches of strings of 1 to `most` letters."""
    model, chance = build(LETTERS, LETTERS, **options), random.Random(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 50) * (1 - step / steps)
        given = strings(chance, 64, 1, most)
        wanted = [TASKS[task](text) for text in given]
        model.loss(
            model.batch(model.texts.encode(given), model.texts.encode(wanted))
        ).mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def right(model: Translator, task: str, least: int, most: int) -> float:
    """The share of new strings of these lengths that are answered without any mistake."""
    given = strings(random.Random(5), 200, least, most)
    found = [one.text for one in model.translate(given, strategy=Greedy())]
    return sum(map(str.__eq__, found, map(TASKS[task], given))) / len(given)


@pytest.mark.parametrize(
    ("task", "steps", "options"),
    [
        ("copy", 700, {"decoder_layers": 2, "rate": 8e-3}),
        ("reverse", 800, {"decoder_layers": 2}),
        ("sort", 1100, {"rate": 8e-3}),
    ],
)
def test_a_task_is_learned_without_a_mistake(
    task: str, steps: int, options: dict[str, Any]
) -> None:
    model = learn(task, steps, **options)
    assert right(model, task, 1, 10) == 1
    # Most of what is one letter longer than all that it has read is right too. Attention of these
    # kinds learns places together with letters, so of a copy of 13 letters nothing is.
    assert right(model, task, 11, 11) > 0.3


@pytest.mark.slow
def test_without_attention_long_texts_are_forgotten() -> None:
    """Attention copies all strings of up to 10 letters; a state alone only holds some 4."""
    options: dict[str, Any] = {"attention": "none", "reverse_source": True, "rate": 8e-3}
    assert right(learn("copy", 1100, most=4, **options), "copy", 1, 4) > 0.8
    assert right(learn("copy", 600, **options), "copy", 8, 10) < 0.1


# ── what is answered ────────────────────────────────────────────────────────────────────────────


def facts(found: Translation) -> tuple[Any, ...]:
    return found.source, found.text, found.finished, found.alignment, found.source_places


def same(one: Translation, other: Translation) -> None:
    """Two translations are equal, but for the last digits of their numbers."""
    assert facts(one) == facts(other)
    assert one.score == pytest.approx(other.score, abs=1e-3)
    assert one.word_probabilities == pytest.approx(other.word_probabilities, abs=1e-3)
    assert len(one.others) == len(other.others)
    for mine, theirs in zip(one.others, other.others, strict=True):
        same(mine, theirs)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.parametrize(
    ("strategy", "n_best"), [(Greedy(), 1), (Beam(4), 3), (Sampling(), 2)], ids=str
)
def test_a_text_alone_is_translated_as_among_others(
    options: dict[str, Any], strategy: Beam | Greedy | Sampling, n_best: int
) -> None:
    model = opinionated(**options)
    chosen: dict[str, Any] = {"strategy": strategy, "n_best": n_best, "max_length": 12}
    together = [*translate(model, SOURCES, **chosen)]
    small = [*translate(model, SOURCES, batch_size=2, **chosen)]
    for number, text in enumerate(SOURCES):
        (alone,) = translate(model, [text], **chosen)
        same(together[number], alone)
        same(small[number], alone)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
def test_scores_of_the_n_best_are_those_of_scoring(options: dict[str, Any]) -> None:
    model = opinionated(LETTERS, LETTERS, **options)
    with torch.no_grad():  # it writes no broken characters, whose spelling would be lost
        model.decoder.output_bias[:] = -1e4
        model.decoder.output_bias[LETTERS.encode(" abcdefgh")] = 0
        model.decoder.output_bias[LETTERS.end_of_text] = 2
    texts = ["fade", "a", "beg a cab"]
    checked = 0
    forced: dict[str, Any] = {"prefixes": texts, "max_length": 12}
    for best in translate(model, texts, strategy=Beam(6), n_best=6, **forced):
        ranked = [best, *best.others]
        assert len(ranked) == 6
        # By length normalisation the search ranks; what was cut is behind.
        order = [(one.finished, one.score) for one in ranked]
        assert order == sorted(order, reverse=True)
        for one in ranked:
            length = len(one.pieces) + one.finished
            assert one.score == pytest.approx(one.log_probability / ((5 + length) / 6), abs=1e-5)
            if one.finished and len(one.pieces) == len(one.text) + 1:  # no space at its end
                (given,) = score(model, [(best.source, one.text)])
                assert given.log_probability == pytest.approx(one.log_probability, abs=1e-4)
                assert given.word_probabilities == pytest.approx(one.word_probabilities, abs=1e-4)
                assert given.alignment == one.alignment
                checked += 1
    assert checked


def test_what_is_empty_is_translated_to_nothing_and_order_is_kept() -> None:
    model = opinionated()
    texts = ["", SOURCES[3], " \t\n", "I", "\u2028", *SOURCES]
    found = [*translate(model, texts, strategy=Beam(2), n_best=2, max_length=6)]
    assert [one.source for one in found] == texts
    for one in found:
        if not one.source.strip():
            assert (one.text, one.score, one.pieces, one.words, one.alignment) == (
                "",
                0,
                (),
                [],
                [],
            )
            assert one.finished
    same(found[1], found[5 + 3])
    assert list(translate(model, [])) == []
    assert [one.text for one in translate(model, ["", ""])] == ["", ""]


def test_texts_are_taken_as_they_come() -> None:
    """An endless stream is translated window by window, and is not read ahead of one."""
    model = opinionated()
    endless = (f"{number} cats" for number in itertools.count())
    found = translate(model, endless, strategy=Greedy(), max_length=2)
    assert [next(found).source for _ in range(3)] == ["0 cats", "1 cats", "2 cats"]


def test_max_length_forbidden_prefixes_and_no_repeat_reach_the_search() -> None:
    model = opinionated(seed=3)
    free = [*translate(model, SOURCES, strategy=Beam(3), max_length=9)]
    assert all(len(one.pieces) <= 9 for one in free)
    assert any(not one.finished for one in free)
    longest = max(len(one.pieces) for one in translate(model, SOURCES[:2], strategy=Greedy()))
    assert longest <= 2 * max(map(len, model.texts.encode(SOURCES[:2]))) + 10

    starts = ["Ba", "", *(f"x{number}" for number in range(5))]
    forced = [*translate(model, SOURCES, strategy=Beam(3), prefixes=starts, max_length=9)]
    for one, start in zip(forced, starts, strict=True):
        assert one.text.startswith(start)
    same(forced[1], free[1])

    letters = opinionated(LETTERS, LETTERS)
    with torch.no_grad():  # a translator of one word
        letters.decoder.output_bias[LETTERS.encode("a")] = 60
        letters.decoder.output_bias[LETTERS.encode("b")] = 40
    options: dict[str, Any] = {"strategy": Greedy(), "max_length": 6}
    assert next(translate(letters, ["a"], **options)).text == "aaaaaa"
    (found,) = translate(letters, ["a"], no_repeat=3, **options)
    assert found.text == "aaabaa"


def test_forbidden_words_are_not_written_in_whatever_form_they_are_given() -> None:
    pieces = Tokenizer.train(["café déjà vu " * 9], vocabulary_size=269)
    model = opinionated(pieces, pieces, normalization="NFC", target_form="NFC")
    (word,) = pieces.encode(" café")
    with torch.no_grad():  # it likes one word only
        model.decoder.output_bias[word] += 50
    options: dict[str, Any] = {"strategy": Greedy(), "max_length": 3}
    assert next(translate(model, ["vu"], **options)).text == "café café café"
    (found,) = translate(model, ["vu"], forbidden=["cafe\u0301"], **options)
    assert "café" not in found.text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"n_best": 0}, "n_best"),
        ({"max_length": 0}, "max_length"),
        ({"batch_size": 0}, "batch_size"),
        ({"prefixes": ["one"]}, "more texts than prefixes"),
        ({"n_best": 9}, "at most 5"),
        ({"copy_words": "["}, r"copy_words is '\[', which is no regular expression"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        list(translate(build(), SOURCES, **options))


def looking_at(model: Translator, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a model look where a word's pieces stand in what it was given, and nowhere else."""
    begin, pieces = torch.zeros(()), torch.tensor(model.texts.source.encode(word))

    def encode(source: Tensor, mask: Tensor) -> Any:
        nonlocal begin
        begin = (source[..., None] == pieces).any(-1).float()
        return Translator.encode(model, source, mask)

    def look(queries: Tensor, memory: Any, covered: Tensor | None = None) -> tuple[Tensor, Tensor]:
        weights = begin[:, None].expand(-1, queries.shape[1], -1)
        return weights @ memory.states, weights

    monkeypatch.setattr(model, "encode", encode)
    monkeypatch.setattr(model.decoder.attention, "forward", look)


@pytest.mark.parametrize("reverse", [False, True])
def test_alignments_are_of_the_right_words_whichever_way_a_source_is_read(
    reverse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder is made to look where a certain piece stands in what it was given."""
    model = opinionated(reverse_source=reverse)
    looking_at(model, " horse", monkeypatch)
    texts = ["The old horse slept here", "My horse", "horse of the two old farmers"]
    for text in texts:
        (found,) = translate(model, [text], strategy=Beam(2), max_length=6)
        words = [found.source[start:end] for start, end in found.source_words]
        assert words == text.split()
        assert {words[word] for word, _ in found.alignment} == {"horse"}
        (given,) = score(model, [(text, "Ga horse .")])
        assert given.alignment == [(words.index("horse"), word) for word in range(3)]


@pytest.mark.parametrize("reverse", [False, True])
def test_bytes_that_are_no_text_are_source_words(
    reverse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that writes `horse` and the first byte of an é, and looks at `Zoë`."""
    pieces = Tokenizer.train(["horse Zoë " * 9], vocabulary_size=266)
    model = opinionated(pieces, pieces, reverse_source=reverse, target_form="NFD")
    (horse,), broken = pieces.encode(" horse"), pieces.encode("é")[0]
    looking_at(model, " Zoë", monkeypatch)
    options: dict[str, Any] = {"strategy": Beam(2), "n_best": 2, "max_length": 3}
    forced = [" horse", "horse horse"]
    with torch.no_grad():
        model.decoder.output_bias[[broken, horse]] += torch.tensor([50.0, 40.0])
    sources = ["The horse Zoë", "Zoë"]
    whole = translate(model, sources, prefixes=forced, copy_unknown=False, **options)
    for plain, found, words in zip(
        whole,
        translate(model, sources, prefixes=forced, **options),
        ("horse", "horse horse"),
        strict=True,
    ):
        assert plain.text.startswith(words + "\ufffd")
        assert plain.copied == ()
        assert found.text.startswith(words + "Zoe\u0308")  # in the form in which it writes
        (copy,) = found.copied
        assert found.text[copy.start : copy.end] == "Zoe\u0308"
        assert found.source[slice(*found.source_words[copy.source_word])] == "Zoë"
        assert set(copy.written) == {"\ufffd"}
        # What scores, attention and words told of the bytes, they tell of the word.
        for name in ("score", "log_probability", "finished", "source_words"):
            assert getattr(found, name) == getattr(plain, name)
        one, other = (
            sum(piece.log_probability for piece in each.pieces) for each in (found, plain)
        )
        assert one == pytest.approx(other)
        assert found.attention is not None
        assert found.attention.shape == (len(found.words), len(found.source_words))
        assert len(found.word_probabilities) == len(found.words)
        assert {word for word, _ in found.alignment} == {copy.source_word}
        assert len(found.others) == 1
        assert ("\ufffd" in plain.others[0].text) == bool(found.others[0].copied)
    (given,) = score(model, [("Zoë", "horse \ufffd")])  # what is given is left as it is
    assert given.text == "horse \ufffd"
    blind = opinionated(pieces, pieces, attention="none")
    with torch.no_grad():
        blind.decoder.output_bias[broken] += 50
    assert next(translate(blind, ["Zoë"], **options)).text == "\ufffd" * 3


def test_numbers_that_were_never_read_are_copied() -> None:
    """It has learned to copy texts with the numbers 10 to 14 in them, and is given 15 to 19."""
    signs = "一二三四五六"
    pieces = Tokenizer.train([f" {signs}0123456789"], kind="characters")
    model, chance = build(pieces, pieces, decoder_layers=2).train(), random.Random(0)
    optimizer = torch.optim.AdamW(model.parameters())

    def sentences(digits: str, count: int) -> list[str]:
        texts = [chance.choices(signs, k=chance.randint(2, 4)) for _ in range(count)]
        for words in texts:
            words[chance.randrange(len(words))] = f"1{chance.choice(digits)}"
        return ["".join(words) for words in texts]

    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * min(1, (step + 1) / 50) * (1 - step / 300)
        rows = model.texts.encode(sentences("01234", 64))
        model.loss(model.batch(rows, rows)).mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    known, new = sentences("01234", 100), sentences("56789", 100)
    plain = [*translate(model, new)]
    found = [*translate(model, new, copy_words=r"\d+")]
    assert sum(one.text == one.source for one in plain) < 5
    assert sum(one.text == one.source for one in found) > 60
    for one, before in zip(found, plain, strict=True):
        assert one.log_probability == before.log_probability
        for copy in one.copied:
            word = one.words.index((copy.start, copy.end))
            assert (copy.source_word, word) in one.alignment
            assert one.text[copy.start : copy.end] in one.source
            assert copy.written in before.text
    again = [*translate(model, known, copy_words=r"\d+")]
    assert [one.text for one in again] == [one.text for one in translate(model, known)]
    (forced,) = translate(model, ["一18"], prefixes=["12"], copy_words=r"\d+")
    assert forced.text.startswith("12")


def test_a_word_is_as_probable_as_all_its_pieces() -> None:
    (found,) = score(opinionated(), [("The horse slept.", "Unheard-of wordiness!")])
    assert [found.text[start:end] for start, end in found.words] == ["Unheard-of", "wordiness", "!"]
    assert len(found.pieces) > 3
    product = math.prod(found.word_probabilities)
    pieces = sum(piece.log_probability for piece in found.pieces)
    assert product == pytest.approx(math.exp(pieces), rel=1e-4)
    assert found.log_probability < pieces  # the end counts too


# ── several models, other precisions ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
def test_two_equal_models_answer_as_one(options: dict[str, Any]) -> None:
    model = opinionated(**options)
    chosen: dict[str, Any] = {"strategy": Beam(3), "n_best": 2, "max_length": 8}
    alone = translate(model, SOURCES, **chosen)
    for one, other in zip(alone, translate(model, SOURCES, others=[model], **chosen), strict=True):
        same(one, other)


def test_an_ensemble_is_the_mean_of_the_probabilities() -> None:
    models = [opinionated(seed=seed) for seed in (0, 1, 2)]
    readings = [model.read([[5, 9, 7], [3]]) for model in models]
    both = Together(readings, [True] * 3)
    token = torch.tensor([models[0].start_id] * 4)
    logits, state = both.step(token, both.start(2))
    chances = [one.step(token, one.start(2))[0].softmax(1) for one in readings]
    torch.testing.assert_close(logits.exp(), torch.stack(chances).mean(0))
    weights = both.attention(state)
    assert weights is not None
    torch.testing.assert_close(weights.sum(1), torch.ones(4))
    kept = both.keep(torch.tensor([1]))
    again, _ = kept.step(token[2:], tuple(part[2:] for part in both.start(2)))
    torch.testing.assert_close(again, logits[2:])


def test_attention_of_models_that_read_otherwise_is_left_out() -> None:
    """Their positions are other pieces of the source, though there may be as many."""
    model = opinionated()
    chosen: dict[str, Any] = {"strategy": Greedy(), "max_length": 5}
    for other in (opinionated(reverse_source=True, seed=1), opinionated(OTHERS, PIECES, seed=1)):
        (found,) = translate(model, SOURCES[:1], others=[other], **chosen)
        (given,) = score(model, [(found.source, found.text)])
        assert found.attention is not None
        assert given.attention is not None
        if len(given.pieces) == len(found.pieces):
            np.testing.assert_allclose(found.attention, given.attention, atol=1e-4)
    (found,) = translate(build(attention="none"), SOURCES[:1], others=[other], **chosen)
    assert found.attention is None


def test_models_of_other_pieces_are_refused() -> None:
    with pytest.raises(UsageError, match="same tokenizer"):
        list(translate(build(), SOURCES, others=[build(PIECES, OTHERS)]))


def test_searching_in_bfloat16_is_close_and_leaves_the_model_alone() -> None:
    model = opinionated()
    assert model.to_search_in(torch.float32) is model
    other = model.to_search_in(torch.bfloat16)
    assert {parameter.dtype for parameter in other.parameters()} == {torch.bfloat16}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    given = [(source, "Ba teren") for source in SOURCES]
    for one, rough in zip(score(model, given), score(other, given), strict=True):
        pieces = len(one.pieces) + 1
        assert rough.log_probability == pytest.approx(one.log_probability, abs=0.1 * pieces)
        assert rough.log_probability != one.log_probability
    found = [*translate(model, SOURCES, strategy=Beam(2), precision="bfloat16", max_length=5)]
    assert len(found) == len(SOURCES)


# ── the model ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
def test_smoothing_sampling_and_dropout_are_for_training_only(options: dict[str, Any]) -> None:
    noisy = {"label_smoothing": 0.3, "scheduled_sampling": 0.5, "word_dropout": 0.3}
    noisy |= {"input_dropout": 0.2, "dropout": 0.3, "output_dropout": 0.2}
    plain, model = opinionated(**options), opinionated(**options, **noisy)
    model.load_state_dict(plain.state_dict())
    encoded = [plain.texts.encode(side) for side in zip(*PAIRS[:4], strict=True)]
    batch = plain.batch(*encoded)
    expected = plain.loss(batch)
    assert model.loss(batch) == expected
    torch.testing.assert_close(plain.train().loss(batch).mean, expected.mean)
    assert model.train().loss(batch).mean != expected.mean


def test_the_loss_of_training_is_smoothed() -> None:
    plain = opinionated()
    batch = plain.batch([[5, 6]], [[7, 8, 9]])
    chances = plain(batch)[0][0].log_softmax(1)
    own = -chances[range(4), batch.targets[0]].mean()
    spread = -chances.mean()
    torch.testing.assert_close(plain.loss(batch).mean, own)
    smoothed = opinionated(label_smoothing=0.3).train()
    torch.testing.assert_close(smoothed.loss(batch).mean, 0.7 * own + 0.3 * spread)


def test_scheduled_sampling_gives_the_models_own_words() -> None:
    model = opinionated(scheduled_sampling=0.999999)
    batch = model.batch([[5, 6], [4]], [[7, 8, 9], [3]])
    memory = model.encode(batch.source, batch.source_mask)
    own = model._own(batch.inputs, memory)
    guesses = model(batch)[0].argmax(2)
    assert torch.equal(own[:, 0], batch.inputs[:, 0])  # nothing comes before the start
    assert torch.equal(own[:, 1:], guesses[:, :-1])
    few = opinionated(scheduled_sampling=0.25)
    long = few.batch([[5]], [[7] * 2000])
    changed = few._own(long.inputs, few.encode(long.source, long.source_mask)) != long.inputs
    assert 0.15 < changed.float().mean() < 0.3


def test_a_batch_by_hand() -> None:
    model, start = build(reverse_source=True), PIECES.end_of_text
    batch = model.batch([[5, 6, 7], [8]], [[1, 2], []])
    assert batch.source.tolist() == [[7, 6, 5], [8, 0, 0]]
    assert batch.source_mask.tolist() == [[True] * 3, [True, False, False]]
    assert batch.inputs.tolist() == [[start, 1, 2], [start, start, 0]]
    assert batch.targets.tolist() == [[1, 2, start], [start, 0, 0]]
    assert batch.target_mask.tolist() == [[True] * 3, [True, False, False]]


def test_separate_vocabularies_are_kept_apart(tmp_path: Path) -> None:
    model = opinionated(OTHERS, PIECES)
    assert model.source_embedding.shape[0] == OTHERS.vocabulary_size
    assert model.decoder.embedding.shape[0] == PIECES.vocabulary_size
    model.save_pretrained(tmp_path / "model")
    again = Translator.from_pretrained(tmp_path / "model", device="cpu")
    assert again.texts.source.fingerprint == OTHERS.fingerprint
    chosen: dict[str, Any] = {"strategy": Beam(2), "max_length": 6}
    for one, other in zip(
        model.translate(SOURCES, **chosen), again.translate(SOURCES, **chosen), strict=True
    ):
        same(one, other)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attention": "cosine"}, "additive, concat, general, dot or none"),
        ({"hidden_size": 33}, "two directions share it"),
        ({"normalization": "NFX"}, "normalization"),
        ({"label_smoothing": 1.5}, "label_smoothing"),
        ({"decoder_layers": 0}, "decoder_layers"),
        ({"attention": "none", "coverage": True}, "belong to attention"),
    ],
)
def test_what_cannot_be_built_is_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Config(10, 10, **options)
