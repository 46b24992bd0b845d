"""Reads states while the compute thread is busy: threads that only fill buffers, bounded in flight.

`Loader` lives as long as a session; `Loading` is one prompt's load. Its threads begin with it and end with it. They ask
the `Schedule` which state is needed next, and all take pieces of that one, in the order of its file, then of the one
after it: so the first state is there long before the last. Whoever completes a state hands it over, if its checksum,
tokens and structure are right. They touch nothing of llama.cpp. Everything else of a `Loading` is the compute thread's.

States are read by pread(2) into memory of ours, 4 MiB at a time. Measured with the checksum, 256 MiB, one thread, GB/s
from memory and from a solid-state disk: 8.0 and 2.0; a map with read-ahead and a copy 4.6 and .8; direct reads 1.7 and
1.7. Besides, a file cut short under a map kills the process.

Whatever goes wrong with a state, its chunk is computed: one recompute, never the answer. Ended early, the threads stop
after the piece that they are at.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

from engine import kv_layout
from engine.buffers import Buffer, BufferPool, NewBuffer
from engine.errors import StateInvalid
from engine.kv_layout import KvLayout
from engine.load_plan import ChunkToPlace, Work
from engine.open_state import OpenState, opened
from engine.owner import Owner
from engine.ports import StateSource
from engine.rates import Speeds
from engine.schedule import Schedule, Step
from storage.values import ChunkState, Lookup, Miss

_logger = logging.getLogger(__name__)

MAX_BYTES_IN_FLIGHT = 1 << 30
"""States that were read, or are being read, and are not in the cache yet. Sane: two chunks to a gigabyte."""

_LOOK_SECONDS = 0.02
"""So often the compute thread looks whether it was cancelled, while it waits."""


_BYTES_WORTH_A_THREAD = 4 << 20
"""Less of a state is read before another thread has begun."""


class _Unwanted(Exception):
    """Breaks off a read whose state nobody waits for any more."""


class Loader(Owner):
    """What loads of one session share."""

    def __init__(self, layout: KvLayout, speeds: Speeds, num_threads: int, new_buffer: NewBuffer) -> None:
        """`num_threads` read at once, into memory that `new_buffer` makes."""
        self.layout, self.speeds, self.num_threads = layout, speeds, num_threads
        self.buffers = BufferPool(new_buffer)

    def load(
        self,
        chunks: Sequence[ChunkToPlace],
        sources: Sequence[StateSource | None],
        work: Work,
        check_cancelled: Callable[[], None],
        *,
        may_choose: bool,
    ) -> "Loading":
        """Begin to read. `chunks` and `sources` in prompt order; see `engine.schedule` for the rest."""
        schedule = Schedule(chunks, self.speeds.rates, work, MAX_BYTES_IN_FLIGHT, may_choose=may_choose)
        return Loading(self, schedule, chunks, sources, check_cancelled)

    def close(self) -> None:
        self.buffers.close()


class Loading(Owner):
    """One prompt's load; close it, and its threads end."""

    def __init__(
        self,
        loader: Loader,
        schedule: Schedule,
        chunks: Sequence[ChunkToPlace],
        sources: Sequence[StateSource | None],
        check_cancelled: Callable[[], None],
    ) -> None:
        self._loader, self._schedule, self._sources = loader, schedule, sources
        self._num_tokens = [chunk.num_tokens for chunk in chunks]
        self._check_cancelled = check_cancelled
        self._lock = threading.Lock()  # guards the schedule and all that follows
        self._readable, self._placeable = threading.Condition(self._lock), threading.Condition(self._lock)
        self._ended = False
        self._open: dict[int, OpenState] = {}
        self._states: dict[int, tuple[ChunkState, Buffer]] = {}
        self._num_bytes, self._busy_until = 0, 0.0
        self._began = perf_counter()
        num_useful = sum(-(-source.num_bytes // _BYTES_WORTH_A_THREAD) for source in sources if source is not None)
        self._threads = [
            threading.Thread(target=self._read_states, name=f"steep-loader-{number}", daemon=True)
            for number in range(min(loader.num_threads, num_useful))
        ]
        for thread in self._threads:
            thread.start()

    # --- the compute thread's side

    @property
    def num_chosen_tokens(self) -> int:
        """Of chunks that were computed although they had a state."""
        return self._schedule.num_chosen_tokens

    @property
    def was_chosen(self) -> bool:
        """Whether the chunk that is to be placed is computed although it may have a state."""
        return self._schedule.was_chosen

    def next_state(self) -> ChunkState | None:
        """The state of the next chunk, or None: compute it. Waits; raises what `check_cancelled` raises.

        Its memory is good until `placed`.
        """
        while True:
            with self._lock:
                match self._schedule.next_step(self._now_ms()):
                    case Step.LOAD:
                        return self._states[self._schedule.num_placed][0]
                    case Step.COMPUTE:
                        self._finish(self._schedule.num_placed)
                        return None
                    case Step.WAIT:
                        self._readable.notify_all()
                        self._placeable.wait(_LOOK_SECONDS)
            self._check_cancelled()

    def placed(self) -> None:
        """The chunk is in the cache."""
        with self._lock:
            held = self._states.pop(self._schedule.num_placed, None)
            self._schedule.placed()
            self._readable.notify_all()
        if held:
            self._loader.buffers.give_back(held[1])

    def close(self) -> None:
        """Ends the threads, and waits for them no longer than a piece takes to read."""
        with self._lock:
            self._ended = True
            self._readable.notify_all()
        for thread in self._threads:
            thread.join(timeout=_LOOK_SECONDS * 5)
        with self._lock:
            for i in list(self._open):
                self._finish(i)
        if self._num_bytes:
            self._loader.speeds.reading.note(self._num_bytes, self._busy_until)
            self._num_bytes = 0
        while self._states:
            self._loader.buffers.give_back(self._states.popitem()[1][1])

    # --- the loader threads' side

    def _read_states(self) -> None:
        try:
            while (task := self._next()) is not None:
                task()
        except Exception:  # the compute thread must not wait for a thread that is gone
            _logger.exception("a loader thread ended")
            with self._lock:
                self._schedule.give_up()
                self._readable.notify_all()
                self._placeable.notify_all()

    def _next(self) -> Callable[[], None] | None:
        """What a thread does next, once there is something to do; None where all is read."""
        with self._lock:
            while not self._ended and not self._schedule.is_all_read:
                unfinished = [i for i, state in self._open.items() if state.has_pieces]
                i = self._schedule.next_read(self._now_ms(), unfinished)
                if i is None:
                    self._readable.wait()
                elif i in self._open:
                    self._schedule.num_under_way += 1
                    return partial(self._read, i, self._open[i], self._open[i].take())
                else:
                    return partial(self._begin, i)
            return None

    def _begin(self, i: int) -> None:
        """Open a state for all threads."""
        source = self._sources[i]
        assert source is not None, "only chunks with a state are read"
        state = opened(source, self._loader.buffers)
        with self._lock:
            if isinstance(state, Miss):
                self._schedule.failed(i)
                self._placeable.notify_all()
            else:
                self._open[i] = state
                if not self._is_wanted(i):
                    self._finish(i)
            self._readable.notify_all()

    def _read(self, i: int, state: OpenState, piece: int) -> None:
        try:
            found = state.reading.read(piece, partial(self._advance, i))
            if found is not None:
                self._conclude(i, state, self._checked(i, found))
        except _Unwanted:
            with self._lock:
                self._finish(i)
        finally:
            with self._lock:
                self._schedule.num_under_way -= 1
                state.leave()

    def _checked(self, i: int, found: Lookup) -> Lookup:
        if isinstance(found, ChunkState):
            try:
                kv_layout.check(found.blob, self._loader.layout, found.start_position, self._num_tokens[i])
            except StateInvalid as error:
                return Miss(found.key, str(error), damaged=True)
        return found

    def _conclude(self, i: int, state: OpenState, found: Lookup) -> None:
        """Hand a state over, or say that there is none."""
        with self._lock:
            if not isinstance(found, ChunkState):
                self._schedule.failed(i)
            elif not self._ended and self._schedule.read(i):
                self._states[i] = (found, state.hand_on())
            self._finish(i)
            self._placeable.notify_all()
            if isinstance(found, Miss) or self._schedule.is_all_read:
                self._readable.notify_all()

    def _finish(self, i: int) -> None:
        """No more pieces of this state are wanted."""
        state = self._open.pop(i, None)
        if state is not None:
            state.finish()

    def _advance(self, i: int, num_bytes: int) -> None:
        with self._lock:
            self._num_bytes += num_bytes
            self._busy_until = self._now_ms()
            self._schedule.advanced(i, num_bytes)
            if not self._is_wanted(i):
                raise _Unwanted

    def _is_wanted(self, i: int) -> bool:
        return not self._ended and self._schedule.is_reading(i)

    def _now_ms(self) -> float:
        return (perf_counter() - self._began) * 1e3
