"""What every model owes its user. A model joins by one line in MEMBERS."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from corpora import UsageError, generated_faces, generated_pairs, generated_people, scenes
from corpora.schemes import to_tags
from nlp import classifier, language_model, tagger, translator
from nlp.classifier import ClassBatch, Classifier
from nlp.core import transformer
from nlp.core.alphabet import Alphabet
from nlp.core.batching import Window
from nlp.core.kv_cache import Cache
from nlp.core.tokenizer import Tokenizer
from nlp.core.translation.texts import Texts
from nlp.language_model import Config, LanguageModel
from nlp.tagger import Tagger, TaggerBatch
from nlp.translator import Translator, TranslatorBatch
from vision import captioner, detector, faces, question_answering
from vision.captioner import CaptionBatch, Captioner
from vision.detector import DetectionBatch, Detector
from vision.faces import FaceBatch, FaceEncoder
from vision.images import Preparation
from vision.question_answering import Answerer, QuestionBatch

TEXT = "take me to Mars, bake me a cake, take me to the moon and wake me soon. " * 8


@dataclass(frozen=True)
class Member:
    """A model and what the contract needs to know of it."""

    kind: type
    build: Callable[[], Any]  # small, and without chance once built
    batch: Callable[[int], Any]  # so many rows; row i is the same in every batch
    outputs: Callable[[Any, Any], Tensor]  # of a batch: [rows, ...]
    pad: Callable[[Any], Any] | None  # the batch with more padding; None where there is none
    evaluate: Callable[[Any, Path], tuple[float, ...]]
    use_empty: Callable[[Any, Path], object]  # on empty input
    rate: float = 0.02  # at which it learns a batch by heart
    steps: int = 20  # in which it is half-way there


def build_language_model(cell: str, **options: Any) -> LanguageModel:
    torch.manual_seed(0)
    tokenizer = Tokenizer.train([TEXT], kind="characters")
    size = tokenizer.vocabulary_size
    sizes = {"embedding_size": 24, "hidden_size": 32, "layers": 2}
    config = Config(size, cell=cell, **sizes, **options)  # type: ignore[arg-type]
    return LanguageModel(config, tokenizer)


def build_gpt2() -> LanguageModel:
    torch.manual_seed(0)
    tokenizer = Tokenizer.train([TEXT], kind="characters")
    sizes = {"context": 24, "layers": 2, "heads": 2, "hidden_size": 32}
    return LanguageModel(transformer.Config(tokenizer.vocabulary_size, **sizes), tokenizer)


def language_model_batch(rows: int) -> Window:
    ids = Tokenizer.train([TEXT], kind="characters").encode(TEXT)
    windows = torch.tensor([ids[7 * row : 7 * row + 21] for row in range(rows)])
    return Window(windows[:, :-1], windows[:, 1:])


def evaluate_language_model(model: LanguageModel, folder: Path) -> tuple[float, ...]:
    (folder / "text.txt").write_text(TEXT)
    result = language_model.evaluate(model, folder / "text.txt")
    assert result.per_word is not None
    assert result.bits_per_byte is not None
    return result.per_token, result.per_word, result.bits_per_byte


def recurrent_member(cell: str, **options: Any) -> Member:
    return language_model_member(lambda: build_language_model(cell, **options))


def evaluate_nothing(model: LanguageModel, folder: Path) -> object:
    (folder / "empty.txt").write_text("")
    return language_model.evaluate(model, folder / "empty.txt")


def language_model_member(build: Callable[[], LanguageModel]) -> Member:
    return Member(
        kind=LanguageModel,
        build=build,
        batch=language_model_batch,
        outputs=lambda model, batch: model(batch.inputs)[0],
        pad=None,
        evaluate=evaluate_language_model,
        use_empty=evaluate_nothing,
    )


SENTENCES = [sentence for sentence, _ in generated_people.sentences(seed=0, count=12)]
SPANS = [spans for _, spans in generated_people.sentences(seed=0, count=12)]


def build_tagger(**options: Any) -> Tagger:
    torch.manual_seed(0)
    words = [word for sentence in SENTENCES for word in sentence]
    alphabet, _ = Alphabet.build(words)
    config = tagger.Config(
        **{"labels": generated_people.LABELS, **alphabet.sizes()},
        **{"word_size": 16, "character_size": 8, "hidden_size": 24, **options},
    )
    return Tagger(config, alphabet)


def tagger_batch(rows: int) -> TaggerBatch:
    return build_tagger().batch(SENTENCES[:rows], SPANS[:rows])


def padded_tagger_batch(batch: TaggerBatch) -> TaggerBatch:
    wider = {name: F.pad(getattr(batch, name), (0, 3)) for name in ("place", "mask", "tags")}
    return batch._replace(**wider, context=F.pad(batch.context, (0, 0, 0, 3)))


def written(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def evaluate_tagger(model: Tagger, folder: Path) -> tuple[float, ...]:
    lines = []
    for sentence, spans in zip(SENTENCES, SPANS, strict=True):
        tags = to_tags(spans, len(sentence), "BIO")
        lines += [f"{word} {tag}" for word, tag in zip(sentence, tags, strict=True)] + [""]
    model.threshold.fill_(0.01)
    found = tagger.evaluate(model, written(folder / "data.conll", "\n".join(lines)))
    return float(found.words), found.words_per_second, 1 - found.ece


def tagger_member(**options: Any) -> Member:
    return Member(
        kind=Tagger,
        build=lambda: build_tagger(**options),
        batch=tagger_batch,
        outputs=lambda model, batch: model(batch) * batch.mask[..., None],
        pad=padded_tagger_batch,
        evaluate=evaluate_tagger,
        use_empty=lambda model, folder: tagger.evaluate(model, written(folder / "a.conll", "")),
    )


LABELS = [spans[0].label if spans else "none" for spans in SPANS]


def build_classifier(**options: Any) -> Classifier:
    torch.manual_seed(0)
    alphabet, _ = Alphabet.build([word for sentence in SENTENCES for word in sentence])
    config = classifier.Config(
        **{"labels": tuple(sorted(set(LABELS))), **alphabet.sizes()},
        **{"word_size": 16, "hidden_size": 24, **options},
    )
    return Classifier(config, alphabet)


def classifier_batch(rows: int) -> ClassBatch:
    return build_classifier().batch(SENTENCES[:rows], [[label] for label in LABELS[:rows]])


def padded_classifier_batch(batch: Any) -> Any:
    wider = {name: F.pad(getattr(batch, name), (0, 3)) for name in ("place", "mask")}
    return batch._replace(**wider)


def evaluate_classifier(model: Classifier, folder: Path) -> tuple[float, ...]:
    texts = (" ".join(sentence) for sentence in SENTENCES)
    rows = [f"{text}\t{label}" for text, label in zip(texts, LABELS, strict=True)]
    table = written(folder / "data.tsv", "\n".join(["text\tlabel", *rows]))
    found = classifier.evaluate(model, table)
    return float(found.texts), found.words_per_second, 1 - found.ece


def classifier_member(**options: Any) -> Member:
    return Member(
        kind=Classifier,
        build=lambda: build_classifier(**options),
        batch=classifier_batch,
        outputs=lambda model, batch: model(batch),
        pad=padded_classifier_batch,
        evaluate=evaluate_classifier,
        use_empty=lambda model, folder: classifier.evaluate(model, written(folder / "a.tsv", "")),
    )


PAIRS = [*generated_pairs.pairs(seed=0, count=60)]
PIECES = Tokenizer.train([f" {text}" for pair in PAIRS for text in pair], vocabulary_size=300)
# The first is the longest, so that all batches have the same shape.
PAIRS = sorted(PAIRS, key=lambda pair: -len(PIECES.encode(f" {pair[1]}")))[-12:]


def build_translator(**options: Any) -> Translator:
    torch.manual_seed(0)
    size = PIECES.vocabulary_size
    sizes = {"embedding_size": 32, "hidden_size": 64, **options}
    return Translator(translator.Config(size, size, **sizes), Texts(PIECES, PIECES))


def translator_batch(rows: int) -> TranslatorBatch:
    model = build_translator()
    sources, targets = (model.texts.encode(side) for side in zip(*PAIRS[:rows], strict=True))
    return model.batch(sources, targets)


def translator_outputs(model: Translator, batch: TranslatorBatch) -> Tensor:
    return model(batch)[0] * batch.target_mask[..., None]


def padded_translator_batch(batch: TranslatorBatch) -> TranslatorBatch:
    return TranslatorBatch(*(F.pad(part, (0, 3)) for part in batch))


def evaluate_translator(model: Translator, folder: Path) -> tuple[float, ...]:
    table = written(folder / "data.tsv", "".join(f"{one}\t{other}\n" for one, other in PAIRS))
    found = translator.evaluate(model, table)
    return found.length_ratio, found.ter, 1 + found.bleu


def translator_member(**options: Any) -> Member:
    return Member(
        kind=Translator,
        build=lambda: build_translator(**options),
        batch=translator_batch,
        outputs=translator_outputs,
        pad=padded_translator_batch,
        evaluate=evaluate_translator,
        use_empty=lambda model, folder: translator.evaluate(model, written(folder / "a.tsv", "")),
    )


SCENES = [*scenes.scenes(seed=0, count=6, size=48)]
# The first has the longest, so that all batches have the same shape.
SCENES.sort(key=lambda scene: -len(scene.captions[0].split()))
WORDS = Tokenizer.train([f" {text}" for one in SCENES for text in one.captions], kind="characters")


def build_captioner(**options: Any) -> Captioner:
    torch.manual_seed(0)
    sizes = {"embedding_size": 32, "hidden_size": 48, "features": 32, **options}
    prepared = Preparation(size=48)
    config = captioner.Config(WORDS.vocabulary_size, preparation=prepared, **sizes)
    return Captioner(config, Texts(WORDS, WORDS))


def captioner_batch(rows: int) -> CaptionBatch:
    pytest.importorskip("PIL")
    model, chosen = build_captioner(), SCENES[:rows]
    pixels = torch.stack([model.preparation(scenes.draw(scene)) for scene in chosen])
    # A few letters are enough, and quick.
    texts = [scene.captions[0][:12] for scene in chosen]
    return model.batch(pixels, model.texts.encode(texts, target=True))


def padded_caption_batch(batch: CaptionBatch) -> CaptionBatch:
    wider = {name: F.pad(getattr(batch, name), (0, 3)) for name in ("inputs", "targets", "mask")}
    return batch._replace(**wider)


def evaluate_captioner(model: Captioner, folder: Path) -> tuple[float, ...]:
    found = captioner.evaluate(model, "generated-scenes:3:48")
    return found.length, float(found.captions), 1 + found.cider


def captioner_member(**options: Any) -> Member:
    return Member(
        kind=Captioner,
        build=lambda: build_captioner(**options),
        batch=captioner_batch,
        outputs=lambda model, batch: model(batch)[0] * batch.mask[..., None],
        pad=padded_caption_batch,
        evaluate=evaluate_captioner,
        use_empty=lambda model, folder: captioner.evaluate(model, written(folder / "a.csv", "")),
    )


ASKED = [[one.question[:-1].split(), one.answer] for scene in SCENES for one in scene.questions[:1]]


def build_answerer(**options: Any) -> Answerer:
    torch.manual_seed(0)
    alphabet, _ = Alphabet.build([word for words, _ in ASKED for word in words])
    config = question_answering.Config(
        **{"answers": ("0", "1", "2", "3", "4"), "words": len(alphabet.words)},
        **{"preparation": Preparation(size=48), "features": 32, "hidden_size": 24, **options},
    )
    return Answerer(config, alphabet)


def question_batch(rows: int) -> QuestionBatch:
    model = build_answerer()
    pytest.importorskip("PIL")
    pixels = torch.stack([model.config.preparation(scenes.draw(one)) for one in SCENES[:rows]])
    words, answers = zip(*ASKED[:rows], strict=True)
    return model.batch(pixels, range(rows), words, [[answer] for answer in answers])


def evaluate_answerer(model: Answerer, folder: Path) -> tuple[float, ...]:
    found = question_answering.evaluate(model, "generated-scenes:3:48")
    return float(found.questions), 1 + found.accuracy, 1 + found.ece


def answerer_member(**options: Any) -> Member:
    return Member(
        kind=Answerer,
        build=lambda: build_answerer(**options),
        batch=question_batch,
        outputs=lambda model, batch: model(batch).logits,
        pad=padded_classifier_batch,
        evaluate=evaluate_answerer,
        use_empty=lambda model, folder: question_answering.evaluate(
            model, written(folder / "a.csv", "")
        ),
    )


BOXED = [*scenes.scenes(seed=0, count=6, size=64)]
BOXED.sort(key=lambda scene: len(scene.things))


def build_detector(**options: Any) -> Detector:
    torch.manual_seed(0)
    sizes = (((12.0, 12.0),), ((20.0, 20.0),), ((40.0, 40.0),))
    known = {"anchors": sizes, "preparation": Preparation(64, "pad"), "features": 16, **options}
    return Detector(detector.Config(scenes.SHAPES, **known))


def detector_batch(rows: int) -> DetectionBatch:
    pytest.importorskip("PIL")
    model = build_detector()
    pixels = torch.stack([model.preparation(scenes.draw(one)) for one in BOXED[:rows]])
    boxes = [[thing.box for thing in one.things] for one in BOXED[:rows]]
    labels = [[scenes.SHAPES.index(thing.shape) for thing in one.things] for one in BOXED[:rows]]
    return model.batch(pixels, boxes, labels)


def evaluate_detector(model: Detector, folder: Path) -> tuple[float, ...]:
    found = detector.evaluate(model, "generated-scenes:3:48")
    return float(found.pictures), 1 + found.ap, 1 + found.ap50


def detector_member(**options: Any) -> Member:
    return Member(
        kind=Detector,
        build=lambda: build_detector(**options),
        batch=detector_batch,
        outputs=lambda model, batch: model(batch.pixels),
        pad=None,
        evaluate=evaluate_detector,
        use_empty=lambda model, folder: detector.evaluate(model, written(folder / "a.csv", "")),
        rate=0.003,  # boxes move a little at a time
        steps=60,
    )


PORTRAITS = [*generated_faces.portraits(seed=0, people=3, pictures=2, size=32)]


def build_face_encoder(**options: Any) -> FaceEncoder:
    torch.manual_seed(0)
    sizes = {"preparation": Preparation(size=32), "embedding_size": 16, "cells": 2, **options}
    return FaceEncoder(faces.Config(people=3, **sizes))


def face_batch(rows: int) -> FaceBatch:
    pytest.importorskip("PIL")
    model, chosen = build_face_encoder(), PORTRAITS[:rows]
    pixels = torch.stack([model.preparation(generated_faces.draw(face)) for face in chosen])
    return model.batch(pixels, [row // 2 for row in range(rows)])


def evaluate_face_encoder(model: FaceEncoder, folder: Path) -> tuple[float, ...]:
    found = faces.evaluate(model, "generated-faces:3:2", split="train")
    return float(found.people), 1 + found.auc, 1 + found.eer, 1 + found.rank1


def face_member(**options: Any) -> Member:
    return Member(
        kind=FaceEncoder,
        build=lambda: build_face_encoder(**options),
        batch=face_batch,
        outputs=lambda model, batch: model(batch.pixels),
        pad=None,
        evaluate=evaluate_face_encoder,
        use_empty=lambda model, folder: faces.evaluate(model, written(folder / "a.csv", "")),
        rate=0.003,  # else hard triplets put all of them in one place
    )


MEMBERS = {
    "faces (arcface)": face_member(),
    "faces (triplets, hard)": face_member(objective="triplet", mining="hard"),
    "detector (several owners)": detector_member(),
    "detector (one owner)": detector_member(owners="best", judge_overlap=False),
    "captioner (lstm, additive, gated)": captioner_member(),
    "captioner (lstm, cells in context)": captioner_member(attention="general", context=2),
    "captioner (gru, injected)": captioner_member(cell="gru", attention="none"),
    "question answering (lstm, additive)": answerer_member(),
    "question answering (gru, general)": answerer_member(cell="gru", attention="general", looks=1),
    "translator (lstm, general)": translator_member(decoder_layers=1),
    "translator (gru, additive, fed, covered)": translator_member(
        cell="gru", attention="additive", input_feeding=True, coverage=True
    ),
    "translator (lstm, no attention, reversed)": translator_member(
        attention="none", reverse_source=True
    ),
    "tagger (lstm, crf)": tagger_member(),
    "tagger (gru, softmax)": tagger_member(cell="gru", crf=False, spelling="none"),
    "classifier (lstm, max)": classifier_member(),
    "classifier (gru, attention)": classifier_member(cell="gru", pooling="attention"),
    "language model (lstm)": recurrent_member("lstm"),
    "language model (one-hot)": recurrent_member("lstm", one_hot=True, tied=False),
    "language model (gru)": recurrent_member("gru"),
    "language model (rnn)": recurrent_member("rnn"),
    "language model (relu-rnn)": recurrent_member("relu-rnn"),
    "language model (gpt2)": language_model_member(build_gpt2),
}


@pytest.fixture(params=MEMBERS.values(), ids=MEMBERS.keys())
def member(request: pytest.FixtureRequest) -> Member:
    return request.param


def test_save_and_load_give_identical_output(member: Member, tmp_path: Path) -> None:
    model = member.build().eval()
    model.save_pretrained(tmp_path / "model")
    again = member.kind.from_pretrained(tmp_path / "model", device="cpu")  # type: ignore[attr-defined]
    batch = member.batch(3)
    assert torch.equal(member.outputs(model, batch), member.outputs(again, batch))
    assert not list((tmp_path / "model").glob(".*"))


def test_more_padding_changes_nothing(member: Member) -> None:
    if member.pad is None:
        pytest.skip("this model's batches hold no padding")
    model, batch = member.build().eval(), member.batch(3)
    expected = member.outputs(model, batch)
    padded = member.outputs(model, member.pad(batch))[:, : expected.shape[1]]
    torch.testing.assert_close(padded, expected)


def test_batch_neighbours_change_nothing(member: Member) -> None:
    model = member.build().eval()
    alone, together = (member.outputs(model, member.batch(rows)) for rows in (1, 4))
    torch.testing.assert_close(together[:1], alone)


def test_same_seed_same_loss(member: Member) -> None:
    model, batch = member.build().train(), member.batch(4)
    losses = []
    for _ in range(2):
        torch.manual_seed(5)
        losses.append(model.loss(batch).mean.item())
    assert losses[0] == losses[1]
    assert math.isfinite(losses[0])


def test_a_few_steps_on_one_batch_halve_the_loss(member: Member) -> None:
    model, batch = member.build().eval(), member.batch(4)  # dropout off: one batch by heart
    optimizer = torch.optim.AdamW(model.parameters(), lr=member.rate)
    first = model.loss(batch).mean.item()
    for _ in range(member.steps):
        model.loss(batch).mean.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert model.loss(batch).mean.item() <= first / 2


def test_loss_counts_its_targets(member: Member) -> None:
    model = member.build().eval()
    one, four = model.loss(member.batch(1)), model.loss(member.batch(4))
    assert 0 < one.targets < four.targets


def test_evaluate_gives_finite_numbers(member: Member, tmp_path: Path) -> None:
    values = member.evaluate(member.build(), tmp_path)
    assert values
    assert all(math.isfinite(value) and value > 0 for value in values)


def test_empty_input_and_a_wrong_folder_are_told(member: Member, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="empty"):
        member.use_empty(member.build(), tmp_path)
    with pytest.raises(UsageError, match="model folder"):
        member.kind.from_pretrained(tmp_path)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="no model folder"):
        member.kind.from_pretrained(tmp_path / "missing")  # type: ignore[attr-defined]


def test_step_by_step_equals_forward(member: Member) -> None:
    model = member.build().eval()
    if not hasattr(model, "step"):
        pytest.skip("this model does not step, or only before a source")
    ids = member.batch(3)[0]
    logits, end = model(ids)
    state = model.start(3)
    for position in range(ids.shape[1]):
        step_logits, state = model.step(ids[:, position], state)
        torch.testing.assert_close(step_logits, logits[:, position], atol=1e-5, rtol=1e-4)
    for part, expected in zip(state, end, strict=True):
        if isinstance(part, Cache):
            part, expected = part.ids, expected.ids
        torch.testing.assert_close(part, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives(member: Member) -> None:
    model, batch = member.build().eval(), member.batch(3)
    expected = member.outputs(model, batch)
    moved = type(batch)(*(part.cuda() for part in batch))
    torch.testing.assert_close(
        member.outputs(model.cuda(), moved).cpu(), expected, atol=1e-4, rtol=1e-3
    )
