"""Damaged index files with every run of the tests; `make trust-check` tries more."""

from pathlib import Path

from tests.trust import hostile_index


def test_a_damaged_index_is_answered_from_or_told_and_never_gives_a_wrong_state(tmp_path: Path):
    outcomes = hostile_index.run(tmp_path, num_files=40, seed=3)
    assert outcomes["answered"] > 0
    assert outcomes["told"] > 0
