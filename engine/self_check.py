"""May this library and this model be blended, and do we know how its keys turn? Asked once per context, before the
first question.

Three questions, cheapest first: does the metadata allow it (`engine.architecture`), do our structs match the loaded
library (`bindings.layout_faults`, 1 ms), and does the graph of a tiny redirected decode offer the inputs and nodes
that `engine.redirect` and `engine.scoring` rely on (two tokens through one layer)? Any "no" means exact mode only,
with the reason for the user.

How keys turn (`engine.rope_trace`) is believed after two keys have changed places: a token that sees only itself has,
in every layer, the same key at any position but for its rotation. That is one decode of two tokens. "No" means that
llama.cpp turns moved keys, which is slower. Owner thread of the context.
"""

import logging
from typing import Any

import numpy as np

from engine import architecture, bindings, redirect, rope_trace, scoring
from engine.architecture import Blendability
from engine.bindings import FloatArray, TokenRun, llama
from engine.errors import EngineError
from engine.key_rotation import KeyRotation, MovedRun
from engine.model import Context, Model
from engine.redirect import Watch

_logger = logging.getLogger(__name__)

_ROPE_NORMAL, _ROPE_NEOX = 0, 2
"""llama_rope_type values with one position per token (llama.h)."""

_NUM_PROBE_TOKENS = 2

_NEAR, _FAR = 1, 1000
"""Positions that two keys exchange: over them the slower frequencies turn, too."""

_ROUNDING = {"f32": 1e-3, "f16": 0.01, "q8_0": 0.05}
_COARSE_ROUNDING = 0.5
"""How far a turned key may be from the one that was computed there, as a share of its length. Measured: 4e-6, 6e-4 and
.01, and .15 for q4_0; a rotation that is not the model's gives about 1."""


def model_blendability(model: Model) -> Blendability:
    """Judge a loaded model: metadata, then what llama.cpp made of it, then our structs."""
    by_metadata = architecture.blendability(model.header)
    if not by_metadata.possible:
        return by_metadata
    for obstacle, reason in _obstacles(model.handle):
        if obstacle:
            return Blendability(False, reason)
    faults = bindings.layout_faults()
    if faults:
        return Blendability(False, f"the native library does not match: {'; '.join(faults)}")
    return Blendability(True)


def _obstacles(handle: Any) -> list[tuple[bool, str]]:
    return [
        (
            llama.llama_model_is_recurrent(handle) or llama.llama_model_is_hybrid(handle),
            "it has recurrent memory",
        ),
        (llama.llama_model_n_swa(handle) > 0, "it attends through a sliding window"),
        (
            llama.llama_model_rope_type(handle) not in (_ROPE_NORMAL, _ROPE_NEOX),
            "its positions are not one-dimensional rotary ones",
        ),
        (
            llama.llama_model_has_encoder(handle) or llama.llama_model_is_diffusion(handle),
            "it is not a causal decoder",
        ),
    ]


def graph_blendability(context: Context) -> Blendability:
    """Run a two-token redirected decode that stops at layer 1, and see that everything was where it should be."""
    tokens = [0] * _NUM_PROBE_TOKENS
    taps = [redirect.attention_tap(0), redirect.k_rows_tap(0), redirect.v_rows_tap(scoring.DEVIATION_LAYER)]
    try:
        if not llama.llama_memory_can_shift(context.memory):
            return Blendability(False, "its cache cannot be shifted")
        context.clear()
        context.prefill(tokens, 0)
        redirect.redirected_decode(
            context,
            tokens,
            np.arange(_NUM_PROBE_TOKENS, dtype=np.int32),
            [TokenRun([0], _NUM_PROBE_TOKENS, Context.SEQUENCE)],
            {tap: Watch() for tap in taps},
            stop=True,
        )
    except EngineError as error:
        return Blendability(False, f"its graph cannot be redirected: {error}")
    finally:
        context.clear()
    return Blendability(True)


def key_rotation(context: Context) -> KeyRotation | None:
    """How keys turn in this context, proved; None with a word in the log where that is not known. Leaves it empty."""
    try:
        context.clear()
        runs = [TokenRun([0], _NEAR, Context.SEQUENCE), TokenRun([0], _FAR, Context.SCRATCH)]
        rotation = rope_trace.traced_decode(context, runs)
        error = _error_of_exchange(context, rotation)
    except EngineError as failure:
        _logger.warning("llama.cpp turns the keys of moved tokens: %s", failure)
        return None
    finally:
        context.clear()
    if not error <= _ROUNDING.get(context.options.kv_type, _COARSE_ROUNDING):
        _logger.warning("llama.cpp turns the keys of moved tokens: ours came out wrong by %.2g of their length", error)
        return None
    return rotation


def _error_of_exchange(context: Context, rotation: KeyRotation) -> float:
    """Turn two keys to each other's position: their distance to where they went, over all layers the greatest."""
    before = _keys(context, rotation)
    rotation.turn(context.math, [MovedRun(0, 1, _FAR - _NEAR), MovedRun(1, 2, _NEAR - _FAR)])
    pairs = zip(before, _keys(context, rotation), strict=True)
    return max(float(np.linalg.norm(after - b[::-1]) / np.linalg.norm(b)) for b, after in pairs)


def _keys(context: Context, rotation: KeyRotation) -> list[FloatArray]:
    """Of each layer the keys of the first two cells: (2, row values)."""
    keys, cells = list[FloatArray](), np.arange(2, dtype=np.int32)
    for layer in rotation.layers:
        with context.math.graph(context.math.device_of(layer.cache)) as graph:
            rows = graph.rows(layer.cache, graph.input(cells))
            graph.compute(rows)
            keys.append(graph.values(rows).reshape(2, -1))
    return keys
