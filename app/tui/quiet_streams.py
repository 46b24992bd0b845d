"""Keeps the screen clean: while the app draws, file descriptors 1 and 2 are a log file, and only the app's own stream
is the terminal.

Libraries write where they like: C code to the descriptors, Python's warnings and loggers to `sys.stderr`. A single line
of theirs would tear the screen, so the terminal gets a descriptor of its own, which Textual draws on, and everything
else lands in the log, private as the documents are. A terminal that is gone (a closed window) takes what is written to
it in silence, so that the app can still end in order.

Used from the main thread, once per process at a time. Textual takes its streams from `sys.__stderr__` (Windows:
`sys.__stdout__`) when the app is run, so it has to be run inside `with QuietStreams(...)`.
"""

import faulthandler
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self, TextIO

from typing_extensions import Buffer

from storage import private_folder

_LOG_BYTES = 2 << 20
"""A log larger than this is put aside at the start, over the one that was put aside before."""

_OUT, _ERR = 1, 2
_DRAWN_ON = _OUT if sys.platform == "win32" else _ERR
_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"


class QuietStreams:
    """See the module; a context manager."""

    def __init__(self, log_file: Path) -> None:
        self._log_file = log_file
        self._stack = ExitStack()
        self._terminals: dict[int, int] = {}
        """For descriptors 1 and 2, the one that keeps what they were."""
        self._log = -1

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._log = _opened_log(self._log_file)
            stack.callback(os.close, self._log)
            for descriptor in (_OUT, _ERR):
                self._terminals[descriptor] = kept = os.dup(descriptor)
                stack.callback(os.close, kept)
            stack.enter_context(_python_streams(self._terminals[_DRAWN_ON]))
            stack.callback(self._to_terminals)
            self._to_log()
            stack.enter_context(_logging_to(self._log))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def loud(self) -> Iterator[None]:
        """Give 1 and 2 back to the terminal, for a program that is started there while the app is suspended."""
        self._to_terminals()
        try:
            yield
        finally:
            self._to_log()

    def _to_log(self) -> None:
        for descriptor in self._terminals:
            os.dup2(self._log, descriptor)

    def _to_terminals(self) -> None:
        for descriptor, kept in self._terminals.items():
            os.dup2(kept, descriptor)


class _Terminal(io.RawIOBase):
    """A terminal that may go away."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Buffer, /) -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError:
            return memoryview(data).nbytes


@contextmanager
def _python_streams(terminal: int) -> Iterator[None]:
    """What Python and Textual take for the terminal is a stream on `terminal`; tracebacks are printed there, too."""
    names = ("stdout", "stderr", "__stdout__", "__stderr__")
    before = {name: getattr(sys, name) for name in names}
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    screen: TextIO = io.TextIOWrapper(io.BufferedWriter(_Terminal(terminal)), "utf-8", "backslashreplace")
    for name in names:
        setattr(sys, name, screen)
    try:
        yield
    finally:
        screen.flush()
        for name, stream in before.items():
            setattr(sys, name, stream)


@contextmanager
def _logging_to(log: int) -> Iterator[None]:
    """Everything that is logged or warned of goes to the log and nowhere else; a crash in C leaves its stack there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with open(os.dup(log), "a", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 - a descriptor
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)
        faulthandler.enable(file)
        try:
            yield
        finally:
            faulthandler.disable()
            logging.captureWarnings(False)
            root.handlers[:] = handlers
            root.setLevel(level)


def _opened_log(path: Path) -> int:
    private_folder.make(path.parent)
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
