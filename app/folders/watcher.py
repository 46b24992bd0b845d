"""Notices when documents change: folders in, paths to read again out.

`FolderEvents` hears what happens in a folder, `Debounce` waits until a path has come to rest, and where nothing can be
heard (network drives, more folders than the system lets one watch) the folder is handed out to be looked through every
few seconds. A folder that vanishes, with an unplugged drive, is taken up again when it comes back.

One thread calls `take`, again and again; everything else may be called by any thread. All decisions are made inside
`take`; the threads behind `FolderEvents` only fill the inbox.
"""

import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.folders.debounce import SETTLE_SECONDS, Debounce, Sight
from app.folders.events import FolderEvents, Inbox, Mail
from app.folders.followed import FollowedFolder, Timing
from app.folders.network_mounts import network_file_system
from app.formats.registry import is_supported
from engine.owner import Owner

POLL_SECONDS = 10.0
"""Between two looks through a folder that cannot be watched. 10,000 files take 0.2 s on a local disk."""

RESCAN_SECONDS = 3600.0
"""Between two looks through a watched folder, for what no system tells of, such as writing through a memory map."""

# While signs pour in, `take` looks at them so many times in the time that a path has to rest, and not at each.
_LOOKS_PER_REST = 8

# Python's locks do not wait for ever.
_LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What to look at again. What exists comes before what is gone, so that a renamed file is first found anew."""

    paths: tuple[Path, ...] = ()
    """Files that came, changed or went. What lies in one of the `sweeps` is not named here."""
    sweeps: tuple[Path, ...] = ()
    """Folders to look through, watched ones or any below them; they may be gone."""

    def __bool__(self) -> bool:
        return bool(self.paths or self.sweeps)


def system_events(inbox: Inbox, is_wanted: Callable[[Path], bool]) -> FolderEvents:
    """The best this system has."""
    if sys.platform == "linux":
        from app.folders.inotify_events import InotifyEvents  # its bindings exist only there

        return InotifyEvents(inbox, is_wanted)
    from app.folders.watchdog_events import WatchdogEvents

    return WatchdogEvents(inbox, is_wanted)


class Watcher(Owner):
    """See the module. Changes are reported from the moment `follow` returns: follow first, then scan.

    `is_wanted` says which names are documents, as for `scan`; `network_type` on which network file system a folder
    lies, if any. An exception in a thread behind it is raised by `take`.
    """

    def __init__(
        self,
        *,
        settle_seconds: float = SETTLE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        rescan_seconds: float = RESCAN_SECONDS,
        is_wanted: Callable[[Path], bool] = is_supported,
        network_type: Callable[[Path], str | None] = network_file_system,
        open_events: Callable[[Inbox, Callable[[Path], bool]], FolderEvents] = system_events,
    ) -> None:
        self._breath_seconds = settle_seconds / _LOOKS_PER_REST
        self._timing = Timing(poll_seconds, rescan_seconds)
        self._network_type = network_type
        self._inbox = Inbox()
        self._events = open_events(self._inbox, is_wanted)
        self._lock = threading.Lock()
        """Held while anything below is read or changed, and never while waiting."""
        self._followed: dict[Path, FollowedFolder] = {}
        self._files = Debounce(settle_seconds)
        self._sweeps = Debounce(settle_seconds)
        self._to_renew: set[Path] = set()
        self._polled: Mapping[Path, str] = {}
        self._failure: Exception | None = None
        self._is_closed = False

    def follow(self, folders: Iterable[Path]) -> None:
        """Report the changes of these folders and of no others. They are absolute, resolved, and none inside another.

        Reads the tree of each new folder; raises nothing for one that cannot be watched, see `polled`.
        """
        wanted = set(folders)
        with self._lock:
            for folder in self._followed.keys() - wanted:
                self._followed.pop(folder).leave()
            for folder in wanted - self._followed.keys():
                now = time.monotonic()
                self._followed[folder] = FollowedFolder(folder, self._events, self._network_type, self._timing, now)
            self._polled = self._unwatched()
        self._inbox.wake()

    @property
    def polled(self) -> Mapping[Path, str]:
        """The followed folders that are not watched; the reason completes the sentence "<path> ...". Never waits."""
        return self._polled

    def take(self, timeout_seconds: float) -> Changes:
        """What has come to rest; waits for it, at most so long. Nothing when the time is over or after `close`."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            with self._lock:
                now = time.monotonic()
                changes = self._collect(now)
                if changes or self._is_closed or now >= deadline:
                    return changes
                wait_seconds = min(deadline - now, self._wait_seconds(now))
            if self._inbox.wait(wait_seconds):
                self._inbox.wait(min(wait_seconds, self._breath_seconds), until_mail=False)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._followed.clear()
        self._inbox.wake()
        self._events.close()

    def _collect(self, now: float) -> Changes:
        self._sort(self._inbox.empty(), now)
        if self._failure is not None:
            raise self._failure
        followed = _prefixes(self._followed)
        sweeps = [folder for folder in self._sweeps.take(now, _look) if _is_inside(folder, followed)]
        for folder in self._to_renew.intersection(sweeps, self._followed):
            # Watched again before it is looked through: nothing falls between.
            self._followed[folder].renew()
        self._to_renew.difference_update(sweeps)
        sweeps += [each.folder for each in self._followed.values() if each.next_at <= now and each.look(now)]
        self._polled = self._unwatched()
        sweeps = _outermost(sweeps)
        covered = _prefixes(sweeps)
        paths = [path for path in self._files.take(now, _look) if _is_inside(path, followed)]
        return Changes(tuple(path for path in paths if not _is_inside(path, covered)), tuple(sweeps))

    def _sort(self, mail: Mail, now: float) -> None:
        for text, (first_at, last_at) in mail.paths.items():
            path = Path(text)
            self._files.note(path, first_at)
            self._files.note(path, last_at)
        for text, at in mail.sweeps.items():
            self._sweeps.note(Path(text), at)
        self._to_renew |= mail.renewals
        for folder, error in mail.lost.items():
            if folder in self._followed:
                self._followed[folder].lose(error, now)
        self._failure = self._failure or mail.failure

    def _unwatched(self) -> Mapping[Path, str]:
        reasons = {folder: followed.unwatched_because for folder, followed in self._followed.items()}
        return {folder: reason for folder, reason in reasons.items() if reason is not None}

    def _wait_seconds(self, now: float) -> float:
        times = [each.next_at for each in self._followed.values()]
        times += [at for at in (self._files.next_at(), self._sweeps.next_at()) if at is not None]
        return min(max(min(times, default=now + _LONGEST_WAIT_SECONDS) - now, 0.0), _LONGEST_WAIT_SECONDS)


def _look(path: Path) -> Sight:
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return Sight.GONE
    except OSError:
        return Sight.THERE
    return Sight.EMPTY if stat.S_ISREG(status.st_mode) and not status.st_size else Sight.THERE


def _prefixes(folders: Iterable[Path]) -> tuple[str, ...]:
    return tuple(_prefix(folder) for folder in folders)


def _prefix(folder: Path) -> str:
    return os.path.join(folder, "")  # noqa: PTH118 - a Path has no slash at its end


def _is_inside(path: Path, prefixes: tuple[str, ...]) -> bool:
    """Whether the path is one of the folders or lies in one; asked for thousands, and so without building paths."""
    return _prefix(path).startswith(prefixes)


def _outermost(folders: list[Path]) -> list[Path]:
    """Each once and in their order, without those inside another."""
    kept: dict[Path, str] = {}
    for folder in sorted(set(folders), key=lambda each: len(each.parts)):
        if not _is_inside(folder, tuple(kept.values())):
            kept[folder] = _prefix(folder)
    return [folder for folder in dict.fromkeys(folders) if folder in kept]
