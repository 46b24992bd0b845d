"""The clipboard of the desktop."""

import sys
from pathlib import Path

import pytest

from app.clipboard import clipboard_command, copy_with

WAYLAND, X11 = {"WAYLAND_DISPLAY": "wayland-0"}, {"DISPLAY": ":0"}


@pytest.mark.parametrize(
    ("environment", "there", "platform", "program"),
    [
        ({}, ["pbcopy"], "darwin", "pbcopy"),
        (WAYLAND, ["wl-copy", "xclip"], "linux", "wl-copy"),
        (WAYLAND, ["xclip"], "linux", None),
        ({**WAYLAND, **X11}, ["xclip"], "linux", "xclip"),
        (X11, ["wl-copy", "xsel"], "linux", "xsel"),
        ({}, ["wl-copy", "xclip", "xsel"], "linux", None),
    ],
)
def test_the_program_is_that_of_the_desktop(
    environment: dict[str, str], there: list[str], platform: str, program: str | None
) -> None:
    command = clipboard_command(environment, lambda name: name if name in there else None, platform)
    assert (command and command[0]) == program


def test_the_program_gets_the_text_as_it_is(tmp_path: Path) -> None:
    there = tmp_path / "there"
    script = f"import sys, pathlib; pathlib.Path({str(there)!r}).write_bytes(sys.stdin.buffer.read())"
    copy_with((sys.executable, "-c", script), "two\nlines, 茶\n")
    assert there.read_text("utf-8") == "two\nlines, 茶\n"


def test_a_program_that_fails_is_an_error_that_names_it() -> None:
    with pytest.raises(OSError, match="did not take the text"):
        copy_with((sys.executable, "-c", "raise SystemExit(3)"), "x")
