"""Check that long work without a terminal says how far it is, and short work nothing."""

import sys
import threading

from gmt.cli.console import Terminal
from gmt.cli.life_signs import LONGEST, LifeSigns, TrainingBar, duration


class Waiting:
    """Stand for the end of work that comes after some pauses; keep how long these were."""

    def __init__(self, pauses: int) -> None:
        self.left, self.waited = pauses, []

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.left -= 1
        return self.left < 0


def test_lines_come_ever_more_seldom_and_never_stop():
    said, work = [], Waiting(6)
    LifeSigns("training", 600, said.append).watch(work)  # pyright: ignore[reportArgumentType]
    assert len(said) == 6 and work.waited == sorted(work.waited) and work.waited[-1] == LONGEST


def test_a_line_says_what_how_far_and_how_long_still():
    now = iter([0.0, 30.0, 30.0, 100.0])
    signs = LifeSigns("training", 600, print, clock=lambda: next(now))
    assert signs.line() == "training: 30 s, 0 of 600"
    signs(150, "loss 0.5")
    assert signs.line() == "training: 30 s, 150 of 600, about 90 s to go, loss 0.5".replace("90 s", duration(90))
    signs.over(150)
    assert signs.line() == "training: 2 min, 150 of 150, loss 0.5"


def test_work_without_known_steps_says_its_stage():
    now = iter([0.0, 4000.0])
    signs = LifeSigns("asking", None, print, count=False, clock=lambda: next(now))
    signs(1, "fitting knn")
    assert signs.line() == "asking: 67 min, fitting knn"


def test_steps_of_an_unknown_number_are_counted():
    now = iter([0.0, 20.0])
    signs = LifeSigns("training", None, print, clock=lambda: next(now))
    signs(195, "loss 0.4")
    assert signs.line() == "training: 20 s, 195 steps, loss 0.4"


def test_short_work_says_nothing_and_leaves_no_thread(capsys):
    before = threading.active_count()
    with Terminal().bar("reading", 3) as advance:
        advance()
        advance.over(4)
    assert threading.active_count() == before
    assert capsys.readouterr() == ("", "")


def test_quiet_work_starts_no_watch(capsys):
    before = threading.active_count()
    with Terminal(quiet=True).bar("reading", 3) as advance:
        advance()
        assert threading.active_count() == before


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with Terminal().bar("reading", 3) as advance:
        advance(1, "file.csv")
    assert "reading" in capsys.readouterr().err


def test_networks_trained_one_after_the_other_count_on():
    steps: list[int] = []
    bar = TrainingBar(lambda step, note: steps.append(step))  # pyright: ignore[reportArgumentType]
    for step in (10, 20, 10):
        bar({"step": step, "loss": 0.1})
    assert steps == [10, 10, 10]


def test_times_are_said_as_people_say_them():
    assert [duration(value) for value in (0.4, 89, 91, 3600, 6000)] == ["0 s", "89 s", "2 min", "60 min", "1 h 40 min"]
