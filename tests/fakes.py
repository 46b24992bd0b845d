"""Stand-ins at the borders: a shelf in memory instead of the store."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from storage.values import ChunkState, FingerprintFacts, Lookup, Miss, StateKey

_KEY = StateKey("0" * 32, "0" * 40)


@dataclass
class MemoryShelf:
    """`engine.ports.StateShelf` over a dictionary; remembers what was rejected."""

    blobs: dict[tuple[int, tuple[int, ...]], bytes] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)

    def get(self, first_position: int, token_ids: tuple[int, ...]) -> Lookup:
        blob = self.blobs.get((first_position, token_ids))
        if blob is None:
            return Miss(_KEY, "not here")
        return ChunkState(_KEY, token_ids, bytearray(blob), first_position)

    def adopt(self, first_position: int, token_ids: tuple[int, ...], chunk_id: int) -> bool:
        return (first_position, token_ids) in self.blobs

    def put(self, first_position: int, token_ids: tuple[int, ...], blob: bytearray, chunk_id: int | None) -> None:
        self.blobs[first_position, token_ids] = bytes(blob)

    def reject(self, first_position: int, token_ids: tuple[int, ...], reason: str) -> None:
        self.rejected.append(reason)
        del self.blobs[first_position, token_ids]

    @contextmanager
    def opened(self, facts: FingerprintFacts) -> Iterator["MemoryShelf"]:
        """An `engine.ports.OpenShelf` that always opens this shelf."""
        yield self
