"""What `steep bench ttft` shows while it measures: the answers done, the one in the making, the time left.

rich renders it a few times a second, on a thread of its own; it only reads.
"""

from time import perf_counter

from rich.progress_bar import ProgressBar
from rich.table import Table

from app.bench.schedule import Outlook
from app.wording import about

_BAR_CELLS = 24


class Board:
    """See the module."""

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook
        self._started, self._share_before = perf_counter(), outlook.share
        self.doing = ""

    def __rich__(self) -> Table:
        outlook, row = self._outlook, Table.grid(padding=(0, 2))
        row.add_column(width=_BAR_CELLS)
        seconds = outlook.seconds_left(perf_counter() - self._started, self._share_before)
        left = "" if seconds is None else f"about {about(seconds)} left"
        bar = ProgressBar(1.0, outlook.share, width=_BAR_CELLS)
        row.add_row(bar, f"{outlook.num_done} of {outlook.num_steps} answers", self.doing, left)
        return row
