"""Arithmetic where the cache lies, against the same arithmetic in numpy."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from engine import bindings, kv_state, redirect, scoring
from engine.bindings import TokenRun
from engine.cache_rows import row_values
from engine.model import Context, ContextOptions, Model
from engine.redirect import GraphPass, Watch, attention_tap

LAYERS = (0, 1)
NUM_TOKENS, NUM_QUESTION_TOKENS = 70, 9
TOKENS = [40 + (7 * i) % 200 for i in range(NUM_TOKENS)]
QUESTION = [40 + (11 * i) % 200 for i in range(NUM_QUESTION_TOKENS)]


@pytest.fixture(
    params=[
        ("tiny_model", "f16"),
        *(pytest.param(("starter_model", kv_type), marks=pytest.mark.model) for kv_type in ("q8_0", "q4_0")),
    ],
    ids=str,
)
def context(request: pytest.FixtureRequest) -> Iterator[Context]:
    """Heads of the tiny model are smaller than a block of q8_0 or q4_0."""
    name, kv_type = request.param
    path: Path = request.getfixturevalue(name)
    with Model(path) as model, Context(model, ContextOptions(512, 64, kv_type=kv_type)) as context:
        context.prefill(TOKENS, 0)
        yield context


def attention_in_numpy(context: Context, kept: dict[int, bindings.ByteArray]) -> npt.NDArray[np.float32]:
    """Softmax over the cells before the question, in float64, from Q as the graph has it, and K as it was when `kept`
    was filled."""
    total = np.zeros(NUM_TOKENS)

    def add(node: bindings.Tensor) -> None:
        source, keys = bindings.tensor_at(node.src[0]), bindings.tensor_at(node.src[1])
        head_dim, num_tokens, num_heads = source.ne[:3]
        raw = redirect.source_bytes(node, 0)
        strides = (source.nb[2], source.nb[1], source.nb[0])
        queries = np.ndarray((num_heads, num_tokens, head_dim), np.float32, raw.data, strides=strides).astype(
            np.float64
        )
        cache = bindings.tensor_at(keys.view_src)
        row_bytes = bindings.row_bytes(cache.type, cache.ne[0])
        raw = kept.setdefault(keys.view_src, bindings.read_tensor(keys.view_src, 0, NUM_TOKENS * row_bytes))
        rows = row_values(raw, bindings.type_name(cache.type))
        by_head = rows.reshape(NUM_TOKENS, keys.ne[2], head_dim).transpose(1, 0, 2)
        scale = np.frombuffer(bytes(node.op_params)[:4], np.float32)[0]
        for head in range(num_heads):
            weights = queries[head] @ by_head[head // (num_heads // keys.ne[2])].T * scale
            weights = np.exp(weights - weights.max(axis=1, keepdims=True))
            total[:] += (weights / weights.sum(axis=1, keepdims=True)).sum(axis=0)

    taps = {attention_tap(layer): Watch(after=add) for layer in LAYERS}
    graph_pass = GraphPass(watches=taps, stop=True)
    context.decode([TokenRun(QUESTION, NUM_TOKENS, Context.SEQUENCE)], graph_pass)
    graph_pass.require_complete()
    context.forget(Context.SEQUENCE, NUM_TOKENS)
    return total.astype(np.float32)


def test_attention_is_what_numpy_finds(context: Context) -> None:
    measured = scoring.question_attention(context, QUESTION, NUM_TOKENS, LAYERS)
    assert measured.shape == (NUM_TOKENS,)
    num_rows = len(LAYERS) * num_heads(context) * NUM_QUESTION_TOKENS
    assert measured.sum() == pytest.approx(num_rows, rel=1e-3)
    # Over quantised keys a device quantises the queries too, as flash attention does there.
    assert np.abs(measured - attention_in_numpy(context, {})).sum() < 0.03 * num_rows


def test_a_question_of_several_batches_is_measured_whole(context: Context) -> None:
    question = QUESTION * 12
    whole = scoring.question_attention(context, question, NUM_TOKENS, LAYERS)
    assert whole.sum() == pytest.approx(len(LAYERS) * num_heads(context) * len(question), rel=1e-3)


def test_queries_are_those_of_a_question_that_sees_less_and_all_keys_are_measured(context: Context) -> None:
    unseen = np.array([i for i in range(NUM_TOKENS - 1) if i % 4], np.int32)
    measured = scoring.question_attention(context, QUESTION, NUM_TOKENS, LAYERS, unseen)
    keys = dict[int, bindings.ByteArray]()
    seeing_all = attention_in_numpy(context, keys)
    for cell in unseen.tolist():  # llama.cpp puts the question there
        context.forget(Context.SEQUENCE, cell, cell + 1)
    expected = attention_in_numpy(context, keys)
    num_rows = len(LAYERS) * num_heads(context) * NUM_QUESTION_TOKENS
    assert np.abs(measured - expected).sum() < 0.03 * num_rows
    assert np.abs(measured - expected).sum() < 0.5 * np.abs(seeing_all - expected).sum()


def test_hiding_pays_where_few_tokens_are_computed_on_a_cpu(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.model, "on_gpu", False)
    assert [scoring.pays_per_cell(context, num) for num in (1, 63, 64)] == [True, True, False]
    monkeypatch.setattr(context.model, "on_gpu", True)
    assert not scoring.pays_per_cell(context, 1)


def test_deviation_is_the_distance_of_the_rows(context: Context) -> None:
    """Rows that another text has left, against those that take their place."""
    row_bytes = kv_state.learn_layout(context).v_rows[1].row_bytes
    context.prefill(TOKENS[::-1], 0)
    stale = rows_of(context, row_bytes)
    positions = np.array([3, 10, 11, 40, 69], np.int32)
    measured = scoring.deviation(context, [TOKENS[i] for i in positions], positions)
    coarse = context.options.kv_type == "q4_0"  # only one of the two is rounded
    fresh = rows_of(context, row_bytes)
    assert (np.flatnonzero((fresh != stale).any(axis=1)) == positions).all()
    assert measured == pytest.approx(
        np.square(fresh[positions] - stale[positions]).sum(axis=1), rel=0.3 if coarse else 0.05
    )
    again = scoring.deviation(context, [TOKENS[i] for i in positions], positions)
    assert again.max() < 0.05 * measured.max()


def num_heads(context: Context) -> int:
    return int(context.model.metadata[f"{context.model.header.architecture}.attention.head_count"])


def rows_of(context: Context, row_bytes: int) -> npt.NDArray[np.float32]:
    """V rows of layer 1: (tokens, row values)."""
    caches: list[npt.NDArray[np.float32]] = []

    def read(node: bindings.Tensor) -> None:
        cache = bindings.tensor_at(node.view_src)
        raw = bindings.read_tensor(node.view_src, 0, NUM_TOKENS * row_bytes)
        caches.append(row_values(raw, bindings.type_name(cache.type)).reshape(NUM_TOKENS, -1))

    tap = redirect.v_rows_tap(1)
    graph_pass = GraphPass(watches={tap: Watch(after=read)}, stop=True)
    context.decode([TokenRun([40], NUM_TOKENS, Context.SEQUENCE)], graph_pass)
    context.forget(Context.SEQUENCE, NUM_TOKENS)
    return caches[0]


def test_memory_of_graphs_is_used_again(context: Context) -> None:
    device = context.math.device_of(some_cache(context))
    for _ in range(3):
        with context.math.graph(device) as graph:
            left = graph.input(np.ones((2, 8), np.float32))
            squared = graph.squared_distances(left, graph.input(np.full((2, 8), 3, np.float32)))
            graph.compute(squared)
            assert graph.values(squared).tolist() == [32, 32]


def some_cache(context: Context) -> int:
    caches: list[int] = []
    watches = {redirect.k_rows_tap(0): Watch(after=lambda node: caches.append(node.view_src))}
    context.decode([TokenRun([40], NUM_TOKENS, Context.SEQUENCE)], GraphPass(watches=watches, stop=True))
    context.forget(Context.SEQUENCE, NUM_TOKENS)
    return caches[0]


def test_closing_twice_is_harmless(context: Context) -> None:
    scoring.question_attention(context, QUESTION, NUM_TOKENS, LAYERS)
    context.math.close()
    context.math.close()
