"""Which context tokens to recompute: scores in, token indices out. Pure numpy, one function per strategy.

A blended context is wrong where a token's cached rows were computed without the text that now stands before it.
Recomputing a few tokens exactly repairs most of it, if they are the right ones. What the measurements say, *all* work
counted (the question's pass over the stale cache, layers 0 and 1 of a shortlist, an answer that was drafted): mean KL
to full prefill, agreement of the most probable tokens, the share of a prefill's work. Qwen2.5-Coder-1.5B Q4_K_M, f16,
MuSiQue, all 50 questions × 10 passages (each one chunk), one H200, `tests/check_quality.py`; brackets: bootstrap 95 %
of the paired difference of KL to the default. Names in quotes are those of `engine.quality.treatments`.

                                                   15 %                             5 %
    question attention, every 2nd layer from n/3   .170 / .848   the default        .307 / .798
    the same, all layers (after ProphetKV)         .182 / .853   [−.016, +.046]     .323 / .798   [−.004, +.049]
    attention × √deviation                         .202 / .835   [+.002, +.069]     .325 / .804   [+.002, +.038]
    attention, n/3 to n/2 only (`-middle`)         .227 / .823   [+.016, +.112]     .347 / .778   [+.007, +.075]
    first tokens of each chunk (EPIC)              .261 / .829   [+.034, +.162]     .336 / .822   [−.010, +.074]
    K deviation at layer 1 (LMCache)               .295 / .824   [+.053, +.215]     –
    V deviation at layer 1 (CacheBlend)            .304 / .814   [+.059, +.234]     .387 / .808   [+.026, +.142]
    random tokens                                  .362 / .816   [+.101, +.308]     –
    none (plain reuse)                             .389 / .823
    noise (the same prefill in other batches)      .002 / .984

At 10 % the default has .224 / .831. A token counts if the question looks at it *and* its rows are far off, but knowing
how far costs as much as recomputing 3 % of the context, which is better spent on tokens. F1 against the right answers
stays within its noise of full prefill (default, 15 %: −.037 [−.122, +.041]).

What else was tried at 15 %, in place of the default's .170:

* The answer asks along: 8 tokens drafted over the stale context .172 [−.016, +.026]; drafted again over the half
  repaired one .205. With deviation .195. Not worth the decoding.
* Exact rows for the recomputed tokens (an oracle) with deviation: .188 against .202. So what recomputing them over
  stale neighbours loses is not much: the rows that nobody recomputes are what is wrong.
* *Filled* states, encoded behind 256 tokens of other text: **.103 / .895**, paired −.067 [−.129, −.023] (5 %: .209 /
  .821), as good behind encyclopedia articles on other subjects (.098) as behind texts of our own (`engine.filler`),
  .117 behind one long narrative. On 40 to 44 of the questions, where the default has .167: behind 128, 512, 1,024
  tokens .106, .094, .091; the mean of four such states .086 / .887; scored from the half of the layers up .088, from
  two thirds .100; by the last 8 tokens of the question .131, the maximum over its tokens .098, times the length of
  the V rows .104. Deep layers matter: only up to two thirds, the mean of four has .159.
* But all of that needs a first chunk that is exact, as its *plain* state is. With a filled state for it, too, the
  gain is gone: .182 / .867 (5 %: .307; the mean of four .175; the first tokens recomputed in any case,
  "throughout-256-front-…": not measured on enough questions to tell). So a chunk has two states (`engine.filler`), one
  for the first place and one for the others. By the gate (8 questions, contexts of 1,536 tokens) a 0.5B model then
  reaches the bar at **5 %** (KL .09, agreement .91) instead of 50 %, SmolLM2-135M at 30 % instead of nowhere (at 15 %
  it has .06 / .89 instead of .12 / .82).
* The 256 tokens in the prompt itself: .111 / .893 and an exact first chunk, but what full prefill answers gets worse
  (F1 .151 instead of .193, paired −.042 [−.099, +.005]). The same with 210 tokens that are of use, an example of two
  documents with a question that they answer and one that they do not: by the gate (`engine.gate`, contexts of 1,536
  tokens) a 0.5B model reaches the bar at 10 % instead of 50 %, SmolLM2-135M at 30 % instead of nowhere, and the 1.5B
  one at 15 %; but the 0.5B model's own answers lose (F1 .057 instead of .144 on 13 questions over four passages, two
  more of the gate's eight answered wrong). A gate sees only whether blended answers are like exact ones, not whether
  these are any good: whatever changes the prompt has to be held against right answers.
* q8_0 rows against a full prefill with f16 ones: KL +1 % [−.006, +.008] on 43 questions at half the bytes. On a CPU a
  prefill takes 1.36 times as long with them (1,600 tokens, 0.5B, one core: 31.5 and 23.1 s), so f16 is the default.

`attention-middle` is for where the question's pass is what takes long: on an H200, over an 8B model, it halves it.
Scores are per context token, over all chunks in prompt order; `candidates` excludes tokens that are exact already (the
first chunk, computed chunks).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.bindings import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]

SHORTLIST_FACTOR = 3
"""Deviation is measured only for the best `factor × wanted` tokens by attention: layer 1's rows of a token depend on
layer 0's alone, which need no context, so measuring a part gives the same numbers for it at a part of the price."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What is known per context token; arrays of shape (context tokens,)."""

    offset_in_chunk: IntArray
    attention: FloatArray | None = None
    """Attention weight that the question's tokens give, summed over tokens, heads and the scored layers."""
    deviation: FloatArray | None = None
    """Squared L2 distance of the exact V row at layer 1 to the cached one; NaN where not measured."""


def scored_layers(num_layers: int) -> tuple[int, ...]:
    """The layers whose question attention is summed: every second one from the half up (measured)."""
    return tuple(range(num_layers // 2, num_layers, 2))


def middle_layers(num_layers: int) -> tuple[int, ...]:
    """Every second one from the first third to the half: the question's pass over the stale cache ends there."""
    return tuple(range(num_layers // 3, num_layers // 2 + 1, 2))


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to rank tokens, and what it has to know for that."""

    rank: Callable[[Scores], FloatArray]
    """Higher is recomputed first; shape (context tokens,)."""
    needs_attention: bool = False
    needs_deviation: bool = False
    layers: Callable[[int], tuple[int, ...]] = scored_layers
    """Those whose attention it ranks by, of so many."""


def _first_tokens(scores: Scores) -> FloatArray:
    return -scores.offset_in_chunk.astype(np.float32)


def _deviation(scores: Scores) -> FloatArray:
    assert scores.deviation is not None
    return np.nan_to_num(scores.deviation, nan=-np.inf)


def _attention(scores: Scores) -> FloatArray:
    assert scores.attention is not None
    return scores.attention


def _attention_times_deviation(scores: Scores) -> FloatArray:
    assert scores.attention is not None
    assert scores.deviation is not None
    return np.nan_to_num(scores.attention * np.sqrt(scores.deviation), nan=-np.inf)


STRATEGIES: Mapping[str, Strategy] = {
    "none": Strategy(_first_tokens),
    "first": Strategy(_first_tokens),
    "deviation": Strategy(_deviation, needs_deviation=True),
    "attention": Strategy(_attention, needs_attention=True),
    "attention-middle": Strategy(_attention, needs_attention=True, layers=middle_layers),
    "attention-deviation": Strategy(_attention_times_deviation, needs_attention=True, needs_deviation=True),
}
DEFAULT_STRATEGY = "attention"


def num_wanted(strategy: str, ratio: float, num_context_tokens: int, candidates: BoolArray) -> int:
    """How many tokens to recompute: `ratio` of the whole context, but no more than there are candidates."""
    if strategy == "none":
        return 0
    return min(round(ratio * num_context_tokens), int(candidates.sum()))


_MOST_LEFT_OUT = 0.05
"""Of the wanted tokens; below what a measurement of quality can tell (docstring)."""


def fitted(num_wanted: int, num_question_tokens: int, batch_tokens: int) -> int:
    """So many of the wanted tokens that no batch is opened for the last few of them.

    Tokens are recomputed in batches, the last one together with the question; each batch goes through all of the
    weights (8 ms on an H200 over an 8B model, whether it has 9 tokens or 90).
    """
    left_over = (num_wanted + num_question_tokens) % batch_tokens
    is_worth_it = num_wanted + num_question_tokens > batch_tokens and left_over <= _MOST_LEFT_OUT * num_wanted
    return num_wanted - left_over if is_worth_it else num_wanted


def best(ranks: FloatArray, candidates: BoolArray, num_wanted: int) -> IntArray:
    """Indices of the `num_wanted` best candidates, ascending; among equals the earlier token."""
    ranks = np.where(candidates, ranks, -np.inf)
    order = np.argsort(-ranks, kind="stable")[:num_wanted]
    return np.sort(order).astype(np.int32)


def shortlist(scores: Scores, candidates: BoolArray, num_wanted: int) -> IntArray:
    """Tokens whose deviation is worth measuring: the best by attention, or all candidates without it."""
    if scores.attention is None:
        return np.flatnonzero(candidates).astype(np.int32)
    wanted = min(SHORTLIST_FACTOR * num_wanted, int(candidates.sum()))
    return best(scores.attention, candidates, wanted)
