"""Keys that were moved: how a model turns them by their positions, and which are still to be turned.

RoPE turns a key by its position. A key that moves by *d* positions is turned by *d* more, in every layer as that
layer's own graph does it (`engine.rope_trace` reads it off there). Rows are read, turned in float32 and written back on
the device that keeps them, in the cache's own type; quantised ones lie there Hadamard-transformed, so that is undone
before and done again behind. All other rows stay as they are, bit by bit.

llama.cpp's own way (`Context.shift`) turns every cell of the cache, by zero too, which rounds quantised rows anew, and
works out the angles of every cell in every layer. Measured (`tests.check_merging`), 3,072 tokens in six chunks, one
core, 24 layers of 2 heads of 64 values: 19 ms instead of 92 with f16 rows, 93 instead of 150 with q8_0, most of it for
the transform.

Position *i* sits in cell *i*. Owner thread of the context only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine import bindings
from engine.bindings import FloatArray, IntArray, Rope
from engine.device_math import DeviceMath, Graph

_BLOCK = 32
"""Cells for which the angles are worked out once; the last block of a run repeats its last cell. Measured with f16 rows
as above, under load: 57 ms for 1, 32 for 32, 25 for 128, but a run of a few tokens should not be turned so often."""

_MOST_BLOCKS = 128
"""Of one graph: what it needs on the device is three times as many rows in float32, 48 MiB for 1,024 values a row."""

_MOST_LAYERS = 64
"""Of one graph: each is up to eleven tensors."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerKeys:
    """Where one layer keeps its keys, and how they are turned."""

    cache: int
    """The address of its K cache, a tensor that outlives every graph: a row per cell, all heads side by side."""
    head_dim: int = 0
    rope: Rope | None = None
    """None: this layer's keys know nothing of their positions."""
    factors: FloatArray | None = None
    """Divisors of the frequencies, (num_rotated / 2,)."""
    hadamard: FloatArray | None = None
    """The matrix of the transform that the rows lie in."""


@dataclass(frozen=True, slots=True)
class MovedRun:
    """Cells `[first, end)`, whose keys are still to be turned by `delta` positions."""

    first: int
    end: int
    delta: int

    def without(self, first: int, end: int) -> "list[MovedRun]":
        """What is left of it outside of `[first, end)`."""
        before = replace(self, end=min(self.end, first))
        behind = replace(self, first=max(self.first, end))
        return [run for run in (before, behind) if run.first < run.end]


@dataclass(frozen=True, slots=True, eq=False)
class KeyRotation:
    """How a context's keys are turned, layer by layer."""

    layers: tuple[LayerKeys, ...]

    def turn(self, math: DeviceMath, runs: Sequence[MovedRun]) -> None:
        """Turn the keys of runs that have no cell in common. Raises `RedirectFailed`; then some may be turned."""
        cells, deltas = _blocks(runs)
        for layers in self._groups(math):
            for start in range(0, len(deltas), _MOST_BLOCKS):
                piece = slice(start, start + _MOST_BLOCKS)
                with math.graph(math.device_of(layers[0].cache)) as graph:
                    turning = _Turning(graph, cells[piece].ravel(), deltas[piece])
                    graph.compute(*[turning.layer(layer) for layer in layers], alike=True)

    def _groups(self, math: DeviceMath) -> Iterator[list[LayerKeys]]:
        """Layers that one graph can take: on one device, and not too many."""
        of_device: dict[int, list[LayerKeys]] = {}
        for layer in self.layers:
            if layer.rope is not None:
                of_device.setdefault(math.device_of(layer.cache), []).append(layer)
        for layers in of_device.values():
            yield from (layers[start : start + _MOST_LAYERS] for start in range(0, len(layers), _MOST_LAYERS))


def _blocks(runs: Sequence[MovedRun]) -> tuple[IntArray, IntArray]:
    """Cells in blocks, (blocks, `_BLOCK`), and by how much each block is turned, (blocks,)."""
    cells, deltas = list[IntArray](), list[IntArray]()
    for run in runs:
        num_blocks = -(-(run.end - run.first) // _BLOCK)
        padded = run.first + np.arange(num_blocks * _BLOCK, dtype=np.int32)
        cells.append(np.minimum(padded, np.int32(run.end - 1)).reshape(num_blocks, _BLOCK))
        deltas.append(np.full(num_blocks, run.delta, np.int32))
    return np.concatenate(cells), np.concatenate(deltas)


class _Turning:
    """One graph: some cells of some layers."""

    def __init__(self, graph: Graph, cells: IntArray, deltas: IntArray) -> None:
        self._graph, self._num_cells, self._num_blocks = graph, len(cells), len(deltas)
        self._cells, self._deltas = graph.input(cells), graph.input(deltas)
        self._constants: dict[int, int] = {}

    def layer(self, keys: LayerKeys) -> int:
        assert keys.rope is not None, "only keys that know their positions are turned"
        graph, row_values = self._graph, bindings.tensor_at(keys.cache).ne[0]
        rows = self._transformed(graph.rows(keys.cache, self._cells), keys.hadamard)
        blocks = graph.reshaped(rows, keys.head_dim, row_values // keys.head_dim * _BLOCK, self._num_blocks)
        factors = None if keys.factors is None else self._constant(keys.factors)
        turned = self._transformed(graph.rotated(blocks, self._deltas, keys.rope, factors), keys.hadamard)
        return graph.write_rows(keys.cache, graph.reshaped(turned, row_values, self._num_cells), self._cells)

    def _transformed(self, rows: int, matrix: FloatArray | None) -> int:
        return rows if matrix is None else self._graph.hadamard(rows, self._constant(matrix))

    def _constant(self, values: FloatArray) -> int:
        """Layers share theirs."""
        if id(values) not in self._constants:
            self._constants[id(values)] = self._graph.input(values)
        return self._constants[id(values)]
