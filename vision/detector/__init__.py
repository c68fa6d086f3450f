"""Detectors: a picture in, boxes with classes out.

    picture ─► backbone ─► maps of 1/8, 1/16, 1/32 ─► neck ─► of every cell and anchor
               ┌──┬──┬──┐                                      objectness, box, classes
               │  │##│  │  the cell that holds an object's middle owns it, and corrects an
               ├──┼##┼──┤  anchor, a size that is common, until it fits
               │  │  │  │
               └──┴──┴──┘

One look at the picture answers for all cells at once (Redmon et al. 2016; Redmon and Farhadi 2018),
on three scales that share what they see (Lin et al. 2017). Of boxes that overlap the surest is
kept.

    from vision.detector import Detector, train

    train("annotations/", output="my-detector")
    detector = Detector.from_pretrained("my-detector")
    for picture in detector.detect(["photo.jpg"]):
        for box in picture.boxes:
            print(box.label, box.score, box.left, box.top, box.right, box.bottom)
"""

from __future__ import annotations

from vision.detecting import detect
from vision.detector.evaluation import evaluate
from vision.detector.model import Config, DetectionBatch, Detector
from vision.detector.training import Trained, train
from vision.found import Detected, Found

__all__ = [
    "Config",
    "Detected",
    "DetectionBatch",
    "Detector",
    "Found",
    "Trained",
    "detect",
    "evaluate",
    "train",
]
