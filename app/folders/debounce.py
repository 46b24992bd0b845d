"""When is a path that changes ready to be read? Pure: the times are passed in, in seconds of any one clock.

A path is ready when nothing happened to it for a moment. One that never rests, a growing log, is ready after 2 s all
the same, and each time that it goes on changing it has to wait twice as long, up to a minute; a rest ends that.
Paths do not wait for each other, so a log delays no note. What was emptied waits longer: editors empty a file and
then write it. So does what vanished: some delete it and write it anew, and a file that was renamed is then seen under
its new name first, so that what was computed from it is still there to be used again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

# Saving takes several steps that are milliseconds apart. More would be felt: a saved file is to be found within 2 s.
SETTLE_SECONDS = 0.4

# What is nearly ready goes along with what is: a checkout of a thousand files is a few takes then, and not hundreds.
_SLACK = 0.25

# How many times as long an emptied file waits (2 s): its editor may have to fetch the text from somewhere; and what
# vanished (1 s), a deletion that nobody waits to see noticed.
_EMPTY_RESTS = 5.0
_GONE_RESTS = 2.5

# The first wait of a path that does not rest; and a path that changes again so soon after it was ready is restless.
# Somebody who saves every few seconds is not.
_FIRST_BOUND_SECONDS = 2.0

_LAST_BOUND_SECONDS = 60.0

# After so many quick saves in a row it is no person any more, and has to rest longer than a person lets it.
_NUM_QUICK_SAVES = 2


class Sight(Enum):
    """What is found at a path."""

    THERE = auto()
    EMPTY = auto()
    """A file of 0 bytes."""
    GONE = auto()


class Debounce:
    """Signs that something happened to a path in, paths that are ready out. Not for several threads."""

    def __init__(self, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._settle_seconds = settle_seconds
        self._rest_seconds = {
            Sight.THERE: settle_seconds,
            Sight.EMPTY: settle_seconds * _EMPTY_RESTS,
            Sight.GONE: settle_seconds * _GONE_RESTS,
        }
        self._restless: dict[Path, _Restless] = {}
        self._handed_out: dict[Path, _HandedOut] = {}

    def note(self, path: Path, at: float) -> None:
        """Something happened to the path. Times of one path do not go backwards."""
        known = self._restless.get(path)
        if known is not None:
            known.last_at = at
            known.rest_seconds = self._first_rest(known.num_returns)
            return
        before = self._handed_out.pop(path, None)
        is_soon = before is not None and at - before.at < _FIRST_BOUND_SECONDS
        num_returns = before.num_returns + 1 if before is not None and is_soon else 0
        self._restless[path] = _Restless(at, at, num_returns, self._first_rest(num_returns))

    def next_at(self) -> float | None:
        """The earliest time at which `take` may have something to give; None: not before the next sign."""
        return min((each.ready_at for each in self._restless.values()), default=None)

    def take(self, now: float, look: Callable[[Path], Sight]) -> list[Path]:
        """The paths that are ready, each one once; what is gone comes last. `look` is called for few others."""
        next_at = self.next_at()
        if next_at is None or next_at > now:
            return []
        horizon = now + _SLACK * self._settle_seconds
        ready: list[tuple[Path, Sight]] = []
        for path, each in self._restless.items():
            if each.ready_at <= horizon:
                sight = look(path)
                each.rest_seconds = max(each.rest_seconds, self._rest_seconds[sight])
                if each.ready_at <= horizon:
                    ready.append((path, sight))
        for path, _ in ready:
            self._handed_out[path] = _HandedOut(now, self._restless.pop(path).num_returns)
        self._forget_what_rests(now)
        ready.sort(key=lambda each: each[1] is Sight.GONE)
        return [path for path, _ in ready]

    def _first_rest(self, num_returns: int) -> float:
        # A log with a line per second would rest enough after each of them.
        longest = max(self._settle_seconds, _FIRST_BOUND_SECONDS)
        return min(self._settle_seconds * _doubled(max(num_returns - _NUM_QUICK_SAVES, 0)), longest)

    def _forget_what_rests(self, now: float) -> None:
        rested = [path for path, each in self._handed_out.items() if now - each.at >= _FIRST_BOUND_SECONDS]
        for path in rested:
            del self._handed_out[path]


@dataclass(slots=True)
class _Restless:
    """A path that something happened to since it was last handed out."""

    first_at: float
    last_at: float
    num_returns: int
    """How many times in a row it changed again soon after it was handed out."""
    rest_seconds: float
    """How long nothing must happen to it."""

    @property
    def ready_at(self) -> float:
        bound_seconds = min(_FIRST_BOUND_SECONDS * _doubled(self.num_returns), _LAST_BOUND_SECONDS)
        return min(self.last_at + self.rest_seconds, self.first_at + bound_seconds)


@dataclass(frozen=True, slots=True)
class _HandedOut:
    at: float
    num_returns: int


def _doubled(times: int) -> float:
    return 2.0 ** min(times, 16)
