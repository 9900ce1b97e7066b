import json
from dataclasses import replace

import numpy as np

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.data.round_hashes import round_hashes
from tests.factories import random_table


def one(**change):
    item = Comparison("ana", "talk", 1, "why?", (Candidate("a", "x", 1.0), Candidate("b", "y", 0.0)))
    return round_hashes(InteractionTable.from_comparisons([replace(item, **change)]))[0]


def test_what_makes_a_round_another_one_makes_its_hash_another():
    changes = [
        {},
        {"user": "bela"},
        {"conversation": "other"},
        {"turn": 2},
        {"query": "who?"},
        {"candidates": (Candidate("a", "x", 0.0), Candidate("b", "y", 1.0))},
        {"candidates": (Candidate("a", "x"), Candidate("b", "y", 0.0))},
        {"candidates": (Candidate("a", "x", 1.0), Candidate("c", "y", 0.0))},
        {"user": "talk", "conversation": "ana"},
    ]
    assert len({int(one(**change)) for change in changes}) == len(changes)
    assert one(candidates=(Candidate("b", "y", 0.0), Candidate("a", "x", 1.0))) == one()


def test_the_same_round_has_one_hash_in_every_table():
    table = random_table(0, users=5, max_turns=3, max_candidates=4, unrated=0.2)
    hashes = round_hashes(table)
    assert hashes.dtype == np.uint64 and len(np.unique(hashes)) == len(table)
    some = np.random.default_rng(0).permutation(len(table))[:20]
    alone = InteractionTable.from_comparisons([table.to_comparisons()[place] for place in some])
    assert round_hashes(alone).tolist() == hashes[some].tolist()
    assert json.dumps(int(hashes[0]))  # the same on every machine and in every process: nothing here is salted
