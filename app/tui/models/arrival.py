"""A model on its way here: a download, or a starter model that is joined from its parts.

`note` is called by the thread that brings it, the rest by the screen's.
"""

import threading
import time
from collections.abc import Callable

from app.errors import DownloadStopped
from app.steeping_rate import Rate

_RATE_SECONDS = 8.0
"""Long enough to be steady, short enough to follow a line that becomes slow."""


class Arrival:
    """See the module; `doing` and `name` make a heading ("Downloading", "owner/name/file.gguf")."""

    def __init__(self, doing: str, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self.doing, self.name = doing, name
        self.stopped = threading.Event()
        self._rate = Rate(now, _RATE_SECONDS)
        self._noted: tuple[int, int] | None = None
        self._num_done: int | None = None
        self.num_total = 0

    def note(self, num_done: int, num_total: int) -> None:
        """So many bytes are here. Raises `DownloadStopped` when nobody wants the rest."""
        self._noted = num_done, num_total
        if self.stopped.is_set():
            raise DownloadStopped(f"{self.name} is no longer wanted")

    def tick(self) -> None:
        """Look at what was noted; a few times a second. What an earlier download brought does not count as fast."""
        if self._noted is None:
            return
        num_done, self.num_total = self._noted
        if self._num_done is None:
            self._rate.start()
        else:
            self._rate.add(max(0, num_done - self._num_done))
        self._num_done = num_done

    @property
    def num_done(self) -> int:
        return self._num_done or 0

    @property
    def has_begun(self) -> bool:
        """Whether bytes have come."""
        return self._num_done is not None

    @property
    def bytes_per_second(self) -> float:
        return self._rate.per_second

    @property
    def seconds_left(self) -> float | None:
        """None while nobody can say."""
        rate = self.bytes_per_second
        return (self.num_total - self.num_done) / rate if rate else None
