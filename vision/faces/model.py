"""The model of a face encoder: a picture of a face in, a unit vector out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.errors import UsageError, check_choice, check_positive, check_probability
from nlp.core import checkpoint
from nlp.core.device import choose_device
from nlp.core.recipe import Loss
from vision.backbone import Backbone, BackboneName, build
from vision.faces.aligned import Landmarks, aligned
from vision.faces.gradients import Gradients
from vision.faces.losses import Objective, margin_softmax, triplet_loss
from vision.faces.mining import Mining
from vision.images import Preparation, Refused, load_many

KIND = "faces"
FaceBackbone = Literal["gradients", BackboneName]


@dataclass(frozen=True)
class Config:
    """What a face encoder is built from."""

    people: int  # that it is trained on; arcface has a centre for each
    backbone: FaceBackbone = "small"  # see `vision.faces.gradients` and `vision.backbone.build`
    preparation: Preparation = field(default_factory=lambda: Preparation(96, resize="stretch"))
    embedding_size: int = 128
    align: bool = False  # it was trained on faces turned by their landmarks
    cells: int = 4  # a side of the grid that a picture's features are averaged in
    mirrored: bool = True  # a face and its mirror image are both looked at
    dropout: float = 0.4  # of what the last layer reads
    objective: Objective = "arcface"
    mining: Mining = "semi-hard"
    margin: float = 0.5  # of triplets in squared distance, of arcface in radians
    scale: float = 20.0  # of arcface's cosines

    def __post_init__(self) -> None:
        check_positive(
            people=self.people,
            embedding_size=self.embedding_size,
            cells=self.cells,
            margin=self.margin,
            scale=self.scale,
        )
        check_probability(dropout=self.dropout)
        check_choice("backbone", self.backbone, FaceBackbone)
        check_choice("objective", self.objective, Objective)
        if self.mining not in get_args(Mining):
            raise UsageError(
                f"mining {self.mining!r} is unknown: expected {', '.join(get_args(Mining))}"
            )
        if self.objective == "arcface" and self.margin >= 1.5:
            raise UsageError(f"margin is {self.margin}: expected below 1.5 radians")

    @classmethod
    def of(cls, known: dict[str, Any]) -> Config:
        """From what `dataclasses.asdict` made of it."""
        return cls(**{**known, "preparation": Preparation(**known["preparation"])})


class FaceBatch(NamedTuple):
    """Faces and whose they are."""

    pixels: Tensor  # [faces, 3, size, size] float32, prepared
    people: Tensor  # [faces]: the number of each one's person
    warmth: Tensor  # []: the share of arcface's margin that counts as yet, 0 to 1

    def to(self, device: torch.device) -> FaceBatch:
        return FaceBatch(*(part.to(device) for part in self))


class FaceEncoder(nn.Module):
    """A backbone, its features cell by cell, and a layer that makes one vector of them.

    Where in the picture something is matters: faces are expected upright and of about one size, as
    a detector cuts them out or `vision.alignment` turns them. A mean over the whole picture would
    forget it.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.backbone: Backbone | Gradients
        self.backbone = Gradients() if config.backbone == "gradients" else build(config.backbone)
        features = self.backbone.features * config.cells**2
        self.before = nn.BatchNorm1d(features)
        self.output = nn.Linear(features, config.embedding_size, bias=False)
        self.after = nn.BatchNorm1d(config.embedding_size)
        nn.init.normal_(self.output.weight, std=features**-0.5)
        if config.objective == "arcface":
            centres = torch.randn(config.people, config.embedding_size)
            self.centres = nn.Parameter(F.normalize(centres))

    @property
    def device(self) -> torch.device:
        return self.output.weight.device

    @property
    def preparation(self) -> Preparation:
        """How a picture is made ready."""
        return self.config.preparation

    @property
    def embedding_size(self) -> int:
        """Numbers of a face's vector."""
        return self.config.embedding_size

    @property
    def fingerprint(self) -> str:
        """Tells this encoder's vectors from another's: 16 hexadecimal digits of all its weights and
        of what they are used with."""
        digest = hashlib.sha256(json.dumps(asdict(self.config), sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def batch(self, pixels: Tensor, people: Iterable[int], warmth: float = 1.0) -> FaceBatch:
        """Prepared pictures `[faces, 3, size, size]` and the numbers of their people."""
        return FaceBatch(pixels, torch.tensor(list(people)), torch.tensor(float(warmth)))

    def features(self, pixels: Tensor) -> Tensor:
        """What the backbone sees in each cell, `[faces, features * cells ** 2]`."""
        return F.adaptive_avg_pool2d(self.backbone(pixels), self.config.cells).flatten(1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Unit vectors `[faces, embedding_size]` of prepared pictures."""
        features = self.before(self.features(pixels))
        features = F.dropout(features, self.config.dropout, self.training)
        vectors: Tensor = self.after(self.output(features))
        return F.normalize(vectors.float())

    def loss(self, batch: FaceBatch, carry: None = None) -> Loss:
        """The mean of the objective over the batch; its targets are the faces."""
        config, vectors = self.config, self(batch.pixels)
        if config.objective == "triplet":
            chance = torch.Generator().manual_seed(int(torch.randint(1 << 62, ())))
            found = triplet_loss(
                vectors,
                batch.people,
                mining=config.mining,
                margin=config.margin,
                generator=chance,
            )
            return Loss(found.mean, len(vectors))
        margin = config.margin * float(batch.warmth)
        mean = margin_softmax(
            vectors, self.centres, batch.people, scale=config.scale, margin=margin
        )
        return Loss(mean, len(vectors))

    @torch.inference_mode()
    def vectors(self, pixels: Tensor) -> Tensor:
        """Unit vectors `[faces, embedding_size]` of prepared pictures, as `encode` makes them: on
        the CPU, of each face and of its mirror image where the encoder looks at both."""
        was_training = self.training
        self.eval()
        pixels = pixels.to(self.device)
        vectors = self(pixels)
        if self.config.mirrored:
            vectors = F.normalize(vectors + self(pixels.flip(3)))
        self.train(was_training)
        return vectors.cpu()

    def encode(
        self,
        images: Iterable[Any],
        *,
        landmarks: Iterable[Landmarks] | None = None,
        batch_size: int = 64,
        threads: int = 4,
        refused: Callable[[Refused], None] | None = None,
    ) -> np.ndarray:
        """The unit vector of each picture's face, float32 `[pictures, embedding_size]`.

        Args:
            images: what `vision.images.read` takes each of: paths, files' bytes, pixels.
            landmarks: of each picture, by which it is aligned, see `vision.faces.aligned`; None:
                faces are taken as they are.
            refused: hears of each picture that cannot be read, which then has no row; None: the
                first one is an error.

        Raises:
            UsageError: a picture cannot be read and nobody hears of it.
        """
        check_positive(batch_size=batch_size, threads=threads)
        if landmarks is not None:
            images = aligned(images, landmarks, self.preparation.size, refused)
        pictures = load_many(images, self.preparation, threads=threads, refused=refused)
        found = [torch.zeros(0, self.config.embedding_size)]
        while batch := list(islice(pictures, batch_size)):
            found.append(self.vectors(torch.stack([picture.pixels for picture in batch])))
        return torch.cat(found).numpy()

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model's folder: `config.json` and `model.safetensors`."""
        folder = Path(folder)
        self.save_config(folder)
        checkpoint.save_weights(self, folder)

    def save_config(self, folder: Path) -> None:
        """Writes what is known before any training."""
        checkpoint.save_config(folder, KIND, asdict(self.config), None)

    @classmethod
    def from_pretrained(cls, folder_or_hub_id: str | Path, device: str = "auto") -> FaceEncoder:
        """The encoder in a folder, or in a repository of the Hugging Face Hub, ready to be used.

        Raises:
            UsageError: there is none, or a file of it is missing, damaged or another model's.
        """
        folder = checkpoint.locate(folder_or_hub_id, f"train-{KIND}")
        config, _ = checkpoint.read_model_config(folder, KIND, Config.of)
        model = cls(config)
        checkpoint.load_weights(model, folder)
        return model.to(choose_device(device)).eval()
