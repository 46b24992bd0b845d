"""What goes on behind, in a few words."""

from pathlib import Path

import pytest

from app.assistant.events import ModelLoading, ModelReady, Trouble, UpkeepTold, WatchingElsewhere, WatchingHere
from app.gate.events import GateMeasured, GateTrouble, GateUnderWay
from app.indexer import FileSeen
from app.search.dense import Embedded
from app.steeper import ChunkSteeped, SteepingTrouble
from app.tui.activity import Activity
from app.upkeep import Resting, Standing, SweepDone, UpkeepEvent
from storage.values import Backlog
from tests.app.gate.test_course import BLENDS

PATH = Path("/a.md")


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def activity(clock: Clock) -> Activity:
    return Activity(clock)


def note(activity: Activity, *events: UpkeepEvent) -> str:
    for event in events:
        activity.note(UpkeepTold(event))
    return str(activity)


def left(num_tokens: int) -> Standing:
    return Standing({}, Backlog(1, num_tokens))


def test_without_anything_to_do_nothing_is_told(activity: Activity):
    assert str(activity) == ""
    assert note(activity, left(0)) == ""


def test_steeping_has_its_share_and_its_rate(activity: Activity, clock: Clock):
    assert note(activity, left(1000)) == "steeping 0 %"
    clock.seconds = 2
    assert note(activity, ChunkSteeped(PATH, 250, True)) == "steeping 25 % · 125 tokens/s"
    assert note(activity, ChunkSteeped(PATH, 750, False)) == ""


def test_rests_are_told(activity: Activity):
    assert note(activity, left(1000), Resting("a question is being answered")) == "steeping 0 %, rests"
    assert note(activity, Resting(None)) == "steeping 0 %"


def test_reading_and_vectors_come_before_steeping(activity: Activity):
    assert note(activity, left(1000), FileSeen(PATH, 12, 3000, True)) == "reading 12 of 3,000"
    assert note(activity, SweepDone(3000, 3000, 1.0), Embedded(4, 8)) == "vectors 4 of 8"
    assert note(activity, Embedded(8, 8)) == "steeping 0 %"


def test_the_last_file_ends_reading(activity: Activity):
    assert note(activity, FileSeen(PATH, 1, 2, True), FileSeen(PATH, 2, 2, True)) == ""


def test_another_process_is_named_until_this_one_takes_over(activity: Activity):
    activity.note(WatchingElsewhere())
    assert str(activity) == "watched by another process"
    activity.note(WatchingHere())
    assert str(activity) == ""


def test_trouble_is_marked_until_it_is_over(activity: Activity):
    assert note(activity, left(1000), SteepingTrouble("the disk is full")) == "! trouble · steeping 0 %"
    assert note(activity, ChunkSteeped(PATH, 10, False)) == "steeping 1 %"
    activity.note(Trouble("passes"))
    assert str(activity) == "steeping 1 %"
    activity.note(Trouble("stays", is_lasting=True))
    assert str(activity) == "! trouble · steeping 1 %"
    activity.note(ModelReady("m", PATH, ("f",), 1, True, "", 1.0))
    assert str(activity) == "steeping 1 %"


def test_a_model_that_is_measured_tells_how_far_that_is(activity: Activity):
    """Steeping waits meanwhile."""
    assert note(activity, left(1000), GateUnderWay(30, 120)) == "measuring the model 25 %"
    assert note(activity, Resting("a question is being answered")) == "measuring the model 25 %, rests"
    assert note(activity, Resting(None), GateMeasured("m.gguf", BLENDS)) == "steeping 0 %"


def test_a_model_that_could_not_be_measured_is_trouble(activity: Activity):
    assert note(activity, GateUnderWay(1, 2), GateTrouble("it refused")) == "! trouble"


@pytest.mark.parametrize("other", [ModelLoading("m"), ModelReady("m", PATH, ("f",), 1, True, "", 1.0)])
def test_another_model_is_not_the_one_that_was_being_measured(activity: Activity, other: ModelLoading | ModelReady):
    note(activity, GateUnderWay(1, 2))
    activity.note(other)
    assert str(activity) == ""
