"""Where everything lies in a sequence state of llama.cpp, and the check that a blob is one that fits. Pure.

Written by `llama_kv_cache::state_write` (src/llama-kv-cache.cpp) for a unified cache whose V is not transposed,
little-endian, `n` cells:

    offset            what
    0                 magic u32 0xaf143cd8 · sequence id i32 · streams u32 (1) · cells u32 (n)
    16                n × { position i32 · sequences u32 (1) · sequence id i32 }
    16 + 12 n         V transposed u32 (0) · layers u32
    then per layer    K type i32 · K row bytes u64 · n K rows
    then per layer    V type i32 · V row bytes u64 · n V rows

llama.cpp trusts most of this: a wrong position reaches `GGML_ASSERT`, which ends the process, and a state of
another model of the same shape loads without a word. So `check` compares every field that is not a row with what
this model's own context writes, which is learned once by parsing a state it has just written.
"""

import struct
from array import array
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.errors import StateInvalid

_MAGIC = 0xAF143CD8
_HEAD = struct.Struct("<IiII")
_CELL = struct.Struct("<iIi")
_COUNTS = struct.Struct("<II")
_ROWS = struct.Struct("<iQ")

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Rows of one layer, K or V: ggml type and bytes of one token's row."""

    type: int
    row_bytes: int


@dataclass(frozen=True, slots=True)
class KvLayout:
    """The shape of one model's KV cache, as its own states show it."""

    k_rows: tuple[RowLayout, ...]
    v_rows: tuple[RowLayout, ...]

    @property
    def num_layers(self) -> int:
        return len(self.k_rows)

    @property
    def bytes_per_token(self) -> int:
        return sum(rows.row_bytes for rows in (*self.k_rows, *self.v_rows))

    def row_offsets(self, num_tokens: int) -> list[int]:
        """Where the rows of each layer begin in a state of `num_tokens` tokens: K of all layers, then V."""
        at, offsets = _HEAD.size + _CELL.size * num_tokens + _COUNTS.size, list[int]()
        for rows in (*self.k_rows, *self.v_rows):
            offsets.append(at + _ROWS.size)
            at = offsets[-1] + rows.row_bytes * num_tokens
        return offsets

    def blob_bytes(self, num_tokens: int) -> int:
        """The size of a state of `num_tokens` tokens."""
        fixed = _HEAD.size + _COUNTS.size + _ROWS.size * (len(self.k_rows) + len(self.v_rows))
        return fixed + num_tokens * (_CELL.size + self.bytes_per_token)


def cell_list_bytes(num_cells: int) -> int:
    """A capacity for which llama.cpp writes the whole list of cells and then stops at the first row."""
    return _HEAD.size + _CELL.size * num_cells + _COUNTS.size + _ROWS.size


def cell_positions(blob: Buffer) -> list[int]:
    """The positions of a state's cells in cell order; raises `StateInvalid` for anything but a state's beginning."""
    num_cells = _check_head(blob)
    if len(blob) < _HEAD.size + _CELL.size * num_cells:
        raise StateInvalid(f"a state of {num_cells} cells ends after {len(blob)} bytes")
    return array("i", bytes(_cells(blob, num_cells)))[::3].tolist()


@contextmanager
def moved(blob: Buffer, shift: int) -> Generator[Buffer]:
    """A checked state whose cells are at positions `shift` further on. Its memory is that of `blob` where that can be
    written to, and is as it was afterwards: nobody else may read it meanwhile."""
    moved = bytearray(blob) if memoryview(blob).readonly else blob
    before = cell_positions(moved)
    _set_positions(moved, [position + shift for position in before])
    try:
        yield moved
    finally:
        _set_positions(moved, before)


def _cells(blob: Buffer, num_cells: int) -> memoryview:
    return memoryview(blob)[_HEAD.size : _HEAD.size + _CELL.size * num_cells]


def _set_positions(blob: Buffer, positions: list[int]) -> None:
    _cells(blob, len(positions)).cast("i")[::3] = array("i", positions)


def learn(blob: Buffer) -> KvLayout:
    """The layout of a state that this process's own context has just written."""
    num_cells = _check_head(blob)
    at = _HEAD.size + _CELL.size * num_cells
    transposed, num_layers = _COUNTS.unpack_from(blob, at)
    if transposed:
        raise StateInvalid("V is stored transposed; flash attention is needed")
    at += _COUNTS.size
    sides: list[tuple[RowLayout, ...]] = []
    for _ in ("K", "V"):
        rows: list[RowLayout] = []
        for _ in range(num_layers):
            rows.append(RowLayout(*_ROWS.unpack_from(blob, at)))
            at += _ROWS.size + rows[-1].row_bytes * num_cells
        sides.append(tuple(rows))
    layout = KvLayout(*sides)
    if at != len(blob):
        raise StateInvalid(f"a state of {num_cells} cells has {len(blob)} bytes, its own fields add up to {at}")
    return layout


def check(blob: Buffer, layout: KvLayout, first_position: int, num_tokens: int) -> None:
    """Raise `StateInvalid` unless `blob` is a state of `num_tokens` cells from `first_position` on, in order."""
    expected = layout.blob_bytes(num_tokens)
    if len(blob) != expected:
        raise StateInvalid(f"the state has {len(blob)} bytes, expected {expected} for {num_tokens} tokens")
    if _check_head(blob) != num_tokens:
        raise StateInvalid(f"the state holds another number of cells than {num_tokens}")
    _check_cells(blob, first_position, num_tokens)
    at = _HEAD.size + _CELL.size * num_tokens
    if _COUNTS.unpack_from(blob, at) != (0, layout.num_layers):
        raise StateInvalid(f"the state is not of {layout.num_layers} layers with V in rows")
    for rows, offset in zip((*layout.k_rows, *layout.v_rows), layout.row_offsets(num_tokens), strict=True):
        at = offset - _ROWS.size
        if RowLayout(*_ROWS.unpack_from(blob, at)) != rows:
            raise StateInvalid(f"rows of another type or size than {rows} at byte {at}")


def _check_head(blob: Buffer) -> int:
    if len(blob) < _HEAD.size:
        raise StateInvalid(f"a state of {len(blob)} bytes is shorter than its head")
    magic, _, num_streams, num_cells = _HEAD.unpack_from(blob, 0)
    if magic != _MAGIC or num_streams != 1:
        raise StateInvalid(f"not a sequence state (magic {magic:#x}, {num_streams} streams)")
    return num_cells


def _check_cells(blob: Buffer, first_position: int, num_tokens: int) -> None:
    sequence = _HEAD.unpack_from(blob, 0)[1]
    found = array("i", bytes(_cells(blob, num_tokens)))
    expected = array("i", bytes(_CELL.size * num_tokens))
    expected[0::3] = array("i", range(first_position, first_position + num_tokens))
    expected[1::3] = array("i", [1]) * num_tokens
    expected[2::3] = array("i", [sequence]) * num_tokens
    if found != expected:
        i = next(number for number in range(len(found)) if found[number] != expected[number]) // 3
        raise StateInvalid(f"cell {i} is at position {found[3 * i]}, expected {first_position + i}")
