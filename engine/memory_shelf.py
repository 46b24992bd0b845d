"""Chunk states in memory, for measurements that shall leave nothing behind: an `engine.ports.StateReader`.

Filled and asked by the compute thread; its sources are read by loader threads.
"""

from dataclasses import dataclass

from engine.kv_layout import Buffer
from storage.values import ChunkState, Lookup, Miss, Pace, StateKey

_KEY = StateKey("0" * 32, "0" * 40)
"""Nothing here is found by its key."""


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """`engine.ports.StateReading`: a state that is copied as one piece."""

    state: ChunkState
    memory: memoryview
    num_pieces: int = 1

    def read(self, piece: int, pace: Pace) -> Lookup:
        assert piece == 0, f"there is one piece, not piece {piece}"
        target = self.memory[: len(self.state.blob)]
        target[:] = self.state.blob
        pace(len(target))
        return ChunkState(self.state.key, self.state.token_ids, target, self.state.start_position)

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class MemorySource:
    """`engine.ports.StateSource` over bytes."""

    state: ChunkState

    @property
    def num_bytes(self) -> int:
        return len(self.state.blob)

    def open(self, memory: memoryview) -> MemoryReading:
        return MemoryReading(self.state, memory)

    def warm(self) -> None:
        """It is in memory."""


class MemoryShelf:
    """See the module."""

    def __init__(self) -> None:
        self._states: dict[tuple[int, tuple[int, ...]], ChunkState] = {}

    def put(self, first_position: int, token_ids: tuple[int, ...], blob: Buffer) -> None:
        self._states[first_position, token_ids] = ChunkState(_KEY, token_ids, bytes(blob), first_position)

    def get(self, first_position: int, token_ids: tuple[int, ...]) -> Lookup:
        """A copy, as from a file."""
        state = self._states.get((first_position, token_ids))
        if state is None:
            return Miss(_KEY, "it was not put here")
        return ChunkState(_KEY, token_ids, bytearray(state.blob), first_position)

    def find(self, first_position: int, token_ids: tuple[int, ...]) -> MemorySource | None:
        state = self._states.get((first_position, token_ids))
        return state and MemorySource(state)

    def reject(self, first_position: int, token_ids: tuple[int, ...], reason: str) -> None:
        """What is put here was checked before."""
        raise AssertionError(f"a state of {len(token_ids)} tokens at {first_position} is no good: {reason}")
