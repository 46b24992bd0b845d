"""A download that has not arrived as a whole: written to its end, and continued later, by another process if need be.

What has arrived is on the disk at once, so that nothing but a power cut can take it away. The digest is kept up while
the bytes come, and made anew from the file when it is continued. One thread; one process at a time, the caller locks.
"""

import hashlib
import os
from pathlib import Path
from types import TracebackType

_BLOCK_BYTES = 4 << 20


class PartFile:
    """Bytes [0, num_bytes) of a file; a context manager that keeps them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._digest = hashlib.sha256()
        self.num_bytes = 0
        while block := self._file.read(_BLOCK_BYTES):
            self._digest.update(block)
            self.num_bytes += len(block)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        self.num_bytes += len(data)

    def restart(self) -> None:
        """Forget all bytes."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.num_bytes = 0

    def finish(self, target: Path) -> None:
        """Give it the name it was downloaded for; the part is no more."""
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.replace(target)

    def __enter__(self) -> "PartFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
