"""One folder that is followed: watched while that is possible, looked through every few seconds while it is not.

It is in one of three states, and `look`, called when `next_at` has come, moves it between them:

    watched   what happens in it is reported; now and then it is looked through all the same
    polled    it is there but cannot be watched: a network drive, or the system's limits
    missing   it is not there (any more)

A folder that vanished counts as there again when something is in it: where a drive was unplugged, an empty folder
often stays behind, and taking it for the folder would mean that all documents were deleted.
"""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.folders.events import FolderEvents
from app.folders.rules import FolderRules, UnreadableRules

# How soon a folder that came back is noticed; asking costs microseconds.
_RETURN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How often a followed folder is looked at, in seconds."""

    poll_seconds: float
    """Between two looks through a polled folder; and between two checks that a watched one is still the same."""
    rescan_seconds: float
    """Between two looks through a watched folder; and between two tries to watch a polled one."""


class FollowedFolder:
    """See the module. Times are passed in. Not for several threads."""

    def __init__(
        self, folder: Path, events: FolderEvents, network_type: Callable[[Path], str | None], timing: Timing, now: float
    ) -> None:
        self.folder = folder
        self.unwatched_because: str | None = None
        """Completes the sentence "<path> ..."; None while it is watched."""
        self.next_at = now
        """When to call `look` again."""
        self._events = events
        self._network_type = network_type
        self._timing = timing
        self._identity: tuple[int, int] | None = None
        self._rescan_at = now
        self._is_to_sweep = False
        self._take_up(now)

    def look(self, now: float) -> bool:
        """Sees how the folder is; whether it has to be looked through."""
        is_to_sweep, self._is_to_sweep = self._is_to_sweep, False
        if self._is_missing:
            is_to_sweep |= self._come_back(now)
        elif self._is_replaced():
            self._go_missing(now)
            self._come_back(now)
            is_to_sweep = True
        elif now >= self._rescan_at:
            self._rescan_at = now + self._timing.rescan_seconds
            if self.unwatched_because is not None:
                self._watch()  # the limit may have been raised meanwhile
            is_to_sweep = True
        elif self.unwatched_because is not None:
            is_to_sweep = True
        if not self._is_missing:
            self.next_at = now + self._timing.poll_seconds
        return is_to_sweep

    def renew(self) -> None:
        """Watches it anew, with the rules as they are now, if it is watched. Then it has to be looked through."""
        if self.unwatched_because is None:
            self._watch()

    def lose(self, error: OSError | None, now: float) -> None:
        """Its watch has ended; without an error: because the folder is no longer there. Calls for `look`."""
        if error is None:
            self._go_missing(now)
        else:
            self.unwatched_because = _reason(error)
        self._is_to_sweep = True
        self.next_at = now

    def leave(self) -> None:
        """Follows it no longer."""
        self._events.unwatch(self.folder)

    @property
    def _is_missing(self) -> bool:
        return self._identity is None

    def _take_up(self, now: float) -> None:
        self._identity = _identity(self.folder)
        if self._is_missing:
            self._go_missing(now)
        else:
            self._watch()
            self._rescan_at = now + self._timing.rescan_seconds
            self.next_at = now + self._timing.poll_seconds

    def _watch(self) -> None:
        file_system = self._network_type(self.folder)
        if file_system is not None:
            self.unwatched_because = f"lies on a network file system ({file_system})"
            return
        try:
            self._events.watch(self.folder, self._rules())
            self.unwatched_because = None
        except OSError as error:
            self._events.unwatch(self.folder)
            self.unwatched_because = _reason(error)

    def _rules(self) -> FolderRules:
        try:
            return FolderRules(self.folder)
        except UnreadableRules:
            # A scan says so and reads nothing; what is left to hear is that the ignore file was mended.
            return FolderRules(self.folder, ignore_text="*")

    def _is_replaced(self) -> bool:
        """Whether the path leads nowhere, or to another folder than the one that is watched.

        Polled folders are not asked: some network file systems number their folders anew each time.
        """
        identity = _identity(self.folder)
        return identity is None or (self.unwatched_because is None and identity != self._identity)

    def _go_missing(self, now: float) -> None:
        self._events.unwatch(self.folder)
        self._identity = None
        self.unwatched_because = "is not there"
        self.next_at = now + min(_RETURN_SECONDS, self._timing.poll_seconds)

    def _come_back(self, now: float) -> bool:
        if _has_entries(self.folder):
            self._take_up(now)
            return not self._is_missing
        self._go_missing(now)
        return False


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and file number; None when there is no such folder."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _has_entries(folder: Path) -> bool:
    try:
        with os.scandir(folder) as listing:
            return any(True for _ in listing)
    except OSError:
        return False


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC:
            return "holds more folders than the system lets its users watch (fs.inotify.max_user_watches)"
        case errno.EMFILE | errno.ENFILE:
            return "is one folder more than the system lets its users watch (fs.inotify.max_user_instances)"
        case _:
            return f"cannot be watched: {error.strerror or error}"
