"""What `steep watch` shows on a terminal: where everything stands, what goes on, and what went wrong.

`Board.note` takes the events of `app.upkeep`, from any thread; rich renders the board a few times a second, on a thread
of its own.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.gate.events import GateMeasured, GateTrouble, GateUnderWay
from app.gate.words import verdict_words
from app.indexer import FileGone, FileSeen, FolderProblem
from app.search.dense import Embedded
from app.steeper import ChunkSteeped, SteepingTrouble
from app.steeping_progress import SteepingProgress
from app.terminal import printable
from app.upkeep import FolderPolled, Resting, Standing, UpkeepEvent
from app.wording import counted, display_path, duration, stages_line

_NUM_TROUBLES = 5
_BAR_CELLS = 24


class Board:
    """See the module."""

    def __init__(self, num_folders: int) -> None:
        self._lock = threading.Lock()
        self._num_folders = num_folders
        self._standing: Standing | None = None
        self._progress = SteepingProgress()
        self._reading: tuple[Path, int, int] | None = None
        self._embedded: Embedded | None = None
        self._gate = ""
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
                self._progress.steeped(path, num_tokens, was_encoded=was_encoded)
            case GateUnderWay(num_done, num_total):
                self._gate = f"measuring how good blended answers are: {num_done / num_total:.0%}"
            case GateMeasured(model_name, verdict):
                self._gate = f"{model_name} {verdict_words(verdict)}"
            case GateTrouble(reason):
                self._gate = ""
                self._troubles.append(reason)
            case Embedded():
                self._embedded = event if event.num_done < event.num_total else None
            case Resting(reason):
                self._rest = reason
                if reason is None:
                    self._progress.resume()
            case Standing():
                self._standing = event
                self._progress.counted(event.backlog.num_tokens)
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
        if self._gate:
            yield "Model", Text(printable(self._gate))
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
        if self._progress.is_complete:
            return Text("all done", style="green") if self._reading is None else Text("")
        return self._bar()

    def _bar(self) -> Table:
        """How much of what there was to do is done; the rate; the time it will take."""
        progress = self._progress
        row = Table.grid(padding=(0, 2))
        row.add_column(width=_BAR_CELLS)
        pieces: list[ProgressBar | str] = [ProgressBar(1.0, progress.share, width=_BAR_CELLS)]
        pieces.append(f"{progress.share:.0%}")
        if progress.seconds_left is not None:
            pieces += [f"{progress.tokens_per_second:,.0f} tokens/s", f"{duration(progress.seconds_left * 1e3)} left"]
        if progress.path:
            pieces.append(printable(display_path(progress.path)))
        row.add_row(*pieces)
        return row


def _clock() -> str:
    return time.strftime("%H:%M:%S")
