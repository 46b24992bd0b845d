"""Bytes over lines that break: what has arrived is never asked for again, and never lost."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.errors import DownloadStopped
from app.models.part_file import PartFile
from app.models.transfer import LineBroken, Stream, transfer

DATA = bytes(range(256)) * 4


class Far:
    """The other side: breaks after some bytes, and remembers what it was asked for."""

    def __init__(self, *breaks_after: int, resumes: bool = True) -> None:
        self._breaks_after, self._resumes = list(breaks_after), resumes
        self.asked: list[int] = []

    @contextmanager
    def line(self, offset: int) -> Iterator[Stream]:
        self.asked.append(offset)
        start = offset if self._resumes else 0
        num_bytes = self._breaks_after.pop(0) if self._breaks_after else len(DATA)
        yield Stream(start, self._pieces(DATA[start : start + num_bytes], start + num_bytes < len(DATA)))

    def _pieces(self, data: bytes, breaks: bool) -> Iterator[bytes]:
        for start in range(0, len(data), 100):
            yield data[start : start + 100]
        if breaks:
            raise LineBroken("gone")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.models.transfer._PAUSE_SECONDS", 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "part"


def bring(far: Far, path: Path, progress: Callable[[int], None] = lambda _: None) -> str:
    with PartFile(path) as part:
        transfer(far.line, part, len(DATA), progress, threading.Event())
        return part.sha256


def test_a_line_that_holds_brings_all(path: Path):
    told: list[int] = []
    assert bring(Far(), path, told.append) == hashlib.sha256(DATA).hexdigest()
    assert path.read_bytes() == DATA
    assert (told[0], told[-1], told == sorted(told)) == (100, len(DATA), True)


def test_what_breaks_off_goes_on_where_it_was(path: Path):
    far = Far(300, 0, 250)
    assert bring(far, path) == hashlib.sha256(DATA).hexdigest()
    assert far.asked == [0, 300, 300, 550]
    assert path.read_bytes() == DATA


def test_a_side_that_cannot_begin_in_the_middle_begins_again(path: Path):
    far = Far(300, resumes=False)
    assert bring(far, path) == hashlib.sha256(DATA).hexdigest()
    assert far.asked == [0, 300]
    assert path.read_bytes() == DATA


def test_another_process_goes_on_with_what_is_there(path: Path):
    path.write_bytes(DATA[:700])
    far = Far()
    assert bring(far, path) == hashlib.sha256(DATA).hexdigest()
    assert far.asked == [700]


def test_a_part_that_is_longer_than_the_whole_is_thrown_away(path: Path):
    path.write_bytes(DATA + b"more")
    far = Far()
    assert bring(far, path) == hashlib.sha256(DATA).hexdigest()
    assert far.asked == [0]


def test_a_whole_part_is_not_asked_for(path: Path):
    path.write_bytes(DATA)
    far = Far()
    assert bring(far, path) == hashlib.sha256(DATA).hexdigest()
    assert far.asked == []


def test_a_line_that_brings_nothing_any_more_is_given_up_and_the_part_is_kept(path: Path):
    far = Far(300, *[0] * 10)
    with pytest.raises(LineBroken, match="gone"):
        bring(far, path)
    assert far.asked == [0, *[300] * 5]
    assert path.read_bytes() == DATA[:300]


def test_stopping_keeps_what_has_arrived(path: Path):
    stopped = threading.Event()

    def stop_at_half(num_done: int) -> None:
        if num_done >= 500:
            stopped.set()

    with PartFile(path) as part, pytest.raises(DownloadStopped):
        transfer(Far().line, part, len(DATA), stop_at_half, stopped)
    assert path.read_bytes() == DATA[:500]


def test_a_full_disk_is_told_and_the_part_is_kept(path: Path):
    def no_space(num_done: int) -> None:
        if num_done > 400:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        bring(Far(), path, no_space)
    assert path.read_bytes() == DATA[:500]
