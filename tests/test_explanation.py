"""The words that carried a decision: against derivatives taken by hand, and as a page."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from corpora.errors import UsageError
from nlp.classifier import Classifier, Config
from nlp.core.alphabet import Alphabet, Words
from nlp.core.classes.explanation import ClassifiedText, gradient_times_input
from nlp.core.classes.explanation_page import write_page

TEXTS = ["good , not bad", "a film", "never dull , never ever bad"]
LABELS = ("neg", "pos", "so-so")


def model(pooling: str = "attention", *, multi_label: bool = False) -> Classifier:
    torch.manual_seed(0)
    alphabet, _ = Alphabet.build(" ".join(TEXTS).split())
    sizes = {"word_size": 8, "hidden_size": 6, **alphabet.sizes()}
    config = Config(LABELS, multi_label=multi_label, pooling=pooling, **sizes)  # type: ignore[arg-type]
    made = Classifier(config, alphabet).eval()
    for parameter in made.parameters():  # so that words matter
        torch.nn.init.uniform_(parameter, -0.7, 0.7)
    return made


# ── weights ─────────────────────────────────────────────────────────────────────────────────────


def test_of_a_linear_model_each_word_adds_what_it_adds() -> None:
    vectors, weight = torch.randn(3, 5, 4), torch.randn(2, 4)
    mask = torch.arange(5) < torch.tensor([[5], [2], [1]])

    def log_odds(vectors: Tensor, mask: Tensor) -> Tensor:
        return (vectors * mask[..., None]).sum(1) @ weight.T

    label = torch.tensor([0, 1, 1])
    found = gradient_times_input(vectors, mask, label, log_odds)
    expected = (vectors * weight[label][:, None]).sum(2) * mask
    torch.testing.assert_close(found, expected)
    assert (found[~mask] == 0).all()
    total = log_odds(vectors, mask).gather(1, label[:, None]).squeeze(1)
    torch.testing.assert_close(found.sum(1), total)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("pooling", ["last", "max", "mean", "attention"])
def test_gradient_times_input_is_how_the_log_odds_fall_with_a_word(
    pooling: str, multi_label: bool
) -> None:
    made = model(pooling, multi_label=multi_label).double()
    sentences = [text.split() for text in TEXTS]
    batch = made.batch(sentences)
    label = torch.tensor([0, 1, 2])
    vectors = made.features(Words(*batch[:5])).detach()
    found = gradient_times_input(vectors, batch.mask, label, made.log_odds)

    def odds(vectors: Tensor) -> Tensor:
        logits = made.read(vectors, batch.mask)[0].detach()
        share = logits.sigmoid() if multi_label else logits.softmax(1)
        share = share.gather(1, label[:, None]).squeeze(1)
        return share.log() - (1 - share).log()

    step = 1e-4
    for word in range(vectors.shape[1]):
        scale = torch.ones(vectors.shape[1], 1, dtype=torch.float64)
        more, less = scale.clone(), scale.clone()
        more[word], less[word] = 1 + step, 1 - step
        slope = (odds(vectors * more) - odds(vectors * less)) / (2 * step)
        torch.testing.assert_close(found[:, word], slope, atol=1e-5, rtol=1e-3)
    assert (found[~batch.mask] == 0).all()
    assert (found[batch.mask] != 0).any()


def test_weights_are_the_words_own_whatever_stands_beside_them_in_the_batch() -> None:
    made = model()
    for explain in ("attention", "gradient"):
        together = list(made.classify(TEXTS, explain=explain))  # type: ignore[arg-type]
        for text, answer in zip(TEXTS, together, strict=True):
            (alone,) = made.classify([text], explain=explain)  # type: ignore[arg-type]
            assert alone.weights == pytest.approx(answer.weights, abs=1e-6)
            assert len(answer.weights) == len(answer.words)
            likeliest = max(answer.probabilities, key=lambda name: answer.probabilities[name])
            assert answer.labels == (likeliest,)
            assert answer.explained == likeliest
            if explain == "attention":
                assert sum(answer.weights) == pytest.approx(1)
                assert min(answer.weights) > 0


def test_attention_is_that_of_the_pool() -> None:
    made = model()
    batch = made.batch([text.split() for text in TEXTS])
    with torch.no_grad():
        _, pooled = made.read(made.features(Words(*batch[:5])), batch.mask)
    assert pooled.weights is not None
    for row, answer in enumerate(made.classify(TEXTS, explain="attention")):
        expected = pooled.weights[row, : len(answer.words)].tolist()
        assert answer.weights == pytest.approx(expected, abs=1e-6)


def test_a_label_can_be_asked_about() -> None:
    made = model()
    (pos,) = made.classify(TEXTS[:1], explain="gradient", label="pos")
    (neg,) = made.classify(TEXTS[:1], explain="gradient", label="neg")
    assert pos.explained == "pos"
    assert pos.weights != neg.weights
    assert pos.labels == neg.labels
    with pytest.raises(UsageError, match="the label 'good' is unknown: expected neg, pos, so-so"):
        list(made.classify(TEXTS, explain="gradient", label="good"))


def test_two_labels_pull_against_each_other() -> None:
    torch.manual_seed(0)
    alphabet, _ = Alphabet.build(" ".join(TEXTS).split())
    made = Classifier(Config(("neg", "pos"), **alphabet.sizes()), alphabet)
    for text in TEXTS:
        pos, neg = (
            next(made.classify([text], explain="gradient", label=label)) for label in ("pos", "neg")
        )
        assert pos.weights == pytest.approx([-weight for weight in neg.weights], abs=1e-7)


def test_attention_is_refused_where_there_is_none() -> None:
    with pytest.raises(UsageError, match=r"pools by max and has no attention.*--pooling attention"):
        list(model("max").classify(TEXTS, explain="attention"))
    with pytest.raises(UsageError, match="explain 'magic' is unknown"):
        list(model().classify(TEXTS, explain="magic"))  # type: ignore[arg-type]


def test_an_explanation_leaves_the_model_as_it_was() -> None:
    made = model()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    plain = [answer.probabilities for answer in made.classify(TEXTS)]
    explained = [answer.probabilities for answer in made.classify(TEXTS, explain="gradient")]
    assert plain == explained
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())
    assert all(parameter.grad is None for parameter in made.parameters())


def test_strengths_are_those_beside_the_strongest() -> None:
    text = ClassifiedText("a b c", ("x",), {"x": 1.0}, ((0, 1), (2, 3), (4, 5)), "x", (1, -2, 0))
    assert list(text.weighted()) == [((0, 1), 1, 0.5), ((2, 3), -2, 1.0), ((4, 5), 0, 0.0)]
    assert not list(ClassifiedText("a", ("x",), {"x": 1.0}, ((0, 1),)).weighted())


# ── the page ────────────────────────────────────────────────────────────────────────────────────


class Page(HTMLParser):
    """A page's texts, their marked words with the colour's strength, and the labels told."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.marks: list[list[tuple[str, bool, str]]] = []
        self.labels: list[list[tuple[str, bool]]] = []
        self.tags = Counter[str]()
        self.title = ""
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in given}
        self.tags[tag] += 1
        if tag == "article":
            self.labels.append([])
        if attributes.get("class") == "text":
            self.texts.append("")
            self.marks.append([])
        if tag not in ("meta", "meter"):
            self._open.append((tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        if tag != "meter":
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if tags[-1:] == ["title"]:
            self.title += data
        if tags[-1:] == ["bdi"]:
            chosen = self._open[-2][1].get("class") == "chosen"
            self.labels[-1].append((data, chosen))
        if any(attributes.get("class") == "text" for _, attributes in self._open):
            self.texts[-1] += data
        if tags[-1:] == ["mark"]:
            attributes = self._open[-1][1]
            strength = attributes["style"].removeprefix("--strength: ")
            self.marks[-1].append((data, attributes.get("class") == "against", strength))


def written(folder: Path, *texts: ClassifiedText, title: str = "Texts") -> tuple[str, Page]:
    write_page(folder / "page.html", texts, title=title)
    page = (folder / "page.html").read_text(encoding="utf-8")
    return page, Page(page)


@st.composite
def classified_texts(draw: st.DrawFn) -> ClassifiedText:
    pieces = ["a", "<b>", "&amp;", '"', "\n", "\t", "  ", "é", "😀", "שלום", "$x", "{}"]
    parts = draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=12))
    words, at = [], 0
    for part in parts:
        if not part.isspace():
            words.append((at, at + len(part)))
        at += len(part)
    weights = [draw(st.floats(-2, 2)) for _ in words]
    labels = ("pos", "neg", "<i>")
    chosen = draw(st.sets(st.sampled_from(labels)))
    probabilities = {label: draw(st.floats(0, 1)) for label in labels}
    return ClassifiedText(
        "".join(parts), tuple(sorted(chosen)), probabilities, tuple(words), "pos", tuple(weights)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(classified_texts(), max_size=4))
def test_texts_words_and_labels_are_read_back(tmp_path: Path, texts: list[ClassifiedText]) -> None:
    _, read = written(tmp_path, *texts)
    assert read.texts == [text.text for text in texts]
    for text, marks, labels in zip(texts, read.marks, read.labels, strict=True):
        assert marks == [
            (text.text[start:end], weight < 0, f"{strength:.2f}")
            for (start, end), weight, strength in text.weighted()
        ]
        assert {label for label, chosen in labels if chosen} == set(text.labels)
        assert {label for label, _ in labels} == set(text.probabilities)
    assert not read.tags.keys() & {"b", "i", "script"}


def test_a_page_asks_nothing_of_the_network(tmp_path: Path) -> None:
    page, read = written(tmp_path, *model().classify(TEXTS, explain="gradient"))
    assert not re.search(r"https?:|//|url\(|@import|\bsrc=|\bhref=", page)
    assert "default-src 'none'" in page
    assert not read.tags.keys() & {"link", "img", "iframe", "script"}


def test_markup_is_text(tmp_path: Path) -> None:
    nasty = "</title><script>alert(1)</script> $texts"
    text = ClassifiedText(f"{nasty} \0 \ud83d", (nasty,), {nasty: 0.5}, ())
    _, read = written(tmp_path, text, title=nasty)
    assert read.title == nasty
    assert read.texts == [f"{nasty} \ufffd \ufffd"]  # what no page can hold
    assert read.labels == [[(nasty, True)]]
    assert not read.tags["script"]


def test_of_many_labels_the_likeliest_are_shown_and_all_that_a_text_got(tmp_path: Path) -> None:
    probabilities = {f"l{number}": 0.9 - number / 100 for number in range(30)}
    text = ClassifiedText("a", ("l29",), probabilities, ((0, 1),))
    _, read = written(tmp_path, text)
    assert [label for label, _ in read.labels[0]] == [*(f"l{n}" for n in range(8)), "l29"]
