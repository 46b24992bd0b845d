"""Folders that only their owner may read: a chunk state is as private as the text it came from.

Safe from any thread and any number of processes. Errors are the operating system's (OSError).
"""

import errno
import os
from pathlib import Path

MODE = 0o700

FILE_MODE = 0o600
"""Of the files in them."""

_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP)  # some network and FUSE file systems


def make(folder: Path) -> None:
    """Creates the folder and what is missing above it, each durable; folders that exist keep their mode."""
    if folder.is_dir():
        return
    make(folder.parent)
    folder.mkdir(mode=MODE, exist_ok=True)
    sync(folder.parent)


def sync(folder: Path) -> None:
    """Makes the names in the folder (created, replaced) survive a power cut, where the platform can do it."""
    if os.name == "nt":  # a folder cannot be opened there; NTFS journals its names
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
