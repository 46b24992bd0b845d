"""Stands in for the assistant: a real index, no engine. Tests tell what it tells, and see what it was asked."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from app.assistant.events import AssistantEvent
from app.assistant.port import Tell
from app.locations import Locations
from app.settings import Settings
from app.wiring import Parts
from storage.index import Index
from storage.store import StateStore

T = TypeVar("T")


class FakeAssistant:
    """`app.assistant.port.AssistantPort`; `asked_for` lists what was asked, in order, as (method, arguments)."""

    def __init__(self, home: Path, settings: Settings = Settings()) -> None:  # noqa: B008 - frozen
        self.locations = Locations(home / "config", home / "data", home / "cache")
        self.settings = settings
        self.asked_for: list[tuple[str, dict[str, object]]] = []
        self.is_closed = False
        self._tell: Tell | None = None
        self._threads = ThreadPoolExecutor(1)

    def tell(self, event: AssistantEvent) -> None:
        """What the assistant would tell."""
        assert self._tell, "the app has not started it"
        self._tell(event)

    def all_asked(self, method: str) -> list[dict[str, object]]:
        return [arguments for name, arguments in self.asked_for if name == method]

    def now(self, work: Callable[[Parts], T]) -> T:
        """Run something on the index, for the test itself."""
        return self.run(work).result()

    # --- the port

    def start(self, tell: Tell) -> None:
        self._tell = tell

    def close(self) -> None:
        self.is_closed = True
        self._threads.shutdown()

    def ask(
        self,
        question: str,
        *,
        conversation_id: int | None = None,
        ordinal: int | None = None,
        scope: Sequence[Path] = (),
        vary: bool = False,
    ) -> None:
        self._note(
            "ask", question=question, conversation_id=conversation_id, ordinal=ordinal, scope=tuple(scope), vary=vary
        )

    def stop(self) -> None:
        self._note("stop")

    def prefetch(
        self,
        draft: str,
        *,
        conversation_id: int | None = None,
        ordinal: int | None = None,
        scope: Sequence[Path] = (),
    ) -> None:
        self._note("prefetch", draft=draft, conversation_id=conversation_id, ordinal=ordinal, scope=tuple(scope))

    def open_conversation(self, conversation_id: int) -> None:
        self._note("open_conversation", conversation_id=conversation_id)

    def branch(self, conversation_id: int, num_turns: int) -> None:
        self._note("branch", conversation_id=conversation_id, num_turns=num_turns)

    def delete_conversation(self, conversation_id: int) -> None:
        self._note("delete_conversation", conversation_id=conversation_id)

    def use_model(self, path: Path) -> None:
        self._note("use_model", path=path)

    def reload_model(self) -> None:
        self._note("reload_model")

    def run(self, work: Callable[[Parts], T]) -> Future[T]:
        return self._threads.submit(self._with_parts, work)

    def _with_parts(self, work: Callable[[Parts], T]) -> T:
        with Index(self.locations.index_file) as index:
            return work(Parts(self.locations, self.settings, index, StateStore(self.locations.states_dir, index)))

    def _note(self, method: str, **arguments: object) -> None:
        self.asked_for.append((method, arguments))
