from collections.abc import Callable
from pathlib import Path

from app.folders.debounce import Debounce, Sight

NOTE = Path("/folder/note.txt")
OTHER = Path("/folder/other.txt")


def everything_is(sight: Sight) -> Callable[[Path], Sight]:
    return lambda path: sight


THERE = everything_is(Sight.THERE)


def hand_outs(change_times: list[float], until: float, sight: Sight = Sight.THERE) -> list[float]:
    """When one path is ready, if `take` is called as soon as it may be."""
    debounce = Debounce(settle_seconds=0.4)
    ready_at: list[float] = []
    waiting = list(change_times)
    while True:
        next_at = debounce.next_at()
        if waiting and (next_at is None or waiting[0] <= next_at):
            debounce.note(NOTE, waiting.pop(0))
        elif next_at is not None and next_at <= until:
            if debounce.take(next_at, everything_is(sight)):
                ready_at.append(round(next_at, 2))
        else:
            return ready_at


def every(seconds: float, until: float) -> list[float]:
    return [round(number * seconds, 3) for number in range(int(until / seconds))]


def test_a_path_is_ready_when_nothing_happened_to_it_for_a_moment():
    debounce = Debounce(settle_seconds=0.4)
    debounce.note(NOTE, 10.0)
    assert debounce.next_at() == 10.4
    assert debounce.take(10.39, THERE) == []
    assert debounce.take(10.4, THERE) == [NOTE]
    assert debounce.next_at() is None
    assert debounce.take(99.0, THERE) == []


def test_several_steps_of_saving_are_one_change():
    assert hand_outs([0.0, 0.1, 0.45, 0.5], until=60) == [0.9]


def test_quick_saves_are_each_ready_after_the_same_moment():
    assert hand_outs([0.0, 1.0, 2.0], until=60) == [0.4, 1.4, 2.4]


def test_saves_that_are_seconds_apart_are_each_ready_after_the_same_moment_for_ever():
    saves = every(3.0, until=300)
    assert hand_outs(saves, until=400) == [round(save + 0.4, 2) for save in saves]


def test_a_path_that_never_rests_is_ready_after_times_that_double_up_to_a_minute():
    assert hand_outs(every(0.1, until=300), until=300) == [2.0, 6.1, 14.2, 30.3, 62.4, 122.5, 182.6, 242.7]


def test_a_log_with_a_line_per_second_is_not_read_every_second():
    assert len(hand_outs(every(1.0, until=600), until=600)) < 20


def test_a_rest_makes_a_restless_path_like_any_other():
    busy = every(0.1, until=20)
    times = hand_outs([*busy, 40.0], until=60)
    assert times[-1] == 40.4


def test_the_end_of_a_restless_time_is_noticed_soon():
    last = every(0.1, until=100)[-1]
    times = hand_outs(every(0.1, until=100), until=200)
    assert last < times[-1] <= last + 2.0


def test_a_restless_path_does_not_delay_others():
    debounce = Debounce(settle_seconds=0.4)
    for at in every(0.1, until=1.0):
        debounce.note(NOTE, at)
    debounce.note(OTHER, 0.5)
    assert debounce.take(0.9, THERE) == [OTHER]


def test_what_is_nearly_ready_goes_along():
    debounce = Debounce(settle_seconds=0.4)
    debounce.note(NOTE, 0.0)
    debounce.note(OTHER, 0.09)
    assert debounce.take(0.4, THERE) == [NOTE, OTHER]


def test_what_exists_comes_before_what_is_gone():
    debounce = Debounce(settle_seconds=0.4)
    debounce.note(OTHER, 0.0)
    debounce.note(NOTE, 0.0)
    assert debounce.take(5.0, lambda path: Sight.GONE if path == OTHER else Sight.THERE) == [NOTE, OTHER]


def test_a_renamed_file_is_new_before_it_is_gone():
    debounce = Debounce(settle_seconds=0.4)
    debounce.note(OTHER, 0.0)
    debounce.note(NOTE, 0.3)

    def look(path: Path) -> Sight:
        return Sight.GONE if path == OTHER else Sight.THERE

    assert debounce.take(0.4, look) == []
    assert debounce.take(0.7, look) == [NOTE]
    assert debounce.next_at() == 1.0
    assert debounce.take(1.0, look) == [OTHER]


def test_an_emptied_file_waits_for_its_text():
    debounce = Debounce(settle_seconds=0.4)
    debounce.note(NOTE, 0.0)
    assert debounce.take(0.4, everything_is(Sight.EMPTY)) == []
    debounce.note(NOTE, 1.5)
    assert debounce.take(1.9, THERE) == [NOTE]


def test_a_file_that_stays_empty_is_ready_in_the_end():
    assert hand_outs([0.0], until=60, sight=Sight.EMPTY) == [2.0]


def test_what_was_deleted_and_written_anew_is_one_change():
    debounce = Debounce(settle_seconds=0.4)
    debounce.note(NOTE, 0.0)
    assert debounce.take(0.4, everything_is(Sight.GONE)) == []
    debounce.note(NOTE, 0.8)
    assert debounce.take(1.25, THERE) == [NOTE]
    assert debounce.next_at() is None


def test_a_path_is_looked_at_only_when_it_may_be_ready():
    debounce = Debounce(settle_seconds=0.4)
    looked: list[Path] = []

    def look(path: Path) -> Sight:
        looked.append(path)
        return Sight.THERE

    debounce.note(NOTE, 0.0)
    debounce.note(OTHER, 0.35)
    debounce.take(0.4, look)
    assert looked == [NOTE]
