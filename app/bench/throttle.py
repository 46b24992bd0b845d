"""Makes states come from a slower disk, or from a network: a shelf that reads at a given rate, all threads together.

`Bucket` keeps the time at which a line of the given rate would have delivered everything that was read. While anybody
reads, the line is busy, also where threads come late to fetch their next piece, or check what they have: as a disk
reads ahead. While nobody reads it rests, and nothing is saved up. So all together read at the rate, to within the last
sleep, as far as the machine itself is faster. Waiting is done in short sleeps, and after each of them the reader is
asked whether it is still wanted.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from engine.ports import OpenShelf, StateReading, StateShelf, StateSource
from storage.values import FingerprintFacts, Lookup, Miss, Pace, Rates, SavedConversation

_STEP_SECONDS = 0.005
"""The longest sleep: how soon a waiting reader notices that it is not wanted any more."""

_AHEAD_SECONDS = 0.1
"""How far the line goes on by itself while all threads are late: on a busy machine by tens of milliseconds."""

_GAP_SECONDS = 0.005
"""Between two files that one thread reads one after the other: shorter than between two answers."""


class Bucket:
    """See the module. `rate` is in bytes per second; None: as fast as it goes. Any thread."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()  # guards the four below
        self._rate: float | None = None
        self._delivered_at = self._left_at = 0.0
        self._num_readers = 0

    def limit(self, bytes_per_s: float | None) -> None:
        """The rate from now on; not while anybody reads."""
        with self._lock:
            self._rate = bytes_per_s

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While this runs, its thread reads: begin it right before the first byte."""
        with self._lock:
            now = self._clock()
            if not self._num_readers and now - self._left_at > _GAP_SECONDS:
                self._delivered_at = max(self._delivered_at, now)
            self._num_readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_readers -= 1
                self._left_at = self._clock()

    def take(self, num_bytes: int, check: Callable[[], None] = lambda: None) -> None:
        """Wait until the line has delivered these bytes; `check` is called while waiting, and may raise."""
        due = self._due(num_bytes)
        while (seconds := due - self._clock()) > 0:
            self._sleep(min(seconds, _STEP_SECONDS))
            check()

    def _due(self, num_bytes: int) -> float:
        with self._lock:
            if self._rate is None:
                return 0.0
            begun = max(self._delivered_at, self._clock() - _AHEAD_SECONDS)
            self._delivered_at = begun + num_bytes / self._rate
            return self._delivered_at


class ThrottledReading:
    """See `engine.ports.StateReading`. The line is busy from here to the end."""

    def __init__(self, reading: StateReading, bucket: Bucket) -> None:
        self._reading, self._bucket = reading, bucket
        self._stack = ExitStack()
        self._stack.callback(reading.close)
        self._stack.enter_context(bucket.reading())

    @property
    def num_pieces(self) -> int:
        return self._reading.num_pieces

    def read(self, piece: int, pace: Pace) -> Lookup | None:
        def paced(num_bytes: int) -> None:
            if num_bytes:
                self._bucket.take(num_bytes, lambda: pace(0))
            pace(num_bytes)

        return self._reading.read(piece, paced)

    def close(self) -> None:
        self._stack.close()


@dataclass(frozen=True, slots=True)
class ThrottledSource:
    """See `engine.ports.StateSource`."""

    source: StateSource
    bucket: Bucket

    @property
    def num_bytes(self) -> int:
        return self.source.num_bytes

    def open(self, memory: memoryview) -> ThrottledReading | Miss:
        reading = self.source.open(memory)
        return reading if isinstance(reading, Miss) else ThrottledReading(reading, self.bucket)

    def warm(self) -> None:
        self.source.warm()


@dataclass(frozen=True, slots=True)
class ThrottledShelf:
    """See `engine.ports.StateShelf`: chunk states come at the bucket's rate, which is not noted; everything else is the
    shelf's own."""

    shelf: StateShelf
    bucket: Bucket

    def get(self, first_position: int, token_ids: tuple[int, ...]) -> Lookup:
        with self.bucket.reading():
            found = self.shelf.get(first_position, token_ids)
            if not isinstance(found, Miss):
                self.bucket.take(found.num_bytes)
            return found

    def find(self, first_position: int, token_ids: tuple[int, ...]) -> ThrottledSource | None:
        source = self.shelf.find(first_position, token_ids)
        return None if source is None else ThrottledSource(source, self.bucket)

    def rates(self, device: str) -> Rates | None:
        return self.shelf.rates(device)

    def note_rates(self, device: str, rates: Rates) -> None:
        """Nobody will read at this rate again."""

    def adopt(self, first_position: int, token_ids: tuple[int, ...], chunk_id: int) -> bool:
        return self.shelf.adopt(first_position, token_ids, chunk_id)

    def put(self, first_position: int, token_ids: tuple[int, ...], blob: bytearray, chunk_id: int | None) -> None:
        self.shelf.put(first_position, token_ids, blob, chunk_id)

    def reject(self, first_position: int, token_ids: tuple[int, ...], reason: str) -> None:
        self.shelf.reject(first_position, token_ids, reason)

    def recall(self, conversation_id: int) -> SavedConversation | Miss:
        return self.shelf.recall(conversation_id)

    def keep(
        self,
        conversation_id: int,
        num_turns: int,
        transcript: str,
        chunk_ids: tuple[int, ...],
        state: tuple[tuple[int, ...], bytearray],
    ) -> str:
        return self.shelf.keep(conversation_id, num_turns, transcript, chunk_ids, state)

    def let_go(self, conversation_id: int, reason: str) -> None:
        self.shelf.let_go(conversation_id, reason)


def throttled(
    open_shelf: OpenShelf, bucket: Bucket
) -> Callable[[Mapping[int, FingerprintFacts]], AbstractContextManager[StateShelf]]:
    """An `engine.ports.OpenShelf` that throttles the states of another one."""

    @contextmanager
    def open_throttled(facts: Mapping[int, FingerprintFacts]) -> Iterator[StateShelf]:
        with open_shelf(facts) as shelf:
            yield ThrottledShelf(shelf, bucket)

    return open_throttled
