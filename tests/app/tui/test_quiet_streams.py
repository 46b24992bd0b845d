"""Whatever a library writes lands in the log; the screen shows the app alone, and afterwards all is as before."""

import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.tui.on_terminal import OnTerminal
from tests.waiting import wait_until

_PROGRAM = """
import logging, os, subprocess, sys, threading, warnings
from pathlib import Path
from textual.app import App
from textual.widgets import Static
from app.tui.quiet_streams import QuietStreams

class Noisy(App):
    def __init__(self, streams):
        super().__init__()
        self.streams = streams

    def compose(self):
        yield Static("drawn by the app")

    def on_ready(self):
        threading.Thread(target=self.make_noise, daemon=True).start()

    def make_noise(self):
        os.write(1, b"NOISE on 1\\n")
        os.write(2, b"NOISE on 2\\n")
        subprocess.run(["sh", "-c", "echo NOISE of a child >&2"])
        logging.getLogger("library").info("NOISE logged")
        warnings.warn("NOISE warned")
        print("NOISE printed", file=sys.stderr)
        self.call_from_thread(self.query_one(Static).update, "noise is made")

    def key_c(self):
        raise RuntimeError("a mistake of ours")

    def key_e(self):
        with self.suspend(), self.streams.loud():
            subprocess.run(["sh", "-c", "echo said by an editor; echo complained by an editor >&2"])
        os.write(2, b"NOISE later\\n")
        self.query_one(Static).update("back again")

with QuietStreams(Path("data/steep.log")) as streams:
    app = Noisy(streams)
    app.run()
print("said afterwards")
print("complained afterwards", file=sys.stderr)
os.write(2, b"written afterwards\\n")
sys.exit(app.return_code)
"""


@contextmanager
def noisy(folder: Path) -> Iterator[OnTerminal]:
    with OnTerminal([sys.executable, "-c", _PROGRAM], {}, folder) as terminal:
        terminal.wait_for("noise is made")
        yield terminal


def log_of(folder: Path) -> str:
    return (folder / "data" / "steep.log").read_text("utf-8")


def test_noise_of_every_kind_goes_to_the_log_and_not_to_the_screen(tmp_path: Path):
    with noisy(tmp_path) as terminal:
        assert "drawn by the app" in terminal.shown
        terminal.press("\x11")
        assert terminal.wait() == 0
    assert "NOISE" not in terminal.shown
    for noise in ("NOISE on 1", "NOISE on 2", "NOISE of a child", "library: NOISE logged", "NOISE warned"):
        assert noise in log_of(tmp_path), noise


def test_the_terminal_is_as_it_was_after_the_end(tmp_path: Path):
    with noisy(tmp_path) as terminal:
        assert terminal.modes() != terminal.modes_before
        terminal.press("\x11")
        terminal.wait()
        assert terminal.modes() == terminal.modes_before
    after = terminal.shown.rpartition("\x1b[?1049l")[2]
    for text in ("said afterwards", "complained afterwards", "written afterwards"):
        assert text in after, text


def test_a_crash_shows_its_traceback_on_a_terminal_that_is_as_it_was(tmp_path: Path):
    with noisy(tmp_path) as terminal:
        terminal.press("c")
        assert terminal.wait() == 1
        assert terminal.modes() == terminal.modes_before
    after = terminal.shown.rpartition("\x1b[?1049l")[2]
    assert "a mistake of ours" in after
    assert "complained afterwards" in after


def test_a_program_started_while_suspended_has_the_terminal(tmp_path: Path):
    with noisy(tmp_path) as terminal:
        terminal.press("e")
        terminal.wait_for("back again")
        assert "said by an editor" in terminal.shown
        assert "complained by an editor" in terminal.shown
        terminal.press("\x11")
        terminal.wait()
    assert "NOISE later" in log_of(tmp_path)
    assert "NOISE" not in terminal.shown


def test_the_log_is_private_and_a_long_one_is_put_aside(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "steep.log").write_bytes(b"x" * (3 << 20))
    with noisy(tmp_path) as terminal:
        terminal.press("\x11")
        terminal.wait()
    log, aside = tmp_path / "data" / "steep.log", tmp_path / "data" / "steep.log.1"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert log.stat().st_size < 1 << 20
    assert aside.stat().st_size == 3 << 20


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="windows do not hang up")
def test_a_window_that_is_gone_takes_what_is_written(tmp_path: Path):
    program = _PROGRAM.replace(
        "app.run()", "import signal; signal.signal(signal.SIGHUP, lambda *_: app.exit()); app.run()"
    )
    program = program.replace('print("said afterwards")', 'Path("ended").touch()')
    with OnTerminal([sys.executable, "-c", program], {}, tmp_path) as terminal:
        terminal.wait_for("noise is made")
        terminal.hang_up()
        wait_until(lambda: (tmp_path / "ended").exists())
