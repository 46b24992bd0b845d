"""Two pointers on a clock of the test's own: a simulated loader and a simulated compute thread."""

import heapq

import pytest

from engine.load_plan import ChunkToPlace, Work, compute_ms, expected_ms
from engine.schedule import Schedule, Step
from storage.values import Rates

NO_WORK = Work(ratio=0.0)
PIECE_BYTES = 1 << 20
CHUNK_BYTES = 8 * PIECE_BYTES


def rates(read_ms: float, compute_ms_per_chunk: float = 100.0) -> Rates:
    return Rates(compute_ms_per_chunk / 100, 0.0, CHUNK_BYTES / read_ms * 1e3, 1e15)


def chunks(number: int, *, missing: tuple[int, ...] = ()) -> list[ChunkToPlace]:
    return [ChunkToPlace(100 * i, 100, None if i in missing else CHUNK_BYTES) for i in range(number)]


class Simulation:
    """What happens when reading and computing take what `true` says."""

    def __init__(self, schedule: Schedule, parts: list[ChunkToPlace], true: Rates, broken: frozenset[int]) -> None:
        self.schedule, self.parts, self.true, self.broken = schedule, parts, true, broken
        self.read_order: list[int] = []
        self.steps: list[Step] = []
        self.most_bytes = 0
        self.done: dict[int, int] = {}

    def run(self) -> float:
        """Milliseconds until the last chunk is placed."""
        now, events, reading, computing, held = 0.0, list[tuple[float, int, str, int]](), False, False, set[int]()
        for tick in range(100_000):
            if not reading and (i := self.schedule.next_read(now)) is not None:
                self.read_order.append(i)
                reading = True
                self.schedule.num_under_way = 1
                held.add(i)
                self.most_bytes = max(self.most_bytes, len(held) * CHUNK_BYTES)
                heapq.heappush(events, (now + self.true.read_ms(PIECE_BYTES), tick, "piece", i))
            if not computing and self.schedule.num_placed < len(self.parts):
                i = self.schedule.num_placed
                step = self.schedule.next_step(now)
                self.steps.append(step)
                if step is Step.LOAD:
                    held.discard(i)
                    self.schedule.placed()
                    continue
                if step is Step.COMPUTE:
                    computing = True
                    heapq.heappush(events, (now + compute_ms(self.parts[i], self.true), tick, "computed", i))
            if not reading and self.schedule.num_placed < len(self.parts) and not computing:
                continue  # a wish of the compute thread is read next
            if self.schedule.num_placed == len(self.parts):
                return now
            now, _, what, i = heapq.heappop(events)
            if what == "computed":
                computing = False
                self.schedule.placed()
            else:
                reading = self._piece(i, now, tick, events, held)
                self.schedule.num_under_way = int(reading)
        raise AssertionError("it does not end")

    def _piece(self, i: int, now: float, tick: int, events: list[tuple[float, int, str, int]], held: set[int]) -> bool:
        self.done[i] = self.done.get(i, 0) + PIECE_BYTES
        self.schedule.advanced(i, PIECE_BYTES)
        if not self.schedule.is_reading(i):
            held.discard(i)
            return False
        if self.done[i] < CHUNK_BYTES:
            heapq.heappush(events, (now + self.true.read_ms(PIECE_BYTES), tick, "piece", i))
            return True
        if i in self.broken:
            held.discard(i)
            self.schedule.failed(i)
        else:
            self.schedule.read(i)
        return False


def simulate(
    parts: list[ChunkToPlace],
    believed: Rates,
    true: Rates,
    work: Work = NO_WORK,
    *,
    max_bytes: int = 1 << 40,
    may_choose: bool = True,
    broken: frozenset[int] = frozenset(),
) -> tuple[float, Simulation]:
    simulation = Simulation(Schedule(parts, believed, work, max_bytes, may_choose=may_choose), parts, true, broken)
    return simulation.run(), simulation


def test_fast_states_are_read_from_the_front_and_loaded():
    ms, seen = simulate(chunks(6), rates(1), rates(1))
    assert seen.read_order == [0, 1, 2, 3, 4, 5]
    assert Step.COMPUTE not in seen.steps
    assert ms == pytest.approx(6)


def test_slow_states_are_read_from_the_back_while_the_front_is_computed():
    ms, seen = simulate(chunks(8), rates(100), rates(100))
    assert seen.read_order == [7, 6, 5, 4]
    assert seen.steps.count(Step.COMPUTE) == 4
    assert ms == pytest.approx(400)


def test_without_a_choice_everything_is_loaded():
    ms, seen = simulate(chunks(8), rates(100), rates(100), may_choose=False)
    assert seen.read_order == list(range(8))
    assert ms == pytest.approx(800)
    assert seen.schedule.num_chosen_tokens == 0


def test_chunks_without_a_state_are_computed_and_not_called_chosen():
    _, seen = simulate(chunks(4, missing=(0, 2)), rates(1), rates(1))
    assert seen.steps.count(Step.COMPUTE) == 2
    assert seen.schedule.num_chosen_tokens == 0


def test_a_state_that_fails_is_computed():
    ms, seen = simulate(chunks(4), rates(1), rates(1), broken=frozenset({2}))
    assert seen.steps.count(Step.COMPUTE) == 1
    assert ms == pytest.approx(103, abs=2)


def test_when_nothing_more_is_read_the_rest_is_computed():
    schedule = Schedule(chunks(3), rates(1), NO_WORK, 1 << 40, may_choose=True)
    assert schedule.next_read(0.0) == 0
    schedule.give_up()
    assert [schedule.next_step(0.0)] == [Step.COMPUTE]
    assert schedule.is_all_read


def test_no_more_states_are_in_memory_than_may_be():
    _, seen = simulate(chunks(8), rates(60), rates(60), max_bytes=2 * CHUNK_BYTES)
    assert seen.most_bytes <= 2 * CHUNK_BYTES


def test_a_limit_below_one_state_still_ends():
    ms, _ = simulate(chunks(4), rates(1), rates(1), max_bytes=1, may_choose=False)
    assert ms == pytest.approx(4)


def begun(number: int, *, reading: tuple[int, ...], read_ms: float = 1, max_bytes: int = 1 << 40) -> Schedule:
    """States of which some are being read."""
    schedule = Schedule(chunks(number), rates(read_ms), NO_WORK, max_bytes, may_choose=True)
    for expected in reading:
        assert schedule.next_read(0.0) == expected
    return schedule


def test_a_state_that_is_begun_is_read_on_before_the_next_one_is_begun():
    schedule = begun(4, reading=(0, 1))
    assert schedule.next_read(1.0, unfinished=(0, 1)) == 0
    assert schedule.next_read(1.0, unfinished=(1,)) == 1
    assert schedule.next_read(1.0) == 2


def test_from_the_back_it_is_the_other_way_round():
    schedule = begun(8, reading=(7, 6), read_ms=100)
    assert schedule.next_read(1.0, unfinished=(6, 7)) == 7
    assert schedule.next_read(1.0, unfinished=(6,)) == 6
    assert schedule.next_read(1.0) == 5


def test_what_the_compute_thread_waits_for_is_read_on_first():
    schedule = begun(4, reading=(0, 1))
    assert schedule.read(0)
    schedule.placed()
    assert schedule.next_step(1.0) is Step.WAIT
    assert schedule.next_read(1.0, unfinished=(0, 1)) == 1


def test_where_there_is_no_room_for_another_state_those_that_are_begun_are_read_on():
    schedule = begun(4, reading=(0, 1), max_bytes=2 * CHUNK_BYTES)
    assert schedule.next_read(1.0) is None
    assert schedule.next_read(1.0, unfinished=(1,)) == 1


def test_a_state_that_is_not_wanted_any_more_is_not_read_on():
    schedule = begun(2, reading=(0,))
    schedule.failed(0)
    assert not schedule.is_reading(0)
    assert schedule.next_read(1.0, unfinished=(0,)) == 1


def test_pieces_under_way_count_half():
    schedule = begun(4, reading=(0,))
    schedule.advanced(0, 4 << 20)
    alone = schedule.rates(1.0).read_bytes_per_s
    schedule.num_under_way = 8
    trust = (20 << 20) / (64 << 20)
    expected = 1 / (trust / ((20 << 20) * 1e3) + (1 - trust) / rates(1).read_bytes_per_s)
    assert schedule.rates(1.0).read_bytes_per_s == pytest.approx(expected)
    assert expected > alone


@pytest.mark.parametrize("true_read_ms", [0.5, 5, 20, 50, 90, 130, 200, 500, 3000])
@pytest.mark.parametrize("believed_read_ms", [0.5, 5, 50, 130, 500, 3000])
@pytest.mark.parametrize("ratio", [0.0, 0.15])
def test_wrong_beliefs_cost_little(true_read_ms: float, believed_read_ms: float, ratio: float):
    """However wrong: at most one chunk more than the better of loading all and computing all."""
    parts, true, work = chunks(12), rates(true_read_ms), Work(ratio)
    ms, seen = simulate(parts, rates(believed_read_ms), true, work)
    num_computed = seen.steps.count(Step.COMPUTE)
    repaired = ms + ratio * sum(compute_ms(chunk, true) for chunk in parts[num_computed:])
    best = min(expected_ms(parts, 0, true, work), expected_ms(parts, 12, true, work))
    assert repaired <= best + max(compute_ms(parts[0], true), min(true_read_ms, best)) + 1


@pytest.mark.parametrize("read_ms", [0.5, 5, 20, 40, 60, 80, 90, 95, 100, 105, 110, 130, 200, 500, 3000])
@pytest.mark.parametrize("ratio", [0.0, 0.15, 0.3])
def test_right_beliefs_are_never_later_than_either_way_alone(read_ms: float, ratio: float):
    parts, true, work = chunks(12), rates(read_ms), Work(ratio)
    ms, seen = simulate(parts, true, true, work)
    num_computed = seen.steps.count(Step.COMPUTE)
    repaired = ms + ratio * sum(compute_ms(chunk, true) for chunk in parts[num_computed:])
    best = min(expected_ms(parts, 0, true, work), expected_ms(parts, 12, true, work))
    assert repaired <= 1.05 * best
