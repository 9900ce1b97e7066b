"""Let Hypothesis draw small tables with every odd case: open turns, lone candidates, nobody's ratings."""

from __future__ import annotations

from hypothesis import strategies as st

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable

RATINGS = st.sampled_from([None, 0.0, 0.25, 0.5, 1.0])


@st.composite
def comparisons(draw: st.DrawFn, users: int = 3, models: int = 4) -> list[Comparison]:
    """Draw conversations of 1 to 4 rounds; every answer and query is a text of its own."""
    out: list[Comparison] = []
    for user in range(draw(st.integers(1, users))):
        for talk in range(draw(st.integers(1, 4))):
            for turn in range(draw(st.integers(1, 4))):
                shown = draw(st.lists(st.integers(0, models - 1), min_size=1, max_size=3, unique=True))
                here = f"{user}.{talk}.{turn}"
                candidates = tuple(
                    Candidate(
                        f"m{model}",
                        f"answer {here}.{model}",
                        draw(RATINGS),
                        f"note {here}.{model}" if draw(st.integers(0, 5)) == 0 else None,
                    )
                    for model in shown
                )
                out.append(Comparison(f"u{user}", f"{user}.{talk}", turn, f"query {here}", candidates))
    return draw(st.permutations(out))


def tables(users: int = 3, models: int = 4) -> st.SearchStrategy[InteractionTable]:
    """Draw tables whose order of comparisons is arbitrary."""
    names = [f"m{number}" for number in range(models)]
    return comparisons(users, models).map(lambda items: InteractionTable.from_comparisons(items, models=names))
