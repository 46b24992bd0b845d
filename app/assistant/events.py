"""What the assistant tells its face: frozen values, made on the assistant's threads, in the order things happened.

A face takes them from `Assistant.events` (or gets them through the callback that it passed) and hands them on to its
own thread; nothing here refers to a face. Everything a user should read in them is a sentence, or completes one as the
docstring says.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.values import Conversation, Turn

if TYPE_CHECKING:
    from app.upkeep import UpkeepEvent
    from engine.requests import Memory


# --- the model


@dataclass(frozen=True, slots=True)
class ModelLoading:
    """A model is being chosen and loaded; `fraction` done where that is known (a starter model is joined first)."""

    name: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class ModelReady:
    """Questions can be answered."""

    name: str
    path: Path
    fingerprints: tuple[str, ...]
    """Of its chunk states; that of those for any place of a prompt first."""
    window: int
    """Tokens that the model was trained for."""
    blendable: bool
    reason: str
    """Why it cannot be blended, as a clause ("it has recurrent memory"); empty where it can."""
    load_ms: float


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """There is no model to answer with; the reason says what to do. `name` is empty where none was chosen."""

    name: str
    reason: str


# --- the answer in the making; one at a time


@dataclass(frozen=True, slots=True)
class AnswerStarted:
    """A question is being worked on. Its conversation exists from here on, even if it is a new one."""

    conversation: Conversation
    ordinal: int
    question: str


@dataclass(frozen=True, slots=True)
class PassagesFound:
    """Retrieval is done: so many passages, so many of them in the conversation's memory already."""

    num_passages: int
    num_kept: int


@dataclass(frozen=True, slots=True)
class PromptRead:
    """So many of the prompt's tokens are in the model's memory."""

    num_done: int
    num_total: int


@dataclass(frozen=True, slots=True)
class AnswerPiece:
    """The next characters of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerFinished:
    """The answer is complete, or was stopped, and is kept; `turn.account` has its account."""

    conversation: Conversation
    turn: Turn
    memory: "Memory | None"


@dataclass(frozen=True, slots=True)
class AnswerFailed:
    """There is no answer; the question is not lost: offer it again. `reason` is a sentence; empty: stopped on request
    before the first word."""

    conversation: Conversation | None
    ordinal: int
    question: str
    reason: str


# --- conversations


@dataclass(frozen=True, slots=True)
class ConversationOpened:
    """A conversation is at hand: its turns. What the model remembers of it follows, as `ConversationRecalled`."""

    conversation: Conversation
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class ConversationRecalled:
    """What the model remembers of the open conversation, some time after it was opened."""

    conversation_id: int
    memory: "Memory | None"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConversationsChanged:
    """The list of conversations is another now."""


# --- documents


@dataclass(frozen=True, slots=True)
class WatchingHere:
    """This process watches the folders and steeps."""


@dataclass(frozen=True, slots=True)
class WatchingElsewhere:
    """Another process does; its results are seen."""


@dataclass(frozen=True, slots=True)
class LibraryChanged:
    """Documents, their states or the folders changed, here or in another process."""


@dataclass(frozen=True, slots=True)
class UpkeepTold:
    """What reading and steeping in the background tell: see `app.upkeep`."""

    event: "UpkeepEvent"


# --- anything else


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something went wrong besides an answer; a sentence. `is_lasting`: until somebody does something about it."""

    reason: str
    is_lasting: bool = False


AssistantEvent = (
    ModelLoading
    | ModelReady
    | ModelFailed
    | AnswerStarted
    | PassagesFound
    | PromptRead
    | AnswerPiece
    | AnswerFinished
    | AnswerFailed
    | ConversationOpened
    | ConversationRecalled
    | ConversationsChanged
    | WatchingHere
    | WatchingElsewhere
    | LibraryChanged
    | UpkeepTold
    | Trouble
)
