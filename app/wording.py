"""How numbers and paths read in sentences."""

import math
import os
from collections.abc import Mapping
from pathlib import Path

from storage.values import DocumentStage

_UNITS = ((1e6, "MB"), (1e9, "GB"), (1e12, "TB"))


def counted(number: int, noun: str) -> str:
    """`1 chunk`, `2,345 chunks`; for nouns with a plain plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(milliseconds: float) -> str:
    """`35 ms`, `1.2 s`, `1,234 s`: about three digits."""
    if milliseconds < 1e3:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1e3:,.{1 if milliseconds < 1e5 else 0}f} s"


def size(num_bytes: float) -> str:
    """`0 KB`, `345 KB`, `1.2 MB`, `50 GB`: two or three digits, in decimal units as disks are sold."""
    if num_bytes <= 999e3:
        return f"{math.ceil(num_bytes / 1e3)} KB"  # one byte is something
    scale, unit = next((pair for pair in _UNITS if num_bytes < 999.5 * pair[0]), _UNITS[-1])
    amount = num_bytes / scale
    return f"{amount:,.{1 if amount < 99.5 and round(amount, 1) % 1 else 0}f} {unit}"


def about(seconds: float) -> str:
    """`40 s`, `3 min`, `2 h`, `5 days`: one number, as people say it."""
    if seconds < 60:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.0f} h"
    return counted(int(seconds / 86400), "day")


def ago(seconds: float) -> str:
    """How long ago something was: `just now`, `3 min ago`."""
    return "just now" if seconds < 60 else f"{about(seconds)} ago"


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
