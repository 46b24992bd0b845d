"""The K and V rows that a cache holds, layer by layer: read, compared and overwritten in place, for measuring quality.

A token's row is what one layer keeps of it: all its KV heads side by side, in the cache's own type, keys after RoPE.
Position *i* sits in cell *i* here, so rows are named by positions. Owner thread of the context only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import bindings, redirect
from engine.bindings import ByteArray, FloatArray, IntArray, Tensor, TokenRun
from engine.errors import RedirectFailed
from engine.kv_layout import Buffer, KvLayout
from engine.model import Context
from engine.redirect import GraphPass, Tap, Watch

_BLOCK_VALUES = 32
_Q8_0 = np.dtype([("scale", "<f2"), ("values", "i1", (_BLOCK_VALUES,))])
_Q4_0 = np.dtype([("scale", "<f2"), ("values", "u1", (_BLOCK_VALUES // 2,))])
"""block_q8_0 and block_q4_0 of ggml-common.h; the low halves of a Q4_0 block's bytes come first, then the high ones."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of consecutive positions: per layer (positions, row bytes) uint8, as the cache stores them."""

    k: Sequence[ByteArray]
    v: Sequence[ByteArray]


def rows_of_state(blob: Buffer, layout: KvLayout, num_tokens: int) -> Rows:
    """The rows of a checked sequence state, as views into it."""
    raw = np.frombuffer(blob, np.uint8)
    each = [
        raw[at : at + rows.row_bytes * num_tokens].reshape(num_tokens, rows.row_bytes)
        for at, rows in zip(layout.row_offsets(num_tokens), (*layout.k_rows, *layout.v_rows), strict=True)
    ]
    return Rows(each[: layout.num_layers], each[layout.num_layers :])


class CacheRows:
    """Where a context keeps its rows. The cache tensors outlive every graph, so they are looked up once."""

    def __init__(self, context: Context) -> None:
        """Finds the tensors with a decode of one token; leaves the cache empty."""
        self._k, self._v = _cache_tensors(context)
        self.type = bindings.type_name(bindings.tensor_at(self._v[0]).type)

    @property
    def num_layers(self) -> int:
        return len(self._k)

    def read(self, num_positions: int) -> Rows:
        """A copy of the rows of positions `[0, num_positions)`."""
        return Rows(
            [_read(address, num_positions) for address in self._k],
            [_read(address, num_positions) for address in self._v],
        )

    def keys(self, layer: int, num_positions: int) -> FloatArray:
        """One layer's keys: (positions, row values) float32."""
        return self.values(_read(self._k[layer], num_positions))

    def write(self, layer: int, k: ByteArray, v: ByteArray) -> None:
        """Overwrite one layer's rows from position 0 on."""
        bindings.write_tensor(self._k[layer], k)
        bindings.write_tensor(self._v[layer], v)

    def replace(self, rows: Rows, positions: IntArray, layers: Sequence[int]) -> None:
        """Copy the rows of some positions from `rows`, in some layers."""
        num_positions = len(rows.k[0])
        for layer in layers:
            now_k, now_v = _read(self._k[layer], num_positions), _read(self._v[layer], num_positions)
            now_k[positions], now_v[positions] = rows.k[layer][positions], rows.v[layer][positions]
            self.write(layer, now_k, now_v)

    def values(self, raw: ByteArray) -> FloatArray:
        """Rows as numbers: (…, row values) float32, in the space that the cache holds."""
        return row_values(raw, self.type)

    def bytes_of(self, values: FloatArray) -> ByteArray:
        """Numbers as rows; for caches of 16-bit or 32-bit floats."""
        if self.type not in ("f16", "f32"):
            raise RedirectFailed(f"rows of type {self.type} cannot be written here; use kv_type f16")
        return values.astype(np.float16 if self.type == "f16" else np.float32).view(np.uint8)


def row_values(raw: ByteArray, type_: str) -> FloatArray:
    """Rows of a ggml type, (…, row bytes), as (…, row values) float32."""
    raw = np.ascontiguousarray(raw)
    if type_ == "f16":
        return raw.view(np.float16).astype(np.float32)
    if type_ == "f32":
        return raw.view(np.float32)
    if type_ not in ("q8_0", "q4_0"):
        raise RedirectFailed(f"rows of type {type_} cannot be read as numbers; use kv_type f16, q8_0 or q4_0")
    blocks: npt.NDArray[Any] = raw.reshape(-1).view(_Q8_0 if type_ == "q8_0" else _Q4_0)
    values: npt.NDArray[np.int8] = blocks["values"]
    if type_ == "q4_0":
        values = np.concatenate((values & 15, values >> 4), axis=1).view(np.int8) - np.int8(8)
    numbers: FloatArray = blocks["scale"].astype(np.float32)[:, None] * values
    return numbers.reshape(*raw.shape[:-1], -1)


def _read(address: int, num_positions: int) -> ByteArray:
    cache = bindings.tensor_at(address)
    row_bytes = bindings.row_bytes(cache.type, cache.ne[0])
    return bindings.read_tensor(address, 0, num_positions * row_bytes).reshape(num_positions, row_bytes)


def _cache_tensors(context: Context) -> tuple[list[int], list[int]]:
    found: dict[Tap, int] = {}

    def finder(tap: Tap) -> Watch:
        def note(node: Tensor) -> None:
            found[tap] = node.view_src

        return Watch(after=note)

    layers = range(context.model.num_layers)
    k_taps, v_taps = [redirect.k_rows_tap(i) for i in layers], [redirect.v_rows_tap(i) for i in layers]
    graph_pass = GraphPass(watches={tap: finder(tap) for tap in (*k_taps, *v_taps)})
    context.clear()
    context.decode([TokenRun([0], 0, Context.SEQUENCE)], graph_pass)
    context.clear()
    graph_pass.require_complete()
    return [found[tap] for tap in k_taps], [found[tap] for tap in v_taps]
