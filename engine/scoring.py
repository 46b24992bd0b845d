"""Measure what `engine.selection` ranks by: two stopped passes over the blended cache. Owner thread only.

* `question_attention`: the question's tokens run once over the stale cache; at the scored layers the attention
  node gives Q, K and the scale as used, and the softmax is done again here, in float32. The pass stops at the last
  scored layer and its cells are forgotten.
* `deviation`: a redirected decode of the shortlisted tokens that stops when layer 1's V rows are written: about
  1/n_layers of a prefill. It leaves layers 0 and 1 of these tokens exact.

Quantised K is read back as the cache holds it (after llama.cpp's Hadamard rotation, which Q has had too).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import bindings, redirect
from engine.bindings import ByteArray, FloatArray, IntArray, Tensor, TokenRun
from engine.errors import RedirectFailed
from engine.model import Context
from engine.redirect import GraphPass, Watch

DEVIATION_LAYER = 1
"""The first layer whose rows depend on the context; CacheBlend's choice."""

_Q8_0_VALUES = 32
_Q8_0 = np.dtype([("scale", "<f2"), ("values", "i1", (_Q8_0_VALUES,))])
"""block_q8_0 of ggml-common.h."""


def question_attention(
    context: Context,
    question: Sequence[int],
    first_position: int,
    context_positions: IntArray,
    layers: Sequence[int],
) -> FloatArray:
    """Attention of all question tokens, heads and `layers` on each context cell, summed: (context tokens,) float32."""
    total = np.zeros(len(context_positions), np.float32)

    def add(node: Tensor) -> None:
        total[:] += _attention_on(node, first_position, context_positions)

    watches = {redirect.attention_tap(layer): Watch(after=add) for layer in layers}
    step = context.options.batch_tokens
    for start in range(0, len(question), step):
        graph_pass = GraphPass(watches=watches, stop=True)
        run = TokenRun(question[start : start + step], first_position + start, Context.SEQUENCE)
        context.decode([run], graph_pass)
        graph_pass.require_complete()
    context.forget(Context.SEQUENCE, first_position)
    return total


def _attention_on(node: Tensor, num_cells: int, context_positions: IntArray) -> FloatArray:
    """Softmax(Q·K) of one attention node over the first `num_cells` cells, summed over tokens and heads.

    The question's own cells are left out of the sum *and* of the normalisation: they take the same share from all.
    """
    scale = float(np.frombuffer(bytes(node.op_params)[:4], np.float32)[0])
    queries = _queries(node)  # (heads, tokens, head_dim)
    keys = _keys(node, num_cells)  # (kv_heads, cells, head_dim)
    num_heads, num_tokens, head_dim = queries.shape
    grouped = queries.reshape(len(keys), num_heads // len(keys) * num_tokens, head_dim) * scale
    weights = grouped @ keys.transpose(0, 2, 1)  # (kv_heads, heads per kv_head × tokens, cells)
    weights -= weights.max(axis=2, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=2, keepdims=True)
    return weights.sum(axis=(0, 1))[context_positions]


def _queries(node: Tensor) -> FloatArray:
    raw = redirect.source_bytes(node, 0)
    source = bindings.tensor_at(node.src[0])
    _expect_type(source, ("f32",))
    head_dim, num_tokens, num_heads = source.ne[:3]
    strides = (source.nb[2], source.nb[1], source.nb[0])
    return np.ndarray((num_heads, num_tokens, head_dim), np.float32, raw.data, strides=strides)


def _keys(node: Tensor, num_cells: int) -> FloatArray:
    """Keys of the first cells as float32: (kv_heads, cells, head_dim)."""
    source = bindings.tensor_at(node.src[1])
    head_dim, _, num_heads = source.ne[:3]
    assert source.nb[1] >= source.nb[2], "a cell's row holds all its heads"
    raw = bindings.read_tensor(node.src[1], 0, min(num_cells * source.nb[1], bindings.num_tensor_bytes(node.src[1])))
    rows = _dequantised(raw, bindings.type_name(source.type))
    return rows.reshape(num_cells, num_heads, head_dim).transpose(1, 0, 2)


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
