"""The convolutional networks that look at a picture: pixels in, a map of features out.

    pixels [batch, 3, 96, 96] ─► stem ─► stage ─► stage ─► features [batch, 128, 12, 12]

`small` and `coarse`, which goes one stage further, are trained from scratch and made for a CPU.
`resnet18` and `resnet50` (He, Zhang, Ren and Sun 2016) and `vgg16` (Simonyan and Zisserman 2015)
are those of torchvision, whose published weights `load_weights` reads: a parameter here has the
name that it has there, and the classifier at the end, which answers what ImageNet asks, is left
out. VGG-16 ends before its last pooling, as Xu et al. (2015) read it: a map of 14 x 14 of a picture
of 224.

Pixels are expected as `vision.images.Preparation` leaves them: a mean and deviation for each
channel taken off, those of ImageNet for published weights.

    >>> backbone = build("small")
    >>> backbone(torch.zeros(2, 3, 96, 96)).shape, backbone.features, backbone.stride
    (torch.Size([2, 128, 12, 12]), 128, 8)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from corpora.errors import UsageError, check_choice
from nlp.core import checkpoint, hub

BackboneName = Literal["small", "coarse", "resnet18", "resnet50", "vgg16"]
# The convolutions of VGG-16: channels, and where the map is halved.
_VGG16 = (
    *(64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool"),
    *(512, 512, 512, "pool", 512, 512, 512),
)
_COUNT = "num_batches_tracked"
# Blocks from which on each begins as the way around it (Goyal et al. 2017). A shallow network does
# not need that to train, and sees no shapes until its blocks have woken up.
DEEP = 8


class Basic(nn.Module):
    """Two convolutions of 3 x 3 and a way around them."""

    expansion = 1  # channels that leave for each that is worked with

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(channels, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = _way_around(channels, width, stride)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.bn1(self.conv1(features)).relu_()
        inner = self.bn2(self.conv2(inner))
        around = features if self.downsample is None else self.downsample(features)
        return torch.relu_(inner + around)


class Bottleneck(nn.Module):
    """A convolution of 3 x 3 between two that narrow and widen, and a way around them.

    The middle one makes the stride, as in torchvision; in the paper the first does.
    """

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        wide = self.expansion * width
        self.conv1, self.bn1 = _convolution(channels, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _convolution(width, wide, 1), nn.BatchNorm2d(wide)
        self.downsample = _way_around(channels, wide, stride)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.bn1(self.conv1(features)).relu_()
        inner = self.bn2(self.conv2(inner)).relu_()
        inner = self.bn3(self.conv3(inner))
        around = features if self.downsample is None else self.downsample(features)
        return torch.relu_(inner + around)


class ResNet(nn.Module):
    """A residual network without its classifier.

    Args:
        block: what the stages are made of.
        stages: of each the width, the number of blocks and the stride of the first of them.
        stem: channels of the first convolution, which has stride 2.
        kernel: side of it in pixels.
        pool: whether the map is halved once more right after it.
    """

    def __init__(
        self,
        block: type[Basic] | type[Bottleneck],
        stages: Sequence[tuple[int, int, int]],
        *,
        stem: int = 64,
        kernel: int = 7,
        pool: bool = True,
    ) -> None:
        super().__init__()
        self.frozen = False
        self.conv1, self.bn1 = _convolution(3, stem, kernel, 2), nn.BatchNorm2d(stem)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if pool else nn.Identity()
        self.stride, channels = 4 if pool else 2, stem
        self.stages = [f"layer{number}" for number in range(1, len(stages) + 1)]
        for name, (width, count, stride) in zip(self.stages, stages, strict=True):
            blocks: list[nn.Module] = []
            for place in range(count):
                blocks.append(block(channels, width, stride if place == 0 else 1))
                channels = width * block.expansion
            self.add_module(name, nn.Sequential(*blocks))
            self.stride *= stride
        self.features = channels
        _initialize(self)
        blocks_in_all = [part for part in self.modules() if isinstance(part, Basic | Bottleneck)]
        if len(blocks_in_all) >= DEEP:
            for part in blocks_in_all:
                nn.init.zeros_((part.bn2 if isinstance(part, Basic) else part.bn3).weight)

    def forward(self, pixels: Tensor) -> Tensor:
        """`[batch, features, rows, columns]` of `pixels` `[batch, 3, height, width]`."""
        _check(pixels, 1)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        features: Tensor = self.maxpool(self.bn1(self.conv1(pixels)).relu_())
        for name in self.stages:
            features = self.get_submodule(name)(features)
        return features

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map of such a picture; a rest at its edge has its own cell."""
        return -(-height // self.stride), -(-width // self.stride)

    def train(self, mode: bool = True) -> ResNet:
        """As of any module, except that a frozen one keeps the statistics that it has."""
        return super().train(mode and not self.frozen)


class VGG(nn.Module):
    """A row of convolutions of 3 x 3 without its classifier: channels, and "pool" to halve."""

    def __init__(self, plan: Sequence[int | str]) -> None:
        super().__init__()
        self.frozen = False
        layers: list[nn.Module] = []
        self.stride, channels = 1, 3
        for entry in plan:
            if isinstance(entry, int):
                layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU(inplace=True)]
                channels = entry
            else:
                layers.append(nn.MaxPool2d(2))
                self.stride *= 2
        self.channels = channels
        # torchvision's name of it, which is also what every backbone calls their number
        self._modules["features"] = nn.Sequential(*layers)
        _initialize(self)

    @property
    def features(self) -> int:
        return self.channels

    def forward(self, pixels: Tensor) -> Tensor:
        """`[batch, features, rows, columns]` of `pixels` `[batch, 3, height, width]`."""
        _check(pixels, self.stride)
        layers = cast(nn.Sequential, self._modules["features"])
        features: Tensor = layers(pixels.contiguous(memory_format=torch.channels_last))
        return features

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the map of such a picture; a rest at its edge is not seen."""
        return height // self.stride, width // self.stride


Backbone: TypeAlias = ResNet | VGG


def build(name: BackboneName) -> Backbone:
    """An untrained backbone.

    Raises:
        UsageError: there is none of that name.
    """
    check_choice("backbone", name, BackboneName)
    backbone: Backbone
    if name == "small":
        backbone = ResNet(Basic, [(48, 1, 2), (128, 2, 2)], stem=24, kernel=3, pool=False)
    elif name == "coarse":
        stages = [(48, 1, 2), (128, 1, 2), (256, 2, 2)]
        backbone = ResNet(Basic, stages, stem=24, kernel=3, pool=False)
    elif name == "vgg16":
        backbone = VGG(_VGG16)
    else:
        counts = (2, 2, 2, 2) if name == "resnet18" else (3, 4, 6, 3)
        stages = list(zip((64, 128, 256, 512), counts, (1, 2, 2, 2), strict=True))
        backbone = ResNet(Basic if name == "resnet18" else Bottleneck, stages)
    return backbone


def freeze(backbone: Backbone) -> None:
    """Nothing of it is trained any more, and batch norm keeps the statistics that it has."""
    backbone.frozen = True
    backbone.requires_grad_(False)
    backbone.eval()


def load_weights(backbone: Backbone, path_or_hub_id: str | Path) -> list[str]:
    """Fills a backbone with weights that torchvision or timm published, or of a network around it.

    Args:
        path_or_hub_id: a file of torchvision (`.pth`), which is opened only if it holds nothing
            but tensors; a `.safetensors` file; a folder with `model.safetensors`; or a name of the
            Hugging Face Hub such as `timm/resnet50.tv_in1k`.

    Returns:
        Remarks: what of the file has no place here.

    Raises:
        UsageError: there is none, it holds more than tensors, or it is of another network.
    """
    path, tensors = _read(path_or_hub_id)
    wanted = backbone.state_dict()
    prefix = _prefix(wanted, tensors)
    found = {
        name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)
    }
    # Files older than torch 0.4 do not count the batches, which nothing here needs.
    missing = [name for name in wanted.keys() - found.keys() if not name.endswith(_COUNT)]
    parts = {name.partition(".")[0] for name in wanted}
    # A parameter that a stage of this network does not have: the other one is another network.
    surplus = [n for n in found.keys() - wanted.keys() if n.partition(".")[0] in parts]
    other = [n for n in wanted.keys() & found.keys() if wanted[n].shape != found[n].shape]
    if wrong := sorted([*missing, *surplus, *other]):
        raise UsageError(
            f"{path} holds another network's weights: {wrong[0]} and {len(wrong) - 1} others "
            "differ; expected those of the backbone's own kind (small, coarse, resnet18, resnet50, "
            "vgg16)"
        )
    kept = {name: tensor for name, tensor in found.items() if name in wanted}
    backbone.load_state_dict({**wanted, **kept})
    left = {name: tensors[name] for name in tensors if name.removeprefix(prefix) not in kept}
    if not left:
        return []
    numbers = sum(tensor.numel() for tensor in left.values())
    heads = ", ".join(sorted({name.rpartition(".")[0] or name for name in left})[:4])
    return [
        f"{path.name}: left out {heads} ({len(left)} tensors, {numbers:,} numbers): no part of the "
        "backbone"
    ]


def _read(path_or_hub_id: str | Path) -> tuple[Path, dict[str, Tensor]]:
    path = Path(path_or_hub_id).expanduser()
    if not path.exists():
        name = hub.full_name(str(path_or_hub_id))
        if name is None or path.suffix in (".pth", ".pt", ".bin", ".safetensors"):
            raise UsageError(
                f"there is no {path}: expected a file of weights (.pth, .safetensors), a folder "
                "with model.safetensors, or a Hub id OWNER/NAME"
            )
        path = hub.cached(name, [checkpoint.WEIGHTS])
    if path.is_dir():
        path /= checkpoint.WEIGHTS
    if path.suffix == ".safetensors":
        return path, checkpoint.read_tensors(path)[0]
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what is no such file fails in as many kinds as there are files
        reason = str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise UsageError(
            f"{path} is damaged, or holds more than tensors, which is never opened here "
            f"({reason}): expected what torch.save(model.state_dict(), FILE) writes"
        ) from error
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(part, Tensor) for name, part in content.items()
    ):
        keys = list(content)[:4] if isinstance(content, Mapping) else type(content).__name__
        raise UsageError(
            f"{path} holds {keys}, not tensors by their names: expected what "
            "torch.save(model.state_dict(), FILE) writes"
        )
    return path, dict(content)


def _prefix(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What stands before a backbone's names in a network that holds one, "" in one alone."""
    first, *others = [name for name in wanted if not name.endswith(_COUNT)]
    prefixes = {name.removesuffix(first) for name in found if name.endswith(f".{first}")}
    holding = [p for p in sorted(prefixes) if all(p + name in found for name in others)]
    return "" if first in found or not holding else holding[0]


def _convolution(channels: int, width: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)


def _way_around(channels: int, width: int, stride: int) -> nn.Sequential | None:
    """What fits a block's input to what leaves it, None where it fits."""
    if channels == width and stride == 1:
        return None
    return nn.Sequential(_convolution(channels, width, 1, stride), nn.BatchNorm2d(width))


def _initialize(network: nn.Module) -> None:
    """Deviations that keep the size of signals through rectifiers (He et al. 2015)."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            # as the pixels come, in the order that CPUs and tensor cores read fastest
            part.weight.data = part.weight.data.contiguous(memory_format=torch.channels_last)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def _check(pixels: Tensor, least: int) -> None:
    if pixels.dim() != 4 or pixels.shape[1] != 3 or min(pixels.shape[2:]) < least:
        raise UsageError(
            f"pixels of shape {list(pixels.shape)}: expected [batch, 3, height, width], sides of "
            f"at least {least}"
        )
