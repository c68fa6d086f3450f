"""GPT-2's network: equal to that of `transformers`, cached as uncached, near as far."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from corpora import UsageError
from nlp.core.decoding import Greedy, Sampling, generate
from nlp.core.kv_cache import Cache
from nlp.core.language.model import LanguageModel
from nlp.core.search.beam import Beam, Prompted, search
from nlp.core.transformer import Config, Transformer

transformers = pytest.importorskip("transformers")

SIZES = [(1, 1, 8), (1, 2, 16), (2, 4, 32), (3, 3, 24), (2, 1, 64)]  # layers, heads, hidden size
VOCABULARY, CONTEXT = 61, 32


def ours(layers: int = 2, heads: int = 4, hidden_size: int = 32, **more: Any) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(Config(VOCABULARY, CONTEXT, layers, heads, hidden_size, **more)).eval()
    for name, parameter in model.named_parameters():  # as trained ones: not small, no zeros
        torch.nn.init.normal_(parameter, std=1.0 if "norm" in name else 0.15)
    return model


def theirs(model: Transformer) -> Any:
    config = model.config
    peer = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=config.vocabulary_size,
            n_positions=config.context,
            n_embd=config.hidden_size,
            n_layer=config.layers,
            n_head=config.heads,
            n_inner=config.inner_size,
            bos_token_id=0,
            eos_token_id=0,
            **{f"{name}_pdrop": 0.0 for name in ("attn", "embd", "resid")},
        )
    ).eval()
    missing, unexpected = peer.load_state_dict(published(model), strict=False)
    assert not unexpected
    assert set(missing) <= {"lm_head.weight"}  # tied
    peer.tie_weights()
    return peer


def published(model: Transformer, tensors: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The weights, or other tensors of their shapes, under the names that `transformers` has."""
    whole = LanguageModel(model.config)
    whole.decoder.load_state_dict(model.state_dict() if tensors is None else tensors)
    return whole.state_dict()


def ids_of(rows: int, time: int, seed: int = 1) -> Tensor:
    return torch.randint(VOCABULARY, (rows, time), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("layers", "heads", "hidden_size"), SIZES)
def test_logits_loss_and_gradients_are_those_of_transformers(
    layers: int, heads: int, hidden_size: int
) -> None:
    model = ours(layers, heads, hidden_size)
    peer, ids = theirs(model), ids_of(3, 20)
    torch.testing.assert_close(model(ids)[0], peer(ids).logits, atol=1e-4, rtol=1e-4)
    loss, expected = model.loss(ids[:, :-1], ids[:, 1:]), peer(ids, labels=ids).loss
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    loss.backward()
    expected.backward()
    gradients = {name: p.grad.to_dense() for name, p in model.named_parameters()}  # type: ignore[union-attr]
    found = published(model, gradients)
    for name, parameter in peer.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(("layers", "heads", "hidden_size"), SIZES)
def test_greedy_text_is_that_of_transformers(layers: int, heads: int, hidden_size: int) -> None:
    model = ours(layers, heads, hidden_size)
    prompt = ids_of(1, 5)
    expected = theirs(model).generate(prompt, max_new_tokens=25, do_sample=False, eos_token_id=None)
    found = generate(model, prompt[0].tolist(), strategy=Greedy(), max_tokens=25)[0]
    assert found.ids == expected[0, 5:].tolist()


def test_another_inner_size_is_read() -> None:
    model, ids = ours(inner_size=24), ids_of(2, 9)
    torch.testing.assert_close(model(ids)[0], theirs(model)(ids).logits, atol=1e-4, rtol=1e-4)


# The cache


@pytest.mark.parametrize("time", [1, 7, CONTEXT, CONTEXT + 1, 3 * CONTEXT + 5])
def test_it_does_not_matter_how_many_tokens_are_read_at_a_time(time: int) -> None:
    model, ids = ours(), ids_of(2, time)
    expected, end = model(ids)
    for parts in ([1] * time, [time // 2, time - time // 2], [min(time, 3)] * (time // 3 or 1)):
        state, logits, at = model.start(2), [], 0
        for part in [*parts, time - sum(parts)]:
            if part:
                more, state = model(ids[:, at : at + part], state)
                logits.append(more)
                at += part
        torch.testing.assert_close(torch.cat(logits, 1), expected, atol=1e-4, rtol=1e-4)
        assert torch.equal(state[0].ids, end[0].ids)


def test_what_overflows_slides_by_half_a_context() -> None:
    model, ids = ours(), ids_of(1, CONTEXT + 4)
    logits, (cache,) = model(ids)
    assert cache.length == CONTEXT // 2 + 4
    torch.testing.assert_close(logits[:, :CONTEXT], model(ids[:, :CONTEXT])[0])
    fresh = model(ids[:, CONTEXT // 2 :])[0]  # as if the text began there
    torch.testing.assert_close(logits[:, CONTEXT:], fresh[:, CONTEXT // 2 :], atol=1e-5, rtol=1e-4)


def test_a_context_of_one_token_sees_that_one() -> None:
    torch.manual_seed(0)
    model = Transformer(Config(VOCABULARY, 1, 1, 1, 8)).eval()
    logits, _ = model(torch.tensor([[3, 4, 3]]))
    torch.testing.assert_close(logits[0, 0], logits[0, 2])


def test_a_text_that_overflows_does_not_cut_its_neighbours() -> None:
    model = ours()
    prompts = [ids_of(1, time, seed=time)[0].tolist() for time in (CONTEXT - 3, CONTEXT - 9, 4)]
    prompted = Prompted(model, prompts)
    options: dict[str, Any] = {"stop_id": 0, "max_tokens": 40, "seed": 1}
    together = search(prompted, Sampling(), start_id=prompted.start_id, **options)
    for prompt, found in zip(prompts, together, strict=True):
        alone = search(Prompted(model, [prompt]), Sampling(), start_id=prompt[-1], **options)[0]
        assert found[0].ids == alone[0].ids
        torch.testing.assert_close(
            found[0].log_probabilities, alone[0].log_probabilities, atol=1e-4, rtol=1e-3
        )


def test_gradients_flow_through_forward_as_through_the_loss() -> None:
    model, ids = ours(), ids_of(2, 12)
    gradients = []
    logits, _ = model(ids[:, :-1])
    first, state = model(ids[:, :5])  # in two parts, the state carried
    rest, _ = model(ids[:, 5:-1], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), logits, atol=1e-5, rtol=1e-4)
    for mean in (
        model.loss(ids[:, :-1], ids[:, 1:]),
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()),
    ):
        gradients.append(torch.autograd.grad(mean, model.blocks[0].attention.input.weight)[0])  # type: ignore[union-attr, arg-type]
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-6, rtol=1e-4)


def test_two_texts_go_on_from_one_state() -> None:
    model, ids = ours(), ids_of(1, 12)
    _, state = model(ids[:, :10])
    first, _ = model.step(ids[:, 10], state)
    other, _ = model.step((ids[:, 10] + 1) % VOCABULARY, state)
    again, _ = model.step(ids[:, 10], state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_prompts_of_several_lengths_are_gone_on_with_as_alone() -> None:
    model = ours()
    texts = [ids_of(1, time, seed=time)[:, :time] for time in (3, 9, 1)]
    state: tuple[Cache] = (Cache.joined([model(text)[1][0] for text in texts]),)
    more = ids_of(3, 6)
    logits, state = model(more[:, :5], state)
    last, _ = model.step(more[:, 5], state)
    for row, text in enumerate(texts):
        alone = model(torch.cat([text, more[row : row + 1]], 1))[0][0, text.shape[1] :]
        torch.testing.assert_close(logits[row], alone[:5], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(last[row], alone[5], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("strategy", [Greedy(), Sampling(top_k=2), Beam(4)])
def test_a_search_of_several_prompts_is_that_of_each(strategy: Any) -> None:
    model = ours()
    prompts = [ids_of(1, time, seed=time)[0].tolist() for time in (4, 11, 1, 7)]
    options: dict[str, Any] = {"stop_id": 0, "max_tokens": 8, "seed": 3}
    prompted = Prompted(model, prompts)
    together = search(prompted, strategy, start_id=prompted.start_id, **options)
    for prompt, found in zip(prompts, together, strict=True):
        alone = search(Prompted(model, [prompt]), strategy, start_id=prompt[-1], **options)[0]
        assert [text.ids for text in found] == [text.ids for text in alone]


def test_the_best_two_are_never_left() -> None:
    model, prompt = ours(), ids_of(1, 4)[0].tolist()
    written = generate(model, prompt, strategy=Sampling(top_k=2), max_tokens=60, samples=4, seed=1)
    for text in written:
        logits, _ = model(torch.tensor([prompt + text.ids]))
        best = logits[0, len(prompt) - 1 : -1].topk(2).indices.tolist()
        for place, token in enumerate(text.ids[: CONTEXT - len(prompt)]):  # before it slides
            assert token in best[place]


# The rest of the contract


def test_reading_gives_the_last_logits_only() -> None:
    model, ids = ours(), ids_of(2, 9)
    whole, _ = model(ids)
    last, state = model.read(ids, model.start(2))
    torch.testing.assert_close(last, whole[:, -1])
    assert state[0].length == 9


def test_a_quick_step_is_nearly_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = ours(), ids_of(1, 6)
    assert model.fast_step() == model.step  # small: nothing to win
    monkeypatch.setattr("nlp.core.transformer.HALF_FROM", 1)
    monkeypatch.setattr("nlp.core.transformer.cpu_has_float16", lambda: True)
    quick, (slow, fast) = model.fast_step(), (model.start(1), model.start(1))
    assert quick != model.step
    for place in range(6):
        expected, slow = model.step(ids[:, place], slow)
        found, fast = quick(ids[:, place], fast)
        torch.testing.assert_close(found, expected, atol=0.02, rtol=0.01)


def test_it_begins_near_the_uniform_distribution_with_small_residual_weights() -> None:
    torch.manual_seed(0)
    model = Transformer(Config(VOCABULARY, CONTEXT, 8, 4, 64))
    ids = ids_of(4, 20)
    assert abs(model.eval().loss(ids, ids.roll(1)).item() - math.log(VOCABULARY)) < 0.1
    block: Any = model.blocks[0]
    assert abs(float(block.attention.input.weight.detach().std()) - 0.02) < 0.002
    for layer in (block.attention.output, block.feed.contract):
        assert abs(float(layer.weight.detach().std()) - 0.02 / 4) < 0.001  # sqrt(2 x 8 layers)


def test_sizes_that_do_not_fit_are_told() -> None:
    with pytest.raises(UsageError, match="5 heads do not divide"):
        Config(10, heads=5, hidden_size=16)
    with pytest.raises(UsageError, match="layers"):
        Config(10, layers=0)
    model = ours()
    with pytest.raises(UsageError, match="context of 32"):
        model.loss(ids_of(1, 33), ids_of(1, 33))
