"""Sets of tasks in which a model writes its answer: conversations, questions, articles, sentences.

    read = read_conversations("coqa-dev-v1.0.json", limit=100)
    for conversation in read.examples:
        print(conversation.story, conversation.turns[0].question)

A source is None for our own few examples (corpora/answer_examples.py), "hf" for the public set,
"hf:NAME[:CONFIG]" for another dataset of the same layout, or a local file, which may be compressed:

    conversations   CoQA's .json (Reddy et al. 2019), or its conversations as JSON Lines
    questions       JSON Lines {"question": "...", "answer": ["...", ...]}, as NQ-open's
    articles        JSON Lines {"article": "...", "highlights": "..."}, as CNN/DailyMail's
    translations    whatever corpora.pairs reads, with columns en and fr

`limit` is how many examples are read at most, turns for conversations; the rest is not looked at.
"""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from corpora import answer_examples, huggingface
from corpora.errors import UsageError
from corpora.example_sets import (
    ExampleSet,
    Record,
    Source,
    check_limit,
    each,
    records,
    text_of,
    told,
    wrong,
)
from corpora.pairs import Filters, Pair, read_pairs
from corpora.sentence import Tally
from corpora.text import File, lines

COQA = "hf:stanfordnlp/coqa"
NQ_OPEN = "hf:google-research-datasets/nq_open"
CNN_DAILYMAIL = "hf:abisee/cnn_dailymail:3.0.0"
WMT14 = "hf:wmt/wmt14:fr-en"
LANGUAGES = ("en", "fr")
_ALL = Filters(max_length=sys.maxsize, max_ratio=math.inf)  # nobody trains on these


class Turn(NamedTuple):
    """A question of a conversation; the first answer is the conversation's own."""

    question: str
    answers: tuple[str, ...]


class Conversation(NamedTuple):
    """A text and the questions about it, each of which may lean on those before."""

    story: str
    turns: tuple[Turn, ...]
    where: str


class Question(NamedTuple):
    """A question, and every answer that is right."""

    text: str
    answers: tuple[str, ...]
    where: str


class Article(NamedTuple):
    """An article, and the summary that an editor gave it: a sentence a line."""

    text: str
    summary: str
    where: str


def read_conversations(
    source: Source = None, *, limit: int | None = None, split: str = "validation"
) -> ExampleSet[Conversation]:
    """Conversations, of which the last one read may be cut at `limit` turns.

    Raises:
        UsageError: the source is missing, damaged, empty or of another layout; it names the place.
    """
    check_limit(limit)
    name, read = records(source, COQA, answer_examples.CONVERSATIONS, split)
    found: list[Conversation] = []
    tally, turns = Tally(), 0
    for record in read:
        conversation = _conversation(record)
        room = len(conversation.turns) if limit is None else limit - turns
        if not conversation.turns:
            tally.note("stories without a question left out", record.where)
            continue
        found.append(conversation._replace(turns=conversation.turns[:room]))
        turns += len(found[-1].turns)
        if turns == limit:
            break
    if found and all(len(turn.answers) == 1 for one in found for turn in one.turns):
        tally.note(
            "sets with one answer a question: F1 is usually lower than with CoQA's four", name
        )
    return told(name, found, tally)


def read_questions(
    source: Source = None, *, limit: int | None = None, split: str = "validation"
) -> ExampleSet[Question]:
    """Questions and their answers; errors as `read_conversations`."""

    def question(record: Record) -> Question | None:
        answers = record.fields.get("answer")
        answers = [answers] if isinstance(answers, str) else answers
        if not isinstance(answers, list | tuple) or not all(isinstance(a, str) for a in answers):
            raise wrong(record, "answer", "a text or a list of texts")
        text = text_of(record, "question")
        if not text.strip() or not any(map(str.strip, answers)):
            return None
        return Question(text, tuple(answers), record.where)

    name, read = records(source, NQ_OPEN, answer_examples.QUESTIONS, split)
    return each(name, read, question, "questions without a text or an answer left out", limit)


def read_articles(
    source: Source = None, *, limit: int | None = None, split: str = "test"
) -> ExampleSet[Article]:
    """Articles and their summaries; errors as `read_conversations`."""

    def article(record: Record) -> Article | None:
        texts = text_of(record, "article"), text_of(record, "highlights")
        return Article(*texts, record.where) if all(map(str.strip, texts)) else None

    name, read = records(source, CNN_DAILYMAIL, answer_examples.ARTICLES, split)
    return each(name, read, article, "articles without a text or a summary left out", limit)


def read_translations(
    source: Source = None, *, limit: int | None = None, split: str = "test"
) -> ExampleSet[Pair]:
    """English sentences and their French translations; errors as `corpora.pairs.read_pairs`.

    Of files with columns and no header English is the first, as in Tatoeba's pairs.
    """
    check_limit(limit)
    if source is None:
        name, own = records(source, WMT14, answer_examples.TRANSLATIONS, split)
        texts = ((record.fields["translation"], record.where) for record in own)
        pairs = [Pair(text["en"], text["fr"], where) for text, where in texts]
        return ExampleSet(name, pairs[:limit])
    path = WMT14 if source == "hf" else os.fspath(source)
    english, french = _columns(path)
    read = read_pairs(
        path,
        split=split if path.startswith(huggingface.PREFIX) else None,
        source_column=english,
        target_column=french,
        filters=_ALL,
    )
    return ExampleSet(path, read.pairs[:limit], read.remarks)


def _columns(name: str) -> tuple[str, str]:
    path = Path(name).expanduser()
    file = File(path, name)
    if path.is_file() and file.suffix in ("", ".tsv", ".csv", ".txt"):
        first = next(lines(file), "")
        if not all(re.search(rf"\b{language}\b", first) for language in LANGUAGES):
            return "0", "1"
    return LANGUAGES


def _conversation(record: Record) -> Conversation:
    fields = record.fields
    story = text_of(record, "story")
    questions, own = (_texts(record, name, fields.get(name)) for name in ("questions", "answers"))
    if len(questions) != len(own):
        raise UsageError(
            f"{record.where}: {len(questions)} questions and {len(own)} answers; expected an "
            "answer for each question"
        )
    more = fields.get("additional_answers") or {}
    others = [_texts(record, "additional_answers", value) for value in more.values()]
    if any(len(texts) not in (len(own), 0) for texts in others):
        raise UsageError(
            f"{record.where}: not as many additional answers as questions ({len(questions)})"
        )
    columns = [own, *(texts for texts in others if texts)]
    answers = zip(*columns, strict=True)
    turns = tuple(Turn(*turn) for turn in zip(questions, answers, strict=True))
    return Conversation(story, turns, record.where)


def _texts(record: Record, name: str, value: Any) -> list[str]:
    """Texts as CoQA's file and its copies have them: a list of texts, or of objects with an
    "input_text", or an object of lists."""
    if isinstance(value, dict):
        value = value.get("input_text")
    if isinstance(value, list):
        found = [one.get("input_text") if isinstance(one, dict) else one for one in value]
        texts = [text for text in found if isinstance(text, str)]
        if len(texts) == len(found):
            return texts
    raise wrong(record, name, 'a list of texts, or of objects with an "input_text"')
