"""What the next turn of a conversation adds to the cache, and what leaves for it: decided before any of it. Pure.

    pending end of the last answer · opening · new chunks · question          a turn behind others
    preamble · new chunks · question                                          the first turn
    preamble · past turns as text · opening · new chunks · question           nothing is remembered any more

Turns that the memory does not hold, or not in the words they have now, are read again as text, without their
documents: the newest ones that fit into a quarter of the cache. Chunks that are asked for and are in the memory already
stay where they are. When the cache is full, `engine.transcript.leaving` says what leaves. Where it cannot be moved (a
model that cannot be blended) everything leaves, and the past turns are read again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.errors import PromptTooLong
from engine.prompt import PromptFrame
from engine.requests import ContextChunk, PastTurn, TurnRequest
from engine.transcript import Kind, Segment, Transcript, leaving, turn_digest

_HISTORY_SHARE = 4
"""Past turns that are read again take at most capacity / 4: they are computed in full, and documents need room."""


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """`stays`, less `leaving`, plus `lead`, `chunks` and `question`, in this order, is what the answer follows."""

    stays: Transcript
    """A prefix of what the cache holds."""
    leaving: frozenset[int]
    """Segments of `stays` that make room."""
    lead: tuple[Segment, ...]
    """Everything between that and the new chunks."""
    chunks: tuple[ContextChunk, ...]
    """Those that were asked for and are not in the memory."""
    question: Segment
    numbers: Mapping[tuple[int, ...], int]
    """Tokens of the chunks that were asked for → what they are called now."""
    digests: tuple[str, ...]
    """Of the turns before this one."""
    num_reread: int = 0
    """Past turns that are read again as text."""
    num_left_out: int = 0
    """Past turns that are in neither way before the answer."""

    @property
    def base(self) -> Transcript:
        """What is in the cache before anything is added."""
        return self.stays.without(self.leaving)

    @property
    def num_history_tokens(self) -> int:
        return sum(len(segment.token_ids) for segment in self.lead if segment.kind is Kind.HISTORY)

    @property
    def asked(self) -> Transcript:
        """All of the prompt. Chunks that were there already bear the number they were asked for with."""
        turn, base = self.question.turn, self.base
        chunks = (Segment(Kind.CHUNK, chunk.token_ids, turn, chunk.chunk_id) for chunk in self.chunks)
        held = tuple(self._renumbered(segment) for segment in base.segments)
        return replace(base, segments=held).extended(*self.lead, *chunks, self.question)

    def _renumbered(self, segment: Segment) -> Segment:
        if segment.kind is not Kind.CHUNK:
            return segment
        return replace(segment, chunk_id=self.numbers.get(segment.token_ids, segment.chunk_id))


class Planner:
    """Plans one turn; use once."""

    def __init__(self, frame: PromptFrame, request: TurnRequest, capacity: int) -> None:
        self._frame, self._request, self._capacity = frame, request, capacity
        ask = request.ask
        self._question = Segment(Kind.QUESTION, frame.question(ask.question, ask.instructions), request.ordinal)

    def plan(self, transcript: Transcript, *, can_move: bool) -> TurnPlan:
        """`can_move`: whether the cache can be cut and moved. Raises `PromptTooLong`."""
        stays = transcript.truncated(transcript.num_agreeing(self._request.past))
        plan = self._with_history(stays, can_move=True) if can_move else self._unmoved(transcript, stays)
        plan = plan or self._with_history(Transcript(), can_move=False)
        if plan is None:
            raise self._too_long()
        return plan

    def _unmoved(self, transcript: Transcript, stays: Transcript) -> TurnPlan | None:
        return self._with_history(stays, can_move=False) if stays is transcript else None

    def _with_history(self, stays: Transcript, *, can_move: bool) -> TurnPlan | None:
        """The plan with as much of the missing turns as there is room for."""
        missing = self._newest_of(self._request.past[stays.num_turns :])
        while (plan := self._fitting(stays, missing, can_move=can_move)) is None and missing:
            missing = missing[1:]
        return plan

    def _newest_of(self, missing: Sequence[PastTurn]) -> list[tuple[int, ...]]:
        """The tokens of the last turns that may be read again, in order."""
        newest, num_left = list[tuple[int, ...]](), self._capacity // _HISTORY_SHARE - len(self._frame.no_documents)
        for turn in reversed(missing):
            tokens = self._frame.past_turn(turn.question, turn.answer)
            num_left -= len(tokens) + len(self._frame.turn_break)
            if num_left < 0:
                break
            newest.insert(0, tokens)
        return newest

    def _fitting(self, stays: Transcript, missing: Sequence[tuple[int, ...]], *, can_move: bool) -> TurnPlan | None:
        new = self._new_chunks(stays)
        num_behind = sum(len(c.token_ids) for c in new) + len(self._question.token_ids)
        num_behind += self._request.ask.max_answer_tokens

        def lead(base: Transcript) -> tuple[Segment, ...]:
            history = self._history(base, missing)
            return (*_pending(base), *self._preamble(base), *history, *self._opening(base, history, new))

        def fits(base: Transcript) -> bool:
            tokens = sum(len(segment.token_ids) for segment in lead(base))
            return base.num_tokens + tokens + num_behind <= self._capacity

        gone = _gone(stays, fits, {c.token_ids for c in self._request.ask.chunks}, can_move=can_move)
        if gone is None:
            return None
        return TurnPlan(
            stays=stays,
            leaving=gone,
            lead=lead(stays.without(gone)),
            chunks=new,
            question=self._question,
            numbers={chunk.token_ids: chunk.chunk_id for chunk in self._request.ask.chunks},
            digests=tuple(turn_digest(turn.question, turn.answer) for turn in self._request.past),
            num_reread=len(missing),
            num_left_out=len(self._request.past) - stays.num_turns - len(missing),
        )

    def _new_chunks(self, stays: Transcript) -> tuple[ContextChunk, ...]:
        held = {chunk.token_ids for chunk in stays.chunks}
        return tuple(chunk for chunk in self._request.ask.chunks if chunk.token_ids not in held)

    # --- the lead

    def _preamble(self, base: Transcript) -> tuple[Segment, ...]:
        return () if base.segments else (Segment(Kind.PREAMBLE, self._frame.preamble),)

    def _history(self, base: Transcript, missing: Sequence[tuple[int, ...]]) -> tuple[Segment, ...]:
        segments: list[Segment] = []
        for number, tokens in enumerate(missing, start=self._request.ordinal - len(missing)):
            if base.is_spoken or segments:
                segments.append(Segment(Kind.OPENING, self._frame.next_turn(with_documents=False), number))
            elif not base.chunks:
                tokens = self._frame.no_documents + tokens
            segments.append(Segment(Kind.HISTORY, tokens, number))
        return tuple(segments)

    def _opening(
        self, base: Transcript, history: Sequence[Segment], new: Sequence[ContextChunk]
    ) -> tuple[Segment, ...]:
        if not base.is_spoken and not history:
            return ()
        return (Segment(Kind.OPENING, self._frame.next_turn(with_documents=bool(new)), self._request.ordinal),)

    def _too_long(self) -> PromptTooLong:
        ask, num_question_tokens = self._request.ask, len(self._question.token_ids)
        num_tokens = len(self._frame.preamble) + sum(len(chunk.token_ids) for chunk in ask.chunks) + num_question_tokens
        return PromptTooLong(
            f"documents, question and answer need {num_tokens + ask.max_answer_tokens} tokens ({num_question_tokens} "
            f"of them are the question's), but the context holds {self._capacity}. Ask a shorter question, or change "
            "context_tokens."
        )


def _pending(base: Transcript) -> tuple[Segment, ...]:
    return (Segment(Kind.ANSWER, base.pending, base.num_turns - 1),) if base.pending else ()


def _gone(
    stays: Transcript, fits: Callable[[Transcript], bool], wanted: set[tuple[int, ...]], *, can_move: bool
) -> frozenset[int] | None:
    if can_move:
        return leaving(stays, fits, wanted)
    return frozenset() if fits(stays) else None
