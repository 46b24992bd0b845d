"""Two lines about a model on its way here: what it is, and how far. Not there while none is."""

from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from app.terminal import printable
from app.tui.library.row_text import shortened
from app.tui.models.arrival import Arrival
from app.tui.widgets.bar import bar
from app.wording import about, size

_TICK_SECONDS = 0.25
_SHORTEST_BAR, _LONGEST_BAR = 8, 40
_PADDING = 2


class ArrivalLine(Static):
    """See the module."""

    DEFAULT_CSS = """
    ArrivalLine {
        height: auto;
        padding: 0 1;
        background: $panel;
        color: $foreground;
        display: none;

        &.-shown { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._arrival: Arrival | None = None
        self._timer: Timer | None = None

    def follow(self, arrival: Arrival | None) -> None:
        """Show how far it is from now on; None: nothing any more."""
        self._arrival = arrival
        self.set_class(arrival is not None, "-shown")
        if self._timer:
            self._timer.stop()
        self._timer = self.set_interval(_TICK_SECONDS, self.show_anew) if arrival else None
        self.show_anew()

    def show_anew(self) -> None:
        if self._arrival:
            self._arrival.tick()
            width = (self.size.width or self.screen.size.width) - _PADDING
            self.update(arrival_text(self._arrival, width))

    def on_resize(self) -> None:
        self.show_anew()


def arrival_text(arrival: Arrival, width: int) -> Content:
    """For lines of that many cells."""
    doing = f"{arrival.doing} " if not arrival.stopped.is_set() else "Stopping "
    name = shortened(printable(arrival.name), max(1, width - len(doing)))
    return Content("\n").join([Content.assemble((doing, "bold"), name), _how_far(arrival, width)])


def _how_far(arrival: Arrival, width: int) -> Content:
    if not arrival.has_begun or not arrival.num_total:
        return Content.styled("waiting for the first bytes", "$foreground-muted")
    share = arrival.num_done / arrival.num_total
    words = f" {int(share * 100):3} % · {size(arrival.num_done)} of {size(arrival.num_total)}"
    if rate := arrival.bytes_per_second:
        words += f" · {size(rate)}/s"
    if arrival.seconds_left is not None:
        words += f" · {about(arrival.seconds_left)} left"
    num_cells = max(_SHORTEST_BAR, min(_LONGEST_BAR, width - len(words)))
    return Content.assemble((bar(share, num_cells), "$primary"), words)
