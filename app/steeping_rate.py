"""How fast steeping goes: tokens per second of work, over the last seconds of it. For one thread.

Imports nothing of ours: the screen wants it at the start.
"""

import time
from collections import deque
from collections.abc import Callable

LONG_WINDOW_SECONDS = 60.0
"""For a figure that lasts: chunks come every few seconds on a CPU."""


class Rate:
    """See the module; rests do not count."""

    def __init__(self, now: Callable[[], float] = time.monotonic, window_seconds: float = LONG_WINDOW_SECONDS) -> None:
        self._now, self._window_seconds = now, window_seconds
        self._done: deque[tuple[float, int]] = deque()
        self._last_at = now()

    def start(self) -> None:
        """Work begins, or goes on."""
        self._last_at = self._now()

    def add(self, num_tokens: int) -> None:
        """So much was done since the last call."""
        self._done.append((self._now() - self._last_at, num_tokens))
        self._last_at = self._now()
        while sum(seconds for seconds, _ in self._done) > self._window_seconds and len(self._done) > 1:
            self._done.popleft()

    @property
    def per_second(self) -> float:
        """0 while nothing is known."""
        seconds = sum(seconds for seconds, _ in self._done)
        return sum(number for _, number in self._done) / seconds if seconds > 0 else 0.0
