"""Questions come first, also those of other processes: who asks says so, and background work rests meanwhile.

Whoever answers a question holds a lock file in a folder of all of them (`asking`); the system lets go of it when the
process ends, however it ends. `QuestionsFirst` looks there 20 times a second and puts the steeping of its own process
on hold, which breaks off the running micro-batch, so that a question in another process has the machine to itself
before it has loaded its model. It also rests when the user said so: on battery, or while others need the CPU.
"""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psutil
from filelock import FileLock, Timeout

from app.locations import Locations
from app.settings import Settings
from engine.owner import Owner
from storage import private_folder

_LOOK_SECONDS = 0.05
_MACHINE_SECONDS = 2.0
"""How often battery and load are looked at; a shorter measure of the load is mostly noise."""

_STALE_SECONDS = 60.0
"""A lock file of this age that nobody holds was left by a process that was killed; a younger one may be about to be."""

_numbers = itertools.count()


class Holdable(Protocol):
    """What rests: `engine.runtime.Runtime`."""

    def hold(self) -> None: ...
    def release(self) -> None: ...


@contextmanager
def asking(locations: Locations) -> Iterator[None]:
    """Hold this while a question is answered."""
    private_folder.make(locations.questions_dir)
    path = locations.questions_dir / f"{os.getpid()}-{next(_numbers)}.lock"
    lock = FileLock(path, mode=private_folder.FILE_MODE)
    try:
        with lock:
            yield
    finally:
        path.unlink(missing_ok=True)


def somebody_asks(locations: Locations) -> bool:
    """Whether any process, this one included, answers a question now."""
    try:
        paths = list(locations.questions_dir.iterdir())
    except FileNotFoundError:
        return False
    return any(_is_held(path) for path in paths)


def _is_held(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0, mode=private_folder.FILE_MODE):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()
            return False
    except Timeout:
        return True


class QuestionsFirst(Owner):
    """Holds the steeping of this process whenever there is a reason to; see the module."""

    def __init__(self, locations: Locations, settings: Settings, steeping: Holdable) -> None:
        self._locations, self._steeping = locations, steeping
        self._machine = _Machine(settings)
        self._reason: str | None = None
        self._asked_for: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="steep-precedence", daemon=True)
        self._thread.start()

    @property
    def reason(self) -> str | None:
        """Why steeping rests now; None while it does not."""
        return self._reason

    @contextmanager
    def resting(self, reason: str) -> Iterator[None]:
        """Let steeping rest while the block runs. Not for several threads."""
        self._asked_for = reason
        try:
            yield
        finally:
            self._asked_for = None

    def close(self) -> None:
        """Stop looking and let steeping go on; harmless to call again."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            asked = "a question is being answered" if somebody_asks(self._locations) else None
            reason = asked or self._asked_for or self._machine.reason()
            if reason and not self._reason:
                self._steeping.hold()
            elif self._reason and not reason:
                self._steeping.release()
            self._reason = reason
        self._steeping.release()


class _Machine:
    """Whether battery or load ask for a rest, looked at every two seconds."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._now = settings, now
        self._us = psutil.Process()
        self._looked_at, self._last_reason = 0.0, None
        self._load_of_others()

    def reason(self) -> str | None:
        if self._now() - self._looked_at > _MACHINE_SECONDS:
            self._looked_at, self._last_reason = self._now(), self._look()
        return self._last_reason

    def _look(self) -> str | None:
        if self._settings.pause_on_battery and _on_battery():
            return "the machine runs on its battery"
        limit = self._settings.pause_above_load
        if limit and (load := self._load_of_others()) > limit:
            return f"other programs use {load:.0%} of the CPUs"
        return None

    def _load_of_others(self) -> float:
        """Share of all CPUs since the last call."""
        everybody = psutil.cpu_percent() / 100
        return max(0.0, everybody - self._us.cpu_percent() / 100 / (psutil.cpu_count() or 1))


def _on_battery() -> bool:
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return battery is not None and not battery.power_plugged
