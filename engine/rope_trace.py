"""How each layer turns its keys by their positions, read off the graph of a decode. Owner thread of the context only.

On its way into the cache (SET_ROWS) a key has been through RoPE and, where rows are quantised, a Hadamard transform
behind it, with nothing but changes of shape between. A layer whose keys come from anything else is taken for one that
does not turn them. Whether that is so is for `engine.self_check` to prove.
"""

from collections.abc import Sequence

import numpy as np

from engine import bindings, redirect
from engine.bindings import FloatArray, Tensor, TokenRun
from engine.errors import RedirectFailed
from engine.key_rotation import KeyRotation, LayerKeys
from engine.model import Context
from engine.redirect import GraphPass, Watch

_RESHAPING = frozenset({"RESHAPE", "VIEW", "CONT"})


def traced_decode(context: Context, runs: Sequence[TokenRun]) -> KeyRotation:
    """Decode a batch, and see how its keys are turned. Raises `RedirectFailed` for a rotation that is not plain."""
    trace = _Trace()
    watches = {redirect.k_rows_tap(i): Watch(before=trace.read) for i in range(context.model.num_layers)}
    graph_pass = GraphPass(watches=watches)
    context.decode(runs, graph_pass)
    graph_pass.require_complete()
    return KeyRotation(tuple(trace.layers))


class _Trace:
    """Reads the writes of all layers, in their order; arrays of the same values become one."""

    def __init__(self) -> None:
        self.layers: list[LayerKeys] = []
        self._arrays: list[FloatArray] = []

    def read(self, write: Tensor) -> None:
        hadamard, address = None, write.src[0]
        while True:
            node = bindings.tensor_at(address)
            operation = bindings.op_name(node.op)
            if operation == "MUL_MAT" and node.op_params[1] == bindings.HADAMARD_HINT and hadamard is None:
                hadamard, address = self._values(node.src[0]), node.src[1]
            elif operation in _RESHAPING:
                address = node.src[0]
            else:
                break
        if operation == "ROPE":
            self.layers.append(self._turned(write.view_src, node, hadamard))
        else:
            self.layers.append(LayerKeys(write.view_src))

    def _turned(self, cache: int, node: Tensor, hadamard: FloatArray | None) -> LayerKeys:
        rope = bindings.rope_of(node)
        if rope is None:
            raise RedirectFailed(f"layer {len(self.layers)} does more to its keys than turning them")
        factors = self._values(node.src[2]) if node.src[2] else None
        return LayerKeys(cache, node.ne[0], rope, factors, hadamard)

    def _values(self, address: int) -> FloatArray:
        tensor = bindings.tensor_at(address)
        type_ = bindings.type_name(tensor.type)
        if type_ != "f32":
            raise RedirectFailed(f"a constant of the rotation of keys has type {type_}, expected f32")
        raw = bindings.read_tensor(address, 0, bindings.num_tensor_bytes(address)).view(np.float32)
        values = raw.reshape(tensor.ne[1], tensor.ne[0]) if tensor.ne[1] > 1 else raw
        for known in self._arrays:
            if np.array_equal(known, values):
                return known
        self._arrays.append(values)
        return values
