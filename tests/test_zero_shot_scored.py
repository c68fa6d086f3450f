"""Tasks in which a model chooses or is scored: each beside a slow reference that knows no batches,
no windows and no cache, on tables of probabilities made by hand."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import re
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from table_model import Table

from corpora import zero_shot_examples
from corpora.cloze_sets import (
    Cloze,
    LastWord,
    Schema,
    read_last_words,
    read_missing_words,
    read_running_text,
    read_schemas,
)
from corpora.errors import UsageError
from nlp.core import transformer
from nlp.core.language.config import Config
from nlp.core.language.model import LanguageModel
from nlp.core.scoring import corpus_perplexity, score
from nlp.core.tokenizer import Tokenizer
from nlp.zero_shot import (
    MODULES,
    TASKS,
    check_options,
    cloze,
    evaluate,
    lambada,
    language_modelling,
    task,
    winograd,
)
from nlp.zero_shot.lambada import ACCURACY, FILTERED, LAST_TOKEN, LAST_WORD, PERPLEXITY, STOP_WORDS

STORY = " ".join(row["text"] for row in zero_shot_examples.LAST_WORDS)
TOKENIZER = Tokenizer.train([STORY], vocabulary_size=400)


def lstm() -> LanguageModel:
    torch.manual_seed(5)
    size = TOKENIZER.vocabulary_size
    return LanguageModel(Config(vocabulary_size=size, hidden_size=16, embedding_size=16), TOKENIZER)


def gpt2(context: int) -> LanguageModel:
    torch.manual_seed(5)
    size = TOKENIZER.vocabulary_size
    config = transformer.Config(
        vocabulary_size=size, context=context, layers=1, heads=2, hidden_size=16
    )
    return LanguageModel(config, TOKENIZER)


# ── LAMBADA ─────────────────────────────────────────────────────────────────────────────────────

WORDS = [" the", " Di", " is", " Is", "ana", "e", " car", "pet", " met", " th", ".", " to", "mato"]


def write(path: Path, *texts: str) -> str:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


def slow_lambada(model: Table, context: str, word: str) -> dict[str, dict[str, object]]:
    """Both protocols by the table alone, a token at a time."""
    encode, pieces = model.tokenizer.encode, model.tokenizer.pieces
    before, target = encode(context), encode(f" {word}")
    rows = [model.table[token] for token in [before[-1], *target[:-1]]]
    nats = [-math.log(row[token]) for row, token in zip(rows, target, strict=True)]
    allowed = [
        (float(p), -place)
        for place, p in enumerate(rows[-1])
        if not (pieces[place].startswith(" ") and pieces[place][1:].lower() in STOP_WORDS)
    ]
    filtered = None
    for first in sorted(range(len(pieces)), key=lambda place: -rows[0][place]):
        ids = [first]
        while len(ids) < 12:
            ids.append(int(model.table[ids[-1]].argmax()))
        letters = "".join(pieces[token] for token in ids).lstrip()
        written = ""
        for letter in letters:
            if not (letter.isalnum() or letter in "_'’-"):
                break
            written += letter
        if written.lower() not in STOP_WORDS:
            filtered = ids
            break
    assert filtered is not None
    return {
        LAST_TOKEN: {
            "nats": nats[-1],
            "right": int(rows[-1].argmax()) == target[-1],
            "filtered": -max(allowed)[1] == target[-1],
        },
        LAST_WORD: {
            "nats": sum(nats),
            "right": [int(row.argmax()) for row in rows] == target,
            "filtered": filtered[: len(target)] == target,
        },
    }


@pytest.mark.parametrize("seed", range(6))
def test_lambada_equals_a_slow_reference(seed: int, tmp_path: Path) -> None:
    model = Table(WORDS, seed, sharpness=3.0)
    # Stop words are what it holds for likely, so that the filter has something to do.
    for piece in (" the", " is", " to", " Is"):
        model.table[:, model.tokenizer.pieces.index(piece)] *= 40
    model.table /= model.table.sum(-1, keepdim=True)
    texts = [f"I met the {word}" for word in ("Diana", "carpet", "car", "tomato", "Die", "is")]
    result = evaluate(model, "lambada", write(tmp_path / "texts.jsonl", *texts))
    slow = [slow_lambada(model, *text.rsplit(" ", 1)) for text in texts]
    for name, scores in {LAST_TOKEN: result.metrics, LAST_WORD: result.rows[LAST_WORD]}.items():
        rows = [answer[name] for answer in slow]
        assert scores[ACCURACY].value == pytest.approx(np.mean([r["right"] for r in rows]) * 100)
        assert scores[FILTERED].value == pytest.approx(np.mean([r["filtered"] for r in rows]) * 100)
        nats = np.mean([r["nats"] for r in rows])
        assert scores[PERPLEXITY].value == pytest.approx(math.exp(nats), rel=1e-5)


def test_the_two_protocols_differ_where_they_should(tmp_path: Path) -> None:
    model = Table(WORDS)
    model.put(" met", _car=0.5, _Di=0.3)  # the word begins with what is second
    model.put(" Di", ana=0.8)
    source = write(tmp_path / "texts.jsonl", "I met Diana")
    by_token = evaluate(model, "lambada", source)
    by_word = evaluate(model, "lambada", source, protocol="last word")
    assert by_token.metrics[ACCURACY].value == 100
    assert by_word.metrics[ACCURACY].value == 0
    assert by_token.metrics[PERPLEXITY].value == pytest.approx(1 / 0.8, rel=1e-5)
    assert by_word.metrics[PERPLEXITY].value == pytest.approx(1 / (0.3 * 0.8), rel=1e-5)
    assert by_word.rows[LAST_TOKEN] == by_token.metrics
    assert by_token.rows[LAST_WORD] == by_word.metrics
    assert LAST_TOKEN in by_token.protocol
    assert "OpenAI" not in by_word.protocol
    (detail,) = by_word.details
    assert detail["expected"] == "Diana"
    assert detail["answered"].startswith("car")
    assert "1 of 1" in by_token.remarks[0]

    # Of a word that is one token they are the same.
    model.put(" met", _car=0.6)
    model.put(" car", **{".": 0.9})
    same = evaluate(model, "lambada", write(tmp_path / "one.jsonl", "I met car"))
    assert same.metrics == same.rows[LAST_WORD]
    assert same.metrics[ACCURACY].value == 100


def test_the_filter_looks_at_words_not_at_beginnings(tmp_path: Path) -> None:
    model = Table(WORDS)
    model.put(" met", _to=0.5, _Di=0.4)
    model.put(" to", mato=0.9)
    model.put("mato", **{".": 0.9})
    model.put(" Di", e=0.9)
    model.put("e", **{".": 0.9})
    tomato = evaluate(model, "lambada", write(tmp_path / "a.jsonl", "I met tomato"))
    assert tomato.rows[LAST_WORD][FILTERED].value == 100  # "to" here begins a word that is none
    model.put(" to", **{".": 0.9})
    found = evaluate(model, "lambada", write(tmp_path / "b.jsonl", "I met Die"))
    assert found.rows[LAST_WORD][ACCURACY].value == 0
    assert found.rows[LAST_WORD][FILTERED].value == 100
    assert found.details[0]["answered"] == "to"
    # Two pieces that make a stop word are one.
    model.put(" met", _th=0.5, _Di=0.4)
    model.put(" th", e=0.9)
    found = evaluate(model, "lambada", write(tmp_path / "b.jsonl", "I met Die"))
    assert found.details[0]["answered"] == "the"
    assert found.rows[LAST_WORD][FILTERED].value == 100


def test_a_word_whose_token_crosses_its_border_is_told() -> None:
    model = Table(["me D", "i"])
    before, word, apart = lambada.tokens_of(model.tokenizer, LastWord("I see me", "Di", "here"))
    assert not apart
    assert model.tokenizer.decode(before + word) == "I see me Di"


# ── Children's Book Test ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", [lstm(), gpt2(1024)], ids=["lstm", "gpt2"])
def test_cbt_equals_the_chain_rule(model: LanguageModel) -> None:
    result = evaluate(model, "cbt", limit=3)
    for example, detail in zip(read_missing_words(limit=3).examples, result.details, strict=True):
        prompt, options = cloze.parts_of(example)
        ids = TOKENIZER.encode(prompt)
        for option, text in zip(example.options, options, strict=True):
            # Without a start symbol: the first token of all is read only.
            tokens = ids + TOKENIZER.encode(text)
            with torch.inference_mode():
                logs = model.eval()(torch.tensor([tokens]), model.start(1))[0][0].log_softmax(-1)
            nats = sum(
                float(logs[place - 1, tokens[place]]) for place in range(len(ids), len(tokens))
            )
            assert detail["scores"][option] == pytest.approx(nats, abs=1e-3)
        assert detail["answered"] == max(detail["scores"], key=detail["scores"].__getitem__)
        assert detail["right"] == (detail["answered"] == detail["expected"])
    right = [detail["right"] for detail in result.details if detail["kind"] == "common nouns"]
    assert result.metrics["common nouns"].value == pytest.approx(100 * np.mean(right))
    assert result.rows["chance"]["common nouns"].value == pytest.approx(10)
    assert result.paper["117M"] == {"common nouns": 87.65, "named entities": 83.4}


def test_options_go_on_from_what_they_share() -> None:
    example = Cloze(
        "", ("`` Who is it ? ''", "Anna ran ."), "She cried , `` XXXXX , come ! ''",
        ("Anna", "Antonia"), 0, "here",
    )  # fmt: skip
    prompt, options = cloze.parts_of(example)
    assert prompt == '"Who is it?" Anna ran. She cried, "'
    assert options == ['Anna, come!"', 'Antonia, come!"']
    first = example._replace(question="XXXXX ran , too .")
    assert cloze.parts_of(first) == (
        '"Who is it?" Anna ran.',
        [" Anna ran, too.", " Antonia ran, too."],
    )
    assert cloze.most_frequent(example) == "Anna"


def test_a_context_that_does_not_fit_is_cut_and_told() -> None:
    result = evaluate(gpt2(128), "cbt", limit=2)
    assert any("cut to fit" in remark and "2 of 2" in remark for remark in result.remarks)


# ── Winograd ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", [lstm(), gpt2(64)], ids=["lstm", "gpt2"])
def test_winograd_equals_the_chain_rule(model: LanguageModel) -> None:
    partial = evaluate(model, "winograd")
    full = evaluate(model, "winograd", scoring="full")
    assert partial.metrics == full.rows["partial scoring"]
    assert full.metrics == partial.rows["full scoring"]
    rights: dict[str, list[bool]] = {"full": [], "partial": []}
    for schema, detail in zip(read_schemas().examples, partial.details, strict=True):
        for option in schema.options:
            before, after = winograd.substituted(schema, option)
            begun = score(model, TOKENIZER, before).log_probability
            rest = score(model, TOKENIZER, after, context=before).log_probability
            assert detail["scores"]["partial"][option] == pytest.approx(rest, abs=1e-3)
            assert detail["scores"]["full"][option] == pytest.approx(begun + rest, abs=1e-3)
        for key, values in detail["scores"].items():
            rights[key].append(max(values, key=values.__getitem__) == detail["expected"])
    assert partial.metrics["accuracy"].value == pytest.approx(100 * np.mean(rights["partial"]))
    assert full.metrics["accuracy"].value == pytest.approx(100 * np.mean(rights["full"]))


def test_partial_scoring_forgives_a_rare_option(tmp_path: Path) -> None:
    model = Table([" cat", " emu", " ran", "It", "The"])
    model.put("w", _cat=0.5, _emu=0.001)
    model.put(" cat", _ran=0.2)
    model.put(" emu", _ran=0.8)
    row = {"text": "I saw it ran.", "pronoun": "it", "pronoun_loc": 6, "label": 1}
    path = tmp_path / "wsc.jsonl"
    path.write_text(json.dumps({**row, "options": ["cat", "emu"]}))
    result = evaluate(model, "winograd", str(path))
    assert result.metrics["accuracy"].value == 100
    assert result.rows["full scoring"]["accuracy"].value == 0


def schemas(path: Path, *befores: str) -> str:
    rows = [
        {
            "text": f"{before} it was sad.",
            "pronoun": "it",
            "pronoun_loc": len(before) + 1,
            "options": ["the man", "the old door"],
            "label": 0,
        }
        for before in befores
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_schema_that_does_not_fit_is_left_out_and_counted(tmp_path: Path) -> None:
    source = schemas(tmp_path / "wsc.jsonl", "The door creaked and", "The house " * 20 + "and")
    both = evaluate(lstm(), "winograd", source)
    longest = max(
        len(TOKENIZER.encode(before)) + len(TOKENIZER.encode(after))
        for option in ("the man", "the old door")
        for before, after in [winograd.substituted(read_schemas(source).examples[0], option)]
    )
    one = evaluate(gpt2(longest), "winograd", source)
    assert (both.examples, both.remarks, one.examples) == (2, [], 1)
    told = f"texts longer than the {longest} tokens the model looks at, left out: 1 of 2"
    assert one.remarks == [told]
    with pytest.raises(UsageError, match="no schema can be scored"):
        evaluate(gpt2(longest - 1), "winograd", source)


def test_a_text_that_spells_a_special_token_is_ordinary(tmp_path: Path) -> None:
    end = "<|endoftext|>"
    story = f"She {end} ran home. " * 3
    file = tmp_path / "texts.jsonl"
    cbt = {"sentences": [story] * 20, "question": "XXXXX ran .", "options": ["He", "She"]}
    for name, row in (
        ("lambada", {"text": f"{story}and met Anna"}),
        ("cbt", {**cbt, "answer": "She"}),
        ("language-modelling", {"text": story}),
    ):
        file.write_text(json.dumps(row) + "\n")
        result = evaluate(lstm(), name, str(file))
        assert result.examples
        assert end in str(result.details[0]["input"])
    result = evaluate(lstm(), "winograd", schemas(file, story))
    before, after = winograd.substituted(read_schemas(str(file)).examples[0], "the man")
    ids = TOKENIZER.encode(before, disallowed_special=())
    ids += TOKENIZER.encode(after, disallowed_special=())
    with torch.inference_mode():
        logs = lstm().eval()(torch.tensor([[TOKENIZER.end_of_text, *ids]]), lstm().start(1))[0][0]
    nats = logs.log_softmax(-1)[:-1].gather(1, torch.tensor(ids)[:, None]).sum()
    assert result.details[0]["scores"]["full"]["the man"] == pytest.approx(nats.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("before", "pronoun", "after", "option", "text"),
    [
        ("Bob saw that ", "he", " won.", "The man", "Bob saw that the man won."),
        ("It rained. ", "He", " won.", "the man", "It rained. The man won."),
        ("Bob took ", "his", " hat.", "Ann", "Bob took Ann's hat."),
        ("They took ", "their", " hats.", "the boys", "They took the boys' hats."),
        ("Bob took ", "her", " hat.", "Ann", "Bob took Ann's hat."),
        ("Bob saw ", "her", " at home.", "Ann", "Bob saw Ann at home."),
        ("Bob saw ", "her", ".", "Ann", "Bob saw Ann."),
        ("The hat was ", "his", ".", "Bob", "The hat was Bob."),
    ],
)
def test_options_are_put_in_the_place_of_the_pronoun(
    before: str, pronoun: str, after: str, option: str, text: str
) -> None:
    schema = Schema(before, pronoun, after, (option, "else"), 0, "here")
    assert "".join(winograd.substituted(schema, option)) == text


# ── Language modelling ──────────────────────────────────────────────────────────────────────────


def test_a_carried_state_gives_the_exact_perplexity() -> None:
    model = lstm()
    result = evaluate(model, "language-modelling")
    lines = read_running_text().examples[0].lines
    pieces = language_modelling.pieces_of(lines, "wikitext")
    text = "".join(piece.text for piece in pieces)
    exact = corpus_perplexity(
        model,
        np.array(TOKENIZER.encode(text)),
        words=sum(len(line.split()) + 1 for line in lines),
        bytes=sum(len(line.encode()) + 1 for line in lines),
        start_id=TOKENIZER.end_of_text,
    )
    assert result.metrics["perplexity per word"].value == pytest.approx(exact.per_word, rel=1e-5)
    assert result.metrics["bits per byte"].value == pytest.approx(exact.bits_per_byte, rel=1e-5)
    assert result.metrics["bits per character"].value >= result.metrics["bits per byte"].value
    assert "<unk> in the text: 3, counted as published" in result.remarks


@pytest.mark.parametrize("stride", [1, 5, 12, None, 24])
def test_each_token_is_predicted_from_its_window(stride: int | None, tmp_path: Path) -> None:
    context = 24
    model = gpt2(context).eval()
    text = STORY[:400]
    path = tmp_path / "story.txt"
    path.write_text(text)
    result = evaluate(model, "language-modelling", path, stride=stride)
    ids = [TOKENIZER.end_of_text, *TOKENIZER.encode(f"{text}\n")]
    step = stride or context // 2
    ends = [*range(context, len(ids) - 1, step), len(ids) - 1]
    nats = 0.0
    for place in range(1, len(ids)):
        end = next(end for end in ends if place <= end)
        seen = ids[max(0, end - context) : place]
        with torch.inference_mode():
            logits, _ = model(torch.tensor([seen]), model.start(1))
        nats -= float(logits[0, -1].log_softmax(-1)[ids[place]])
    words = len(text.split())
    found = result.metrics["perplexity per word"].value
    assert found == pytest.approx(math.exp(nats / words), rel=1e-4)
    assert f"the last {step}" in result.protocol


def test_unknown_words_can_be_left_out_of_the_count(tmp_path: Path) -> None:
    model = Table([" <unk>", " a", "<unk>"])
    path = tmp_path / "wiki.test.tokens"
    path.write_text(" a <unk> a \n <unk> a \n")
    both = {
        way: evaluate(model, "language-modelling", path, unknown=way) for way in ("count", "skip")
    }
    ids = [0, *model.tokenizer.encode("a <unk> a\n<unk> a\n")]
    pieces = model.tokenizer.pieces
    costs = [
        (pieces[after], -math.log(model.table[before, after])) for before, after in pairwise(ids)
    ]
    everything = sum(cost for _, cost in costs)
    known = sum(cost for piece, cost in costs if "<unk>" not in piece)
    name = "perplexity per word"
    assert both["count"].metrics[name].value == pytest.approx(math.exp(everything / 7), rel=1e-5)
    assert both["skip"].metrics[name].value == pytest.approx(math.exp(known / 5), rel=1e-5)
    assert "wikitext text" in both["count"].protocol
    assert both["count"].paper["117M"] == {"perplexity per word": 29.41}
    assert sum(detail["scores"]["words"] for detail in both["skip"].details) == 5


# ── Ranges, and what all tasks share ────────────────────────────────────────────────────────────


def test_ranges_are_of_resampled_examples() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    found = task.mean_estimate(values, scale=100, seed=4)
    drawn = np.random.default_rng(4)
    means = [100 * np.mean(np.array(values)[drawn.integers(8, size=8)]) for _ in range(1000)]
    assert found.value == 62.5
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))
    assert task.mean_estimate([1.0]) == (1.0, 1.0, 1.0)
    ratio = task.ratio_estimate([2.0, 6.0], [1.0, 3.0], math.exp)
    assert ratio.value == ratio.low == ratio.high == pytest.approx(math.exp(2))
    with pytest.raises(UsageError, match="no examples"):
        task.mean_estimate([])


@pytest.mark.parametrize("name", ["language-modelling", "cbt", "lambada", "winograd"])
def test_own_examples_can_be_tried_at_once(name: str) -> None:
    result = evaluate(lstm(), name, limit=4)
    assert result.task == name
    assert result.source == "our own examples"
    assert len(result.details) == result.examples
    json.dumps(asdict(result))
    assert result.protocol
    for scores in (result.metrics, *result.rows.values()):
        for estimate in scores.values():
            assert estimate.low <= estimate.value <= estimate.high


def test_what_is_unknown_is_one_line() -> None:
    assert list(TASKS)[:4] == ["language-modelling", "cbt", "lambada", "winograd"]
    with pytest.raises(UsageError, match="task 'cloze' is unknown"):
        evaluate(lstm(), "cloze")
    with pytest.raises(UsageError, match="no option 'strde'; its options: detokenizer, unknown"):
        evaluate(lstm(), "language-modelling", strde=3)
    with pytest.raises(UsageError, match="protocol 'bpe'"):
        evaluate(lstm(), "lambada", protocol="bpe")
    with pytest.raises(UsageError, match="scoring 'both'"):
        evaluate(lstm(), "winograd", scoring="both")
    with pytest.raises(UsageError, match="stride is for models with a context"):
        evaluate(lstm(), "language-modelling", stride=3)
    with pytest.raises(UsageError, match="at most the model's context, 24"):
        evaluate(gpt2(24), "language-modelling", stride=30)
    with pytest.raises(UsageError, match="detokenizer 'moses'"):
        evaluate(lstm(), "language-modelling", detokenizer="moses")
    with pytest.raises(UsageError, match="limit"):
        read_last_words(limit=0)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        (
            "language-modelling",
            {"stride": "abc"},
            "stride is 'abc': expected a whole number or null",
        ),
        ("language-modelling", {"stride": 2.5}, "stride is 2.5: expected a whole number or null"),
        ("translation", {"shots": "abc"}, "shots is 'abc': expected a whole number"),
        ("translation", {"shots": True}, "shots is True: expected a whole number"),
        ("translation", {"direction": ["en-fr"]}, "direction is ['en-fr']: expected a text"),
        ("questions", {"max_tokens": "abc"}, "max_tokens is 'abc': expected a whole number"),
        ("questions", {"max_tokens": None}, "max_tokens is None: expected a whole number"),
        ("summarization", {"hint": 3}, "hint is 3: expected a text"),
        ("summarization", {"stem": 1}, "stem is 1: expected true or false"),
        ("winograd", {"scoring": [1]}, "scoring is [1]: expected a text"),
        ("lambada", {"protocol": {}}, "protocol is {}: expected a text"),
        ("translation", {"max_tokens": 0}, "max_tokens is 0: expected a number above 0"),
        ("translation", {"direction": "fr"}, "direction"),
        ("cbt", {"split": "test"}, "the task has no option 'split'; its options: none"),
    ],
)
def test_options_of_another_type_are_one_line(name: str, options: dict, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        TASKS[name](lstm(), **options)


@pytest.mark.parametrize("name", TASKS)
def test_the_defaults_of_all_options_are_of_their_types(name: str) -> None:
    module = importlib.import_module(f"nlp.zero_shot.{MODULES[name]}")
    parameters = inspect.signature(module.evaluate).parameters
    fixed = ("model", "source", "limit", "report")
    check_options(name, {key: one.default for key, one in parameters.items() if key not in fixed})


def test_a_named_model_is_loaded_as_precisely_as_is_asked(tmp_path: Path) -> None:
    gpt2(64).save_pretrained(tmp_path / "m")
    whole = evaluate(str(tmp_path / "m"), "lambada", limit=1, device="cpu")
    rough = evaluate(str(tmp_path / "m"), "lambada", limit=1, device="cpu", precision="int8")
    assert whole.metrics[PERPLEXITY] != rough.metrics[PERPLEXITY]
    assert rough.metrics[PERPLEXITY].value == pytest.approx(
        whole.metrics[PERPLEXITY].value, rel=0.1
    )
