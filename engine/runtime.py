"""The compute thread: the only one that touches the model. Everything reaches it as a request.

`Runtime` starts the thread "steep-compute", which opens a `Session` and then serves requests, questions before
steeping; a running steep request gives way after each chunk. Each request is a `Job`: an iterator of events that ends
with the request's last event or raises its error. `Job.cancel` stops it within one node of the graph. `close` cancels
what runs, ends what waits, and joins the thread; it cannot hang on a lost reader, because the queues of events are
unbounded and events are small (a token, a number).
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import PriorityQueue, SimpleQueue
from time import perf_counter
from typing import Any, Generic, TypeVar

from engine.architecture import Blendability
from engine.errors import Cancelled
from engine.owner import Owner
from engine.ports import OpenShelf
from engine.prompt import PromptFrame
from engine.requests import AnswerEvent, AnswerRequest, SteepDone, SteepEvent, SteepRequest
from engine.session import Session, SessionOptions
from storage.values import FingerprintFacts

Event = TypeVar("Event")

_QUESTION_PRIORITY, _STEEP_PRIORITY, _CLOSE_PRIORITY = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Ready:
    """What other threads may know of the session once the model is loaded."""

    model_name: str
    frame: PromptFrame
    """Its tokenizing methods are safe from any thread while the runtime is open."""
    facts: FingerprintFacts
    blendability: Blendability
    load_ms: float


class Job(Generic[Event]):
    """One request under way; iterate from one thread."""

    def __init__(self, stop: Callable[["Job[Any]"], None]) -> None:
        self._events: SimpleQueue[Event | BaseException | None] = SimpleQueue()
        self._stop = stop
        self.cancelled = False

    def __iter__(self) -> Iterator[Event]:
        while (event := self._events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event

    def cancel(self) -> None:
        """Stop the request; its iterator then raises `Cancelled`. From any thread."""
        self.cancelled = True
        self._stop(self)

    def emit(self, event: Event) -> None:
        """The compute thread's side: one more event."""
        self._events.put(event)

    def end(self, error: BaseException | None = None) -> None:
        """The compute thread's side: no more events."""
        self._events.put(error)


@dataclass(frozen=True, order=True, slots=True)
class _Waiting:
    """A job in the inbox, ordered by priority and then by arrival."""

    priority: int
    arrival: int
    work: Any = None
    """`(job, function of the session)`, never compared: arrivals differ."""


class Runtime(Owner):
    """See the module docstring. `submit_*`, `cancel` and `close` are safe from any thread."""

    def __init__(self, options: SessionOptions, open_shelf: OpenShelf) -> None:
        self._options, self._open_shelf = options, open_shelf
        self._inbox: PriorityQueue[_Waiting] = PriorityQueue()
        self._arrivals = itertools.count()
        self._lock = threading.Lock()  # guards _running, _session and _closing
        self._running: Job[Any] | None = None
        self._session: Session | None = None
        self._closing = False
        self._opened: SimpleQueue[Ready | BaseException] = SimpleQueue()
        self._thread = threading.Thread(target=self._main, name="steep-compute", daemon=True)
        self._thread.start()

    def wait_ready(self) -> Ready:
        """Block until the model is loaded; raises what loading raised. Call once."""
        ready = self._opened.get()
        if isinstance(ready, BaseException):
            raise ready
        return ready

    def answer(self, request: AnswerRequest) -> Job[AnswerEvent]:
        """Submit a question."""

        def work(session: Session, job: Job[AnswerEvent]) -> None:
            job.emit(session.answer(request, job.emit))

        return self._submit(_QUESTION_PRIORITY, work)

    def steep(self, request: SteepRequest) -> Job[SteepEvent]:
        """Submit chunks to steep, one event per chunk."""

        def work(session: Session, job: Job[SteepEvent]) -> None:
            started, num_encoded = perf_counter(), 0
            for chunk in request.chunks:
                self._give_way()
                steeped = session.steep(chunk)
                num_encoded += steeped.num_tokens if steeped.num_bytes else 0
                job.emit(steeped)
            job.emit(SteepDone(len(request.chunks), num_encoded, (perf_counter() - started) * 1e3))

        return self._submit(_STEEP_PRIORITY, work)

    def close(self) -> None:
        """Cancel, drop and join; harmless to call again."""
        with self._lock:
            self._closing = True
            if self._session:
                self._session.context.cancel()
        self._inbox.put(_Waiting(_CLOSE_PRIORITY, next(self._arrivals)))
        self._thread.join()

    def _submit(self, priority: int, work: Callable[[Session, Job[Event]], None]) -> Job[Event]:
        job: Job[Event] = Job(self._stop)
        self._inbox.put(_Waiting(priority, next(self._arrivals), (job, work)))
        return job

    def _stop(self, job: Job[Any]) -> None:
        with self._lock:
            if self._running is job and self._session:
                self._session.context.cancel()

    # --- the compute thread

    def _main(self) -> None:
        try:
            session = Session(self._options, self._open_shelf)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self._opened.put(error)
            return
        with session:
            with self._lock:
                self._session = session
            self._opened.put(
                Ready(
                    session.model.path.name,
                    session.frame,
                    session.facts,
                    session.blendability,
                    session.load_ms,
                )
            )
            while (waiting := self._inbox.get()).priority != _CLOSE_PRIORITY:
                self._serve(waiting)
            with self._lock:
                self._session = None

    def _serve(self, waiting: _Waiting) -> None:
        job, work = waiting.work
        before = self._take_over(job)
        try:
            if job.cancelled or self._closing:
                raise Cancelled("stopped on request")
            work(self._session, job)
            job.end()
        except BaseException as error:  # noqa: BLE001 - handed to whoever reads the job
            job.end(error)
        finally:
            self._take_over(before)

    def _take_over(self, job: Job[Any] | None) -> Job[Any] | None:
        """Make `job` the one that `_stop` stops; answers with the one before."""
        with self._lock:
            before, self._running = self._running, job
            if self._session and not self._closing:
                stop = job is not None and job.cancelled
                (self._session.context.cancel if stop else self._session.context.allow)()
            return before

    def _give_way(self) -> None:
        """Between two slices of long work: serve the questions that came meanwhile."""
        while True:
            with self._inbox.mutex:
                urgent = bool(self._inbox.queue) and self._inbox.queue[0].priority == _QUESTION_PRIORITY
            if not urgent:
                return
            self._serve(self._inbox.get())
