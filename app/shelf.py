"""The engine's `StateShelf` over the store: names states by their content key. Compute thread only."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from app.locations import Locations
from engine.ports import StateShelf
from storage.content_key import fingerprint, state_key
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkState, FingerprintFacts, Lookup, StateKey


@dataclass(frozen=True, slots=True)
class StoreShelf:
    """See `engine.ports.StateShelf`."""

    store: StateStore
    fingerprint: str

    def get(self, first_position: int, token_ids: tuple[int, ...]) -> Lookup:
        role = "preamble" if first_position == 0 else "chunk"
        return self.store.get(self._key(first_position, token_ids), token_ids, role)

    def adopt(self, first_position: int, token_ids: tuple[int, ...], chunk_id: int) -> bool:
        return self.store.adopt(self._key(first_position, token_ids), token_ids, [chunk_id])

    def put(self, first_position: int, token_ids: tuple[int, ...], blob: bytearray, chunk_id: int | None) -> None:
        state = ChunkState(self._key(first_position, token_ids), token_ids, blob, first_position)
        if chunk_id is None:
            self.store.put(state, "preamble")
        else:
            self.store.put(state, "chunk", [chunk_id])

    def reject(self, first_position: int, token_ids: tuple[int, ...], reason: str) -> None:
        self.store.drop(self._key(first_position, token_ids), reason)

    def _key(self, first_position: int, token_ids: tuple[int, ...]) -> StateKey:
        return state_key(self.fingerprint, first_position, token_ids)


def shelf_opener(locations: Locations) -> Callable[[FingerprintFacts], AbstractContextManager[StateShelf]]:
    """An `engine.ports.OpenShelf`: the compute thread gets an index connection of its own."""

    @contextmanager
    def open_shelf(facts: FingerprintFacts) -> Iterator[StateShelf]:
        with Index(locations.index_file) as index:
            yield StoreShelf(StateStore(locations.states_dir, index), fingerprint(facts))

    return open_shelf
