"""What blobs of states tell of themselves, and blobs that are none."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.blob_structure import describe
from storage.content_key import fingerprint, state_key
from storage.values import ChunkState

TOKENS = (7, 8, 9)
START = 44


def blob(num_layers: int = 2, row_bytes: int = 8, positions: tuple[int, ...] = (44, 45, 46)) -> bytes:
    """As llama.cpp writes it; see `engine.kv_layout`."""
    head = struct.pack("<IiII", 0xAF143CD8, 0, 1, len(positions))
    cells = b"".join(struct.pack("<iIi", position, 1, 0) for position in positions)
    rows = (struct.pack("<iQ", 1, row_bytes) + bytes(row_bytes * len(positions))) * (2 * num_layers)
    return head + cells + struct.pack("<II", 0, num_layers) + rows


def state_of(data: bytes) -> ChunkState:
    return ChunkState(state_key(fingerprint({"model": "m"}), START, TOKENS), TOKENS, data, START)


def test_states_of_one_model_tell_the_same_and_those_of_others_do_not():
    told = describe(state_of(blob()))
    assert told == describe(state_of(blob(positions=(44, 45, 46))))
    assert told != describe(state_of(blob(num_layers=3)))
    assert told != describe(state_of(blob(row_bytes=16)))


@pytest.mark.parametrize("positions", [(44, 45), (0, 1, 2), (44, 46, 45), (44, 45, 46, 47)])
def test_a_blob_of_other_cells_than_its_tokens_is_none(positions: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"cell|number of cells|bytes"):
        describe(state_of(blob(positions=positions)))


@given(st.binary(max_size=300))
def test_noise_is_none(data: bytes):
    with pytest.raises(ValueError, match=r"state|blob"):
        describe(state_of(data))


@given(st.integers(0, len(blob()) - 1), st.binary(min_size=1, max_size=12))
def test_a_blob_that_was_changed_is_one_or_none(at: int, noise: bytes):
    data = blob()
    with suppress(ValueError):
        assert describe(state_of((data[:at] + noise + data[at + len(noise) :])[: len(data)]))
