"""Questions about pictures: a picture and a question in, an answer out, and where it looked.

    what colour is the thing left of the star ?
      │     │      │   │    │    │  │    │    │
      └─────┴──────┴───┴─ encoder ──┴────┴────┘        nlp.core.encoder
                          │ question
    picture ─► memory ◄───┤ first look: the star       vision.image_encoder
                          │
               memory ◄───┤ second look: what is left of it
                          ▼
               red 0.97, pink 0.02                     a probability for each answer

Answers are classes, as is the custom since Antol et al. (2015). The model looks several times, and
each time knows what it has seen before (stacked attention, Yang et al. 2016).

    from vision.question_answering import Answerer, train

    train("questions.csv", images="photos", output="my-vqa")
    model = Answerer.from_pretrained("my-vqa")
    answer = next(model.answer(["photo.jpg"], ["what colour is the car?"]))
    print(answer.answer, answer.probability, answer.attention)
"""

from vision.question_answering.answering import Answer
from vision.question_answering.evaluation import AnswerScores, evaluate
from vision.question_answering.model import KIND, Answerer, Config, QuestionBatch
from vision.question_answering.training import Trained, train

__all__ = [
    "KIND",
    "Answer",
    "AnswerScores",
    "Answerer",
    "Config",
    "QuestionBatch",
    "Trained",
    "evaluate",
    "train",
]
