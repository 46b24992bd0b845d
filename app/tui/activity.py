"""What goes on behind the screens, as a few words for the title bar: reading, measuring the model, steeping with its
rate, resting, trouble.

`note` takes what the assistant tells. For one thread.
"""

import time
from collections.abc import Callable

from app.assistant.events import (
    AssistantEvent,
    ModelLoading,
    ModelReady,
    Trouble,
    UpkeepTold,
    WatchingElsewhere,
    WatchingHere,
)
from app.steeping_progress import SteepingProgress

_RATE_SECONDS = 10.0
"""The rate of a title bar is that of just now."""


class Activity:
    """See the module; `str()` is empty when there is nothing to tell."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._steeping = SteepingProgress(now, _RATE_SECONDS)
        self._is_elsewhere = False
        self._is_in_trouble = False
        self._rests = False
        self._reading: tuple[int, int] | None = None
        self._embedding: tuple[int, int] | None = None
        self._measuring: float | None = None

    def note(self, event: AssistantEvent) -> None:
        match event:
            case WatchingHere() | WatchingElsewhere():
                self._is_elsewhere = isinstance(event, WatchingElsewhere)
            case Trouble(is_lasting=True):
                self._is_in_trouble = True
            case ModelLoading():
                self._measuring = None
            case ModelReady():
                self._is_in_trouble = False
                self._measuring = None
            case UpkeepTold():
                self._note_upkeep(event)
            case _:
                pass

    def _note_upkeep(self, told: UpkeepTold) -> None:
        # Late: whoever tells has imported these already; the screen does without them at the start.
        from app.gate.events import GateMeasured, GateTrouble, GateUnderWay
        from app.indexer import FileSeen
        from app.search.dense import Embedded
        from app.steeper import ChunkSteeped, SteepingTrouble
        from app.upkeep import Resting, Standing, SweepDone

        match told.event:
            case FileSeen(_, num_done, num_total):
                self._reading = (num_done, num_total) if num_done < num_total else None
            case SweepDone():
                self._reading = None
            case Embedded(num_done=num_done, num_total=num_total):
                self._embedding = (num_done, num_total) if num_done < num_total else None
            case GateUnderWay(num_done, num_total):
                self._measuring = num_done / num_total
            case GateMeasured() | GateTrouble():
                self._measuring = None
                self._is_in_trouble |= isinstance(told.event, GateTrouble)
            case ChunkSteeped(path, num_tokens, was_encoded):
                self._is_in_trouble = False
                self._steeping.steeped(path, num_tokens, was_encoded=was_encoded)
            case SteepingTrouble():
                self._is_in_trouble = True
            case Resting(reason):
                self._rests = reason is not None
                if reason is None:
                    self._steeping.resume()
            case Standing(backlog=backlog):
                self._steeping.counted(backlog.num_tokens)
            case _:
                pass

    def __str__(self) -> str:
        words = self._words()
        return " · ".join(filter(None, ("! trouble" if self._is_in_trouble else "", words)))

    def _words(self) -> str:
        if self._is_elsewhere:
            return "watched by another process"
        if self._reading:
            return f"reading {self._reading[0]:,} of {self._reading[1]:,}"
        if self._embedding:
            return f"vectors {self._embedding[0]:,} of {self._embedding[1]:,}"
        if self._measuring is not None:
            return f"measuring the model {self._measuring * 100:.0f} %{', rests' if self._rests else ''}"
        return self._steeping_words() if self._steeping.num_left else ""

    def _steeping_words(self) -> str:
        words = f"steeping {self._steeping.share * 100:.0f} %"
        if self._rests:
            return f"{words}, rests"
        rate = self._steeping.tokens_per_second
        return f"{words} · {rate:,.0f} tokens/s" if rate else words
