"""Check that a run reads its history with the codes that training knew, whichever rows are left of it."""

import numpy as np

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.data.run_history import RunHistory
from gmt.runs import RunFolder, read_card
from gmt.serving.pretrained import Router


def round_of(number, task):
    return Comparison("ana", f"c{number}", 0, f"query {number}", (Candidate("x", None, 1.0),), None, task)


def test_tasks_keep_their_codes_whatever_rows_come_first(tmp_path):
    every = InteractionTable.from_comparisons([round_of(n, task) for n, task in enumerate(["z", "a", None, "z", "b"])])
    part = every.select(np.array([1, 2, 3]))
    part.write(tmp_path / "part.parquet")
    alone = InteractionTable.read(tmp_path / "part.parquet")
    assert alone.tasks == ("a", "z")
    back = alone.with_tasks_first(every.tasks)
    assert back.tasks == ("z", "a", "b") and back.task.tolist() == part.task.tolist() == [1, -1, 0]
    assert back.to_comparisons() == part.to_comparisons() and back.with_tasks_first(every.tasks) is back
    assert alone.with_tasks_first(["late"]).tasks == ("late", "a", "z")


def test_forgetting_whoever_came_first_moves_no_task(good_copy):
    """Learned traits know tasks by their codes, which were once given by the first rows of the history."""
    folder = RunFolder(good_copy)
    tasks = tuple(read_card(folder.card)["tasks"])
    table = RunHistory.read(folder, read_card(folder.card)).data.table
    assert len(tasks) > 1 and table.tasks == tasks
    router = Router.from_pretrained(good_copy)
    first = table.tasks[table.task[0]]
    while (rows := router.data.table).tasks and rows.to_comparisons()[0].task == first:
        router.forget(rows.users[rows.user[0]])
    again = RunHistory.read(folder, read_card(folder.card)).data.table
    assert again.to_comparisons()[0].task != first and again.tasks == tasks
    assert InteractionTable.read(folder.history).tasks != tasks
