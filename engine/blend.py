"""One question's story: merge new chunk states, score their tokens, recompute the best of them with the question.

    1. lead        what stands before the new chunks: the preamble's state, anything else computed
    2. place       per chunk, in prompt order: load its state and move it there, or compute it (engine.loader)
    3. score       question attention over the cache, then layer-1 deviation of a shortlist   (engine.scoring)
    4. select      which tokens to recompute                                                  (engine.selection)
    5. recompute   those tokens and the question, in one redirected batch                     (engine.redirect)

Loader threads read from the start of 1 to the end of 2. A chunk is computed where it has no usable state, or where that
is sooner than to wait for it (`engine.load_plan`); then its tokens are exact, and `ratio` is of the others.
All of it goes behind what the cache holds already. Afterwards it holds the whole prompt, and there are logits for the
answer's first token. A chunk that stands right behind the preamble is exact as loaded: its state was encoded in that
very place (`PromptFrame.first_position_at`). A chunk without a usable state is computed in place over what stands
before it in the cache; a ratio that recomputes all stale tokens computes it once more, and is exact as far as what
stood there before is. Where there is nothing to select, nothing is scored: the question's attention is then measured
while the question is computed. Compute thread only.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from engine import kv_state, redirect, scoring, selection
from engine.bindings import FloatArray, IntArray, TokenRun
from engine.errors import DecodeFailed, RedirectFailed
from engine.kv_layout import KvLayout
from engine.load_plan import ChunkToPlace, Work
from engine.loader import Loader, Loading
from engine.model import Context
from engine.ports import StateReader, StateSource
from engine.prompt import PromptFrame
from engine.requests import ContextChunk
from engine.scoring import AttentionMeter
from engine.selection import Scores
from engine.transcript import Kind, Segment
from storage.values import ChunkState

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BlendTools:
    """What blending needs besides the context; absent where the model cannot be blended."""

    layout: KvLayout
    shelf: StateReader
    loader: Loader


@dataclass(frozen=True, slots=True)
class Place:
    """A new chunk's place: tokens `[first, end)` of the new ones; the first new chunk begins at 0."""

    chunk: ContextChunk
    first: int
    loaded: bool
    stale: bool

    @property
    def end(self) -> int:
        return self.first + len(self.chunk.token_ids)


@dataclass(slots=True)
class BlendReport:
    """What was done to get a prompt into the cache; positions are those of the sequence."""

    loaded: frozenset[int] = frozenset()
    """First positions of the chunks that were loaded."""
    recomputed: IntArray = field(default_factory=lambda: np.zeros(0, np.int32))
    meter: AttentionMeter | None = None
    """What was noted for measuring the question's attention when there is time."""
    attention: FloatArray | None = None
    """The question's attention on each cell before it; None where it was not measured, or not yet."""
    missing: list[ContextChunk] = field(default_factory=list[ContextChunk])
    num_loaded_bytes: int = 0
    load_ms: float = 0.0
    score_ms: float = 0.0
    recompute_ms: float = 0.0

    def measure(self) -> None:
        """Fill in the attention, if it can be had; the answer must not wait for it."""
        if self.attention is None and self.meter is not None:
            try:
                self.attention = self.meter.attention()
            except RedirectFailed as error:
                _logger.info("the question's attention is not known: %s", error)


class Blend:
    """The blend of one question; use once."""

    def __init__(
        self,
        context: Context,
        tools: BlendTools,
        frame: PromptFrame,
        num_base_tokens: int,
        progress: Callable[[int], None],
    ) -> None:
        """`num_base_tokens` are in the cache already; `progress` gets the tokens in it as they become more."""
        self._context, self._tools, self._frame = context, tools, frame
        self._progress = progress
        self._end = num_base_tokens
        self._report = BlendReport()
        self._places: list[Place] = []
        self._layers = selection.scored_layers(tools.layout.num_layers)

    def run(
        self,
        lead: Sequence[Segment],
        chunks: Sequence[ContextChunk],
        question: Sequence[int],
        ratio: float,
        strategy: str,
        *,
        may_choose: bool = True,
    ) -> BlendReport:
        """Put `lead · chunks · question` behind what is there; the last batch's logits are the answer's first.

        Without `may_choose` every chunk that has a state is loaded, however long that takes.
        """
        if not chunks:
            self._ask((*self._place_preamble(lead), *question), len(question))
            return self._report
        self._layers = selection.STRATEGIES[strategy].layers(self._tools.layout.num_layers)
        self._first = self._end + sum(len(segment.token_ids) for segment in lead)
        work = self._work(strategy, ratio, len(question))
        with self._loading(chunks, work, may_choose=may_choose) as loading:
            self._compute(self._place_preamble(lead))
            self._place(chunks, loading)
        tokens = np.asarray([t for place in self._places for t in place.chunk.token_ids], np.int32)
        kv_state.assert_cells_in_order(self._context, self._end)
        self._settle()
        candidates = self._candidates(len(tokens))
        wanted = selection.num_wanted(strategy, ratio, len(tokens) - loading.num_chosen_tokens, candidates)
        if wanted < candidates.sum():
            wanted = selection.fitted(wanted, len(question), self._context.options.batch_tokens)
        scores = self._score(tokens, question, candidates, wanted, strategy)
        chosen = _chosen(scores, candidates, wanted, strategy)
        self._recompute(tokens, chosen, question)
        self._report.loaded = frozenset(self._first + place.first for place in self._places if place.loaded)
        self._report.recomputed = self._positions(chosen)
        return self._report

    # --- 1. lead

    def _place_preamble(self, lead: Sequence[Segment]) -> tuple[int, ...]:
        """Load the preamble, if it is to come; what of the lead is still to be computed."""
        rest = tuple(token_id for segment in lead for token_id in segment.token_ids)
        preamble = self._frame.preamble
        if lead and lead[0].kind is Kind.PREAMBLE:
            started = perf_counter()
            state = self._fetch(0, preamble)
            if state is not None:
                self._merge(state, shift=0)
                rest = rest[len(preamble) :]
            self._report.load_ms += _ms_since(started)
        return rest

    def _compute(self, token_ids: Sequence[int]) -> None:
        started, first = perf_counter(), self._end
        self._context.prefill(token_ids, first, progress=lambda done: self._progress(first + done))
        self._end += len(token_ids)
        self._report.recompute_ms += _ms_since(started)

    # --- 2. place

    def _work(self, strategy: str, ratio: float, num_question_tokens: int) -> Work:
        """What the stale tokens will cost, in tokens that go through all layers."""
        needs, num_layers = selection.STRATEGIES[strategy], self._tools.layout.num_layers
        if strategy == "none":
            return Work(0.0)
        num_scoring_tokens = scoring_ratio = 0.0
        if needs.needs_attention:
            num_scoring_tokens = num_question_tokens * (self._layers[-1] + 1) / num_layers
        if needs.needs_deviation:
            listed = min(ratio * selection.SHORTLIST_FACTOR, 1.0) if needs.needs_attention else 1.0
            scoring_ratio = listed * scoring.DEVIATION_LAYERS / num_layers
        return Work(ratio, scoring_ratio, num_scoring_tokens)

    def _loading(self, chunks: Sequence[ContextChunk], work: Work, *, may_choose: bool) -> Loading:
        position, parts, sources = self._first, list[ChunkToPlace](), list[StateSource | None]()
        for chunk in chunks:
            num_tokens = len(chunk.token_ids)
            start = self._frame.first_position_at(position)
            source = self._tools.shelf.find(start, chunk.token_ids)
            sources.append(source)
            num_bytes = source.num_bytes if source else None
            parts.append(ChunkToPlace(position, num_tokens, num_bytes, is_exact=start == position))
            position += num_tokens
        loader, check_cancelled = self._tools.loader, self._context.check_cancelled
        return loader.load(parts, sources, work, check_cancelled, may_choose=may_choose)

    def _place(self, chunks: Sequence[ContextChunk], loading: Loading) -> None:
        for chunk in chunks:
            position, started = self._end, perf_counter()
            state = loading.next_state()
            if state is None and not loading.was_chosen:
                state = self._fetch(self._frame.first_position_at(position), chunk.token_ids)
                if state is None:
                    self._report.missing.append(chunk)
            if state is not None:
                self._merge(state, shift=position - state.start_position)
            self._report.load_ms += _ms_since(started)
            if state is None:
                self._compute(chunk.token_ids)
            loading.placed()
            stale = state is not None and state.start_position != position
            self._places.append(Place(chunk, position - self._first, state is not None, stale))
            self._progress(self._end)

    def _fetch(self, first_position: int, token_ids: tuple[int, ...]) -> ChunkState | None:
        """What the shelf itself says: it removes what is no good."""
        return kv_state.fetch(self._tools.shelf, self._tools.layout, first_position, token_ids)

    def _merge(self, state: ChunkState, shift: int) -> None:
        started = perf_counter()
        kv_state.merge(self._context, state.blob, shift)
        self._tools.loader.speeds.merging.note(state.num_bytes, _ms_since(started))
        self._end += state.num_tokens
        self._report.num_loaded_bytes += state.num_bytes

    def _settle(self) -> None:
        started = perf_counter()
        self._context.settle()
        self._report.load_ms += _ms_since(started)

    # --- 3. score

    def _candidates(self, num_tokens: int) -> selection.BoolArray:
        candidates = np.zeros(num_tokens, np.bool_)
        for place in self._places:
            candidates[place.first : place.end] = place.stale
        return candidates

    def _score(
        self,
        tokens: IntArray,
        question: Sequence[int],
        candidates: selection.BoolArray,
        wanted: int,
        strategy: str,
    ) -> Scores:
        needs = selection.STRATEGIES[strategy]
        offsets = np.concatenate([np.arange(p.end - p.first, dtype=np.int32) for p in self._places])
        if wanted in (0, candidates.sum()):
            return Scores(offsets)
        started = perf_counter()
        attention = deviation = None
        if needs.needs_attention:
            self._report.attention = scoring.question_attention(
                self._context, question, self._end, self._layers, self._positions(selection.unseen_tokens(len(tokens)))
            )
            attention = self._report.attention[self._first :]
        if needs.needs_deviation:
            listed = selection.shortlist(Scores(offsets, attention), candidates, wanted)
            deviation = np.full(len(tokens), np.nan, np.float32)
            deviation[listed] = scoring.deviation(self._context, tokens[listed].tolist(), self._positions(listed))
        self._report.score_ms += _ms_since(started)
        return Scores(offsets, attention, deviation)

    # --- 5. recompute

    def _recompute(self, tokens: IntArray, chosen: IntArray, question: Sequence[int]) -> None:
        if not len(chosen) or len(question) > self._context.options.batch_tokens:
            # Only a question's last piece could share a batch with redirected tokens, and it must come after them.
            self._redirect(tokens, chosen, ())
            self._ask(question, len(question))
        else:
            self._redirect(tokens, chosen, question)

    def _ask(self, token_ids: Sequence[int], num_question_tokens: int) -> None:
        """Compute the last tokens of the prompt; they end with the question."""
        started, num_before_question = perf_counter(), len(token_ids) - num_question_tokens
        self._note_attention(self._end + num_before_question)
        scoring.metered_prefill(self._context, token_ids, self._end, num_question_tokens, self._report.meter)
        self._end += len(token_ids)
        self._report.recompute_ms += _ms_since(started)

    def _note_attention(self, num_cells: int) -> None:
        if self._report.attention is None:
            self._report.meter = AttentionMeter(self._context, num_cells, self._layers)

    def _redirect(self, tokens: IntArray, chosen: IntArray, question: Sequence[int]) -> None:
        """Recompute the chosen tokens, and the question behind them in the last batch."""
        started = perf_counter()
        if question:
            self._note_attention(self._end)
        meter = self._report.meter
        pieces = redirect.slices(chosen, len(question), self._context.options.batch_tokens)
        for i, piece in enumerate(map(redirect.late_first, pieces)):
            last = bool(question) and i == len(pieces) - 1
            if not len(piece) and not last:
                continue
            graph_pass = redirect.redirected_decode(
                self._context,
                tokens[piece].tolist(),
                self._positions(piece),
                [TokenRun(question, self._end, Context.SEQUENCE, want_logits=True)] if last else (),
                meter.watches(0, len(question)) if meter and last else None,
            )
            self._check_visible(graph_pass.visible_cells)
        self._report.recompute_ms += _ms_since(started)

    def _check_visible(self, visible: selection.BoolArray | None) -> None:
        # The question's own mask, as llama.cpp filled it: all context cells, itself, and nothing else.
        if visible is not None and not (visible[: self._end + 1].all() and visible.sum() == self._end + 1):
            raise DecodeFailed(f"the context does not occupy cells 0 to {self._end - 1}")

    def _positions(self, indices: IntArray) -> IntArray:
        return indices + np.int32(self._first)


def _chosen(scores: Scores, candidates: selection.BoolArray, wanted: int, strategy: str) -> IntArray:
    if not wanted:
        return np.zeros(0, np.int32)
    if wanted == candidates.sum():
        # Everything stale is recomputed, so what was computed over it can become exact too.
        return np.arange(int(candidates.argmax()), len(candidates), dtype=np.int32)
    return selection.best(selection.STRATEGIES[strategy].rank(scores), candidates, wanted)


def _ms_since(started: float) -> float:
    return (perf_counter() - started) * 1e3
