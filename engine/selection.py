"""Which context tokens to recompute: scores in, token indices out. Pure numpy, one function per strategy.

A blended context is wrong where a token's cached rows were computed without the text that now stands before it.
Recomputing a few tokens exactly repairs most of it, if they are the right ones, and if the rows of the others are not
far off: each chunk has a *plain* state, encoded right behind the preamble, for the first place of a prompt, where it is
exact, and a *filled* one, encoded behind other text besides, for any other place (`engine.filler`).

What the measurements say, *all* work counted (the question's pass over the stale cache, layers 0 and 1 of a shortlist,
an answer that was drafted): mean KL to full prefill, agreement of the most probable tokens, the share of a prefill's
work. Qwen2.5-Coder-1.5B Q4_K_M, f16, MuSiQue, all 50 questions × 10 passages (each one chunk), one H200,
`tests/check_quality.py`; brackets: bootstrap 95 % of the paired difference of KL to the default. Names in quotes are
those of `engine.quality.treatments`.

                                                   15 %                             5 %
    filled states (512 tokens), question attention
    of every 2nd layer from the half up            .088 / .905   the default        .188 / .848
    from the half to two thirds (`-middle`)        .120 / .882   [+.005, +.066]     .198 / .836   [−.007, +.027]
    every 2nd layer from n/3 up                    .102 / .891   [−.001, +.029]     .214 / .830   [+.008, +.046]
    the default behind 256 tokens                  .095 / .901   [−.007, +.024]     .209 / .836   [−.000, +.043]
    the default behind 1,024 tokens                .093 / .886   [−.016, +.028]     .207 / .836   [+.003, +.035]
    one plain state for all places                 .163 / .871   [+.029, +.141]     .296 / .811   [+.039, +.208]
    the same, layers from n/3 up                   .170 / .848   [+.039, +.142]     .307 / .798   [+.037, +.242]

    over plain states:
    attention, all layers (after ProphetKV)        .182 / .853                      .323 / .798
    attention × √deviation                         .202 / .835                      .325 / .804
    first tokens of each chunk (EPIC)              .261 / .829   [+.086, +.297]     .336 / .822   [+.054, +.275]
    K deviation at layer 1 (LMCache)               .295 / .824                      –
    V deviation at layer 1 (CacheBlend)            .304 / .814   [+.116, +.366]     .387 / .808   [+.094, +.337]
    random tokens                                  .362 / .816                      –
    none (plain reuse)                             .389 / .823
    noise (the same prefill in other batches)      .002 / .984

At 10, 20 and 30 % the default has .133 / .864, .066 / .908 and .046 / .929. Its means at 15 % lie in [.066, .114] and
[.865, .939]. F1 against the right answers stays within its noise of full prefill: −.066 [−.139, +.001] at 15 %, −.035
[−.137, +.060] at 5 %. With a 0.5B model on the same questions, at 5, 15 and 30 %: .154 / .888, .109 / .903, .064 /
.916, and with one plain state (layers from n/3) .220 / .855, .158 / .875, .097 / .894. With SmolLM2-135M (Llama
architecture, six passages) both have the same: .09, .07 and .06.

A token counts if the question looks at it *and* its rows are far off, but knowing how far costs as much as recomputing
3 % of the context, which is better spent on tokens.

What else was tried at 15 %. Over plain states, scored from n/3 up, in place of .170:

* The answer asks along: 8 tokens drafted over the stale context .172 [−.016, +.026]; drafted again over the half
  repaired one .205. With deviation .195. Not worth the decoding.
* Exact rows for the recomputed tokens (an oracle) with deviation: .188 against .202. So what recomputing them over
  stale neighbours loses is not much: the rows that nobody recomputes are what is wrong.
* Attention of n/3 to n/2 only: .227 / .823 (over filled states .207 / .838): deep layers matter.
* The most attended chunk first, in full prefill and blend alike: no closer than in the order of the documents (filled
  .127 / .897, plain .195 / .864).
* 256 tokens of other text in the prompt itself: .111 / .893 and an exact first chunk, but what full prefill answers
  gets worse (F1 .151 instead of .193, paired −.042 [−.099, +.005]). The same with 210 tokens that are of use, an
  example of two documents with a question that they answer and one that they do not: by the gate (`engine.gate`,
  contexts of 1,536 tokens) a 0.5B model reaches the bar at 10 % instead of 50 %, SmolLM2-135M at 30 % instead of
  nowhere, and the 1.5B one at 15 %; but the 0.5B model's own answers lose (F1 .057 instead of .144 on 13 questions over
  four passages, two more of the gate's eight answered wrong). A gate sees only whether blended answers are like exact
  ones, not whether these are any good: whatever changes the prompt has to be held against right answers.

Over filled states:

* All of it needs a first chunk that is exact. With a filled state for it, too, the gain is gone: .182 / .867 (5 %:
  .307; the mean of four such states .175); recomputing its first 64 tokens in any case does not bring it back (.175 /
  .852, 5 %: .318).
* Which text does not matter much: 256 tokens of encyclopedia articles on other subjects .098, texts of our own .103, a
  long narrative .117 (layers from n/3 up, as all that follow). The mean of four states .086 / .887, for four times the
  steeping.
* Attention × √(how far the filled rows are from the plain ones), measured when the chunk was steeped: .088 / .897, but
  at 5 % .230 / .831 [+.016, +.079].
* What the question sees while it is scored (0.5B, four passages, 10 %, up to 35 questions, on a CPU, where that pass
  takes as long as there are cells to see; all of it .105 / .912): every 4th token .107 / .902 [−.010, +.016], in half
  the time, which pays for recomputing another 1 % of the context, worth .01; every 2nd .111 / .894 [−.003, +.017],
  every 8th (11 questions) +.018 [−.002, +.046], one block of 64 in four (7) +.013, the first quarter of each chunk (11)
  +.026, nothing (8) +.067 [+.013, +.165].
* Half of the tokens, the least attended ones, hidden from question and answer: .36 in place of .08 (8 questions, as
  above) [+.011, +.792], and .41 where what is hidden is chosen before anything was seen. Over plain states it cost
  nothing that could be measured, next to what else was wrong.
* From two thirds of the layers up .100; by the last 8 tokens of the question .131, by the maximum over its tokens .098,
  times the length of the V rows .104.
* q8_0 rows against a full prefill with f16 ones: .086 / .900 and .190 / .844, as f16's, at half the bytes. On a CPU a
  prefill takes 1.36 times as long with them (1,600 tokens, 0.5B, one core: 31.5 and 23.1 s), so f16 is the default.

`attention-middle` is for where the question's pass is what takes long: on a GPU it ends after two thirds of it.
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


SEEN_EVERY = 4
"""See `unseen_tokens`."""


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
    """Those of them up to two thirds: the question's pass over the stale cache ends there."""
    return tuple(range(num_layers // 2, 2 * num_layers // 3 + 1, 2))


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


def unseen_tokens(num_tokens: int, seen_every: int = SEEN_EVERY) -> IntArray:
    """The tokens of a context that its question does without while it is scored: all but every so many-th."""
    indices = np.arange(num_tokens, dtype=np.int32)
    return indices[indices % seen_every != 0]


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
