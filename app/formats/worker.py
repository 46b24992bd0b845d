"""The process in which documents are read: `python -P -m app.formats.worker SECONDS BYTES`, started by `app.reader`.

Requests come in on stdin and answers go out on stdout, one for one, as `app.formats.frames`. It ends when stdin ends,
and so with its parent, however that ends. Parsers are kept from the pipes, from Ctrl-C (which is the parent's), from
more than BYTES of memory and, where the system can, from living SECONDS longer on a document than their parent wants.
"""

import faulthandler
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.formats import frames
from app.formats.errors import ReaderDied, TooLarge, UnreadableDocument
from app.formats.registry import read_file

# A third of the share of an ordinary process when all want the processor: whoever waits for an answer goes first, and
# the time limit of a document is still met.
_NICENESS = 5


def main() -> None:
    """Serves requests until there are no more."""
    max_seconds, max_num_bytes = int(sys.argv[1]), int(sys.argv[2])
    _silence()
    _limit(max_num_bytes)
    requests, answers = _take_pipes()
    frames.write(answers, {"pid": os.getpid()})
    try:
        while (request := frames.read(requests)) is not None:
            with _ending_with_parent(requests, max_seconds):
                answer = _answer(Path(str(request["path"])))
            _send(answers, answer)
    except MemoryError:
        os._exit(frames.OUT_OF_MEMORY)
    except BrokenPipeError:
        # Nobody is there for the answer.
        os._exit(0)


def _silence() -> None:
    """A crash is told by the exit code; what libraries remark is of no use to anybody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.disable()
    logging.disable()
    warnings.simplefilter("ignore")


def _limit(max_num_bytes: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    os.nice(_NICENESS)
    # Documents are read: nothing is written, neither a core (which would hold the document) nor a file.
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_AS, max_num_bytes)):
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):
            # macOS knows no RLIMIT_AS; a lower limit may be in force. The parent watches the memory, too.
            continue


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Requests and answers; where they came in, parsers read nothing and print to nowhere."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    return requests, answers


@contextmanager
def _ending_with_parent(requests: BinaryIO, max_seconds: int) -> Iterator[None]:
    """While a parser is at work: have the system end this process when its parent is gone, or much too late.

    A parser in C lets no Python run, and its parent cannot kill it after having been killed itself.
    """
    if sys.platform == "win32":
        yield
        return
    signal.alarm(max_seconds)
    _kill_at_end_of(requests, is_on=True)
    try:
        yield
    finally:
        _kill_at_end_of(requests, is_on=False)
        signal.alarm(0)


def _kill_at_end_of(requests: BinaryIO, *, is_on: bool) -> None:
    """Linux sends a signal of our choice when something happens on a pipe. Meanwhile that is only its end."""
    if sys.platform != "linux":
        return
    import fcntl

    flags = fcntl.fcntl(requests, fcntl.F_GETFL)
    if is_on:
        fcntl.fcntl(requests, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(requests, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(requests, fcntl.F_SETFL, flags | os.O_ASYNC if is_on else flags & ~os.O_ASYNC)


def _answer(path: Path) -> frames.Message:
    try:
        return frames.answer_with(read_file(path))
    except UnreadableDocument as error:
        return frames.answer_with_error(error)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - parsers of untrusted bytes raise anything
        return frames.answer_with_error(ReaderDied(path.name, f"made its reader fail ({_first_line(error)})"))


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _send(answers: BinaryIO, answer: frames.Message) -> None:
    try:
        frames.write(answers, answer)
    except frames.InvalidFrame:
        frames.write(answers, frames.answer_with_error(TooLarge("", "holds more text than can be taken in")))


if __name__ == "__main__":
    main()
