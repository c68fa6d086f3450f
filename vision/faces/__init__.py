"""Face encoders: a picture of a face in, a unit vector out; near vectors are one person.

    a1 ─► ●                  ┌ same person: near ┐         trained so that this holds for people
    a2 ─► ● ● ◄──────────────┘                   │         it has never seen: no list of names is
    b1 ─► ............ ● ◄───── another: far ────┘         in the model, one picture adds a person

Trained by triplets (FaceNet, Schroff, Kalenichenko and Philbin 2015) or by a softmax with a margin
(ArcFace, Deng, Guo, Xue and Zafeiriou 2019).

    from vision.faces import FaceEncoder, train

    train("people/", output="my-faces")             # a folder for each person
    encoder = FaceEncoder.from_pretrained("my-faces")
    a, b = encoder.encode(["a.jpg", "b.jpg"])
    print(((a - b) ** 2).sum())                     # squared distance, 0 to 4

`vision.gallery` keeps people and tells who is who, `vision.calibration` chooses the threshold.
"""

from __future__ import annotations

from vision.faces.evaluation import FaceScores, evaluate, score_vectors
from vision.faces.losses import margin_softmax, triplet_loss
from vision.faces.mining import mine
from vision.faces.model import Config, FaceBatch, FaceEncoder
from vision.faces.training import Trained, train

__all__ = [
    "Config",
    "FaceBatch",
    "FaceEncoder",
    "FaceScores",
    "Trained",
    "evaluate",
    "margin_softmax",
    "mine",
    "score_vectors",
    "train",
    "triplet_loss",
]
