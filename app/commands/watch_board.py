"""What `steep watch` shows on a terminal: where everything stands, what goes on, and what went wrong.

`Board.note` takes the events of `app.upkeep`, from any thread; rich renders the board a few times a second, on a thread
of its own.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.indexer import FileGone, FileSeen, FolderProblem
from app.search.dense import Embedded
from app.steeper import ChunkSteeped, SteepingTrouble
from app.terminal import printable
from app.upkeep import FolderPolled, Resting, Standing, UpkeepEvent
from app.wording import counted, display_path, duration, stages_line

_NUM_TROUBLES = 5
_RATE_SECONDS = 60.0
"""The rate is that of the last minute: chunks come every few seconds on a CPU."""

_BAR_CELLS = 24


class Rate:
    """Tokens per second of work, over the last minute of it; rests do not count."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._done: deque[tuple[float, int]] = deque()
        self._last_at = now()

    def start(self) -> None:
        """Work begins, or goes on."""
        self._last_at = self._now()

    def add(self, num_tokens: int) -> None:
        """So much was done since the last call."""
        self._done.append((self._now() - self._last_at, num_tokens))
        self._last_at = self._now()
        while sum(seconds for seconds, _ in self._done) > _RATE_SECONDS and len(self._done) > 1:
            self._done.popleft()

    @property
    def per_second(self) -> float:
        """0 while nothing is known."""
        seconds = sum(seconds for seconds, _ in self._done)
        return sum(number for _, number in self._done) / seconds if seconds > 0 else 0.0


class Board:
    """See the module."""

    def __init__(self, num_folders: int) -> None:
        self._lock = threading.Lock()
        self._num_folders = num_folders
        self._standing: Standing | None = None
        self._num_steeped_since = 0
        self._num_steeped_tokens = 0
        self._rate = Rate()
        self._reading: tuple[Path, int, int] | None = None
        self._steeping: Path | None = None
        self._embedded: Embedded | None = None
        self._rest: str | None = None
        self._last: str = ""
        self._troubles: deque[str] = deque(maxlen=_NUM_TROUBLES)

    def note(self, event: UpkeepEvent) -> None:
        with self._lock:
            self._take(event)

    def _take(self, event: UpkeepEvent) -> None:
        match event:
            case FileSeen(path, num_done, num_total, was_read, error):
                self._reading = (path, num_done, num_total) if num_done < num_total else None
                if was_read and error:
                    self._troubles.append(f"{display_path(path)} {error}")
                elif was_read:
                    self._last = f"{_clock()}  read {display_path(path)}"
            case FileGone(path):
                self._last = f"{_clock()}  forgot {display_path(path)}"
            case FolderProblem(path, reason) | FolderPolled(path, reason):
                self._troubles.append(f"{display_path(path)} {reason}")
            case SteepingTrouble(reason):
                self._troubles.append(reason)
            case ChunkSteeped(path, num_tokens, was_encoded):
                self._steeping = path
                self._num_steeped_since += num_tokens
                self._num_steeped_tokens += num_tokens
                if was_encoded:
                    self._rate.add(num_tokens)
            case Embedded():
                self._embedded = event if event.num_done < event.num_total else None
            case Resting(reason):
                self._rest = reason
                if reason is None:
                    self._rate.start()
            case Standing():
                self._standing, self._num_steeped_since = event, 0
            case _:
                pass

    def __rich__(self) -> Table:
        with self._lock:
            table = Table.grid(padding=(0, 2))
            table.add_column(style="bold", no_wrap=True)
            table.add_column(overflow="ellipsis", no_wrap=True)
            for name, value in self._rows():
                table.add_row(name, value)
            return table

    def _rows(self) -> Iterator[tuple[str, Text | Table]]:
        yield (
            "Watching",
            Text(f"{counted(self._num_folders, 'folder')} (Ctrl-C stops; everything that is done is kept)"),
        )
        yield "Documents", Text(self._documents())
        yield "Steeping", self._steeping_row()
        if self._embedded:
            yield "Vectors", Text(f"{self._embedded.num_done:,} of {counted(self._embedded.num_total, 'chunk')}")
        if self._reading:
            path, num_done, num_total = self._reading
            yield "Reading", Text(printable(f"{num_done:,} of {num_total:,}  {display_path(path)}"))
        if self._last:
            yield "Last", Text(printable(self._last), style="dim")
        for number, trouble in enumerate(self._troubles):
            yield "" if number else "Trouble", Text(printable(trouble), style="yellow")

    def _documents(self) -> str:
        if self._standing is None:
            return "looking through the folders …"
        return stages_line(self._standing.stages)

    def _steeping_row(self) -> Text | Table:
        if self._rest:
            return Text(printable(f"rests: {self._rest}"), style="yellow")
        if self._standing is None:
            return Text("")
        # Counted, not estimated: what was steeped since may be more than what was known then.
        num_known = self._standing.backlog.num_tokens
        if not num_known:
            return Text("all done", style="green") if self._reading is None else Text("")
        return self._bar(max(0, num_known - self._num_steeped_since))

    def _bar(self, num_left: int) -> Table:
        """How much of what there was to do since the start is done; the rate; the time it will take."""
        total, rate = self._num_steeped_tokens + num_left, self._rate.per_second
        row = Table.grid(padding=(0, 2))
        row.add_column(width=_BAR_CELLS)
        pieces: list[ProgressBar | str] = [ProgressBar(total, self._num_steeped_tokens, width=_BAR_CELLS)]
        pieces.append(f"{self._num_steeped_tokens / total:.0%}")
        if rate:
            pieces += [f"{rate:,.0f} tokens/s", f"{duration(num_left / rate * 1e3)} left"]
        if self._steeping:
            pieces.append(printable(display_path(self._steeping)))
        row.add_row(*pieces)
        return row


def _clock() -> str:
    return time.strftime("%H:%M:%S")
