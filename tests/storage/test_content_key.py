import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.content_key import fingerprint, state_key, text_digest

FINGERPRINT = "00112233445566778899aabbccddeeff"
GOLDEN_FINGERPRINT = "bc933e83eb2ef5028df6e3a4c428c20b"
GOLDEN_DIGEST = "1454ca82d22fc9261f8a8418bf714c200a486b07"
GOLDEN_TEXT_DIGEST = "a51f8754ecca4c70b6e054a4ce99d0b7"


def test_a_fingerprint_is_the_documented_hash_of_the_documented_json():
    canonical = b'{"facts":{"kv":"f16","name":"\\u00e9","rope":[1,2],"x":0.1},"format":"steep-fingerprint-1"}'
    facts = {"x": 0.1, "rope": (1, 2), "kv": "f16", "name": "é"}
    assert fingerprint(facts) == hashlib.blake2b(canonical, digest_size=16).hexdigest()


def test_a_state_key_is_the_documented_hash_of_the_documented_bytes():
    data = b"steep-state-1\0" + FINGERPRINT.encode() + struct.pack("<q2i", 300, 5, -1)
    key = state_key(FINGERPRINT, 300, (5, -1))
    assert (key.fingerprint, key.digest) == (FINGERPRINT, hashlib.blake2b(data, digest_size=20).hexdigest())


def test_keys_stay_what_they_were_when_shipped():
    assert fingerprint({"model": "m", "n_ctx": 4096, "flash": True, "rope": None}) == GOLDEN_FINGERPRINT
    assert state_key(FINGERPRINT, 12, [1, 2, 3]).digest == GOLDEN_DIGEST
    assert text_digest("Heading", "text") == GOLDEN_TEXT_DIGEST


def test_the_order_of_facts_does_not_matter_but_their_types_do():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    variants = [1, 1.0, True, "1", (1,), None]
    assert len({fingerprint({"a": value}) for value in variants}) == len(variants)


def test_a_fact_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        fingerprint({"scale": float("nan")})


def test_start_position_tokens_and_their_order_all_change_the_key():
    keys = {
        state_key(FINGERPRINT, 0, (1, 2)),
        state_key(FINGERPRINT, 1, (1, 2)),
        state_key(FINGERPRINT, 0, (2, 1)),
        state_key(FINGERPRINT, 0, (1, 2, 0)),
        state_key("f" * 32, 0, (1, 2)),
    }
    assert len(keys) == 5


@pytest.mark.parametrize("token_ids", [(1 << 31,), (-(1 << 31) - 1,), ("1",)])
def test_tokens_that_are_not_32_bit_integers_are_refused(token_ids: tuple[int, ...]):
    with pytest.raises(ValueError, match="32-bit"):
        state_key(FINGERPRINT, 0, token_ids)


@pytest.mark.parametrize("start_position", [-1, 1 << 63])
def test_an_impossible_start_position_is_refused(start_position: int):
    with pytest.raises(ValueError, match="start position"):
        state_key(FINGERPRINT, start_position, (1,))


@pytest.mark.parametrize("bad", ["", "00", FINGERPRINT + "00", FINGERPRINT.upper(), "../../../../etc/passwd/////////"])
def test_a_fingerprint_that_is_no_folder_name_of_ours_is_refused(bad: str):
    with pytest.raises(ValueError, match="hex digits"):
        state_key(bad, 0, (1,))


@given(st.lists(st.integers(-(1 << 31), (1 << 31) - 1), max_size=20))
def test_lists_and_tuples_of_tokens_have_the_same_key(token_ids: list[int]):
    assert state_key(FINGERPRINT, 0, token_ids) == state_key(FINGERPRINT, 0, tuple(token_ids))


def test_no_heading_and_an_empty_heading_are_different_texts():
    assert text_digest(None, "a") != text_digest("", "a")
    assert text_digest("a", "b") != text_digest("ab", "")
