"""Check that items come in order, one beforehand, from another thread, and that an error comes where its item would."""

import threading

import pytest
import torch

from gmt.training.prefetch import core_to_spare, prefetch


def test_items_come_in_order_and_no_more_than_one_is_made_too_many():
    made = []

    def make(number):
        made.append(number)
        return threading.current_thread() is threading.main_thread()

    for number, here in prefetch(make, range(3, 9), True):
        assert not here
        if number == 5:
            break
    assert made in ([3, 4, 5], [3, 4, 5, 6])
    assert [number for number, _ in prefetch(make, range(4), True)] == [0, 1, 2, 3]
    assert list(prefetch(make, (), True)) == []


@pytest.mark.parametrize("threaded", [False, True])
def test_an_error_comes_where_its_item_would(threaded):
    seen = []
    with pytest.raises(ZeroDivisionError):
        for number, _ in prefetch(lambda number: 1 // (2 - number), range(5), threaded):
            seen.append(number)
    assert seen == [0, 1]


def test_without_a_thread_an_item_is_made_when_it_is_wanted():
    made = []
    for number, _ in prefetch(made.append, range(4), False):
        assert made == list(range(number + 1))


def test_a_core_is_to_spare_beside_a_gpu_and_where_threads_are_fewer_than_cores(monkeypatch):
    assert core_to_spare(torch.device("cuda"))
    for cores, spare in ((1, False), (2, False), (3, True), (None, False)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        monkeypatch.setattr("torch.get_num_threads", lambda: 2)
        assert core_to_spare(torch.device("cpu")) == spare
