"""May this library and this model be blended? Asked once per context, before the first question.

Three questions, cheapest first: does the metadata allow it (`engine.architecture`), do our structs match the loaded
library (`bindings.layout_faults`, 1 ms), and does the graph of a tiny redirected decode offer the inputs and nodes
that `engine.redirect` and `engine.scoring` rely on (two tokens through one layer)? Any "no" means exact mode only,
with the reason for the user. Owner thread of the context.
"""

from typing import Any

import numpy as np

from engine import architecture, bindings, redirect, scoring
from engine.architecture import Blendability
from engine.bindings import TokenRun, llama
from engine.errors import EngineError
from engine.model import Context, Model
from engine.redirect import Watch

_ROPE_NORMAL, _ROPE_NEOX = 0, 2
"""llama_rope_type values with one position per token (llama.h)."""

_NUM_PROBE_TOKENS = 2


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
