from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError
from vision import backbone as backbones
from vision.backbone import Backbone, BackboneName, build, freeze, load_weights

PUBLISHED: tuple[BackboneName, ...] = ("resnet18", "resnet50", "vgg16")


# SHA-256 of the names and shapes of torchvision 0.28, classifiers left out.
LAYOUTS = {
    "resnet18": "c192d15300f0bef7b222ed53bbd1a6b4548f31c0db1241b07615bc07047783ba",
    "resnet50": "eb0d12e7bc0b54b6f2381c46371069eea6c188bb9894aca455cf9211c944791b",
    "vgg16": "51af04ed6d198c51973cb7bb5724956e3de152311e48e3dd44f7c404c41fc893",
}


def layout(tensors: Mapping[str, Tensor]) -> str:
    lines = [
        f"{name} {list(tensor.shape)}\n"
        for name, tensor in sorted(tensors.items())
        if not name.startswith(("fc.", "classifier."))
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def plain(name: BackboneName, weights: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
    """The networks once more, from the papers' tables and the names of the weights."""

    def convolve(
        features: Tensor, convolution: str, norm: str, stride: int = 1, *, relu: bool = True
    ) -> Tensor:
        kernel = weights[f"{convolution}.weight"]
        features = F.conv2d(features, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        mean, var = weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"]
        scale, bias = weights[f"{norm}.weight"], weights[f"{norm}.bias"]
        features = F.batch_norm(features, mean, var, scale, bias)
        return features.relu() if relu else features

    if name == "vgg16":
        features, number = pixels, 0
        for count in (2, 2, 3, 3, 3):
            features = features if number == 0 else F.max_pool2d(features, 2)
            for _ in range(count):
                kernel, bias = (weights[f"features.{number}.{part}"] for part in ("weight", "bias"))
                features = F.conv2d(features, kernel, bias, padding=1).relu()
                number += 2
            number += 1
        return features
    convolutions = 3 if name == "resnet50" else 2
    counts = (3, 4, 6, 3) if name == "resnet50" else (2, 2, 2, 2)
    features = F.max_pool2d(convolve(pixels, "conv1", "bn1", 2), 3, 2, 1)
    for layer, count in enumerate(counts, start=1):
        for block in range(count):
            inside, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            inner = features
            for part in range(1, convolutions + 1):
                own = stride if part == convolutions - 1 else 1
                names = f"{inside}.conv{part}", f"{inside}.bn{part}"
                inner = convolve(inner, *names, own, relu=part < convolutions)
            if block == 0 and (layer > 1 or name == "resnet50"):
                names = f"{inside}.downsample.0", f"{inside}.downsample.1"
                features = convolve(features, *names, stride, relu=False)
            features = (features + inner).relu()
    return features


@pytest.mark.parametrize("name", PUBLISHED)
def test_equals_the_papers_from_a_file_of_torchvisions_layout(
    name: BackboneName, tmp_path: Path
) -> None:
    one, other = build(name), build(name).eval()
    assert layout(one.state_dict()) == LAYOUTS[name]
    randomize(one)
    head = {"fc.weight": torch.ones(7, 5), "fc.bias": torch.ones(7)}
    torch.save({**one.state_dict(), **head}, tmp_path / "weights.pth")
    (remark,) = load_weights(other, tmp_path / "weights.pth")
    assert remark.startswith("weights.pth: left out fc (2 tensors, 42 numbers)")
    pixels = torch.randn(2, 3, 70, 97, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = plain(name, one.state_dict(), pixels), other(pixels)
    assert found.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def timm() -> Iterator[ModuleType]:
    """A reference. It imports torchvision, which needs a torch built for the same device."""
    operators = torch.library.Library("torchvision", "FRAGMENT")
    try:
        pytest.importorskip("torchvision")
    except RuntimeError:  # a build for another one, which stops at operators that are unused here
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    yield pytest.importorskip("timm")
    del operators  # which ends them


def randomize(network: nn.Module) -> None:
    """Numbers that differ everywhere, statistics of batch norm included."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.dim() == 1:
            tensor.normal_(0.5, 0.2, generator=generator)
        elif tensor.dim() > 1:
            tensor.normal_(0, 1.5 / tensor[0].numel() ** 0.5, generator=generator)


@pytest.mark.parametrize("name", PUBLISHED)
def test_equals_timm(name: BackboneName, timm: ModuleType, tmp_path: Path) -> None:
    theirs = timm.create_model(name, num_classes=7).eval()
    randomize(theirs)
    weights = {n: t for n, t in theirs.state_dict().items() if not n.startswith("pre_logits.fc1.w")}
    file = tmp_path / f"{name}.pth"
    torch.save(weights, file)
    reference = theirs.features[:-1] if name == "vgg16" else theirs.forward_features

    ours = build(name).eval()
    (remark,) = load_weights(ours, file)
    assert ("head.fc, pre_logits.fc1" if name == "vgg16" else " fc ") in remark
    pixels = torch.randn(2, 3, 70, 97, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = reference(pixels), ours(pixels)
    assert found.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", get_args(BackboneName))
def test_what_it_says_of_its_map_is_so(name: BackboneName) -> None:
    backbone = build(name).eval()
    for height, width in ((96, 96), (65, 33)):
        with torch.no_grad():
            found = backbone(torch.zeros(1, 3, height, width))
        assert found.shape == (1, backbone.features, *backbone.grid(height, width))
    assert backbone.grid(backbone.stride * 3, backbone.stride * 5) == (3, 5)
    for shape in ((3, 96, 96), (1, 1, 96, 96), (1, 3, 96, 0)):
        with pytest.raises(UsageError, match=r"expected \[batch, 3, height, width\]"):
            backbone(torch.zeros(shape))


@pytest.fixture
def small() -> Backbone:
    backbone = build("small")
    randomize(backbone)
    return backbone


def test_frozen_is_frozen(small: Backbone) -> None:
    pixels = torch.randn(4, 3, 32, 32)
    inside = nn.Sequential(small)
    before = copy.deepcopy(small.state_dict())
    inside.train()
    small(pixels).sum().backward()
    assert not small.state_dict()["bn1.running_mean"].equal(before["bn1.running_mean"])
    small.load_state_dict(before)
    small.zero_grad()

    freeze(small)
    inside.train()
    assert not inside(pixels).requires_grad
    alone = inside(pixels[:1])
    torch.testing.assert_close(inside(pixels)[:1], alone)
    assert all(tensor.equal(before[name]) for name, tensor in small.state_dict().items())


def test_a_block_of_a_deep_network_begins_as_its_way_around() -> None:
    stage = build("resnet18").train().get_submodule("layer2.1")
    features = torch.rand(2, 128, 5, 5)
    assert stage(features).equal(features)
    # A shallow one works from the first step on.
    stage = build("small").train().get_submodule("layer2.1")
    assert not stage(features).equal(features)


def test_the_coarse_one_goes_a_stage_further() -> None:
    small, coarse = build("small"), build("coarse")
    assert (small.stride, coarse.stride) == (8, 16)
    assert coarse.grid(96, 90) == (6, 6)
    assert coarse(torch.zeros(1, 3, 96, 90)).shape == (1, coarse.features, 6, 6)


def test_weights_of_a_network_around_it(small: Backbone, tmp_path: Path) -> None:
    around = nn.ModuleDict({"encoder": nn.ModuleDict({"backbone": small, "out": nn.Linear(3, 2)})})
    safetensors.torch.save_file(
        {name: part.contiguous() for name, part in around.state_dict().items()},
        tmp_path / "model.safetensors",
    )
    for place in (tmp_path, tmp_path / "model.safetensors"):
        other = build("small")
        (remark,) = load_weights(other, place)
        assert remark.startswith("model.safetensors: left out encoder.out (2 tensors, 8 numbers)")
        assert same(other.state_dict(), small.state_dict())

    class Parallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = small

    other = build("small")
    without = {n: t for n, t in Parallel().state_dict().items() if not n.endswith("tracked")}
    torch.save(without, tmp_path / "old.pth")
    assert load_weights(other, tmp_path / "old.pth") == []
    assert same(other.state_dict(), small.state_dict())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


class Evil:
    """What a pickle can do."""

    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("setattr(__import__('vision.backbone').backbone, 'ran', True)",)


def test_files_that_are_refused(small: Backbone, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    weights = small.state_dict()
    before = copy.deepcopy(weights)
    wrong = {
        "more than tensors": Evil(),
        r"holds \['epoch', 'state_dict'\], not tensors": {"epoch": 3, "state_dict": weights},
        "holds list, not tensors": [1, 2],
        r"another network's weights: layer2\.1\.bn2\.bias and 0 others": {
            name: part for name, part in weights.items() if name != "layer2.1.bn2.bias"
        },
        r"layer1\.0\.se\.weight and 0 others": {**weights, "layer1.0.se.weight": torch.ones(1)},
        r"conv1\.weight and 0 others": {**weights, "conv1.weight": torch.ones(24, 1, 3, 3)},
    }
    for message, content in wrong.items():
        torch.save(content, file)
        with pytest.raises(UsageError, match=message) as caught:
            load_weights(small, file)
        assert "\n" not in str(caught.value)
        assert str(file) in str(caught.value)
    assert not hasattr(backbones, "ran")
    for damage in (b"", b"no weights", file.read_bytes()[:1000]):
        file.write_bytes(damage)
        with pytest.raises(UsageError, match="is damaged, or holds more") as caught:
            load_weights(small, file)
        assert "\n" not in str(caught.value)
    for absent in (tmp_path / "absent.pth", "absent", "here/absent.safetensors"):
        with pytest.raises(UsageError, match=r"there is no .*absent.*: expected a file of"):
            load_weights(small, absent)
    with pytest.raises(UsageError, match=r"model\.safetensors is missing"):
        load_weights(small, tmp_path)
    assert same(before, small.state_dict())


def test_an_unknown_name() -> None:
    with pytest.raises(
        UsageError, match="backbone 'resnet34' is unknown: expected small, coarse, resnet18"
    ):
        build("resnet34")  # type: ignore[arg-type]
