"""Short work on the index for whoever must not block: two threads, each piece of work with an index of its own.

Opening an index takes about a millisecond, which is less than keeping one per thread in order would cost in code. Two
threads, so that a list is not kept waiting by a folder that is being removed.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from app.settings import Value
from app.wiring import Parts, open_parts
from engine.owner import Owner

T = TypeVar("T")

_NUM_THREADS = 2


class Lookup(Owner):
    """See the module. `run` from any thread."""

    def __init__(self, flags: Mapping[str, Value | None]) -> None:
        self._flags = flags
        self._threads = ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix="steep-lookup")

    def run(self, work: Callable[[Parts], T]) -> Future[T]:
        """Run `work` soon; what it raises rises from the future. After `close` the future is cancelled."""
        try:
            return self._threads.submit(self._with_parts, work)
        except RuntimeError:  # closed
            future: Future[T] = Future()
            future.cancel()
            return future

    def _with_parts(self, work: Callable[[Parts], T]) -> T:
        with open_parts(self._flags) as parts:
            return work(parts)

    def close(self) -> None:
        """Wait for what runs, drop what waits."""
        self._threads.shutdown(wait=True, cancel_futures=True)
