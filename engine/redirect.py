"""The redirected decode: recompute chosen tokens in place, watch a graph, stop it early.

llama.cpp has no call for "compute these tokens of the cache again": a batch must continue its sequence. But its
evaluation callback sees every node of the graph *before* the graph is computed (`ask`), when the inputs are already
on the node's device. So the tokens are submitted to an empty scratch sequence, where any consecutive positions are
allowed, and before anything is computed three inputs are overwritten:

    inp_pos                  the tokens' true positions            (RoPE)
    attn_inp_k_idxs/v_idxs   the cells to overwrite                (SET_ROWS into the cache)
    attn_inp_kq_mask         0 for cells of smaller-or-equal position, −inf else   (FLASH_ATTN_EXT)

Every layer then writes the tokens' new K and V rows over the stale ones and attends to all cells before them: what a
prefill computes, for these tokens alone. Tokens of the main sequence that follow them (the question) are in the same
batch, keep their own inputs, and see the new rows, because a layer writes before it attends. Afterwards the scratch
sequence is forgotten; its cells were only reserved, never written.

Proof by measurement (tests/engine/test_blend_exactness.py): recomputing everything over a cache filled with other
tokens' rows gives the same bits as over the right one.

Answering true for a node and false after it stops the split it is in; `GraphPass` then stops every later split at
its first node, so that a graph cut over several devices ends too. Each split has its own copies of the inputs;
each copy is rewritten where it is met. Owner thread only; one pass serves one decode.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import bindings
from engine.bindings import MAX_SRC, IntArray, Tensor, TokenRun
from engine.errors import RedirectFailed
from engine.model import Context

_ROPE_POSITIONS, _K_CELLS, _V_CELLS, _MASK = (
    "inp_pos",
    "attn_inp_k_idxs",
    "attn_inp_v_idxs",
    "attn_inp_kq_mask",
)
REWRITTEN_INPUTS = (_ROPE_POSITIONS, _K_CELLS, _V_CELLS, _MASK)
"""Names of the inputs as src/llama-graph.cpp gives them; a copy on another device has the name inside its own."""

_INPUT = re.compile(rb"(?<![a-z_])(inp_pos|attn_inp_k_idxs|attn_inp_v_idxs|attn_inp_kq_mask)(?![a-z_])")

_MASK_TYPE, _POSITION_TYPE, _CELL_TYPE = "f16", "i32", "i64"


_WRITE_ROWS, _ATTEND = "SET_ROWS", "FLASH_ATTN_EXT"


@dataclass(frozen=True, slots=True)
class Tap:
    """A node to look at: an operation, and the cache tensor that it writes or attends to."""

    operation: str
    cache: bytes
    """`cache_k_l<layer>` or `cache_v_l<layer>`, the names of src/llama-kv-cache.cpp."""


def attention_tap(layer: int) -> Tap:
    """The attention of a layer: Q, K, V and mask as used are its sources."""
    return Tap(_ATTEND, b"cache_k_l%d" % layer)


def k_rows_tap(layer: int) -> Tap:
    """The write of a layer's new K rows into the cache."""
    return Tap(_WRITE_ROWS, b"cache_k_l%d" % layer)


def v_rows_tap(layer: int) -> Tap:
    """The write of a layer's new V rows into the cache."""
    return Tap(_WRITE_ROWS, b"cache_v_l%d" % layer)


@dataclass(slots=True)
class Watch:
    """What to do at one tap; both get the node. `before` runs ahead of the node's graph, `after` behind the node."""

    before: Callable[[Tensor], None] | None = None
    after: Callable[[Tensor], None] | None = None


@dataclass(frozen=True, slots=True)
class MaskBias:
    """A number that is added to the attention logits of some cells, for all tokens of a batch."""

    cells: IntArray
    bias: float


def hiding(cells: IntArray | None) -> MaskBias | None:
    """The bias that hides cells; None where there are none to hide."""
    return None if cells is None else MaskBias(cells, -np.inf)


@dataclass(slots=True)
class GraphPass:
    """One decode's `GraphVisitor`: rewrite inputs for `len(positions)` tokens from `first_row` on, call watches, stop.

    `positions` are the true positions of the redirected tokens; position *i* sits in cell *i*. `first_row`
    tokens of the main sequence stand before them in the batch. With `stop` the graph ends once every watch has run.
    `mask_bias` is in place of `positions`: such a pass leaves all other inputs as they are.
    """

    positions: IntArray | None = None
    watches: Mapping[Tap, Watch] = field(default_factory=dict[Tap, Watch])
    stop: bool = False
    rewritten: set[str] = field(default_factory=set[str])
    first_row: int = 0
    mask_bias: MaskBias | None = None
    visible_cells: npt.NDArray[np.bool_] | None = None
    """Cells that the batch's first token sees, as llama.cpp set its mask, if that is one of the main sequence."""
    _rewritten_addresses: set[int] = field(default_factory=set[int])
    _waiting: set[Tap] = field(default_factory=set[Tap])
    _operations: dict[int, str] = field(default_factory=dict[int, str])
    _stopped: bool = False
    _inputs: tuple[str, ...] = ()
    """Names of those that are rewritten."""

    def __post_init__(self) -> None:
        if self.positions is not None:
            self._inputs = REWRITTEN_INPUTS
        elif self.mask_bias is not None:
            self._inputs = (_MASK,)
        self._waiting = set(self.watches)
        self._operations = {bindings.op_code(tap.operation): tap.operation for tap in self.watches}

    def visit(self, tensor_address: int, ask: bool) -> bool:
        if self._stopped:
            return ask  # a later split: compute its first node, then stop there
        tensor = bindings.tensor_at(tensor_address)
        if ask and self._inputs:
            self._rewrite_inputs(tensor)
        tap = self._tap_of(tensor)
        if tap is None:
            return not ask
        watch = self.watches[tap]
        if ask:
            if watch.before:
                watch.before(tensor)
            return True
        if watch.after:
            watch.after(tensor)
        self._waiting.discard(tap)
        self._stopped = self.stop and not self._waiting
        return not self._stopped

    def require_complete(self) -> None:
        """Raise `RedirectFailed` unless all inputs were rewritten and all watches have run."""
        missing = set(self._inputs) - self.rewritten
        if missing:
            raise RedirectFailed(f"the graph has no input {', '.join(sorted(missing))}")
        if self._waiting:
            raise RedirectFailed(f"the graph has no node for {sorted(self._waiting, key=str)[0]}")

    def _tap_of(self, tensor: Tensor) -> Tap | None:
        operation = self._operations.get(tensor.op)
        if operation is None:
            return None
        # A write is a view of its cache; an attention reads K, its second source, through a view.
        view = bindings.tensor_at(tensor.src[1]) if operation == _ATTEND else tensor
        if not view.view_src:
            return None
        tap = Tap(operation, bindings.tensor_at(view.view_src).name)
        return tap if tap in self.watches else None

    def _rewrite_inputs(self, node: Tensor) -> None:
        # Only what was rewritten is remembered: before the graph of the batch comes the one that applies pending
        # shifts, and llama.cpp may build both at the same addresses (seen on CUDA with q8_0 rows).
        for address in node.src[:MAX_SRC]:
            if not address or address in self._rewritten_addresses:
                continue
            source = bindings.tensor_at(address)
            if source.op != bindings.NO_OP:
                continue
            match = _INPUT.search(source.name)
            if match and match[1].decode() in self._inputs:
                self._rewrite(match[1].decode(), address)
                self._rewritten_addresses.add(address)

    def _rewrite(self, name: str, address: int) -> None:
        positions, source = self.positions, bindings.tensor_at(address)
        type_ = bindings.type_name(source.type)
        if name == _MASK:
            _expect(name, type_, _MASK_TYPE)
        if positions is None:
            self._add_to_mask(address, source)
        elif name == _MASK:
            self._rewrite_mask(address, source, positions)
        elif name == _ROPE_POSITIONS:
            _expect(name, type_, _POSITION_TYPE)
            bindings.write_tensor(address, positions.astype(np.int32), self.first_row * np.int32().nbytes)
        else:
            _expect(name, type_, _CELL_TYPE)
            bindings.write_tensor(address, positions.astype(np.int64), self.first_row * np.int64().nbytes)
        self.rewritten.add(name)

    def _rewrite_mask(self, address: int, mask: Tensor, positions: IntArray) -> None:
        num_cells = mask.ne[0]
        row_bytes = 2 * num_cells
        if self.first_row:
            self.visible_cells = bindings.read_tensor(address, 0, row_bytes).view(np.float16) == 0
        bindings.write_tensor(address, _mask_rows(num_cells, positions), self.first_row * row_bytes)

    def _add_to_mask(self, address: int, mask: Tensor) -> None:
        assert self.mask_bias is not None
        raw = bindings.read_tensor(address, 0, bindings.num_tensor_bytes(address)).view(np.float16)
        rows = raw.reshape(-1, mask.ne[0])
        rows[:, self.mask_bias.cells] += np.float16(self.mask_bias.bias)
        bindings.write_tensor(address, rows)


def _mask_rows(num_cells: int, positions: IntArray) -> npt.NDArray[np.float16]:
    """(tokens, cells): 0 up to the token's own cell, −inf behind it."""
    # Every row is a window of one array: copied in a tenth of the time that comparing cell by cell takes.
    zeros_then_walls = np.zeros(2 * num_cells, np.float16)
    zeros_then_walls[num_cells:] = -np.inf
    windows = np.lib.stride_tricks.sliding_window_view(zeros_then_walls, num_cells)
    return windows[num_cells - 1 - positions]


def _expect(name: str, got: str, want: str) -> None:
    if got != want:
        raise RedirectFailed(f"the input {name} has type {got}, expected {want}")


def redirected_decode(
    context: Context,
    token_ids: Sequence[int],
    positions: IntArray,
    behind: Sequence[TokenRun] = (),
    watches: Mapping[Tap, Watch] | None = None,
    *,
    stop: bool = False,
) -> GraphPass:
    """Recompute `token_ids` in the cells of `positions`, with runs of the main sequence behind them.

    All of it is one batch, so it must fit `batch_tokens`; `slices` cuts a longer set. In the batch the runs of the main
    sequence come first: they get the next cells, and the scratch cells behind them are free again afterwards, so that
    position *i* stays in cell *i*. The order of the positions changes nothing but the time it takes (`late_first`).
    With `stop` the graph ends after the last watch, and whatever `behind` would yield is not computed.
    """
    assert len(token_ids) == len(positions)
    assert len(np.unique(positions)) == len(positions), "a cell is written once"
    num_behind = sum(len(run.token_ids) for run in behind)
    graph_pass = GraphPass(positions if len(positions) else None, watches or {}, stop, first_row=num_behind)
    scratch = [TokenRun(token_ids, 0, Context.SCRATCH)] if len(token_ids) else []
    try:
        context.decode([*behind, *scratch], graph_pass, timed_at=None if stop else _mean_position(positions, behind))
    finally:
        context.forget(Context.SCRATCH)
    graph_pass.require_complete()
    return graph_pass


def _mean_position(positions: IntArray, behind: Sequence[TokenRun]) -> float:
    total = float(positions.sum()) + sum(run.mean_position * len(run.token_ids) for run in behind)
    return total / (len(positions) + sum(len(run.token_ids) for run in behind))


def slices(positions: IntArray, num_behind: int, batch_tokens: int) -> list[IntArray]:
    """Cut ascending positions into runs that fit a batch, the last one together with `num_behind` tokens.

    In position order this is still exact: later tokens see the new rows of the earlier ones.
    """
    if len(positions) + num_behind <= batch_tokens:
        return [positions]
    last = max(batch_tokens - num_behind, 0)
    head, tail = positions[: len(positions) - last], positions[len(positions) - last :]
    return [head[start : start + batch_tokens] for start in range(0, len(head), batch_tokens)] + [tail]


def late_first(positions: IntArray) -> IntArray:
    """Ascending positions the other way round, for a batch with the question, which comes first and sees all cells.

    Neighbours in a batch attend together, in tiles of 64 tokens on a CPU, to the cells that any of them sees: so those
    beside the question should see much, too. Measured: 307 tokens of 3,072 and a question of 29, 0.5B, two cores, 2.70
    s in place of 2.85.
    """
    return positions[::-1]


def source_bytes(node: Tensor, index: int) -> npt.NDArray[Any]:
    """All bytes of a node's source, from whichever device holds it."""
    address = node.src[index]
    return bindings.read_tensor(address, 0, bindings.num_tensor_bytes(address))
