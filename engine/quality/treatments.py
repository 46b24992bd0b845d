"""Ways to make a stale context answer like an exact one, by name: baselines, ours, candidates, and oracles that cheat.

A treatment gets a `Specimen` whose budget is *all* the work it may do (see there), so treatments at the same ratio are
compared at equal cost: whoever measures more recomputes less. `FIXED` ones do always the same, whatever the budget.

Two ideas need no measurement. Recomputing the same tokens twice in order changes nothing: a token sees earlier ones
only, and those have their new rows before it attends, so one pass is a fixed point already. And recomputing everything
in the last layers alone would have to begin from hidden states, which a graph of llama.cpp cannot be given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import scoring
from engine.bindings import FloatArray, IntArray, llama
from engine.errors import RedirectFailed
from engine.quality.specimen import PLAIN, BoolArray, Specimen, StateKind, Treat
from engine.rotation import Rotation, rotation_of
from engine.selection import SEEN_EVERY, best, middle_layers, scored_layers

_FILLER_TOKENS = 256
"""Tokens of other text that chunks are encoded behind, unless said."""

OUR_FILLER_TOKENS = 512
"""What the program encodes chunks behind, unless a setting says otherwise."""

_NEOX = 2
"""llama_rope_type of models that pair the halves of a head (llama.h)."""

Layers = Callable[[int], Sequence[int]]
"""Which layers are scored, of so many."""


def middle_third(num_layers: int) -> Sequence[int]:
    """From the first third to the half."""
    return range(num_layers // 3, num_layers // 2 + 1)


def around_half(num_layers: int) -> Sequence[int]:
    """Three layers at the half."""
    return range(num_layers // 2 - 1, num_layers // 2 + 2)


def from_one_third(num_layers: int) -> Sequence[int]:
    """Every second layer from the first third up."""
    return range(num_layers // 3, num_layers, 2)


def third_to_half(num_layers: int) -> Sequence[int]:
    """Every second layer from the first third to the half."""
    return range(num_layers // 3, num_layers // 2 + 1, 2)


def to_two_thirds(num_layers: int) -> Sequence[int]:
    """Every second layer from the first to the second third."""
    return range(num_layers // 3, 2 * num_layers // 3 + 1, 2)


def last_third(num_layers: int) -> Sequence[int]:
    """Every second layer from two thirds up."""
    return range(2 * num_layers // 3, num_layers, 2)


def to_four_fifths(num_layers: int) -> Sequence[int]:
    """Every second layer from the first third to four fifths."""
    return range(num_layers // 3, 4 * num_layers // 5 + 1, 2)


def all_layers(num_layers: int) -> Sequence[int]:
    """All of them."""
    return range(num_layers)


def one_layer(numerator: int, denominator: int) -> Layers:
    """The layer at this fraction of the depth."""
    return lambda num_layers: (numerator * num_layers // denominator,)


# --- picking


def affordable(specimen: Specimen, work_per_token: float = 1.0) -> int:
    """How many candidates the rest of the budget pays for."""
    num = int((specimen.budget - specimen.work) / work_per_token)
    return min(max(num, 0), int(specimen.laid.candidates.sum()))


def by_attention_and_deviation(
    specimen: Specimen, attention: FloatArray, factor: float, *, work_per_token: float = 1.0, exponent: float = 0.5
) -> FloatArray:
    """Attention × √deviation of the best `factor` × affordable tokens by attention; −inf for all others."""
    candidates = specimen.laid.candidates
    wanted = affordable(specimen, work_per_token + factor * 2 / specimen.num_layers)
    listed = best(attention, candidates, min(int(factor * wanted), int(candidates.sum())))
    ranks = np.full(specimen.num_tokens, -np.inf, np.float32)
    ranks[listed] = attention[listed] * specimen.deviation(listed) ** exponent
    return ranks


def take_best(specimen: Specimen, ranks: FloatArray, num: int | None = None) -> IntArray:
    """The best ranked candidates that the budget pays for, or `num` of them."""
    return best(ranks, specimen.laid.candidates, affordable(specimen) if num is None else num)


def pooled(ranks: FloatArray, chunk_of: IntArray, width: int) -> FloatArray:
    """The maximum over `width` neighbours of the same chunk."""
    out = ranks.copy()
    for step in range(1, width // 2 + 1):
        same = chunk_of[step:] == chunk_of[:-step]
        out[step:][same] = np.maximum(out[step:], ranks[:-step])[same]
        out[:-step][same] = np.maximum(out[:-step], ranks[step:])[same]
    return out


# --- baselines


def reuse(_specimen: Specimen) -> None:
    """Plain reuse: rows are shifted to their places, and that is all."""


def random_tokens(specimen: Specimen) -> None:
    """Tokens at random, the same ones for the same question."""
    random = np.random.default_rng(sum(specimen.case.question))
    ranks = random.random(specimen.num_tokens).astype(np.float32)
    specimen.recompute(take_best(specimen, ranks))


def first_tokens(specimen: Specimen, num: int | None = None) -> None:
    """EPIC / LegoLink (arXiv 2410.15332): the first `num` tokens of each chunk, or as many as can be paid for."""
    offsets, candidates = specimen.laid.offset_in_chunk, specimen.laid.candidates
    if num is None:
        specimen.recompute(take_best(specimen, -offsets.astype(np.float32)))
    else:
        specimen.recompute(np.flatnonzero(candidates & (offsets < num)).astype(np.int32))


def cacheblend(specimen: Specimen, *, of_keys: bool = False) -> None:
    """CacheBlend (arXiv 2405.16444, released code): all tokens through layers 0 and 1, then those whose V rows at
    layer 1 are farthest (squared L2) through the rest, one choice for all layers. LMCache's blender compares K after
    RoPE instead. The selected tokens are not charged for layers 0 and 1 again, as there."""
    candidates = np.flatnonzero(specimen.laid.candidates).astype(np.int32)
    ranks = np.full(specimen.num_tokens, -np.inf, np.float32)
    ranks[candidates] = specimen.deviation(candidates, of_keys=of_keys)
    share = 1 - 2 / specimen.num_layers
    chosen = take_best(specimen, ranks, affordable(specimen, share))
    specimen.recompute(chosen)
    specimen.work -= (1 - share) * len(chosen)


def prophet(specimen: Specimen, layers: Layers = all_layers) -> None:
    """After ProphetKV (arXiv 2602.02579): the tokens that the question attends to over the stale keys, fused over all
    layers; the second of its two stages (the choice fused over layers), not its per-layer one."""
    specimen.recompute(take_best(specimen, specimen.attention(layers(specimen.num_layers))))


# --- attention, with and without deviation


def weighed(
    specimen: Specimen,
    *,
    layers: Layers = from_one_third,
    factor: float = 3,
    last_tokens: int | None = None,
    highest: bool = False,
    pool: int = 1,
    exponent: float = 0.5,
    depth: float = 1.0,
    num_drafted: int = 0,
) -> IntArray:
    """Question attention × √deviation (DESIGN section 3). `pool`: neighbours come along; `depth`: the chosen tokens are
    recomputed in so many of the layers only, the first ones, and more of them; `num_drafted`: tokens of an answer
    drafted over the stale context ask along. Returns the tokens, best first."""
    attention = specimen.attention(
        layers(specimen.num_layers), last_tokens=last_tokens, highest=highest, num_drafted=num_drafted
    )
    attention = pooled(attention, specimen.laid.chunk_of, pool)
    num_layers = max(round(depth * specimen.num_layers), 2)
    share = num_layers / specimen.num_layers
    ranks = by_attention_and_deviation(specimen, attention, factor, work_per_token=share, exponent=exponent)
    ranks = pooled(ranks, specimen.laid.chunk_of, pool)
    chosen = take_best(specimen, ranks, affordable(specimen, share))
    specimen.recompute(chosen, num_layers=num_layers)
    return chosen[np.argsort(-ranks[chosen], kind="stable")]


def _weighed(**wish: object) -> Treat:
    def treat(specimen: Specimen) -> None:
        weighed(specimen, **wish)  # pyright: ignore[reportArgumentType] - checked by the signature at the first use

    return treat


def attention_only(
    specimen: Specimen,
    layers: Layers = from_one_third,
    *,
    highest: bool = False,
    num_drafted: int = 0,
    last_tokens: int | None = None,
    seen_every: int = 1,
) -> None:
    """Question attention of some layers, nothing else measured; the rest as in `weighed` and `Specimen.attention`."""
    attention = specimen.attention(
        layers(specimen.num_layers),
        highest=highest,
        num_drafted=num_drafted,
        last_tokens=last_tokens,
        seen_every=seen_every,
    )
    specimen.recompute(take_best(specimen, attention))


def ours(specimen: Specimen, seen_every: int | None = None) -> None:
    """What the program does, scoring included; `seen_every`: of the context's tokens, not what it takes here."""
    if seen_every is None:
        seen_every = SEEN_EVERY if scoring.pays_per_cell(specimen.context, len(specimen.case.question)) else 1
    attention_only(specimen, scored_layers, seen_every=seen_every)


def front_first(specimen: Specimen, num: int) -> None:
    """The first tokens of the context in any case, which see nothing stale and so come out exact; then by question
    attention."""
    ranks = specimen.attention(from_one_third(specimen.num_layers))
    ranks[:num] = np.inf
    specimen.recompute(take_best(specimen, ranks))


def redrafted(specimen: Specimen, first_share: float = 0.4) -> None:
    """A first part by question attention; then an answer is drafted over the context as it is by then, and what its
    tokens and the question attend to gets the rest."""
    scored, budget = from_one_third(specimen.num_layers), specimen.budget
    specimen.budget = first_share * budget
    attention_only(specimen, middle_third)
    specimen.budget = budget
    ranks = np.where(specimen.recomputed, -np.inf, specimen.drafted_attention_now(scored)).astype(np.float32)
    specimen.recompute(take_best(specimen, ranks))


def attention_times_value(specimen: Specimen, layers: Layers = from_one_third) -> None:
    """Question attention × the length of the stale V row it brings, layer by layer: nothing further is measured."""
    total = np.zeros(specimen.num_tokens, np.float32)
    for layer in layers(specimen.num_layers):
        values = specimen.rows.values(specimen.laid.stale.v[layer][specimen.first :])
        total += specimen.attention((layer,)) * np.linalg.norm(values, axis=1)
    specimen.recompute(take_best(specimen, total))


def attention_times_offline_deviation(specimen: Specimen) -> None:
    """Question attention × √(how far the token's rows are from those of a second state of the chunk, encoded behind
    some other text when it was steeped): all layers' deviation, and nothing measured at the question."""
    deviation = specimen.offline_deviation(filled(_FILLER_TOKENS))
    attention = specimen.attention(from_one_third(specimen.num_layers))
    specimen.recompute(take_best(specimen, attention * np.sqrt(deviation)))


def attention_times_context_dependence(specimen: Specimen, num_filler_tokens: int, exponent: float = 0.5) -> None:
    """Over filled states: question attention × √(how far the token's rows are from those of its chunk's plain state,
    which is there for the first place), all layers, measured when the chunk was steeped."""
    specimen.lay(specimen.order, filled(num_filler_tokens))
    deviation = specimen.offline_deviation(PLAIN)
    attention = specimen.attention(scored_layers(specimen.num_layers))
    specimen.recompute(take_best(specimen, (attention * deviation**exponent).astype(np.float32)))


def attention_times_spread(specimen: Specimen) -> None:
    """Over the mean of states behind four other texts: attention × √(how far that mean is from one of them)."""
    specimen.lay(specimen.order, *FILLED_APART)
    deviation = specimen.offline_deviation(FILLED_APART[0])
    attention = specimen.attention(to_two_thirds(specimen.num_layers))
    specimen.recompute(take_best(specimen, attention * np.sqrt(deviation)))


def two_rounds(specimen: Specimen, first_share: float = 2 / 3) -> None:
    """Two thirds by `weighed`; then the question looks again, over the repaired context, for *other* tokens."""
    budget, layers = specimen.budget, from_one_third(specimen.num_layers)
    second_look = len(specimen.case.question) * (max(layers) + 1) / specimen.num_layers
    specimen.budget = first_share * (budget - second_look)
    weighed(specimen, factor=2)
    specimen.budget = budget
    ranks = np.where(specimen.recomputed, -np.inf, specimen.attention_now(layers)).astype(np.float32)
    specimen.recompute(take_best(specimen, ranks))


def two_hops_late(specimen: Specimen, first_share: float = 2 / 3) -> None:
    """Two thirds by `weighed`; then the tokens that those attended to meanwhile. They are repaired too late for the
    first, not for the question."""
    chosen, budget = _first_choice(specimen, first_share)
    heard = specimen.recompute_and_trace(np.sort(chosen), chosen, to_two_thirds(specimen.num_layers))
    specimen.budget = budget
    specimen.recompute(take_best(specimen, np.where(specimen.recomputed, -np.inf, heard).astype(np.float32)))


def two_hops(specimen: Specimen, first_share: float = 0.6) -> None:
    """After RelaxKV (arXiv 2609.33503): the context that recomputed tokens attend to. The chosen tokens run through
    the first third of the layers, what they attend to there is chosen too, then all of them run in position order."""
    chosen, budget = _first_choice(specimen, first_share)
    third = specimen.num_layers // 3
    heard = specimen.recompute_and_trace(np.sort(chosen), chosen, range(third // 2, third), num_layers=third + 1)
    specimen.budget = budget
    ranks = np.where(specimen.recomputed, np.inf, heard).astype(np.float32)
    specimen.recompute(take_best(specimen, ranks))


def _first_choice(specimen: Specimen, share: float) -> tuple[IntArray, float]:
    """What `weighed` would choose for a share of the budget, best first, not recomputed yet; and the whole budget."""
    budget = specimen.budget
    specimen.budget = share * budget
    attention = specimen.attention(from_one_third(specimen.num_layers))
    ranks = by_attention_and_deviation(specimen, attention, 2)
    chosen = take_best(specimen, ranks)
    return chosen[np.argsort(-ranks[chosen], kind="stable")], budget


def per_chunk(specimen: Specimen) -> None:
    """As `weighed`, but every stale chunk gets the same number of tokens."""
    attention = specimen.attention(from_one_third(specimen.num_layers))
    ranks = by_attention_and_deviation(specimen, attention, 3)
    place_in_chunk = np.full(specimen.num_tokens, np.inf, np.float32)
    for chunk in np.unique(specimen.laid.chunk_of):
        members = np.flatnonzero(specimen.laid.chunk_of == chunk)
        place_in_chunk[members[np.argsort(-ranks[members], kind="stable")]] = np.arange(len(members))
    specimen.recompute(take_best(specimen, np.where(np.isfinite(ranks), -place_in_chunk, -np.inf).astype(np.float32)))


def best_chunk_whole(specimen: Specimen) -> None:
    """The most attended stale chunk first, whole, then `weighed`."""
    attention = specimen.attention(from_one_third(specimen.num_layers))
    chunk_of = specimen.laid.chunk_of
    share = np.bincount(chunk_of, np.where(specimen.laid.candidates, attention, 0))
    ranks = by_attention_and_deviation(specimen, attention, 1.5)
    bonus = np.where(chunk_of == share.argmax(), np.float32(1e6), 0)
    specimen.recompute(take_best(specimen, np.where(np.isfinite(ranks), ranks, 0) + bonus))


# --- first tokens of chunks, as sinks of attention


def sinks_first(specimen: Specimen, num: int = 4) -> None:
    """The first tokens of every stale chunk in any case, the rest by `weighed`: in a chunk's state they collect
    attention as a prompt's first tokens do."""
    sinks = _sinks(specimen, num)
    attention = specimen.attention(from_one_third(specimen.num_layers))
    specimen.charge(len(sinks), specimen.num_layers)
    ranks = by_attention_and_deviation(specimen, attention, 2)
    specimen.charge(-len(sinks), specimen.num_layers)
    ranks[sinks] = np.inf
    specimen.recompute(take_best(specimen, ranks))


def sinks_hidden(specimen: Specimen, num: int = 4) -> None:
    """As `weighed`; then the question does not see the first tokens of stale chunks."""
    weighed(specimen)
    specimen.hide(_sinks(specimen, num))


def sinks_weakened(specimen: Specimen, bias: float, num: int = 4) -> None:
    """As `weighed`; then the question's attention logits of the first tokens of stale chunks are lowered."""
    weighed(specimen)
    specimen.weaken(_sinks(specimen, num), bias)


def stale_weakened(specimen: Specimen, bias: float) -> None:
    """As `weighed`; then the question's attention logits of all tokens that stayed stale are lowered (scaling, as in
    APE, arXiv 2502.05431)."""
    weighed(specimen)
    specimen.weaken(_stale(specimen), bias)


def stale_sharpened(specimen: Specimen, temperature: float) -> None:
    """As `weighed`; then the keys of all tokens that stayed stale are divided by a temperature (APE, arXiv
    2502.05431)."""
    weighed(specimen)
    stale, rows = specimen.first + _stale(specimen), specimen.rows
    now = rows.read(specimen.end)
    for layer, (k, v) in enumerate(zip(now.k, now.v, strict=True)):
        k[stale] = rows.bytes_of(rows.values(k[stale]) * np.float32(1 / temperature))
        rows.write(layer, k, v)


def _sinks(specimen: Specimen, num: int) -> IntArray:
    return np.flatnonzero(specimen.laid.candidates & (specimen.laid.offset_in_chunk < num)).astype(np.int32)


def _stale(specimen: Specimen) -> IntArray:
    return np.flatnonzero(specimen.laid.candidates & ~specimen.recomputed).astype(np.int32)


# --- what stays stale


_LEAST_PROBES = 4
"""Recomputed tokens in a chunk from which an offset is taken; fewer say nothing."""


def offset(specimen: Specimen, *, shrink: float = 0.5, keys: bool = True) -> None:
    """After AgentKVShift (arXiv 2607.21604): `weighed`; then the mean difference of exact and stale rows of a chunk's
    recomputed tokens, per layer, is added to its stale ones, V and un-rotated K, shrunk."""
    weighed(specimen)
    laid, rows = specimen.laid, specimen.rows
    head_dim, now = laid.queries[1][0].shape[2], specimen.rows.read(specimen.end)
    rotation = _rotation(specimen, head_dim) if keys else None
    for chunk in np.unique(laid.chunk_of[specimen.recomputed]):
        members = laid.chunk_of == chunk
        fresh, stale = (_positions(specimen, members & which) for which in (specimen.recomputed, ~specimen.recomputed))
        if len(fresh) < _LEAST_PROBES:
            continue
        for layer, (k, v) in enumerate(zip(now.k, now.v, strict=True)):
            drift = rows.values(v[fresh]) - rows.values(laid.stale.v[layer][fresh])
            v[stale] = rows.bytes_of(_plus(rows.values(v[stale]), shrink * _mean(drift)))
            if rotation:
                drift = rows.values(k[fresh]) - rows.values(laid.stale.k[layer][fresh])
                mean = _mean(rotation.turned(drift, -fresh, head_dim))
                turned = rotation.turned(np.tile(mean, (len(stale), 1)), stale, head_dim)
                k[stale] = rows.bytes_of(_plus(rows.values(k[stale]), shrink * turned))
    for layer, (k, v) in enumerate(zip(now.k, now.v, strict=True)):
        rows.write(layer, k, v)


def _positions(specimen: Specimen, which: BoolArray) -> IntArray:
    return (specimen.first + np.flatnonzero(which)).astype(np.int32)


def _mean(values: FloatArray) -> FloatArray:
    return values.mean(axis=0).astype(np.float32)


def _plus(values: FloatArray, change: npt.NDArray[Any]) -> FloatArray:
    return (values + change).astype(np.float32)


def _rotation(specimen: Specimen, head_dim: int) -> Rotation:
    if specimen.rows.type not in ("f16", "f32"):
        raise RedirectFailed("quantised keys are kept rotated twice; turn only those of kv_type f16")
    model = specimen.context.model
    in_halves = llama.llama_model_rope_type(model.handle) == _NEOX
    return rotation_of(model.metadata, head_dim, in_halves=in_halves)


# --- other states of the chunks


def filled(num_tokens: int, start: int = 0, *, even_first: bool = False) -> StateKind:
    """Encoded behind so many tokens of some other text, so that a chunk's first tokens are not those of a prompt."""
    return StateKind(num_filler_tokens=num_tokens, filler_start=start, even_first=even_first)


PRECEDED = StateKind(num_preceding_tokens=_FILLER_TOKENS)
"""Encoded behind the text that stands before the chunk in its document."""

FILLED_APART = tuple(filled(_FILLER_TOKENS, start) for start in range(0, 4 * _FILLER_TOKENS, _FILLER_TOKENS))
"""Encoded behind one of four other texts."""

LONGEST_FILLER_TOKENS = 1024
"""What is used of the other text at once, at most."""


def over_states(treat: Treat, *kinds: StateKind) -> Treat:
    """A treatment over other states of the chunks, or the mean of several (after FusionRAG, arXiv 2601.12904, which
    encodes chunks behind their most similar ones when the machine is idle)."""

    def treat_over(specimen: Specimen) -> None:
        specimen.lay(specimen.order, *kinds)
        treat(specimen)

    return treat_over


def drop_chunks(specimen: Specimen, keep_share: float = 0.5) -> None:
    """Only the most attended chunks stay: the context is laid anew without the others, and `weighed` looks again."""
    attention = specimen.attention(from_one_third(specimen.num_layers))
    mass = np.bincount(specimen.laid.chunk_of, attention)
    num_kept = max(round(keep_share * len(mass)), 1)
    kept: list[int] = np.sort(np.argsort(-mass, kind="stable")[:num_kept]).tolist()
    specimen.keep_chunks(kept)
    weighed(specimen)


# --- oracles: they know the full prefill


def oracle_attention(specimen: Specimen) -> None:
    """As `weighed`, with the attention of the full prefill."""
    attention = specimen.exact_attention(from_one_third(specimen.num_layers))
    specimen.recompute(take_best(specimen, by_attention_and_deviation(specimen, attention, 3)))


def oracle_deviation(specimen: Specimen) -> None:
    """The tokens whose V rows are truly farthest, over all layers."""
    specimen.recompute(take_best(specimen, sum(_true_drift(specimen, i) ** 2 for i in range(specimen.num_layers))))  # pyright: ignore[reportArgumentType]


def oracle_effect(specimen: Specimen) -> None:
    """Layer by layer: the full prefill's attention × how far the V row is truly off, summed."""
    total = np.zeros(specimen.num_tokens, np.float32)
    for layer in from_one_third(specimen.num_layers):
        total += specimen.exact_attention((layer,)) * _true_drift(specimen, layer)
    specimen.recompute(take_best(specimen, total))


def oracle_rows(specimen: Specimen) -> None:
    """As `weighed`, but the recomputed tokens get the full prefill's rows: what recomputing over stale ones costs."""
    assert specimen.exact_rows is not None
    chosen = weighed(specimen)
    specimen.rows.replace(specimen.exact_rows, chosen + np.int32(specimen.first), range(specimen.num_layers))


def oracle_layers(specimen: Specimen, start: float, end: float) -> None:
    """All tokens exact in a part of the layers, stale in the rest: which layers matter."""
    assert specimen.exact_rows is not None
    layers = range(round(start * specimen.num_layers), round(end * specimen.num_layers))
    positions = np.arange(specimen.first, specimen.end, dtype=np.int32)
    specimen.rows.replace(specimen.exact_rows, positions, layers)


def _true_drift(specimen: Specimen, layer: int) -> FloatArray:
    assert specimen.exact_rows is not None
    values, first = specimen.rows.values, specimen.first
    difference = values(specimen.exact_rows.v[layer][first:]) - values(specimen.laid.stale.v[layer][first:])
    return np.sqrt(np.square(difference).sum(axis=1))


# --- names

FULL, DEFAULT = "full", "ours"
"""The full prefill's own rows (what is left is the noise of cutting it into other batches); what others are compared
with."""

FIXED: Mapping[str, Treat] = {
    FULL: partial(oracle_layers, start=0, end=1),
    "reuse": reuse,
    "epic-16": partial(first_tokens, num=16),
    "epic-32": partial(first_tokens, num=32),
    "reuse-filled-32": over_states(reuse, filled(32)),
    "reuse-filled-128": over_states(reuse, filled(128)),
    "reuse-filled-256": over_states(reuse, filled(_FILLER_TOKENS)),
    "reuse-throughout-256": over_states(reuse, filled(_FILLER_TOKENS, even_first=True)),
    "reuse-filled-512": over_states(reuse, filled(512)),
    "reuse-filled-1024": over_states(reuse, filled(1024)),
    "reuse-preceded": over_states(reuse, PRECEDED),
    "reuse-mean": over_states(reuse, PLAIN, filled(_FILLER_TOKENS)),
    "reuse-mean-filled-2": over_states(reuse, *FILLED_APART[:2]),
    "reuse-mean-filled-4": over_states(reuse, *FILLED_APART),
    "oracle-layers-0-50": partial(oracle_layers, start=0, end=0.5),
    "oracle-layers-0-67": partial(oracle_layers, start=0, end=0.67),
    "oracle-layers-0-80": partial(oracle_layers, start=0, end=0.8),
    "oracle-layers-33-67": partial(oracle_layers, start=0.33, end=0.67),
    "oracle-layers-50-100": partial(oracle_layers, start=0.5, end=1),
}
"""Treatments that do not depend on the budget."""

_CHEAP = _weighed(layers=to_two_thirds, factor=1.5)
"""What `weighed` costs least with."""

_DRAFTED = partial(attention_only, num_drafted=8)
"""Attention alone, of the question and of an answer that is drafted."""

RATED: Mapping[str, Treat] = {
    # baselines
    "random": random_tokens,
    "epic": first_tokens,
    "cacheblend-v": cacheblend,
    "cacheblend-k": partial(cacheblend, of_keys=True),
    "prophet": prophet,
    # what the program does
    DEFAULT: over_states(ours, filled(OUR_FILLER_TOKENS)),
    **{
        f"ours-seeing-{num}": over_states(partial(ours, seen_every=num), filled(OUR_FILLER_TOKENS))
        for num in (1, 2, 4, 8)
    },
    # attention × √deviation
    "attention-deviation": _weighed(),
    "deviation-all-layers": _weighed(layers=all_layers),
    "deviation-to-two-thirds": _weighed(layers=to_two_thirds),
    "deviation-middle": _weighed(layers=middle_third),
    "deviation-half": _weighed(layers=around_half),
    "deviation-one-third": _weighed(layers=one_layer(1, 3)),
    "deviation-one-half": _weighed(layers=one_layer(1, 2)),
    "deviation-one-two-thirds": _weighed(layers=one_layer(2, 3)),
    "deviation-last-8": _weighed(last_tokens=8),
    "deviation-highest": _weighed(highest=True),
    "deviation-factor-1.25": _weighed(factor=1.25),
    "deviation-factor-1.5": _weighed(factor=1.5),
    "deviation-factor-2": _weighed(factor=2),
    "deviation-linear": _weighed(exponent=1.0),
    "deviation-runs-3": _weighed(pool=3),
    "deviation-runs-5": _weighed(pool=5),
    "attention": attention_only,
    "attention-middle": partial(attention_only, layers=middle_third),
    "attention-highest": partial(attention_only, highest=True),
    "attention-value": attention_times_value,
    "attention-offline": attention_times_offline_deviation,
    # what the answer would look at
    "draft-8-attention": _DRAFTED,
    "redraft-8": redrafted,
    "draft-4": _weighed(num_drafted=4, factor=1.5),
    "draft-8": _weighed(num_drafted=8, factor=1.5),
    "draft-8-last-16": _weighed(num_drafted=8, last_tokens=16, factor=1.5),
    "draft-8-highest": _weighed(num_drafted=8, highest=True, factor=1.5),
    "draft-8-depth-75": _weighed(num_drafted=8, depth=0.75, factor=1.5),
    # how far up
    "depth-50": _weighed(depth=0.5, factor=1.5),
    "depth-60": _weighed(depth=0.6, factor=1.5),
    "depth-75": _weighed(depth=0.75, factor=1.5),
    "depth-90": _weighed(depth=0.9, factor=1.5),
    # which tokens together
    "two-rounds": two_rounds,
    "two-hops": two_hops,
    "two-hops-late": two_hops_late,
    "per-chunk": per_chunk,
    "best-chunk-whole": best_chunk_whole,
    "drop-half": drop_chunks,
    # sinks and scales
    "sinks-first-1": partial(sinks_first, num=1),
    "sinks-first-4": sinks_first,
    "sinks-hidden": sinks_hidden,
    "sinks-weakened-1": partial(sinks_weakened, bias=-1),
    "stale-weakened-0.2": partial(stale_weakened, bias=-0.2),
    "stale-strengthened-0.2": partial(stale_weakened, bias=0.2),
    "stale-sharpened-0.9": partial(stale_sharpened, temperature=0.9),
    "stale-flattened-1.1": partial(stale_sharpened, temperature=1.1),
    # what stays stale
    "offset": offset,
    "offset-values": partial(offset, keys=False),
    # other states
    "filled-32": over_states(_weighed(), filled(32)),
    "filled-128": over_states(_weighed(), filled(128)),
    "filled-256": over_states(_weighed(), filled(_FILLER_TOKENS)),
    "filled-512": over_states(_weighed(), filled(512)),
    "filled-1024": over_states(_weighed(), filled(1024)),
    "preceded": over_states(_weighed(), PRECEDED),
    "mean-states": over_states(_weighed(), PLAIN, filled(_FILLER_TOKENS)),
    "mean-filled-2": over_states(_weighed(), *FILLED_APART[:2]),
    "mean-filled-4": over_states(_weighed(), *FILLED_APART),
    "filled-256-cheap": over_states(_CHEAP, filled(_FILLER_TOKENS)),
    "filled-512-cheap": over_states(_CHEAP, filled(512)),
    "mean-filled-4-cheap": over_states(_CHEAP, *FILLED_APART),
    "mean-filled-4-epic": over_states(first_tokens, *FILLED_APART),
    "mean-filled-4-attention": over_states(partial(attention_only, layers=to_two_thirds), *FILLED_APART),
    "filled-256-attention": over_states(partial(attention_only, layers=middle_third), filled(_FILLER_TOKENS)),
    "filled-256-draft-8": over_states(_weighed(num_drafted=8, factor=1.5), filled(_FILLER_TOKENS)),
    **{
        f"filled-{num}-attention-all": over_states(attention_only, filled(num)) for num in (32, 64, 128, 256, 512, 1024)
    },
    **{f"throughout-{num}-attention": over_states(attention_only, filled(num, even_first=True)) for num in (256, 512)},
    **{
        f"throughout-256-front-{num}": over_states(
            partial(front_first, num=num), filled(_FILLER_TOKENS, even_first=True)
        )
        for num in (16, 64, 256)
    },
    **{
        f"filled-{num}-attention-upper": over_states(partial(attention_only, layers=scored_layers), filled(num))
        for num in (256, 1024)
    },
    **{
        f"filled-{num}-offline-upper": partial(attention_times_context_dependence, num_filler_tokens=num)
        for num in (256, 512)
    },
    "attention-upper": partial(attention_only, layers=scored_layers),
    "filled-512-attention-33-50": over_states(partial(attention_only, layers=third_to_half), filled(512)),
    "filled-512-attention-50-67": over_states(partial(attention_only, layers=middle_layers), filled(512)),
    "throughout-mean-4-attention": over_states(
        attention_only, *(replace(each, even_first=True) for each in FILLED_APART)
    ),
    "throughout-256-draft-8": over_states(_DRAFTED, filled(_FILLER_TOKENS, even_first=True)),
    "filled-256-attention-every": over_states(partial(attention_only, layers=all_layers), filled(_FILLER_TOKENS)),
    "filled-256-attention-last": over_states(partial(attention_only, layers=last_third), filled(_FILLER_TOKENS)),
    "filled-256-attention-80": over_states(partial(attention_only, layers=to_four_fifths), filled(_FILLER_TOKENS)),
    "filled-256-attention-8-tokens": over_states(partial(attention_only, last_tokens=8), filled(_FILLER_TOKENS)),
    "filled-256-attention-highest": over_states(partial(attention_only, highest=True), filled(_FILLER_TOKENS)),
    "filled-256-attention-value": over_states(attention_times_value, filled(_FILLER_TOKENS)),
    "mean-filled-2-attention-all": over_states(attention_only, *FILLED_APART[:2]),
    "mean-filled-4-attention-all": over_states(attention_only, *FILLED_APART),
    "mean-filled-4-draft-8-upper": over_states(
        partial(attention_only, layers=scored_layers, num_drafted=8), *FILLED_APART
    ),
    "filled-256-draft-8-attention": over_states(_DRAFTED, filled(_FILLER_TOKENS)),
    "filled-256-redraft-8": over_states(redrafted, filled(_FILLER_TOKENS)),
    "mean-filled-2-draft-8": over_states(_weighed(num_drafted=8, factor=1.5), *FILLED_APART[:2]),
    "mean-filled-4-draft-8": over_states(_weighed(num_drafted=8, factor=1.5), *FILLED_APART),
    "mean-filled-4-draft-8-attention": over_states(_DRAFTED, *FILLED_APART),
    "mean-filled-4-middle": over_states(partial(attention_only, layers=middle_third), *FILLED_APART),
    "mean-filled-4-redraft-8": over_states(redrafted, *FILLED_APART),
    "filled-256-epic": over_states(first_tokens, filled(_FILLER_TOKENS)),
    "filled-256-cacheblend-v": over_states(cacheblend, filled(_FILLER_TOKENS)),
    "mean-filled-4-offline": attention_times_spread,
    # oracles
    "oracle-attention": oracle_attention,
    "oracle-deviation": oracle_deviation,
    "oracle-effect": oracle_effect,
    "oracle-rows": oracle_rows,
}
"""Treatments that spend the budget."""

TREATMENTS: Mapping[str, Treat] = {**FIXED, **RATED}
