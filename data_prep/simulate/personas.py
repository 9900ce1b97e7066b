"""Describe users a judge can play: twelve written by hand, and as many profiles as wanted drawn from lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from data_prep.read.file_formats import read_json
from gmt.errors import DataError

# By hand first: whole characters with conflicting wishes, which a product of lists does not make.
WRITTEN: Mapping[str, str] = {
    "hurried-manager": "You run a team of thirty and read between two meetings. You want the conclusion in the first "
    "line and nothing you could have guessed. Every sentence that could be cut costs an answer your goodwill.",
    "patient-student": "You are in your first year at university and want to understand, not to be handed a result. "
    "You prefer answers that go step by step, give reasons and show an example, however long they become.",
    "careful-nurse": "You work on a hospital ward. A wrong detail can do harm, so you value answers that say what is "
    "uncertain, name the exceptions and tell when to ask somebody. Bold claims without limits put you off.",
    "terse-engineer": "You have written software for twenty years. You like code, exact terms and numbers, and you "
    "dislike pleasantries, metaphors and repeated questions. An answer that runs beats one that explains.",
    "warm-grandfather": "You are seventy-eight and learnt about computers late. You like a friendly voice, plain "
    "everyday words and one thing at a time. Abbreviations and foreign terms make you feel left out.",
    "demanding-editor": "You edit a literary magazine. Rhythm, fresh images and a sure tone matter most to you; lists "
    "and set phrases bore you. You forgive a small error sooner than a dull paragraph.",
    "sceptical-journalist": "You check facts for a newspaper. You reward sources, dates and figures that can be "
    "verified and a fair account of both sides. Opinion presented as fact loses at once.",
    "playful-teenager": "You are sixteen and easily bored. Jokes, quick pace and surprising comparisons win you over; "
    "anything that sounds like a school book or a lecture loses you.",
    "orderly-accountant": "You keep the books of several firms. You want numbered lists, headings and tables, totals "
    "that add up and the same form every time. Flowing prose hides things, you feel.",
    "diplomatic-assistant": "You write letters on behalf of an ambassador. Politeness, complete sentences and a formal "
    "register are what you look at first; slang, exclamation marks and bluntness are out of the question.",
    "thrifty-shopkeeper": "You run a corner shop and every cent counts. You favour practical advice that works today "
    "with what is at hand, over theory, background and best possible solutions.",
    "curious-retiree": "You were a teacher and now read all day. You enjoy context, history and side remarks, and you "
    "like an answer to end with a question or an idea to follow up.",
}

WORK = ("a bus driver", "a pharmacist", "a carpenter", "a violin teacher", "a tax adviser", "a biology student",
        "a restaurant cook", "a data analyst", "a parish priest", "a stay-at-home father", "a pilot", "a translator",
        "a farmer", "a retired judge", "a graphic designer", "a physiotherapist", "a security guard", "a novelist",
        "a chemistry teacher", "an estate agent")  # fmt: skip
AGES = (
    "twenty-one",
    "twenty-eight",
    "thirty-four",
    "forty-one",
    "forty-nine",
    "fifty-seven",
    "sixty-six",
    "seventy-four",
)
LENGTHS = ("You want short answers; two sentences are often enough.", "You want answers of a paragraph, no more.",
           "You want thorough answers and do not mind reading a page.")  # fmt: skip
SHAPES = ("Numbered steps help you.", "You prefer running text to lists.", "You look for a table or headings first.",
          "An example tells you more than a rule.")  # fmt: skip
TONES = ("A formal tone is right for you.", "You like to be spoken to as a friend.", "You enjoy wit.",
         "You want a neutral, matter-of-fact tone.")  # fmt: skip
VALUES = ("Above all an answer must be correct, even if it is dry.", "Above all an answer must be easy to act upon.",
          "Above all an answer should teach you something new.", "Above all an answer should be honest about doubt.",
          "Above all an answer must not waste your time.")  # fmt: skip
DISLIKES = ("Technical terms annoy you.", "Vague wording annoys you.", "Warnings and caveats annoy you.",
            "Flattery annoys you.", "Repetition annoys you.", "Opinions you did not ask for annoy you.")  # fmt: skip


def personas(count: int, seed: int = 0) -> dict[str, str]:
    """Return name -> description: the written ones first, then different profiles drawn from lists.

    Raises:
        ValueError: `count` is more than the lists can distinguish.
    """
    found = dict(list(WRITTEN.items())[:count])
    # Their order is the order of a mixed-radix number: one more entry in a list changes every profile of a seed.
    parts = (WORK, AGES, LENGTHS, SHAPES, TONES, VALUES, DISLIKES)
    sizes = tuple(map(len, parts))
    most = int(np.prod(sizes))
    if count - len(found) > most:
        raise ValueError(f"{count} profiles; at most {most + len(WRITTEN)} can be distinguished")
    # A permutation of all combinations, so that no profile is drawn twice.
    drawn = np.random.default_rng(seed).permutation(most)[: count - len(found)]
    for number, place in enumerate(drawn, start=1):
        work, age, *rest = (part[at] for part, at in zip(parts, np.unravel_index(place, sizes), strict=True))
        found[f"profile-{number:03d}"] = f"You are {work}, {age} years old. {' '.join(rest)}"
    return found


def read_personas(path: Path) -> dict[str, str]:
    """Read JSON of name -> description.

    Raises:
        DataError: The file is no such JSON.
    """
    found = read_json(Path(path))
    # Empty texts too: a judge without a description would play nobody in particular.
    if not isinstance(found, dict) or not found or not all(isinstance(text, str) and text for text in found.values()):
        raise DataError(f"{path} is not JSON of name -> description; expected texts that begin with 'You …'")
    return found
