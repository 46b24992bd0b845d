"""Who places which chunk, decided as it goes: the compute pointer walks forward, the load pointer backward or forward.

Pure: it is told what has happened and when (milliseconds of any clock), and answers what is next. `engine.loader` asks
for its threads and holds a lock while it does; `engine.blend` asks for the compute thread.

    waiting ── next_read ──→ reading ── read ──→ loaded ── next_step: LOAD ─────┐
       └─────────────┬──────────┴────── failed                                 placed
          next_step: COMPUTE                └─→ missing ── next_step: COMPUTE ──┘

The plan is made anew whenever more is known: with the bytes that are still to be read, at the rate that was seen in
this very load as far as it says anything, and before that at the rate of earlier ones.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import Enum, auto

from engine.load_plan import ChunkToPlace, LoadPlan, Work, plan
from storage.values import Rates

_TRUSTED_BYTES = 64 << 20
"""What this load has shown counts alone once it is so many bytes, and before that in proportion: the first pieces of
many threads at once tell more of latency than of throughput. Sane: two pieces of each thread."""

_BYTES_UNDER_WAY = 2 << 20
"""Of each piece that is being read, half is not told yet, on average."""

_PLAN_MS = 10.0
"""A plan holds so long while states are read, and is made anew when a chunk is placed or has no state."""


class Step(Enum):
    """What the compute thread does with the next chunk."""

    LOAD = auto()
    """Its state is in memory: merge it."""
    COMPUTE = auto()
    WAIT = auto()
    """Its state is being read, or will be next."""


class _Stage(Enum):
    WAITING, READING, LOADED, MISSING, PLACED = auto(), auto(), auto(), auto(), auto()


class Schedule:
    """One prompt's chunks; see the module."""

    def __init__(
        self, chunks: Sequence[ChunkToPlace], rates: Rates, work: Work, max_bytes: int, *, may_choose: bool
    ) -> None:
        """`max_bytes` of states may be in memory at once; without `may_choose` all states are loaded."""
        self._chunks, self._rates, self._work = list(chunks), rates, work
        self._max_bytes, self._may_choose = max_bytes, may_choose
        self._stages = [_Stage.MISSING if chunk.num_bytes is None else _Stage.WAITING for chunk in chunks]
        self.num_placed = 0
        self._num_read = dict[int, int]()
        self.num_under_way = 0
        """Pieces that are being read; the loader counts them."""
        self._wanted: int | None = None
        self._began_ms: float | None = None
        self._plan: LoadPlan | None = None
        self._planned_at_ms = 0.0
        self.was_chosen = False
        """Whether the next chunk is computed although it has a state."""
        self.num_chosen_tokens = 0
        """Of chunks that were computed although they had a state."""

    # --- the loader's side

    def next_read(self, now_ms: float, unfinished: Collection[int] = ()) -> int | None:
        """The chunk whose state is to be read, or read on, now; None where there is none, or no room for it yet.

        `unfinished`: those that are being read, and have a piece that nobody reads. They come in the same order as the
        others: all threads work on the state that is needed first.
        """
        i = self._to_read(now_ms, unfinished)
        if i is None:
            return None
        self._stages[i] = _Stage.READING
        if self._began_ms is None:
            self._began_ms = now_ms
        return i

    def advanced(self, i: int, num_bytes: int) -> None:
        """So many more bytes of a state were read."""
        self._num_read[i] = self._num_read.get(i, 0) + num_bytes

    def is_reading(self, i: int) -> bool:
        """Whether the rest of a state that was begun is still wanted."""
        return self._stages[i] is _Stage.READING

    def read(self, i: int) -> bool:
        """A state is in memory, and good; whether it is still wanted."""
        if self._stages[i] is not _Stage.READING:
            return False
        self._stages[i] = _Stage.LOADED
        return True

    def failed(self, i: int) -> None:
        """There was no state, or none that can be believed: the chunk is computed."""
        if self._stages[i] in (_Stage.WAITING, _Stage.READING):
            self._stages[i] = _Stage.MISSING
        self._chunks[i] = replace(self._chunks[i], num_bytes=None)
        self._plan = None

    def give_up(self) -> None:
        """Nothing more is read: what was not, is computed."""
        for i, stage in enumerate(self._stages):
            if stage in (_Stage.WAITING, _Stage.READING):
                self.failed(i)

    @property
    def is_all_read(self) -> bool:
        return not any(stage in (_Stage.WAITING, _Stage.READING) for stage in self._stages)

    # --- the compute thread's side

    def next_step(self, now_ms: float) -> Step:
        """For the first chunk that is not placed."""
        i = self.num_placed
        match self._stages[i]:
            case _Stage.LOADED:
                return Step.LOAD
            case _Stage.MISSING:
                return Step.COMPUTE
            case _Stage.WAITING | _Stage.READING if self._current_plan(now_ms).num_computed:
                self._stages[i] = _Stage.MISSING
                self.was_chosen = True
                self.num_chosen_tokens += self._chunks[i].num_tokens
                return Step.COMPUTE
            case _:
                self._wanted = i
                return Step.WAIT

    def placed(self) -> None:
        """That chunk is in the cache."""
        self._stages[self.num_placed] = _Stage.PLACED
        self.num_placed += 1
        self.was_chosen = False
        self._plan = None

    # --- both

    def rates(self, now_ms: float) -> Rates:
        """As far as this load has shown them."""
        num_read = sum(self._num_read.values())
        if self._began_ms is None or not num_read or now_ms <= self._began_ms:
            return self._rates
        num_read += _BYTES_UNDER_WAY * self.num_under_way
        seen = num_read / (now_ms - self._began_ms) * 1e3
        trust = min(num_read / _TRUSTED_BYTES, 1.0)
        # Times add up, so they are what is averaged.
        bytes_per_s = 1 / (trust / seen + (1 - trust) / self._rates.read_bytes_per_s)
        return replace(self._rates, read_bytes_per_s=bytes_per_s)

    def _current_plan(self, now_ms: float) -> LoadPlan:
        if not self._may_choose:
            return LoadPlan(0, 0.0)
        if self._plan is None or now_ms - self._planned_at_ms > _PLAN_MS:
            self._planned_at_ms = now_ms
            left = [self._left(i) for i in range(self.num_placed, len(self._chunks))]
            has_begun = self.num_chosen_tokens > 0
            self._plan = plan(left, self.rates(now_ms), self._work, has_begun=has_begun)
        return self._plan

    def _left(self, i: int) -> ChunkToPlace:
        """A chunk with the bytes of its state that are still to be read."""
        chunk = self._chunks[i]
        match self._stages[i]:
            case _Stage.LOADED:
                return replace(chunk, num_bytes=0)
            case _Stage.MISSING:
                return replace(chunk, num_bytes=None)
            case _:
                return replace(chunk, num_bytes=max((chunk.num_bytes or 0) - self._num_read.get(i, 0), 0))

    def _to_read(self, now_ms: float, unfinished: Collection[int]) -> int | None:
        waiting = [i for i, stage in enumerate(self._stages) if stage is _Stage.WAITING]
        begun = [i for i in unfinished if self._stages[i] is _Stage.READING]
        if self._wanted in waiting or self._wanted in begun:
            return self._wanted
        if not waiting and not begun:
            return None
        first = max if self._current_plan(now_ms).reads_backwards else min
        if waiting and self._has_room(first(waiting)):
            begun.append(first(waiting))
        return first(begun, default=None)

    def _has_room(self, i: int) -> bool:
        held = [j for j, stage in enumerate(self._stages) if stage in (_Stage.READING, _Stage.LOADED)]
        return sum(self._chunks[j].num_bytes or 0 for j in (*held, i)) <= self._max_bytes
