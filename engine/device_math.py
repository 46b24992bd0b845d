"""Small graphs of our own, computed where the KV cache lies: arithmetic on its rows without bringing them to the host.

A `DeviceMath` opens each device that holds a part of the cache a second time, beside llama.cpp's own backend, with a
stream (or threads) of its own. Everything is computed to its end before a call returns, and llama.cpp's graph is
complete, or stands still in its callback, meanwhile: nothing is read while it is written.

A `Graph` is built from addresses of tensors, computed once, and read. Tensors of llama.cpp's graphs come in through
`alias`, weights and caches as they are. Compute thread only.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt

from engine import bindings
from engine.bindings import FloatArray, Rope
from engine.errors import RedirectFailed
from engine.owner import Owner

_NUM_TENSORS = 1024
"""In one graph, inputs and views included; ggml's own limit is 2048 nodes."""


class DeviceMath(Owner):
    """The devices of one cache, opened when first asked for."""

    def __init__(self, num_threads: int) -> None:
        """`num_threads` where the device is a CPU."""
        self._num_threads = num_threads
        self._devices: dict[int, _Device] = {}
        self._stack = ExitStack()

    def device_of(self, address: int) -> int:
        """Names the device that holds a tensor; graphs of one device may take its tensors together."""
        return bindings.device_of(address)

    def graph(self, device: int) -> "Graph":
        """An empty graph; close it."""
        if device not in self._devices:
            self._devices[device] = self._stack.enter_context(_Device(device, self._num_threads))
        return Graph(self._devices[device])

    def close(self) -> None:
        self._stack.close()
        self._devices.clear()


class _Device(Owner):
    """A backend, and the allocators that no graph uses now: each keeps its memory, which is slow to get on a GPU."""

    def __init__(self, device: int, num_threads: int) -> None:
        self.backend = bindings.new_backend(device, num_threads)
        self.idle_allocators: list[int] = []

    def take_allocator(self) -> int:
        return self.idle_allocators.pop() if self.idle_allocators else bindings.allocator_of(self.backend)

    def close(self) -> None:
        while self.idle_allocators:
            bindings.free_allocator(self.idle_allocators.pop())
        if self.backend:
            bindings.free_backend(self.backend)
            self.backend = 0


class Graph(Owner):
    """One graph; every method that returns an address adds a node. Shapes are ggml's, contiguous dimension first."""

    def __init__(self, device: _Device) -> None:
        self._device = device
        self._inputs: list[tuple[int, npt.NDArray[np.float32] | npt.NDArray[np.int32]]] = []
        self._stack = ExitStack()
        self._memory = bindings.new_graph_memory(_NUM_TENSORS)
        self._stack.callback(bindings.free_graph_memory, self._memory)

    # --- sources

    def input(self, values: npt.NDArray[np.float32] | npt.NDArray[np.int32]) -> int:
        """An array, which must stay as it is until the graph is computed."""
        type_ = "f32" if values.dtype == np.float32 else "i32"
        address = bindings.new_input(self._memory, type_, values.shape[::-1])
        self._inputs.append((address, values))
        return address

    def alias(self, address: int) -> int:
        """A tensor of a graph that is not ours."""
        return bindings.new_alias(self._memory, address)

    def heads(self, cache: int, num_cells: int, num_heads: int) -> int:
        """The rows of a cache's first cells, head by head: (head_dim, cells, heads)."""
        tensor = bindings.tensor_at(cache)
        row_bytes, head_dim = bindings.row_bytes(tensor.type, tensor.ne[0]), tensor.ne[0] // num_heads
        head_bytes = bindings.row_bytes(tensor.type, head_dim)
        return bindings.view_3d(self._memory, cache, head_dim, num_cells, num_heads, row_bytes, head_bytes, 0)

    # --- arithmetic

    def products(self, keys: int, queries: int) -> int:
        """(n, keys, heads) · (n, queries, heads × groups) → (keys, queries, heads × groups)"""
        return bindings.mul_mat(self._memory, keys, queries)

    def soft_max(self, address: int, scale: float) -> int:
        """Over the first dimension."""
        return bindings.soft_max(self._memory, address, scale)

    def sum_over_rest(self, address: int) -> int:
        """(n, ...) → (1, n): the sum over all other dimensions."""
        shape = bindings.tensor_at(address).ne
        flat = self.reshaped(address, shape[0], shape[1] * shape[2] * shape[3])
        turned = bindings.contiguous(self._memory, bindings.transpose(self._memory, flat))
        return bindings.sum_rows(self._memory, turned)

    def rows(self, cache: int, numbers: int) -> int:
        """(n, rows) at (m) → (n, m) in f32, whatever the rows' type."""
        return bindings.get_rows(self._memory, cache, numbers)

    def write_rows(self, cache: int, rows: int, numbers: int) -> int:
        """Overwrite the rows (n, m) at (m) of a cache, in its own type; the order of equal numbers is open."""
        return bindings.set_rows(self._memory, cache, rows, numbers)

    def hadamard(self, address: int, matrix: int) -> int:
        """Walsh-Hadamard transform of (n, ...) in pieces as long as the matrix; it is its own inverse."""
        shape, length = bindings.tensor_at(address).ne, bindings.tensor_at(matrix).ne[0]
        pieces = self.reshaped(address, length, shape[0] * shape[1] * shape[2] * shape[3] // length)
        return self.reshaped(bindings.hadamard(self._memory, matrix, pieces), *shape)

    def rotated(self, address: int, positions: int, rope: Rope, factors: int | None) -> int:
        """RoPE of (head_dim, rows, m) by (m); `factors` divide the frequencies."""
        return bindings.rotate(self._memory, address, positions, rope, factors)

    def squared_distances(self, left: int, right: int) -> int:
        """(n, m), (n, m) → (1, m)"""
        difference = bindings.subtract(self._memory, left, right)
        return bindings.sum_rows(self._memory, bindings.square(self._memory, difference))

    def reshaped(self, address: int, *shape: int) -> int:
        return bindings.reshape(self._memory, address, shape)

    def total(self, addresses: Sequence[int]) -> int:
        """The sum of tensors of one shape."""
        first, *others = addresses
        for other in others:
            first = bindings.add(self._memory, first, other)
        return first

    # --- computing

    def compute(self, *outputs: int, alike: bool = False) -> None:
        """Compute, in this order; outputs stay on the device until the graph is closed. Raises `RedirectFailed` where
        the device cannot. `alike`: the same is done for each of them, so the device is asked about the first alone, for
        that takes 2 µs per node."""
        self._check(outputs[:1] if alike else outputs)
        graph = bindings.new_graph(self._memory)
        for output in outputs:
            bindings.mark_output(output)
            bindings.add_to_graph(graph, output)
        allocator = self._device.take_allocator()
        self._stack.callback(self._device.idle_allocators.append, allocator)
        if not bindings.allocate_graph(allocator, graph):
            raise RedirectFailed("the device of the KV cache has no memory left to calculate with it")
        for address, values in self._inputs:
            bindings.write_tensor(address, values)
        if not bindings.compute_graph(self._device.backend, graph):
            raise RedirectFailed("the device of the KV cache did not calculate with it")

    def values(self, output: int) -> FloatArray:
        """A copy of what was computed: float32, flat."""
        return bindings.read_tensor(output, 0, bindings.num_tensor_bytes(output)).view(np.float32)

    def _check(self, outputs: Sequence[int]) -> None:
        seen, waiting = set[int](), list(outputs)
        while waiting:
            address = waiting.pop()
            if address in seen:
                continue
            seen.add(address)
            tensor = bindings.tensor_at(address)
            if tensor.op != bindings.NO_OP and not bindings.supports(self._device.backend, address):
                raise RedirectFailed(f"the device of the KV cache cannot compute {bindings.op_name(tensor.op)}")
            waiting += [source for source in tensor.src[: bindings.MAX_SRC] if source]

    def close(self) -> None:
        self._stack.close()
