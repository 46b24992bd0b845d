"""What goes first, what never goes, and that a corpus larger than the budget comes to rest."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.eviction import (
    GAIN,
    HALF_LIFE_SECONDS,
    UNUSED_USES,
    Eviction,
    evictions,
    faded,
    least_worth,
    may_go,
    reason_of,
    worth,
)
from storage.values import KeptState, StateKey, StateRole

NOW = 1_800_000_000
MODEL, OTHER_MODEL = "ab" * 16, "cd" * 16
DAY = 86400


def state(
    number: int = 1,
    *,
    idle_days: float = 0,
    num_uses: float = 0,
    num_bytes: int = 6_000_000,
    num_tokens: int = 500,
    role: StateRole = "chunk",
    is_pinned: bool = False,
    model: str = MODEL,
) -> KeptState:
    key = StateKey(model, f"{number:040x}")
    return KeptState(key, role, num_bytes, num_tokens, NOW - int(idle_days * DAY), num_uses, is_pinned)


def gone(chosen: list[Eviction]) -> list[int]:
    return [int(each.state.key.digest, 16) for each in chosen]


def test_what_was_used_longest_ago_goes_first_and_no_more_than_is_needed():
    states = [state(1, idle_days=3), state(2, idle_days=30), state(3), state(4, idle_days=10)]
    assert gone(evictions(states, 6_000_001, NOW, {})) == [2, 4]
    assert gone(evictions(states, 1, NOW, {})) == [2]
    assert evictions(states, 0, NOW, {}) == []


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (state(num_uses=1), state()),
        (state(num_uses=3, idle_days=14), state(num_uses=1, idle_days=7)),
        (state(num_tokens=600), state()),
        (state(num_bytes=1_000_000), state()),
        (state(model=OTHER_MODEL), state()),
        (state(idle_days=1), state(idle_days=2)),
    ],
)
def test_uses_cost_and_room_count(better: KeptState, worse: KeptState):
    speeds = {MODEL: 200.0, OTHER_MODEL: 20.0}
    assert worth(better, NOW, speeds) > worth(worse, NOW, speeds)


def test_a_use_counts_half_after_a_half_life_and_never_more_than_once():
    assert faded(4, HALF_LIFE_SECONDS) == 2
    assert faded(4, 0) == faded(4, -5) == 4
    old, new = state(idle_days=HALF_LIFE_SECONDS / DAY), state()
    assert worth(old, NOW, {}) == pytest.approx(worth(new, NOW, {}) / 2)


def test_the_unit_is_seconds_saved_in_a_day_per_gigabyte():
    # One use a day adds up to half-life / ln 2 faded ones; 500 tokens take 5 s at 100 tokens/s.
    steady = state(num_uses=HALF_LIFE_SECONDS / DAY / math.log(2) - UNUSED_USES, num_bytes=10**9)
    assert worth(steady, NOW, {MODEL: 100.0}) == pytest.approx(5.0)


def test_a_model_without_a_known_speed_is_taken_for_the_mean_of_the_others():
    assert worth(state(), NOW, {OTHER_MODEL: 50.0}) == worth(state(model=OTHER_MODEL), NOW, {OTHER_MODEL: 50.0})


def test_preambles_and_what_pinned_documents_use_never_go():
    states = [state(1, role="preamble", idle_days=900), state(2, is_pinned=True, idle_days=900), state(3)]
    assert gone(evictions(states, 10**12, NOW, {})) == [3]


def test_only_what_is_worth_less_than_a_newcomer_goes():
    states = [state(1, idle_days=30), state(2, idle_days=1), state(3)]
    limit = worth(state(idle_days=2), NOW, {})
    assert gone(evictions(states, 10**12, NOW, {}, below=limit)) == [1]
    assert evictions(states, 10**12, NOW, {}, below=worth(states[0], NOW, {})) == [], "equal is not less"


def test_memories_of_conversations_are_weighed_like_all_others():
    states = [state(1, role="conversation", idle_days=9), state(2, idle_days=1), state(3, idle_days=20)]
    assert gone(evictions(states, 10**12, NOW, {})) == [3, 1, 2]


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (state(idle_days=30), "no answer has used it lately; its document was last used or changed 30 days ago"),
        (state(idle_days=1), "24 hours ago"),
        (state(num_uses=2.5), "counting 2.5 times"),
        (state(role="conversation"), "remembers of a conversation, kept within the last two hours"),
    ],
)
def test_the_reason_says_what_is_known(kept: KeptState, words: str):
    assert words in reason_of(kept, NOW)


_states = st.builds(
    state,
    st.integers(1, 10**6),
    idle_days=st.floats(-5, 20_000),
    num_uses=st.floats(0, 1000),
    num_bytes=st.integers(0, 10**9),
    num_tokens=st.integers(1, 5000),
    role=st.sampled_from(["chunk", "preamble", "conversation"]),
    is_pinned=st.booleans(),
)


@given(st.lists(_states, max_size=30), st.integers(-1, 10**10))
def test_the_least_worth_go_until_there_is_room(states: list[KeptState], num_bytes: int):
    chosen = evictions(states, num_bytes, NOW, {})
    assert all(may_go(each.state) for each in chosen)
    assert [each.worth for each in chosen] == sorted(each.worth for each in chosen)
    freed = [each.state.num_bytes for each in chosen]
    assert sum(freed[:-1]) < max(num_bytes, 1)
    left = [each for each in states if may_go(each) and each not in [one.state for one in chosen]]
    if sum(freed) < num_bytes:
        assert not left
    elif chosen:
        assert all(worth(each, NOW, {}) >= chosen[-1].worth for each in left)


@given(_states, _states, st.integers(0, 10**9))
def test_time_alone_never_changes_the_order(one: KeptState, other: KeptState, seconds: int):
    first, second = sorted(
        (replace(each, last_used_at=min(each.last_used_at, NOW)) for each in (one, other)),
        key=lambda each: worth(each, NOW, {}),
    )
    assert worth(first, NOW + seconds, {}) <= worth(second, NOW + seconds, {}) * (1 + 1e-9)


@given(st.lists(_states, min_size=1, max_size=20))
def test_no_state_used_later_is_worth_less_than_said(states: list[KeptState]):
    ordered = sorted((each for each in states if each.last_used_at <= NOW), key=lambda each: each.last_used_at)
    for number, each in enumerate(ordered):
        assert worth(each, NOW, {}) >= least_worth(ordered, ordered[0].last_used_at, NOW, {}) * (1 - 1e-9), number


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(10, 600), st.floats(1.0, 1.2)), min_size=1, max_size=25, unique=True
    ),
    st.integers(0, 8),
)
def test_a_corpus_larger_than_the_budget_comes_to_rest(corpus: list[tuple[int, int, float]], num_fitting: int):
    """Chunks of any age and length come again and again, the best first; sizes are known 20 % wrong."""
    budget = num_fitting * 600 * 1000
    real = {
        number: state(number, idle_days=days, num_tokens=tokens, num_bytes=int(tokens * 1000 * error))
        for number, (days, tokens, error) in enumerate(corpus)
    }
    kept: dict[int, KeptState] = {}
    for _ in range(len(real) * len(real) + 1):
        used = sum(each.num_bytes for each in kept.values())
        waiting = sorted(set(real) - set(kept), key=lambda number: -real[number].last_used_at)
        if not waiting:
            break
        newcomer = replace(real[waiting[0]], num_bytes=real[waiting[0]].num_tokens * 1000)
        limit = worth(newcomer, NOW, {}) / GAIN
        chosen = evictions(kept.values(), used + newcomer.num_bytes - budget, NOW, {}, below=limit)
        if used - sum(each.state.num_bytes for each in chosen) + newcomer.num_bytes > budget:
            break
        for number in gone(chosen):
            del kept[number]
        kept[waiting[0]] = real[waiting[0]]
    else:
        raise AssertionError("it never comes to rest")
