"""`steep` alone, as users start it: on a terminal, on none, and ended from outside."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.locations import find_locations
from storage.index import Index
from tests.app.program import Program
from tests.app.tui.on_terminal import OnTerminal
from tests.waiting import wait_until


@pytest.fixture
def program(tmp_path: Path, tiny_model: Path) -> Program:
    return Program(tmp_path / "home", tiny_model, tmp_path)


@contextmanager
def opened(program: Program, *arguments: str, **environment: str) -> Iterator[OnTerminal]:
    ours = {
        "STEEP_HOME": str(program.home),
        "STEEP_MODEL": str(program.model),
        "STEEP_THREADS": "1",
        "STEEP_GATE": "false",
        "HOME": str(program.folder),
    }
    with OnTerminal([sys.executable, "-m", "app", *arguments], ours | environment, program.folder) as terminal:
        yield terminal


def log_of(program: Program) -> Path:
    return find_locations({"STEEP_HOME": str(program.home)}).log_file


def test_without_a_terminal_the_ways_to_go_are_told(program: Program):
    complaint = program.complaint(code=2)
    assert complaint == (
        "The app cannot be shown: stdin, stdout and stderr are no terminal. "
        'Ask with: steep ask "…", or see: steep --help'
    )


def test_a_terminal_that_cannot_move_its_cursor_is_refused(program: Program):
    code, screen = program.on_terminal(TERM="dumb")
    assert code == 2
    assert "TERM=dumb" in screen
    assert "\x1b[?1049h" not in screen


def test_a_model_for_another_command_belongs_behind_it(program: Program):
    assert "steep status --model x" in program.complaint("--model", "x", "status", code=2)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('theme = "steep-drak"', "theme: there is none called 'steep-drak'; did you mean 'steep-dark'?"),
        ('theme = "zzz"', "there are steep-dark, steep-light, "),
        ('[keys]\napp.halp = "f9"', "keys: nothing is called 'app.halp'; did you mean 'app.help'"),
        ('[keys]\napp.help = "ctrl+m"', "terminals send that for Enter"),
    ],
)
def test_looks_and_keys_that_do_not_exist_are_told_before_anything_is_drawn(
    program: Program, text: str, complaint: str
):
    config = find_locations({"STEEP_HOME": str(program.home)}).config_file
    config.parent.mkdir(parents=True)
    config.write_text(text)
    code, screen = program.on_terminal()
    assert code == 2
    assert complaint in " ".join(screen.split())
    assert "\x1b[?1049h" not in screen


def test_the_app_opens_and_ctrl_q_ends_it(program: Program):
    with opened(program) as terminal:
        terminal.wait_for("First steps")
        terminal.press("\x11")
        assert terminal.wait() == 0
        assert terminal.modes() == terminal.modes_before
    assert "Traceback" not in terminal.shown


def test_what_is_logged_is_in_a_file_and_not_on_the_screen(program: Program):
    with opened(program) as terminal:
        terminal.wait_for("tiny")
        terminal.press("\x11")
        terminal.wait()
    assert " INFO steep-assistant app.assistant" in log_of(program).read_text("utf-8")
    assert "app.assistant" not in terminal.shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(program: Program, number: signal.Signals):
    with opened(program) as terminal:
        terminal.wait_for("First steps")
        os.kill(terminal.pid, number)
        assert terminal.wait() == 130
        assert terminal.modes() == terminal.modes_before
    assert "Traceback" not in terminal.shown


def test_a_closed_window_ends_it_in_order(program: Program):
    with opened(program) as terminal:
        terminal.wait_for("First steps")
        terminal.hang_up()
        assert terminal.wait() == 130
    assert "Traceback" not in log_of(program).read_text("utf-8")


def test_an_index_that_cannot_be_used_is_told_and_the_app_stays(program: Program):
    index_file = find_locations({"STEEP_HOME": str(program.home)}).index_file
    index_file.parent.mkdir(parents=True)
    index_file.write_bytes(b"this is no database, but long enough to be taken for one" * 100)
    with opened(program) as terminal:
        terminal.wait_for("index.sqlite3")
        terminal.press("\x11")
        assert terminal.wait() == 0
    assert "Traceback" not in terminal.shown


def test_a_second_start_finds_its_folder_and_needs_no_first_steps(program: Program, tmp_path: Path):
    locations = find_locations({"STEEP_HOME": str(program.home)})
    with Index(locations.index_file) as index:
        index.add_folder(tmp_path.resolve())
    with opened(program) as terminal:
        terminal.wait_for("● ")
        wait_until(lambda: log_of(program).exists())
        terminal.press("\x11")
        assert terminal.wait() == 0
    assert "First steps" not in terminal.shown
