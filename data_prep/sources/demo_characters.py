"""Say who is in the demo: models with known manners, and users with known preferences."""

from __future__ import annotations

from dataclasses import dataclass

TRAITS = ("length", "lists", "formality", "humour", "code")


@dataclass(frozen=True)
class Character:
    """Describe how one model answers.

    Args:
        description: What its maker would say of it; the text the encoder reads.
        prices: Input and output price in $ per million tokens.
        traits: (5,) manners in [-1, 1], in the order of `TRAITS`.
        quality: How good it is in general, about 0 to 1.
        strong: Tasks in which it is better by 0.5.
        opening, closing: What it says before and after the point; may be empty.
    """

    description: str
    prices: tuple[float, float]
    traits: tuple[float, float, float, float, float]
    quality: float
    strong: tuple[str, ...] = ()
    opening: str = ""
    closing: str = ""


CHARACTERS = {
    "atlas-90b": Character(
        "A large general model that answers at length, in numbered steps with reasons.",
        (3.0, 15.0),
        (1.0, 0.7, 0.2, -0.4, 0.3),
        0.9,
        (),
        "Here is a complete answer, step by step.",
        "Tell me if you would like any of these steps in more detail.",
    ),
    "codewright-20b": Character(
        "A programmer's model: code first, few words around it.",
        (0.8, 2.4),
        (-0.4, 0.1, 0.0, -0.5, 1.0),
        0.4,
        ("coding", "maths"),
    ),
    "scholar-34b": Character(
        "A learned model that writes long, formal prose with context and sources.",
        (1.5, 6.0),
        (0.9, -0.8, 0.9, -0.7, -0.4),
        0.7,
        ("history", "maths"),
        "The question deserves a considered reply.",
        "In summary, the matter is best understood from the considerations given above.",
    ),
    "telegram-8b": Character(
        "A quick model that answers in as few words as it can.",
        (0.1, 0.3),
        (-1.0, -0.5, -0.1, -0.4, 0.2),
        0.5,
    ),
    "pocket-1b": Character(
        "A tiny, very cheap model for phones; short and often vague.",
        (0.02, 0.05),
        (-0.8, -0.2, -0.3, 0.0, -0.5),
        -0.2,
        (),
        "",
        "It depends.",
    ),
    "jester-13b": Character(
        "A playful model that jokes, chats and never stays serious for long.",
        (0.3, 0.9),
        (0.4, -0.4, -0.9, 1.0, -0.3),
        0.4,
        ("writing",),
        "Ooh, I love this one! Buckle up, my friend :)",
        "And that's the whole magic trick. Go on, make me proud! Ha!",
    ),
    "butler-13b": Character(
        "A courteous, formal assistant that is discreet and well mannered.",
        (0.4, 1.2),
        (0.2, -0.5, 1.0, -0.5, -0.5),
        0.5,
        ("cooking",),
        "Certainly; it would be my pleasure to assist you.",
        "Should you require anything further, I remain at your disposal.",
    ),
    "outline-9b": Character(
        "A tidy model that turns every answer into a bullet list.",
        (0.2, 0.6),
        (-0.1, 1.0, 0.1, -0.4, 0.1),
        0.5,
        ("travel",),
    ),
    "fabler-12b": Character(
        "A warm storyteller that wraps each answer in a narrative with a smile.",
        (0.3, 1.0),
        (0.8, -0.7, -0.6, 0.7, -0.6),
        0.4,
        ("writing", "travel"),
        "Let me tell you how my grandmother would have put it, pull up a chair.",
        "And so the story ends, as good stories do, with something to try tomorrow :)",
    ),
}

# Preferences are weights on `TRAITS`: the two camps are each other's negative, so that no ranking suits both.
BRISK = (-1.7, 0.9, 0.3, -1.3, 0.7)
CHATTY = (1.7, -0.9, -0.3, 1.3, -0.7)
CAMPS = {
    "brisk": "bela chiara dmitri emre fatima goran hana ines jonas keiko lars mina nadia otto pilar ravi selma tomas "
    "ulrike vera",
    "chatty": "noor oskar paula quentin rosa sven tariq uma viktor wanda ximena yusuf zara anton bruna carlos doris "
    "edgar flora gustav",
    "own": "zoe amadou britta cyril dalia elif finn greta hugo iris jamal kaya leo maren nils olga piotr runa samir "
    "tilda",
}
NAMES = {camp: tuple(names.split()) for camp, names in CAMPS.items()}
# The same in every task. Near the brisk camp and no member of it: what the camp says helps with her, and her own votes
# say more.
ANA = (-1.9, 0.6, 0.5, -1.6, 0.5)
TASTES = {"brisk": BRISK, "chatty": CHATTY, "ana": ANA}
