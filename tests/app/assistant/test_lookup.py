"""Work that somebody waits for, and work that nobody does."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.assistant.lookup import Lookup
from app.wiring import Parts
from tests.waiting import wait_until


@pytest.fixture
def lookup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, everything_kept: None) -> Iterator[Lookup]:
    monkeypatch.setenv("STEEP_HOME", str(tmp_path))
    with Lookup({}) as opened:
        yield opened


class Gate:
    """Work that goes on until it is let go."""

    def __init__(self, lookup: Lookup) -> None:
        self._released = threading.Event()
        self.is_running = threading.Event()
        self._future = lookup.run(self._work)

    def _work(self, _: Parts) -> None:
        self.is_running.set()
        self._released.wait()

    def release(self) -> None:
        self._released.set()
        self._future.result()


def test_what_nobody_waits_for_begins_where_a_thread_is_free(lookup: Lookup):
    gate, done = Gate(lookup), list[str]()
    lookup.run_when_free(lambda _: done.append("a"))
    wait_until(lambda: done)
    gate.release()


def test_it_waits_while_anything_else_might_and_the_newest_replaces_it(lookup: Lookup):
    first, second, third, done = Gate(lookup), Gate(lookup), Gate(lookup), list[str]()
    lookup.run_when_free(lambda _: done.append("a"))
    lookup.run_when_free(lambda _: done.append("b"))
    first.release()
    third.is_running.wait()
    assert done == []
    second.release()
    wait_until(lambda: done)
    third.release()
    lookup.close()
    assert done == ["b"]


def test_only_one_runs_at_a_time(lookup: Lookup):
    together, most = list[int](), list[int]()
    released = threading.Event()

    def work(_: Parts) -> None:
        together.append(1)
        most.append(len(together))
        released.wait()
        together.pop()

    lookup.run_when_free(work)
    wait_until(lambda: together)
    lookup.run_when_free(work)
    assert lookup.run(lambda _: len(together)).result() == 1
    released.set()
    wait_until(lambda: len(most) == 2)
    assert most == [1, 1]


def test_what_it_raises_is_logged_by_kind_and_the_next_one_runs(lookup: Lookup, caplog: pytest.LogCaptureFixture):
    def fail(_: Parts) -> None:
        raise ZeroDivisionError("private words")

    done = list[str]()
    lookup.run_when_free(fail)
    wait_until(lambda: "ZeroDivisionError" in caplog.text)
    lookup.run_when_free(lambda _: done.append("next"))
    wait_until(lambda: done)
    assert "private words" not in caplog.text
    assert {record.levelno for record in caplog.records if record.name.startswith("app.")} == {logging.DEBUG}


def test_closing_drops_what_waits(lookup: Lookup):
    gates, done = [Gate(lookup), Gate(lookup)], list[str]()
    for gate in gates:
        gate.is_running.wait()
    dropped = lookup.run(lambda _: done.append("somebody's"))
    lookup.run_when_free(lambda _: done.append("nobody's"))
    closing = threading.Thread(target=lookup.close)
    closing.start()
    wait_until(dropped.cancelled)
    for gate in gates:
        gate.release()
    closing.join()
    lookup.run_when_free(lambda _: done.append("too late"))
    assert done == []
