"""A program on a terminal of its own: what it draws, keys for it, signals, and how it ended."""

import os
import pty
import select
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

if sys.platform != "win32":
    import fcntl
    import termios

from tests.waiting import WAIT_SECONDS

_REPOSITORY = Path(__file__).resolve().parents[3]


class OnTerminal:
    """Starts `command` on a terminal of 80 × 24; a context manager that leaves no process behind."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.shown = ""
        self._code: int | None = None
        self.pid, self._screen = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            inherited = {
                name: value for name, value in os.environ.items() if not name.startswith(("STEEP_", "NO_COLOR"))
            }
            ours = {"TERM": "xterm-256color", "PYTHONPATH": str(_REPOSITORY)}
            os.execvpe(command[0], command, inherited | ours | environment)
        self.modes_before = self.modes()
        self.resize(80, 24)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._code is None:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        self.hang_up()

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def modes(self) -> list[object]:
        """How the terminal treats keys and output: raw while an app runs, as it was afterwards."""
        return termios.tcgetattr(self._screen)[:4]

    def press(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def hang_up(self) -> None:
        """The window is closed."""
        if self._screen >= 0:
            os.close(self._screen)
            self._screen = -1

    def wait_for(self, text: str) -> None:
        """Until it was drawn."""
        deadline = time.monotonic() + WAIT_SECONDS
        while text not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} was not shown, but {self.shown[-2000:]!r}"
            assert self._read(1.0), f"the program ended before {text!r} was shown: {self.shown[-2000:]!r}"

    def wait(self) -> int:
        """Its exit code, after all it drew was read."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self._code is None:
            assert time.monotonic() < deadline, f"it does not end; {self.shown[-2000:]!r}"
            if self._screen >= 0:
                self._read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        while self._screen >= 0 and self._read(0.0):
            pass
        return self._code

    def _read(self, seconds: float) -> bool:
        """False at the end."""
        ready, _, _ = select.select([self._screen], [], [], seconds)
        if not ready:
            return seconds > 0
        try:
            piece = os.read(self._screen, 1 << 16)
        except OSError:  # Linux says EIO where others say end of file
            return False
        self.shown += piece.decode("utf-8", "replace")
        return bool(piece)
