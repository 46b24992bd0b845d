"""How far steeping in the background is, counted from what it tells (`app.upkeep`). For one thread.

Done and left are tokens since there was last nothing to do: nobody knows the tokens of what was done long ago. What is
left is what was known when everything was counted last, less what was steeped since. Only a count says that all is
done.
"""

import time
from collections.abc import Callable
from pathlib import Path

from app.steeping_rate import LONG_WINDOW_SECONDS, Rate


class SteepingProgress:
    """See the module."""

    def __init__(self, now: Callable[[], float] = time.monotonic, window_seconds: float = LONG_WINDOW_SECONDS) -> None:
        self.path: Path | None = None
        """The document that was steeped last."""
        self.num_done = 0
        self._rate = Rate(now, window_seconds)
        self._num_known: int | None = None
        self._num_since = 0

    def resume(self) -> None:
        """Steeping goes on after a rest."""
        self._rate.start()

    def steeped(self, path: Path, num_tokens: int, *, was_encoded: bool) -> None:
        """A chunk is done; one that only had to be linked says nothing about the rate."""
        self.path = path
        self._num_since += num_tokens
        self.num_done += num_tokens
        if was_encoded:
            self._rate.add(num_tokens)

    def counted(self, num_left: int) -> None:
        """So many tokens are still to be steeped."""
        self._num_known, self._num_since = num_left, 0
        if not num_left:
            self.num_done = 0

    @property
    def is_known(self) -> bool:
        """Whether anything was counted yet."""
        return self._num_known is not None

    @property
    def is_complete(self) -> bool:
        return self._num_known == 0

    @property
    def num_left(self) -> int:
        return max(0, (self._num_known or 0) - self._num_since)

    @property
    def share(self) -> float:
        """Done of all there was to do, 0 to 1."""
        total = self.num_done + self.num_left
        return self.num_done / total if total else 1.0

    @property
    def tokens_per_second(self) -> float:
        """0 while nothing is known."""
        return self._rate.per_second

    @property
    def seconds_left(self) -> float | None:
        """None while nothing is known."""
        rate = self._rate.per_second
        return self.num_left / rate if rate else None
