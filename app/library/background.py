"""What goes on behind the library: reading, steeping, resting, and what stands in their way. For one thread.

Fed with what `app.upkeep` tells. Imports that late: its first event comes from somebody who has imported it, and what
shows the library at the start can do without.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.steeping_progress import SteepingProgress

if TYPE_CHECKING:
    from app.upkeep import UpkeepEvent

_RATE_WINDOW_SECONDS = 10.0
"""Whoever looks wants to see the rate change when something else begins to use the machine."""


class Background:
    """See the module."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.progress = SteepingProgress(now, _RATE_WINDOW_SECONDS)
        self.reading: tuple[Path, int, int] | None = None
        """The file read last, how many are done, and of how many; None: nothing is being read."""
        self.embedding: tuple[int, int] | None = None
        """Chunks that have their vector, and of how many; None: none is being made."""
        self.rest = ""
        """Why steeping rests; empty: it does not."""
        self.trouble = ""
        """What stands in the way of steeping, a sentence; empty: nothing."""
        self._problems: dict[Path, str] = {}
        self._polled: dict[Path, str] = {}

    def note(self, event: "UpkeepEvent") -> bool:
        """Take in what happened; whether documents or their states are others now."""
        from app.indexer import FileGone, FileSeen, FolderProblem
        from app.search.dense import Embedded
        from app.steeper import ChunkSteeped, SteepingTrouble
        from app.upkeep import FolderPolled, Resting, Standing, SweepDone

        match event:
            case FileSeen(path, num_done, num_total, was_read):
                self._seen(path, num_done, num_total)
                return was_read
            case FileGone():
                return True
            case SweepDone():
                self.reading = None
                return True
            case FolderProblem(path, reason):
                self._problems[path] = reason
            case FolderPolled(path, reason):
                self._polled[path] = reason
            case Embedded(num_done, num_total):
                self.reading = None  # vectors are made when nothing is to be read
                self.embedding = (num_done, num_total) if num_done < num_total else None
            case ChunkSteeped(path, num_tokens, was_encoded):
                self.trouble = ""
                self.progress.steeped(path, num_tokens, was_encoded=was_encoded)
            case SteepingTrouble(reason):
                self.trouble = reason
            case Resting(reason):
                self._rests(reason)
            case Standing(backlog=backlog):
                self.progress.counted(backlog.num_tokens)
                return True
        return False

    def problem_at(self, place: Path) -> str:
        """Why a place could not be looked at, or is only now and then; completes "<path> ...", empty: it is."""
        if reason := self._problems.get(place):
            return reason
        polled = self._polled.get(place)
        return f"{polled}: it is looked through now and then" if polled else ""

    def _seen(self, path: Path, num_done: int, num_total: int) -> None:
        self.reading = (path, num_done, num_total) if num_done < num_total else None
        if self._problems:
            places = {path, *path.parents}
            self._problems = {place: reason for place, reason in self._problems.items() if place not in places}

    def _rests(self, reason: str | None) -> None:
        self.rest = reason or ""
        if reason is None:
            self.progress.resume()
