"""How far a model on its way here is."""

import pytest

from app.errors import DownloadStopped
from app.tui.models.arrival import Arrival
from app.tui.models.arrival_line import arrival_text


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def arrival(clock: Clock) -> Arrival:
    return Arrival("Downloading", "o/n/a.gguf", clock)


def come(arrival: Arrival, clock: Clock, num_done: int, *, after_seconds: float = 0.0) -> None:
    clock.seconds += after_seconds
    arrival.note(num_done, 100_000_000)
    arrival.tick()


def test_rate_and_time_left_follow_what_comes(arrival: Arrival, clock: Clock):
    come(arrival, clock, 0)
    come(arrival, clock, 20_000_000, after_seconds=2)
    assert (arrival.bytes_per_second, arrival.seconds_left) == (10_000_000, 8)


def test_what_an_earlier_download_brought_is_not_counted_as_fast(arrival: Arrival, clock: Clock):
    come(arrival, clock, 90_000_000, after_seconds=1)
    assert arrival.seconds_left is None
    come(arrival, clock, 91_000_000, after_seconds=1)
    assert arrival.bytes_per_second == 1_000_000


def test_a_line_that_stalls_becomes_slow(arrival: Arrival, clock: Clock):
    come(arrival, clock, 0)
    come(arrival, clock, 10_000_000, after_seconds=1)
    for _ in range(9):
        come(arrival, clock, 10_000_000, after_seconds=1)
    assert arrival.bytes_per_second == 0
    assert arrival.seconds_left is None


def test_whoever_brings_it_is_told_when_nobody_wants_the_rest(arrival: Arrival):
    arrival.stopped.set()
    with pytest.raises(DownloadStopped):
        arrival.note(1, 2)


def test_the_line_tells_share_amounts_rate_and_time_left(arrival: Arrival, clock: Clock):
    come(arrival, clock, 0)
    come(arrival, clock, 20_000_000, after_seconds=2)
    first, second = arrival_text(arrival, 78).plain.splitlines()
    assert first == "Downloading o/n/a.gguf"
    assert second.endswith("░  20 % · 20 MB of 100 MB · 10 MB/s · 8 s left")
    assert second.startswith("█")
    assert len(second) <= 78


def test_before_the_first_bytes_it_says_that_it_waits(arrival: Arrival):
    assert arrival_text(arrival, 78).plain.splitlines()[1] == "waiting for the first bytes"


def test_what_is_stopped_says_so_until_it_has_stopped(arrival: Arrival):
    arrival.stopped.set()
    assert arrival_text(arrival, 78).plain.startswith("Stopping o/n/a.gguf")
