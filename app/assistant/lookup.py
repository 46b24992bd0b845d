"""Short work on the index for whoever must not block: two threads, each piece of work with an index of its own.

Opening an index takes about a millisecond, which is less than keeping one per thread in order would cost in code. Two
threads, so that a list is not kept waiting by a folder that is being removed.

Beside what somebody waits for, there may be one piece of work that nobody does: it begins when a thread has nothing
else to do.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from app.settings import Value
from app.wiring import Parts, open_parts
from engine.owner import Owner

T = TypeVar("T")

_NUM_THREADS = 2

_logger = logging.getLogger(__name__)


class Lookup(Owner):
    """See the module. All methods from any thread."""

    def __init__(self, flags: Mapping[str, Value | None]) -> None:
        self._flags = flags
        self._threads = ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix="steep-lookup")
        self._lock = threading.Lock()  # guards the four below
        self._num_unfinished = 0
        self._spare: Callable[[Parts], None] | None = None
        self._is_spare_running = False
        self._is_closed = False

    def run(self, work: Callable[[Parts], T]) -> Future[T]:
        """Run `work` soon; what it raises rises from the future. After `close` the future is cancelled."""
        with self._lock:
            self._num_unfinished += 1
        try:
            future = self._threads.submit(self._with_parts, work)
        except RuntimeError:  # closed
            future: Future[T] = Future()
            future.cancel()
        future.add_done_callback(self._note_finished)
        return future

    def run_when_free(self, work: Callable[[Parts], None]) -> None:
        """Run `work` once nothing else waits, in place of what still waits for that. What it raises goes to the log."""
        with self._lock:
            if not self._is_closed:
                self._spare = work
        self._start_spare()

    def _with_parts(self, work: Callable[[Parts], T]) -> T:
        with open_parts(self._flags) as parts:
            return work(parts)

    def _start_spare(self) -> None:
        with self._lock:
            is_free = self._num_unfinished < _NUM_THREADS and not self._is_spare_running
            if self._spare is None or not is_free:
                return
            work, self._spare = self._spare, None
            self._is_spare_running = True
        self.run(work).add_done_callback(self._note_spare)

    def _note_finished(self, _: Future[Any]) -> None:
        with self._lock:
            self._num_unfinished -= 1
        self._start_spare()

    def _note_spare(self, future: Future[None]) -> None:
        if not future.cancelled() and (error := future.exception()):
            # Its kind only: messages may quote what was worked on.
            _logger.debug("Work that nobody waits for failed: %s", type(error).__name__)
        with self._lock:
            self._is_spare_running = False
        self._start_spare()

    def close(self) -> None:
        """Wait for what runs, drop what waits."""
        with self._lock:  # the pool must not be asked for more by what it cancels
            self._spare, self._is_closed = None, True
        self._threads.shutdown(wait=True, cancel_futures=True)
