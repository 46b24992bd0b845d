"""Measure what `engine.selection` ranks by, and how the question's attention is spread. Owner thread only.

* `AttentionMeter`: while the question's tokens are computed, the attention nodes of the scored layers give Q and the
  scale as used; the softmax over the keys in the cache is done again afterwards, on the device that holds them
  (`engine.device_math`). `question_attention` runs the question once over the stale cache for that, in a pass that
  stops at the last scored layer, and forgets its cells; `metered_prefill` measures while it is computed for good.
* `deviation`: a redirected decode of the shortlisted tokens that stops when layer 1's V rows are written: about
  1/n_layers of a prefill. It leaves layers 0 and 1 of these tokens exact.

Quantised rows are compared as the cache holds them (after llama.cpp's Hadamard rotation, which Q has had too).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from engine import bindings, redirect
from engine.bindings import FloatArray, IntArray, Tensor, TokenRun
from engine.device_math import Graph
from engine.errors import RedirectFailed
from engine.model import Context
from engine.redirect import GraphPass, Tap, Watch, hiding

DEVIATION_LAYER = 1
"""The first layer whose rows depend on the context; CacheBlend's choice."""

DEVIATION_LAYERS = 1.3
"""What measuring it costs: layer 0, and of layer 1 what yields its rows. Measured: 5 % of a prefill of 24 layers."""

_TILE_TOKENS = 64
"""From so many tokens on a CPU attends in tiles of 64 cells, wherever one of them is seen (ggml-cpu/common.h,
GGML_FA_TILE_Q); fewer are taken one by one, each visible cell at its price: 26 tokens of a 0.5B model over 3,072 cells
take 560 ms on two cores, over every 4th of them 285, over every 8th 275."""


@dataclass(frozen=True, slots=True)
class _Attending:
    """One attention node as it was computed: the question's queries, and where the keys stay."""

    queries: FloatArray
    """(heads, tokens, head_dim)"""
    scale: float
    cache_address: int
    """The layer's K cache, a tensor that outlives every graph."""
    num_kv_heads: int


class AttentionMeter:
    """Measures the question's attention on each of the first `num_cells` cells, over its tokens, heads and `layers`.

    While a graph runs, only queries are copied: between its nodes, other threads at work would hold it up (measured:
    five times the price of the calculation itself). The rest is done by `attention`.
    """

    def __init__(self, context: Context, num_cells: int, layers: Sequence[int]) -> None:
        self._math, self._num_cells, self._layers = context.math, num_cells, layers
        self._seen: list[_Attending] = []
        self._num_expected = 0
        self._failure: RedirectFailed | None = None

    def watches(self, first_row: int, num_rows: int) -> Mapping[Tap, Watch]:
        """What to watch in the decode of a batch in which `num_rows` tokens from `first_row` on are the question's."""

        def note(node: Tensor) -> None:
            # Not raised here: a graph that is watched in passing has to be computed to its end.
            try:
                self._seen.append(_attending(node, first_row, num_rows))
            except RedirectFailed as error:
                self._failure = error

        self._num_expected += len(self._layers)
        return {redirect.attention_tap(layer): Watch(after=note) for layer in self._layers}

    def attention(self) -> FloatArray:
        """(cells,) float32, as long as the cells hold what they held; raises `RedirectFailed`.

        The question's own cells are left out of the sum *and* of the normalisation: they take the same share from all.
        """
        if self._failure:
            raise self._failure
        if len(self._seen) != self._num_expected:
            raise RedirectFailed(f"{len(self._seen)} of {self._num_expected} attention nodes came by")
        by_device: dict[int, list[_Attending]] = {}
        for attending in self._seen:
            by_device.setdefault(self._math.device_of(attending.cache_address), []).append(attending)
        return sum((self._on_device(device, seen) for device, seen in by_device.items()), start=self._nothing())

    def _nothing(self) -> FloatArray:
        return np.zeros(self._num_cells, np.float32)

    def _on_device(self, device: int, seen: Sequence[_Attending]) -> FloatArray:
        with self._math.graph(device) as graph:
            layers = [_softmax_sum(graph, attending, self._num_cells) for attending in seen]
            total = graph.total(layers)
            graph.compute(total)
            return graph.values(total)


def question_attention(
    context: Context,
    question: Sequence[int],
    first_position: int,
    layers: Sequence[int],
    unseen: IntArray | None = None,
) -> FloatArray:
    """The question's attention on each of the cells before it, computed for this alone: (cells,) float32.

    `unseen`: cells that the question does not see while its queries are computed, where that is sooner; how much it
    attends to them is measured all the same.
    """
    meter, step = AttentionMeter(context, first_position, layers), context.options.batch_tokens
    for start in range(0, len(question), step):
        piece = question[start : start + step]
        bias = hiding(unseen) if pays_per_cell(context, len(piece)) else None
        graph_pass = GraphPass(watches=meter.watches(0, len(piece)), stop=True, mask_bias=bias)
        context.decode([TokenRun(piece, first_position + start, Context.SEQUENCE)], graph_pass)
        graph_pass.require_complete()
    context.forget(Context.SEQUENCE, first_position)
    return meter.attention()


def pays_per_cell(context: Context, num_tokens: int) -> bool:
    """Whether attention costs less for cells that are hidden."""
    return not context.model.on_gpu and num_tokens < _TILE_TOKENS


def metered_prefill(
    context: Context,
    token_ids: Sequence[int],
    first_position: int,
    num_question_tokens: int,
    meter: AttentionMeter | None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Prefill a run that ends with the question, for its last logits, and measure its attention on the way."""
    step, num_before = context.options.batch_tokens, len(token_ids) - num_question_tokens
    for start in range(0, len(token_ids), step):
        piece = token_ids[start : start + step]
        first_row = max(num_before - start, 0)
        watches = meter.watches(first_row, len(piece) - first_row) if meter and first_row < len(piece) else None
        last = start + len(piece) == len(token_ids)
        run = TokenRun(piece, first_position + start, Context.SEQUENCE, want_logits=last)
        context.decode([run], GraphPass(watches=watches) if watches else None, timed_at=run.mean_position)
        if progress:
            progress(start + len(piece))


def _attending(node: Tensor, first_row: int, num_rows: int) -> _Attending:
    source, keys = bindings.tensor_at(node.src[0]), bindings.tensor_at(node.src[1])
    _expect_type(source, ("f32",))
    head_dim, num_tokens, num_heads = source.ne[:3]
    strides = (source.nb[2], source.nb[1], source.nb[0])
    raw = redirect.source_bytes(node, 0)
    queries: FloatArray = np.ndarray((num_heads, num_tokens, head_dim), np.float32, raw.data, strides=strides)
    assert keys.nb[1] >= keys.nb[2], "a cell's row holds all its heads"
    assert keys.view_src, "the tap found the cache behind it"
    if keys.view_offs:
        raise RedirectFailed(f"keys are read from byte {keys.view_offs} of their cache on, expected 0")
    return _Attending(
        queries=queries[:, first_row : first_row + num_rows].copy(),
        scale=float(np.frombuffer(bytes(node.op_params)[:4], np.float32)[0]),
        cache_address=keys.view_src,
        num_kv_heads=keys.ne[2],
    )


def _softmax_sum(graph: Graph, attending: _Attending, num_cells: int) -> int:
    """Softmax(Q·K) over the first `num_cells` cells, summed over tokens and heads: (1, cells)."""
    keys = graph.heads(attending.cache_address, num_cells, attending.num_kv_heads)
    weights = graph.soft_max(graph.products(keys, graph.input(attending.queries)), attending.scale)
    return graph.sum_over_rest(weights)


def deviation(context: Context, token_ids: Sequence[int], positions: IntArray) -> FloatArray:
    """Squared distance of exact and cached V rows at layer 1 for the tokens at `positions`: (tokens,) float32."""
    parts = [
        _deviation_of_slice(context, token_ids, piece, positions)
        for piece in redirect.slices(positions, 0, context.options.batch_tokens)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _deviation_of_slice(context: Context, token_ids: Sequence[int], piece: IntArray, positions: IntArray) -> FloatArray:
    with ExitStack() as stack:
        return _watched_deviation(context, token_ids, piece, positions, stack)


def _watched_deviation(
    context: Context, token_ids: Sequence[int], piece: IntArray, positions: IntArray, stack: ExitStack
) -> FloatArray:
    stale: list[int] = []
    distances: list[FloatArray] = []

    def new_graph(node: Tensor) -> Graph:
        return stack.enter_context(context.math.graph(context.math.device_of(node.view_src)))

    def keep_stale(node: Tensor) -> None:
        graph = new_graph(node)
        stale.append(graph.rows(node.view_src, graph.input(piece)))
        graph.compute(stale[0])

    def compare(node: Tensor) -> None:
        _expect_type(bindings.tensor_at(node.src[0]), ("f32",))
        graph = new_graph(node)
        before = graph.alias(stale[0])
        fresh = graph.reshaped(graph.alias(node.src[0]), bindings.tensor_at(stale[0]).ne[0], len(piece))
        squared = graph.squared_distances(fresh, before)
        graph.compute(squared)
        distances.append(graph.values(squared))

    tap = redirect.v_rows_tap(DEVIATION_LAYER)
    places: IntArray = np.searchsorted(positions, piece).astype(np.int32)
    chosen = [token_ids[int(place)] for place in places]
    redirect.redirected_decode(context, chosen, piece, watches={tap: Watch(keep_stale, compare)}, stop=True)
    return distances[0]


def _expect_type(tensor: Tensor, types: tuple[str, ...]) -> None:
    type_ = bindings.type_name(tensor.type)
    if type_ not in types:
        raise RedirectFailed(f"tensor {tensor.name.decode(errors='replace')} has type {type_}, expected {types}")
