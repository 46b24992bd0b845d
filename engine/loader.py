"""Reads states while the compute thread is busy: threads that only fill buffers, bounded in flight.

`Loader` lives as long as a session; `Loading` is one prompt's load. Its threads begin with it and end with it, ask the
`Schedule` what to read next, read it piece by piece, check checksum, tokens and structure, and hand it over. They touch
nothing of llama.cpp. Everything else of a `Loading` is the compute thread's.

States are read by read(2) into memory of ours, 4 MiB at a time. Measured with the checksum, 256 MiB, one thread, GB/s
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
from engine.buffers import Buffer, BufferPool
from engine.errors import StateInvalid
from engine.kv_layout import KvLayout
from engine.load_plan import ChunkToPlace, Work
from engine.model import usable_cores
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


_MOST_THREADS = 8
"""Reading and checking a gigabyte takes a core 0.2 s (page cache, xxh3), and a bus takes 25 GB/s."""


def num_loader_threads() -> int:
    """How many read at once: half of the cores, for the other half computes."""
    return max(1, min(_MOST_THREADS, usable_cores() // 2))


class _Unwanted(Exception):
    """Breaks off a read whose state nobody waits for any more."""


class Loader(Owner):
    """What loads of one session share."""

    def __init__(self, layout: KvLayout, speeds: Speeds, num_threads: int, device: int | None) -> None:
        """`num_threads` read at once; `device`: the GPU that copies what they have read, if there is one."""
        self.layout, self.speeds, self.num_threads = layout, speeds, num_threads
        self.buffers = BufferPool(device)

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
        self._changed = threading.Condition()
        self._ended = False
        self._states: dict[int, tuple[ChunkState, Buffer]] = {}
        self._num_bytes, self._busy_until = 0, 0.0
        self._began = perf_counter()
        num_states = sum(source is not None for source in sources)
        self._threads = [
            threading.Thread(target=self._read_states, name=f"steep-loader-{number}", daemon=True)
            for number in range(min(loader.num_threads, num_states))
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
            with self._changed:
                match self._schedule.next_step(self._now_ms()):
                    case Step.LOAD:
                        return self._states[self._schedule.num_placed][0]
                    case Step.COMPUTE:
                        return None
                    case Step.WAIT:
                        self._changed.notify_all()
                        self._changed.wait(_LOOK_SECONDS)
            self._check_cancelled()

    def placed(self) -> None:
        """The chunk is in the cache."""
        with self._changed:
            held = self._states.pop(self._schedule.num_placed, None)
            self._schedule.placed()
            self._changed.notify_all()
        if held:
            self._loader.buffers.give_back(held[1])

    def close(self) -> None:
        """Ends the threads, and waits for them no longer than a piece takes to read."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=_LOOK_SECONDS * 5)
        if self._num_bytes:
            self._loader.speeds.reading.note(self._num_bytes, self._busy_until)
            self._num_bytes = 0
        while self._states:
            self._loader.buffers.give_back(self._states.popitem()[1][1])

    # --- the loader threads' side

    def _read_states(self) -> None:
        try:
            while (i := self._next()) is not None:
                self._read(i)
        except Exception:  # the compute thread must not wait for a thread that is gone
            _logger.exception("a loader thread ended")
            with self._changed:
                self._schedule.give_up()
                self._changed.notify_all()

    def _next(self) -> int | None:
        """The next state to read, once there is room for it; None where all are read."""
        with self._changed:
            while not self._ended and not self._schedule.is_all_read:
                i = self._schedule.next_read(self._now_ms())
                if i is not None:
                    return i
                self._changed.wait()
            return None

    def _read(self, i: int) -> None:
        taken: list[Buffer] = []
        source = self._sources[i]
        assert source is not None, "only chunks with a state are read"

        def allocate(num_bytes: int) -> memoryview:
            taken.append(self._loader.buffers.take(num_bytes))
            return taken[-1].view

        try:
            found = self._checked(i, source.read(allocate, partial(self._advance, i)))
            self._hand_over(i, found, taken)
        except _Unwanted:
            pass
        finally:
            for buffer in taken:
                self._loader.buffers.give_back(buffer)

    def _checked(self, i: int, found: Lookup) -> Lookup:
        if isinstance(found, ChunkState):
            try:
                kv_layout.check(found.blob, self._loader.layout, found.start_position, self._num_tokens[i])
            except StateInvalid as error:
                return Miss(found.key, str(error), damaged=True)
        return found

    def _hand_over(self, i: int, found: Lookup, taken: list[Buffer]) -> None:
        with self._changed:
            if not isinstance(found, ChunkState):
                self._schedule.failed(i)
            elif not self._ended and self._schedule.read(i):
                self._states[i] = (found, taken.pop())
            self._changed.notify_all()

    def _advance(self, i: int, num_bytes: int) -> None:
        with self._changed:
            self._num_bytes += num_bytes
            self._busy_until = self._now_ms()
            if not self._schedule.advanced(i, num_bytes) or self._ended:
                raise _Unwanted

    def _now_ms(self) -> float:
        return (perf_counter() - self._began) * 1e3
