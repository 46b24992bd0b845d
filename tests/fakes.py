"""Stand-ins at the borders: a shelf in memory instead of the store."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.memory_shelf import MemoryReading
from storage.values import (
    ChunkState,
    FingerprintFacts,
    Lookup,
    Miss,
    Rates,
    SavedConversation,
    StateKey,
)

_KEY = StateKey("0" * 32, "0" * 40)


@dataclass(frozen=True)
class MemorySource:
    """`engine.ports.StateSource` over bytes."""

    first_position: int
    token_ids: tuple[int, ...]
    blob: bytes

    @property
    def num_bytes(self) -> int:
        return len(self.blob)

    def open(self, memory: memoryview) -> MemoryReading:
        return MemoryReading(ChunkState(_KEY, self.token_ids, self.blob, self.first_position), memory)

    def warm(self) -> None:
        """It is in memory."""


@dataclass
class MemoryShelf:
    """`engine.ports.StateShelf` over dictionaries; remembers what was rejected."""

    blobs: dict[tuple[int, tuple[int, ...]], bytes] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)
    kept: dict[int, SavedConversation] = field(default_factory=dict)
    kept_chunk_ids: dict[int, tuple[int, ...]] = field(default_factory=dict)
    let_go_because: list[str] = field(default_factory=list)
    noted_rates: dict[str, Rates] = field(default_factory=dict)
    why_full: str = ""
    """Why nothing more is kept."""

    def get(self, first_position: int, token_ids: tuple[int, ...]) -> Lookup:
        blob = self.blobs.get((first_position, token_ids))
        if blob is None:
            return Miss(_KEY, "not here")
        return ChunkState(_KEY, token_ids, bytearray(blob), first_position)

    def find(self, first_position: int, token_ids: tuple[int, ...]) -> MemorySource | None:
        blob = self.blobs.get((first_position, token_ids))
        return None if blob is None else MemorySource(first_position, token_ids, blob)

    def adopt(self, first_position: int, token_ids: tuple[int, ...], chunk_id: int) -> bool:
        return (first_position, token_ids) in self.blobs

    def put(self, first_position: int, token_ids: tuple[int, ...], blob: bytearray, chunk_id: int | None) -> None:
        self.blobs[first_position, token_ids] = bytes(blob)

    def reject(self, first_position: int, token_ids: tuple[int, ...], reason: str) -> None:
        self.rejected.append(reason)
        del self.blobs[first_position, token_ids]

    def rates(self, device: str) -> Rates | None:
        return self.noted_rates.get(device)

    def note_rates(self, device: str, rates: Rates) -> None:
        self.noted_rates[device] = rates

    def recall(self, conversation_id: int) -> SavedConversation | Miss:
        return self.kept.get(conversation_id, Miss(_KEY, "nothing was kept of it"))

    def keep(
        self,
        conversation_id: int,
        num_turns: int,
        transcript: str,
        chunk_ids: tuple[int, ...],
        state: tuple[tuple[int, ...], bytearray],
    ) -> str:
        if self.why_full:
            return self.why_full
        token_ids, blob = state
        self.kept[conversation_id] = SavedConversation(ChunkState(_KEY, token_ids, bytes(blob), 0), transcript)
        self.kept_chunk_ids[conversation_id] = chunk_ids
        return ""

    def let_go(self, conversation_id: int, reason: str) -> None:
        self.let_go_because.append(reason)
        self.kept.pop(conversation_id, None)

    @contextmanager
    def opened(self, facts: Mapping[int, FingerprintFacts]) -> Iterator["MemoryShelf"]:
        """An `engine.ports.OpenShelf` that always opens this shelf."""
        yield self
