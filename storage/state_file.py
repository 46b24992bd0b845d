"""A chunk file as loader threads see it: a path to read from, without the index.

Whatever is wrong with it, reading answers with a Miss and changes nothing: to remove a damaged file, or a row without
one, is for the thread that has the store (`StateStore.get` of the same key does both).
"""

import os
from dataclasses import dataclass
from pathlib import Path

from storage import chunk_file
from storage.errors import ChunkFileInvalid
from storage.values import Allocate, Lookup, Miss, Pace, StateKey

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

    def read(self, allocate: Allocate, pace: Pace) -> Lookup:
        """The state, checked, in memory from `allocate`; or why there is none. Raises only what `pace` raises."""
        try:
            state = chunk_file.read(self.path, self.key, allocate, pace)
        except ChunkFileInvalid as error:
            return Miss(self.key, str(error), damaged=True)
        except OSError as error:
            return Miss(self.key, f"{self.path} cannot be read: {error.strerror or error}")
        if state.token_ids != self.token_ids:
            return Miss(self.key, f"{self.path} holds other tokens than those asked for")
        return state

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
