"""What the engine needs given: a shelf for chunk states, and files that its loader threads may read. The app builds
both over the store."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from storage.values import FingerprintFacts, Lookup, Miss, Pace, Rates, SavedConversation


class StateReading(Protocol):
    """A state that several threads read, piece by piece."""

    @property
    def num_pieces(self) -> int:
        """At least one."""
        ...

    def read(self, piece: int, pace: Pace) -> Lookup | None:
        """Read one of the pieces; any thread, each piece once, begun in order.

        Whoever completes the state gets it, checked (`engine.kv_layout` still has to check its structure); whoever
        finds that it is no good gets a `Miss`; all others None. Raises only what `pace` raises.
        """
        ...

    def close(self) -> None:
        """When no thread reads any more; what was read stays."""
        ...


class StateSource(Protocol):
    """A state that is on the shelf, for any thread to read."""

    @property
    def num_bytes(self) -> int:
        """What reading it moves."""
        ...

    def open(self, memory: memoryview) -> StateReading | Miss:
        """Begin to read it into `memory`, which has at least `num_bytes`, and which nobody else uses."""
        ...

    def warm(self) -> None:
        """Ask the system to have it in memory soon; returns at once."""
        ...


class StateReader(Protocol):
    """Where chunk states come from, as one thread sees them: what a blend needs.

    A state is named by the position of its first token (0 for the preamble) and its tokens. Disk failures rise as
    the storage's own errors; a missing or damaged state is a `Miss`.
    """

    def get(self, first_position: int, token_ids: tuple[int, ...]) -> Lookup:
        """Read and check a state; `engine.kv_layout` still has to check its structure."""
        ...

    def find(self, first_position: int, token_ids: tuple[int, ...]) -> StateSource | None:
        """Where a state is to be read from, or None where there is none; says nothing about its bytes."""
        ...

    def reject(self, first_position: int, token_ids: tuple[int, ...], reason: str) -> None:
        """Drop a state whose structure does not fit the model."""
        ...


class StateShelf(StateReader, Protocol):
    """The chunk states of a model, and what else is kept for it; see `StateReader`."""

    def adopt(self, first_position: int, token_ids: tuple[int, ...], chunk_id: int) -> bool:
        """Note that a chunk uses a state that is there and good; False when there is none."""
        ...

    def put(self, first_position: int, token_ids: tuple[int, ...], blob: bytearray, chunk_id: int | None) -> None:
        """Persist a state, and note that chunk `chunk_id` uses it (None: the preamble)."""
        ...

    def rates(self, device: str) -> Rates | None:
        """What was measured of this model on a device, by this session or an earlier one."""
        ...

    def note_rates(self, device: str, rates: Rates) -> None:
        """Keep what was measured."""
        ...

    def recall(self, conversation_id: int) -> SavedConversation | Miss:
        """Read and check what was kept of a conversation; a bad one is dropped and a `Miss`."""
        ...

    def keep(
        self,
        conversation_id: int,
        num_turns: int,
        transcript: str,
        chunk_ids: tuple[int, ...],
        state: tuple[tuple[int, ...], bytearray],
    ) -> str:
        """Persist a conversation's memory (`state`: its tokens from position 0 on, and the blob) in place of the one
        before. Returns why not, or nothing: it is gone, there is no room, or a chunk in it is gone."""
        ...

    def let_go(self, conversation_id: int, reason: str) -> None:
        """Drop what was kept of a conversation, because it does not fit the model or is no longer true."""
        ...


OpenShelf = Callable[[Mapping[int, FingerprintFacts]], AbstractContextManager[StateShelf]]
"""Opens the shelf of the fingerprints that a model's chunk states have, by the position of a state's first token; the
first one is that of all else, too. Called and closed on the engine thread."""
