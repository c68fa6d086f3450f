"""The two simplest detectors of the textbooks, to compare a real one with.

    one object          picture ─► backbone ─► [p, bx, by, bw, bh, c1 ... cn]
                        classification with localization: is there something, where, and what.
                        Of several things it tells one.
    sliding window      ┌──┐
                        │  │─►   each place of a picture, at several scales, is a window that a
                        └──┘     classifier names, or calls background. Convolutions look at all
                                 windows at once (Sermanet et al. 2014, "OverFeat"). A box is never
                                 better placed than the window that it is.

Both stand on the same backbone, learn from the same data and answer as `vision.detector` does.

    from vision.localizer import SlidingWindow, train

    train("generated-scenes", form="sliding-window", output="windows")
    model = SlidingWindow.from_pretrained("windows")
    for picture in model.detect(["photo.jpg"]):
        print(picture.boxes)
"""

from __future__ import annotations

from vision.found import Detected, Found
from vision.localizer.evaluation import evaluate, score_items
from vision.localizer.model import Config, Localizer, LocalizerBatch
from vision.localizer.training import Trained, train
from vision.localizer.windows import SlidingWindow, WindowBatch, WindowConfig

__all__ = [
    "Config",
    "Detected",
    "Found",
    "Localizer",
    "LocalizerBatch",
    "SlidingWindow",
    "Trained",
    "WindowBatch",
    "WindowConfig",
    "evaluate",
    "score_items",
    "train",
]
