"""A real terminal with the program on it: tmux runs it, types, and says what is on the screen."""

import itertools
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

WAIT_SECONDS = 90
"""Far more than anything here takes: a machine that is busy must not fail a test."""

_LOOK_SECONDS = 0.05
_NUM_TRIES = 5
"""A server that is started on a busy machine may say that it exited unexpectedly; the next one does not."""

_SCREENS = itertools.count()


class Screen:
    """One window of a tmux server of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def type(self, text: str) -> None:
        """Characters as they are."""
        self._tmux("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Keys by tmux's names: Enter, Escape, F3, C-q."""
        self._tmux("send-keys", *keys)

    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def wait_for(self, *texts: str) -> str:
        """The screen, once all of these are on it."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not all(text in (screen := self.text()) for text in texts):
            assert time.monotonic() < deadline, f"{texts} did not come:\n{screen}"
            time.sleep(_LOOK_SECONDS)
        return screen

    def wait_until_gone(self, text: str) -> None:
        """Until it is nowhere on the screen."""
        deadline = time.monotonic() + WAIT_SECONDS
        while text in (screen := self.text()):
            assert time.monotonic() < deadline, f"{text} did not go:\n{screen}"
            time.sleep(_LOOK_SECONDS)

    def wait_for_end(self) -> None:
        """Until the program has ended and its window is a shell's again."""
        self.wait_for("ENDED WITH")

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path, columns: int, rows: int
    ) -> None:
        given = [f"{name}={value}" for name, value in environment.items()]
        line = ["env", "-i", *given, *command]
        quoted = " ".join(f"'{part}'" for part in line)
        script = f"{quoted}; echo ENDED WITH $?; sleep 600"
        self._tmux(
            *("-f", "/dev/null", "new-session", "-d", "-c", str(folder), "-x", str(columns), "-y", str(rows), script),
            tries=_NUM_TRIES,
        )

    def kill(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)

    def _tmux(self, *arguments: str, tries: int = 1) -> str:
        command = ["tmux", "-S", str(self._socket), *arguments]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=WAIT_SECONDS)
        if done.returncode and tries > 1:
            time.sleep(_LOOK_SECONDS)
            return self._tmux(*arguments, tries=tries - 1)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def on_screen(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, columns: int = 100, rows: int = 30
) -> Iterator[Screen]:
    """Run a program in tmux, in that folder and with exactly this environment."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    # A socket of its own: the server of the screen before may still listen on its socket while it ends.
    screen = Screen(folder / f"tmux{next(_SCREENS)}.socket")
    screen.start(command, environment, folder, columns, rows)
    try:
        yield screen
    finally:
        screen.kill()
