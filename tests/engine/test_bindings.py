"""The struct layout self-check, and the bounds that keep ggml from aborting."""

import ctypes

import pytest

from engine import bindings
from engine.bindings import TokenRun
from engine.errors import LibraryMismatch


def test_the_struct_layout_matches_the_loaded_library() -> None:
    assert bindings.layout_faults() == []


def test_a_struct_with_a_field_too_many_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = list(bindings.Tensor._fields_)
    wrong = type("Wrong", (ctypes.Structure,), {"_fields_": [*fields[:2], ("new", ctypes.c_int64), *fields[2:]]})
    monkeypatch.setattr(bindings, "Tensor", wrong)
    faults = bindings.layout_faults()
    assert any("ne" in fault for fault in faults)
    assert any("src" in fault for fault in faults)


def test_another_library_version_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bindings, "LIBRARY_VERSION", "0.0.1")
    assert any("expected 0.0.1" in fault for fault in bindings.layout_faults())


def test_unknown_names_are_refused() -> None:
    with pytest.raises(LibraryMismatch, match="NO_SUCH_OP"):
        bindings.op_code("NO_SUCH_OP")
    with pytest.raises(LibraryMismatch, match="no_such_type"):
        bindings.type_code("no_such_type")


def test_row_bytes_follow_the_block_sizes_of_the_types() -> None:
    assert bindings.row_bytes(bindings.type_code("f16"), 128) == 256
    assert bindings.row_bytes(bindings.type_code("q8_0"), 128) == 4 * 34


def test_a_batch_lists_tokens_positions_sequences_and_wanted_logits() -> None:
    batch, arrays = bindings.make_batch([TokenRun([7, 8], 40, 1), TokenRun([9, 10, 11], 5, 0, want_logits=True)])
    n = batch.n_tokens
    assert n == 5
    assert batch.token[:n] == [7, 8, 9, 10, 11]
    assert batch.pos[:n] == [40, 41, 5, 6, 7]
    assert [batch.seq_id[i][0] for i in range(n)] == [1, 1, 0, 0, 0]
    assert batch.n_seq_id[:n] == [1] * 5
    assert batch.logits[:n] == [0, 0, 0, 0, 1]
    del arrays
