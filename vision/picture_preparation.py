"""What is done to a picture before a network sees it, and the way back.

crop      the largest square in the middle      nothing is squeezed, the ends are not seen
pad       all of it, with bars beside it        nothing is squeezed, all is seen, but smaller
stretch   all of it, as a square                all is seen, circles become ellipses
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from corpora.errors import UsageError, check_choice, check_positive
from vision.picture_reading import pillow

Resize = Literal["crop", "pad", "stretch"]
Channels = tuple[float, float, float]
# Of ImageNet, with which the published weights were trained.
MEAN: Channels = (0.485, 0.456, 0.406)
STD: Channels = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the square that was made of it.

    Coordinates are x, y in pixels from the upper left corner: the first pixel's middle is at 0.5.
    """

    height: int  # of the picture
    width: int
    size: int  # of the square
    left: float  # where the picture's corner lies in the square; negative where it was cut
    top: float
    across: float  # pixels of the square for each of the picture
    down: float

    def to_square(self, places: Any) -> np.ndarray:
        """Points `[..., 2]` (x, y) or boxes `[..., 4]` (left, top, right, bottom) of the picture,
        in the square; beyond it where it was cut."""
        return self._pairs(places, lambda xy: xy * self._scale + (self.left, self.top))

    def to_picture(self, places: Any) -> np.ndarray:
        """Points or boxes of the square, in the picture; beyond it where there are bars."""
        return self._pairs(places, lambda xy: (xy - (self.left, self.top)) / self._scale)

    @property
    def region(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the square, as shares of the picture's sides."""
        left, top, right, bottom = self.to_picture([0, 0, self.size, self.size]).tolist()
        return left / self.width, top / self.height, right / self.width, bottom / self.height

    @property
    def _scale(self) -> tuple[float, float]:
        return self.across, self.down

    @staticmethod
    def _pairs(places: Any, change: Any) -> np.ndarray:
        given = np.asarray(places, dtype=np.float64)
        changed: np.ndarray = change(given.reshape(-1, 2)).reshape(given.shape)
        return changed


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes what a network reads: a square, its channels centred and scaled.

    Args:
        size: side of the square in pixels.
        resize: how it is made one, see above.
        mean, std: of each channel, 0 to 1, as over the pictures of the training set.
    """

    size: int = 96
    resize: Resize = "crop"
    mean: Channels = MEAN
    std: Channels = STD

    def __post_init__(self) -> None:
        check_positive(size=self.size, **{f"std[{n}]": part for n, part in enumerate(self.std)})
        check_choice("resize", self.resize, Resize)
        for name in ("mean", "std"):  # lists, where they come from JSON
            object.__setattr__(self, name, tuple(map(float, getattr(self, name))))
            if len(getattr(self, name)) != 3:
                raise UsageError(f"{name} is {list(getattr(self, name))}: expected three numbers")

    def __call__(self, pixels: np.ndarray) -> Tensor:
        """A picture uint8 `[height, width, 3]` as float32 `[3, size, size]`."""
        return self.normalize(self.square(pixels)[0])

    def square(self, pixels: np.ndarray) -> tuple[Tensor, Placement]:
        """The square, uint8 `[3, size, size]`, and where in it the picture lies."""
        height, width = pixels.shape[:2]
        place = self.placement(height, width)
        if self.resize != "pad":
            square = _resized(
                pixels, self.size, self.size, place.to_picture([0, 0, *[self.size] * 2])
            )
        else:
            down, across = round(height * place.down), round(width * place.across)
            square = np.empty((self.size, self.size, 3), np.uint8)
            square[:] = np.rint(np.array(self.mean) * 255)  # what is 0 once it is normalized
            left, top = round(place.left), round(place.top)
            square[top : top + down, left : left + across] = _resized(
                pixels, across, down, np.array([0, 0, width, height])
            )
        return torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1))), place

    def normalize(self, squares: Tensor) -> Tensor:
        """Squares uint8 `[..., 3, size, size]` as float32."""
        mean, std = (255 * torch.tensor(part)[:, None, None] for part in (self.mean, self.std))
        return squares.float().sub_(mean.to(squares.device)).div_(std.to(squares.device))

    def placement(self, height: int, width: int) -> Placement:
        """Where a picture of these sides lies in its square."""
        size = self.size
        if self.resize == "stretch":
            return Placement(height, width, size, 0, 0, size / width, size / height)
        if self.resize == "crop":
            scale = size / min(height, width)
            left, top = (size - width * scale) / 2, (size - height * scale) / 2
            return Placement(height, width, size, left, top, scale, scale)
        scale = size / max(height, width)
        across, down = (max(1, round(side * scale)) for side in (width, height))
        left, top = (size - across) // 2, (size - down) // 2
        return Placement(height, width, size, left, top, across / width, down / height)


def _resized(pixels: np.ndarray, width: int, height: int, box: np.ndarray) -> np.ndarray:
    """A box of a picture at another size, each pixel the mean of those under it."""
    whole = (0, 0, pixels.shape[1], pixels.shape[0])
    if (height, width) == pixels.shape[:2] and np.array_equal(box, whole):
        return pixels
    library = pillow()
    left, top, right, bottom = box.tolist()  # rounding may have left it just outside
    inside = (max(0.0, left), max(0.0, top), min(whole[2], right), min(whole[3], bottom))
    image = library.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((width, height), library.Resampling.BILINEAR, box=inside))
