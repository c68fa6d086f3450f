"""Landmarks: where in a picture given points are, such as eyes, nose and mouth, and which are seen.

    picture  ┌─────────┐             of each point, over the cells of the feature map:
             │  o   o  │  backbone     where it is    softmax   .0 .9 .1 .0
             │    >    │ ─────────►    how far from the cell's middle   x, y
             │   ___   │               whether it is seen there
             └─────────┘

A point is the mean of what all cells say of it, weighted by how likely each is to hold it: an
integral of a heatmap (Sun, Xiao, Wei, Liang and Wei 2018) with offsets in its cells, so that it is
exact below a cell's size. Distances are learned by the wing loss (Feng, Kittler, Awais, Huber and
Wu 2018), which minds small ones.

    from vision.landmarks import Landmarker, train

    train("faces.csv", output="my-landmarks")       # columns path, person, left_eye_x, ...
    landmarker = Landmarker.from_pretrained("my-landmarks")
    for found in landmarker.find(["photo.jpg"]):
        print(found.points, found.presence)

It is trained on pictures of one face, or whatever thing it is, each; `vision.alignment` turns a
face by its points.
"""

from __future__ import annotations

from vision.landmarks.evaluation import LandmarkScores, evaluate
from vision.landmarks.model import Config, LandmarkBatch, Landmarker, Landmarks
from vision.landmarks.training import Trained, train

__all__ = [
    "Config",
    "LandmarkBatch",
    "LandmarkScores",
    "Landmarker",
    "Landmarks",
    "Trained",
    "evaluate",
    "train",
]
