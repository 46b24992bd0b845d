"""How a long set of redirected tokens is cut into batches."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine import redirect


def test_with_a_question_the_late_tokens_come_first() -> None:
    assert redirect.late_first(np.array([3, 5, 9], np.int32)).tolist() == [9, 5, 3]


@given(st.integers(0, 200), st.integers(0, 40), st.integers(1, 64))
def test_slices_keep_all_positions_in_order_and_fit_their_batches(total: int, behind: int, batch: int) -> None:
    positions = np.arange(total, dtype=np.int32) * 3
    pieces = redirect.slices(positions, behind, batch)
    assert np.concatenate(pieces).tolist() == positions.tolist()
    assert all(len(piece) <= batch for piece in pieces)
    assert len(pieces[-1]) + behind <= max(batch, behind)
