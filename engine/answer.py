"""From a `TurnRequest` to its account: bring what is new of the prompt into the cache, decode. Compute thread only.

Events go out through `emit` while the answer is made; the account comes back at the end. A blend that turns out to be
impossible (no layout, a graph that cannot be redirected) becomes an exact answer with a notice. What fails or is
cancelled before the answer's first token is undone. Cancelled behind it, the answer of a conversation ends there, and
what there is of it belongs to the conversation; a question by itself raises `Cancelled`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from engine.bindings import TokenRun
from engine.blend import Blend, BlendReport, BlendTools
from engine.chunk_uses import chunk_uses, reweighted
from engine.collection import collection_paused
from engine.conversation import Conversation
from engine.errors import Cancelled, RedirectFailed
from engine.model import Context
from engine.prompt import PromptFrame
from engine.requests import (
    AnswerDone,
    AnswerEvent,
    AnswerText,
    Loading,
    Mode,
    Prefilled,
    StageTimes,
    TurnRequest,
)
from engine.sampling import Sampler
from engine.scoring import AttentionMeter, metered_prefill
from engine.selection import scored_layers
from engine.transcript import Kind, Segment, Transcript, turn_digest
from engine.turn_plan import Planner, TurnPlan
from engine.vocabulary import TextStream


@dataclass(slots=True)
class _Decoded:
    """The answer so far, and when its tokens came (milliseconds since the request)."""

    text: str = ""
    num_tokens: int = 0
    first_token_ms: float = 0.0
    last_token_ms: float = 0.0
    in_cache: list[int] = field(default_factory=list[int])
    pending: tuple[int, ...] = ()
    """The last token, if it belongs to the answer and was not computed."""
    stopped: bool = False

    @property
    def tokens_per_s(self) -> float:
        elapsed_ms = self.last_token_ms - self.first_token_ms
        return (self.num_tokens - 1) / elapsed_ms * 1e3 if elapsed_ms > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Means:
    """What answers are made with: the same for all of a session."""

    context: Context
    frame: PromptFrame
    tools: BlendTools | None
    why_exact: str
    """Why there are no tools, as a clause."""


class Answering:
    """One answer in the making; use once."""

    def __init__(
        self,
        means: Means,
        conversation: Conversation,
        request: TurnRequest,
        emit: Callable[[AnswerEvent], None],
        started: float,
    ) -> None:
        """`started`: when the request arrived, by `perf_counter`."""
        self._means, self._context, self._conversation = means, means.context, conversation
        self._request, self._emit, self._started = request, emit, started
        self._mode, self._notices = request.ask.mode, list[str]()
        if self._mode is Mode.BLEND and means.tools is None:
            self._mode = Mode.EXACT
            self._notices.append(f"answered exactly: {means.why_exact}")

    def run(self) -> AnswerDone:
        """Emit progress and text, return the account. Raises `PromptTooLong`, `Cancelled` or `DecodeFailed`."""
        conversation, before = self._conversation, self._conversation.transcript
        planner = Planner(self._means.frame, self._request, self._capacity())
        plan = planner.plan(before, can_move=conversation.can_move)
        conversation.make_way(plan.stays, plan.leaving, self._why_it_starts_over(before))
        why_empty, base, asked = conversation.why_empty, conversation.transcript, plan.asked
        try:
            with collection_paused():
                report = self._fill(plan)
            decoded = self._decode(asked.num_tokens)
            report.measure()
        except BaseException:
            conversation.roll_back(base)
            raise
        if decoded.stopped and not conversation.can_move:
            conversation.restart(conversation.id, "an answer was broken off in it")
        else:
            conversation.hold(self._held(plan, reweighted(asked, report.attention), decoded))
        self._notices += _notices_of(plan, why_empty)
        return self._account(plan, report, decoded, _chunk_ids_gone(before.truncated(self._request.ordinal), asked))

    def _capacity(self) -> int:
        if self._conversation.id is not None or self._mode is Mode.BLEND:
            return self._conversation.capacity
        # A question by itself that is computed exactly needs no scratch cells.
        return min(self._context.options.num_cells, self._context.model.num_trained_positions)

    def _why_it_starts_over(self, before: Transcript) -> str:
        agrees = before.truncated(before.num_agreeing(self._request.past)) is before
        return "it was full" if agrees else f"there was no going back in it, as {self._means.why_exact}"

    def _held(self, plan: TurnPlan, asked: Transcript, decoded: _Decoded) -> Transcript:
        request, in_cache = self._request, tuple(decoded.in_cache)
        answer = (Segment(Kind.ANSWER, in_cache, request.ordinal),) if in_cache else ()
        digests = (*plan.digests, turn_digest(request.ask.question, decoded.text))
        return replace(asked.extended(*answer), turns=digests, pending=decoded.pending)

    # --- the prompt

    def _fill(self, plan: TurnPlan) -> BlendReport:
        ask, tools = self._request.ask, self._means.tools
        if self._mode is Mode.BLEND and tools is not None:
            base = plan.base
            blend = Blend(self._context, tools, self._means.frame, base.num_tokens, self._teller(plan))
            question, may_choose = plan.question.token_ids, ask.loading is Loading.AUTO
            try:
                return blend.run(plan.lead, plan.chunks, question, ask.ratio, ask.strategy, may_choose=may_choose)
            except RedirectFailed as error:
                if not self._conversation.roll_back(base):
                    raise
                self._mode = Mode.EXACT
                self._notices.append(f"answered exactly: {error}")
        return self._fill_exactly(plan)

    def _fill_exactly(self, plan: TurnPlan) -> BlendReport:
        started, asked, first = perf_counter(), plan.asked, plan.base.num_tokens
        tell, num_question_tokens = self._teller(plan), len(plan.question.token_ids)
        meter = self._meter(asked)
        metered_prefill(
            self._context,
            asked.token_ids[first:],
            first,
            num_question_tokens,
            meter,
            progress=lambda num_done: tell(first + num_done),
        )
        return BlendReport(meter=meter, recompute_ms=(perf_counter() - started) * 1e3)

    def _meter(self, asked: Transcript) -> AttentionMeter | None:
        # A question by itself that is computed exactly is the yardstick: nothing is measured on its way.
        if not asked.chunks or not self._context.options.blending or self._conversation.id is None:
            return None
        num_before_question = asked.num_tokens - len(asked.segments[-1].token_ids)
        return AttentionMeter(self._context, num_before_question, scored_layers(self._context.model.num_layers))

    def _teller(self, plan: TurnPlan) -> Callable[[int], None]:
        num_total = plan.asked.num_tokens
        return lambda num_done: self._emit(Prefilled(num_done, num_total))

    # --- the answer

    def _decode(self, position: int) -> _Decoded:
        vocabulary, ask = self._means.frame.vocabulary, self._request.ask
        stream, decoded = TextStream(vocabulary), _Decoded()
        with Sampler(ask.sampling) as sampler:
            while not decoded.stopped:
                token_id = sampler.next_token(self._context)
                decoded.last_token_ms = self._ms()
                decoded.first_token_ms = decoded.first_token_ms or decoded.last_token_ms
                decoded.num_tokens += 1
                if vocabulary.ends_answer(token_id):
                    break
                self._append(decoded, stream.push(token_id))
                decoded.pending = (token_id,)
                if decoded.num_tokens == ask.max_answer_tokens:
                    break
                self._compute(decoded, position)
        self._append(decoded, stream.rest())
        return decoded

    def _compute(self, decoded: _Decoded, position: int) -> None:
        """Compute the token that was sampled last; stopped meanwhile, a conversation keeps it for later."""
        position += len(decoded.in_cache)
        try:
            self._context.decode([TokenRun(decoded.pending, position, Context.SEQUENCE, want_logits=True)])
        except Cancelled:
            if self._conversation.id is None:
                raise
            decoded.stopped = True
            if self._conversation.can_move:
                self._context.forget(Context.SEQUENCE, position)
            return
        decoded.in_cache += decoded.pending
        decoded.pending = ()

    def _append(self, decoded: _Decoded, piece: str) -> None:
        if piece:
            decoded.text += piece
            self._emit(AnswerText(piece))

    # --- the account

    def _account(self, plan: TurnPlan, report: BlendReport, decoded: _Decoded, gone: Sequence[int]) -> AnswerDone:
        asked, speed = plan.asked, self._context.speed
        return AnswerDone(
            text=decoded.text,
            mode=self._mode,
            uses=chunk_uses(asked, plan.base.num_tokens, report),
            times=StageTimes(
                load_ms=report.load_ms,
                score_ms=report.score_ms,
                recompute_ms=report.recompute_ms,
                first_token_ms=decoded.first_token_ms,
                total_ms=self._ms(),
                tokens_per_s=decoded.tokens_per_s,
                cold_first_token_ms=speed.ms_for(asked.num_tokens),
            ),
            num_loaded_bytes=report.num_loaded_bytes,
            num_answer_tokens=decoded.num_tokens,
            notices=tuple(self._notices),
            missing=tuple(report.missing),
            stopped=decoded.stopped,
            memory=self._conversation.memory,
            dropped_chunk_ids=tuple(gone),
            num_history_tokens=plan.num_history_tokens,
        )

    def _ms(self) -> float:
        return (perf_counter() - self._started) * 1e3


def _notices_of(plan: TurnPlan, why_empty: str) -> list[str]:
    num_gone = plan.num_reread + plan.num_left_out
    if not num_gone:
        return []
    reason = why_empty or "it does not hold them in the words that they have now"
    left_out = f" {plan.num_left_out} did not fit." if plan.num_left_out else ""
    turns = "turn" if num_gone == 1 else "turns"
    notice = (
        f"The model's memory of {num_gone} earlier {turns} was gone ({reason}): {plan.num_reread} read again as text."
    )
    return [notice + left_out]


def _chunk_ids_gone(before: Transcript, asked: Transcript) -> tuple[int, ...]:
    there = {chunk.token_ids for chunk in asked.chunks}
    gone = (chunk.chunk_id for chunk in before.chunks if chunk.token_ids not in there)
    return tuple(chunk_id for chunk_id in gone if chunk_id is not None)
