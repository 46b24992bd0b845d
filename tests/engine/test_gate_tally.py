"""When a ratio is good enough, and when it is left early: never against what all questions would have said."""

from hypothesis import given
from hypothesis import strategies as st

from engine.gate_tally import RatioTally
from storage.values import BlendQuality, QualityBar

BAR = QualityBar(max_kl=0.10, min_agreement=0.90)


def tally(*answers: tuple[float, float], num_questions: int = 8) -> RatioTally:
    made = RatioTally(0.15, num_questions, BAR)
    for kl, agreement in answers:
        made.note(kl, agreement)
    return made


def test_the_means_count_and_not_single_questions():
    quality = tally((0.19, 0.8), (0.01, 1.0), num_questions=2).quality
    assert (quality.ratio, quality.num_questions) == (0.15, 2)
    assert quality.reaches(BAR)


def test_both_figures_have_to_reach_the_bar():
    assert BlendQuality(0.1, 0.10, 0.90, 8).reaches(BAR)
    assert not BlendQuality(0.1, 0.11, 1.0, 8).reaches(BAR)
    assert not BlendQuality(0.1, 0.0, 0.89, 8).reaches(BAR)


def test_it_is_left_when_perfect_answers_to_all_that_remain_could_not_save_it():
    assert tally((0.79, 1.0)).can_reach_bar
    assert not tally((0.81, 1.0)).can_reach_bar
    assert tally((0.0, 0.6), (0.0, 0.61)).can_reach_bar
    assert not tally((0.0, 0.6), (0.0, 0.59)).can_reach_bar


def test_figures_that_are_no_numbers_are_never_good_enough():
    nothing = tally((float("nan"), 1.0))
    assert not nothing.can_reach_bar
    assert not nothing.quality.reaches(BAR)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_what_is_left_early_would_not_have_reached_the_bar_and_does_not_look_as_if(answers: list[tuple[float, float]]):
    # A little stricter than the bar, since sums of more figures round otherwise.
    soft = QualityBar(BAR.max_kl - 1e-9, BAR.min_agreement + 1e-9)
    whole = tally(*answers, num_questions=len(answers)).quality
    for number in range(1, len(answers) + 1):
        part = tally(*answers[:number], num_questions=len(answers))
        if not part.can_reach_bar:
            assert not whole.reaches(soft)
            assert not part.quality.reaches(soft)
