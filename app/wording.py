"""How numbers and paths read in sentences."""

import os
from pathlib import Path


def counted(number: int, noun: str) -> str:
    """`1 chunk`, `2,345 chunks`; for nouns with a plain plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(milliseconds: float) -> str:
    """`35 ms`, `1.2 s`, `1,234 s`: about three digits."""
    if milliseconds < 1e3:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1e3:,.{1 if milliseconds < 1e5 else 0}f} s"


def display_path(path: Path) -> str:
    """A path as people read it: relative to where they are, if it lies below."""
    try:
        return os.fspath(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return os.fspath(path)
