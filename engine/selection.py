"""Which context tokens to recompute: scores in, token indices out. Pure numpy, one function per strategy.

A blended context is wrong where a token's cached rows were computed without the text that now stands before it.
Recomputing a few tokens exactly repairs most of it, if they are the right ones. What the measurements say
(Qwen2.5-Coder-1.5B Q4_K_M, MuSiQue 50 questions × 10 passages, mean KL to full prefill at 15 % recomputed):

    none (plain reuse)          .509     first tokens of each chunk (EPIC, arXiv 2410.15332; 5 %)   .392
    V deviation at layer 1      .305     (CacheBlend, arXiv 2405.16444)
    question attention          .202     (after ProphetKV, arXiv 2602.02579); the default
    attention × √deviation      .198

A token counts if the question looks at it *and* its rows are far off. But knowing how far costs as much as recomputing
3 % of the context, which is better spent on tokens: with *all* work counted (15 % and 5 % of a prefill, the question's
pass over the stale cache and layers 0-1 of the shortlist included; questions 0-6 of the same set at 15 %, and 10-20;
one H200; brackets: bootstrap 95 % of the paired difference to the second row):

                                                       15 %, 7 questions     15 %, 11 questions    5 %, 11 questions
    question attention, every 2nd layer from n/3       .109 [−.034, +.017]   –                     –
    attention × √deviation                             .119                  .139                  .237
    question attention, n/3 to n/2 (half the pass)     .140 [−.061, +.106]   .160 [−.019, +.063]   .280 [+.005, +.081]
    attention × √deviation, n/3 to n/2                 .151 [−.056, +.112]   .175 [−.016, +.088]   .262 [−.006, +.059]
    first tokens of each chunk                         .138 [+.004, +.038]   .192 [+.002, +.117]   .278 [−.025, +.124]
    V deviation at layer 1                             .142 [−.031, +.070]   .237 [+.005, +.247]   –
    none (plain reuse)                                 .133                  .379                  .379

So the default measures attention alone, in all of the scored layers; `attention-middle` is for where the question's
pass is what takes long: on an H200, over an 8B model, it saves 10 of 31 ms. (`engine.treatments` names what else was
tried; `steep bench quality` measures it.) Scores are per context token, over all chunks in prompt order; `candidates`
excludes tokens that are exact already (the first chunk, computed chunks).
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
    """The layers whose question attention is summed: every second one from the first third up (measured)."""
    return tuple(range(num_layers // 3, num_layers, 2))


def middle_layers(num_layers: int) -> tuple[int, ...]:
    """Those of them up to the middle: the question's pass over the stale cache ends there."""
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
