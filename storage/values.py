"""Frozen values: the chunk states that storage and engine share, and the rows that leave the index.

A *chunk state* is the K and V rows of one token run, all layers, as llama.cpp's sequence state blob. Storage
treats the blob as opaque bytes; only `engine.kv_layout` knows its inside. Nothing here does I/O.

Fields named `..._at` are whole seconds since 1970, UTC. `id` fields are never used twice by one index, so a
stale id finds nothing rather than something else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

FingerprintFacts = Mapping[str, str | int | float | bool | tuple[int, ...] | None]
"""Everything that changes the numbers in a chunk state (model file, RoPE, KV types, preamble), by name."""


@dataclass(frozen=True, slots=True)
class StateKey:
    """The name of one chunk state: equal keys mean equal numbers.

    `fingerprint` and `digest` are lowercase hex; they become folder and file names, so nothing else is
    allowed.
    """

    fingerprint: str
    digest: str

    def __post_init__(self) -> None:
        for name, value in (("fingerprint", self.fingerprint), ("digest", self.digest)):
            if len(value) < 8 or not set(value) <= set("0123456789abcdef"):
                raise ValueError(f"{name} must be at least 8 lowercase hex digits, got {value!r}")


@dataclass(frozen=True, slots=True)
class ChunkState:
    """One chunk state in memory, checked: ready to be written, or just read.

    `token_ids` are the tokens whose rows the blob holds, in order, the first of them encoded at
    `start_position` (0 for a preamble, the preamble's length for a chunk); `blob` is a sequence state of
    llama.cpp. `key` follows from the rest (`storage.content_key`): a value where it does not is never
    written. The bytes belong to whoever holds the value; a state that was read is a private copy, never a map
    of the file, because a map can change (or vanish, as SIGBUS) between the check and its use.
    """

    key: StateKey
    token_ids: tuple[int, ...]
    blob: bytes | bytearray | memoryview
    start_position: int = 0

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids)

    @property
    def num_bytes(self) -> int:
        return len(self.blob)


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a state could not be served; `damaged` when a file was there but could not be believed.

    `key` is None where nothing says which state it would have been.
    """

    key: StateKey | None
    reason: str
    damaged: bool = False


Lookup = ChunkState | Miss
"""The answer of a state store: the state, or why there is none. Never an exception for a bad file."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What a machine does with a model, as it was measured; all above zero but `prefill_ms_per_cell`, which may be."""

    prefill_ms_per_token: float
    """Computing one token of a prompt behind nothing."""
    prefill_ms_per_cell: float
    """What each cell before it adds: attention grows with the context."""
    read_bytes_per_s: float
    """Reading states and checking them, all loader threads together."""
    merge_bytes_per_s: float
    """Bringing what was read into the cache."""

    def prefill_ms_of_token(self, num_before: float) -> float:
        return self.prefill_ms_per_token + self.prefill_ms_per_cell * num_before

    def read_ms(self, num_bytes: int) -> float:
        return num_bytes / self.read_bytes_per_s * 1e3

    def merge_ms(self, num_bytes: int) -> float:
        return num_bytes / self.merge_bytes_per_s * 1e3


@dataclass(frozen=True, slots=True)
class QualityBar:
    """How close blended answers must come to exact ones."""

    max_kl: float
    """KL(exact ‖ blended), nats, mean."""
    min_agreement: float
    """Share of tokens that both take for the most probable one, mean."""


@dataclass(frozen=True, slots=True)
class BlendQuality:
    """How close answers came that were blended at a ratio: means over questions."""

    ratio: float
    kl: float
    agreement: float
    num_questions: int

    def reaches(self, bar: QualityBar) -> bool:
        return self.kl <= bar.max_kl and self.agreement >= bar.min_agreement


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether a model's answers may be blended: the smallest ratio at which they are good enough, or None."""

    ratio: float | None
    tried: tuple[BlendQuality, ...]
    """Ascending by ratio, at least one; ratio 1, everything recomputed: what quantised rows cost exact answers, too."""
    bar: QualityBar
    version: int
    """Of questions and bar: what another version measured does not count."""
    measured_at: int

    @property
    def telling(self) -> BlendQuality:
        """What it rests on: the ratio that was good enough, else exact answers that were not, else the largest one."""
        if self.ratio is not None:
            return self.at(self.ratio) or self.tried[-1]
        blended = [each for each in self.tried if each.ratio < 1]
        return self.tried[-1] if self.spoils_exact or not blended else blended[-1]

    @property
    def spoils_exact(self) -> bool:
        """Whether rows of this KV type change even exact answers too much."""
        exact = self.at(1.0)
        return exact is not None and not exact.reaches(self.bar)

    def at(self, ratio: float) -> BlendQuality | None:
        """What a ratio costs; None where it was not tried."""
        return next((each for each in self.tried if each.ratio == ratio), None)


Pace = Callable[[int], None]
"""Called with the bytes that were read, and now and then with none; it may wait, or raise to break the reading off."""


StateRole = Literal["chunk", "preamble", "conversation"]
"""What a state is kept for. A chunk's goes when no chunk uses it; a preamble's is linked to no chunk; a conversation's
goes with its conversation, or as soon as a chunk whose rows it holds is gone."""


@dataclass(frozen=True, slots=True)
class KeptState:
    """A state on record, as one who has to make room looks at it."""

    key: StateKey
    role: StateRole
    num_bytes: int
    """Of its file."""
    num_tokens: int
    last_used_at: int
    """When an answer last used it; or one of its documents, if that was later, or else when that was changed."""
    num_uses: float
    """By answers, each counting less the longer ago it was when the state was last used (`storage.eviction.faded`)."""
    is_pinned: bool = False
    """One of its documents is."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A watched folder; `path` is absolute and resolved."""

    id: int
    path: Path
    added_at: int


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One state of a document's file. `content_digest` is the reader's hash of what it read; empty: not read yet."""

    path: Path
    num_bytes: int
    mtime_ns: int
    content_digest: str
    title: str


class DocumentStage(StrEnum):
    """How far a document has come: found → searchable → steeped, or unreadable."""

    FOUND = "found"
    """Listed; its turn to be read will come."""
    UNREADABLE = "unreadable"
    SEARCHABLE = "searchable"
    """Its text is in the index, and answers may use it; at least one chunk has no state."""
    STEEPED = "steeped"
    """All its chunks have a state."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that the index lists; `error` says why it could not be read, None when it could."""

    id: int
    folder_id: int
    path: Path
    num_bytes: int
    mtime_ns: int
    content_digest: str
    title: str
    error: str | None
    num_chunks: int
    indexed_at: int
    last_used_at: int = 0
    """When an answer was last made from it; 0: never."""
    is_pinned: bool = False
    """Steeped before the others, and its states never go to make room."""

    @property
    def is_waiting(self) -> bool:
        """Whether it was found and not read yet."""
        return not self.content_digest and self.error is None


@dataclass(frozen=True, slots=True)
class DocumentStanding:
    """How far a document has come, as the library shows it."""

    path: Path
    folder_id: int
    stage: DocumentStage
    num_chunks: int
    num_steeped_chunks: int
    num_state_bytes: int
    """Of the files of its chunks' states; a state that two documents use counts for both."""
    num_bytes: int
    """Of its own file."""
    error: str | None
    is_pinned: bool


@dataclass(frozen=True, slots=True)
class ChunkText:
    """A chunk as it was cut, without identity.

    `[start, end)` is its span in the characters of the document's extracted text, `page` counts from 1, and
    `num_tokens` is what the tokenizer that cut it counted. Text is what SQLite and the tokenizer can take:
    valid Unicode without lone surrogates (ValueError, as the reader of the document has to replace them).
    """

    start: int
    end: int
    page: int | None
    heading: str | None
    text: str
    num_tokens: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"a chunk's span must be 0 <= start <= end, got [{self.start}, {self.end})")
        for value in (self.heading or "", self.text):
            value.encode("utf-8")


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk of the index; `ordinal` counts from 0 within its document."""

    id: int
    document_path: Path
    document_title: str
    ordinal: int
    chunk: ChunkText


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that a search found; a higher score is a better match, comparable within one search only."""

    chunk: StoredChunk
    score: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is still to be steeped for one fingerprint; tokens as the tokenizer that cut the chunks counted them."""

    num_chunks: int
    num_tokens: int


@dataclass(frozen=True, slots=True)
class TextWithoutVector:
    """What is still to be embedded of a chunk, or of all that share it: the digest names heading and text."""

    digest: str
    heading: str | None
    text: str


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """What the index holds; the last three count one fingerprint, or all when none was asked for."""

    num_folders: int
    num_documents: int
    num_failed_documents: int
    num_chunks: int
    num_steeped_chunks: int
    num_states: int
    num_state_bytes: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as lists show it. `scope` are the files and folders it was restricted to; empty: all documents."""

    id: int
    title: str
    created_at: int
    changed_at: int
    num_turns: int
    scope: tuple[Path, ...] = ()
    branched_from: int | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer; `ordinal` counts from 0 within its conversation.

    `account` is a JSON object that storage does not look into (`app.conversations.account`).
    """

    conversation_id: int
    ordinal: int
    question: str
    answer: str
    account: str
    asked_at: int


@dataclass(frozen=True, slots=True)
class ConversationHit:
    """A conversation that a search found, with the turn that fits best and some of its words."""

    conversation: Conversation
    ordinal: int
    excerpt: str


@dataclass(frozen=True, slots=True)
class SavedConversation:
    """What the model remembers of a conversation, as it was put away.

    `state` holds the rows of every token from position 0 on; `transcript` is text that storage does not look into
    (`engine.transcript`): which of the tokens are what.
    """

    state: ChunkState
    transcript: str
