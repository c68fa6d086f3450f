"""GPT-2 folders: theirs read by us, ours read by transformers, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from corpora.errors import UsageError
from nlp.core import checkpoint
from nlp.core.language import gpt2_files
from nlp.core.language.model import LanguageModel
from nlp.core.tokenizer import END_OF_TEXT, Tokenizer
from nlp.core.transformer import Config, Transformer

transformers = pytest.importorskip("transformers")

TEXT = "take me to Mars, bake me a cake, take me to the moon and wake me soon.\n"
TOKENIZERS = {
    "gpt2": Tokenizer.train([TEXT] * 3, vocabulary_size=280),
    "gpt4": Tokenizer.train([TEXT] * 3, vocabulary_size=280, pattern="gpt4"),
    "characters": Tokenizer.train([TEXT], kind="characters"),
    "bytes": Tokenizer.train([], kind="bytes"),
}
SIZES: dict[str, Any] = {
    "vocab_size": 290,
    "n_positions": 12,
    "n_embd": 12,
    "n_layer": 2,
    "n_head": 3,
}


def their_model(**options: Any) -> Any:
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**SIZES | options)).eval()
    for parameter in model.parameters():  # biases and norms as a trained model has them
        nn.init.normal_(parameter, std=0.2)
    return model


def ids() -> torch.Tensor:
    return torch.randint(SIZES["vocab_size"], (3, 9), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("theirs")
    their_model().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of transformers' folder that may be changed."""
    return shutil.copytree(saved, tmp_path / "model")


def change(folder: Path, **content: Any) -> None:
    path = folder / checkpoint.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | content))


def change_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    """`__` stands for a point; None takes a tensor away."""
    path = folder / checkpoint.WEIGHTS
    tensors = load_file(path)
    for name, tensor in changes.items():
        tensors.pop(name.replace("__", "."), None)
        if tensor is not None:
            tensors[name.replace("__", ".")] = tensor
    save_file(tensors, path, {"format": "pt"})


def refusal(folder: Path) -> str:
    with pytest.raises(UsageError) as error:
        gpt2_files.read(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)
    return str(error.value)


# ── theirs, read by us, and back ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_inner": 20},
        {"n_layer": 12, "n_head": 1},
        {"n_head": 12, "layer_norm_epsilon": 0.5},
        {"n_layer": 1, "n_positions": 40, "vocab_size": 300},
    ],
)
def test_logits_are_theirs_there_and_back(options: dict[str, Any], tmp_path: Path) -> None:
    theirs = their_model(**options)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = LanguageModel.from_pretrained(tmp_path / "theirs", device="cpu", precision="float32")
    with torch.no_grad():
        expected = theirs(ids()).logits
        torch.testing.assert_close(ours(ids())[0], expected, atol=1e-5, rtol=1e-5)
        ours.save_pretrained(tmp_path / "ours")
        again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours").eval()
        torch.testing.assert_close(again(ids()).logits, expected, atol=1e-5, rtol=1e-5)
    assert again.dtype == torch.float32
    for name in ("layer_norm_epsilon", "n_inner", "n_head", "n_positions", "attn_pdrop"):
        assert getattr(again.config, name) == getattr(theirs.config, name)


def test_every_name_and_shape_is_known_both_ways() -> None:
    theirs = their_model().state_dict()
    del theirs["lm_head.weight"]  # tied
    model = LanguageModel(Config(290, 12, 2, 3, 12))
    published = model.state_dict()
    assert {name: tensor.shape for name, tensor in published.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }
    assert next(iter(published)) == "transformer.wte.weight"
    model.load_state_dict(theirs)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, theirs[name])
    inside = model.decoder.blocks[1].attention.input.weight  # type: ignore[index,union-attr]
    assert torch.equal(inside, theirs["transformer.h.1.attn.c_attn.weight"].T)


def test_read_gives_what_the_network_asks_for(saved: Path) -> None:
    settings, tensors, tokenizer = gpt2_files.read(saved)
    config = Config(**settings)
    assert config == Config(290, 12, 2, 3, 12, None, 1e-5, 0.1, 0.1, 0.1)
    network = Transformer(config)
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    assert {name: tensor.shape for name, tensor in tensors.items()} == expected
    assert list(tensors) == list(expected)
    assert all(tensor.is_contiguous() for tensor in tensors.values())
    assert tokenizer is None


def test_names_are_known_within_a_larger_model_too() -> None:
    one, other = (nn.ModuleDict({"reader": LanguageModel(Config(9, 4, 1, 1, 2))}) for _ in "ab")
    state, name = one.state_dict(), "reader.transformer.h.0.mlp.c_fc.weight"
    other.load_state_dict(state)
    inside = dict(other.named_parameters())["reader.decoder.blocks.0.feed.expand.weight"]
    assert torch.equal(inside, state[name].T)
    with pytest.raises(RuntimeError, match="Missing"):
        other.load_state_dict({})


def test_without_their_prefix_and_with_their_masks(saved: Path, folder: Path) -> None:
    """As OpenAI's own files at the hub are."""
    tensors = {
        name.removeprefix("transformer."): tensor
        for name, tensor in load_file(folder / checkpoint.WEIGHTS).items()
    }
    tensors["h.0.attn.bias"] = torch.ones(1, 1, 12, 12)
    tensors["h.1.attn.masked_bias"] = torch.tensor(-1e4)
    tensors["lm_head.weight"] = tensors["wte.weight"].clone()
    save_file(tensors, folder / checkpoint.WEIGHTS)
    assert same(gpt2_files.read(folder)[1], gpt2_files.read(saved)[1])


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(left[name].equal(right[name]) for name in right)


def test_an_older_config_that_leaves_things_unsaid(saved: Path, folder: Path) -> None:
    content = {name: SIZES[name] for name in SIZES} | {"model_type": "gpt2", "n_ctx": 12}
    (folder / checkpoint.CONFIG).write_text(json.dumps(content))
    assert gpt2_files.read(folder)[0] == gpt2_files.read(saved)[0]


def test_weights_in_several_files(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    their_model().save_pretrained(folder, max_shard_size="6KB")
    shards = sorted(folder.glob("model-*-of-*.safetensors"))
    assert len(shards) > 2
    assert same(gpt2_files.read(folder)[1], gpt2_files.read(saved)[1])

    index = folder / gpt2_files.INDEX
    content = json.loads(index.read_text())
    for wrong in ({"x": "../x.safetensors"}, {"x": 3}, [], None):
        index.write_text(json.dumps(content | {"weight_map": wrong}))
        assert f"{index} is damaged" in refusal(folder)
    more = content["weight_map"] | {"x": shards[0].name}
    index.write_text(json.dumps(content | {"weight_map": more}))
    assert f"{index} promises x" in refusal(folder)
    index.write_text(json.dumps(content))
    shards[1].unlink()
    assert f"{shards[1]} is missing" in refusal(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_precision_is_as_stored(dtype: torch.dtype, tmp_path: Path) -> None:
    their_model().to(dtype).save_pretrained(tmp_path)
    tensors = gpt2_files.read(tmp_path)[1]
    assert {tensor.dtype for tensor in tensors.values()} == {dtype}
    model = LanguageModel.from_pretrained(tmp_path, device="cpu", precision="float32")
    assert model.decoder.position_embedding.dtype == torch.float32


# ── tokenizers ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", TOKENIZERS)
def test_their_tokenizer_of_our_folder_gives_our_ids(name: str, tmp_path: Path) -> None:
    tokenizer = TOKENIZERS[name]
    model = LanguageModel(Config(290, 12, 1, 1, 4), tokenizer)
    model.save_pretrained(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = f"baked 1234567 naïve  👋 's\n{END_OF_TEXT} n't , ."
    expected = tokenizer.encode(text, allowed_special="all")
    assert theirs(text).input_ids == expected
    assert theirs.decode(expected) == text
    assert theirs.eos_token_id == theirs.bos_token_id == tokenizer.end_of_text
    assert len(theirs) == tokenizer.vocabulary_size
    assert theirs.model_max_length == 12
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    assert config.eos_token_id == tokenizer.end_of_text
    again = LanguageModel.from_pretrained(tmp_path, device="cpu").tokenizer
    assert again is not None
    assert again.fingerprint == tokenizer.fingerprint


def test_our_config_is_that_of_any_model_of_ours(tmp_path: Path) -> None:
    model = LanguageModel(Config(290, 12, 1, 2, 4), TOKENIZERS["gpt2"])
    model.save_pretrained(tmp_path)
    settings, fingerprint = checkpoint.read_config(tmp_path, "language-model")
    assert settings.pop("network") == "gpt2"
    assert Config(**settings) == model.config
    assert fingerprint == TOKENIZERS["gpt2"].fingerprint
    with pytest.raises(UsageError, match="holds language-model, not tagger"):
        checkpoint.read_config(tmp_path, "tagger")


def test_another_models_tokenizer_is_refused(tmp_path: Path) -> None:
    LanguageModel(Config(290, 12, 1, 2, 4), TOKENIZERS["gpt2"]).save_pretrained(tmp_path)
    TOKENIZERS["gpt4"].save(tmp_path / checkpoint.TOKENIZER)
    assert "not the tokenizer that this model was trained with" in refusal(tmp_path)
    (tmp_path / checkpoint.TOKENIZER).unlink()
    assert "tokenizer.json does not exist" in refusal(tmp_path)


def test_ours_that_they_have_saved_again_with_more_tokens(tmp_path: Path) -> None:
    LanguageModel(Config(280, 12, 1, 2, 4), TOKENIZERS["gpt2"]).save_pretrained(tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    theirs.resize_token_embeddings(len(tokenizer))
    theirs.save_pretrained(tmp_path / "more")
    tokenizer.save_pretrained(tmp_path / "more")
    again = LanguageModel.from_pretrained(tmp_path / "more", device="cpu")
    assert again.tokenizer is not None
    assert again.vocabulary_size == again.tokenizer.vocabulary_size == 281
    assert again.tokenizer.special_tokens == {END_OF_TEXT: 279, "<|pad|>": 280}


@pytest.mark.parametrize("files", [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")])
def test_gpt2s_two_files_are_a_tokenizer(files: tuple[str, str], folder: Path) -> None:
    TOKENIZERS["gpt2"].save_gpt2(*(folder / name for name in files))
    tokenizer = gpt2_files.read(folder)[2]
    assert tokenizer is not None
    assert tokenizer.fingerprint == TOKENIZERS["gpt2"].fingerprint


def test_a_tokenizer_that_the_model_does_not_know_is_refused(folder: Path) -> None:
    special = (END_OF_TEXT, *(f"<{number}>" for number in range(19)))
    tokenizer = Tokenizer.train([TEXT] * 3, vocabulary_size=295, special_tokens=special)
    tokenizer.save(folder / checkpoint.TOKENIZER)
    assert "a tokenizer of 295 tokens, and a model that knows 290" in refusal(folder)


# ── what is refused ─────────────────────────────────────────────────────────────────────────────


def test_what_holds_a_gpt2(saved: Path, folder: Path, tmp_path: Path) -> None:
    assert gpt2_files.holds(saved)
    assert gpt2_files.difference(saved) is None
    assert not gpt2_files.holds(tmp_path)
    for content in ("", "[]", "{", '{"model_type": "llama"}', '{"library": "unrolled"}'):
        (folder / checkpoint.CONFIG).write_text(content)
        assert not gpt2_files.holds(folder)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"activation_function": "relu"}, "its activation is 'relu'"),
        ({"activation_function": "gelu"}, "its activation is 'gelu'"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scaled by the layer"),
        ({"scale_attn_weights": False}, "not scaled"),
        ({"add_cross_attention": True}, "cross attention"),
        ({"tie_word_embeddings": False}, "not tied"),
    ],
)
def test_another_network_is_refused(changed: dict[str, Any], reason: str, folder: Path) -> None:
    change(folder, **changed)
    assert reason in refusal(folder)
    assert reason in str(gpt2_files.difference(folder))


@pytest.mark.parametrize(
    "changed",
    [{"n_layer": "2"}, {"n_head": None}, {"n_embd": 1.5}, {"vocab_size": True}, {"n_inner": []}],
)
def test_a_damaged_config_is_refused(changed: dict[str, Any], folder: Path) -> None:
    change(folder, **changed)
    (name,) = changed
    assert f"config.json is damaged: {name} is" in refusal(folder)
    (folder / checkpoint.CONFIG).write_text("{")
    assert "config.json is damaged" in refusal(folder)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"lm_head__weight": torch.zeros(290, 12)}, "not tied"),
        ({"score__weight": torch.zeros(2, 12)}, "it has score.weight, which GPT-2 has not"),
        ({"transformer__h__2__ln_1__bias": torch.zeros(12)}, "it has transformer.h.2.ln_1.bias"),
        ({"transformer__h__1__ln_1__bias": None}, "it lacks h.1.ln_1.bias"),
        ({"transformer__wte__weight": None}, "it lacks wte.weight"),
        ({"transformer__wpe__weight": torch.zeros(13, 12)}, r"wpe.weight is .* \[13, 12\]"),
        ({"transformer__h__0__mlp__c_fc__weight": torch.zeros(48, 12)}, r"c_fc.* \[48, 12\]"),
        ({"transformer__ln_f__bias": torch.zeros(12, dtype=torch.int8)}, "ln_f.bias is torch.int8"),
    ],
)
def test_the_weights_of_another_network_are_refused(
    changed: dict[str, Any], reason: str, folder: Path
) -> None:
    change_weights(folder, **changed)
    with pytest.raises(UsageError, match=rf"another network or a part of them: .*{reason}"):
        gpt2_files.read(folder)


def test_weights_that_could_run_code_are_refused(folder: Path) -> None:
    (folder / checkpoint.WEIGHTS).rename(folder / "pytorch_model.bin")
    said = refusal(folder)
    assert "pytorch_model.bin only" in said
    assert "save_pretrained" in said
    (folder / "pytorch_model.bin").unlink()
    assert "model.safetensors is missing" in refusal(folder)


def test_weights_cut_short_are_refused(folder: Path) -> None:
    path = folder / checkpoint.WEIGHTS
    content = path.read_bytes()
    for length in (0, 7, 200, len(content) - 1):
        path.write_bytes(content[:length])
        assert f"{path} is damaged" in refusal(folder)
