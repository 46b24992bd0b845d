"""Many processes at once on one store: no error, no lost row, and a doctor who finds nothing.

Each process has documents, states and conversations of its own, of which it knows what must be there; beside that all
work on the same few states, put, adopt, purge and drop what they like, and read what others write.
"""

import random
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from app.library.overview import read_overview
from app.wiring import Parts
from storage.content_key import fingerprint, state_key
from storage.values import ChunkState, ChunkText, DocumentVersion, Folder, Miss, SavedConversation, Turn
from tests.trust.household import Household

_FINGERPRINT = fingerprint({"model": "crowd"})
_NUM_SHARED = 5
_WAIT_SECONDS = 600


class Member:
    """One process, and what it knows of its own things."""

    def __init__(self, parts: Parts, number: int, folder: Folder) -> None:
        self.parts, self.index, self.store, self.number, self.folder = parts, parts.index, parts.store, number, folder
        self.jitter = random.Random(number)
        self.documents: dict[Path, int] = {}
        """With the number of their chunks, all of which have states."""
        self.conversations: dict[int, int] = {}
        """With the length of what is remembered."""
        self.num_made = 0

    def state(self, *token_ids: int, first: int = 44) -> ChunkState:
        return ChunkState(state_key(_FINGERPRINT, first, token_ids), token_ids, bytes(5000), first)

    def _own_tokens(self, ordinal: int) -> tuple[int, ...]:
        return 1000 + self.number, self.num_made, ordinal

    def add_document(self) -> None:
        """All its chunks get states: some its own, the last one shared with everybody's documents."""
        self.num_made += 1
        path = self.folder.path / f"{self.number}-{self.jitter.randrange(6)}"
        num_chunks = self.jitter.randint(1, 3)
        texts = [f"words of {self.number} {self.num_made} {i}" for i in range(num_chunks)]
        texts.append(f"shared {self.jitter.randrange(_NUM_SHARED)}")
        chunks = [ChunkText(i, i + 1, None, None, text, 3) for i, text in enumerate(texts)]
        self.index.put_document(self.folder.id, DocumentVersion(path, 1, 1, f"d{self.num_made}", path.name), chunks)
        for chunk in self.index.chunks(path):
            if chunk.ordinal < num_chunks:
                self.store.put(self.state(*self._own_tokens(chunk.ordinal)), chunk_ids=[chunk.id])
            else:
                shared = self.state(int(chunk.chunk.text.split()[1]))
                if not self.store.adopt(shared.key, shared.token_ids, [chunk.id]):
                    self.store.put(shared, chunk_ids=[chunk.id])
        self.documents[path] = num_chunks + 1

    def flicker(self) -> None:
        """A document comes and goes that says what others say; while it is there, so is its state."""
        path, shared = self.folder.path / f"{self.number}-flickers", self.state(self.jitter.randrange(_NUM_SHARED))
        text = ChunkText(0, 1, None, None, f"words shared {self.number}", 3)
        self.index.put_document(self.folder.id, DocumentVersion(path, 1, 1, "d", path.name), [text])
        ids = [chunk.id for chunk in self.index.chunks(path)]
        if not self.store.adopt(shared.key, shared.token_ids, ids):
            self.store.put(shared, chunk_ids=ids)
        for _ in range(3):
            found = self.store.get(shared.key, shared.token_ids)
            assert isinstance(found, ChunkState), f"a state in use was lost: {found}"
        self.index.remove_document(path)
        self.store.purge_unlinked()

    def remove_document(self) -> None:
        if self.documents:
            path = self.jitter.choice(sorted(self.documents))
            del self.documents[path]
            assert self.index.remove_document(path), "a document was lost"

    def purge(self) -> None:
        self.store.purge_unlinked()

    def get(self) -> None:
        state = self.state(self.jitter.randrange(_NUM_SHARED))
        found = self.store.get(state.key, state.token_ids)
        assert isinstance(found, Miss) or bytes(found.blob) == state.blob
        assert not isinstance(found, Miss) or not found.damaged

    def search(self) -> None:
        assert all("words" in hit.chunk.chunk.text for hit in self.index.search(["words"], 5))

    def status(self) -> None:
        counts, stages = self.index.counts(), self.index.stage_counts()
        assert counts.num_documents >= len(self.documents)
        assert sum(stages.values()) >= len(self.documents)

    def overview(self) -> None:
        assert len(read_overview(self.parts).documents) >= len(self.documents)

    def use(self) -> None:
        self.index.note_use([chunk.id for chunk in self.index.first_chunks(3)], _FINGERPRINT)

    def converse(self) -> None:
        """A turn, and the memory of it; its chunks are some of its own documents'."""
        talk = self.index.start_conversation(f"Talk {self.number}")
        self.index.put_turn(Turn(talk.id, 0, "Who?", "Ada.", "{}", 1))
        self.num_made += 1
        memory = self.state(*self._own_tokens(0), first=0)
        paths = sorted(self.documents)[:1]
        chunks = [chunk.id for path in paths for chunk in self.index.chunks(path)]
        assert self.store.keep_conversation(talk.id, 1, "[]", chunks, memory) == ""
        if not paths:  # nothing can take it away
            self.conversations[talk.id] = memory.num_tokens

    def recall(self) -> None:
        for conversation_id, num_tokens in self.conversations.items():
            recalled = self.store.recall_conversation(conversation_id)
            assert isinstance(recalled, SavedConversation), f"a memory was lost: {recalled}"
            assert recalled.state.num_tokens == num_tokens

    def compact(self) -> None:
        if self.jitter.random() < 0.2:
            self.index.compact()

    def work(self, num_operations: int) -> None:
        operations: tuple[tuple[Callable[[], None], int], ...] = (
            (self.add_document, 6),
            (self.remove_document, 3),
            (self.flicker, 8),
            (self.purge, 4),
            (self.get, 5),
            (self.search, 3),
            (self.status, 2),
            (self.overview, 1),
            (self.use, 2),
            (self.converse, 2),
            (self.recall, 2),
            (self.compact, 1),
        )
        weights = [weight for _, weight in operations]
        for operation, _ in self.jitter.choices(operations, weights, k=num_operations):
            operation()
        self.recall()


def run(folder: Path, num_processes: int, num_operations: int) -> int:
    """Returns how many documents were there in the end; AssertionError where anything was lost or went wrong."""
    household = Household.furnish(folder)
    started = [household.start(_work, number, num_operations) for number in range(num_processes)]
    with household.parts() as parts:
        expected: dict[Path, int] = {}
        for _, hears in started:
            assert hears.poll(_WAIT_SECONDS), "a process hangs"
            reported = hears.recv()
            assert isinstance(reported, dict), reported
            expected |= reported
        for process, _ in started:
            process.join(_WAIT_SECONDS)
        documents = {document.path: document.num_chunks for document in parts.index.documents()}
        assert documents == expected
        without = parts.index.chunks_without_state(_FINGERPRINT)
        assert not without, f"{len(without)} links to states were lost"
        for key in parts.index.state_keys(_FINGERPRINT):
            assert parts.store.contains(key), f"{key} has lost its file"
        parts.store.purge_unlinked()
    assert household.check(in_flight=False, structure=False) == []
    return len(expected)


def _work(household: Household, told: Connection, number: int, num_operations: int) -> None:
    try:
        with household.parts() as parts:
            member = Member(parts, number, parts.index.folders()[0])
            member.work(num_operations)
        told.send(member.documents)
    except BaseException as error:
        told.send(f"process {number}: {error!r}")
        raise
