"""Moved keys turned by a graph of ours: as llama.cpp's shift turns them, and as they are where they are computed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import bindings, key_rotation, kv_state, rope_trace, self_check
from engine.bindings import FloatArray, TokenRun
from engine.device_math import DeviceMath
from engine.errors import Cancelled, DecodeFailed, RedirectFailed
from engine.key_rotation import KeyRotation, MovedRun
from engine.model import Context, ContextOptions, Model
from tests.engine.conftest import GPU_LAYERS
from tests.tiny_model import Turning, write_tiny_model

NUM_CELLS, BATCH_TOKENS = 512, 64

PAIRS = Turning()
HALVES = Turning("qwen3", head_dim=64, num_rotated=64)
FACTORS = Turning(head_dim=64, num_rotated=64, factors=tuple(1 + i / 4 for i in range(32)))
IN_PART = Turning("stablelm", num_heads=1, num_kv_heads=1, head_dim=64, num_rotated=32)
SCALED_BEHIND = Turning("hunyuan-dense", head_dim=64, num_rotated=64)

PREAMBLE = tuple(range(10, 22))
CHUNKS = (tuple(range(30, 77)), tuple(range(90, 130)), tuple(range(130, 195)), (200, 7, 9))
STARTS = (5, len(PREAMBLE))
"""Where the first chunk is to stand: before the place that it was computed in, and right there."""

ROUNDING = {"f32": 1e-4, "f16": 2e-3, "q8_0": 0.03, "q4_0": 0.3}
"""As a share of the keys' length."""


@pytest.fixture(scope="module")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[Turning, Path]:
    folder = tmp_path_factory.mktemp("models")
    kinds = (PAIRS, HALVES, FACTORS, IN_PART, SCALED_BEHIND)
    return {kind: write_tiny_model(folder / f"{i}.gguf", turning=kind) for i, kind in enumerate(kinds)}


@contextmanager
def opened(path: Path, kv_type: str) -> Iterator[Context]:
    with (
        Model(path, gpu_layers=GPU_LAYERS) as model,
        Context(model, ContextOptions(NUM_CELLS, BATCH_TOKENS, kv_type=kv_type)) as context,
    ):
        yield context


class Merging:
    """Chunks with their states, and ways to get them into a context."""

    def __init__(self, context: Context) -> None:
        self.context = context
        rotation = self_check.key_rotation(context)
        assert rotation is not None
        self.rotation = rotation
        self.preamble = kv_state.encode_preamble(context, PREAMBLE)
        self.states = [kv_state.encode_chunk(context, self.preamble, len(PREAMBLE), chunk) for chunk in CHUNKS]
        self.num_tokens = sum(map(len, CHUNKS))

    def merge(self, rotation: KeyRotation | None, start: int = STARTS[0]) -> int:
        """One chunk behind the other; where they end."""
        self.context.clear()
        self.context.key_rotation = rotation
        self.context.prefill(PREAMBLE[:start], 0)
        end = start
        for chunk, state in zip(CHUNKS, self.states, strict=True):
            kv_state.merge(self.context, state, end - len(PREAMBLE))
            end += len(chunk)
        kv_state.assert_cells_in_order(self.context, end)
        return end

    def decode(self, position: int) -> FloatArray:
        self.context.decode([TokenRun([40], position, Context.SEQUENCE, want_logits=True)])
        return self.context.logits()

    def keys(self, num_cells: int) -> list[FloatArray]:
        """Of each layer (cells, row values), in the space that the cache holds."""
        return [self.keys_of(layer, num_cells) for layer in range(len(self.rotation.layers))]

    def keys_of(self, layer: int, num_cells: int) -> FloatArray:
        math, cache = self.context.math, self.rotation.layers[layer].cache
        with math.graph(math.device_of(cache)) as graph:
            rows = graph.rows(cache, graph.input(np.arange(num_cells, dtype=np.int32)))
            graph.compute(rows)
            return graph.values(rows).reshape(num_cells, -1)


TYPES = [
    (PAIRS, "f16"),
    (PAIRS, "f32"),
    *((kind, kv_type) for kind in (HALVES, FACTORS) for kv_type in ("f16", "q8_0", "q4_0")),
    (IN_PART, "f16"),
]


@pytest.fixture(params=TYPES, ids=lambda each: f"{each[0].architecture}-{each[0].head_dim}-{each[1]}")
def merging(request: pytest.FixtureRequest, tiny_models: dict[Turning, Path]) -> Iterator[Merging]:
    kind, kv_type = request.param
    with opened(tiny_models[kind], kv_type) as context:
        yield Merging(context)


@pytest.fixture
def simple(tiny_models: dict[Turning, Path]) -> Iterator[Merging]:
    with opened(tiny_models[PAIRS], "f16") as context:
        yield Merging(context)


@pytest.fixture
def quantised(tiny_models: dict[Turning, Path]) -> Iterator[Merging]:
    with opened(tiny_models[HALVES], "q8_0") as context:
        yield Merging(context)


def distance(left: FloatArray, right: FloatArray) -> float:
    return float(np.linalg.norm(left - right) / np.linalg.norm(right))


# --- what comes out


@pytest.mark.parametrize("start", STARTS)
def test_turned_keys_are_those_of_a_shift(merging: Merging, start: int) -> None:
    end = merging.merge(None, start)
    merging.decode(end)
    shifted = merging.keys(end)
    merging.merge(merging.rotation, start)
    stale = merging.keys(end)
    merging.context.settle()
    turned = merging.keys(end)
    assert all(distance(ours[start:], theirs[start:]) > 0.1 for ours, theirs in zip(stale, shifted, strict=True))
    on_cpu = bindings.gpu() is None
    for ours, theirs in zip(turned, shifted, strict=True):
        # Theirs rounds quantised rows that do not move, too.
        moved = slice(len(PREAMBLE) + len(CHUNKS[0]) if start == len(PREAMBLE) else start, end)
        assert distance(ours, theirs) < ROUNDING[merging.context.options.kv_type]
        assert not on_cpu or np.array_equal(ours[moved], theirs[moved])


def test_turned_keys_are_those_that_are_computed_in_their_place(merging: Merging) -> None:
    """At layer 0, where a key depends on its token and position only."""
    end = merging.merge(merging.rotation)
    merging.context.settle()
    turned = merging.keys_of(0, end)
    merging.context.clear()
    tokens = (*PREAMBLE[: STARTS[0]], *(token for chunk in CHUNKS for token in chunk))
    merging.context.prefill(tokens, 0)
    assert distance(turned, merging.keys_of(0, end)) < ROUNDING[merging.context.options.kv_type]


def test_quantised_heads_that_are_turned_in_part_move_too(tiny_models: dict[Turning, Path]) -> None:
    """A shift of llama.cpp ends the process there: it cannot read a part of a quantised head."""
    with opened(tiny_models[IN_PART], "q8_0") as context:
        test_turned_keys_are_those_that_are_computed_in_their_place(Merging(context))


def test_rows_that_do_not_move_stay_as_they_are(quantised: Merging) -> None:
    context = quantised.context
    first = len(PREAMBLE) + len(CHUNKS[0])
    quantised.merge(quantised.rotation, len(PREAMBLE))
    end = first + sum(map(len, CHUNKS[1:]))
    before = bindings.get_sequence_state(context.handle, Context.SEQUENCE)
    quantised.decode(end)
    context.forget(Context.SEQUENCE, end)
    after = bindings.get_sequence_state(context.handle, Context.SEQUENCE)
    layout = kv_state.kv_layout.learn(after)
    offsets = layout.row_offsets(end)
    num_changed = 0
    for number, (rows, at) in enumerate(zip((*layout.k_rows, *layout.v_rows), offsets, strict=True)):
        still = slice(at, at + rows.row_bytes * (first if number < layout.num_layers else end))
        assert before[still] == after[still]
        whole = slice(at, at + rows.row_bytes * end)
        num_changed += before[whole] != after[whole]
    assert num_changed == layout.num_layers


def test_many_blocks_and_layers_are_turned_in_several_graphs(
    quantised: Merging, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = quantised.merge(quantised.rotation)
    quantised.context.settle()
    at_once = quantised.keys(end)
    monkeypatch.setattr(key_rotation, "_MOST_BLOCKS", 2)
    monkeypatch.setattr(key_rotation, "_MOST_LAYERS", 3)
    quantised.merge(quantised.rotation)
    quantised.context.settle()
    for one, other in zip(at_once, quantised.keys(end), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.model
@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_a_real_models_keys_are_turned_as_a_shift_turns_them(starter_model: Path, kv_type: str) -> None:
    with opened(starter_model, kv_type) as context:
        merging = Merging(context)
        end = merging.merge(None)
        merging.decode(end)
        shifted = merging.keys(end)
        merging.merge(merging.rotation)
        merging.context.settle()
        for ours, theirs in zip(merging.keys(end), shifted, strict=True):
            assert distance(ours, theirs) < ROUNDING[kv_type]
            assert bindings.gpu() or np.array_equal(ours[STARTS[0] :], theirs[STARTS[0] :])


# --- when it happens


def test_a_decode_sees_turned_keys(simple: Merging) -> None:
    end = simple.merge(None)
    expected = simple.decode(end)
    simple.merge(simple.rotation)
    assert np.abs(simple.decode(end) - expected).max() < 1e-3
    simple.merge(simple.rotation)
    simple.context.key_rotation = KeyRotation(())  # which turns nothing
    assert np.abs(simple.decode(end) - expected).max() > 0.1


def test_a_run_that_is_taken_out_has_turned_keys(simple: Merging) -> None:
    end = simple.merge(None)
    simple.decode(end)
    expected = kv_state.run_state(simple.context, 30, end)
    simple.merge(simple.rotation)
    assert kv_state.run_state(simple.context, 30, end) == expected


def test_a_run_may_move_again_before_anything_was_computed(simple: Merging) -> None:
    end = simple.merge(simple.rotation)
    simple.context.settle()
    expected = simple.keys(end)
    simple.merge(simple.rotation, STARTS[1])
    back = STARTS[0] - STARTS[1]
    state = kv_state.run_state(simple.context, STARTS[1], end - back)
    simple.context.forget(Context.SEQUENCE, STARTS[0])
    kv_state.merge(simple.context, state, back)
    kv_state.assert_cells_in_order(simple.context, end)
    simple.context.settle()
    for ours, once in zip(simple.keys(end), expected, strict=True):
        assert distance(ours, once) < ROUNDING["f16"]


def test_keys_that_were_forgotten_are_not_turned(simple: Merging) -> None:
    """Others stand in their cells by then."""
    end = simple.merge(simple.rotation)
    kept = STARTS[0] + len(CHUNKS[0]) + 10
    simple.context.forget(Context.SEQUENCE, kept)
    rest = [token for chunk in CHUNKS for token in chunk][kept - STARTS[0] :]
    simple.context.prefill(rest, kept)
    ours = simple.keys_of(0, end)
    simple.context.clear()
    simple.context.prefill([*PREAMBLE[: STARTS[0]], *(token for chunk in CHUNKS for token in chunk)], 0)
    assert distance(ours, simple.keys_of(0, end)) < ROUNDING["f16"]


def test_a_cleared_cache_has_nothing_to_turn(simple: Merging) -> None:
    simple.merge(simple.rotation)
    simple.context.clear()
    simple.context.prefill(PREAMBLE, 0)
    expected = simple.keys(len(PREAMBLE))
    simple.context.settle()
    for ours, computed in zip(simple.keys(len(PREAMBLE)), expected, strict=True):
        assert np.array_equal(ours, computed)


def test_a_cancelled_decode_leaves_moved_keys_to_the_next(simple: Merging) -> None:
    end = simple.merge(simple.rotation)
    expected = simple.decode(end)
    simple.merge(simple.rotation)
    simple.context.cancel()
    with pytest.raises(Cancelled):
        simple.decode(end)
    simple.context.allow()
    assert np.array_equal(simple.decode(end), expected)


def test_where_the_device_fails_the_cache_is_emptied_and_llama_cpp_has_to_do_it(
    simple: Merging, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RedirectFailed("the device has no memory left")

    expected = simple.decode(simple.merge(None))
    end = simple.merge(simple.rotation)
    monkeypatch.setattr(KeyRotation, "turn", fail)
    with pytest.raises(DecodeFailed, match="no memory left"):
        simple.decode(end)
    kv_state.assert_cells_in_order(simple.context, 0)
    assert_llama_cpp_turns(simple, expected, simple.context.key_rotation)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_state_is_as_it_was_after_it_was_merged(simple: Merging, kind: type) -> None:
    state = bytes(simple.states[1])
    given = kind(bytearray(state))
    simple.context.clear()
    simple.context.key_rotation = simple.rotation
    kv_state.merge(simple.context, given, 100)
    assert bytes(given) == state


def test_what_is_left_of_a_run() -> None:
    run = MovedRun(10, 20, 3)
    left = {
        (0, 10): [run],
        (20, 30): [run],
        (10, 20): [],
        (0, 30): [],
        (15, 30): [MovedRun(10, 15, 3)],
        (0, 15): [MovedRun(15, 20, 3)],
        (12, 15): [MovedRun(10, 12, 3), MovedRun(15, 20, 3)],
    }
    for (first, end), expected in left.items():
        assert run.without(first, end) == expected


# --- where it is not known how


def assert_llama_cpp_turns(merging: Merging, expected: FloatArray, rotation: KeyRotation | None) -> None:
    assert rotation is None
    assert np.array_equal(merging.decode(merging.merge(rotation)), expected)


def test_a_rotation_that_is_not_plain_is_left_to_llama_cpp(
    simple: Merging, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = simple.decode(simple.merge(None))
    monkeypatch.setattr(bindings, "rope_of", lambda _: None)
    with caplog.at_level(logging.WARNING):
        rotation = self_check.key_rotation(simple.context)
    assert "llama.cpp turns" in caplog.text
    assert "more to its keys than turning them" in caplog.text
    assert_llama_cpp_turns(simple, expected, rotation)


def test_a_device_that_cannot_is_left_to_llama_cpp(simple: Merging, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = simple.decode(simple.merge(None))
    monkeypatch.setattr(bindings, "supports", lambda *_: False)
    rotation = self_check.key_rotation(simple.context)
    monkeypatch.undo()
    assert_llama_cpp_turns(simple, expected, rotation)


@pytest.mark.parametrize("wrong", [{"base": 20_000.0}, {"mode": 2}, {"scale": 0.5}, {"num_rotated": 8}])
def test_a_rotation_that_was_misread_is_left_to_llama_cpp(
    simple: Merging, wrong: dict[str, float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    traced_decode = rope_trace.traced_decode

    def misread(*args: object) -> KeyRotation:
        first, *others = traced_decode(*args).layers
        others[-1] = replace(others[-1], rope=others[-1].rope._replace(**wrong))
        return KeyRotation((first, *others))

    monkeypatch.setattr(rope_trace, "traced_decode", misread)
    with caplog.at_level(logging.WARNING):
        assert self_check.key_rotation(simple.context) is None
    assert "came out wrong" in caplog.text


def test_keys_that_are_scaled_after_they_were_turned_are_left_to_llama_cpp(
    tiny_models: dict[Turning, Path], caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tiny_models[SCALED_BEHIND], "f16") as context, caplog.at_level(logging.WARNING):
        assert self_check.key_rotation(context) is None
    assert "came out wrong" in caplog.text


def test_only_plain_rotations_are_taken_for_one(simple: Merging) -> None:
    rope = simple.rotation.layers[0].rope
    assert rope is not None
    assert (rope.num_rotated, rope.mode, rope.base, rope.scale) == (16, 0, 10_000.0, 1.0)
    node = bindings.Tensor()
    floats = np.frombuffer(node.op_params, np.float32)
    node.op_params[1], floats[5], floats[6], floats[8] = 16, 1e4, 1, 1
    assert bindings.rope_of(node) is not None
    for place, value in ((2, 8), (2, 24), (15, 4), (11, 1)):
        before, node.op_params[place] = node.op_params[place], value
        assert bindings.rope_of(node) is None
        node.op_params[place] = before
    for place in (7, 8):
        floats[place] += 0.5
        assert bindings.rope_of(node) is None
        floats[place] -= 0.5


def test_layers_of_different_devices_are_turned_in_different_graphs(
    simple: Merging, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = simple.context.math.device_of(simple.rotation.layers[0].cache)
    asked: list[int] = []
    graph = DeviceMath.graph

    def spied(math: DeviceMath, name: int) -> object:
        asked.append(name)
        return graph(math, device)

    end = simple.merge(simple.rotation)
    simple.context.settle()
    expected = simple.keys(end)
    simple.merge(simple.rotation)
    places = {layer.cache: 1 + i % 2 for i, layer in enumerate(simple.rotation.layers)}
    with monkeypatch.context() as patch:
        patch.setattr(DeviceMath, "device_of", lambda _, address: places[address])
        patch.setattr(DeviceMath, "graph", spied)
        simple.context.settle()
    assert sorted(asked) == [1, 2]
    for ours, others in zip(simple.keys(end), expected, strict=True):
        assert np.array_equal(ours, others)
