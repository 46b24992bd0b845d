"""A few hundred damaged chunk files with every run of the tests; `make trust-check` does thousands."""

from pathlib import Path

from tests.trust import mutations


def test_no_damaged_file_is_served_and_none_crashes_the_process(tmp_path: Path):
    outcomes = mutations.run(tmp_path, num_files=30 * len(mutations.MUTATIONS), seed=2)
    for mutation in mutations.MUTATIONS:
        assert outcomes[f"{mutation.__name__} miss"] > 0, outcomes
