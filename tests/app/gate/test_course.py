"""The user's settings over the gate's verdict: how answers are made, and what is said of it."""

from dataclasses import replace

import pytest

from app.gate.account import GateAccount, Standing
from app.gate.course import DEFAULT_RATIO, course, ratio_of
from app.settings import AUTO, Settings
from storage.values import BlendQuality, GateVerdict, QualityBar

BAR = QualityBar(0.10, 0.90)
BLENDS = GateVerdict(0.2, (BlendQuality(0.15, 0.14, 0.86, 8), BlendQuality(0.2, 0.08, 0.93, 8)), BAR, 1, 0)
EXACT_ONLY = GateVerdict(None, (BlendQuality(0.15, 0.4, 0.6, 3), BlendQuality(0.5, 0.31, 0.7, 4)), BAR, 1, 0)
SPOILS = replace(EXACT_ONLY, tried=(*EXACT_ONLY.tried, BlendQuality(1.0, 0.4, 0.65, 3)))
"""Even exact answers over its rows are too far from those over others."""
ROUNDS = replace(EXACT_ONLY, tried=(*EXACT_ONLY.tried, BlendQuality(1.0, 0.05, 0.95, 8)))
"""They are not."""


@pytest.mark.parametrize(
    ("mode", "ratio", "verdict", "expected"),
    [
        (AUTO, AUTO, None, ("blend", DEFAULT_RATIO)),
        (AUTO, AUTO, BLENDS, ("blend", 0.2)),
        (AUTO, AUTO, EXACT_ONLY, ("exact", DEFAULT_RATIO)),
        (AUTO, 0.3, None, ("blend", 0.3)),
        (AUTO, 0.3, BLENDS, ("blend", 0.3)),
        (AUTO, 0.3, EXACT_ONLY, ("blend", 0.3)),
        ("blend", AUTO, None, ("blend", DEFAULT_RATIO)),
        ("blend", AUTO, BLENDS, ("blend", 0.2)),
        ("blend", AUTO, EXACT_ONLY, ("blend", DEFAULT_RATIO)),
        ("blend", 0.05, EXACT_ONLY, ("blend", 0.05)),
        ("exact", AUTO, None, ("exact", DEFAULT_RATIO)),
        ("exact", AUTO, BLENDS, ("exact", 0.2)),
        ("exact", 0.3, EXACT_ONLY, ("exact", 0.3)),
    ],
)
def test_settings_and_verdict_decide(mode: str, ratio: float, verdict: GateVerdict | None, expected: tuple[str, float]):
    made = course(Settings(mode=mode, ratio=ratio), verdict)
    assert (made.mode, made.ratio) == expected


@pytest.mark.parametrize(
    ("settings", "verdict", "expected"),
    [
        (Settings(), None, GateAccount(Standing.UNMEASURED, 0.15)),
        (Settings(mode="exact"), None, GateAccount(Standing.UNMEASURED)),
        (Settings(), BLENDS, GateAccount(Standing.BLEND, 0.2, 0.08, 0.93)),
        (Settings(mode="blend"), BLENDS, GateAccount(Standing.BLEND, 0.2, 0.08, 0.93)),
        (Settings(ratio=0.2), BLENDS, GateAccount(Standing.BLEND, 0.2, 0.08, 0.93)),
        (Settings(ratio=0.15), BLENDS, GateAccount(Standing.BLEND, 0.15, 0.14, 0.86, overridden=True)),
        (Settings(ratio=0.4), BLENDS, GateAccount(Standing.BLEND, 0.4, overridden=True)),
        (Settings(mode="exact"), BLENDS, GateAccount(Standing.BLEND, 0.2, 0.08, 0.93, overridden=True)),
        (Settings(), EXACT_ONLY, GateAccount(Standing.EXACT, 0.5, 0.31, 0.7)),
        (Settings(mode="exact"), EXACT_ONLY, GateAccount(Standing.EXACT, 0.5, 0.31, 0.7)),
        (Settings(mode="blend"), EXACT_ONLY, GateAccount(Standing.EXACT, 0.15, 0.4, 0.6, overridden=True)),
        (Settings(ratio=0.5), EXACT_ONLY, GateAccount(Standing.EXACT, 0.5, 0.31, 0.7, overridden=True)),
    ],
)
def test_every_answer_says_what_the_gate_says_and_what_its_own_way_costs(
    settings: Settings, verdict: GateVerdict | None, expected: GateAccount
):
    assert course(settings, verdict).gate == expected


def test_only_an_answer_that_the_gate_held_back_comes_with_a_notice():
    notice = course(Settings(), EXACT_ONLY).notice
    assert notice == (
        "answered exactly: this model's blended answers differ too much from exact ones (KL .31, agreement .70 at "
        "50 %; wanted: .10, .90). --ratio 0.15 blends all the same, with KL .40, agreement .60."
    )
    quiet = (Settings(mode="exact"), Settings(mode="blend"), Settings(ratio=0.15))
    assert [course(settings, EXACT_ONLY).notice for settings in quiet] == ["", "", ""]
    assert course(Settings(), BLENDS).notice == course(Settings(), None).notice == ""


def test_a_notice_tells_when_the_rows_are_what_differs():
    assert course(Settings(), ROUNDS).notice == course(Settings(), EXACT_ONLY).notice
    made = course(Settings(), SPOILS)
    assert (made.mode, made.gate) == ("exact", GateAccount(Standing.EXACT, 1.0, 0.4, 0.65))
    assert made.notice == (
        "answered exactly, but rows of this kv_type change exact answers, too (KL .40, agreement .65; wanted: .10, "
        ".90): set kv_type to q8_0 or f16."
    )


def test_a_model_that_cannot_be_blended_is_asked_as_before_and_the_engine_says_why():
    made = course(Settings(), None, is_blendable=False)
    assert (made.mode, made.gate, made.notice) == ("blend", GateAccount(Standing.EXACT), "")


def test_measurements_take_the_ratio_that_is_set_or_the_default():
    assert ratio_of(Settings()) == DEFAULT_RATIO
    assert ratio_of(Settings(ratio=0.0)) == 0.0
