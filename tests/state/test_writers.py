"""Check that many writers lose nothing, and that a writer killed at any moment leaves whole transactions."""

import multiprocessing
import os
import random
import signal
import threading
import time

import pytest

from tests.state.plain import PlainState, content, vote

# A fork starts in milliseconds; the store makes connections of its own in every process.
fork = multiprocessing.get_context("fork")


def everything(store):
    return {user: sorted(content(event.comparison) for event in store.events_of(user)) for user in store.users()}


def votes_of(user, writer, count):
    return [vote(number, user, words=f"writer {writer}") for number in range(count)]


def write(place, writer, user, count):
    with place.open() as store:
        for item in votes_of(user, writer, count):
            store.add(user, [item])


def check_writers(place, count, writers=8):
    """Half of the writers share a user, the others have one each; two readers follow meanwhile."""
    users = ["shared" if number % 2 else f"user {number}" for number in range(writers)]
    processes = [fork.Process(target=write, args=(place, n, user, count)) for n, user in enumerate(users)]
    for process in processes:
        process.start()
    with place.open() as store:
        seen, version = {}, 0
        while any(process.is_alive() for process in processes):
            news = store.news(version).version
            for event in store.events_since(version):
                assert seen.setdefault(event.id, event) == event
            version = news
            time.sleep(0.01)
        for process in processes:
            process.join()
            assert process.exitcode == 0
        seen |= {event.id: event for event in store.events_since(version)}
        wanted = {}
        for number, user in enumerate(users):
            wanted.setdefault(user, []).extend(content(item) for item in votes_of(user, number, count))
        assert everything(store) == {user: sorted(items) for user, items in wanted.items()}
        # Readers who followed by version saw every event, and every vote was a version of its own.
        assert len(seen) == writers * count == store.version() == store.counts().events


def test_eight_processes_lose_nothing(place):
    check_writers(place, 50)


@pytest.mark.soak
def test_eight_processes_of_a_thousand_votes_lose_nothing(place):
    check_writers(place, 1000)


def test_many_threads_of_one_store_lose_nothing(place):
    errors = []
    with place.open() as store:

        def work(number):
            try:
                for item in votes_of(f"user {number % 3}", number, 20):
                    store.add(item.user, [item])
                    store.version()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors and store.version() == 240
        assert {user: len(items) for user, items in everything(store).items()} == {f"user {n}": 80 for n in range(3)}


def test_the_first_to_open_make_the_tables_once(place):
    place = place.another()
    processes = [fork.Process(target=write, args=(place, n, "ana", 1)) for n in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with place.open() as store:
        assert [process.exitcode for process in processes] == [0] * 8 and len(everything(store)["ana"]) == 8


def test_a_forked_process_does_not_share_its_parents_connections(place):
    with place.open() as store:
        store.add("ana", [vote(0)])
        child = fork.Process(target=store.add, args=("ana", [vote(1)]))
        child.start()
        store.add("ana", [vote(2)])
        child.join()
        assert child.exitcode == 0 and len(everything(store)["ana"]) == 3


def transaction(number, target):
    """Do the n-th of an endless row of different transactions to a store or a plain list; each counts one version."""
    user, told = f"user {number % 3}", [vote(3 * number + n) for n in range(3)]
    if number % 7 == 5:
        target.forget(user)
    else:
        target.add(user, told, [f"{number}.{n}" for n in range(3)], replace=number % 7 == 3)


class Positional:
    """Let a store be called as a plain list is."""

    def __init__(self, store):
        self.store, self.forget = store, store.forget

    def add(self, user, told, keys, replace):
        self.store.add(user, told, keys=keys, replace=replace)


def write_until_killed(place, first, pipe):
    with place.open() as store:
        for number in range(first, first + 10_000):
            transaction(number, Positional(store))
            os.write(pipe, b".")


def check_kills(place, kills):
    """Kill a writer again and again; the store must hold what was acknowledged, and whole transactions only."""
    chance, plain, done, middle = random.Random(0), PlainState(), 0, 0
    for _ in range(kills):
        reading, writing = os.pipe()
        child = fork.Process(target=write_until_killed, args=(place, done, writing))
        child.start()
        os.close(writing)
        os.read(reading, 1)  # its first transaction is acknowledged
        time.sleep(chance.uniform(0, 0.03))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        acknowledged = 1
        while more := os.read(reading, 1 << 16):
            acknowledged += len(more)
        os.close(reading)
        with place.open() as store:
            # The transaction under way may have been committed before its acknowledgement could be sent.
            version = store.version()
            assert version - done in (acknowledged, acknowledged + 1)
            middle += version - done > acknowledged
            for number in range(done, version):
                transaction(number, plain)
            done = version
            assert plain.version == version and store.users() == plain.users()
            for user in plain.people:
                assert [content(event.comparison) for event in store.events_of(user)] == plain.of(user)
    return middle


def test_a_writer_killed_at_any_moment_leaves_whole_transactions(place):
    check_kills(place, 20)


@pytest.mark.soak
def test_a_writer_killed_at_two_hundred_moments_leaves_whole_transactions(place):
    check_kills(place, 200)
