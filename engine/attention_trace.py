"""Attention of chosen tokens, layer by layer and token by token, for measuring what the totals of scoring cannot tell.

While tokens are computed, their queries are copied from the attention nodes; the softmax over the cache's keys is done
again afterwards, in float32. Owner thread of the context only.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from engine import bindings, redirect
from engine.bindings import FloatArray, IntArray, Tensor, TokenRun
from engine.model import Context
from engine.redirect import GraphPass, Tap, Watch, hiding


class QueryRecorder:
    """Collects the queries of some rows of the batches it watches: per layer (heads, tokens, head_dim), scaled."""

    def __init__(self, layers: Sequence[int]) -> None:
        self._pieces: dict[int, list[FloatArray]] = {layer: [] for layer in layers}

    def watches(self, rows: IntArray | slice) -> Mapping[Tap, Watch]:
        """What to watch in the decode of a batch of which `rows` are wanted."""

        def recorder(layer: int) -> Watch:
            return Watch(after=lambda node: self._pieces[layer].append(_queries(node)[:, rows].copy()))

        return {redirect.attention_tap(layer): recorder(layer) for layer in self._pieces}

    def queries(self) -> dict[int, FloatArray]:
        """By layer: (heads, tokens, head_dim), in the order in which the tokens came by."""
        return {layer: np.concatenate(pieces, axis=1) for layer, pieces in self._pieces.items()}


def question_queries(
    context: Context,
    question: Sequence[int],
    first_position: int,
    layers: Sequence[int],
    unseen: IntArray | None = None,
) -> dict[int, FloatArray]:
    """The question's queries over what stands before it but for `unseen` cells, computed for this alone; the cache is
    as before."""
    recorder, step = QueryRecorder(layers), context.options.batch_tokens
    for start in range(0, len(question), step):
        piece = question[start : start + step]
        graph_pass = GraphPass(watches=recorder.watches(slice(0, len(piece))), mask_bias=hiding(unseen))
        context.decode([TokenRun(piece, first_position + start, Context.SEQUENCE)], graph_pass)
        graph_pass.require_complete()
    context.forget(Context.SEQUENCE, first_position)
    return recorder.queries()


def attention(queries: FloatArray, keys: FloatArray, visible_until: IntArray | None = None) -> FloatArray:
    """Softmax over the cells, summed over heads: (tokens, cells) float32.

    `queries`: (heads, tokens, head_dim); `keys`: (cells, row values). `visible_until`: token *i* sees the cells up to
    this one, (tokens,); None: all of them.
    """
    num_heads, num_tokens, head_dim = queries.shape
    by_head = keys.reshape(len(keys), -1, head_dim).transpose(1, 2, 0)  # (kv_heads, head_dim, cells)
    group = num_heads // len(by_head)
    hidden = None if visible_until is None else np.arange(len(keys)) > visible_until[:, None]
    total = np.zeros((num_tokens, len(keys)), np.float32)
    for head in range(num_heads):
        weights = queries[head] @ by_head[head // group]
        if hidden is not None:
            weights[hidden] = -np.inf
        weights -= weights.max(axis=1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= weights.sum(axis=1, keepdims=True)
        total += weights
    return total


def _queries(node: Tensor) -> FloatArray:
    """The queries of an attention node, scaled: (heads, tokens, head_dim) float32."""
    source = bindings.tensor_at(node.src[0])
    head_dim, num_tokens, num_heads = source.ne[:3]
    strides = (source.nb[2], source.nb[1], source.nb[0])
    raw = redirect.source_bytes(node, 0)
    scale = np.frombuffer(bytes(node.op_params)[:4], np.float32)[0]
    return np.ndarray((num_heads, num_tokens, head_dim), np.float32, raw.data, strides=strides) * scale
