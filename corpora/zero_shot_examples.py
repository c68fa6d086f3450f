"""A handful of examples of our own for tasks in which a model chooses or is scored on a text.

Each is in the layout of the public set that it stands for, so that it is read the same way:
LAMBADA's texts, whose last word takes all of the text to guess; the Children's Book Test's twenty
sentences and a question; Winograd schemas, which come in pairs; lines as WikiText's. They are there
to try a task at once: a figure on so few says little about a model.
"""

from __future__ import annotations

from typing import Any

LAST_WORDS: list[dict[str, Any]] = [
    {"text": text}
    for text in (
        "The bell over the door rang, and Mrs. Hale put down her knitting. A boy came in with his "
        "cap in both hands. He wanted a birthday present for his mother, he said, and he had saved "
        "for a month. She showed him a blue scarf and a brooch, and he shook his head at the "
        "brooch. When he had paid, she wrapped it in tissue, and he ran home with the scarf",
        '"You can\'t take a piano up those stairs," said the foreman. Nora measured the landing '
        'again. "We took it down them in 1990," she said, "so it must go up." They unscrewed '
        "the legs, six men lifted, and by noon it stood by the window. That evening, for the first "
        "time since the funeral, she sat down and played the piano",
        "Every year in May the swallows came back to the barn. This year the roof had been mended, "
        "and the gap under the gable was closed. Peter watched the birds circle for two days. On "
        "the third he fetched a ladder, pulled two boards off his father's new roof, and let in "
        "the swallows",
        "The detective laid three keys on the table. One belonged to the cellar and one to the "
        'safe, but nobody in the house had ever seen the smallest. "It fits a music box," said '
        'the cook at last. "The mistress kept it in the attic. I used to hear it play at night." '
        "They climbed up with a lamp, moved the trunks aside, and there, under a sheet, was the "
        "music box",
        "Anna had promised the children pancakes. There were eggs and there was milk, but when she "
        "reached for the jar on the top shelf it was empty. She sent Tom next door with a cup. "
        '"Mother asks," he said to old Mr. Finch, "whether you could lend us some flour',
        "Captain Reyes had two maps of the island, and they did not agree. On the older one a "
        'river ran north from the mountain; on the newer it ran south. "There is only one way to '
        'know," she said. They rowed ashore in the morning and walked inland until they heard '
        "water. She knelt, held her compass beside the stream, and laughed: the one that was right "
        "was the older map",
        "Grandfather never said much about the war. He kept one letter from it, in a tin box, and "
        "nobody was allowed to touch it. After he died we opened the box together. My sister "
        "unfolded the paper, looked at it for a long time, and handed it to me. It was blank. For "
        "sixty years he had kept an empty letter",
        '"The soup is too salty," said the first guest. "The soup is cold," said the second. '
        "The cook listened behind the kitchen door, and her face grew red. Then the little girl at "
        "the end of the table lifted her bowl in both hands and drank it to the last drop. "
        '"Please," she said, "may I have some more soup',
    )
]

_KITE = (
    "Once there was a miller called Bruno who had a daughter called Lena .",
    "They lived beside a river with an old donkey and a goose .",
    "The donkey carried the sacks , and the goose guarded the door .",
    "One autumn the wind blew so hard that the wheel of the mill broke .",
    "`` We have no money for a new wheel , '' said Bruno .",
    "`` Then I shall go to the city and earn some , '' said Lena .",
    "She left the donkey at home , took a loaf of bread and her red kite , and walked all day .",
    "In the evening she met a soldier named Casper , who sat on a stone and wept .",
    "`` My horse has run away , '' said Casper , `` and I can not walk with this leg . ''",
    "Lena gave him half of the bread and let the kite fly high above the trees .",
    "From far away the horse saw the kite , and it came back to look at it .",
    "Casper was so glad that he gave her a silver whistle .",
    "`` Blow it when you need a friend , '' he said , and he rode away .",
    "The next day she came to the city , where a merchant named Odo sold wheels .",
    "`` A wheel costs ten gold coins , '' said Odo , `` and you have none . ''",
    "Lena asked whether she could work for him , but he only laughed .",
    "So she went out to the bridge , and there she blew the whistle .",
    "Before an hour had passed a horse came over the bridge with a soldier on its back .",
    "`` Who has made you sad ? '' asked Casper , and she told him everything .",
    "He went to the merchant and spoke to him for a long time .",
    "When he came out again he rolled a new wheel before him .",
    "They tied the wheel to the saddle , and they went home along the river .",
    "Bruno stood at the door , and he did not believe his eyes .",
    "The goose ran to meet them , and even the donkey lifted its ears .",
)
_LAMP = (
    "On a hill above the sea there stood a lighthouse , and in it lived a keeper called Ivar .",
    "He had a cat called Pepper and a parrot called Admiral .",
    "Every night Ivar climbed the stairs and lit the lamp .",
    "Every night Pepper slept on the third stair , and Admiral counted the ships .",
    "One night in winter the oil was gone , and the boat with the new oil had not come .",
    "`` We must burn something , '' said Ivar , `` or the ships will not find their way . ''",
    "First he burned the table , and then he burned the two chairs .",
    "Pepper looked on from the stair , and Admiral counted seven ships .",
    "Then he burned the bed , and the lamp shone until midnight .",
    "`` What is left ? '' asked Ivar , and he walked through the empty room .",
    "`` The door , '' said Admiral , who was a clever bird .",
    "So he burned the door , and the wind came in with the snow .",
    "Pepper was cold , and she crept under the coat of the keeper .",
    "At two in the morning a knock was heard , though there was no door to knock on .",
    "On the step stood a girl in a wet cloak , and her name was Sunniva .",
    "`` I have come from the last of the ships , '' she said . `` My father sent me . ''",
    "`` He saw your light , and he saw how it grew small . ''",
    "She put a barrel of oil down in the middle of the room .",
    "Ivar filled the lamp , and it burned as bright as a star .",
    "`` Now there are eight ships in the harbour , '' said Admiral .",
    "In the morning the sailors came up the hill with boards and nails .",
    "They made a table and two chairs , and they hung a new door .",
    "`` You shall have a bed as well , '' said Sunniva , and she began to saw .",
    "Pepper went back to her stair , and there she slept for a whole day .",
)


def _question(
    kind: str, story: tuple[str, ...], place: int, answer: str, options: str
) -> dict[str, Any]:
    """A sentence of a story, its word `answer` missing, behind the twenty before it."""
    words = story[place].split()
    words[words.index(answer)] = "XXXXX"
    return {
        "kind": kind,
        "sentences": list(story[place - 20 : place]),
        "question": " ".join(words),
        "answer": answer,
        "options": options.split("|"),
    }


MISSING_WORDS: list[dict[str, Any]] = [
    _question("CN", _KITE, 20, "wheel", "bread|kite|wheel|stone|sacks|leg|goose|trees|mill|city"),
    _question("CN", _KITE, 21, "river", "horse|whistle|coins|river|money|bread|kite|day|leg|hour"),
    _question("NE", _KITE, 22, "Bruno", "Odo|Casper|Lena|Bruno"),
    _question("CN", _KITE, 23, "donkey", "soldier|kite|merchant|donkey|wheel|city|coins|tree|mill"),
    _question("CN", _LAMP, 20, "hill", "lamp|hill|cloak|cat|oil|star|stair|midnight|bird|name"),
    _question("CN", _LAMP, 21, "door", "door|ship|light|keeper|snow|girl|sea|winter|parrot|coat"),
    _question("NE", _LAMP, 22, "Sunniva", "Admiral|Ivar|Pepper|Sunniva"),
    _question("NE", _LAMP, 23, "Pepper", "Ivar|Pepper|Admiral|Sunniva"),
]


def _schema(text: str, pronoun: str, options: tuple[str, str], label: int) -> dict[str, Any]:
    """A schema whose pronoun stands between [brackets] in `text`."""
    place = text.index(f"[{pronoun}]")
    return {
        "text": text.replace(f"[{pronoun}]", pronoun),
        "pronoun": pronoun,
        "pronoun_loc": place,
        "options": list(options),
        "label": label,
    }


def _pair(
    text: str, words: tuple[str, str], pronoun: str, options: tuple[str, str]
) -> list[dict[str, Any]]:
    """Two schemas that differ in one word; with the first word the first option is right."""
    return [
        _schema(text.replace("*", word), pronoun, options, label)
        for label, word in enumerate(words)
    ]


SCHEMAS: list[dict[str, Any]] = [
    *_pair(
        "The ladder would not go through the hatch because [it] was too *.",
        ("long", "narrow"),
        "it",
        ("the ladder", "the hatch"),
    ),
    *_pair(
        "Clara lent her umbrella to Ruth because [she] * it.",
        ("did not need", "had asked for"),
        "she",
        ("Clara", "Ruth"),
    ),
    *_pair(
        "The wind blew the hat into the pond because [it] was so *.",
        ("strong", "light"),
        "it",
        ("the wind", "the hat"),
    ),
    *_pair(
        "The hammer broke the tile because [it] was *.",
        ("heavy", "thin"),
        "it",
        ("The hammer", "The tile"),
    ),
    *_pair(
        "Paul waited for Martin at the station, but [his] train was *.",
        ("still to leave for an hour", "two hours late"),
        "his",
        ("Paul", "Martin"),
    ),
]

LINES: list[str] = [
    " ",
    " = The Harbour of <unk> = ",
    " ",
    " The Harbour of <unk> is a small port on the north @-@ western coast , known for its herring "
    "market and its two lighthouses . It was founded in 1612 by fishermen from the islands , and "
    "by 1900 it had 4 @,@ 200 inhabitants and a fleet of 38 boats . The town 's church , which "
    'sailors call " the tall lady " , can be seen from 12 @.@ 5 miles away . ',
    " ",
    " = = History = = ",
    " ",
    " In the winter of 1703 a storm destroyed the mole and most of the boats ( only five were left "
    ") . The fishermen 's wives mended the nets and sold their jewels to buy timber ; in spring "
    "the fleet sailed again . A stone in the market place still bears the names of the women , but "
    "the first of them can 't be read . ",
    " The railway came in 1874 and with it the first summer guests . Mr. <unk> , an engineer , "
    "built a hotel with a glass roof , which cost him $ 90 @,@ 000 . It closed after 3 years . ",
    " ",
    " = = Today = = ",
    " ",
    " Today the harbour lives from herring , from yachts and from its museum . The museum 's "
    "oldest boat was built before the storm : it lay in a barn , and nobody knew whose it was . ",
]
