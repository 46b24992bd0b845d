"""Writes a text to a file that is not there yet: all of it or nothing, and never over another file."""

import os
from pathlib import Path


def write_new_file(path: Path, text: str) -> None:
    """Raises OSError, FileExistsError among them; nothing is left behind then. Lone surrogates are written escaped."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _take_name(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _take_name(beside: Path, path: Path) -> None:
    """A link, unlike a renaming, never replaces what came there meanwhile; some file systems know no links."""
    try:
        path.hardlink_to(beside)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(f"{path} is there already") from None
        beside.rename(path)
