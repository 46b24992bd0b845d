"""Attention per cell → what became of the chunks, and what they weigh when some have to leave."""

import numpy as np
import pytest

from engine.blend import BlendReport
from engine.chunk_uses import chunk_uses, reweighted
from engine.transcript import Kind, Segment, Transcript

ASKED = Transcript(
    (
        Segment(Kind.PREAMBLE, (1, 2)),
        Segment(Kind.CHUNK, (3, 4), 0, 10, weight=0.4),
        Segment(Kind.QUESTION, (5,), 0),
        Segment(Kind.OPENING, (6,), 1),
        Segment(Kind.CHUNK, (7, 8, 9), 1, 11),
        Segment(Kind.CHUNK, (3, 9), 1, 12),
        Segment(Kind.QUESTION, (5, 5), 1),
    )
)
NUM_BASE_TOKENS = 5
ATTENTION = np.array([9, 9, 1, 0, 9, 9, 2, 0, 1, 0, 0], np.float32)
"""On the cells before the question: 4 of it on chunks."""


def test_tokens_add_up_by_origin() -> None:
    report = BlendReport(loaded=frozenset({6}), recomputed=np.array([7, 8, 9], np.int32))
    kept, loaded, computed = chunk_uses(ASKED, NUM_BASE_TOKENS, report)
    assert (kept.chunk_id, kept.num_tokens, kept.num_kept) == (10, 2, 2)
    assert (loaded.num_loaded, loaded.num_recomputed, loaded.num_kept, loaded.num_computed) == (1, 2, 0, 0)
    assert (computed.num_computed, computed.num_recomputed) == (2, 0)
    assert kept.attention is None
    assert kept.token_attention == ()


def test_shares_are_those_of_the_attention_on_all_chunks() -> None:
    uses = chunk_uses(ASKED, NUM_BASE_TOKENS, BlendReport(attention=ATTENTION))
    assert [use.token_attention for use in uses] == [(0.25, 0), (0.5, 0, 0.25), (0, 0)]
    assert [use.attention for use in uses] == [0.25, 0.75, 0]


def test_an_older_turn_s_attention_counts_half() -> None:
    weights = [chunk.weight for chunk in reweighted(ASKED, ATTENTION).chunks]
    assert weights == pytest.approx([0.25 + 0.4 / 2, 0.75, 0])


@pytest.mark.parametrize("attention", [None, np.zeros(11, np.float32)])
def test_where_nothing_was_measured_weights_stay_and_shares_are_unknown(attention) -> None:
    assert reweighted(ASKED, attention) is ASKED
    assert all(use.attention is None for use in chunk_uses(ASKED, NUM_BASE_TOKENS, BlendReport(attention=attention)))
