"""What a face may ask of the assistant: the interface that the app is written against, and tests stand in for.

No method blocks, but `close`; all are safe from any thread. What becomes of a request arrives as events
(`app.assistant.events`) through the callback that the assistant was made with, called on the assistant's threads.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol, TypeVar

from app.assistant.events import AssistantEvent
from app.locations import Locations
from app.settings import Settings
from app.wiring import Parts

T = TypeVar("T")

Tell = Callable[[AssistantEvent], None]


class AssistantPort(Protocol):
    """See the module; `app.assistant.assistant.Assistant` is the real one."""

    @property
    def locations(self) -> Locations: ...

    @property
    def settings(self) -> Settings: ...

    def start(self, tell: Tell) -> None:
        """Start the threads: the model is chosen and loaded, folders are watched. Once."""
        ...

    def close(self) -> None:
        """Stop what runs, put the conversation's memory away, join the threads. Blocks, seconds at most."""
        ...

    # --- questions

    def ask(
        self,
        question: str,
        *,
        conversation_id: int | None = None,
        ordinal: int | None = None,
        scope: Sequence[Path] = (),
        vary: bool = False,
    ) -> None:
        """Answer a question as the next turn of a conversation (None: a new one), or in place of turn `ordinal` and
        all that follow it. `scope`: from these files and folders only. `vary`: by chance, for another answer.
        """
        ...

    def stop(self) -> None:
        """Stop the answer that is being made, if any, within one node of the graph."""
        ...

    def prefetch(
        self,
        draft: str,
        *,
        conversation_id: int | None = None,
        ordinal: int | None = None,
        scope: Sequence[Path] = (),
    ) -> None:
        """A question is being typed, and stands like this: let what it would need begin to load. Where `ask` would put
        it; the newest replaces those before. A guess: nothing is told of it, whatever happens.
        """
        ...

    # --- conversations

    def open_conversation(self, conversation_id: int) -> None:
        """Read its turns and recall its memory."""
        ...

    def branch(self, conversation_id: int, num_turns: int) -> None:
        """Make a new conversation of the first turns (at least one) of another one, and open it."""
        ...

    def delete_conversation(self, conversation_id: int) -> None:
        """Forget its turns and its memory."""
        ...

    # --- models and documents

    def use_model(self, path: Path) -> None:
        """Answer with another model from now on; what runs is stopped. If it cannot be loaded, the one before comes
        back."""
        ...

    def reload_model(self) -> None:
        """Load the chosen model again, after it failed."""
        ...

    def run(self, work: "Callable[[Parts], T]") -> "Future[T]":
        """Run something short on the index, on a thread with an index of its own; errors rise from the future."""
        ...
