"""Loading ahead, as the system's cache of files sees it."""

import errno
import os
from pathlib import Path

import pytest

from storage.state_file import StateFile
from storage.values import StateKey
from tests.waiting import wait_until

NUM_BYTES = 24 << 20
"""More than any device reads at once."""
STEP = 1 << 20


def is_in_memory(descriptor: int, offset: int) -> bool:
    try:
        return os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return False
        pytest.skip(f"this file system cannot be asked: {error}")


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system cannot be asked")
def test_all_of_a_file_is_loaded_ahead(tmp_path: Path):
    path = tmp_path / "state.kv"
    path.write_bytes(os.urandom(NUM_BYTES))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        places = range(0, NUM_BYTES, STEP)
        if any(is_in_memory(file.fileno(), place) for place in places):
            pytest.skip("this file system does not let go of files")
        StateFile(path, StateKey("f", "d"), (1,), NUM_BYTES).warm()
        wait_until(lambda: all(is_in_memory(file.fileno(), place) for place in places))


def test_a_file_that_is_gone_is_no_error(tmp_path: Path):
    StateFile(tmp_path / "gone.kv", StateKey("f", "d"), (1,), 10).warm()
