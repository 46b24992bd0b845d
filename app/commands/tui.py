"""`steep` alone: the terminal app. Builds the assistant, keeps the streams quiet, and ends in order.

Nothing of the engine is imported here: the app is there first, and the assistant loads the model beside it.
"""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from app.errors import SettingsInvalid, WrongUse
from app.settings import Value

if TYPE_CHECKING:
    from app.settings import Settings
    from app.tui.app import SteepApp


_SWITCH_SECONDS = 0.001
"""After which a thread that computes lets the screen run: a key takes several turns, and each could be waited for as
long as Python lets a thread run, 5 ms. Sane: 0.5 to 5 ms."""


def run(flags: Mapping[str, Value | None], *, continues: bool = False) -> None:
    """Until the user quits; `continues`: from the conversation that changed last.

    Raises KeyboardInterrupt after a signal, and SystemExit(1) after a mistake of ours, whose traceback has been shown
    then.
    """
    _check_terminal(os.environ)
    from app.assistant.assistant import Assistant
    from app.tui.app import SteepApp
    from app.tui.quiet_streams import QuietStreams

    sys.setswitchinterval(_SWITCH_SECONDS)
    assistant = Assistant(flags)
    _check_looks(assistant.settings)
    with QuietStreams(assistant.locations.log_file) as streams:
        try:
            app = SteepApp(assistant, streams=streams, welcomes=True, continues=continues)
            with _ended_by_signals(app) as came:
                app.run()
        finally:
            assistant.close()
    if came:
        raise KeyboardInterrupt
    if app.return_code:
        sys.exit(app.return_code)


def _check_terminal(environment: Mapping[str, str]) -> None:
    """Raises `WrongUse` where nothing can be drawn, or no key be pressed."""
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        what = "stdin, stdout and stderr are no terminal"
    elif environment.get("TERM") == "dumb":
        what = "this terminal (TERM=dumb) cannot move its cursor"
    else:
        return
    raise WrongUse(f'The app cannot be shown: {what}. Ask with: steep ask "…", or see: steep --help')


def _check_looks(settings: "Settings") -> None:
    """Raises `SettingsInvalid` for a theme or a key that does not exist."""
    import difflib

    from textual.theme import BUILTIN_THEMES

    from app.tui.themes import OWN_THEMES

    names = [*(theme.name for theme in OWN_THEMES), *BUILTIN_THEMES]
    if settings.theme not in names:
        close = difflib.get_close_matches(settings.theme, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}."
        raise SettingsInvalid(f"theme: there is none called {settings.theme!r}; {hint}")
    if settings.keys:
        from app.tui.keys import check_keys, known_keys

        check_keys(dict(settings.keys), known_keys())


@contextmanager
def _ended_by_signals(app: "SteepApp") -> Iterator[list[int]]:
    """A closed window, `kill` and Ctrl-C from elsewhere end the app in order; yields the signals that came."""
    came: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        app.end()

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    for number in numbers:
        signal.signal(number, handle)  # for the rest of the process: it must also close in order
    yield came
