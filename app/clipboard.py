"""The clipboard of the desktop, through the program that the system has for it.

Terminals have a way of their own (OSC 52), which some ignore; this is tried beside it.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping

Which = Callable[[str], str | None]
"""`shutil.which`."""

_WAIT_SECONDS = 5.0
"""For a program that hangs; it takes milliseconds otherwise."""

_WAYLAND = (("wl-copy",),)
_X11 = (("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input"))


def clipboard_command(
    environment: Mapping[str, str], which: Which, platform: str = sys.platform
) -> tuple[str, ...] | None:
    """The program that takes a text on its standard input; None where there is none."""
    known: tuple[tuple[str, ...], ...] = ()
    if platform == "darwin":
        known = (("pbcopy",),)
    elif environment.get("WAYLAND_DISPLAY"):
        known = (*_WAYLAND, *_X11) if environment.get("DISPLAY") else _WAYLAND
    elif environment.get("DISPLAY"):
        known = _X11
    return next((command for command in known if which(command[0])), None)


def copy_with(command: tuple[str, ...], text: str) -> None:
    """Blocks, milliseconds as a rule. Raises OSError where it could not be done."""
    data = text.encode("utf-8", "replace")
    try:
        # What it prints goes nowhere: these programs stay behind as long as they own the clipboard.
        subprocess.run(
            command,
            input=data,
            check=True,
            timeout=_WAIT_SECONDS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except subprocess.SubprocessError as error:
        raise OSError(f"{command[0]} did not take the text: {error}") from error
