"""How far steeping is said to be."""

from pathlib import Path

import pytest

from app.steeping_progress import SteepingProgress

PATH = Path("/documents/a.md")


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def progress(clock: list[float]) -> SteepingProgress:
    return SteepingProgress(now=lambda: clock[0])


def test_nothing_is_known_before_the_first_count(progress: SteepingProgress):
    assert not progress.is_known
    assert not progress.is_complete
    assert progress.seconds_left is None


def test_what_was_steeped_since_the_count_is_no_longer_left(progress: SteepingProgress, clock: list[float]):
    progress.counted(400)
    clock[0] = 2
    progress.steeped(PATH, 100, was_encoded=True)
    assert (progress.num_done, progress.num_left, progress.share) == (100, 300, 0.25)
    assert (progress.tokens_per_second, progress.seconds_left) == (50, 6)
    progress.counted(300)
    assert (progress.num_done, progress.num_left) == (100, 300)


def test_all_is_done_only_when_it_was_counted(progress: SteepingProgress):
    progress.counted(100)
    progress.steeped(PATH, 150, was_encoded=True)
    assert progress.num_left == 0
    assert not progress.is_complete
    progress.counted(0)
    assert progress.is_complete


def test_what_comes_after_all_was_done_begins_at_nothing(progress: SteepingProgress):
    progress.counted(100)
    progress.steeped(PATH, 100, was_encoded=True)
    progress.counted(0)
    progress.counted(1000)
    assert progress.share == 0


def test_a_chunk_that_was_only_linked_says_nothing_about_the_rate(progress: SteepingProgress, clock: list[float]):
    progress.counted(400)
    clock[0] = 1
    progress.steeped(PATH, 100, was_encoded=False)
    assert progress.num_done == 100
    assert progress.tokens_per_second == 0


def test_a_rest_does_not_count(progress: SteepingProgress, clock: list[float]):
    clock[0] = 100
    progress.resume()
    clock[0] = 101
    progress.steeped(PATH, 30, was_encoded=True)
    assert progress.tokens_per_second == 30
