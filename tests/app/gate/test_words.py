"""The gate in words."""

import pytest

from app.gate.account import GateAccount, Standing
from app.gate.words import account_words, figure, override_words, percent, standing_words, verdict_words
from app.settings import Settings
from tests.app.gate.test_course import BLENDS, EXACT_ONLY, ROUNDS, SPOILS


def test_figures_are_short():
    assert [figure(value) for value in (0.0, 0.084, 0.999, 1.0, 12.3)] == [".00", ".08", "1.00", "1.00", "12.30"]
    assert figure(0.8984, 3) == ".898"
    assert [percent(ratio) for ratio in (0.05, 0.15, 0.125, 1.0)] == ["5 %", "15 %", "12.5 %", "100 %"]


def test_a_verdict_tells_its_figures_and_the_bar():
    assert verdict_words(BLENDS) == "blends at 20 % (KL .08, agreement .93; bar .10, .90)"
    assert verdict_words(EXACT_ONLY) == "exact only (KL .31, agreement .70 at 50 %)"
    assert (
        verdict_words(SPOILS)
        == "exact only, and its kv_type changes exact answers, too (KL .40, agreement .65 at 100 %)"
    )
    assert verdict_words(ROUNDS) == "exact only (KL .31, agreement .70 at 50 %)"
    assert verdict_words(None) == "not measured; steep doctor --model"


def test_an_override_tells_what_it_costs_if_that_is_known():
    assert override_words(Settings(), BLENDS) == ""
    assert override_words(Settings(ratio=0.15), BLENDS) == "you set ratio = 0.15 (KL .14, agreement .86)"
    assert override_words(Settings(ratio=0.4), BLENDS) == "you set ratio = 0.4 (not measured)"
    assert override_words(Settings(ratio=0.4), None) == "you set ratio = 0.4 (not measured)"
    assert override_words(Settings(mode="exact", ratio=0.4), BLENDS) == "you set mode = exact"
    assert (
        standing_words(Settings(mode="blend"), EXACT_ONLY)
        == "exact only (KL .31, agreement .70 at 50 %); you set mode = blend"
    )


@pytest.mark.parametrize(
    ("gate", "mode", "words"),
    [
        (GateAccount(Standing.UNMEASURED, 0.15), "blend", "blended at 15 % (not measured; steep doctor --model)"),
        (GateAccount(Standing.UNMEASURED), "exact", "exact (not measured; steep doctor --model)"),
        (GateAccount(Standing.BLEND, 0.2, 0.0, 1.0), "blend", "blended at 20 % (KL .00, agreement 1.00)"),
        (
            GateAccount(Standing.BLEND, 0.4, overridden=True),
            "blend",
            "blended at 40 % by your choice (not measured)",
        ),
        (
            GateAccount(Standing.BLEND, 0.2, 0.08, 0.93, overridden=True),
            "exact",
            "exact by your choice (KL .08, agreement .93 at 20 %)",
        ),
        (GateAccount(Standing.EXACT, 0.5, 0.31, 0.7), "exact", "exact only (KL .31, agreement .70 at 50 %)"),
        (
            GateAccount(Standing.EXACT, 0.15, 0.4, 0.6, overridden=True),
            "blend",
            "blended at 15 % by your choice, exact only otherwise (KL .40, agreement .60)",
        ),
        (GateAccount(Standing.EXACT), "exact", "exact only: the model cannot be blended"),
    ],
)
def test_an_answer_says_how_it_came_about_and_what_that_is_worth(gate: GateAccount, mode: str, words: str):
    assert account_words(gate, mode) == words
