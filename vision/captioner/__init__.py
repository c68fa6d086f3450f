"""Captioners: a picture in, a sentence out, and where in the picture each word looked.

    picture  ┌───────────┐
             │     ●     │    backbone      ┌──┬──┬──┐   memory: a state for each cell
             │  ■        │ ──────────────►  │s1│s2│s3│   of the feature map
             └───────────┘                  └──┴──┴──┘
                                     attention   │  .1 .8 .1, scaled by a gate
                                                 ▼
    caption  a ─► square ─► below ─► a ─► ...    decoder, writes a word at a time

A captioner is a translator whose source language is pixels: Show, Attend and Tell (Xu et al. 2015).
Without attention the picture is told once, in the state that the decoder begins in (Vinyals et al.
2015; Karpathy and Fei-Fei 2015).

    from vision.captioner import Captioner, train

    train("captions.json", "images/", output="my-captioner")
    captioner = Captioner.from_pretrained("my-captioner")
    for caption in captioner.caption(["photo.jpg"]):
        print(caption.text, caption.log_probability, caption.attention)
"""

from __future__ import annotations

from vision.captioner.captioning import Caption, caption
from vision.captioner.evaluation import evaluate
from vision.captioner.model import CaptionBatch, Captioner, Config
from vision.captioner.training import Trained, train

__all__ = [
    "Caption",
    "CaptionBatch",
    "Captioner",
    "Config",
    "Trained",
    "caption",
    "evaluate",
    "train",
]
