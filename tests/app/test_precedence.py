"""Who asks goes first, in this process and in others; a process that was killed while asking holds nobody up."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app import precedence
from app.locations import Locations
from app.precedence import QuestionsFirst, asking, somebody_asks
from app.settings import Settings
from tests.waiting import wait_until

_ASKING = """
import sys, time
from pathlib import Path
from app.locations import Locations
from app.precedence import asking
home = Path(sys.argv[1])
with asking(Locations(home, home, home)):
    print("asking", flush=True)
    time.sleep(60)
"""


class Steeping:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.changed = threading.Condition()

    def hold(self) -> None:
        self._note("hold")

    def release(self) -> None:
        self._note("release")

    def _note(self, word: str) -> None:
        with self.changed:
            self.told.append(word)
            self.changed.notify_all()

    def wait_for(self, *told: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.told == list(told), 30), self.told


@pytest.fixture
def here(tmp_path: Path) -> Locations:
    return Locations(tmp_path, tmp_path, tmp_path)


def test_somebody_asks_as_long_as_one_question_is_open(here: Locations):
    assert not somebody_asks(here)
    with asking(here):
        with asking(here):
            assert somebody_asks(here)
        assert somebody_asks(here)
    assert not somebody_asks(here)
    assert list(here.questions_dir.iterdir()) == []


def test_a_question_of_another_process_counts_until_that_process_is_killed(here: Locations):
    command = [sys.executable, "-c", _ASKING, str(here.data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(precedence.__file__).parents[1]) as process:
        assert process.stdout
        assert process.stdout.readline() == b"asking\n"
        assert somebody_asks(here)
        process.send_signal(signal.SIGKILL)
    assert not somebody_asks(here)


def test_a_lock_that_was_left_long_ago_is_cleared_away_and_a_young_one_is_not(here: Locations):
    here.questions_dir.mkdir()
    young, old = here.questions_dir / "1-0.lock", here.questions_dir / "2-0.lock"
    young.touch()
    old.touch()
    long_ago = time.time() - 3600
    os.utime(old, (long_ago, long_ago))
    assert not somebody_asks(here)
    assert list(here.questions_dir.iterdir()) == [young]


def test_steeping_is_held_while_somebody_asks(here: Locations):
    steeping = Steeping()
    with QuestionsFirst(here, Settings(), steeping) as rest:
        with asking(here):
            steeping.wait_for("hold")
            wait_until(lambda: rest.reason == "a question is being answered")
        steeping.wait_for("hold", "release")
        wait_until(lambda: rest.reason is None)


def test_steeping_rests_for_its_own_process_too(here: Locations):
    steeping = Steeping()
    with QuestionsFirst(here, Settings(), steeping) as rest:
        with rest.resting("documents are being read"):
            steeping.wait_for("hold")
        steeping.wait_for("hold", "release")


def test_closing_lets_steeping_go_on(here: Locations):
    steeping = Steeping()
    with asking(here):
        rest = QuestionsFirst(here, Settings(), steeping)
        steeping.wait_for("hold")
        rest.close()
        rest.close()
    assert steeping.told[-1] == "release"


@pytest.mark.parametrize(("is_wanted", "told"), [(True, ["hold"]), (False, [])])
def test_steeping_rests_on_battery_if_told_to(
    here: Locations, monkeypatch: pytest.MonkeyPatch, is_wanted: bool, told: list[str]
):
    monkeypatch.setattr(precedence, "_on_battery", lambda: True)
    monkeypatch.setattr(precedence, "_MACHINE_SECONDS", 0.0)
    steeping = Steeping()
    looked = threading.Event()
    monkeypatch.setattr(precedence, "somebody_asks", lambda _: looked.set())
    with QuestionsFirst(here, Settings(pause_on_battery=is_wanted), steeping) as rest:
        looked.wait(30)
        if is_wanted:
            steeping.wait_for("hold")
            wait_until(lambda: rest.reason == "the machine runs on its battery")
        else:
            looked.clear()
            looked.wait(30)
            assert steeping.told == told


def test_steeping_rests_while_others_use_the_machine_if_told_to(here: Locations, monkeypatch: pytest.MonkeyPatch):
    shares = iter([0.9, 0.9, 0.1, *[0.1] * 1000])
    monkeypatch.setattr(precedence._Machine, "_load_of_others", lambda self: next(shares))
    monkeypatch.setattr(precedence, "_MACHINE_SECONDS", 0.0)
    steeping = Steeping()
    with QuestionsFirst(here, Settings(pause_above_load=0.5), steeping):
        steeping.wait_for("hold", "release")
