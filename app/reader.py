"""Reads documents in processes of their own: `DocumentReader`.

Documents are untrusted bytes, and parsers in C meet them. A document may make its worker hang, crash, eat memory or
answer nonsense: that worker is killed, the document is unreadable, and the others are read by the next worker.

Who owns what: each thread "steep-reader-<n>" has at most one worker process and hands it one document after the
other. The thread "steep-reader-watch" kills workers that take too long or too much memory; their thread then meets
the end of the pipe. Workers start when there is something to read, end after a minute without it, and die with this
process, however it ends (see `app.formats.worker`).

What becomes of a document does not depend on those before it: if its worker dies and had read others, the document
gets a fresh one, once.
"""

import contextlib
import math
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from pathlib import Path
from queue import Empty, SimpleQueue

import psutil

from app.errors import ReaderUnusable
from app.formats import frames
from app.formats.errors import ReaderDied, TookTooLong
from app.formats.registry import ReadFile
from engine.owner import Owner

TIMEOUT_SECONDS = 60.0
"""For one document. A PDF of 5,000 pages takes about ten."""

# Twice the largest file that is read; what was unpacked needs room beside it.
_MAX_MEMORY_NUM_BYTES = 1024 * 1024 * 1024

# What parsers do not give back must not add up. A worker starts with 30 MiB, ordinary documents make it 100, and a
# fresh one costs 0.1 s.
_GROWN_MEMORY_NUM_BYTES = 256 * 1024 * 1024
_MAX_NUM_DOCUMENTS = 2000

_IDLE_SECONDS = 60.0
_WATCH_SECONDS = 0.1

# How much later a worker ends by itself when there is nobody to kill it.
_GRACE_SECONDS = 5

# From the end of the pipe to the end of the process.
_LAST_WORDS_SECONDS = 5.0

_OUT_OF_MEMORY = "out of memory"

_Job = tuple[Future[ReadFile], Path]


class DocumentReader(Owner):
    """See the module. `submit` and `close` are safe from any thread."""

    def __init__(self, num_workers: int = 1, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Starts nothing yet: threads and processes come with the first document."""
        if num_workers < 1 or not timeout_seconds > 0:
            raise ValueError(f"a reader needs workers and time, got {num_workers} and {timeout_seconds} s")
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lanes = [_Lane(timeout_seconds) for _ in range(num_workers)]
        self._changed = threading.Condition()  # guards _num_pending, _threads and _closed
        self._num_pending = 0
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, path: Path) -> Future[ReadFile]:
        """Queues a file; the caller bounds how many wait, since each result is held until it is taken.

        The future raises UnreadableDocument, of the kind that fits; ReaderUnusable when no worker can be started; and
        CancelledError when the reader was closed before the document was read.
        """
        job: _Job = (Future(), path)
        with self._changed:
            if self._closed:
                raise RuntimeError("the reader is closed")
            self._num_pending += 1
            if self._num_pending == 1:
                self._changed.notify_all()
            if not self._threads:
                self._start_threads()
            self._jobs.put(job)
        return job[0]

    def close(self) -> None:
        """Kills the workers and cancels what was not read; harmless to call again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        with contextlib.suppress(Empty):
            while job := self._jobs.get_nowait():
                job[0].cancel()
        for lane in self._lanes:
            lane.stop()
            self._jobs.put(None)
        for thread in self._threads:
            # A callback of a future runs in one of them.
            if thread is not threading.current_thread():
                thread.join()

    def _start_threads(self) -> None:
        for number, lane in enumerate(self._lanes):
            self._threads.append(
                threading.Thread(target=self._serve, args=(lane,), name=f"steep-reader-{number}", daemon=True)
            )
        self._threads.append(threading.Thread(target=self._watch, name="steep-reader-watch", daemon=True))
        for thread in self._threads:
            thread.start()

    # --- the threads

    def _serve(self, lane: "_Lane") -> None:
        try:
            while self._serve_next(lane):
                pass
        finally:
            lane.end_worker()

    def _serve_next(self, lane: "_Lane") -> bool:
        """Nothing of a document may outlive the call: what comes next is waited for."""
        try:
            job = self._jobs.get(timeout=_IDLE_SECONDS if lane.has_worker else None)
        except Empty:
            lane.end_worker()
            return True
        if job is None:
            return False
        future, path = job
        try:
            if future.set_running_or_notify_cancel():
                future.set_result(lane.read(path))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)
        finally:
            with self._changed:
                self._num_pending -= 1
        return True

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._num_pending or self._closed)
                if self._changed.wait_for(lambda: self._closed, _WATCH_SECONDS):
                    return
            for lane in self._lanes:
                lane.check()


class _Lost(Exception):
    """The worker ended, or had to be ended, without a proper answer; the text says how."""


class _TooLong(_Lost):
    """It was ended because it took too long."""


class _Lane:
    """Where one thread has its documents read: by one worker after the other. `check` and `stop` are for others."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()  # guards _worker and _stopped
        self._worker: _Worker | None = None
        self._stopped = False

    @property
    def has_worker(self) -> bool:
        return self._worker is not None

    def read(self, path: Path) -> ReadFile:
        """Raises what `DocumentReader.submit` promises."""
        path = path.absolute()
        while True:
            worker = self._worker_for_next()
            is_first = worker.num_documents == 0
            try:
                return worker.read(path)
            except _Lost as lost:
                self.end_worker()
                if self._stopped:
                    raise CancelledError from None
                if isinstance(lost, _TooLong):
                    raise TookTooLong(path.name, f"took longer than {self._timeout_seconds:g} s to read") from None
                if is_first:
                    raise ReaderDied(path.name, f"made its reader fail ({lost})") from None

    def check(self) -> None:
        """Kill a worker that takes too long or too much memory."""
        with self._lock:
            if self._worker:
                self._worker.check(self._timeout_seconds)

    def stop(self) -> None:
        """Kill the worker and let none start any more."""
        with self._lock:
            self._stopped = True
            if self._worker:
                self._worker.stop()

    def end_worker(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
        if worker:
            worker.close()

    def _worker_for_next(self) -> "_Worker":
        if self._worker and self._worker.is_worn:
            self.end_worker()
        return self._worker or self._start_worker()

    def _start_worker(self) -> "_Worker":
        with self._lock:
            if self._stopped:
                raise CancelledError
            worker = self._worker = _Worker(self._timeout_seconds)
        try:
            worker.wait_ready()
        except _Lost as lost:
            complaint = worker.complaint()
            self.end_worker()
            if self._stopped:
                raise CancelledError from None
            raise _unusable(complaint or str(lost)) from None
        return worker


class _Worker(Owner):
    """One worker process, for one thread; `check` and `stop` are for others."""

    def __init__(self, timeout_seconds: float) -> None:
        """Raises ReaderUnusable."""
        self.num_documents = 0
        self._lock = threading.Lock()  # guards _busy_since and _killed_for
        self._busy_since: float | None = None
        self._killed_for: _Lost | None = None
        self._process = _start(timeout_seconds)
        self._usage = psutil.Process(self._process.pid)

    @property
    def is_worn(self) -> bool:
        """Whether the next document should go to a fresh one."""
        return (
            self._killed_for is not None
            or self._process.poll() is not None
            or self.num_documents >= _MAX_NUM_DOCUMENTS
            or self._memory_num_bytes() > _GROWN_MEMORY_NUM_BYTES
        )

    def wait_ready(self) -> None:
        """Raises _Lost."""
        self._ask(None)

    def complaint(self) -> str:
        """The last line that a worker wrote which did not get ready."""
        assert self._process.stderr
        return self._process.stderr.read().decode(errors="replace").strip().rpartition("\n")[2]

    def read(self, path: Path) -> ReadFile:
        """Raises UnreadableDocument as the worker did, and _Lost."""
        answer = self._ask({"path": str(path)})
        self.num_documents += 1
        try:
            return frames.read_answer(path.name, answer)
        except frames.InvalidFrame:
            raise _nonsense() from None

    def check(self, timeout_seconds: float) -> None:
        """Kill it if it takes too long, or too much memory, for what it does."""
        with self._lock:
            if self._busy_since is None:
                return
            if time.monotonic() - self._busy_since > timeout_seconds:
                self._kill(_TooLong("it took too long"))
            elif self._memory_num_bytes() > _MAX_MEMORY_NUM_BYTES:
                self._kill(_Lost(_OUT_OF_MEMORY))

    def stop(self) -> None:
        """Kill it, whatever it does."""
        with self._lock:
            self._kill(_Lost("it was stopped"))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe
            # What a dead worker did not take would still be written.
            with contextlib.suppress(OSError):
                pipe.close()

    def _ask(self, request: frames.Message | None) -> frames.Message:
        """The answer to a request; without one, the first message."""
        assert self._process.stdin
        assert self._process.stdout
        self._set_busy(time.monotonic())
        try:
            if request:
                frames.write(self._process.stdin, request)
            answer = frames.read(self._process.stdout)
        except frames.InvalidFrame:
            raise _nonsense() from None
        except BrokenPipeError:
            answer = None
        finally:
            self._set_busy(None)
        if answer is None:
            raise self._end()
        return answer

    def _set_busy(self, since: float | None) -> None:
        with self._lock:
            self._busy_since = since

    def _kill(self, reason: _Lost) -> None:
        self._killed_for = self._killed_for or reason
        self._process.kill()

    def _end(self) -> _Lost:
        """Why the pipe has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS_SECONDS)
        if self._killed_for:
            return self._killed_for
        code = self._process.returncode
        if code is None:
            return _nonsense()
        if code == frames.OUT_OF_MEMORY:
            return _Lost(_OUT_OF_MEMORY)
        return _Lost(f"killed by signal {-code}" if code < 0 else f"exit code {code}")

    def _memory_num_bytes(self) -> int:
        try:
            return psutil.Process(self._process.pid).memory_info().rss
        except psutil.Error:
            return 0


def _nonsense() -> _Lost:
    return _Lost("its answer makes no sense")


def _start(timeout_seconds: float) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C is for this process only."""
    # -P: a folder `app` in the one where the user is must not be imported.
    patience = math.ceil(timeout_seconds) + _GRACE_SECONDS
    arguments = [str(patience), str(_MAX_MEMORY_NUM_BYTES)]
    flags = 0
    if sys.platform == "win32":
        flags = (
            subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        )
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "app.formats.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            creationflags=flags,
        )
    except OSError as error:
        raise _unusable(error.strerror or str(error)) from error


def _unusable(reason: str) -> ReaderUnusable:
    return ReaderUnusable(f"documents cannot be read, because the process that reads them does not start: {reason}")
