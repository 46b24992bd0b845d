"""One question of a conversation: from what was asked to the turn that is kept. The assistant's thread only.

The conversation is there before the answer is; if the answer comes to nothing and there is no other turn, it goes
again. Whatever goes wrong ends as `AnswerFailed` with the question in it, and leaves earlier turns as they were: the
turns that an edited question replaces are replaced when its answer is there, not before.
"""

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.asking import Found, account_of, request_of
from app.assistant.events import AnswerFailed, AnswerFinished, AnswerPiece, AnswerStarted, PassagesFound, PromptRead
from app.assistant.passages import passages_for, turns_before
from app.assistant.port import Tell
from app.assistant.question import Asked, Question
from app.assistant.reason import reason_of
from app.conversations.account import Account, Source
from app.conversations.heat import heat_of, scale_of, weights_of_words
from app.errors import WrongUse
from app.gate.course import Course
from app.gate.verdicts import course_of
from app.precedence import asking
from app.prompt_chunks import prompt_text
from app.search.retrieval import DenseSearch
from app.settings import Settings
from app.wiring import Engine, Parts
from storage.errors import StorageError
from storage.values import Conversation, Hit, Turn

if TYPE_CHECKING:
    from engine.requests import AnswerDone, AnswerRequest, Memory

_TITLE_CHARACTERS = 60
_VARIED_TEMPERATURE = 0.8
"""At which another answer comes: the most probable one would be the same again."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the answer belongs: its conversation, the turns before it, and its number."""

    conversation: Conversation
    earlier: tuple[Turn, ...]

    @property
    def ordinal(self) -> int:
        return len(self.earlier)


class Answering:
    """See the module."""

    def __init__(
        self,
        parts: Parts,
        engine: Engine,
        search_by_meaning: DenseSearch | None,
        memory: "Memory | None",
        tell: Tell,
    ) -> None:
        """`memory`: what the engine remembers, of whichever conversation; the attribute is up to date afterwards."""
        self._parts, self._engine, self._search, self._tell = parts, engine, search_by_meaning, tell
        self.memory = memory

    def answer(self, question: Question) -> None:
        """Tell the answer as it comes, and keep it."""
        place = None
        try:
            place = self._place(question.asked)
            self._tell(AnswerStarted(place.conversation, place.ordinal, question.asked.text))
            with asking(self._parts.locations):
                self._answer(question, place)
        except Exception as error:  # noqa: BLE001 - whatever it is, the question is given back with the reason
            self._fail(question.asked, place, reason_of(error))

    # --- where it belongs

    def _place(self, asked: Asked) -> _Place:
        index = self._parts.index
        if asked.conversation_id is None:
            return _Place(index.start_conversation(title_of(asked.text), asked.scope), ())
        conversation = index.conversation(asked.conversation_id)
        if conversation is None:
            raise WrongUse("The conversation was deleted. Ask again to begin a new one.")
        if conversation.scope != asked.scope:
            index.set_scope(conversation.id, asked.scope)
        return _Place(conversation, turns_before(index, asked))

    def _fail(self, asked: Asked, place: _Place | None, reason: str) -> None:
        conversation = place.conversation if place else None
        try:
            if conversation and not self._parts.index.turns(conversation.id):
                self._parts.index.delete_conversation(conversation.id)
                conversation = None
        except StorageError as error:
            _logger.warning("An empty conversation stays: %s", error)
        self._tell(AnswerFailed(conversation, place.ordinal if place else 0, asked.text, reason))

    # --- the answer

    def _answer(self, question: Question, place: _Place) -> None:
        asked = question.asked
        found = passages_for(asked, place.earlier, self._parts, self._engine, self._search)
        self._tell(PassagesFound(len(found.chunks), self._num_remembered(found, place)))
        course = course_of(self._parts, self._engine)
        done = self._converse(question, place, found, course)
        self.memory = done.memory
        found = self._with_remembered(found, done)
        account = account_of(asked.text, found, self._engine, done, course)
        account = replace(account, sources=self._warmed(account.sources, found, done))
        turn = self._keep(asked, place, done.text, account)
        self._parts.index.note_use((source.chunk_id for source in account.sources), *self._engine.all_fingerprints)
        conversation = self._parts.index.conversation(place.conversation.id) or place.conversation
        self._tell(AnswerFinished(conversation, turn, done.memory))

    def _num_remembered(self, found: Found, place: _Place) -> int:
        memory = self.memory
        is_ours = memory is not None and memory.conversation_id == place.conversation.id
        return len(found.hits.keys() & set(memory.chunk_ids)) if memory and is_ours else 0

    def _converse(self, question: Question, place: _Place, found: Found, course: Course) -> "AnswerDone":
        from engine.errors import Cancelled
        from engine.requests import AnswerDone, AnswerText, PastTurn, Prefilled, TurnRequest

        past = tuple(PastTurn(turn.question, turn.answer) for turn in place.earlier)
        ask = self._request(question.asked, found, course)
        job = self._engine.runtime.converse(TurnRequest(ask, place.conversation.id, place.ordinal, past))
        question.follow(job)
        for event in job:
            match event:
                case AnswerText(text):
                    self._tell(AnswerPiece(text))
                case Prefilled(num_done, num_total):
                    self._tell(PromptRead(num_done, num_total))
                case AnswerDone():
                    return event
        raise Cancelled("the answer ended without an account")

    def _request(self, asked: Asked, found: Found, course: Course) -> "AnswerRequest":
        settings = self._parts.settings
        return request_of(asked.text, found, _varied(settings) if asked.vary else settings, course)

    def _with_remembered(self, found: Found, done: "AnswerDone") -> Found:
        """With the passages that were found for earlier questions, and are still remembered."""
        wanted = [use.chunk_id for use in done.uses if use.chunk_id not in found.hits]
        if not wanted:
            return found
        remembered = {chunk.id: Hit(chunk, 0.0) for chunk in self._parts.index.chunks_with_ids(wanted)}
        return replace(found, hits={**remembered, **found.hits})

    def _warmed(self, sources: Sequence[Source], found: Found, done: "AnswerDone") -> tuple[Source, ...]:
        """With the words that the question attended to."""
        frame, words = self._engine.ready.frame, dict[int, list[tuple[int, int, float]]]()
        for use in done.uses:
            if use.token_attention and use.chunk_id in found.hits:
                text = prompt_text(found.hits[use.chunk_id].chunk.chunk)
                pieces = map(frame.vocabulary.bytes_of, frame.chunk(text))
                words[use.chunk_id] = weights_of_words(text, pieces, use.token_attention)
        scale = scale_of(weight for of_chunk in words.values() for _, _, weight in of_chunk)

        def warmed(source: Source) -> Source:
            chunk = found.hits[source.chunk_id].chunk.chunk
            first = len(prompt_text(chunk)) - len(chunk.text)
            return replace(source, heat=heat_of(words.get(source.chunk_id, ()), scale, first, chunk.start))

        return tuple(map(warmed, sources))

    def _keep(self, asked: Asked, place: _Place, answer: str, account: Account) -> Turn:
        turn = Turn(place.conversation.id, place.ordinal, asked.text, answer, account.as_json(), int(time.time()))
        try:
            self._parts.index.put_turn(turn)
        except StorageError as error:
            # The answer is on the screen: it is worth more than the complaint.
            notice = f"This answer could not be kept: {error}"
            account = replace(account, notices=(*account.notices, notice))
            return replace(turn, account=account.as_json())
        return turn


def _varied(settings: Settings) -> Settings:
    temperature = max(settings.temperature, _VARIED_TEMPERATURE)
    return replace(settings, temperature=temperature, seed=random.getrandbits(32))


def title_of(question: str) -> str:
    """The first words of a question."""
    text = " ".join(question.split())
    if len(text) <= _TITLE_CHARACTERS:
        return text
    return text[:_TITLE_CHARACTERS].rsplit(" ", 1)[0] + "…"
