"""All ways take turns within a round, and the time left follows the work, not the count."""

from itertools import pairwise

import pytest

from app.bench.schedule import Outlook, Step, schedule
from app.bench.ways import CAKE, FULL, REUSE, all_ways, sweep_ways


def test_ways_take_turns_within_each_round_behind_one_unmeasured_answer_per_cell():
    steps = schedule([2, 3], (FULL, CAKE), num_rounds=9)
    assert steps[:2] == [Step(2, REUSE, is_measured=False), Step(3, REUSE, is_measured=False)]
    turns = [(steps[at], steps[at + 1]) for at in range(2, len(steps), 2)]
    assert [{step.way for step in turn} for turn in turns] == [{FULL, CAKE}] * 18
    assert [step.cell_index for turn in turns for step in turn] == [2, 2, 3, 3] * 9


def test_no_way_always_comes_behind_the_same_one():
    steps = schedule([2], (FULL, REUSE, CAKE), num_rounds=9)[1:]
    for way in (FULL, REUSE, CAKE):
        assert len({before.way for before, step in pairwise(steps) if step.way == way}) > 1
    assert steps == schedule([2], (FULL, REUSE, CAKE), num_rounds=9)[1:]
    assert [step.way for step in steps[:3]] == [FULL, REUSE, CAKE], "as tables have them"


def test_the_time_left_goes_by_the_work_that_is_left(make_cell):
    cells = [make_cell({}, num_tokens=1000), make_cell({}, num_tokens=3000)]
    steps = [Step(0, FULL), Step(1, FULL)]
    outlook = Outlook(steps, cells)
    assert outlook.seconds_left(10.0) is None
    following = outlook.follow(steps)
    next(following)
    assert outlook.num_done == 0
    next(following)
    assert (outlook.num_done, outlook.share) == (1, 0.25)
    assert outlook.seconds_left(10.0) == pytest.approx(30.0)
    assert list(following) == []
    assert outlook.share == 1


def test_full_is_the_most_work_and_reuse_the_least():
    efforts = {way.name: way.effort for way in all_ways(0.15, "first")}
    assert max(efforts, key=lambda name: efforts[name]) == "full"
    assert min(efforts, key=lambda name: efforts[name]) == "reuse"


def test_the_settings_ratio_is_among_the_blends_once():
    assert [way.name for way in all_ways(0.15, "first")] == [
        *("full", "reuse", "cake", "blend 5%", "blend 10%", "blend 15%", "blend 20%", "auto")
    ]
    assert "blend 12.5%" in {way.name for way in all_ways(0.125, "first")}
    assert [way.name for way in sweep_ways(0.1, "first")] == ["full", "reuse", "cake", "blend 10%", "auto"]
    assert [way.name for way in sweep_ways(0.0, "first")] == ["full", "reuse", "cake", "auto"]


def test_only_what_chooses_may_choose():
    assert {way.name: way.loading for way in sweep_ways(0.1, "first")} == {
        "full": "all",
        "reuse": "all",
        "cake": "auto",
        "blend 10%": "all",
        "auto": "auto",
    }
