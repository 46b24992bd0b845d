"""`steep bench conversation`: what the next question of a long conversation costs, after a restart.

A conversation is made from the user's own documents, turn by turn, until its memory holds enough, and put away.
Then, once per round, a fresh engine reads everything again: documents, earlier turns and a follow-up question, computed
exactly up to the first token of the answer. Right after that it recalls the conversation and answers the same question.
The conversation is deleted in the end. Loading the model is in neither figure: both need it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

from app.errors import NothingIndexed, WrongUse
from app.gate.course import ratio_of
from app.models.choice import choose_model
from app.prompt_chunks import context_chunks
from app.settings import Value
from app.terminal import Terminal
from app.wiring import Engine, Parts, engine_of, open_parts
from app.wording import counted

if TYPE_CHECKING:
    from engine.requests import AnswerDone, ContextChunk, PastTurn

_TURN_TOKENS = 1024
"""Tokens of documents that each turn brings."""

_QUESTION = "What is this about? Name the people and places."
_FOLLOW_UP = "Which of them is mentioned first?"
_ANSWER_TOKENS = 24
_ROOM_TOKENS = 2048
"""Room behind the conversation: its last turn may bring more than was asked for."""


@dataclass(frozen=True, slots=True)
class Round:
    """One resumed question, and the same question with everything read again; times up to the first token."""

    num_remembered: int
    """Tokens that were recalled."""
    num_resumed: int
    """Tokens computed behind them."""
    recall_ms: float
    resumed_ms: float
    num_read_again: int
    read_again_ms: float


def run(
    flags: Mapping[str, Value | None], terminal: Terminal, *, num_tokens: int, num_rounds: int, as_json: bool
) -> None:
    """Measure and print."""
    with open_parts(flags, for_engine=True) as parts:
        if not parts.index.counts().num_chunks:
            raise NothingIndexed("there are no documents to talk about: steep add FOLDER, steep index")
        conversation = parts.index.start_conversation("steep bench conversation", ())
        try:
            bench = _Bench(parts, conversation.id, num_tokens)
            bench.talk(terminal)
            rounds = list(bench.measure(num_rounds, terminal))
        finally:
            parts.index.delete_conversation(conversation.id)
            parts.store.purge_unlinked()
    if as_json:
        terminal.json({"rounds": [asdict(each) for each in rounds]})
    else:
        _print(rounds, terminal)


class _Bench:
    """One conversation; each method opens an engine of its own."""

    def __init__(self, parts: Parts, conversation_id: int, num_tokens: int) -> None:
        self._parts, self._id, self._num_tokens = parts, conversation_id, num_tokens
        self._model_path = choose_model(parts.settings.model, parts.locations)
        self._past: list[PastTurn] = []
        self._chunks: list[ContextChunk] = []

    def _engine(self) -> AbstractContextManager[Engine]:
        return engine_of(self._parts, self._model_path, self._num_tokens + _ROOM_TOKENS)

    def talk(self, terminal: Terminal) -> None:
        """Turns with documents until the memory holds enough; then it is put away."""
        from engine.requests import PastTurn

        num_remembered = 0
        with self._engine() as engine, terminal.progress("Talking", "tokens") as show:
            for chunks in self._helpings(engine):
                done = self._ask(engine, _QUESTION, chunks, _ANSWER_TOKENS)
                assert done.memory is not None, "an answer in a conversation has a memory"
                self._past.append(PastTurn(_QUESTION, done.text))
                self._chunks += chunks
                num_remembered = done.memory.num_tokens
                show(num_remembered, self._num_tokens)
                if num_remembered >= self._num_tokens:
                    break
            (kept,) = engine.runtime.keep()
        if num_remembered < self._num_tokens or not kept.num_bytes:
            reason = kept.reason or f"all documents together make a conversation of {num_remembered:,} tokens only"
            raise WrongUse(f"there is nothing to resume: {reason}. Lower --tokens, or add documents.")

    def measure(self, num_rounds: int, terminal: Terminal) -> Iterator[Round]:
        """One round after the other, each with an engine that knows nothing yet."""
        with terminal.progress("Measuring", "rounds") as show:
            for number in range(num_rounds):
                with self._engine() as engine:
                    yield self._round(engine)
                show(number + 1, num_rounds)

    def _round(self, engine: Engine) -> Round:
        again, num_read_again = self._read_again(engine)
        (recalled,) = engine.runtime.recall(self._id)
        if recalled.memory is None:
            raise WrongUse(f"the conversation's memory is lost: {recalled.reason}")
        resumed = self._ask(engine, _FOLLOW_UP, (), 1)
        assert resumed.memory is not None, "an answer in a conversation has a memory"
        return Round(
            num_remembered=recalled.memory.num_tokens,
            num_resumed=resumed.memory.num_tokens - recalled.memory.num_tokens,
            recall_ms=recalled.read_ms,
            resumed_ms=resumed.times.first_token_ms,
            num_read_again=num_read_again,
            read_again_ms=again.times.first_token_ms,
        )

    def _helpings(self, engine: Engine) -> "Iterator[tuple[ContextChunk, ...]]":
        """All chunks of the index, as much at a time as a turn brings."""
        helping: list[ContextChunk] = []
        for chunk in context_chunks(engine.ready.frame, self._parts.index.chunks()):
            helping.append(chunk)
            if sum(len(each.token_ids) for each in helping) >= _TURN_TOKENS:
                yield tuple(helping)
                helping = []

    def _ask(
        self, engine: Engine, question: str, chunks: "Sequence[ContextChunk]", max_answer_tokens: int
    ) -> "AnswerDone":
        from engine.requests import AnswerDone, AnswerRequest, TurnRequest

        settings = self._parts.settings
        ask = AnswerRequest(
            question,
            tuple(chunks),
            ratio=ratio_of(settings),
            strategy=settings.strategy,
            max_answer_tokens=max_answer_tokens,
        )
        request = TurnRequest(ask, self._id, len(self._past), tuple(self._past))
        return next(event for event in engine.runtime.converse(request) if isinstance(event, AnswerDone))

    def _read_again(self, engine: Engine) -> "tuple[AnswerDone, int]":
        """The same documents, turns and question in one exact prompt; its account and its tokens."""
        from engine.requests import AnswerDone, AnswerRequest, Mode

        talk = "\n".join(f"{turn.question}\n{turn.answer}" for turn in self._past)
        ask = AnswerRequest(f"{talk}\n{_FOLLOW_UP}", tuple(self._chunks), Mode.EXACT, max_answer_tokens=1)
        done = next(event for event in engine.runtime.answer(ask) if isinstance(event, AnswerDone))
        frame = engine.ready.frame
        num_context = sum(len(chunk.token_ids) for chunk in self._chunks)
        return done, len(frame.preamble) + num_context + len(frame.question(ask.question))


def _print(rounds: Sequence[Round], terminal: Terminal) -> None:
    first = rounds[0]
    resumed_ms, again_ms = median(each.resumed_ms for each in rounds), median(each.read_again_ms for each in rounds)
    recall_ms = median(each.recall_ms for each in rounds)
    terminal.data(
        f"A conversation of {counted(first.num_remembered, 'token')}, resumed after a restart; medians of "
        f"{counted(len(rounds), 'round')}"
    )
    terminal.data(f"{'':12}{'computed':>10}{'recall':>11}{'first token':>14}{'sooner':>9}")
    terminal.data(f"{'read again':12}{first.num_read_again:>10,}{'–':>11}{again_ms:>11,.0f} ms{1:>8.1f}x")
    sooner = again_ms / (recall_ms + resumed_ms)
    terminal.data(f"{'resumed':12}{first.num_resumed:>10,}{recall_ms:>8,.0f} ms{resumed_ms:>11,.0f} ms{sooner:>8.1f}x")
