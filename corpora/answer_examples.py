"""A handful of examples of our own for tasks in which a model writes its answer.

Each is in the layout of the public set that it stands for, so that it is read the same way:
conversations as CoQA's file (Reddy et al. 2019), articles as CNN/DailyMail's rows, questions as
those of NQ-open, translations as WMT's. They are there to try a task at once: a figure on so few
says little about a model.
"""

from __future__ import annotations

from typing import Any


def _conversation(
    name: str, story: str, *turns: tuple[str, str] | tuple[str, str, tuple[str, ...]]
) -> dict[str, Any]:
    """A story with its turns: question, answer, and what others answered to it."""
    others = [turn[2] if len(turn) == 3 else () for turn in turns]

    def answers(texts: list[str]) -> list[dict[str, Any]]:
        return [{"input_text": text, "turn_id": place} for place, text in enumerate(texts, start=1)]

    # Whoever gave no answer of their own gave the conversation's.
    more = {
        str(person): answers(
            [given[person] if person < len(given) else turn[1]
             for turn, given in zip(turns, others, strict=True)]
        )
        for person in range(max(map(len, others)))
    }  # fmt: skip
    return {
        "source": "unrolled",
        "id": name,
        "story": story,
        "questions": answers([turn[0] for turn in turns]),
        "answers": answers([turn[1] for turn in turns]),
        "additional_answers": more,
    }


CONVERSATIONS: list[dict[str, Any]] = [
    _conversation(
        "lighthouse",
        "Marta kept the lighthouse on Gull Rock for thirty-one years. Her father had kept it "
        "before her, and he had taught her to trim the lamp when she was nine. Every evening she "
        "climbed the hundred and twelve steps with a can of oil in each hand. In the winter of the "
        "great storm the window of the lamp room broke, and she held a blanket over the hole for "
        "six hours so that the flame would not go out. A fishing boat with four men aboard came "
        "home that night. The skipper, whose name was Olaf, brought her a basket of herring every "
        "Sunday until he died. When the light was made electric, Marta moved to the village and "
        "opened a small bakery. She said that she missed the stairs.",
        ("Where was the lighthouse?", "on Gull Rock", ("Gull Rock",)),
        ("How long did Marta keep it?", "thirty-one years", ("31 years",)),
        ("Who kept it before her?", "her father", ("Marta's father",)),
        ("What broke in the storm?", "the window of the lamp room", ("a window",)),
        ("What did she hold over the hole?", "a blanket"),
        ("How many men were in the boat?", "four"),
        ("What did Olaf bring her?", "a basket of herring", ("herring",)),
        ("What did she open in the village?", "a small bakery", ("a bakery",)),
    ),
    _conversation(
        "bicycle",
        "Nadir found the bicycle behind the station, under a heap of wet leaves. It was red, and "
        "it had no chain and only one pedal. He asked the man at the ticket window whose it was, "
        "and the man said that it had been lying there since spring. So Nadir pushed it home. His "
        "sister Leila laughed when she saw it, but she lent him her tools. They worked on it for "
        "three weekends. The chain came from their uncle, who repaired motorcycles, and the second "
        "pedal cost Nadir two weeks of pocket money. On the first warm day of April he rode it to "
        "school. A girl from the fifth class stopped him at the gate. She said that the bicycle "
        "was hers, and that she was glad that somebody had mended it. Then she told him to keep "
        "it, because she had a bigger one now.",
        ("Where did Nadir find the bicycle?", "behind the station"),
        ("What colour was it?", "red"),
        ("What was missing?", "the chain and a pedal", ("a chain and one pedal",)),
        ("Who lent him tools?", "Leila", ("his sister Leila",)),
        ("How long did they work on it?", "three weekends"),
        ("Who gave them the chain?", "their uncle", ("his uncle",)),
        ("Whose was the bicycle?", "a girl from the fifth class", ("a girl's",)),
        ("Did she want it back?", "no"),
    ),
]

QUESTIONS: list[dict[str, Any]] = [
    {"question": "what is the capital of japan", "answer": ["Tokyo"]},
    {"question": "who wrote the play hamlet", "answer": ["William Shakespeare", "Shakespeare"]},
    {"question": "what is the largest planet in the solar system", "answer": ["Jupiter"]},
    {"question": "how many legs does a spider have", "answer": ["8", "eight"]},
    {"question": "in which ocean is hawaii", "answer": ["the Pacific Ocean", "Pacific"]},
    {"question": "what gas do plants take in from the air", "answer": ["carbon dioxide", "CO2"]},
    {"question": "who painted the mona lisa", "answer": ["Leonardo da Vinci", "Leonardo"]},
    {"question": "what is the chemical symbol of gold", "answer": ["Au"]},
    {"question": "on which continent is the sahara", "answer": ["Africa"]},
    {"question": "how many sides does a hexagon have", "answer": ["6", "six"]},
    {"question": "which language is spoken in brazil", "answer": ["Portuguese"]},
    {"question": "who was the first man on the moon", "answer": ["Neil Armstrong", "Armstrong"]},
]  # fmt: skip

# What a prompt begins with: pairs that show the style of a short answer.
QUESTION_PAIRS = (
    ("what is the capital of france", "Paris"),
    ("how many days are there in a week", "seven"),
    ("who wrote the novel oliver twist", "Charles Dickens"),
    ("which animal is the largest in the world", "the blue whale"),
    ("in which year did the second world war end", "1945"),
)

TRANSLATIONS: list[dict[str, Any]] = [
    {"translation": {"en": english, "fr": french}}
    for english, french in (
        ("The cat is sleeping on the chair.", "Le chat dort sur la chaise."),
        ("We arrived at the station at noon.", "Nous sommes arrivés à la gare à midi."),
        ("My brother lives in a small village.", "Mon frère habite dans un petit village."),
        ("The minister will speak tomorrow.", "Le ministre parlera demain."),
        ("It has been raining for three days.", "Il pleut depuis trois jours."),
        ("She bought bread and cheese at the market.",
         "Elle a acheté du pain et du fromage au marché."),
        ("Nobody knows why the bridge is closed.", "Personne ne sait pourquoi le pont est fermé."),
        ("The book that you gave me is very good.", "Le livre que tu m'as donné est très bon."),
    )
]  # fmt: skip

TRANSLATION_PAIRS = (
    ("The door is open.", "La porte est ouverte."),
    ("I have two sisters.", "J'ai deux sœurs."),
    ("The train leaves at seven o'clock.", "Le train part à sept heures."),
    ("Where is the library?", "Où est la bibliothèque ?"),
    ("The children are playing in the garden.", "Les enfants jouent dans le jardin."),
)

ARTICLES: list[dict[str, Any]] = [
    {
        "id": "ferry",
        "article": "The old ferry across the Lenn will make its last crossing on Sunday, after "
        "eighty-four years on the river. A bridge that was opened in March carries the cars now, "
        "and the boat has been half empty since. The town council voted on Tuesday to end the "
        'service by nine votes to four. "It costs us forty thousand a year, and last week it '
        'carried eleven people on one day," said the mayor, Anna Brandt. Not everybody agrees. '
        "Several hundred people signed a letter that asks for the boat to be kept in summer, when "
        "cyclists use it. Jan Roth, who has steered the ferry since 1998, will go to work in the "
        "harbour. He said that he would miss the mornings most. The boat itself is to become a "
        "café and will lie at the northern pier from next spring. The last crossing is free, and "
        "a brass band will play.",
        "highlights": "The ferry across the Lenn makes its last trip on Sunday after 84 years.\n"
        "The council ended the service because a new bridge has taken its passengers.\n"
        "The boat will become a café at the northern pier next spring.",
    },
    {
        "id": "wolves",
        "article": "A pack of wolves has settled in the forest of Harn for the first time in more "
        "than a century, biologists said on Friday. Cameras at two watering places filmed a pair "
        "with four cubs in June and again last week. The animals had probably come from the "
        "mountains in the east, some two hundred kilometres away. Farmers in the valley are "
        "worried. Since April twenty-three sheep have been found dead, though it is not certain "
        "that wolves killed all of them. The government will pay for fences and for dogs that "
        "guard the flocks, and it has promised to replace every animal that is lost. Hunting the "
        'wolves remains forbidden. "People will have to get used to a neighbour that their '
        'grandparents knew," said Irina Volk, who leads the survey. Her group will fit two of '
        "the adults with transmitters this autumn.",
        "highlights": "Wolves are living in the forest of Harn again after more than a century.\n"
        "Cameras filmed a pair with four cubs.\n"
        "Farmers who have lost sheep will be paid, and hunting remains forbidden.",
    },
    {
        "id": "library",
        "article": "Firefighters saved most of the books when the city library of Porta burned on "
        "Monday night. The fire began shortly before eleven in a storeroom on the top floor and "
        "spread to the roof within minutes. Nobody was hurt. About sixty volunteers, many of them "
        "students who live across the street, formed a chain and carried some thirty thousand "
        "volumes out of the building before the water reached them. The collection of maps, which "
        "is the oldest in the country, was among the first things to be brought to safety. Around "
        "two thousand newspapers from the nineteenth century were lost. An electrical fault is "
        "thought to be the cause. The director, Paolo Neri, thanked the volunteers and said that "
        "the library would open again in a school gymnasium within a month. Repairs are expected "
        "to take two years and to cost nine million.",
        "highlights": "Volunteers carried 30,000 books out of the burning library of Porta.\n"
        "The fire began in a storeroom, and an electrical fault is thought to be the cause.\n"
        "The library will open again in a gymnasium within a month.",
    },
    {
        "id": "marathon",
        "article": "Sara Lindqvist won the marathon of Oster on Saturday in her first race over "
        "the distance. The twenty-four-year-old nurse ran the last ten kilometres alone and "
        "crossed the line after two hours, twenty-nine minutes and eight seconds. She had entered "
        "only three weeks ago, when a friend who was injured gave her his place. Behind her, the "
        "favourite Helen Abebe came in second, almost two minutes later, and said that she had "
        "started too fast in the wind. It was the coldest race in fifteen years, with four degrees "
        "at the start and rain for most of the morning. Nearly nine thousand runners finished. "
        "Lindqvist did not stay for long. She had a night shift at the hospital, where her "
        "colleagues had watched the race in the waiting room.",
        "highlights": "Nurse Sara Lindqvist won the marathon of Oster in her first race.\n"
        "She took the place of an injured friend three weeks ago.\n"
        "The favourite, Helen Abebe, was second in cold and rain.",
    },
    {
        "id": "comet",
        "article": "A schoolteacher has discovered a comet with a telescope that he built in his "
        "garage. Tomas Vela noticed a faint smudge on photographs that he had taken on the third "
        "of May and at first believed it to be dust on the mirror. When it had moved on the "
        "following night, he sent the pictures to an observatory, which confirmed the find within "
        "a day. The comet will come closest to the sun in November. Astronomers expect that it can "
        "then be seen with ordinary binoculars, low in the west after sunset. It takes about four "
        "hundred years to go around the sun, so that nobody alive today will see it again. By "
        "custom it will bear the name of its discoverer. Vela, who teaches chemistry, said that "
        "his pupils had asked him whether they would now have less homework.",
        "highlights": "Teacher Tomas Vela found a comet with a telescope that he built himself.\n"
        "It can be seen with binoculars in November.\n"
        "The comet, which returns every 400 years, will bear his name.",
    },
]
