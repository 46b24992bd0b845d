"""Ways to get a context into the cache, as `steep bench ttft` compares them; pure.

What is compared is time. Two ways stand for methods of others, and do so honestly, as the bytes that are read and the
tokens that are computed are the same; the answers' texts are not, and nothing is said of them here:

    reuse   loads every state and recomputes none of its tokens. States that were exact in this very place would have
            as many bytes, so this is also the time of loading only.
    cake    computes chunks from the front while states are loaded from the back, and recomputes nothing: the time of
            Cake (2410.03065), both halves of which are exact.
"""

from collections.abc import Iterable
from dataclasses import dataclass

RATIOS = (0.05, 0.10, 0.15, 0.20)

_OVERHEAD = 0.1
"""What an answer costs besides what it computes of the context, as a share of computing all; a guess for the bar."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way; `mode`, `loading`, `strategy` and `ratio` are those of `engine.requests.AnswerRequest`."""

    name: str
    meaning: str
    mode: str = "blend"
    loading: str = "all"
    strategy: str = "none"
    ratio: float = 0.0

    @property
    def effort(self) -> float:
        """The work per context token, about: 1 is to compute it."""
        if self.mode == "exact":
            return 1.0
        return (0.5 if self.loading == "auto" else self.ratio) + _OVERHEAD


FULL = Way("full", "everything is computed, nothing is read", mode="exact")
REUSE = Way("reuse", "all states are loaded, nothing is recomputed: also the time of loading exact states")
CAKE = Way(
    "cake", "computed from the front, loaded from the back, nothing recomputed: the time of Cake", loading="auto"
)


def blend(ratio: float, strategy: str) -> Way:
    """All states are loaded, and this share of their tokens is recomputed."""
    name = f"blend {ratio * 100:g}%"
    return Way(name, f"all states are loaded, {ratio * 100:g} % recomputed", strategy=strategy, ratio=ratio)


def auto(ratio: float, strategy: str) -> Way:
    """What `steep ask` does."""
    meaning = f"as steep ask: loaded or computed, whatever is sooner, and {ratio * 100:g} % recomputed"
    return Way("auto", meaning, loading="auto", strategy=strategy, ratio=ratio)


def all_ways(ratio: float, strategy: str) -> tuple[Way, ...]:
    """Full first: what others are compared with, and what tells the engine how fast it computes."""
    return (FULL, REUSE, CAKE, *_blends({*RATIOS, ratio}, strategy), auto(ratio, strategy))


def sweep_ways(ratio: float, strategy: str) -> tuple[Way, ...]:
    """Those that are compared at each speed of reading."""
    return (FULL, REUSE, CAKE, *_blends({ratio}, strategy), auto(ratio, strategy))


def _blends(ratios: Iterable[float], strategy: str) -> list[Way]:
    return [blend(ratio, strategy) for ratio in sorted(ratios) if ratio > 0]
