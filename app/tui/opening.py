"""Opens a document in the program that shows it, while the app makes room for it if it needs the terminal."""

import asyncio
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from textual.app import App, SuspendNotSupported

from app.errors import message_of
from app.open_source import is_text, line_of, opening_of, run

_NUM_LOOKS, _LOOK_SECONDS = 40, 0.25
"""A viewer that ends within ten seconds and complains has not shown the document."""


def open_document(app: App[object], path: Path, *, page: int | None = None, words: str = "") -> str:
    """At a page, or where the words are. Returns why it could not be opened, a sentence, or nothing."""
    if not path.exists():
        return f"{path} is no longer there."
    line = line_of(path, words) if words and is_text(path) else 1
    opening = opening_of(path, page, line, os.environ, shutil.which)
    if opening is None:
        needed = "set EDITOR or PAGER." if is_text(path) else "it takes a desktop with a viewer for such files."
        return f"Nothing was found that opens {path.name}: {needed}"
    try:
        if opening.takes_terminal:
            with app.suspend():
                run(opening)
            app.refresh(layout=True)
        elif process := run(opening):
            app.run_worker(partial(_tell_failure, app, process, opening.argv[0], path), group="opening")
    except SuspendNotSupported:
        return f"This terminal cannot be lent to {opening.argv[0]}."
    except OSError as error:
        return f"{opening.argv[0]} cannot be started: {message_of(error)}"
    return ""


async def _tell_failure(app: App[object], process: "subprocess.Popen[bytes]", program: str, path: Path) -> None:
    """The process is not ours to end, and may outlive the app: it is looked at, not waited for."""
    for _ in range(_NUM_LOOKS):
        if process.poll() is not None:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    if process.returncode:
        complaint = f"{program} could not open {path.name} (exit status {process.returncode})."
        app.notify(complaint, severity="error", markup=False)
