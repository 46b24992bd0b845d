"""Chunk files on disk: written whole or not at all, read into private memory.

Writing goes beside the target (`.{name}.{pid}.{random}.tmp`, mode 0600), is synced, renamed over the target,
and the folder is synced. So under a final name there is always a complete file, whatever kills the process or
the machine; a file being read, or mapped by somebody, is replaced and never changed. A failed write leaves
the old file and no temporary; only a killed one leaves a temporary, for `remove_stray`.

Reading is `storage.chunk_reading`'s: piece by piece, by one thread here.

Any thread, any number of processes. A folder of chunk files belongs to one machine: `remove_stray` asks this
machine whether a writer is alive. Errors: OSError from the system, FileNotFoundError for a missing file,
ChunkFileInvalid (with the path) for bytes that cannot be believed, its ChunkFileTooNew for a later version's.
"""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from storage import private_folder
from storage.chunk_format import NUM_PREFIX_BYTES, Buffer, check_version, encode
from storage.chunk_reading import ChunkReading, opened
from storage.values import ChunkState, StateKey

STRAY_AGE_SECONDS = 3600
"""A temporary older than this is nobody's: writing gigabytes takes minutes. Covers process ids used again."""

_TEMPORARY_NAME = re.compile(r"\..+\.(?P<pid>[0-9]+)\.[0-9a-f]{16}\.tmp")


def write(path: Path, state: ChunkState) -> None:
    """Puts the state at `path`, replacing what is there; durable on return. ValueError: see `encode`."""
    with beside(path, state) as place:
        place()


@contextlib.contextmanager
def beside(path: Path, state: ChunkState) -> Generator[Callable[[], None]]:
    """Writes the state beside `path`, durably; the block calls what it gets to put it there, which takes milliseconds.
    What was not put there is removed at the end. ValueError: see `encode`."""
    buffers = encode(state)
    private_folder.make(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(8)}.tmp")

    def place() -> None:
        temporary.replace(path)
        private_folder.sync(path.parent)

    try:
        _write_new(temporary, buffers)
        yield place
    finally:
        with contextlib.suppress(OSError):  # it has its name; or the first error is the one to tell
            temporary.unlink()


def read(path: Path, expected: StateKey) -> ChunkState:
    """The checked state at `path`; its blob is a writable view of memory that nobody else holds."""
    with ChunkReading(path, expected) as reading:
        return reading.read_all()


def check_is_ours(path: Path) -> None:
    """Raises ChunkFileTooNew if a newer version wrote the file, which is then not ours to replace in silence; reads its
    beginning only. A file that is missing or cannot be read is nobody's."""
    with contextlib.suppress(OSError), opened(path) as file:
        check_version(file.read(NUM_PREFIX_BYTES) or b"")


def remove(path: Path) -> None:
    """Removes the file; one that is not there is what was wanted."""
    path.unlink(missing_ok=True)


def stray_temporaries(root: Path) -> Iterator[Path]:
    """Temporaries below `root` whose writer is gone."""
    for path in root.rglob(".*.tmp"):
        match = _TEMPORARY_NAME.fullmatch(path.name)
        if match and _is_stray(path, int(match["pid"])):
            yield path


def remove_stray(root: Path) -> int:
    """Removes the temporaries that killed writers left; returns how many. Those of living writers stay."""
    strays = list(stray_temporaries(root))
    for path in strays:
        remove(path)
    return len(strays)


def _write_new(path: Path, buffers: tuple[Buffer, ...]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        for buffer in buffers:
            file.write(buffer)
        file.flush()
        os.fsync(file.fileno())


def _is_stray(path: Path, pid: int) -> bool:
    try:
        age_seconds = time.time() - path.stat().st_mtime
    except FileNotFoundError:  # renamed or removed by its writer just now
        return False
    return age_seconds > STRAY_AGE_SECONDS or not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # signal 0 is not a question there: it would send Ctrl-C; the age decides alone
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # alive, somebody else's
        return True
    return True
