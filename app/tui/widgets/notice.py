"""A line in place that says what was done, is being done, or went wrong and what to do.

It goes with the next one; what was done, by itself after a while.
"""

from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from app.terminal import printable

_READING_SECONDS = 10.0


class Notice(Static):
    """See the module. Takes no room while there is nothing to say."""

    DEFAULT_CSS = """
    Notice {
        height: auto;
        padding: 0 1;
        background: $panel;
        color: $foreground;
        display: none;

        &.-said { display: block; }
        &.-error { color: $text-error; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._timer: Timer | None = None

    def say(self, text: str, *, is_error: bool = False, stays: bool = False) -> None:
        """Errors stay, and what `stays`, until something else is said; an empty text says nothing any more."""
        if self._timer:
            self._timer.stop()
        self._timer = None if is_error or stays or not text else self.set_timer(_READING_SECONDS, self.clear)
        self.update(Content(printable(f"! {text}" if is_error else text)))
        self.set_class(bool(text), "-said")
        self.set_class(is_error, "-error")

    def clear(self) -> None:
        self.say("")
