"""The assistant behind the app: a model, conversations over documents, and a library that is kept true.

Threads, all of them ours and none of a face:

    steep-assistant   model, questions, memories of conversations; one thing after the other
    steep-keeper      watches and steeps (`app.assistant.keeper`), with a steeper's thread beside it
    steep-lookup      two of them, for short work on the index that must not wait for an answer

The native library is imported and the model loaded on the first of these (hence the late imports: they cost half a
second), so that a face is there long before. What
the index or a disk refuses is told and never ends a thread. A compute thread that died is replaced before the next
question.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from app.assistant.events import (
    AnswerFailed,
    ConversationOpened,
    ConversationRecalled,
    ConversationsChanged,
    ModelFailed,
    Trouble,
)
from app.assistant.lookup import Lookup
from app.assistant.port import Tell
from app.assistant.prefetch import Prefetch
from app.assistant.question import Asked, Question
from app.assistant.reason import reason_of
from app.errors import AppError, WrongUse
from app.locations import Locations, find_locations
from app.settings import Settings, Value, load_settings
from app.wiring import Parts, open_parts
from engine.errors import EngineError
from storage.errors import StorageError

if TYPE_CHECKING:
    from app.assistant.slot import ModelSlot
    from app.search.dense import DenseIndex
    from engine.requests import Memory, Recalled
    from engine.runtime import Job

T = TypeVar("T")

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Desk:
    """What the assistant's thread works with."""

    parts: Parts
    slot: "ModelSlot"
    dense: "DenseIndex | None"
    memory: "Memory | None" = None
    """What the engine remembers, of whichever conversation."""


@dataclass(frozen=True, slots=True)
class _Request:
    """Something to do at the desk; `question` where it is one, so that it can be refused."""

    work: Callable[[_Desk], None]
    question: Question | None = None


class Assistant:
    """See the module, and `app.assistant.port` for what each method is for."""

    def __init__(self, flags: Mapping[str, Value | None]) -> None:
        """Reads the settings, and so raises `SettingsInvalid`; starts nothing."""
        self._flags = flags
        self.locations: Locations = find_locations()
        self.settings: Settings = load_settings(self.locations.config_file, flags)
        self._lookup = Lookup(flags)
        self._prefetch = Prefetch(self._lookup)
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._question: Question | None = None
        self._thread = threading.Thread(target=self._main, name="steep-assistant", daemon=True)

    def start(self, tell: Tell) -> None:
        self._tell = tell
        self._post(self._load)
        self._thread.start()

    def close(self) -> None:
        self.stop()
        self._requests.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        self._lookup.close()

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
        self._prefetch.give_up()
        self._question = asked = Question(Asked(question, conversation_id, ordinal, tuple(scope), vary))
        self._requests.put(_Request(lambda desk: self._answer(desk, asked), asked))

    def stop(self) -> None:
        if self._question:
            self._question.stop()

    def prefetch(
        self,
        draft: str,
        *,
        conversation_id: int | None = None,
        ordinal: int | None = None,
        scope: Sequence[Path] = (),
    ) -> None:
        self._prefetch.want(Asked(draft, conversation_id, ordinal, tuple(scope), vary=False))

    # --- conversations

    def open_conversation(self, conversation_id: int) -> None:
        def read(parts: Parts) -> None:
            conversation = parts.index.conversation(conversation_id)
            if conversation is None:
                self._tell(Trouble("That conversation was deleted."))
                return
            self._tell(ConversationOpened(conversation, tuple(parts.index.turns(conversation_id))))
            self._post(lambda desk: self._recall(desk, conversation_id))

        self._look(read)

    def branch(self, conversation_id: int, num_turns: int) -> None:
        self._post(lambda desk: self._branch(desk, conversation_id, num_turns))

    def delete_conversation(self, conversation_id: int) -> None:
        self._post(lambda desk: self._delete(desk, conversation_id))

    # --- models and documents

    def use_model(self, path: Path) -> None:
        self.stop()
        self._post(lambda desk: self._load(desk, path))

    def reload_model(self) -> None:
        self._post(self._load)

    def run(self, work: Callable[[Parts], T]) -> Future[T]:
        return self._lookup.run(work)

    def _look(self, work: Callable[[Parts], None]) -> None:
        """`run` for the assistant's own work: what goes wrong is told."""

        def tell_failure(future: "Future[None]") -> None:
            error = None if future.cancelled() else future.exception()
            if isinstance(error, Exception):
                self._tell(Trouble(reason_of(error)))

        self.run(work).add_done_callback(tell_failure)

    def _post(self, work: Callable[[_Desk], None]) -> None:
        self._requests.put(_Request(work))

    # --- the assistant's thread

    def _main(self) -> None:
        while True:
            try:
                with ExitStack() as stack:
                    self._serve(self._open_desk(stack))
                    return
            except Exception as error:  # noqa: BLE001 - told, and tried again when somebody wants something
                reason = reason_of(error)
            self._tell(ModelFailed("", reason))
            if not self._refuse(reason):
                return

    def _open_desk(self, stack: ExitStack) -> _Desk:
        from app.assistant.slot import ModelSlot

        parts = stack.enter_context(open_parts(self._flags, for_engine=True))
        slot = stack.enter_context(ModelSlot(self._flags, parts, self._tell))
        stack.callback(self._prefetch.use, None)
        return _Desk(parts, slot, self._open_dense(parts, stack))

    def _open_dense(self, parts: Parts, stack: ExitStack) -> "DenseIndex | None":
        from app.search.dense import open_dense

        try:
            return stack.enter_context(open_dense(parts))
        except AppError as error:
            self._tell(Trouble(f"Search goes by words alone: {error}", is_lasting=True))
            return None

    def _serve(self, desk: _Desk) -> None:
        """Do what is asked for, until there is nothing more to come."""
        while (request := self._requests.get()) is not None:
            try:
                request.work(desk)
            except Exception as error:  # noqa: BLE001 - told; the thread goes on
                self._tell(Trouble(reason_of(error)))
        self._put_away(desk)

    def _refuse(self, reason: str) -> bool:
        """Without a desk, nothing can be done until somebody wants something; False when nobody ever will."""
        request = self._requests.get()
        if request is not None and request.question:
            asked = request.question.asked
            self._tell(AnswerFailed(None, asked.ordinal or 0, asked.text, reason))
        return request is not None

    def _load(self, desk: _Desk, path: Path | None = None) -> None:
        self._prefetch.use(None)
        desk.slot.load(path)
        self._prefetch.use(desk.slot.engine)

    def _answer(self, desk: _Desk, question: Question) -> None:
        asked, slot = question.asked, desk.slot
        if slot.has_died():
            self._tell(Trouble("The engine had stopped; the model is loaded again."))
            self._load(desk)
            desk.memory = None
        if question.is_stopped or slot.engine is None:
            reason = "" if question.is_stopped else slot.reason
            self._tell(AnswerFailed(None, asked.ordinal or 0, asked.text, reason))
            return
        from app.assistant.answering import Answering

        search = desk.dense.search if desk.dense else None
        answering = Answering(desk.parts, slot.engine, search, desk.memory, self._tell)
        answering.answer(question)
        desk.memory = answering.memory
        self._tell(ConversationsChanged())

    def _recall(self, desk: _Desk, conversation_id: int) -> None:
        engine = desk.slot.engine
        if engine:
            self._tell_recalled(desk, conversation_id, engine.runtime.recall(conversation_id))

    def _branch(self, desk: _Desk, conversation_id: int, num_turns: int) -> None:
        index, engine = desk.parts.index, desk.slot.engine
        source = index.conversation(conversation_id)
        if source is None:
            raise WrongUse("That conversation was deleted.")
        branch = index.copy_conversation(conversation_id, num_turns, source.title)
        self._tell(ConversationOpened(branch, tuple(index.turns(branch.id))))
        self._tell(ConversationsChanged())
        if engine:
            self._tell_recalled(desk, branch.id, engine.runtime.branch(conversation_id, branch.id, num_turns))

    def _tell_recalled(self, desk: _Desk, conversation_id: int, job: "Job[Recalled]") -> None:
        (recalled,) = job
        desk.memory = recalled.memory
        self._tell(ConversationRecalled(conversation_id, recalled.memory, recalled.reason))

    def _delete(self, desk: _Desk, conversation_id: int) -> None:
        if desk.slot.engine:
            list(desk.slot.engine.runtime.forget(conversation_id))
        if desk.memory and desk.memory.conversation_id == conversation_id:
            desk.memory = None
        desk.parts.index.delete_conversation(conversation_id)
        desk.parts.store.purge_unlinked()
        self._tell(ConversationsChanged())

    def _put_away(self, desk: _Desk) -> None:
        """The conversation's memory goes to the store; if it cannot, its turns are read again one day."""
        if not desk.slot.engine:
            return
        try:
            for kept in desk.slot.engine.runtime.keep():
                if kept.reason:
                    _logger.info("The conversation's memory was not kept: %s", kept.reason)
        except (EngineError, StorageError) as error:
            _logger.warning("The conversation's memory was not kept: %s", error)
