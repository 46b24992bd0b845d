"""A few kills with every run of the tests; `make trust-check` does hundreds."""

from pathlib import Path

from tests.trust import kills


def test_whatever_is_killed_nothing_is_lost_and_all_can_be_repaired(tmp_path: Path):
    done = kills.run(tmp_path, num_kills=16, seed=1)
    assert done.num_kills == {"steep": 4, "evict": 4, "remove": 4, "migrate": 4}
    assert done.num_reported_chunks > 0
    assert done.num_compared > 0
