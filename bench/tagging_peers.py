"""What bench.tagging sets beside ours: spaCy's blank pipeline and flair's BiLSTM-CRF, and how all
are scored."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data import glove, sentences, wikiann, wnut17

DATA = {"wnut17": wnut17, "wikiann": wikiann}


def megabytes(folder: Path) -> float:
    """Of a model's folder, without the state that a training goes on from."""
    files = (path for path in folder.rglob("*") if "training" not in path.parts)
    return round(sum(path.stat().st_size for path in files if path.is_file()) / 1e6, 2)


def scores(gold: Sequence[Any], predicted: Sequence[Sequence[Any]]) -> dict[str, float]:
    """Per cent of entities with the right words and label; `predicted` are spans."""
    from nlp.core.tags.entity_scores import score_entities

    micro = score_entities([sentence.spans for sentence in gold], predicted).micro
    return {name: round(100 * getattr(micro, name), 2) for name in ("precision", "recall", "f1")}


# spaCy


class _TimeIsUp(Exception):
    pass


def spacy_config(folder: Path, seed: int, static: bool) -> Any:
    """The config of the quick start, and what must be said beside it."""
    import spacy
    from spacy.cli.init_config import init_config
    from spacy.vectors import Vectors

    config = init_config(lang="en", pipeline=["ner"], optimize="efficiency", gpu=False)
    config["paths"] |= {part: str(folder / f"{part}.spacy") for part in ("train", "dev")}
    config["system"]["seed"] = config["training"]["seed"] = seed
    # The clock ends the training, nothing else; the best on the development set is kept.
    config["training"] |= {"patience": 0, "max_epochs": 0, "max_steps": 0}
    config["training"]["logger"] = {"@loggers": "bench.clock.v1"}
    if static:
        vectors, nlp = glove(), spacy.blank("en")
        nlp.vocab.vectors = Vectors(
            strings=nlp.vocab.strings,
            data=vectors.matrix,
            keys=vectors.words,
            attr="LOWER",  # GloVe's words are in small letters
        )
        for word in vectors.words:
            nlp.vocab.strings.add(word)
        nlp.to_disk(folder / "vectors")
        config["paths"]["vectors"] = str(folder / "vectors")
        config["components"]["tok2vec"]["model"]["embed"]["include_static_vectors"] = True
    return config


def train_spacy(data: str, seed: int, seconds: float, folder: Path, static: bool) -> int:
    """Trains for `seconds` by the clock, into `folder`; the number of steps."""
    import spacy
    from spacy.tokens import Doc, DocBin, Span
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files, vocabulary = DATA[data](), spacy.blank("en").vocab
    for split in ("train", "dev"):
        docs = []
        for sentence in sentences(files[split]):
            docs.append(Doc(vocabulary, words=list(sentence.words)))
            docs[-1].ents = [Span(docs[-1], s.start, s.end, s.label) for s in sentence.spans]
        DocBin(docs=docs).to_disk(folder / f"{split}.spacy")
    steps = 0

    @spacy.registry.loggers("bench.clock.v1")
    def clock() -> Any:
        def log(info: dict[str, Any] | None) -> None:
            nonlocal steps
            steps += 1
            if time.perf_counter() > start + seconds:
                raise _TimeIsUp

        return lambda nlp, stdout, stderr: (log, lambda: None)

    config = spacy_config(folder, seed, static)
    start = time.perf_counter()
    with contextlib.suppress(_TimeIsUp):
        train(init_nlp(config), folder, stdout=io.StringIO(), stderr=io.StringIO())
    return steps


def best_spacy(folder: Path) -> Path:
    """The last model where the time was up before the first evaluation."""
    best = folder / "model-best"
    return best if best.exists() else folder / "model-last"


def spacys(data: str, peer: str, seed: int, seconds: float, models: Path) -> dict[str, Any]:
    import spacy
    from spacy.tokens import Doc

    from corpora.schemes import Span

    folder = models / f"{data}-{peer.replace(', ', '-')}-{seed}"
    steps = train_spacy(data, seed, seconds, folder, static="glove" in peer)
    nlp, gold = spacy.load(best_spacy(folder)), sentences(DATA[data]()["test"])
    docs = nlp.pipe(Doc(nlp.vocab, words=list(sentence.words)) for sentence in gold)
    return {
        **scores(gold, [[Span(s.start, s.end, s.label_) for s in doc.ents] for doc in docs]),
        "training_seconds": round(seconds, 1),
        "steps": steps,
        "megabytes": megabytes(best_spacy(folder)),
    }


# flair


def flair_tagger(config: Any, steps: int = 150) -> Any:
    """A tagger of our sizes that has seen some of the training set: one that has learned nothing
    finds an entity in every word, and pays for each."""
    import flair
    import torch
    from flair.data import Dictionary, Sentence
    from flair.embeddings import CharacterEmbeddings, StackedEmbeddings, WordEmbeddings
    from flair.models import SequenceTagger

    flair.device = torch.device("cpu")
    flair.set_seed(0)
    train = sentences(wnut17()["train"])
    known = {
        word: number for number, word in enumerate(sorted({w for s in train for w in s.words}))
    }
    labels, characters = Dictionary(add_unk=False), Dictionary()
    labels.span_labels = True
    for label in config.labels:
        labels.add_item(label)
    for character in sorted(set("".join(known))):
        characters.add_item(character)
    words = {"vocab": known, "embedding_length": config.word_size, "fine_tune": True}
    vectors = [
        WordEmbeddings(None, **words),
        CharacterEmbeddings(characters, hidden_size_char=config.character_size // 2),
    ]
    tagger = SequenceTagger(
        StackedEmbeddings(vectors),
        labels,
        "ner",
        hidden_size=config.hidden_size,
        rnn_layers=config.layers,
        reproject_embeddings=False,
    )
    optimizer, order = torch.optim.AdamW(tagger.parameters(), lr=3e-3), random.Random(0)
    for _ in range(steps):
        batch = []
        for sentence in order.sample(train, 32):
            batch.append(Sentence(list(sentence.words)))
            for span in sentence.spans:
                batch[-1][span.start : span.end].add_label("ner", span.label)
        loss, count = tagger.forward_loss(batch)
        (loss / count).backward()
        torch.nn.utils.clip_grad_norm_(tagger.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()
    return tagger.eval()


def by_flair(tagger: Any, texts: list[str]) -> int:
    from flair.data import Sentence

    batch = [Sentence(text) for text in texts]
    tagger.predict(batch, mini_batch_size=32)
    return sum(len(sentence.get_spans("ner")) for sentence in batch)
