"""Scores in, token indices out."""

import numpy as np
import pytest

from engine import selection
from engine.selection import STRATEGIES, Scores

ALL = np.ones(6, np.bool_)
OFFSETS = np.array([0, 1, 2, 0, 1, 2], np.int32)
ATTENTION = np.array([9, 1, 5, 2, 8, 4], np.float32)
DEVIATION = np.array([0, 100, 4, 1, np.nan, 9], np.float32)


def chosen(strategy: str, wanted: int, candidates: selection.BoolArray = ALL) -> list[int]:
    ranks = STRATEGIES[strategy].rank(Scores(OFFSETS, ATTENTION, DEVIATION))
    return selection.best(ranks, candidates, wanted).tolist()


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("first", [0, 3]),
        ("attention", [0, 4]),
        ("attention-middle", [0, 4]),
        ("deviation", [1, 5]),
        ("attention-deviation", [1, 5]),  # 1 × √100 and 4 × √9 lead; token 4 was not measured
    ],
)
def test_each_strategy_ranks_by_its_own_signal(strategy: str, expected: list[int]) -> None:
    assert chosen(strategy, 2) == expected


def test_only_candidates_are_chosen_and_in_ascending_order() -> None:
    candidates = np.array([False, True, True, False, True, False])
    assert chosen("attention", 2, candidates) == [2, 4]


def test_the_ratio_counts_the_whole_context_but_never_more_than_the_candidates() -> None:
    candidates = np.array([False, False, False, True, True, True])
    assert selection.num_wanted("attention", 0.34, 6, candidates) == 2
    assert selection.num_wanted("attention", 1.0, 6, candidates) == 3
    assert selection.num_wanted("none", 1.0, 6, candidates) == 0


def test_the_shortlist_holds_the_best_by_attention_or_everyone_without_it() -> None:
    assert selection.shortlist(Scores(OFFSETS, ATTENTION), ALL, 1).tolist() == [0, 2, 4]
    assert selection.shortlist(Scores(OFFSETS), ALL, 1).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_question_sees_every_fourth_token_while_it_is_scored() -> None:
    assert selection.unseen_tokens(10).tolist() == [1, 2, 3, 5, 6, 7, 9]
    assert not len(selection.unseen_tokens(1))


def test_scored_layers_are_every_second_from_the_half_up() -> None:
    assert selection.scored_layers(24) == (12, 14, 16, 18, 20, 22)
    assert selection.scored_layers(1) == (0,)
    assert selection.middle_layers(24) == (12, 14, 16)
    assert selection.middle_layers(1) == (0,)


@pytest.mark.parametrize(
    ("num_wanted", "num_question", "expected"),
    [
        (461, 60, 452),  # nine tokens are not worth a second batch
        (400, 60, 400),  # one batch anyway
        (452, 60, 452),  # just one
        (500, 60, 500),  # 48 of 500 are too many to leave out
        (1_000, 60, 964),  # 36 of 1,000 are not
        (0, 60, 0),
    ],
)
def test_no_batch_is_opened_for_the_last_few_tokens(num_wanted: int, num_question: int, expected: int) -> None:
    assert selection.fitted(num_wanted, num_question, batch_tokens=512) == expected
