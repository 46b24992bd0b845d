"""A small crowd with every run of the tests; `make trust-check` has eight processes, and 200 operations of each."""

from pathlib import Path

from tests.trust import crowd


def test_processes_that_work_on_one_store_at_once_lose_nothing(tmp_path: Path):
    assert crowd.run(tmp_path, num_processes=3, num_operations=40) > 0
