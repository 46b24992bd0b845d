"""Brings a file over an unreliable line: what breaks off is continued where it was, and asked for again a few times.

Knows nothing of HTTP: a `Line` gives bytes from an offset on. Stopping takes effect with the next bytes, or after the
line's own time limit where none come.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from app.errors import DownloadStopped
from app.models.part_file import PartFile

_MAX_TRIES = 5
"""In a row without a single byte."""

_PAUSE_SECONDS = 2.0
"""Before it is asked for again: time for a network that changes (another access point) to come back."""


class LineBroken(Exception):
    """The line ended before the file did, or could not be opened; worth another try. Its cause is the line's error."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes as they come."""

    offset: int
    """Of the first one: what was asked for, or 0 where the other side cannot begin in the middle."""
    pieces: Iterator[bytes]


Line = Callable[[int], AbstractContextManager[Stream]]
"""Opens a stream from an offset on; opening and reading raise `LineBroken`."""


def transfer(
    line: Line,
    part: PartFile,
    num_bytes: int,
    progress: Callable[[int], None],
    stopped: threading.Event,
) -> None:
    """Append to `part` until it has `num_bytes`; `progress` gets the bytes it has.

    Raises `DownloadStopped`, `LineBroken` after several tries, or OSError from the disk.
    """
    if part.num_bytes > num_bytes:
        part.restart()
    num_tries = 0
    while part.num_bytes < num_bytes:
        before = part.num_bytes
        try:
            _receive(line, part, progress, stopped)
        except LineBroken:
            num_tries = 0 if part.num_bytes > before else num_tries + 1
            if num_tries == _MAX_TRIES:
                raise
            stopped.wait(_PAUSE_SECONDS)


def _receive(line: Line, part: PartFile, progress: Callable[[int], None], stopped: threading.Event) -> None:
    """Append what one stream gives."""
    before = part.num_bytes
    with line(before) as stream:
        if stream.offset != before:
            part.restart()
        for piece in stream.pieces:
            part.append(piece)
            progress(part.num_bytes)
            _raise_if(stopped)
    _raise_if(stopped)
    if part.num_bytes <= before:
        raise LineBroken("nothing came")


def _raise_if(stopped: threading.Event) -> None:
    if stopped.is_set():
        raise DownloadStopped("the download was stopped; what has arrived is kept")
