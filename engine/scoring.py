"""Measure what `engine.selection` ranks by, and how the question's attention is spread. Owner thread only.

* `AttentionMeter`: while the question's tokens are computed, the attention nodes of the scored layers give Q, K and the
  scale as used, and the softmax is done again here, in float32. `question_attention` runs them once over the stale
  cache for that, in a pass that stops at the last scored layer, and forgets their cells; `metered_prefill` measures
  while they are computed for good.
* `deviation`: a redirected decode of the shortlisted tokens that stops when layer 1's V rows are written: about
  1/n_layers of a prefill. It leaves layers 0 and 1 of these tokens exact.

Quantised K is read back as the cache holds it (after llama.cpp's Hadamard rotation, which Q has had too).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import bindings, redirect
from engine.bindings import ByteArray, FloatArray, IntArray, Tensor, TokenRun
from engine.errors import RedirectFailed
from engine.model import Context
from engine.redirect import GraphPass, Tap, Watch

DEVIATION_LAYER = 1
"""The first layer whose rows depend on the context; CacheBlend's choice."""

_Q8_0_VALUES = 32
_Q8_0 = np.dtype([("scale", "<f2"), ("values", "i1", (_Q8_0_VALUES,))])
"""block_q8_0 of ggml-common.h."""


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

    While a graph runs, only queries are copied: numpy's threads and ggml's would wait for each other between the nodes
    (measured: five times the price of the calculation itself). The rest is done by `attention`.
    """

    def __init__(self, num_cells: int, layers: Sequence[int]) -> None:
        self._num_cells, self._layers = num_cells, layers
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
        total = np.zeros(self._num_cells, np.float32)
        for attending in self._seen:
            total += _softmax_sum(attending, self._num_cells)
        return total


def question_attention(
    context: Context, question: Sequence[int], first_position: int, layers: Sequence[int]
) -> FloatArray:
    """The question's attention on each of the cells before it, computed for this alone: (cells,) float32."""
    meter, step = AttentionMeter(first_position, layers), context.options.batch_tokens
    for start in range(0, len(question), step):
        piece = question[start : start + step]
        graph_pass = GraphPass(watches=meter.watches(0, len(piece)), stop=True)
        context.decode([TokenRun(piece, first_position + start, Context.SEQUENCE)], graph_pass)
        graph_pass.require_complete()
    context.forget(Context.SEQUENCE, first_position)
    return meter.attention()


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
        context.decode([run], GraphPass(watches=watches) if watches else None, timed=True)
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


def _softmax_sum(attending: _Attending, num_cells: int) -> FloatArray:
    """Softmax(Q·K) over the first `num_cells` cells, summed over tokens and heads: (cells,) float32."""
    keys = _keys(attending, num_cells)  # (kv_heads, cells, head_dim)
    num_heads, num_tokens, head_dim = attending.queries.shape
    rows = num_heads // len(keys) * num_tokens
    grouped = attending.queries.reshape(len(keys), rows, head_dim) * attending.scale
    weights = grouped @ keys.transpose(0, 2, 1)  # (kv_heads, heads per kv_head × tokens, cells)
    weights -= weights.max(axis=2, keepdims=True)
    np.exp(weights, out=weights)
    portions = 1 / weights.sum(axis=2, keepdims=True)
    return (portions.transpose(0, 2, 1) @ weights).sum(axis=(0, 1))


def _keys(attending: _Attending, num_cells: int) -> FloatArray:
    """Keys of the first cells as float32: (kv_heads, cells, head_dim)."""
    cache = bindings.tensor_at(attending.cache_address)
    row_bytes = bindings.row_bytes(cache.type, cache.ne[0])
    raw = bindings.read_tensor(attending.cache_address, 0, num_cells * row_bytes)
    rows = _dequantised(raw, bindings.type_name(cache.type))
    return rows.reshape(num_cells, attending.num_kv_heads, -1).transpose(1, 0, 2)


def _dequantised(raw: ByteArray, type_: str) -> FloatArray:
    if type_ == "f16":
        return raw.view(np.float16).astype(np.float32)
    if type_ == "f32":
        return raw.view(np.float32)
    if type_ == "q8_0":
        blocks: npt.NDArray[Any] = raw.view(_Q8_0)
        return (blocks["scale"].astype(np.float32)[:, None] * blocks["values"]).reshape(-1)
    raise RedirectFailed(f"keys of type {type_} cannot be scored; use kv_type f16 or q8_0")


def deviation(context: Context, token_ids: Sequence[int], positions: IntArray) -> FloatArray:
    """Squared distance of exact and cached V rows at layer 1 for the tokens at `positions`: (tokens,) float32."""
    parts = [
        _deviation_of_slice(context, token_ids, piece, positions)
        for piece in redirect.slices(positions, 0, context.options.batch_tokens)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _deviation_of_slice(context: Context, token_ids: Sequence[int], piece: IntArray, positions: IntArray) -> FloatArray:
    stale: list[FloatArray] = []
    fresh: list[FloatArray] = []

    def read_stale(node: Tensor) -> None:
        stale.append(_cached_rows(node, piece))

    def read_fresh(node: Tensor) -> None:
        source = bindings.tensor_at(node.src[0])
        _expect_type(source, ("f32",))
        fresh.append(redirect.source_bytes(node, 0).view(np.float32).reshape(len(piece), -1))

    tap = redirect.v_rows_tap(DEVIATION_LAYER)
    places: IntArray = np.searchsorted(positions, piece).astype(np.int32)
    chosen = [token_ids[int(place)] for place in places]
    redirect.redirected_decode(context, chosen, piece, watches={tap: Watch(read_stale, read_fresh)}, stop=True)
    return np.square(fresh[0] - stale[0]).sum(axis=1)


def _cached_rows(node: Tensor, positions: IntArray) -> FloatArray:
    """The rows that a SET_ROWS node is about to overwrite: (tokens, row values) float32."""
    cache = bindings.tensor_at(node.view_src)
    row_bytes = bindings.row_bytes(cache.type, cache.ne[0])
    first, end = int(positions[0]), int(positions[-1]) + 1
    raw = bindings.read_tensor(node.view_src, first * row_bytes, (end - first) * row_bytes)
    rows = raw.reshape(end - first, row_bytes)[positions - first]
    return _dequantised(np.ascontiguousarray(rows).reshape(-1), bindings.type_name(cache.type)).reshape(
        len(positions), -1
    )


def _expect_type(tensor: Tensor, types: tuple[str, ...]) -> None:
    type_ = bindings.type_name(tensor.type)
    if type_ not in types:
        raise RedirectFailed(f"tensor {tensor.name.decode(errors='replace')} has type {type_}, expected {types}")
