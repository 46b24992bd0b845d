"""Load or compute: for every chunk of a prompt, whatever gives the first token soonest. Pure; no clock, no thread.

Chunks stand in the cache in prompt order, so they are placed from the front; their states can be read in any order.
Two things go on at once (Cake, arXiv 2410.03065, joined with blending): loader threads read states, and the compute
thread places chunks, by loading a state that was read or by computing its tokens. With `num_computed` chunks from the
front to be computed, states are read from the last chunk backwards, and the two meet in the middle; with none, states
are read from the front, so that placing begins at once.

    end = place all chunks: computed ones one after the other, loaded ones as soon as they are read
        + score and recompute `ratio` of what is stale     (nothing where every chunk was computed)

`plan` tries every number of computed chunks against measured rates and takes the soonest: all of them is a full
prefill, none is a blend, so it is never later than either as far as the rates are right. Where they are not, `Schedule`
asks again with what was measured meanwhile. What loading takes longer than computing is spent on exact chunks, not on
a higher ratio (CacheBlend's controller): tokens cannot be selected before everything is loaded, because the question
has to see all of it first, but a chunk in front can be computed, and takes its tokens out of what is stale.

All rows of a state are loaded. To read the keys of the scored layers first, and then only what the question attends to,
would save 44 % of the bytes at half of the tokens, and cost more than blending itself does: four times its KL, and five
times where the choice is made before the rest is read (`engine.selection`). Computing chunks meanwhile costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.values import Rates

_CLEARLY_SOONER = 0.97
"""For computing everything: how long that takes is known to a few per cent."""

_CLEARLY_SOONER_TOGETHER = 0.9
"""For computing some chunks while others are read: how long that takes is known to a tenth (threads start, the first
pieces are late), and a chunk that was computed in vain costs most of a blend. On an H200, 3 % in place of 10 made first
tokens 7 to 12 % later than loading everything at 25 to 100 Gbit/s. Where it helps much it helps by more: 25 % at 7."""


@dataclass(frozen=True, slots=True)
class ChunkToPlace:
    """A chunk of the prompt that is not in the cache yet."""

    first_position: int
    num_tokens: int
    num_bytes: int | None
    """Of its state that are still to be read; None where it has no state, 0 where it is read."""
    is_exact: bool = False
    """Its state was made in this very place: nothing of it is stale when it is loaded."""


@dataclass(frozen=True, slots=True)
class Work:
    """What follows once all chunks are placed, as shares of what computing the tokens would take."""

    ratio: float
    """Of the stale tokens, recomputed through all layers."""
    scoring_ratio: float = 0.0
    """Of the stale tokens, in equivalents of tokens that are recomputed through all layers to score them."""
    num_scoring_tokens: float = 0.0
    """The same for what is scored once per question: its tokens times the share of layers."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The first `num_computed` of the chunks are computed, the others loaded where they have a state."""

    num_computed: int
    expected_ms: float

    @property
    def reads_backwards(self) -> bool:
        return self.num_computed > 0


def plan(chunks: Sequence[ChunkToPlace], rates: Rates, work: Work, *, has_begun: bool = False) -> LoadPlan:
    """The soonest way, or to load everything where that is nearly as soon. Takes 5 to 20 µs per way and chunk.

    `has_begun`: chunks before these were computed while states are read from the back: the rates have shown themselves.
    """
    clearly_together = _CLEARLY_SOONER if has_begun else _CLEARLY_SOONER_TOGETHER
    all_loaded = LoadPlan(0, expected_ms(chunks, 0, rates, work))
    best = all_loaded
    for num_computed in _worth_trying(chunks, rates):
        ms = expected_ms(chunks, num_computed, rates, work)
        clearly = _CLEARLY_SOONER if num_computed == len(chunks) else clearly_together
        if ms < min(best.expected_ms, clearly * all_loaded.expected_ms):
            best = LoadPlan(num_computed, ms)
    return best


def _worth_trying(chunks: Sequence[ChunkToPlace], rates: Rates) -> Sequence[int]:
    """Numbers of computed chunks; where everything is read before the first could be computed, all or none."""
    if not chunks:
        return ()
    reading_ms = sum(rates.read_ms(chunk.num_bytes or 0) for chunk in chunks)
    return (len(chunks),) if reading_ms <= compute_ms(chunks[0], rates) else range(1, len(chunks) + 1)


def expected_ms(chunks: Sequence[ChunkToPlace], num_computed: int, rates: Rates, work: Work) -> float:
    """Milliseconds until the question can be computed, if the first `num_computed` chunks are computed."""
    ready = _ready_ms(chunks, num_computed, rates)
    now, stale_tokens, stale_ms = 0.0, 0, 0.0
    for i, chunk in enumerate(chunks):
        if i < num_computed or chunk.num_bytes is None:
            now += compute_ms(chunk, rates)
            continue
        now = max(now, ready[i]) + rates.merge_ms(chunk.num_bytes)
        if not chunk.is_exact:
            stale_tokens += chunk.num_tokens
            stale_ms += compute_ms(chunk, rates)
    if not stale_tokens or not work.ratio:
        return now
    end = chunks[-1].first_position + chunks[-1].num_tokens
    once_ms = work.num_scoring_tokens * rates.prefill_ms_of_token(end)
    return now + (work.ratio + work.scoring_ratio) * stale_ms + once_ms


def compute_ms(chunk: ChunkToPlace, rates: Rates) -> float:
    """Milliseconds that computing a chunk takes behind everything before it."""
    return chunk.num_tokens * rates.prefill_ms_of_token(chunk.first_position + chunk.num_tokens / 2)


def _ready_ms(chunks: Sequence[ChunkToPlace], num_computed: int, rates: Rates) -> dict[int, float]:
    """When each state that is to be loaded is read."""
    order = [i for i, chunk in enumerate(chunks) if i >= num_computed and chunk.num_bytes is not None]
    if num_computed:
        order.reverse()
    ready, now = dict[int, float](), 0.0
    for i in order:
        now += rates.read_ms(chunks[i].num_bytes or 0)
        ready[i] = now
    return ready
