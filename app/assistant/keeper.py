"""Keeps the library true beside the app: watches the folders and steeps, unless another process does.

The thread "steep-keeper" asks for the right to index. With it, it runs `app.upkeep` and tells what happens; without,
it looks every second whether the index was changed by somebody else, and asks again every few seconds: when the other
process ends, this one goes on. Trouble (a full disk, a broken index) is told and tried again later.

A first sweep over thousands of files tells more than a screen can take in: files that were just read, and chunks that
had a state already, are told at most ten times a second; everything else always.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from app.assistant.events import LibraryChanged, Trouble, UpkeepTold, WatchingElsewhere, WatchingHere
from app.assistant.port import Tell
from app.errors import AlreadyRunning, AppError, message_of
from app.indexer import FileSeen, indexing_lock
from app.settings import Value
from app.steeper import ChunkSteeped
from app.upkeep import UpkeepEvent, keep_up
from app.wiring import Engine, Parts, open_parts
from engine.owner import Owner
from storage.errors import StorageError
from storage.index import Index

_LOOK_SECONDS = 1.0
_ASK_AGAIN_SECONDS = 5.0
_RETRY_SECONDS = 30.0
_MINOR_SECONDS = 0.1

_logger = logging.getLogger(__name__)


class Keeper(Owner):
    """See the module; starts at once."""

    def __init__(self, flags: Mapping[str, Value | None], engine: Engine, tell: Tell) -> None:
        self._flags, self._engine, self._tell = flags, engine, tell
        self._stop = threading.Event()
        self._throttle = _Throttle(time.monotonic)
        self._thread = threading.Thread(target=self._main, name="steep-keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop between two steps and join; harmless to call again."""
        self._stop.set()
        self._thread.join()

    # --- the thread

    def _main(self) -> None:
        while not self._stop.is_set():
            try:
                with open_parts(self._flags, for_engine=True) as parts:
                    self._keep(parts)
            except (StorageError, AppError, OSError) as error:
                self._report(message_of(error))
            except Exception as error:
                _logger.exception("The keeper of the library failed")
                self._report(f"Watching the folders failed: {error!r}.")

    def _report(self, reason: str) -> None:
        self._tell(Trouble(f"{reason} Trying again in {_RETRY_SECONDS:.0f} seconds."))
        self._stop.wait(_RETRY_SECONDS)

    def _keep(self, parts: Parts) -> None:
        told_elsewhere = False
        while not self._stop.is_set():
            try:
                with indexing_lock(parts.locations):
                    self._tell(WatchingHere())
                    keep_up(parts, self._engine, self._take, self._stop)
            except AlreadyRunning:
                if not told_elsewhere:
                    self._tell(WatchingElsewhere())
                told_elsewhere = True
                self._look_on(parts.index)

    def _take(self, event: UpkeepEvent) -> None:
        """From the keeper's thread and the steeper's."""
        if not _is_minor(event) or self._throttle.lets_through():
            self._tell(UpkeepTold(event))

    def _look_on(self, index: Index) -> None:
        """See what others change, for a while."""
        version, until = index.data_version(), time.monotonic() + _ASK_AGAIN_SECONDS
        while time.monotonic() < until and not self._stop.wait(_LOOK_SECONDS):
            if index.data_version() != version:
                version = index.data_version()
                self._tell(LibraryChanged())


def _is_minor(event: UpkeepEvent) -> bool:
    match event:
        case FileSeen(num_done=num_done, num_total=num_total, error=error):
            return error is None and num_done < num_total
        case ChunkSteeped(was_encoded=was_encoded):
            return not was_encoded
        case _:
            return False


class _Throttle:
    """Lets one through, and the next not before its time. Any thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._next_at = float("-inf")

    def lets_through(self) -> bool:
        with self._lock:
            if self._now() < self._next_at:
                return False
            self._next_at = self._now() + _MINOR_SECONDS
            return True
