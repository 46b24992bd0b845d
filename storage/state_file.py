"""A chunk file as loader threads see it: a path to read from, without the index.

Whatever is wrong with it, reading answers with a Miss and changes nothing: to remove a damaged file, or a row without
one, is for the thread that has the store (`StateStore.get` of the same key does both).
"""

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from storage.chunk_reading import ChunkReading
from storage.errors import ChunkFileInvalid
from storage.values import Lookup, Miss, Pace, StateKey

_HINTED_BYTES = 128 * 1024
"""Linux cuts a hint to what a device reads at once, at least this much: of 64 MB in one hint, 8 MB were loaded."""


@dataclass(frozen=True, slots=True)
class StateFile:
    """Any thread, any number of times."""

    path: Path
    key: StateKey
    token_ids: tuple[int, ...]
    num_bytes: int
    """Of the file, when it was found."""

    def open(self, memory: memoryview) -> "StateReading | Miss":
        """Begin to read into `memory`, which has at least `num_bytes`; or why that cannot be."""
        try:
            return StateReading(self, ChunkReading(self.path, self.key, memory))
        except (ChunkFileInvalid, OSError) as error:
            return self.miss(error)

    def read(self, memory: memoryview) -> Lookup:
        """All of it, in this thread; or why there is no such state."""
        reading = self.open(memory)
        if isinstance(reading, Miss):
            return reading
        with closing(reading):
            for piece in range(reading.num_pieces):
                found = reading.read(piece, lambda _: None)
                if found is not None:
                    return found
        raise AssertionError("whoever reads all pieces gets an answer")

    def miss(self, error: ChunkFileInvalid | OSError) -> Miss:
        """What is said of a file that could not be read."""
        if isinstance(error, ChunkFileInvalid):
            return Miss(self.key, str(error), damaged=True)
        return Miss(self.key, f"{self.path} cannot be read: {error.strerror or error}")

    def warm(self) -> None:
        """Ask the system to have the file in memory soon, where it takes such hints. 0.2 ms per MB that is not."""
        if not hasattr(os, "posix_fadvise"):
            return
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError:
            return
        try:
            for start in range(0, self.num_bytes, _HINTED_BYTES):
                os.posix_fadvise(descriptor, start, _HINTED_BYTES, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class StateReading:
    """A state file that is being read, by several threads (see `storage.chunk_reading`); close it after the last."""

    file: StateFile
    chunk: ChunkReading

    @property
    def num_pieces(self) -> int:
        return self.chunk.num_pieces

    def read(self, piece: int, pace: Pace) -> Lookup | None:
        """Read a piece: the state, checked, if that completes it; why there is none, if that shows; or None. Raises
        only what `pace` raises."""
        try:
            state = self.chunk.read(piece, pace)
        except (ChunkFileInvalid, OSError) as error:
            return self.file.miss(error)
        if state is not None and state.token_ids != self.file.token_ids:
            return Miss(self.file.key, f"{self.file.path} holds other tokens than those asked for")
        return state

    def close(self) -> None:
        self.chunk.close()
