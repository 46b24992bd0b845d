"""What commands did to the files of the store, in the log file that the app writes as well: nothing goes unnoticed.

While the app runs, everything that is logged goes there anyway (`app.tui.quiet_streams`). The log names files and
reasons, never the text of a document.
"""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from storage import private_folder

_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"
_PARTS = ("app", "storage")


@contextmanager
def kept_log(path: Path) -> Iterator[None]:
    """While the block runs, remarks of app and storage are added to the file, made with the first of them."""
    if logging.getLogger().isEnabledFor(logging.INFO):  # somebody keeps everything
        yield
        return
    handler = _Appender(path)
    handler.setFormatter(logging.Formatter(_FORMAT))
    loggers = [logging.getLogger(name) for name in _PARTS]
    with _levels.lowered(loggers):
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)


class _Levels:
    """The loggers' own levels, while blocks of any threads keep remarks: restored when the last of them ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: list[int] = []
        self._num_blocks = 0

    @contextmanager
    def lowered(self, loggers: Sequence[logging.Logger]) -> Iterator[None]:
        with self._lock:
            if not self._num_blocks:
                self._before = [logger.level for logger in loggers]
                for logger in loggers:
                    logger.setLevel(logging.INFO)
            self._num_blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_blocks -= 1
                if not self._num_blocks:
                    for logger, level in zip(loggers, self._before, strict=True):
                        logger.setLevel(level)


_levels = _Levels()


class _Appender(logging.Handler):
    """One line per record. A line that the disk does not take is lost: what was done is right without it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        try:
            private_folder.make(self._path.parent)
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, private_folder.FILE_MODE)
            try:
                os.write(file, line)
            finally:
                os.close(file)
        except OSError:
            pass
