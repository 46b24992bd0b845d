"""Reads the files of states as the engine's loader threads do, without an engine: how fast that goes."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter

from app.errors import AppError
from storage.state_file import StateFile
from storage.values import Miss

_NUM_PASSES = 3
_MANY_BYTES = 64 << 20
"""Read at least so much in one pass: a few small files are read too soon to be timed."""

_MOST_REPEATS = 50

CAN_DROP = hasattr(os, "posix_fadvise")
"""Whether this system can be asked to forget what it has of a file in memory."""


class StateUnreadable(AppError):
    """A state that is to be measured with cannot be read."""


def bytes_per_s(files: Sequence[StateFile], *, is_cold: bool) -> float:
    """How fast all of them are read and checked; the median of three passes. Raises `StateUnreadable`.

    `is_cold`: from the disk, every file once per pass.
    """
    from engine.loader_threads import num_loader_threads

    num_bytes = sum(file.num_bytes for file in files)
    repeats = 1 if is_cold else min(_MOST_REPEATS, -(-_MANY_BYTES // num_bytes))
    with ThreadPoolExecutor(num_loader_threads(), thread_name_prefix="steep-bench-read") as threads:
        read = _reader(max(file.num_bytes for file in files))
        list(threads.map(read, files))  # memory is touched for the first time
        seconds = [_pass_seconds(threads, read, list(files) * repeats, is_cold=is_cold) for _ in range(_NUM_PASSES)]
    return num_bytes * repeats / median(seconds)


def _pass_seconds(
    threads: ThreadPoolExecutor, read: Callable[[StateFile], None], files: Sequence[StateFile], *, is_cold: bool
) -> float:
    if is_cold:
        drop(file.path for file in files)
    started = perf_counter()
    for _ in threads.map(read, files):
        pass
    return perf_counter() - started


def _reader(num_bytes: int) -> Callable[[StateFile], None]:
    """Reads a file into memory that its thread uses again and again: fresh memory would be timed, too."""
    own = threading.local()

    def read(file: StateFile) -> None:
        if not hasattr(own, "memory"):
            own.memory = memoryview(bytearray(num_bytes))
        found = file.read(own.memory)
        if isinstance(found, Miss):
            raise StateUnreadable(f"the states to measure with changed meanwhile: {found.reason}. Measure again.")

    return read


def drop(paths: Iterable[Path]) -> None:
    """Let the system forget what it has of these files in memory, so that they come from the disk; see `CAN_DROP`."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # what is not on disk yet would stay
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
