from pathlib import Path

import pytest

from engine import bindings
from engine.gguf_header import GgufHeader, read_header
from engine.kv_size import ROW_BYTES, exact_kv_type, kv_bytes_per_token


@pytest.mark.parametrize("kv_type", sorted(ROW_BYTES))
def test_rows_are_as_large_as_the_library_says(kv_type: str):
    num_bytes, num_values = ROW_BYTES[kv_type]
    assert bindings.row_bytes(bindings.type_code(kv_type), 8 * num_values) == 8 * num_bytes


def test_a_token_has_a_row_of_keys_and_one_of_values_in_every_layer(tiny_model: Path):
    header = read_header(tiny_model, vocabulary=False)
    assert kv_bytes_per_token(header, "f16") == 4 * 2 * (16 + 16) * 2
    assert kv_bytes_per_token(header, "q8_0") == 4 * 2 * (16 + 16) * 34 // 32


def test_quantised_rows_are_held_against_others_and_all_others_against_their_own():
    assert {kv_type: exact_kv_type(kv_type) for kv_type in ROW_BYTES} == {
        "f16": "f16",
        "f32": "f32",
        "q8_0": "f16",
        "q4_0": "f16",
    }


def test_a_header_that_says_too_little_gives_nothing():
    assert kv_bytes_per_token(GgufHeader(Path("x"), 1, 1, {"general.architecture": "llama"}), "f16") == 0
