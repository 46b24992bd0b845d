"""Loading ahead, as the system's cache of files sees it."""

import ctypes
import mmap
import os
import sys
from pathlib import Path

import pytest

from storage.state_file import StateFile
from storage.values import StateKey
from tests.waiting import wait_until

KEY = StateKey("0" * 8, "0" * 8)
NUM_BYTES = 24 << 20
"""More than a device reads at once."""


def share_in_memory(path: Path) -> float:
    """Of a file's pages. Asking loads nothing."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        pages = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        failed = ctypes.CDLL(None).mincore(
            ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(len(mapped)), pages
        )
        del first  # the map cannot be closed before
        assert not failed
        return sum(page & 1 for page in pages) / len(pages)


@pytest.mark.skipif(sys.platform != "linux", reason="written for Linux's mincore")
def test_all_of_a_file_is_loaded_ahead(tmp_path: Path):
    path = tmp_path / "state.kv"
    path.write_bytes(os.urandom(NUM_BYTES))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if share_in_memory(path):
        pytest.skip("this file system does not let go of files")
    StateFile(path, KEY, (1,), NUM_BYTES).warm()
    wait_until(lambda: share_in_memory(path) == 1)


def test_a_file_that_is_gone_is_no_error(tmp_path: Path):
    StateFile(tmp_path / "gone.kv", KEY, (1,), 10).warm()
