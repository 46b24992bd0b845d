"""One question's story: merge chunk states, score their tokens, recompute the best of them with the question.

    1. merge       per chunk, in prompt order: load and shift its state, or compute it where it has none
    2. score       question attention over the cache, then layer-1 deviation of a shortlist  (engine.scoring)
    3. select      which tokens to recompute                                                   (engine.selection)
    4. recompute   those tokens and the question, in one redirected batch                      (engine.redirect)

Afterwards the context holds the whole prompt and the logits of the answer's first token. The first chunk is exact
as loaded: it was encoded behind the same preamble at the same place. A chunk without a usable state is computed
in place over what stands before it in the cache; a ratio that recomputes all stale tokens computes it once more, and is
exact. Compute thread only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from engine import kv_state, redirect, scoring, selection
from engine.bindings import FloatArray, IntArray, TokenRun
from engine.errors import DecodeFailed
from engine.kv_layout import KvLayout
from engine.model import Context
from engine.ports import StateShelf
from engine.requests import ChunkUse, ContextChunk
from engine.selection import Scores


@dataclass(frozen=True, slots=True)
class Place:
    """A chunk's place in the prompt: tokens `[first, end)` of the context, from 0 behind the preamble."""

    chunk: ContextChunk
    first: int
    loaded: bool

    @property
    def end(self) -> int:
        return self.first + len(self.chunk.token_ids)


@dataclass(slots=True)
class BlendReport:
    """What a blend did."""

    uses: tuple[ChunkUse, ...] = ()
    missing: list[ContextChunk] = field(default_factory=list[ContextChunk])
    num_loaded_bytes: int = 0
    load_ms: float = 0.0
    score_ms: float = 0.0
    recompute_ms: float = 0.0


class Blend:
    """The blend of one question; use once."""

    def __init__(
        self,
        context: Context,
        layout: KvLayout,
        shelf: StateShelf,
        preamble: tuple[int, ...],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._context, self._layout, self._shelf, self._preamble = context, layout, shelf, preamble
        self._progress = progress
        self._report = BlendReport()
        self._places: list[Place] = []

    def run(self, chunks: Sequence[ContextChunk], question: Sequence[int], ratio: float, strategy: str) -> BlendReport:
        """Put `preamble · chunks · question` into the context; the last batch's logits are the answer's first."""
        self._merge(chunks)
        tokens = np.asarray([t for place in self._places for t in place.chunk.token_ids], np.int32)
        kv_state.assert_cells_in_order(self._context, len(self._preamble) + len(tokens))
        candidates = self._candidates(len(tokens))
        wanted = selection.num_wanted(strategy, ratio, len(tokens), candidates)
        scores = self._score(tokens, question, candidates, wanted, strategy)
        chosen = _chosen(scores, candidates, wanted, strategy)
        self._recompute(tokens, chosen, question)
        self._report.uses = tuple(self._use(place, chosen, scores.attention) for place in self._places)
        return self._report

    # --- 1. merge

    def _merge(self, chunks: Sequence[ContextChunk]) -> None:
        self._context.clear()
        self._place_preamble()
        first = 0
        for chunk in chunks:
            loaded = self._load(chunk, len(self._preamble), shift=first)
            if not loaded:
                self._compute(chunk.token_ids, len(self._preamble) + first)
                self._report.missing.append(chunk)
            self._places.append(Place(chunk, first, loaded))
            first = self._places[-1].end
            self._progress(len(self._preamble) + first)

    def _place_preamble(self) -> None:
        chunk = ContextChunk(-1, self._preamble)
        if not self._load(chunk, first_position=0, shift=0):
            self._compute(self._preamble, 0)

    def _load(self, chunk: ContextChunk, first_position: int, shift: int) -> bool:
        started = perf_counter()
        try:
            state = kv_state.fetch(self._shelf, self._layout, first_position, chunk.token_ids)
            if state is None:
                return False
            kv_state.merge(self._context, state.blob, shift)
            self._report.num_loaded_bytes += state.num_bytes
            return True
        finally:
            self._report.load_ms += _ms_since(started)

    def _compute(self, token_ids: Sequence[int], first_position: int) -> None:
        started = perf_counter()
        self._context.prefill(token_ids, first_position, progress=lambda done: self._progress(first_position + done))
        self._report.recompute_ms += _ms_since(started)

    # --- 2. score

    def _candidates(self, num_tokens: int) -> selection.BoolArray:
        candidates = np.zeros(num_tokens, np.bool_)
        for place in self._places:
            candidates[place.first : place.end] = place.loaded and place.first > 0
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
        offsets = np.concatenate([np.arange(p.end - p.first, dtype=np.int32) for p in self._places] or [tokens])
        if not wanted:
            return Scores(offsets)
        started = perf_counter()
        positions = self._positions(np.arange(len(tokens), dtype=np.int32))
        attention = deviation = None
        if needs.needs_attention:
            layers = selection.scored_layers(self._layout.num_layers)
            end = len(self._preamble) + len(tokens)
            attention = scoring.question_attention(self._context, question, end, positions, layers)
        if needs.needs_deviation:
            listed = selection.shortlist(Scores(offsets, attention), candidates, wanted)
            deviation = np.full(len(tokens), np.nan, np.float32)
            deviation[listed] = scoring.deviation(self._context, tokens[listed].tolist(), self._positions(listed))
        self._report.score_ms += _ms_since(started)
        return Scores(offsets, attention, deviation)

    # --- 4. recompute

    def _recompute(self, tokens: IntArray, chosen: IntArray, question: Sequence[int]) -> None:
        started = perf_counter()
        first, batch_tokens = len(self._preamble) + len(tokens), self._context.options.batch_tokens
        if len(question) > batch_tokens:
            # Only its last piece can share a batch with redirected tokens, and it must come after them.
            self._redirect(tokens, chosen, ())
            self._context.prefill(question, first, want_logits=True)
        else:
            self._redirect(tokens, chosen, [TokenRun(question, first, Context.SEQUENCE, want_logits=True)])
        self._report.recompute_ms += _ms_since(started)

    def _redirect(self, tokens: IntArray, chosen: IntArray, behind: Sequence[TokenRun]) -> None:
        num_behind = sum(len(run.token_ids) for run in behind)
        pieces = redirect.slices(chosen, num_behind, self._context.options.batch_tokens)
        for i, piece in enumerate(pieces):
            last = i == len(pieces) - 1
            if len(piece) or (last and behind):
                graph_pass = redirect.redirected_decode(
                    self._context, tokens[piece].tolist(), self._positions(piece), behind if last else ()
                )
                self._check_visible(graph_pass.visible_cells, len(tokens))

    def _check_visible(self, visible: selection.BoolArray | None, num_tokens: int) -> None:
        # The question's own mask, as llama.cpp filled it: all context cells, itself, and nothing else.
        end = len(self._preamble) + num_tokens
        if visible is not None and not (visible[:end].all() and visible.sum() == end + 1):
            raise DecodeFailed(f"the context does not occupy cells 0 to {end - 1}")

    def _positions(self, indices: IntArray) -> IntArray:
        return indices + np.int32(len(self._preamble))

    def _use(self, place: Place, chosen: IntArray, attention: FloatArray | None) -> ChunkUse:
        num_tokens = place.end - place.first
        recomputed = int(((chosen >= place.first) & (chosen < place.end)).sum()) if place.loaded else 0
        share = None
        if attention is not None and attention.sum() > 0:
            share = float(attention[place.first : place.end].sum() / attention.sum())
        return ChunkUse(
            chunk_id=place.chunk.chunk_id,
            num_tokens=num_tokens,
            num_loaded=num_tokens - recomputed if place.loaded else 0,
            num_recomputed=recomputed,
            num_computed=0 if place.loaded else num_tokens,
            attention=share,
        )


def _chosen(scores: Scores, candidates: selection.BoolArray, wanted: int, strategy: str) -> IntArray:
    if not wanted:
        return np.zeros(0, np.int32)
    if wanted == candidates.sum():
        # Everything stale is recomputed, so what was computed over it can become exact too.
        return np.arange(int(candidates.argmax()), len(candidates), dtype=np.int32)
    return selection.best(selection.STRATEGIES[strategy].rank(scores), candidates, wanted)


def _ms_since(started: float) -> float:
    return (perf_counter() - started) * 1e3
