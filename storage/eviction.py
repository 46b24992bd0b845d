"""Which states go when space is short: those that are worth least per byte. Pure.

A state is worth the computing that it is expected to save, per byte that it takes:

    worth = uses expected in a day × seconds to compute it again / bytes of its file

which is GreedyDual-Size-Frequency (Cao and Irani 1997, Cherkasova 1998: frequency × cost / size) with another way of
growing old. There, what is evicted raises the value of all that comes later; here uses fade with a half-life, as in
LRFU (Lee et al. 2001), and the expected uses follow from the faded count. So a state grows cold although nothing is
evicted, and states of a model that nobody asks any more go by themselves. With one half-life for all, time alone never
changes the order of two states: what is chosen today would be chosen tomorrow.

A state that no answer has used yet is expected to be used for the sake of its document: `UNUSED_USES`.

Newcomers, as in TinyLFU (Einziger et al. 2017), only move what is worth less: a corpus larger than the budget would
otherwise push itself through the store for ever. They have to be worth `GAIN` times as much. Each such move raises what
the store is worth, and nothing but a use or a change of a document lowers the order again, so it ends.

There is no hysteresis: what is chosen frees as much as is needed. Choosing takes milliseconds, computing a state
seconds, and whatever goes beforehand might have been used.

Never chosen: preambles (small, and needed by every answer), and whatever a pinned document uses.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from storage.values import KeptState

HALF_LIFE_SECONDS = 14 * 86400
"""A use counts half after two weeks: what people work on changes within weeks, not days. Sane: days to months."""

UNUSED_USES = 0.5
"""So many uses a state counts for before its first one, from when its document was last used or changed. Sane: 0.1 (it
takes three half-lives until a new state may replace one that was used once) to 1 (less than one)."""

GAIN = 1.25
"""How many times as much a newcomer has to be worth: more than its size, which is estimated, can be wrong by."""

_USUAL_TOKENS_PER_SECOND = 100.0
"""Of a small model on a CPU; where no speed is known at all it changes no order."""

_DAY_SECONDS = 86400
_GIGABYTE = 1e9
_FEW_USES = 0.05

Speeds = Mapping[str, float]
"""Tokens per second by fingerprint; one that is missing is taken for the mean of the others. Infinite: its states are
worth nothing."""


@dataclass(frozen=True, slots=True)
class Eviction:
    """A state that is to go."""

    state: KeptState
    worth: float
    """Seconds of computing that it would save in a day, per gigabyte."""
    reason: str
    """What is known of its use, in words without a full stop."""


def faded(num_uses: float, idle_seconds: float) -> float:
    """What uses count for after some time without any."""
    return num_uses * 0.5 ** (max(idle_seconds, 0) / HALF_LIFE_SECONDS)


def worth(state: KeptState, now: int, speeds: Speeds) -> float:
    """Seconds of computing that a state is expected to save in a day, per gigabyte."""
    return _expected(state.num_uses, state.last_used_at, now) * _seconds_per_gigabyte(state, speeds)


def evictions(
    states: Iterable[KeptState], num_bytes: int, now: int, speeds: Speeds, below: float = math.inf
) -> list[Eviction]:
    """What goes to free `num_bytes`, the least worth first; only what is worth less than `below`.

    It may free less: there is nothing else that may go.
    """
    priced = [(worth(state, now, speeds), state) for state in states if may_go(state)]
    priced = [(value, state) for value, state in priced if value < below]
    priced.sort(key=lambda pair: (pair[0], pair[1].last_used_at, pair[1].key.fingerprint, pair[1].key.digest))
    chosen: list[Eviction] = []
    for value, state in priced:
        if num_bytes <= 0:
            break
        chosen.append(Eviction(state, value, reason_of(state, now)))
        num_bytes -= state.num_bytes
    return chosen


def may_go(state: KeptState) -> bool:
    return state.role != "preamble" and not state.is_pinned


def least_worth(states: Sequence[KeptState], used_since: int, now: int, speeds: Speeds) -> float:
    """What a state is worth at least that was used at `used_since` or later, if it costs per byte what `states` do."""
    costs = (_seconds_per_gigabyte(state, speeds) for state in states)
    return _expected(0, used_since, now) * min(costs, default=0.0)


def reason_of(state: KeptState, now: int) -> str:
    ago = _ago(now - state.last_used_at)
    if state.role == "conversation":
        return f"what a model remembers of a conversation, kept {ago}"
    if state.num_uses < _FEW_USES:
        return f"no answer has used it lately; its document was last used or changed {ago}"
    return f"answers have used it (counting {state.num_uses:.1f} times), or its document, {ago}"


def _expected(num_uses: float, last_used_at: int, now: int) -> float:
    """Uses in a day. A steady rate of one in a day adds up to a faded count of half-life / ln 2 days."""
    return faded(num_uses + UNUSED_USES, now - last_used_at) * math.log(2) * _DAY_SECONDS / HALF_LIFE_SECONDS


def _seconds_per_gigabyte(state: KeptState, speeds: Speeds) -> float:
    speed = speeds.get(state.key.fingerprint) or _usual(speeds)
    return state.num_tokens / speed / max(state.num_bytes, 1) * _GIGABYTE


def _usual(speeds: Speeds) -> float:
    known = [speed for speed in speeds.values() if math.isfinite(speed)]
    return fmean(known) if known else _USUAL_TOKENS_PER_SECOND


def _ago(seconds: int) -> str:
    if seconds < 2 * 3600:
        return "within the last two hours"
    if seconds < 2 * _DAY_SECONDS:
        return f"{seconds // 3600} hours ago"
    return f"{seconds // _DAY_SECONDS:,} days ago"
