"""Tasks in which a model writes: what it is given, and scores beside slow references."""

from __future__ import annotations

import json
import math
import random
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from corpora.answer_examples import QUESTION_PAIRS, TRANSLATION_PAIRS
from corpora.answer_sets import Question, read_articles, read_conversations, read_questions
from corpora.errors import UsageError
from nlp.core import transformer
from nlp.core.decoding import Greedy, generate
from nlp.core.language.config import Config
from nlp.core.language.model import LanguageModel
from nlp.core.rouge import NAMES, rouge
from nlp.core.sentences import split
from nlp.core.summary import Settings, summaries
from nlp.core.tokenizer import Tokenizer
from nlp.core.tokens.special_tokens import ordinary
from nlp.core.translation.bleu_counts import BleuCounts
from nlp.zero_shot import questions, reading, translations
from nlp.zero_shot import summaries as summary_task
from nlp.zero_shot.answer_scores import conversation_scores, exact, f1, normalized
from nlp.zero_shot.answering import Answer, Writer, remarks_of
from nlp.zero_shot.task import TaskResult, Watch

BYTES = Tokenizer.train([], kind="bytes")


class Texts(list[list[int]]):
    """What was read, a row each: a part of a state."""

    def __getitem__(self, rows: Any) -> Any:
        return Texts(list.__getitem__(self, int(row)) for row in rows)

    @classmethod
    def joined(cls, parts: Sequence[Texts]) -> Texts:
        return Texts(row for part in parts for row in part)


class Scripted:
    """Reads bytes, and writes the answer that a script has for all that it has read, each byte of
    it with probability `sure`. What it is asked ends in a mark."""

    device = torch.device("cpu")
    vocabulary_size = BYTES.vocabulary_size

    def __init__(
        self,
        script: Callable[[str], str],
        *,
        sure: Callable[[str], float] = lambda prompt: 0.9,
        context: int | None = None,
    ) -> None:
        self.script, self.sure, self.context = script, sure, context
        self.prompts: list[str] = []

    def text_tokenizer(self) -> Tokenizer:
        return BYTES

    def start(self, batch_size: int) -> tuple[Texts]:
        return (Texts([] for _ in range(batch_size)),)

    def read(self, ids: Tensor, state: tuple[Texts]) -> tuple[Tensor, tuple[Texts]]:
        rows = Texts([*row, *new] for row, new in zip(state[0], ids.tolist(), strict=True))
        return torch.stack([self._next(row) for row in rows]), (rows,)

    def __call__(self, ids: Tensor, state: tuple[Texts]) -> tuple[Tensor, tuple[Texts]]:
        raise AssertionError("only the logits behind a prompt are wanted")

    def step(self, token: Tensor, state: tuple[Texts]) -> tuple[Tensor, tuple[Texts]]:
        return self.read(token.unsqueeze(1), state)

    def _next(self, read: list[int]) -> Tensor:
        logits = torch.zeros(self.vocabulary_size)
        text = BYTES.decode_bytes(read)
        ends = [
            text.rfind(mark) + len(mark) for mark in (b"\nA:", b" =", b"TL;DR:") if mark in text
        ]
        if not ends:
            return logits
        prompt, written = text[: max(ends)].decode(), text[max(ends) :]
        answer = self.script(prompt).encode()
        if answer.startswith(written):
            if not written and prompt not in self.prompts:
                self.prompts.append(prompt)
            sure = self.sure(prompt)
            rest = answer[len(written) :]
            wanted = rest[0] if rest else BYTES.end_of_text
            logits[wanted] = math.log(sure / (1 - sure) * (self.vocabulary_size - 1))
        return logits


class Recurrent(nn.Module):
    """A random recurrent model of bytes."""

    device, vocabulary_size = torch.device("cpu"), BYTES.vocabulary_size

    def __init__(self, context: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.context = context
        self.embedding = nn.Embedding(self.vocabulary_size, 8)
        self.recurrent = nn.GRU(8, 16, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(16, self.vocabulary_size)
        nn.init.normal_(self.output.weight, std=2.0)
        self.read_tokens = 0

    def text_tokenizer(self) -> Tokenizer:
        return BYTES

    def start(self, batch_size: int) -> tuple[Tensor, ...]:
        return (torch.zeros(batch_size, 16),)

    def forward(self, ids: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        self.read_tokens += ids.shape[1]
        hidden, last = self.recurrent(self.embedding(ids), state[0].unsqueeze(0))
        return self.output(self.dropout(hidden)), (last.squeeze(0),)

    def step(self, token: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, Any]:
        logits, state = self(token.unsqueeze(1), state)
        return logits[:, -1], state


def lines_of(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def check_json(result: TaskResult) -> None:
    """Everything is a plain value, and the main score has a range that it is in."""
    json.dumps(asdict(result))
    main = next(iter(result.metrics.values()))
    assert main.low - 1e-9 <= main.value <= main.high + 1e-9


# Answers


@settings(max_examples=40)
@given(st.lists(st.text("ab\n", min_size=1, max_size=12), min_size=1, max_size=6), st.booleans())
def test_answers_are_those_of_each_prompt_by_itself(prompts: list[str], bounded: bool) -> None:
    model = Recurrent(context=14 if bounded else None)
    writer = Writer(model, stop=("\n", "a"))
    for prompt in prompts:
        answer = writer.write(prompt, max_tokens=6)
        ids = BYTES.encode(prompt)
        fitting = ids[-8:] if bounded else ids
        model.eval()
        (alone,) = generate(
            model,
            fitting,
            strategy=Greedy(),
            max_tokens=6,
            stop_ids=(BYTES.end_of_text,),
            stop=("\n", "a"),
            tokenizer=BYTES,
        )
        model.train()
        assert answer.text == alone.text.strip()
        assert answer.finished == alone.finished
        assert answer.cut_tokens == len(ids) - len(fitting)
        if answer.text:
            assert answer.probability == pytest.approx(
                math.exp(sum(alone.log_probabilities)), rel=1e-4
            )
        else:
            assert answer.probability == 0


def test_what_prompts_have_in_common_is_read_once() -> None:
    head, model = "Q: one\nA: two\n\n" * 20, Recurrent().eval()
    writer = Writer(model, stop=())
    for number in range(5):
        writer.write(f"{head}Q: {number}0\nA:", max_tokens=1)
    # In full, then from the start to where the second parts from it, then from there on.
    own = len("Q: 00\nA:")
    assert model.read_tokens <= 2 * len(head) + 5 * own
    model.read_tokens, story = 0, head
    for number in range(5):  # each the beginning of the next
        story += f"Q: {number}\nA: x\n"
        writer.write(story, max_tokens=1)
    assert model.read_tokens <= len(story) + 5


@pytest.mark.parametrize("network", ["gpt2", "lstm"])
def test_answers_of_our_own_models(network: str) -> None:
    """Their states are shared in memory, and read on from more than once."""
    torch.manual_seed(0)
    size = BYTES.vocabulary_size
    config = (
        transformer.Config(size, context=60, layers=2, heads=2, hidden_size=16)
        if network == "gpt2"
        else Config(vocabulary_size=size, embedding_size=16, hidden_size=16)
    )
    model = LanguageModel(config, BYTES).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    head = "Q: one two three four\nA: five\n\n"
    prompts = [
        head + "Q: a\nA:",
        head + "Q: b\nA:",
        head + "Q: b\nA: c\n\nQ: d\nA:",
        head * 3,
        head,
    ]
    together = Writer(model, stop=())
    for prompt in [*prompts, *reversed(prompts)]:
        answer, alone = together.write(prompt, max_tokens=9), Writer(model, stop=())
        assert alone.write(prompt, max_tokens=9) == answer._replace(
            probability=pytest.approx(answer.probability, rel=1e-3)
        )


def test_prompts_that_do_not_fit() -> None:
    writer = Writer(Recurrent(context=10))
    with pytest.raises(UsageError, match="looks at 10 tokens and max_tokens is 10: no room"):
        writer.write("a", max_tokens=10)
    with pytest.raises(UsageError, match="prompt is empty"):
        writer.write("", max_tokens=3)
    with pytest.raises(UsageError, match="max_tokens is 0"):
        writer.write("a", max_tokens=0)
    assert writer.write("abcdefghijkl", max_tokens=3).cut_tokens == 5


def test_special_tokens_of_a_text_are_text() -> None:
    assert BYTES.end_of_text not in ordinary(BYTES, "a <|endoftext|> b")


def test_what_is_told_of_answers() -> None:
    answers = [Answer("a", 0.5, True, 0), Answer("", 0.0, False, 7), Answer("b", 0.5, False, 2)]
    assert remarks_of(answers, "answers") == [
        "prompts cut at their beginning to fit the context: 2, by 9 tokens in all",
        "empty answers: 1",
        "answers cut at max_tokens: 2",
    ]
    assert remarks_of(answers[:1], "answers") == []


def test_answers_are_in_order_and_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlp.zero_shot.task.TOLD_EVERY", 0)
    told: list[Any] = []
    watch = Watch("questions", 3, told.append)
    model = Scripted(lambda prompt: prompt[:3].upper())
    answers = Writer(model).answers(["abc\nA:", "d\nA:", "ef\nA:"], [3, 1, 2], watch)
    assert [answer.text for answer in answers] == ["ABC", "D", "EF"]
    assert [remark.text for remark in told] == [
        "questions: 1 of 3 examples",
        "questions: 2 of 3 examples",
    ]


# Scores of answers, beside the steps of the published scripts, written out


def slow_normalized(answer: str) -> str:
    answer = "".join(letter for letter in answer.lower() if letter not in string.punctuation)
    answer = re.sub(r"\b(a|an|the)\b", " ", answer, flags=re.UNICODE)
    words = [word for word in re.split(r"\s+", answer) if word]
    return " ".join(words)


def slow_f1(expected: str, answered: str) -> float:
    gold, own = slow_normalized(expected).split(), slow_normalized(answered).split()
    if not gold or not own:
        return int(gold == own)
    same, left = 0, list(gold)
    for word in own:
        if word in left:
            left.remove(word)
            same += 1
    if not same:
        return 0
    precision, recall = same / len(own), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def slow_turn(expected: Sequence[str], answered: str) -> tuple[float, float]:
    both = []
    for score in (slow_f1, lambda a, b: int(slow_normalized(a) == slow_normalized(b))):
        if len(expected) == 1:
            both.append(float(score(expected[0], answered)))
            continue
        total = 0.0
        for place in range(len(expected)):
            others = [text for number, text in enumerate(expected) if number != place]
            total += max(score(text, answered) for text in others)
        both.append(total / len(expected))
    return both[0], both[1]


answer_texts = st.lists(
    st.sampled_from(["a", "The", "dog", "dog,", "two", "U.S.", "—", "  ", "an", "Été", "’s"]),
    max_size=5,
).map(" ".join)


@given(st.lists(answer_texts, min_size=1, max_size=4), answer_texts)
def test_scores_are_those_of_the_published_script(expected: list[str], answered: str) -> None:
    assert normalized(answered) == slow_normalized(answered)
    assert f1(expected[0], answered) == pytest.approx(slow_f1(expected[0], answered))
    assert tuple(conversation_scores(expected, answered)) == pytest.approx(
        slow_turn(expected, answered)
    )


def test_scores_by_hand() -> None:
    assert f1("the red bicycle", "A bicycle.") == pytest.approx(2 / 3)
    assert f1("dog dog cat", "dog dog dog") == pytest.approx(2 / 3)
    assert (f1("", "the"), f1("", "dog")) == (1, 0)
    assert exact("The U.S.", "us") == 1
    # Right beside two of three: the third, when left out, is not missed.
    scores = conversation_scores(["yes", "yes", "no"], "yes")
    assert (scores.f1, scores.exact) == (1, 1)
    scores = conversation_scores(["yes", "no", "maybe"], "yes")
    assert scores.exact == pytest.approx(2 / 3)


# Reading comprehension


def test_reading_is_given_story_and_conversation() -> None:
    said = {"Where was the lighthouse?": " Gull Rock!\nQ: and then?", "Was it?": ""}
    model = Scripted(lambda prompt: said.get(re.findall("Q: (.*)", prompt)[-1], " a herring\n"))
    result = reading.evaluate(model, limit=7)
    story = read_conversations().examples[0]
    turns = story.turns
    asked = [f"{story.story}\n\nQ: {turns[0].question}\nA:"]
    asked.append(f"{asked[0]} {turns[0].answers[0]}\n\nQ: {turns[1].question}\nA:")
    assert model.prompts[:2] == asked
    assert [row["answered"] for row in result.details] == ["Gull Rock!"] + ["a herring"] * 6
    assert result.examples == 7
    scores = [slow_turn(turn.answers, row["answered"])
              for turn, row in zip(turns, result.details, strict=False)]  # fmt: skip
    found = [(row["f1"], row["exact_match"]) for row in result.details]
    assert found == [pytest.approx(score) for score in scores]
    expected = [100 * float(np.mean(column)) for column in zip(*scores, strict=True)]
    assert [one.value for one in result.metrics.values()] == pytest.approx(expected)
    assert list(result.metrics) == ["F1", "exact match"]
    assert 0 < expected[1] < expected[0] < 60
    assert result.paper["1542M"] == {"F1": 55.0}
    check_json(result)


def test_reading_draws_stories_not_questions(tmp_path: Path) -> None:
    """Two stories, one of which is all right: a drawn set has both, or one of them twice."""
    row = {"questions": ["q1", "q2", "q3"], "answers": {"input_text": ["x", "x", "x"]}}
    file = tmp_path / "a.jsonl"
    file.write_text(lines_of({"story": "good", **row}, {"story": "bad", **row}))
    result = reading.evaluate(Scripted(lambda prompt: " x\n" if "good" in prompt else " y\n"), file)
    assert result.metrics["F1"] == pytest.approx((50, 0, 100))
    assert "one answer a question" in result.remarks[0]


# Questions


def knows(prompt: str) -> str:
    """Answers what has "is" in it, in other signs than the set's."""
    asked = re.findall("Q: (.*)", prompt)[-1]
    for question in read_questions().examples:
        if question.text == asked and " is " in asked:
            return f" The {question.answers[-1].upper()}.\n\nQ:"
    return " no idea\n"


def sureness(prompt: str) -> float:
    return 0.5 + len(re.findall("Q: (.*)", prompt)[-1]) / 200


def test_questions_are_asked_behind_pairs() -> None:
    model = Scripted(knows, sure=sureness)
    result = questions.evaluate(model)
    pairs = "".join(f"Q: {question}\nA: {answer}\n\n" for question, answer in QUESTION_PAIRS)
    own = read_questions().examples
    assert model.prompts == [f"{pairs}Q: {question.text}\nA:" for question in own]
    right = [row["right"] for row in result.details]
    assert right == [" is " in question.text for question in own]
    assert 0 < sum(right) < len(right)
    assert result.metrics["exact match"].value == pytest.approx(100 * np.mean(right))
    row = result.details[0]
    prompt = model.prompts[0]
    assert row["confidence"] == pytest.approx(sureness(prompt) ** len(knows(prompt).split("\n")[0]))
    assert list(result.metrics) == [
        "exact match",
        "exact match of the surest 10 %",
        "exact match of the surest 50 %",
    ]
    assert any("1 % of 12 questions is less than one" in remark for remark in result.remarks)
    check_json(result)
    bare = Scripted(knows)
    questions.evaluate(bare, shots=0, limit=1)
    assert bare.prompts == [f"Q: {own[0].text}\nA:"]
    with pytest.raises(UsageError, match="shots is 9: expected 0 to 5"):
        questions.evaluate(bare, shots=9)


def slow_surest(right: Sequence[float], confidence: Sequence[float], wanted: int) -> float:
    ranked = sorted(range(len(right)), key=lambda place: -confidence[place])
    return 100 * sum(right[place] for place in ranked[:wanted]) / wanted


scored = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.9])), min_size=1)


@settings(max_examples=20)
@given(scored, st.sampled_from([1, 10, 50, 100]))
def test_the_surest_answers(rows: list[tuple[bool, float]], share: int) -> None:
    right, confidence = zip(*rows, strict=True)
    wanted = max(1, round(len(rows) * share / 100))
    found = questions.surest(right, confidence, share)
    assert found.value == pytest.approx(slow_surest(right, confidence, wanted))


def test_the_range_of_the_surest_is_of_drawn_sets() -> None:
    """Drawn as they are in `nlp.zero_shot.task`, each set written out."""
    draw = random.Random(1)
    right = [draw.random() < 0.4 for _ in range(40)]
    confidence = [draw.random() for _ in range(40)]
    generator, found = np.random.default_rng(0), []
    for _ in range(1000):
        rows = generator.integers(40, size=40)
        drawn = [(right[row], confidence[row]) for row in sorted(rows)]
        found.append(slow_surest(*zip(*drawn, strict=True), wanted=4))
    low, high = np.percentile(found, (2.5, 97.5))
    assert questions.surest(right, confidence, 10)[1:] == pytest.approx((low, high))


def test_the_commonest_answer_of_the_others() -> None:
    rows = [
        ("who sang it", ("Ann", "ann", "Lee")),
        ("who wrote it", ("the Lee",)),
        ("say who did it", ("Ann",)),
        ("who else", ("Ann", "Bo")),
        ("where is it", ("Rome",)),
        ("is it", ("Yes",)),
    ]
    asked = [Question(text, answers, "") for text, answers in rows]
    assert questions.commonest(asked) == ["ann", "ann", "ann", "ann", "", ""]
    slow = []
    for place, (text, _) in enumerate(rows):
        others = [
            answer
            for number, (other, answers) in enumerate(rows)
            if number != place and questions.kind(other) == questions.kind(text)
            for answer in {slow_normalized(answer) for answer in answers}
        ]
        slow.append(min(set(others), key=lambda one: (-others.count(one), one), default=""))
    assert questions.commonest(asked) == slow
    assert questions.kind("in HOW MANY ways") == "how many"


def test_an_empty_answer_is_neither_right_nor_sure() -> None:
    result = questions.evaluate(Scripted(lambda prompt: "\n"))
    assert {row["confidence"] for row in result.details} == {0}
    assert result.metrics["exact match"].value == 0
    assert "empty answers: 12" in result.remarks


# Translation


def test_translations_are_asked_for_by_example(tmp_path: Path) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    pairs = [("Good morning, all  of you.", "Bonjour à vous tous."), ("He is 12.", "Il a 12 ans.")]
    file = tmp_path / "a.tsv"
    file.write_text("".join(f"{english}\t{french}\n" for english, french in pairs))
    said = {
        "Good morning, all of you. =": " Bonjour tous ! Et plus. \nThe",
        "He is 12. =": " Il a 12 ans.",
        "Bonjour à vous tous. =": " Good morning you.\n",
        "Il a 12 ans. =": "\n",
    }
    model = Scripted(lambda prompt: said.get(prompt.rsplit("\n", 1)[-1], " ?\n"))
    result = translations.evaluate(model, file)
    head = "".join(f"{english} = {french}\n" for english, french in TRANSLATION_PAIRS)
    back = "".join(f"{french} = {english}\n" for english, french in TRANSLATION_PAIRS)
    lines = list(said)
    assert model.prompts == [head + line for line in lines[:2]] + [
        back + line for line in lines[2:]
    ]
    answered = [row["answered"] for row in result.details]
    assert answered == ["Bonjour tous !", "Il a 12 ans.", "Good morning you.", ""]
    for way, own, gold, given_ in (
        ("en-fr", answered[:2], [pair[1] for pair in pairs], [pair[0] for pair in pairs]),
        ("fr-en", answered[2:], [pair[0] for pair in pairs], [pair[1] for pair in pairs]),
    ):
        name, bleu = f"BLEU {way}", sacrebleu.BLEU()
        assert result.metrics[name].value == pytest.approx(bleu.corpus_score(own, [gold]).score)
        copied = result.rows[translations.BASELINE][name].value
        assert copied == pytest.approx(bleu.corpus_score(given_, [gold]).score)
    assert "tok:13a" in result.protocol
    assert "fr-en: empty translations: 1" in result.remarks
    assert result.paper["1542M"] == {"BLEU en-fr": 5.0, "BLEU fr-en": 11.5}
    check_json(result)
    one = translations.evaluate(model, file, direction="fr-en", limit=1, shots=0)
    assert list(one.metrics) == ["BLEU fr-en"]
    assert model.prompts[-1] == lines[2]
    assert one.paper["1542M"] == {"BLEU fr-en": 11.5}
    with pytest.raises(UsageError, match="direction 'fr'"):
        translations.evaluate(model, file, direction="fr")  # type: ignore[arg-type]


def test_the_first_sentence() -> None:
    for written, expected in (
        ("", ""),
        ("Il dort", "Il dort"),
        ("Il dort. Elle lit.", "Il dort."),
        ("M. Roth dort. Il est tard.", "M. Roth dort."),
        ("Le livre de J. R. Roth. Bon.", "Le livre de J. R. Roth."),
        ("Voici M.", "Voici M."),
    ):
        assert translations.first_sentence(written, "fr") == expected


def test_a_small_context_leaves_room_for_sentence_and_translation() -> None:
    assert translations.enough(Writer(Recurrent()), "twelve bytes") == 3 * 12 + 20
    assert translations.enough(Writer(Recurrent(context=40)), "twelve bytes") == 20
    result = translations.evaluate(Recurrent(context=80), limit=2, direction="en-fr")
    assert any("prompts cut at their beginning" in remark for remark in result.remarks)


def test_bleu_of_drawn_sentences_is_that_of_the_sentences() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    draw = random.Random(0)
    references = [" ".join(draw.choices("abcde", k=draw.randint(1, 9))) for _ in range(30)]
    own = [" ".join(word for word in line.split() if draw.random() < 0.9) for line in references]
    counts = BleuCounts(own, references)
    assert counts.score() == pytest.approx(sacrebleu.BLEU().corpus_score(own, [references]).score)
    assert counts.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    for _ in range(5):
        rows = draw.choices(range(30), k=30)
        times = [rows.count(row) for row in range(30)]
        drawn = [own[row] for row in rows], [[references[row] for row in rows]]
        assert counts.score(times) == pytest.approx(sacrebleu.BLEU().corpus_score(*drawn).score)
    assert BleuCounts(["a"], ["b"]).score() == 0
    with pytest.raises(UsageError, match="2 translations and 1 references"):
        BleuCounts(["a", "b"], ["a"])


# Summaries


def test_summaries_stand_beside_baselines() -> None:
    pytest.importorskip("rouge_score")
    articles = read_articles(limit=3).examples

    def summary(prompt: str) -> str:
        number = next(n for n, one in enumerate(articles) if prompt.startswith(one.text[:40]))
        return f" {articles[number].summary.splitlines()[0]} And {number}. Three. Four."

    settings_ = Settings(strategy=Greedy(), max_tokens=120, batch_size=2)
    options = {"top_k": 1, "max_tokens": 120, "batch_size": 2}
    model = Scripted(summary)
    result = summary_task.evaluate(model, limit=3, **options)
    references = [article.summary for article in articles]
    expected = {
        "model": [one.sentences for one in summaries(model, [a.text for a in articles], settings_)],
        "lead-3": [split(article.text)[:3] for article in articles],
        **{"random-3": summary_task.baselines(articles)["random-3"]},
    }
    assert [len(sentences) for sentences in expected["model"]] == [3, 3, 3]
    for system, sentences in expected.items():
        row = result.metrics if system == "model" else result.rows[system]
        scores = rouge(["\n".join(one) for one in sentences], references)
        assert list(row) == list(NAMES)
        for name in NAMES:
            assert row[name].value == pytest.approx(np.mean(scores[name]))
    assert set(result.rows) == {"lead-3", "random-3", "no hint"}
    # Nothing in the text says that a summary is wanted, so the scripted model writes noise.
    assert result.rows["no hint"]["ROUGE-1"].value < result.metrics["ROUGE-1"].value
    assert [row["ROUGE-1"] for row in result.details] == pytest.approx(
        rouge(expected["model"], references)["ROUGE-1"]
    )
    assert {"1542M", "1542M, no hint", "lead-3", "random-3"} == set(result.paper)
    check_json(result)
    bare = summary_task.evaluate(model, limit=1, no_hint=False, stem=False, **options)
    assert "no hint" not in bare.rows
    assert "without Porter's stemmer" in bare.protocol


def test_baselines_of_articles() -> None:
    articles = read_articles().examples
    first, again = summary_task.baselines(articles, 1), summary_task.baselines(articles, 1)
    assert first == again
    assert first["random-3"] != summary_task.baselines(articles, 2)["random-3"]
    for article, drawn in zip(articles, first["random-3"], strict=True):
        sentences = split(article.text)
        places = [sentences.index(one) for one in drawn]
        assert places == sorted(places)
        assert len(set(places)) == 3
    short = [article._replace(text="One. Two.") for article in articles[:1]]
    assert summary_task.baselines(short) == {
        "lead-3": [["One.", "Two."]],
        "random-3": [["One.", "Two."]],
    }


def test_articles_that_are_cut_are_told() -> None:
    pytest.importorskip("rouge_score")
    model = Scripted(lambda prompt: " Short.", context=200)
    result = summary_task.evaluate(model, limit=1, top_k=1, max_tokens=8, no_hint=False)
    (article,) = read_articles(limit=1).examples
    cut = result.details[0]["cut_tokens"]
    assert len(article.text.encode()) - cut <= 200 - 8 - len("\nTL;DR:")
    assert (
        f"articles cut at their end to fit the context: 1, by {cut:,} tokens" in result.remarks[0]
    )
