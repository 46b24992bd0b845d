"""A chunk file on its way into memory: several threads read pieces of it, and it is hashed as they come.

`read` is for any number of threads, each piece once, begun in the order of the file. Hashing has an order: the thread
that brings the next piece hashes it, and goes on with those behind it that came meanwhile, so it overlaps with reading
and finds the bytes in the processor's cache. Who hashes the last piece checks everything (`chunk_format.decode`) and
gets the state. Nobody else sees a byte of it.

Reading copies into memory of ours. Not a map: bytes of a map can change between the check and their use, and a file cut
short under a map kills the process with SIGBUS. The copy costs far less than what the state saves.

Errors, with the path: OSError from the system, FileNotFoundError for a missing file, ChunkFileInvalid for bytes that
cannot be believed, its ChunkFileTooNew for a later version's. After an error a state never becomes complete.
"""

import errno
import os
import stat
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from storage.chunk_format import (
    MAX_NUM_BYTES,
    MIN_NUM_BYTES,
    NUM_PREFIX_BYTES,
    NUM_TRAILER_BYTES,
    check_version,
    decode,
    new_checksum,
)
from storage.errors import ChunkFileInvalid
from storage.values import ChunkState, Pace, StateKey

PIECE_BYTES = 4 << 20
"""What one thread reads before anybody looks up: 4 ms of a slow disk, and a tenth of a state. Sane: 1 to 16 MiB."""


class ChunkReading:
    """One chunk file; closed when no thread reads any more."""

    def __init__(self, path: Path, expected: StateKey, memory: memoryview | None = None) -> None:
        """Opens the file and looks at its size; `memory`: where it goes, at least as large."""
        self._path, self._expected = path, expected
        with ExitStack() as stack, self._named():
            self._file = stack.enter_context(opened(path))
            num_bytes = _checked_size(self._file)
            # Only now: how much memory is asked for must not be up to whoever damaged the file.
            memory = memoryview(bytearray(num_bytes)) if memory is None else memory
            if memory.nbytes < num_bytes:
                raise ChunkFileInvalid(f"has {num_bytes} bytes, expected at most {memory.nbytes}: not the file found")
            self._view = memory.cast("B")[:num_bytes]
            self._stack = stack.pop_all()
        self._checksum = new_checksum()
        self._lock = threading.Lock()  # guards the three below
        self._arrived = set[int]()
        self._num_hashed, self._is_hashing = 0, False

    @property
    def num_pieces(self) -> int:
        """At least one."""
        return -(-self._view.nbytes // PIECE_BYTES)

    def read(self, piece: int, pace: Pace) -> ChunkState | None:
        """Reads a piece; the state, checked, if this thread has completed it. Raises what `pace` raises, too, which is
        called between hashing as well, with no bytes."""
        with self._named():
            self._fill(piece, pace)
            if not self._hash(piece, pace):
                return None
            return decode(self._view, self._expected, self._checksum.digest())

    def read_all(self, pace: Pace = lambda _: None) -> ChunkState:
        """Reads all pieces, in this thread."""
        for piece in range(self.num_pieces - 1):
            self.read(piece, pace)
        state = self.read(self.num_pieces - 1, pace)
        assert state is not None, "whoever reads all pieces completes the state"
        return state

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fill(self, piece: int, pace: Pace) -> None:
        """One read may return less than asked for whenever it likes."""
        at = piece * PIECE_BYTES
        end = min(at + PIECE_BYTES, self._view.nbytes)
        while at < end:
            try:
                num_new = self._read_at(at, self._view[at:end])
            except OSError as error:
                if error.errno == errno.EIO:  # a bad sector is damage to this file, not the end of the store
                    raise ChunkFileInvalid(f"cannot be read: {error.strerror}") from error
                raise
            if not num_new:
                raise ChunkFileInvalid(f"ended at {at} bytes, expected {self._view.nbytes}: cut short while read")
            at += num_new
            pace(num_new)

    def _read_at(self, offset: int, view: memoryview) -> int:
        """Releases the GIL while it copies."""
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [view], offset)
        with self._lock:  # Windows has one position per file
            self._file.seek(offset)
            return self._file.readinto(view) or 0

    def _hash(self, piece: int, pace: Pace) -> bool:
        """Hashes what has come and is next, unless another thread is at it; whether that was the last."""
        with self._lock:
            self._arrived.add(piece)
            if self._is_hashing:
                return False
            self._is_hashing = True
        while True:
            with self._lock:
                if self._num_hashed not in self._arrived:
                    self._is_hashing = False
                    return self._num_hashed == self.num_pieces
            start = self._num_hashed * PIECE_BYTES
            end = min(start + PIECE_BYTES, self._view.nbytes - NUM_TRAILER_BYTES)
            self._checksum.update(self._view[start:end])  # without the GIL
            self._num_hashed += 1
            pace(0)

    @contextmanager
    def _named(self) -> Generator[None]:
        try:
            yield
        except ChunkFileInvalid as error:
            raise type(error)(f"{self._path}: {error}") from error


def opened(path: Path) -> FileIO:
    """For reading; a pipe that somebody put there does not keep us waiting."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return FileIO(os.open(path, flags))


def _checked_size(file: FileIO) -> int:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise ChunkFileInvalid("not a regular file")
    if not MIN_NUM_BYTES <= status.st_size <= MAX_NUM_BYTES:
        check_version(file.read(NUM_PREFIX_BYTES) or b"")
        raise ChunkFileInvalid(f"expected {MIN_NUM_BYTES} to {MAX_NUM_BYTES} bytes, the file has {status.st_size}")
    return status.st_size
