"""Compose the questions, models, answers and remarks of planted users from lists of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Topic:
    """Hold a topic: wordings with `{}` where a subject goes, and its subjects."""

    wordings: tuple[str, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Trait:
    """Hold what a model with little and with much of a trait does, as `it ...`."""

    name: str
    low: str
    high: str


def _topic(wordings: str, subjects: str) -> Topic:
    return Topic(tuple(wordings.split("|")), tuple(subjects.split("|")))


TOPICS = {
    "cooking": _topic(
        "How do I cook {}?|Which spices go with {}?|My {} came out dry; what went wrong?|Can I freeze {}?|"
        "What can I serve beside {}?|How long does {} need in the oven?",
        "a lentil stew|roast chicken|fresh pasta|a mushroom risotto|sourdough bread|a plum cake|fish soup|"
        "stuffed peppers|potato gratin|an onion tart",
    ),
    "travel": _topic(
        "What should I see in {} in two days?|When is the best season to visit {}?|Is {} safe for a lone traveller?|"
        "How do I reach {} by train?|Where do locals eat in {}?|What does a week in {} cost?",
        "Lisbon|the Azores|Kyoto|Tbilisi|the Scottish Highlands|Oaxaca|Hanoi|Marrakesh|Ljubljana|Buenos Aires",
    ),
    "coding": _topic(
        "Write a Python function for {}.|Why does my code for {} raise an error?|What is the fastest algorithm for {}?|"
        "How do I test {} with pytest?|Explain the usual bug in {}.|Which library helps with {}?",
        "parsing dates|merging two sorted lists|a binary search|reading a large CSV file|retrying a web request|"
        "caching results|counting words|walking a directory tree|validating an email address|a priority queue",
    ),
    "maths": _topic(
        "Explain {} with an example.|How do I prove the main theorem about {}?|What is the intuition behind {}?|"
        "Solve a typical exercise on {}.|Which formula is used for {}?|Why do students struggle with {}?",
        "prime numbers|conditional probability|matrix inversion|geometric series|integration by parts|eigenvalues|"
        "the law of cosines|modular arithmetic|graph colouring|standard deviation",
    ),
    "history": _topic(
        "What caused {}?|Who were the main figures of {}?|What do historians disagree on about {}?|"
        "How did ordinary people live through {}?|What were the consequences of {}?|Which sources describe {}?",
        "the fall of Rome|the Black Death|the French Revolution|the Hanseatic League|the Meiji Restoration|"
        "the Thirty Years' War|the Silk Road trade|the Industrial Revolution|the Congress of Vienna|"
        "the Bronze Age collapse",
    ),
    "writing": _topic(
        "Draft {}.|Make the tone of {} warmer.|How should I begin {}?|What is a good title for {}?|"
        "Which mistakes spoil {}?|How do I end {} well?",
        "a wedding speech|a cover letter|a short ghost story|a complaint to my landlord|a farewell note|"
        "a poem on autumn|a product announcement|a letter to my grandmother|a book review|a scene in a lighthouse",
    ),
    "fitness": _topic(
        "Make a training plan for {}.|How often should I practise {}?|How do I avoid injuries in {}?|"
        "What should I eat before {}?|Which muscles does {} train?|Is {} fine with a sore knee?",
        "a half marathon|swimming|rowing|bouldering|yoga|kettlebell lifting|long bike rides|tennis|hill walking|"
        "jumping rope",
    ),
    "money": _topic(
        "How does {} work?|What are the risks of {}?|Should I use my savings for {}?|Which fees come with {}?|"
        "How is {} taxed?|Compare {} with leaving the money in the bank.",
        "an index fund|a fixed mortgage|a pension plan|a government bond|renting out a room|a car loan|"
        "a household budget|life insurance|a savings account|buying shares",
    ),
    "gardening": _topic(
        "When do I plant {}?|Why do the leaves of my {} turn yellow?|How much water do {} need?|"
        "Which soil suits {}?|How do I prune {}?|Which pests attack {}?",
        "tomatoes|roses|blueberries|apple trees|lavender shrubs|runner beans|hydrangeas|strawberries|fig trees|tulips",
    ),
    "music": _topic(
        "How do I learn {}?|Recommend recordings of {}.|What makes {} sound the way it does?|"
        "Who shaped the style of {}?|Explain the harmony of {}.|How did {} begin?",
        "jazz piano|flamenco guitar|string quartets|Gregorian chant|bluegrass banjo|opera arias|samba drumming|"
        "baroque violin|delta blues|choral singing",
    ),
    "astronomy": _topic(
        "How do astronomers observe {}?|How far away are {}?|What are {} made of?|How do {} form?|"
        "Can I see {} with a small telescope?|What is still unknown about {}?",
        "black holes|the moons of Jupiter|comets|white dwarf stars|spiral galaxies|exoplanets|sunspots|"
        "Saturn's rings|pulsars|meteor showers",
    ),
    "language": _topic(
        "How do I learn {} quickly?|What is hard about the grammar of {}?|How do you greet somebody in {}?|"
        "Which books teach {} well?|How is {} pronounced?|Which languages are related to {}?",
        "Portuguese|Japanese|Welsh|Swahili|Finnish|Arabic|Hungarian|Mandarin|Basque|Icelandic",
    ),
}

# Wordings and subjects alone make sixty questions a topic; endings make enough of them that users seldom share one.
ENDINGS = ("", " I am a beginner.", " It is for my daughter.", " I tried once and failed.", " A friend asked me.",
           " I have one afternoon.", " I need it by Friday.", " My neighbour says otherwise.")  # fmt: skip

TRAITS = (
    Trait("length", "keeps answers short", "explains everything at length"),
    Trait("lists", "writes flowing paragraphs", "orders points in numbered lists"),
    Trait("formality", "talks casually like a friend", "writes in a formal, polite manner"),
    Trait("humour", "stays serious", "jokes and plays with words"),
    Trait("examples", "states general principles", "shows worked examples"),
    Trait("caution", "answers boldly without caveats", "warns of risks and adds caveats"),
    Trait("jargon", "uses plain everyday words", "uses precise technical terms"),
    Trait("warmth", "is cool and matter-of-fact", "is warm and encouraging"),
    Trait("sources", "leaves sources out", "cites sources and figures"),
    Trait("questions", "answers right away", "asks questions back first"),
    Trait("stories", "keeps to bare facts", "wraps facts in stories"),
    Trait("opinion", "stays neutral", "gives clear opinions"),
)

BIRDS = ("heron", "finch", "kestrel", "wren", "osprey", "plover", "swift", "raven", "avocet", "linnet", "bittern",
         "curlew", "dunlin", "egret", "fulmar", "gannet", "hoopoe", "jackdaw", "kite", "lapwing", "martin", "nuthatch",
         "oriole", "pipit", "quail", "rook", "siskin", "tern", "vireo", "warbler")  # fmt: skip

FOLLOW_UPS = ("Shorter, please.", "Go on.", "Can you say that again?", "Why is that?", "Try once more.", "And then?",
              "Could you explain that better?", "Please give me another version.")  # fmt: skip
"""What is asked of an answer, whatever it was about."""

PRAISE = ("I like that it {}.", "Good: it {}.", "Just right for me, since it {}.")
BLAME = ("I do not like that it {}.", "Not for me: it {}.", "A pity that it {}.")


def question_pool(topics: int, size: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Compose different questions, the topics in turn.

    Returns:
        `size` texts, and (size,) the number of each one's topic.

    Raises:
        ValueError: A topic has fewer different questions than that.
    """
    per_topic = []
    for topic in list(TOPICS.values())[:topics]:
        forms = [(wording, subject, end) for wording in topic.wordings for subject in topic.subjects for end in ENDINGS]
        # Every topic is shuffled whole before any question is taken, so a larger pool begins with the smaller one of
        # that seed.
        per_topic.append([forms[place] for place in rng.permutation(len(forms))])
    if size > most_questions(topics):
        raise ValueError(f"{topics} topics have {most_questions(topics)} questions; {size} were requested")
    texts = []
    for number in range(size):
        # The topics in turn: all have as many questions, give or take one, and `planted._questions` finds them by step.
        wording, subject, end = per_topic[number % topics][number // topics]
        texts.append(wording.format(subject) + end)
    return texts, np.arange(size) % topics


def most_questions(topics: int) -> int:
    """Return how many different questions that many topics have."""
    return topics * min(len(topic.wordings) * len(topic.subjects) for topic in TOPICS.values()) * len(ENDINGS)


def trait_of(number: int) -> Trait:
    """Return a trait; those beyond the named ones are called by their number."""
    # A study may set any rank, and only so many manners have a name.
    if number < len(TRAITS):
        return TRAITS[number]
    name = f"manner {number + 1}"
    return Trait(name, f"shows little of {name}", f"shows much of {name}")


def habit(number: int, value: float) -> str:
    """Say what a model with that value of a trait does."""
    trait = trait_of(number)
    return trait.high if value > 0 else trait.low


def model_names(count: int) -> list[str]:
    """Name models after birds, with a number once the birds are used up."""
    return [f"{BIRDS[n % len(BIRDS)]}{'' if n < len(BIRDS) else f'-{n // len(BIRDS) + 1}'}" for n in range(count)]


def describe_model(traits: np.ndarray, strength: float, strong: Sequence[str], price: float) -> str:
    """Describe a model so that its two or three strongest traits and its best topics can be read off.

    Args:
        traits: (r,) trait values, about -2 to 2.
        strength: General strength, about -2 to 2.
        strong: Topics in which it is good.
        price: $ per million output tokens.
    """
    size = "large, capable" if strength > 0.7 else "small, simple" if strength < -0.7 else "middle-sized"
    # Stable, so that equal traits are described in the same order on every machine.
    order = np.argsort(-np.abs(traits), kind="stable")[:3]
    # A trait near 0 shows in no answer, and naming it would make the description untrue.
    habits = [habit(int(k), float(traits[k])) for k in order if abs(traits[k]) > 0.3] or ["answers without much style"]
    manner = ", ".join(habits[:-1]) + (" and " if len(habits) > 1 else "") + habits[-1]
    skill = f" Good at {' and '.join(strong)}." if strong else ""
    return f"A {size} model that {manner}.{skill} It costs ${price:.2f} per million tokens."


def compose_answer(query: str, traits: np.ndarray) -> str:
    """Write a short answer in the manner of a model: one sentence for each trait it shows, longer with more length."""
    about = query.rstrip("?.").lower()
    sentences = [f"On {about}: this answer {habit(k, float(v))}." for k, v in enumerate(traits) if abs(v) > 0.5]
    # The first trait is length, so it has to show in how much is written and not only be named.
    more = max(0, round(1 + 1.5 * float(traits[0])))
    sentences += [f"Point {n + 1} is about {about}, in other words." for n in range(more)]
    return " ".join(sentences) or f"On {about}: it depends."


def remarks(rank: int) -> list[str]:
    """Return every remark a user can make, at the places `remark_code` gives."""
    return [
        # This nesting is the number that `remark_code` works out: change both or neither.
        wording.format(habit(trait, side))
        for trait in range(rank)
        for side in (-1.0, 1.0)
        for wordings in (BLAME, PRAISE)
        for wording in wordings
    ]


def remark_code(trait: np.ndarray, high: np.ndarray, praise: np.ndarray, wording: np.ndarray) -> np.ndarray:
    """Return the place in `remarks` of a remark on a trait, its side, the verdict and one of three wordings."""
    return ((trait * 2 + high) * 2 + praise) * len(PRAISE) + wording
