import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import chunk_format
from storage.chunk_format import decode, encode, num_file_bytes
from storage.content_key import state_key
from storage.errors import ChunkFileInvalid, ChunkFileTooNew
from storage.values import ChunkState, StateKey

FINGERPRINT = "00112233445566778899aabbccddeeff"
GOLDEN_STATE = ChunkState(state_key(FINGERPRINT, 260, (1, 151643, -1)), (1, 151643, -1), b"steep!", 260)
GOLDEN_HEAD = bytes.fromhex(
    "895354454550 0d0a"  # magic
    "01000000"  # version
    "50000000"  # header size: 80
    "00112233445566778899aabbccddeeff"  # fingerprint
    "00dc67a92d4b4e879f2a307e6908670edffafd8d"  # digest
    "03000000"  # three tokens
    "0401000000000000"  # start position 260
    "0010000000000000"  # blob at 4096
    "0600000000000000"  # six bytes of blob
    "01000000 5b500200 ffffffff"  # tokens
)
GOLDEN_CHECKSUM = bytes.fromhex("a22c3bae04a00d7930975d9006fe8d0d")
GOLDEN_V1 = GOLDEN_HEAD.ljust(4096, b"\0") + b"steep!" + GOLDEN_CHECKSUM
GOLDEN_FILE = Path(__file__).parent / "data" / "chunk_version_1.kv"
"""The same as a file, for ever: what version 1 wrote can be read by all that follow."""

OFFSET_OF = {
    "version": (8, "<I"),
    "num_header_bytes": (12, "<I"),
    "num_tokens": (52, "<I"),
    "start_position": (56, "<q"),
    "blob_offset": (64, "<Q"),
    "num_blob_bytes": (72, "<Q"),
    "first token": (80, "<i"),
    "padding": (92, "<B"),
}


def to_bytes(state: ChunkState) -> bytes:
    return b"".join(encode(state))


def forged(data: bytes) -> bytes:
    """Whoever changes a file on purpose makes the checksum right as well."""
    return data[:-16] + xxhash.xxh3_128_digest(data[:-16])


def changed(field: str, value: int) -> bytes:
    offset, kind = OFFSET_OF[field]
    data = bytearray(GOLDEN_V1)
    struct.pack_into(kind, data, offset, value)
    return forged(bytes(data))


def test_version_1_is_written_as_its_golden_bytes():
    assert to_bytes(GOLDEN_STATE) == GOLDEN_V1
    assert num_file_bytes(GOLDEN_STATE) == len(GOLDEN_V1)


def test_the_golden_bytes_of_version_1_are_read():
    assert decode(GOLDEN_V1, GOLDEN_STATE.key) == GOLDEN_STATE


def test_the_golden_file_of_version_1_is_read():
    assert GOLDEN_FILE.read_bytes() == GOLDEN_V1
    assert decode(GOLDEN_FILE.read_bytes(), GOLDEN_STATE.key) == GOLDEN_STATE


@pytest.mark.parametrize("version", [2, 3, 0xFFFFFFFF])
def test_a_file_of_a_later_version_is_told_from_a_damaged_one(version: int):
    with pytest.raises(ChunkFileTooNew, match=f"format version {version} .*newer version"):
        decode(changed("version", version), GOLDEN_STATE.key)
    with pytest.raises(ChunkFileTooNew):
        decode(GOLDEN_V1[:8] + struct.pack("<I", version), GOLDEN_STATE.key)


def test_a_version_that_alone_is_damaged_is_no_later_version():
    data = bytearray(GOLDEN_V1)
    struct.pack_into("<I", data, 8, 7)
    with pytest.raises(ChunkFileInvalid, match="there is no format version 7: damaged") as caught:
        decode(bytes(data), GOLDEN_STATE.key)
    assert caught.type is ChunkFileInvalid


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=1, max_size=1100).map(tuple),
    st.binary(min_size=1, max_size=9000),
    st.integers(0, (1 << 63) - 1),
)
def test_any_state_comes_back_equal(token_ids: tuple[int, ...], blob: bytes, start_position: int):
    state = ChunkState(state_key(FINGERPRINT, start_position, token_ids), token_ids, blob, start_position)
    data = to_bytes(state)
    assert decode(data, state.key) == state
    assert len(data) == num_file_bytes(state)


@pytest.mark.parametrize("num_tokens", [1003, 1004, 1005])
def test_the_blob_starts_on_an_aligned_offset_at_the_edge_of_a_page_too(
    make_state: Callable[..., ChunkState], num_tokens: int
):
    state = make_state(token_ids=tuple(range(num_tokens)))
    head, _, _ = encode(state)
    assert len(head) == (4096 if num_tokens <= 1004 else 8192)
    assert decode(to_bytes(state), state.key) == state


def test_the_blob_is_never_copied():
    blob = bytearray(b"steep!")
    state = ChunkState(GOLDEN_STATE.key, GOLDEN_STATE.token_ids, blob, GOLDEN_STATE.start_position)
    assert encode(state)[1] is blob
    file = bytearray(GOLDEN_V1)
    read = decode(file, GOLDEN_STATE.key)
    file[4096] = ord("S")
    assert bytes(read.blob) == b"Steep!"


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_change_of_any_byte_makes_the_file_invalid(mask: int):
    data = bytearray(GOLDEN_V1)
    for offset in range(len(data)):
        data[offset] ^= mask
        with pytest.raises(ChunkFileInvalid):
            decode(data, GOLDEN_STATE.key)
        data[offset] ^= mask
    assert decode(data, GOLDEN_STATE.key) == GOLDEN_STATE


_EDITS = st.lists(
    st.tuples(st.integers(0, len(GOLDEN_V1)), st.integers(0, 64), st.binary(max_size=64)), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=300)
@given(_EDITS, st.booleans())
def test_a_file_that_was_edited_is_the_same_or_invalid(edits: list[tuple[int, int, bytes]], forges: bool):
    """Bytes are cut out and put in, of a header more often than chance would have it; the checksum may be right."""
    data = bytearray(GOLDEN_V1)
    for at, num_removed, added in edits:
        at = at if at % 3 else at % len(GOLDEN_HEAD)
        data[at : at + num_removed] = added
    edited = forged(bytes(data)) if forges else bytes(data)
    try:
        state = decode(edited, GOLDEN_STATE.key)
    except ChunkFileInvalid:
        return
    assert (state.token_ids, state.start_position) == (GOLDEN_STATE.token_ids, GOLDEN_STATE.start_position)
    assert forges or edited == GOLDEN_V1


def test_a_file_cut_anywhere_is_invalid():
    for length in range(len(GOLDEN_V1)):
        with pytest.raises(ChunkFileInvalid):
            decode(memoryview(GOLDEN_V1)[:length], GOLDEN_STATE.key)


def test_a_file_with_something_behind_the_trailer_is_invalid():
    with pytest.raises(ChunkFileInvalid, match="bytes"):
        decode(GOLDEN_V1 + b"\0", GOLDEN_STATE.key)
    with pytest.raises(ChunkFileInvalid, match="bytes"):
        decode(forged(GOLDEN_V1 + b"\0"), GOLDEN_STATE.key)


@settings(deadline=None, max_examples=60)
@given(st.binary(min_size=0, max_size=6000))
def test_noise_is_invalid(data: bytes):
    with pytest.raises(ChunkFileInvalid):
        decode(data, GOLDEN_STATE.key)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("version", 2, "newer version"),
        ("version", 0, "no format version 0"),
        ("num_header_bytes", 84, "header"),
        ("num_tokens", 0, "tokens"),
        ("num_tokens", 2, "not zero"),
        ("num_tokens", 4, "digest does not follow"),
        ("num_tokens", 0xFFFFFFFF, "tokens"),
        ("start_position", -1, "negative"),
        ("start_position", 261, "digest does not follow"),
        ("blob_offset", 4095, "starts at"),
        ("blob_offset", 0, "starts at"),
        ("blob_offset", (1 << 64) - 4096, "starts at"),
        ("num_blob_bytes", 0, "bytes"),
        ("num_blob_bytes", 5, "bytes"),
        ("num_blob_bytes", (1 << 64) - 1, "bytes"),
        ("first token", 2, "digest does not follow"),
        ("padding", 1, "not zero"),
    ],
)
def test_a_forged_field_is_found_even_under_a_right_checksum(field: str, value: int, message: str):
    with pytest.raises(ChunkFileInvalid, match=message):
        decode(changed(field, value), GOLDEN_STATE.key)


def test_a_file_without_a_blob_is_invalid_even_if_its_sizes_agree(make_state: Callable[..., ChunkState]):
    state = make_state(token_ids=tuple(range(2000)), blob=b"x")
    data = bytearray(to_bytes(state))
    struct.pack_into("<Q", data, OFFSET_OF["num_blob_bytes"][0], 0)
    with pytest.raises(ChunkFileInvalid, match="tells of a file"):
        decode(forged(bytes(data[:-17]) + bytes(16)), state.key)


def test_a_wrong_checksum_alone_makes_the_file_invalid():
    with pytest.raises(ChunkFileInvalid, match="checksum"):
        decode(GOLDEN_V1[:4096] + b"Steep!" + GOLDEN_CHECKSUM, GOLDEN_STATE.key)


def test_a_good_file_of_another_state_is_foreign():
    other_tokens = state_key(FINGERPRINT, 260, (1, 2, 3))
    other_model = StateKey("f" * 32, GOLDEN_STATE.key.digest)
    for expected in (other_tokens, other_model):
        with pytest.raises(ChunkFileInvalid, match="holds the state"):
            decode(GOLDEN_V1, expected)


def test_another_files_magic_is_named():
    with pytest.raises(ChunkFileInvalid, match="not a chunk file"):
        decode(forged(b"GGUF\3\0\0\0" + GOLDEN_V1[8:]), GOLDEN_STATE.key)


def test_a_size_beyond_the_cap_is_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunk_format, "MAX_NUM_BYTES", len(GOLDEN_V1) - 1)
    with pytest.raises(ChunkFileInvalid, match="bytes"):
        decode(GOLDEN_V1, GOLDEN_STATE.key)
    with pytest.raises(ValueError, match="at most"):
        encode(GOLDEN_STATE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token_ids": ()}, "tokens"),
        ({"blob": b""}, "no bytes"),
        ({"start_position": 0}, "does not follow"),
        ({"token_ids": (9,)}, "does not follow"),
    ],
)
def test_a_state_that_could_not_be_read_back_is_not_written(changes: dict[str, object], message: str):
    fields = {
        "key": GOLDEN_STATE.key,
        "token_ids": GOLDEN_STATE.token_ids,
        "blob": GOLDEN_STATE.blob,
        "start_position": GOLDEN_STATE.start_position,
    }
    with pytest.raises(ValueError, match=message):
        encode(ChunkState(**(fields | changes)))  # type: ignore[arg-type]
