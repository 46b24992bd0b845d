"""Opens a document in the program that shows it, while the app makes room for it if it needs the terminal."""

import os
import shutil
from pathlib import Path

from textual.app import App

from app.errors import message_of
from app.open_source import is_text, line_of, opening_of, run


def open_document(app: App[object], path: Path, *, page: int | None = None, words: str = "") -> str:
    """At a page, or where the words are. Returns why it could not be opened, a sentence, or nothing."""
    if not path.exists():
        return f"{path} is no longer there."
    line = line_of(path, words) if words and is_text(path) else 1
    opening = opening_of(path, page, line, os.environ, shutil.which)
    if opening is None:
        return f"No program to open {path.name} was found: set EDITOR or PAGER."
    try:
        if opening.takes_terminal:
            with app.suspend():
                run(opening)
            app.refresh(layout=True)
        else:
            run(opening)
    except OSError as error:
        return f"{opening.argv[0]} cannot be started: {message_of(error)}"
    return ""
