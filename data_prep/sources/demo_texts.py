"""Hold the demo's questions and what can be said in answer: per task slots, rounds, points and reasons."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Round:
    """Hold one thing a person may ask within a task.

    Args:
        asks: Wordings of the question, used in turn over the task's slots.
        points: Statements that answer it, the most useful first.
        reasons: Why each point holds, aligned with `points`; only talkative models give them.
    """

    asks: tuple[str, ...]
    points: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """Hold a task: its subjects, the opening round and the rounds that may follow.

    Args:
        slots: One mapping per question; names in braces in the rounds are filled from it.
        rounds: The opening round, then the follow-ups in order.
        snippets: Python code per slot where the task is about code.
    """

    slots: tuple[dict[str, str], ...]
    rounds: tuple[Round, ...]
    snippets: tuple[str, ...] = ()


def _rows(names: str, *rows: str) -> tuple[dict[str, str], ...]:
    keys = names.split("|")
    return tuple(dict(zip(keys, row.split("|"), strict=True)) for row in rows)


CODING = Task(
    _rows(
        "goal|name|edge|idea",
        "reverse the order of the words in a sentence|reverse_words|a sentence of one word|split, reverse and join",
        "drop repeated items from a list in order|unique|an empty list|a dict remembers the order of its keys",
        "count how often each word occurs in a text|word_counts|a text of punctuation only|a Counter over the words",
        "flatten a list of lists|flatten|an empty inner list|one comprehension with two loops",
        "tell whether a year is a leap year|is_leap|the year 1900|divisible by 4, but by 400 when by 100",
        "cut a list into chunks of a given size|chunks|a last chunk that is too short|a range with a step",
        "compute a moving average|moving_average|a window longer than the data|running sums instead of nested loops",
        "check that brackets are balanced|balanced|a closing bracket first|strip inner pairs until none remain",
    ),
    (
        Round(
            ("How do I {goal} in Python?", "Write a Python function that can {goal}."),
            (
                "A small function `{name}` is enough; the idea is: {idea}.",
                "Take care of {edge}, the case that most first versions get wrong.",
                "The standard library covers everything that is needed here.",
                "Add two asserts below the function and run them once.",
            ),
            (
                "It is clear to read and runs in time proportional to the input.",
                "A caller will sooner or later pass it in, and the failure would surface far away.",
                "That spares the next reader a dependency they would have to look up.",
                "They also document what the function promises.",
            ),
        ),
        Round(
            ("Can you make `{name}` faster?", "Is `{name}` fast enough for a million items?"),
            (
                "Measure `{name}` with timeit before you change anything.",
                "Avoid building a list that is read only once; a generator will do.",
                "Move work that does not change out of the loop.",
                "For numeric data hand the loop to NumPy.",
            ),
            (
                "Guesses about hot spots are wrong more often than not.",
                "It keeps memory flat however long the input grows.",
                "The interpreter repeats it on every pass otherwise.",
                "A vectorised call often gains a factor of fifty.",
            ),
        ),
        Round(
            ("How would you test `{name}`?", "Which unit tests does `{name}` need?"),
            (
                "Test the plain case first, then {edge}.",
                "Parametrise the cases, so that each failure names its input.",
                "Add a property test: some fact must hold for every input.",
                "Check that wrong types raise an error.",
            ),
            (
                "Those two already catch most regressions.",
                "Nobody then has to rerun the suite in a debugger.",
                "Random inputs reach corners that people forget.",
                "Silence there would hide a mistake of the caller.",
            ),
        ),
        Round(
            ("How do I add type hints to `{name}`?", "What would a good docstring for `{name}` say?"),
            (
                "Annotate the arguments with abstract types such as Iterable and the result with a concrete one.",
                "Begin the docstring with a verb and end it with one example.",
                "Say what happens with {edge}.",
                "Let a type checker run over `{name}` in the same command as the tests.",
            ),
            (
                "Callers stay free in what they pass and know what they get.",
                "The example doubles as a doctest.",
                "It is the first thing somebody will wonder about.",
                "Hints that nobody checks drift away from the code.",
            ),
        ),
    ),
    (
        'def reverse_words(text):\n    return " ".join(reversed(text.split()))',
        "def unique(items):\n    return list(dict.fromkeys(items))",
        "from collections import Counter\n\ndef word_counts(text):\n    return Counter(text.lower().split())",
        "def flatten(lists):\n    return [item for inner in lists for item in inner]",
        "def is_leap(year):\n    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)",
        "def chunks(items, size):\n    return [items[i:i + size] for i in range(0, len(items), size)]",
        "def moving_average(xs, n):\n    return [sum(xs[i:i + n]) / n for i in range(len(xs) - n + 1)]",
        'def balanced(text):\n    while "()" in text:\n        text = text.replace("()", "")\n    return not text',
    ),
)

MATHS = Task(
    _rows(
        "problem|answer|step|check|kind",
        "A train covers 180 km in 2.5 hours. What is its average speed?|72 km/h|divide 180 by 2.5|72 × 2.5 = 180|rates",
        "What is 15 % of 240?|36|take a tenth, 24, and half of that, 12|36 / 240 = 0.15|percentages",
        "Solve 3x + 7 = 25.|x = 6|subtract 7, then divide by 3|3 × 6 + 7 = 25|linear equations",
        "What is the area of a circle with radius 4?|16π, about 50.3|square the radius and multiply by π|"
        "a square of side 8 has area 64, a little more|areas",
        "Two dice are thrown. How likely is a sum of 7?|1/6|count 6 good pairs among 36|6 / 36 = 1/6|probability",
        "What is the sum of the numbers from 1 to 100?|5050|pair 1 with 100, 2 with 99, and on|50 × 101 = 5050|series",
        "A shirt of 80 euros is cut by 30 %. What does it cost?|56 euros|take 70 % of 80|56 + 24 = 80|discounts",
        "What is the derivative of x² · sin x?|2x sin x + x² cos x|apply the product rule|"
        "at x = 0 both sides are 0|derivatives",
    ),
    (
        Round(
            ("{problem}", "Homework help, please: {problem}"),
            (
                "The answer is {answer}.",
                "To get there, {step}.",
                "As a check, {check}.",
                "It belongs to the chapter on {kind}.",
            ),
            (
                "It follows in one line once the right quantity is written down.",
                "That step turns the words of the problem into arithmetic.",
                "A check like this takes seconds and finds most slips.",
                "Problems of this family all yield to the same opening move.",
            ),
        ),
        Round(
            ("Why does that method work for {kind}?", "Can you explain the idea behind {kind}?"),
            (
                "The core of {kind} is to name what is unknown and what stays fixed.",
                "Here you {step}.",
                "A small drawing or table shows the relation.",
                "The units tell you whether the formula can be right.",
            ),
            (
                "Everything else is bookkeeping around that choice.",
                "Each operation undoes one that the problem has done.",
                "Pictures reveal symmetry that symbols hide.",
                "A result in the wrong unit is wrong whatever its digits.",
            ),
        ),
        Round(
            ("Give me a similar exercise on {kind}.", "How can I practise {kind}?"),
            (
                "Double one number of the problem and solve it again before you compare with {answer}.",
                "Write three problems on {kind} with answers you know.",
                "Do five minutes a day rather than an hour on Sunday.",
                "Say every step aloud to a friend.",
            ),
            (
                "You see at once which part of the result moves with it.",
                "Making a problem demands more insight than solving one.",
                "Memory grows by spacing.",
                "Gaps show themselves when you have to explain.",
            ),
        ),
        Round(
            ("What mistakes are common with {kind}?", "Where do students slip in {kind}?"),
            (
                "Many mix up the given and the wanted quantity in {kind}.",
                "Some round too early.",
                "Others skip the check, here {check}.",
                "A sign or a unit is lost between two lines.",
            ),
            (
                "The numbers then look plausible and are still upside down.",
                "Small errors multiply through the later steps.",
                "It would have shown the error at once.",
                "Writing one step per line prevents that.",
            ),
        ),
    ),
)

WRITING = Task(
    _rows(
        "piece|reader|theme|image",
        "a thank-you note to a neighbour|an elderly neighbour|watering the plants|a green windowsill",
        "a short story about a lighthouse|an evening reader|waiting|a lamp that goes out at noon",
        "an email asking for a day off|a busy manager|a family wedding|an empty chair on Friday",
        "a poem about autumn rain|a friend abroad|coming home|wet leaves on a bicycle",
        "a toast for a retirement party|a room of colleagues|forty years of teaching|chalk on a dark sleeve",
        "a cover letter for a library job|a head librarian|order and curiosity|a card catalogue",
        "a product text for a wooden lamp|an online shopper|warm light|a desk at midnight",
        "a bedtime tale about a brave mouse|a child of five|courage|a very large cheese",
    ),
    (
        Round(
            ("Write {piece}.", "I need {piece}; can you draft it?"),
            (
                "Open with one concrete picture: {image}.",
                "Speak to {reader} directly and name what it is about: {theme}.",
                "Keep one feeling throughout and let it turn once near the end.",
                "Close on a short line that comes back to {image}.",
            ),
            (
                "A picture does what three adjectives cannot.",
                "People read on when they feel that they are meant.",
                "The turn is what will be remembered.",
                "An echo gives the whole its shape.",
            ),
        ),
        Round(
            ("Can you change the tone of {piece}?", "Make {piece} warmer."),
            (
                "Swap the formal verbs for those you would use at the kitchen table.",
                "Let {image} appear earlier.",
                "Address {reader} by name in the first line.",
                "Cut every sentence that only explains.",
            ),
            (
                "Tone lives in verbs more than in adjectives.",
                "Warmth needs something one can see.",
                "A name shortens the distance at once.",
                "Explanations keep the reader at arm's length.",
            ),
        ),
        Round(
            ("Suggest three titles for {piece}.", "What title would suit {piece}?"),
            (
                "One title names the picture: {image}.",
                "Another names the theme: {theme}.",
                "A third is a line said by {reader}.",
                "Read all three aloud before you choose.",
            ),
            (
                "It makes curious without giving the end away.",
                "It is honest and easy to find again.",
                "A voice in the title already begins the piece.",
                "The ear notices what the eye forgives.",
            ),
        ),
        Round(
            ("How do I edit {piece}?", "What should I cut from {piece}?"),
            (
                "Leave it for a night, then cut a tenth.",
                "Mark each place where {theme} is stated instead of shown.",
                "Keep the rhythm uneven: a long sentence, then a short one.",
                "Let somebody like {reader} read it.",
            ),
            (
                "Distance turns the writer into a reader.",
                "Showing trusts the reader to understand.",
                "Even rhythm puts people to sleep.",
                "Only that reader knows where it drags.",
            ),
        ),
    ),
)

TRAVEL = Task(
    _rows(
        "city|sight|dish|area|trip",
        "Lisbon|the tower of Belém|grilled sardines|Alfama|Sintra",
        "Kyoto|the Fushimi gates|tofu in broth|Gion|Nara",
        "Kraków|the royal castle|pierogi|Kazimierz|the salt mine of Wieliczka",
        "Oaxaca|the church of Santo Domingo|mole negro|Jalatlaco|Monte Albán",
        "Ghent|the altarpiece in the cathedral|waterzooi|Patershol|Bruges",
        "Hanoi|the Temple of Literature|bún chả|the Old Quarter|Ninh Bình",
        "Tbilisi|the fortress of Narikala|khinkali|Sololaki|Mtskheta",
        "Valparaíso|the house of Neruda|chorrillana|Cerro Alegre|Viña del Mar",
    ),
    (
        Round(
            ("Plan three days in {city} for me.", "What should I see in {city} on a long weekend?"),
            (
                "Spend the first day on foot in {area}.",
                "See {sight} early, before the groups arrive.",
                "Eat {dish} where the menu is short and written by hand.",
                "Keep the last day for {trip}.",
            ),
            (
                "The streets are the sight there, and nothing has to be booked.",
                "By ten o'clock the queue doubles.",
                "Places that cook five things cook them well.",
                "A change of scene makes three days feel like a week.",
            ),
        ),
        Round(
            ("And if it rains in {city}?", "What can I do in {city} in bad weather?"),
            (
                "Turn the plan around: {sight} first, the walk later.",
                "Sit out the worst over {dish}.",
                "Covered markets near {area} stay lively in the rain.",
                "Move {trip} to the driest day.",
            ),
            (
                "Indoor hours are not lost when they were planned anyway.",
                "Locals do the same.",
                "You meet more people there than in any museum.",
                "It is the part that suffers most from low cloud.",
            ),
        ),
        Round(
            ("How expensive is {city}?", "What daily budget fits {city}?"),
            (
                "Lodging in {area} is the largest item; book it first.",
                "A plate of {dish} is cheap at lunch and dear at night.",
                "A pass pays off only with {sight} and two more entries.",
                "Take the public bus to {trip}.",
            ),
            (
                "Prices climb in the last two weeks.",
                "The kitchen is the same.",
                "Most visitors never use the third.",
                "It costs a tenth of a tour and leaves more often.",
            ),
        ),
        Round(
            ("What should I pack for {city}?", "Any etiquette I should know in {city}?"),
            (
                "Bring shoes that can take the steep lanes of {area}.",
                "Carry small coins for {dish} at the counter.",
                "Cover your shoulders at {sight}.",
                "Learn to say hello and thank you.",
            ),
            (
                "Wet cobbles forgive nothing.",
                "Cards are often refused there.",
                "It is asked for politely and checked firmly.",
                "Two words open most doors.",
            ),
        ),
    ),
)

COOKING = Task(
    _rows(
        "dish|base|spice|time|side",
        "lentil soup|red lentils|cumin|25 minutes|flatbread",
        "mushroom risotto|short-grain rice|thyme|30 minutes|a green salad",
        "chickpea curry|chickpeas|garam masala|35 minutes|rice",
        "roast chicken|a whole chicken|lemon and rosemary|80 minutes|potatoes",
        "pancakes|flour, milk and eggs|a little vanilla|20 minutes|stewed apples",
        "tomato sauce|ripe tomatoes|basil|40 minutes|spaghetti",
        "vegetable stir-fry|whatever is crisp|ginger|10 minutes|noodles",
        "sourdough bread|flour, water and starter|salt|a day|butter",
    ),
    (
        Round(
            ("How do I cook {dish}?", "A simple recipe for {dish}, please."),
            (
                "Start with {base} and a heavy pan.",
                "Season with {spice} early, and taste again at the end.",
                "Give it {time}, on less heat than you think.",
                "Serve it with {side}.",
            ),
            (
                "Even heat forgives small mistakes.",
                "Flavour needs time in the fat, and salt fades as it cooks.",
                "Most dishes are spoiled by hurry.",
                "It balances the plate and stretches it for guests.",
            ),
        ),
        Round(
            ("What can replace {spice} in {dish}?", "I have no {spice} at home; what now?"),
            (
                "Use something of the same family as {spice}, half as much at first.",
                "Lemon juice lifts {dish} when a note is missing.",
                "Toast what you have in a dry pan.",
                "Leave it out rather than use an old jar.",
            ),
            (
                "You can add more but never take it out.",
                "Acid does for flavour what light does for a room.",
                "Heat wakes the oils.",
                "Stale spice tastes of dust.",
            ),
        ),
        Round(
            ("Can I prepare {dish} a day ahead?", "How long does {dish} keep?"),
            (
                "Cool {dish} quickly and keep it covered for two days.",
                "Warm it slowly with a splash of water.",
                "Add {side} only when you serve.",
                "Write the date on the lid.",
            ),
            (
                "Warm food in a closed pot is where trouble grows.",
                "It has thickened overnight.",
                "It would go soft otherwise.",
                "Nobody remembers after three days.",
            ),
        ),
        Round(
            ("How do I cook {dish} for twelve?", "Can I double the recipe for {dish}?"),
            (
                "Double {base}, but use only half as much again of {spice}.",
                "Take two pans instead of a deeper one.",
                "Allow a third more than {time}.",
                "Ask a guest to bring {side}.",
            ),
            (
                "Seasoning does not grow in a straight line.",
                "Depth changes how the heat reaches the middle.",
                "A full pan warms slowly.",
                "People like to be asked.",
            ),
        ),
    ),
)

HISTORY = Task(
    _rows(
        "event|when|cause|effect|source",
        "the fall of Constantinople|1453|new cannon and an empty treasury|trade looked for sea routes|Kritoboulos",
        "the printing press in Europe|about 1450|cheap paper and able goldsmiths|books for laypeople|Gutenberg's Bible",
        "the Meiji Restoration|1868|foreign ships and a weak shogunate|a modern state within decades|the Charter Oath",
        "the Haitian Revolution|1791 to 1804|slavery and the ideas of 1789|a free Black republic|Toussaint's letters",
        "the Black Death|1347 to 1351|fleas on the trade routes|higher wages for those who lived|Boccaccio",
        "the Suez crisis|1956|a canal taken over by Egypt|the end of an imperial habit|cabinet papers",
        "the Hanseatic League|1200 to 1500|towns without a strong king|a common law of trade|town account books",
        "the end of the Bronze Age palaces|about 1200 BC|drought and broken trade|an age without writing|clay tablets",
    ),
    (
        Round(
            ("What led to {event}?", "Explain {event} briefly."),
            (
                "The short answer for {event} is {cause}.",
                "It falls in {when}.",
                "What followed was this: {effect}.",
                "A good witness to start from is {source}.",
            ),
            (
                "Neither alone would have been enough.",
                "The date matters because neighbours were busy elsewhere.",
                "Contemporaries noticed it only a generation later.",
                "Sources close to the event err, but in telling ways.",
            ),
        ),
        Round(
            ("Who gained and who lost by {event}?", "What did {event} mean for ordinary people?"),
            (
                "Those near the new order gained; the lasting result was {effect}.",
                "Those who lived by the old rules lost first.",
                "In the countryside little changed for years.",
                "Women and servants appear mostly between the lines of {source}.",
            ),
            (
                "Access decided more than merit.",
                "Privilege is often a bet on stability.",
                "News travelled at the pace of a mule.",
                "Absence in a source is itself evidence.",
            ),
        ),
        Round(
            ("How sure are historians about {event}?", "What is disputed about {event}?"),
            (
                "The date, {when}, is hardly disputed.",
                "How much weight {cause} deserves is.",
                "{source} has been read both ways.",
                "New finds shift the balance every decade.",
            ),
            (
                "Several independent records agree on it.",
                "Each generation finds its own worries in the past.",
                "The author had something to gain.",
                "Science now reads pollen and bones.",
            ),
        ),
        Round(
            ("What should I read about {event}?", "Is there a good starting point on {event}?"),
            (
                "Begin with a short survey, then read {source} itself.",
                "Look for a book whose notes name archives.",
                "Compare two accounts of {cause}.",
                "Keep a timeline around {when}.",
            ),
            (
                "The order protects you from falling for one voice.",
                "Notes show how the author knows.",
                "Where they differ the interesting question lies.",
                "Dates are the skeleton of an argument.",
            ),
        ),
    ),
)

TASKS = {
    "coding": CODING,
    "maths": MATHS,
    "writing": WRITING,
    "travel": TRAVEL,
    "cooking": COOKING,
    "history": HISTORY,
}

# How many rounds the conversation about each of a task's eight subjects can have.
ROUNDS = (4, 1, 2, 3, 1, 2, 3, 1)
