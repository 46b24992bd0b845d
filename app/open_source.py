"""Opens a document at a place: text in the user's editor or pager, everything else in the program that the system has.

`opening_of` decides, from the environment and the programs there are, and runs nothing; `line_of` finds the line that a
text editor is to show. Never a shell: a file name is an argument and nothing else.
"""

import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Which = Callable[[str], str | None]
"""`shutil.which`."""

_VIEWED = frozenset((".pdf", ".docx", ".docm", ".odt", ".pptx", ".ppsx", ".epub"))
"""What only a viewer can show."""

_RENDERED = frozenset((".html", ".htm", ".xhtml", ".ipynb"))
"""What is text, but better seen in a viewer."""

_PLUS_LINE = frozenset(
    ("vi", "vim", "nvim", "view", "nano", "emacs", "emacsclient", "micro", "kak", "joe", "ne", "mcedit")
) | frozenset(("less", "more", "most"))
"""Programs that take `+LINE` in front of the file."""

_COLON_LINE = frozenset(("hx", "helix", "subl", "zed"))
"""Programs that take `FILE:LINE`."""

_GOTO_LINE = frozenset(("code", "codium", "cursor"))
"""Programs that take `--goto FILE:LINE`."""

_WINDOWED = frozenset(("code", "codium", "cursor", "subl", "zed", "gedit", "kate", "gvim", "mousepad"))
"""Editors with a window of their own: the terminal stays ours."""

_PAGED_VIEWERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("evince", ("--page-index={page}",)),
    ("okular", ("--page", "{page}")),
    ("zathura", ("--page={page}",)),
    ("xpdf", (":{page}",)),
)
"""PDF viewers that can be told a page."""

_MOST_BYTES = 4 << 20
"""Of a file in which a line is looked for."""

_NUM_LOOKED_FOR = 40


@dataclass(frozen=True, slots=True)
class Opening:
    """A command to run; `takes_terminal`: it draws on our terminal, which has to be given to it."""

    argv: tuple[str, ...]
    takes_terminal: bool


def is_text(path: Path) -> bool:
    """Whether an editor shows it as it was read."""
    return path.suffix.lower() not in _VIEWED | _RENDERED


def opening_of(
    path: Path, page: int | None, line: int, environment: Mapping[str, str], which: Which, platform: str = sys.platform
) -> Opening | None:
    """How to open the document; None where nothing that could is installed."""
    in_editor = None if path.suffix.lower() in _VIEWED else _editor(environment, which)
    if in_editor and is_text(path):
        return _in_editor(in_editor, path, line)
    opening = _in_viewer(path, page, environment, which, platform)
    if opening is None and path.suffix.lower() not in _VIEWED:
        words = in_editor or (["less"] if which("less") else None)
        return _in_editor(words, path, line) if words else None
    return opening


def _editor(environment: Mapping[str, str], which: Which) -> list[str] | None:
    """The user's editor or pager, with its arguments, if it is installed."""
    for variable in ("VISUAL", "EDITOR", "PAGER"):
        words = _split(environment.get(variable, ""))
        if words and which(words[0]):
            return words
    return None


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quotation mark too many: a path with an apostrophe, as a rule
        return command.split()


def _in_editor(words: list[str], path: Path, line: int) -> Opening:
    name = Path(words[0]).stem
    takes_terminal = name not in _WINDOWED
    if name in _PLUS_LINE:
        return Opening(
            (*words, f"+{line}", "--", str(path)) if name == "less" else (*words, f"+{line}", str(path)), takes_terminal
        )
    if name in _COLON_LINE:
        return Opening((*words, f"{path}:{line}"), takes_terminal)
    if name in _GOTO_LINE:
        return Opening((*words, "--goto", f"{path}:{line}"), takes_terminal)
    return Opening((*words, str(path)), takes_terminal)


def _in_viewer(
    path: Path, page: int | None, environment: Mapping[str, str], which: Which, platform: str
) -> Opening | None:
    if platform == "darwin":
        return Opening(("open", str(path)), takes_terminal=False)
    if platform == "win32":
        return Opening(("explorer", str(path)), takes_terminal=False)
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return None
    if page and path.suffix.lower() == ".pdf":
        for viewer, arguments in _PAGED_VIEWERS:
            if which(viewer):
                told = (argument.format(page=page) for argument in arguments)
                return Opening((viewer, *told, str(path)), takes_terminal=False)
    return Opening(("xdg-open", str(path)), takes_terminal=False) if which("xdg-open") else None


def line_of(path: Path, words: str) -> int:
    """The line of a text file where the words begin, from 1; 1 where they are not found, or nothing can be read."""
    wanted = next((line.strip() for line in words.splitlines() if line.strip()), "")[:_NUM_LOOKED_FOR]
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return 1
    place = text.find(wanted) if wanted else -1
    return text.count("\n", 0, place) + 1 if place >= 0 else 1


def run(opening: Opening) -> "subprocess.Popen[bytes] | None":
    """Start it; one that takes the terminal is waited for, another one is returned. Raises OSError where it cannot be
    started."""
    if opening.takes_terminal:
        subprocess.run(opening.argv, check=False)
        return None
    process = subprocess.Popen(
        opening.argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # It may outlive us, and is no zombie if it does not.
    threading.Thread(target=process.wait, name="steep-viewer", daemon=True).start()
    return process
