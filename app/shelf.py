"""The engine's `StateShelf` over the store: names states by their content key. Compute thread only."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from app.budget import budget_bytes, make_room, used_bytes
from app.locations import Locations
from app.settings import Settings
from engine.ports import StateShelf
from storage.chunk_format import num_file_bytes
from storage.content_key import fingerprint, state_key
from storage.index import Index
from storage.state_file import StateFile
from storage.store import StateStore
from storage.values import ChunkState, FingerprintFacts, KeptState, Lookup, Miss, Rates, SavedConversation, StateKey


@dataclass(frozen=True, slots=True)
class StoreShelf:
    """See `engine.ports.StateShelf`."""

    store: StateStore
    fingerprints: Mapping[int, str]
    """By the position of a state's first token; the first one is also that of all else."""
    index: Index
    settings: Settings
    locations: Locations

    @property
    def fingerprint(self) -> str:
        return next(iter(self.fingerprints.values()))

    def get(self, first_position: int, token_ids: tuple[int, ...]) -> Lookup:
        role = "preamble" if first_position == 0 else "chunk"
        return self.store.get(self._key(first_position, token_ids), token_ids, role)

    def find(self, first_position: int, token_ids: tuple[int, ...]) -> StateFile | None:
        return self.store.find(self._key(first_position, token_ids), token_ids)

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

    def rates(self, device: str) -> Rates | None:
        return self.index.rates(self.fingerprint, device)

    def note_rates(self, device: str, rates: Rates) -> None:
        self.index.put_rates(self.fingerprint, device, rates)

    def recall(self, conversation_id: int) -> SavedConversation | Miss:
        remembered = self.index.remembered(conversation_id)
        if remembered and remembered.key.fingerprint != self.fingerprint:
            return Miss(remembered.key, "another model, or other settings, made it")
        return self.store.recall_conversation(conversation_id)

    def keep(
        self,
        conversation_id: int,
        num_turns: int,
        transcript: str,
        chunk_ids: tuple[int, ...],
        state: tuple[tuple[int, ...], bytearray],
    ) -> str:
        token_ids, blob = state
        memory = ChunkState(state_key(self.fingerprint, 0, token_ids), token_ids, blob, 0)
        budget = budget_bytes(self.settings, self.locations.states_dir, used_bytes(self.index))
        wanted = KeptState(
            memory.key, "conversation", num_file_bytes(memory), memory.num_tokens, int(time.time()), num_uses=1
        )
        if reason := make_room(self.index, self.store, budget, wanted, conversation_id):
            return reason
        return self.store.keep_conversation(conversation_id, num_turns, transcript, chunk_ids, memory)

    def let_go(self, conversation_id: int, reason: str) -> None:
        self.store.let_go_of_conversation(conversation_id, reason)

    def _key(self, first_position: int, token_ids: tuple[int, ...]) -> StateKey:
        # What chunks are encoded behind goes with them: it ends where they begin.
        fingerprint = self.fingerprints[first_position or len(token_ids)]
        return state_key(fingerprint, first_position, token_ids)


def shelf_opener(
    locations: Locations, settings: Settings
) -> Callable[[Mapping[int, FingerprintFacts]], AbstractContextManager[StateShelf]]:
    """An `engine.ports.OpenShelf`: the compute thread gets an index connection of its own."""

    @contextmanager
    def open_shelf(facts: Mapping[int, FingerprintFacts]) -> Iterator[StateShelf]:
        with Index(locations.index_file) as index:
            store = StateStore(locations.states_dir, index)
            yield StoreShelf(store, fingerprints_of(facts), index, settings, locations)

    return open_shelf


def fingerprints_of(facts: Mapping[int, FingerprintFacts]) -> Mapping[int, str]:
    """See `StoreShelf.fingerprints`."""
    return {first_position: fingerprint(each) for first_position, each in facts.items()}
