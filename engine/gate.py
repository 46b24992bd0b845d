"""The gate: how close a model's blended answers come to its exact ones, and from which ratio on that is close enough.

    per question    the exact answer: full prefill, greedily, with the logits of each position, over rows that are not
                    quantised; around the question's own passages stand those of others, so that the context is as long
                    as a real one
                    its chunks' states, encoded as they are when documents are steeped, kept in memory
    per ratio       the blend that a user's question gets (every chunk loaded), then the exact answer's tokens,
                    one after the other (teacher forcing): KL(exact ‖ blended) and the same first choice, per position

Ratios are tried in ascending order, each over all questions; the first one whose means reach the bar is the verdict.
Where none does, only exact answers will do. A ratio that cannot reach the bar any more is left early
(`engine.gate_tally`).

Quantised rows (`engine.kv_size.QUANTISED`) cost something themselves, also where nothing is blended. That counts: the
exact answers are of another context, whose rows are not quantised; and where no ratio reaches the bar, all tokens are
recomputed at last (ratio 1), which tells what the rows alone cost.

It works on contexts of its own, keeps rates of its own, and touches no disk. Whatever it does may be broken off by a
question at any time: `give_way` is called before each step, and a step that was broken off is repeated as a whole, so
that the numbers are the same as undisturbed. Memory, until it ends: the states of all questions, and 24 × vocabulary
probabilities for each (some 0.2 GB for a small model). Compute thread only.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from time import perf_counter
from typing import NamedTuple, TypeVar

import numpy as np

from engine import bindings, kv_state
from engine.bindings import FloatArray, TokenRun
from engine.blend import Blend, BlendTools
from engine.buffers import pageable
from engine.divergence import Distributions
from engine.errors import Cancelled, DecodeFailed, PromptTooLong
from engine.gate_tally import RatioTally
from engine.kv_layout import Buffer, KvLayout
from engine.kv_state import GiveWay
from engine.loader import Loader
from engine.memory_shelf import MemoryShelf
from engine.model import Context
from engine.prompt import PromptFrame
from engine.rates import Speeds
from engine.requests import ContextChunk, GateDone, GateEvent, GateProgress, GateRequest, GateTrial
from engine.transcript import Kind, Segment
from storage.values import BlendQuality

MAX_ANSWER_TOKENS = 24
"""Of an exact answer: enough for a short sentence. Sane: 8 to 32, which all are compared in one batch."""

T = TypeVar("T")

TokenIds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GateCase:
    """A question with its chunks, as tokens."""

    chunks: tuple[ContextChunk, ...]
    question: TokenIds

    @property
    def num_context_tokens(self) -> int:
        return sum(len(chunk.token_ids) for chunk in self.chunks)

    @property
    def num_tokens(self) -> int:
        """Without the preamble, with the longest answer."""
        return self.num_context_tokens + len(self.question) + MAX_ANSWER_TOKENS


class Steeping(NamedTuple):
    """How states are made."""

    preamble: Buffer
    """The preamble's state, checked."""
    encode: Callable[[int, TokenIds], bytearray]
    """A checked state of these tokens, that begins at one of the frame's `first_positions`; gives way itself."""


class _Exact(NamedTuple):
    """What a question is answered exactly."""

    case: GateCase
    answer: TokenIds
    """Greedy, with the end token if it came."""
    distributions: Distributions


def cases_of(frame: PromptFrame, request: GateRequest, num_positions: int) -> tuple[GateCase, ...]:
    """The questions as tokens, each among passages of the others up to the context that is asked for.

    Without those that take more than `num_positions` by themselves; raises `PromptTooLong` if all do.
    """
    passages = [[frame.chunk(passage) for passage in question.passages] for question in request.questions]
    numbers = {token_ids: number for number, token_ids in enumerate(dict.fromkeys(chain(*passages)))}
    cases: list[GateCase] = []
    for number, asked in enumerate(request.questions):
        own, others = passages[number], chain(*passages[number + 1 :], *passages[:number])
        question = frame.question(asked.text)
        room = num_positions - len(frame.preamble) - len(question) - MAX_ANSWER_TOKENS
        if _num_tokens(own) <= room:
            left = min(room, request.context_tokens) - _num_tokens(own)
            chunks = _spread(own, _first_of(others, left, own))
            cases.append(GateCase(tuple(ContextChunk(numbers[each], each) for each in chunks), question))
    if not cases:
        raise PromptTooLong(f"no question of the gate fits the model's window of {num_positions} tokens")
    return tuple(cases)


def _num_tokens(chunks: Sequence[TokenIds]) -> int:
    return sum(map(len, chunks))


def _first_of(chunks: Iterable[TokenIds], num_tokens: int, without: Sequence[TokenIds]) -> list[TokenIds]:
    """As many as so many tokens have room for."""
    taken: list[TokenIds] = []
    for chunk in chunks:
        if len(chunk) > num_tokens:
            break
        if chunk not in without:
            taken.append(chunk)
            num_tokens -= len(chunk)
    return taken


def _spread(own: Sequence[TokenIds], others: Sequence[TokenIds]) -> Iterator[TokenIds]:
    """A question's own passages with the others evenly between and behind them."""
    for place, chunk in enumerate(own):
        yield chunk
        yield from others[place * len(others) // len(own) : (place + 1) * len(others) // len(own)]


def cells_for(cases: Sequence[GateCase], frame: PromptFrame, batch_tokens: int) -> int:
    """KV cells that measuring these needs: the longest prompt with its answer, and the scratch of a batch."""
    longest_prompt = len(frame.preamble) + max(case.num_tokens for case in cases)
    longest_chunk = max(len(chunk.token_ids) for case in cases for chunk in case.chunks)
    return max(longest_prompt, frame.first_positions[0] + longest_chunk) + batch_tokens


class Gate:
    """One measurement of a model; use once."""

    def __init__(
        self,
        frame: PromptFrame,
        cases: Sequence[GateCase],
        request: GateRequest,
        give_way: GiveWay,
        emit: Callable[[GateEvent], None],
        *,
        is_quantised: bool,
    ) -> None:
        """`is_quantised`: the rows of blends are."""
        self._frame, self._request = frame, request
        self._give_way, self._emit = give_way, emit
        self._measures_rows = is_quantised and request.ratios[-1] < 1
        """Whether all tokens are recomputed at last, if nothing less will do."""
        ratios = (*request.ratios, 1.0) if self._measures_rows else request.ratios
        states = {state for case in cases for state in self._states_of(case)}
        self._num_done, self._num_left = 0, _num_tokens([token_ids for _, token_ids in states])
        self._num_left += sum(case.num_tokens for case in cases)
        self._num_left += sum(_work_at(ratio, case) for ratio in ratios for case in cases)
        self._cases, self._answered = cases, list[_Exact]()
        self._started = perf_counter()

    def answer_exactly(self, context: Context) -> None:
        """The first half, on a context with room for `cells_for` the questions, whose rows are not quantised.

        Emits progress, and raises `Cancelled` or `DecodeFailed`, as the second half does.
        """
        for case in self._cases:
            context.clear()
            self._answered.append(self._exact(context, case))
            self._did(case.num_tokens)

    def measure(self, context: Context, layout: KvLayout, steeping: Steeping) -> GateDone:
        """The second half, on a context like those of the answers to come, whose layout is `layout`: also emits trials.

        Raises `RedirectFailed` where the graph turns out not to be redirectable.
        """
        shelf = MemoryShelf()
        shelf.put(0, self._frame.preamble, steeping.preamble)
        with Loader(layout, Speeds(), 1, pageable) as loader:
            self._context, self._tools = context, BlendTools(layout, shelf, loader)
            for case in self._cases:
                self._steep(case, shelf, steeping)
            tried: list[BlendQuality] = []
            best = next((ratio for ratio in self._request.ratios if self._reaches(ratio, tried)), None)
            if best is None and self._measures_rows:
                tried.append(self._quality_at(1.0))
        self._emit(GateProgress(self._num_done, self._num_done))
        return GateDone(best, tuple(tried), len(self._cases), _ms_since(self._started))

    def _reaches(self, ratio: float, tried: list[BlendQuality]) -> bool:
        tried.append(self._quality_at(ratio))
        return tried[-1].reaches(self._request.bar)

    # --- the exact answer, and the states of its chunks

    def _exact(self, context: Context, case: GateCase) -> _Exact:
        prompt = (*self._frame.preamble, *(t for chunk in case.chunks for t in chunk.token_ids), *case.question)
        answer: list[int] = []
        logits = [self._compute(context, prompt, 0)]
        while not self._append(answer, logits[-1]):
            logits.append(self._compute(context, answer[-1:], len(prompt) + len(answer) - 1))
        return _Exact(case, tuple(answer), Distributions.of(np.stack(logits)))

    def _states_of(self, case: GateCase) -> Iterator[tuple[int, TokenIds]]:
        return self._frame.states_of(chunk.token_ids for chunk in case.chunks)

    def _steep(self, case: GateCase, shelf: MemoryShelf, steeping: Steeping) -> None:
        """Several questions may share a passage."""
        for first_position, token_ids in self._states_of(case):
            if shelf.find(first_position, token_ids) is None:
                shelf.put(first_position, token_ids, steeping.encode(first_position, token_ids))
                self._did(len(token_ids))

    def _append(self, answer: list[int], logits: FloatArray) -> bool:
        """Add the most probable token; whether the answer ends with it."""
        answer.append(int(logits.argmax()))
        return len(answer) >= MAX_ANSWER_TOKENS or self._frame.vocabulary.ends_answer(answer[-1])

    def _compute(self, context: Context, token_ids: Sequence[int], first_position: int) -> FloatArray:
        """Behind what is there; the logits of the last token."""
        kv_state.prefill(context, token_ids, first_position, self._give_way, want_logits=True)
        return context.logits()

    # --- blended answers

    def _quality_at(self, ratio: float) -> BlendQuality:
        tally = RatioTally(ratio, len(self._answered), self._request.bar)
        for number, exact in enumerate(self._answered):
            if not tally.can_reach_bar:
                self._num_left -= _work_at(ratio, exact.case)
                continue
            logits = self._unbroken(partial(self._blended, exact, ratio))
            kl, agreement = _compared(exact, logits)
            tally.note(kl, agreement)
            self._emit(GateTrial(number, ratio, kl, agreement))
            self._did(_work_at(ratio, exact.case))
        return tally.quality

    def _blended(self, exact: _Exact, ratio: float) -> FloatArray:
        """The logits of a blend at each position of the exact answer: (answer tokens, vocabulary)."""
        context, case, preamble = self._context, exact.case, self._frame.preamble
        context.clear()
        blend = Blend(context, self._tools, self._frame, 0, progress=lambda _num_done: None)
        lead = (Segment(Kind.PREAMBLE, preamble),)
        report = blend.run(lead, case.chunks, case.question, ratio, self._request.strategy, may_choose=False)
        if report.missing:
            raise DecodeFailed(f"{len(report.missing)} states that were made a moment ago could not be loaded")
        logits = [context.logits()]
        end = len(preamble) + case.num_context_tokens + len(case.question)
        runs = [
            TokenRun((token_id,), end + number, Context.SEQUENCE, want_logits=True)
            for number, token_id in enumerate(exact.answer[:-1])
        ]
        if runs:
            context.decode(runs)
        size = context.model.num_vocabulary_tokens
        return np.stack([*logits, *(bindings.logits_at(context.handle, row, size) for row in range(len(runs)))])

    # --- steps

    def _unbroken(self, step: Callable[[], T]) -> T:
        """Do something, again and again until nobody has broken it off."""
        while True:
            self._give_way()
            try:
                return step()
            except Cancelled:
                continue  # `give_way` raises where there is no going on

    def _did(self, num_tokens: int) -> None:
        self._num_done += num_tokens
        self._num_left -= num_tokens
        self._emit(GateProgress(self._num_done, self._num_done + self._num_left))


def _compared(exact: _Exact, logits: FloatArray) -> tuple[float, float]:
    kl = float(exact.distributions.divergences(logits).mean())
    if not np.isfinite(kl):
        raise DecodeFailed("the model answers with logits that are no numbers")
    return kl, float((logits.argmax(axis=1) == np.asarray(exact.answer)).mean())


def _work_at(ratio: float, case: GateCase) -> int:
    """Tokens to compute: those chosen, the question to choose them, and the question with its answer."""
    return round(ratio * case.num_context_tokens) + 2 * len(case.question) + MAX_ANSWER_TOKENS


def _ms_since(started: float) -> float:
    return (perf_counter() - started) * 1e3
