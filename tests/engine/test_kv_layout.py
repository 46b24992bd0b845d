"""Blobs are believed only when every byte outside the rows is what this model's context writes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import kv_layout
from engine.errors import StateInvalid
from engine.kv_layout import KvLayout, RowLayout

LAYOUT = KvLayout(k_rows=(RowLayout(1, 8), RowLayout(1, 8)), v_rows=(RowLayout(1, 4), RowLayout(8, 6)))
FIRST, COUNT = 44, 3


def blob_of(layout: KvLayout = LAYOUT, first: int = FIRST, count: int = COUNT) -> bytearray:
    blob = bytearray(struct.pack("<IiII", 0xAF143CD8, 0, 1, count))
    for i in range(count):
        blob += struct.pack("<iIi", first + i, 1, 0)
    blob += struct.pack("<II", 0, layout.num_layers)
    for rows in (*layout.k_rows, *layout.v_rows):
        blob += struct.pack("<iQ", rows.type, rows.row_bytes) + b"\x5a" * (rows.row_bytes * count)
    return blob


def test_a_blob_teaches_its_own_layout_and_passes_the_check() -> None:
    assert kv_layout.learn(blob_of()) == LAYOUT
    kv_layout.check(blob_of(), LAYOUT, FIRST, COUNT)
    assert len(blob_of()) == LAYOUT.blob_bytes(COUNT)
    assert kv_layout.cell_positions(blob_of()) == [44, 45, 46]


@pytest.mark.parametrize("shift", [-44, 0, 1000])
def test_a_state_is_at_other_positions_for_a_while(shift: int) -> None:
    blob, before = blob_of(), bytes(blob_of())
    with kv_layout.moved(blob, shift) as moved:
        assert moved is blob
        kv_layout.check(moved, LAYOUT, FIRST + shift, COUNT)
    assert blob == before
    with pytest.raises(StateInvalid), kv_layout.moved(blob, shift) as moved:
        kv_layout.check(moved, LAYOUT, FIRST + shift + 1, COUNT)
    assert blob == before


def test_a_state_that_cannot_be_written_to_is_copied() -> None:
    blob = bytes(blob_of())
    with kv_layout.moved(blob, 5) as moved:
        assert kv_layout.cell_positions(moved) == [49, 50, 51]
        assert kv_layout.cell_positions(blob) == [44, 45, 46]


def row_bytes_of(blob: bytearray) -> set[int]:
    """Where a blob's rows are: the bytes that may be anything."""
    return {i for i in range(len(blob)) if blob[i : i + 1] == b"\x5a"}


def test_every_changed_byte_outside_the_rows_is_noticed() -> None:
    good = blob_of()
    rows = row_bytes_of(good)
    for i in set(range(len(good))) - rows - set(range(4, 8)):
        bad = bytearray(good)
        bad[i] ^= 0xFF
        with pytest.raises(StateInvalid):
            kv_layout.check(bad, LAYOUT, FIRST, COUNT)


@given(st.integers(0, 200))
def test_every_truncation_is_noticed(length: int) -> None:
    good = blob_of()
    if length < len(good):
        with pytest.raises(StateInvalid):
            kv_layout.check(good[:length], LAYOUT, FIRST, COUNT)


def test_a_state_of_another_place_or_shape_is_noticed() -> None:
    other = KvLayout(LAYOUT.k_rows, (RowLayout(1, 4), RowLayout(1, 6)))
    for blob in (blob_of(first=45), blob_of(count=2), blob_of(other)):
        with pytest.raises(StateInvalid):
            kv_layout.check(blob, LAYOUT, FIRST, COUNT)


@given(st.binary(max_size=64))
def test_arbitrary_bytes_never_look_like_cells(data: bytes) -> None:
    with pytest.raises(StateInvalid):
        kv_layout.cell_positions(data)
