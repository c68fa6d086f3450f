"""The folder of a GPT-2, which Hugging Face's `transformers` and we both read and write.

    config.json              their settings, and beside them ours as in any model folder
    model.safetensors        in their names; large ones come in several files with an index
    tokenizer.json           or GPT-2's vocab.json and merges.txt
    tokenizer_config.json    what their AutoTokenizer asks for

Their layers keep weights `[in, out]`, ours `[out, in]`: those are transposed. Nothing here knows
the network, only the names and shapes of its weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpora.errors import UsageError
from corpora.writing import write_text
from nlp.core import checkpoint, hub
from nlp.core.language.config import KIND
from nlp.core.tokenizer import Tokenizer
from nlp.core.tokens.token_formats import GPT2_FILES

if TYPE_CHECKING:
    from torch import Tensor, nn

MODEL_TYPE, NETWORK = "gpt2", "gpt2"
INDEX = "model.safetensors.index.json"
# Both are tanh's approximation of GELU, which the paper's code has.
ACTIVATIONS = ("gelu_new", "gelu_pytorch_tanh")

# Ours, theirs, and what theirs is where a file does not say.
_SETTINGS = (
    ("vocabulary_size", "vocab_size", 50257),
    ("context", "n_positions", 1024),
    ("layers", "n_layer", 12),
    ("heads", "n_head", 12),
    ("hidden_size", "n_embd", 768),
    ("inner_size", "n_inner", None),
    ("layer_norm_epsilon", "layer_norm_epsilon", 1e-5),
    ("embedding_dropout", "embd_pdrop", 0.1),
    ("attention_dropout", "attn_pdrop", 0.1),
    ("residual_dropout", "resid_pdrop", 0.1),
)
_OUTSIDE = {"token_embedding": "wte.weight", "position_embedding": "wpe.weight"}
_OUTSIDE |= {f"norm.{part}": f"ln_f.{part}" for part in ("weight", "bias")}
_BLOCK = {
    "attention_norm": "ln_1",
    "attention.input": "attn.c_attn",
    "attention.output": "attn.c_proj",
    "feed_norm": "ln_2",
    "feed.expand": "mlp.c_fc",
    "feed.contract": "mlp.c_proj",
}
_OUTSIDE_OURS = {theirs: ours for ours, theirs in _OUTSIDE.items()}
_BLOCK_OURS = {theirs: ours for ours, theirs in _BLOCK.items()}
_PREFIX = "transformer."
_MASK = re.compile(r"h\.\d+\.attn\.(masked_)?bias")  # which position sees which: no weights


def holds(folder: Path) -> bool:
    """Whether it is the folder of a GPT-2, of whoever wrote it."""
    try:
        content = json.loads((folder / checkpoint.CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("model_type") == MODEL_TYPE


def difference(folder: Path) -> str | None:
    """What sets the network of such a folder apart from the paper's, None where nothing does.

    Where it is something, `transformers` can run the model and we cannot.
    """
    return _difference(_read_json(folder / checkpoint.CONFIG))


def _difference(content: Mapping[str, Any]) -> str | None:
    activation = content.get("activation_function", ACTIVATIONS[0])
    if activation not in ACTIVATIONS:
        return f"its activation is {activation!r}, and GPT-2's {ACTIVATIONS[0]!r}"
    if not content.get("scale_attn_weights", True):
        return "its attention is not scaled (scale_attn_weights)"
    for name, words in (
        ("scale_attn_by_inverse_layer_idx", "its attention is scaled by the layer"),
        ("add_cross_attention", "it has cross attention"),
    ):
        if content.get(name):
            return f"{words} ({name})"
    if not content.get("tie_word_embeddings", True):
        return "its output layer is not tied to the token vectors (tie_word_embeddings)"
    return None


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], Tokenizer | None]:
    """Settings as `nlp.core.transformer.Config` names them, weights in its network's names and in
    the precision that they are stored in, and the tokenizer where there is one.

    Raises:
        UsageError: a file is missing or damaged, or it is another network than the paper's.
    """
    path = folder / checkpoint.CONFIG
    content = _read_json(path)
    if reason := _difference(content):
        raise UsageError(f"{path} tells of no GPT-2 that can be read here: {reason}")
    settings: dict[str, Any] = {
        ours: _number(path, theirs, content.get(theirs, usual), usual)
        for ours, theirs, usual in _SETTINGS
    }
    tokenizer = _read_tokenizer(folder, content)
    if tokenizer is not None and tokenizer.vocabulary_size > settings["vocabulary_size"]:
        raise UsageError(
            f"{folder} has a tokenizer of {tokenizer.vocabulary_size} tokens, and a model that "
            f"knows {settings['vocabulary_size']}: the two come from different models"
        )
    return settings, _in_our_names(folder, _read_weights(folder), settings), tokenizer


def _number(path: Path, name: str, value: Any, usual: float | None) -> float | None:
    kinds = (int, float) if isinstance(usual, float) else (int,)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if is_number or value is usual is None:
        return value
    raise UsageError(f"{path} is damaged: {name} is {value!r:.40}, expected a number")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
        reason: object = "expected an object"
    except OSError as error:
        reason = error.strerror
    except ValueError as error:
        reason = error
    raise UsageError(f"{path} is damaged ({reason}): copy it again")


def _read_tokenizer(folder: Path, content: Mapping[str, Any]) -> Tokenizer | None:
    """Ours is the one that the model was trained with. Of others' that is taken for granted, and
    of one of ours that transformers has saved again: it may have been given more tokens."""
    if content.get("library") == checkpoint.LIBRARY and "transformers_version" not in content:
        fingerprint = content.get("tokenizer_fingerprint")
        if fingerprint is None:
            return None
        return Tokenizer.load(folder / checkpoint.TOKENIZER, fingerprint=fingerprint)
    known = (checkpoint.TOKENIZER, *(vocabulary for vocabulary, _ in GPT2_FILES))
    return Tokenizer.load(folder) if any((folder / name).exists() for name in known) else None


# ── weights ─────────────────────────────────────────────────────────────────────────────────────


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """The stored tensors in their names, of one file or of several with an index."""
    whole, index = folder / checkpoint.WEIGHTS, folder / INDEX
    if whole.exists() or not index.exists():
        pickled = next(folder.glob("pytorch_model*.bin"), None)
        if not whole.exists() and pickled is not None:
            raise UsageError(f"{folder} has its weights as {pickled.name} only, {hub.CONVERT}")
        return checkpoint.read_tensors(whole)[0]
    places = _read_json(index).get("weight_map")
    if not isinstance(places, dict) or not all(
        isinstance(name, str) and name == Path(name).name for name in places.values()
    ):
        raise UsageError(f"{index} is damaged: it names no files of weights; copy it again")
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(places.values())):
        tensors |= checkpoint.read_tensors(folder / name)[0]
    if missing := sorted(places.keys() - tensors.keys()):
        raise UsageError(f"{index} promises {missing[0]}, which is in none of its files")
    return tensors


def _in_our_names(
    folder: Path, stored: dict[str, Tensor], settings: Mapping[str, Any]
) -> dict[str, Tensor]:
    """All that the network needs, in its names; `stored` is emptied, to keep memory low."""
    shapes = _shapes(settings)
    tensors: dict[str, Tensor] = {}
    head = stored.pop("lm_head.weight", None)
    for name in list(stored):
        bare, tensor = name.removeprefix(_PREFIX), stored.pop(name)
        if _MASK.fullmatch(bare):
            continue
        known = _our_name(bare)
        if known not in shapes:
            raise _other_model(folder, f"it has {name}, which GPT-2 has not")
        tensor = _turned(bare, tensor)
        if tuple(tensor.shape) != shapes[known] or not tensor.is_floating_point():
            raise _other_model(
                folder,
                f"{name} is {tensor.dtype} of shape {list(tensor.shape)}, and {checkpoint.CONFIG} "
                f"tells of {list(shapes[known])}",
            )
        tensors[known] = tensor.contiguous()
    if missing := [name for name in shapes if name not in tensors]:
        raise _other_model(folder, f"it lacks {_their_name(missing[0])}")
    if head is not None and not head.equal(tensors["token_embedding"]):
        raise _other_model(folder, "its output layer is not tied to the token vectors")
    return {name: tensors[name] for name in shapes}


def _other_model(folder: Path, reason: str) -> UsageError:
    return UsageError(f"{folder} holds the weights of another network or a part of them: {reason}")


def _shapes(settings: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of the network, as it has them."""
    size = settings["hidden_size"]
    inner = settings["inner_size"] or 4 * size
    layers: dict[str, tuple[int, ...]] = {
        "attention_norm": (size,),
        "attention.input": (3 * size, size),
        "attention.output": (size, size),
        "feed_norm": (size,),
        "feed.expand": (inner, size),
        "feed.contract": (size, inner),
    }
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding": (settings["vocabulary_size"], size),
        "position_embedding": (settings["context"], size),
    }
    for block in range(settings["layers"]):
        for layer, shape in layers.items():
            shapes[f"blocks.{block}.{layer}.weight"] = shape
            shapes[f"blocks.{block}.{layer}.bias"] = shape[:1]
    return shapes | {"norm.weight": (size,), "norm.bias": (size,)}


def _renamed(
    name: str, outside: Mapping[str, str], inside: Mapping[str, str], here: str, there: str
) -> str | None:
    if name in outside:
        return outside[name]
    start, _, rest = name.partition(".")
    number, _, rest = rest.partition(".")
    layer, _, part = rest.rpartition(".")
    if start != here or layer not in inside or part not in ("weight", "bias"):
        return None
    return f"{there}.{number}.{inside[layer]}.{part}"


def _their_name(name: str) -> str | None:
    return _renamed(name, _OUTSIDE, _BLOCK, "blocks", "h")


def _our_name(name: str) -> str | None:
    return _renamed(name, _OUTSIDE_OURS, _BLOCK_OURS, "h", "blocks")


def _turned(their_name: str, tensor: Tensor) -> Tensor:
    """`[in, out]` to `[out, in]` or back, of the layers that they keep so."""
    is_turned = their_name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight"))
    return tensor.t() if is_turned and tensor.dim() == 2 else tensor


def publish_names(model: nn.Module) -> None:
    """Makes `state_dict` of a model whose `decoder` is the network speak in their names, and
    `load_state_dict` understand them: so everything that saves and loads weights does."""
    model.register_state_dict_post_hook(_to_theirs)
    model.register_load_state_dict_pre_hook(_from_theirs)


def _to_theirs(_module: nn.Module, state: dict[str, Tensor], prefix: str, _about: Any) -> None:
    start = f"{prefix}decoder."
    for name in list(state):  # each is put in again, so that the order stays
        tensor = state.pop(name)
        theirs = _their_name(name.removeprefix(start)) if name.startswith(start) else None
        if theirs is None:
            state[name] = tensor
        else:
            state[f"{prefix}{_PREFIX}{theirs}"] = _turned(theirs, tensor)


def _from_theirs(_module: nn.Module, state: dict[str, Tensor], prefix: str, *_others: Any) -> None:
    start = f"{prefix}{_PREFIX}"
    for name in [name for name in state if name.startswith(start)]:
        theirs = name.removeprefix(start)
        ours = _our_name(theirs)
        if ours is not None:
            state[f"{prefix}decoder.{ours}"] = _turned(theirs, state.pop(name))


# ── what is written beside the weights ──────────────────────────────────────────────────────────


def save_config(folder: Path, settings: Mapping[str, Any], tokenizer: Tokenizer | None) -> None:
    """Replaces `config.json`, and `tokenizer_config.json` where there is a tokenizer."""
    end = tokenizer.vocabulary.end_of_text if tokenizer else None
    theirs = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": MODEL_TYPE,
        **{theirs: settings[ours] for ours, theirs, _ in _SETTINGS},
        "n_ctx": settings["context"],  # as older versions call it
        "activation_function": ACTIVATIONS[0],
        "tie_word_embeddings": True,
        "bos_token_id": end,
        "eos_token_id": end,
        "torch_dtype": "float32",
    }
    fingerprint = tokenizer.fingerprint if tokenizer else None
    ours = {**settings, "network": NETWORK}
    checkpoint.save_config(folder, KIND, ours, fingerprint, beside=theirs)
    if tokenizer is not None:
        _save_tokenizer_config(folder, tokenizer, settings["context"])


def _save_tokenizer_config(folder: Path, tokenizer: Tokenizer, context: int) -> None:
    names = {index: name for name, index in tokenizer.special_tokens.items()}
    end = names.get(tokenizer.vocabulary.end_of_text)  # type: ignore[arg-type]
    content = {
        # not GPT2Tokenizer, which has a vocabulary of its own kind whatever the file says
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end,
        "eos_token": end,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    write_text(folder / checkpoint.TOKENIZER_CONFIG, json.dumps(content, indent=2) + "\n")
