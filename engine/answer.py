"""From an `AnswerRequest` to its account: bring the prompt into the cache, then decode. Compute thread only.

Events go out through `emit` while the answer is made; the account comes back at the end. A blend that turns out to be
impossible (no shelf, a graph that cannot be redirected) becomes an exact answer with a notice; a cancelled one raises
`Cancelled` and leaves the context usable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from engine.bindings import TokenRun
from engine.blend import Blend, BlendReport
from engine.errors import PromptTooLong, RedirectFailed
from engine.kv_layout import KvLayout
from engine.model import Context
from engine.ports import StateShelf
from engine.prompt import PromptFrame
from engine.requests import (
    AnswerDone,
    AnswerEvent,
    AnswerRequest,
    AnswerText,
    ChunkUse,
    Mode,
    Prefilled,
    StageTimes,
)
from engine.sampling import Sampler
from engine.vocabulary import TextStream


@dataclass(frozen=True, slots=True)
class BlendTools:
    """What blending needs besides the context; absent where the model cannot be blended."""

    layout: KvLayout
    shelf: StateShelf


@dataclass(slots=True)
class _Decoded:
    """The answer so far, and when its tokens came (milliseconds since the request)."""

    text: str = ""
    num_tokens: int = 0
    first_token_ms: float = 0.0
    last_token_ms: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        elapsed_ms = self.last_token_ms - self.first_token_ms
        return (self.num_tokens - 1) / elapsed_ms * 1e3 if elapsed_ms > 0 else 0.0


class Answering:
    """One answer in the making; use once."""

    def __init__(
        self,
        context: Context,
        frame: PromptFrame,
        tools: BlendTools | None,
        why_exact: str,
        request: AnswerRequest,
        emit: Callable[[AnswerEvent], None],
    ) -> None:
        self._context, self._frame, self._tools, self._request, self._emit = (
            context,
            frame,
            tools,
            request,
            emit,
        )
        self._started = perf_counter()
        self._question = frame.question(request.question, request.instructions)
        num_context_tokens = sum(len(chunk.token_ids) for chunk in request.chunks)
        self._num_prompt_tokens = len(frame.preamble) + num_context_tokens + len(self._question)
        self._mode, self._notices = request.mode, list[str]()
        if self._mode is Mode.BLEND and tools is None:
            self._mode = Mode.EXACT
            self._notices.append(f"answered exactly: {why_exact}")

    def run(self) -> AnswerDone:
        """Emit progress and text, return the account. Raises `PromptTooLong`, `Cancelled` or `DecodeFailed`."""
        self._check_length()
        report = self._fill()
        decoded = self._decode()
        return AnswerDone(
            text=decoded.text,
            mode=self._mode,
            uses=report.uses,
            times=StageTimes(
                load_ms=report.load_ms,
                score_ms=report.score_ms,
                recompute_ms=report.recompute_ms,
                first_token_ms=decoded.first_token_ms,
                total_ms=self._ms(),
                tokens_per_s=decoded.tokens_per_s,
            ),
            num_loaded_bytes=report.num_loaded_bytes,
            num_answer_tokens=decoded.num_tokens,
            notices=tuple(self._notices),
            missing=tuple(report.missing),
        )

    def _check_length(self) -> None:
        scratch = self._context.options.batch_tokens if self._mode is Mode.BLEND else 0
        room = min(self._context.options.num_cells - scratch, self._context.model.num_trained_positions)
        wanted = self._num_prompt_tokens + self._request.max_answer_tokens
        if wanted > room:
            raise PromptTooLong(
                f"documents, question and answer need {wanted} tokens ({len(self._question)} of them are the "
                f"question's), but the context holds {room}. Ask a shorter question, or change context_tokens."
            )

    # --- the prompt

    def _fill(self) -> BlendReport:
        request = self._request
        if self._mode is Mode.BLEND and self._tools is not None:
            tools = self._tools
            blend = Blend(self._context, tools.layout, tools.shelf, self._frame.preamble, self._tell)
            try:
                return blend.run(request.chunks, self._question, request.ratio, request.strategy)
            except RedirectFailed as error:
                self._mode = Mode.EXACT
                self._notices.append(f"answered exactly: {error}")
        return self._fill_exactly()

    def _fill_exactly(self) -> BlendReport:
        started, chunks = perf_counter(), self._request.chunks
        tokens = [*self._frame.preamble, *(t for chunk in chunks for t in chunk.token_ids), *self._question]
        self._context.clear()
        self._context.prefill(tokens, 0, want_logits=True, progress=self._tell)
        uses = tuple(ChunkUse(c.chunk_id, len(c.token_ids), num_computed=len(c.token_ids)) for c in chunks)
        return BlendReport(uses=uses, recompute_ms=(perf_counter() - started) * 1e3)

    def _tell(self, num_done: int) -> None:
        self._emit(Prefilled(num_done, self._num_prompt_tokens))

    # --- the answer

    def _decode(self) -> _Decoded:
        vocabulary, stream, decoded = self._frame.vocabulary, TextStream(self._frame.vocabulary), _Decoded()
        with Sampler(self._request.sampling) as sampler:
            while True:
                token_id = sampler.next_token(self._context)
                decoded.last_token_ms = self._ms()
                decoded.first_token_ms = decoded.first_token_ms or decoded.last_token_ms
                decoded.num_tokens += 1
                if vocabulary.ends_answer(token_id):
                    break
                self._append(decoded, stream.push(token_id))
                if decoded.num_tokens == self._request.max_answer_tokens:
                    break
                position = self._num_prompt_tokens + decoded.num_tokens - 1
                self._context.decode([TokenRun([token_id], position, Context.SEQUENCE, want_logits=True)])
        self._append(decoded, stream.rest())
        return decoded

    def _append(self, decoded: _Decoded, piece: str) -> None:
        if piece:
            decoded.text += piece
            self._emit(AnswerText(piece))

    def _ms(self) -> float:
        return (perf_counter() - self._started) * 1e3
