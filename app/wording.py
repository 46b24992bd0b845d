"""How numbers and paths read in sentences."""

import os
from collections.abc import Mapping
from pathlib import Path

from storage.values import DocumentStage


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


def stages_line(stages: Mapping[DocumentStage, int]) -> str:
    """How far the documents are: `12 searchable, 10 of them steeped`, and what stands beside."""
    num_steeped = stages[DocumentStage.STEEPED]
    parts = [f"{stages[DocumentStage.SEARCHABLE] + num_steeped:,} searchable, {num_steeped:,} of them steeped"]
    if waiting := stages[DocumentStage.FOUND]:
        parts.append(f"{waiting:,} waiting to be read")
    if unreadable := stages[DocumentStage.UNREADABLE]:
        parts.append(f"{unreadable:,} unreadable")
    return ", ".join(parts)
