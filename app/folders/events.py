"""What the system reports of watched folders, on its way from the threads that hear it to the one that acts on it.

Who owns what: threads of a `FolderEvents` put signs into the `Inbox` and go on at once; one consumer empties it. An
inbox holds each path once, however often it changed, and at most MAX_NUM_PATHS: then it holds that the folder has to
be looked through.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.folders.rules import FolderRules

# About 6 MiB. Looking through a folder of so many files takes a third of a second.
MAX_NUM_PATHS = 20_000


class FolderEvents(Protocol):
    """Hears what happens in folders and puts it into the inbox it was made with. Safe from any thread."""

    def watch(self, folder: Path, rules: FolderRules) -> None:
        """Report what happens below the folder, as far as the rules admit it, from the moment this returns.

        A folder that is watched already is watched anew. Raises OSError when it cannot be watched, and then it is not.
        """
        ...

    def unwatch(self, folder: Path) -> None:
        """Report nothing more of the folder, apart from what is being reported now; harmless if it is not watched."""
        ...

    def close(self) -> None:
        """Watch nothing any more and end all threads; harmless to call again."""
        ...


@dataclass(slots=True)
class Mail:
    """Everything that happened since the inbox was last emptied; times are those of time.monotonic()."""

    paths: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Files that something happened to: the times of the first and of the last sign."""
    sweeps: dict[str, float] = field(default_factory=dict)
    """Folders to look through: the time of the last sign."""
    renewals: set[Path] = field(default_factory=set)
    """Watched folders whose watch misses something, because signs were lost or the rules changed."""
    lost: dict[Path, OSError | None] = field(default_factory=dict)
    """Watched folders whose watch has ended: because it broke, or (None) because the folder is no longer there."""
    failure: Exception | None = None
    """A mistake in the code that listens."""


class Inbox:
    """See the module. Everything but `empty` and `wait` may be called by any thread, and returns at once."""

    def __init__(self, max_num_paths: int = MAX_NUM_PATHS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_num_paths = max_num_paths
        self._clock = clock
        self._changed = threading.Condition()
        self._mail = Mail()
        self._has_mail = False
        self._is_woken = False

    def repeat(self, path: str) -> bool:
        """`change` if the path is in the inbox already, so that its rules need not be asked again; else False."""
        with self._changed:
            known = self._mail.paths.get(path)
            if known is not None:
                self._mail.paths[path] = (known[0], self._clock())
            return known is not None

    def change(self, root: Path, path: str) -> None:
        """Something happened to a file in the watched folder `root`."""
        with self._changed:
            if len(self._mail.paths) >= self._max_num_paths and path not in self._mail.paths:
                self._mail.sweeps[str(root)] = self._clock()
            else:
                now = self._clock()
                first_at, _ = self._mail.paths.get(path, (now, now))
                self._mail.paths[path] = (first_at, now)
            self._deliver()

    def sweep(self, folder: str) -> None:
        """A folder came, went or may hold anything: it has to be looked through."""
        with self._changed:
            self._mail.sweeps[folder] = self._clock()
            self._deliver()

    def renew(self, root: Path) -> None:
        """The watch of `root` has to be set up anew, and the folder looked through."""
        with self._changed:
            self._mail.renewals.add(root)
            self._mail.sweeps[str(root)] = self._clock()
            self._deliver()

    def lose(self, root: Path, error: OSError | None = None) -> None:
        """The watch of `root` has ended."""
        with self._changed:
            self._mail.lost[root] = error
            self._deliver()

    def fail(self, error: Exception) -> None:
        """Have the consumer raise it."""
        with self._changed:
            self._mail.failure = error
            self._deliver()

    def wake(self) -> None:
        """End the consumer's present or next `wait`."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    def empty(self) -> Mail:
        """Take everything out."""
        with self._changed:
            mail, self._mail = self._mail, Mail()
            self._has_mail = False
            return mail

    def wait(self, timeout_seconds: float, until_mail: bool = True) -> bool:
        """Until there is mail (if asked for), somebody wakes, or the time is over; whether there is mail."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_woken or (until_mail and self._has_mail), timeout_seconds)
            self._is_woken = False
            return self._has_mail

    def _deliver(self) -> None:
        self._has_mail = True
        self._changed.notify_all()
