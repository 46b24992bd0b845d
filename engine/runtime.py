"""The compute thread: the only one that touches the model. Everything reaches it as a request.

`Runtime` starts the thread "steep-compute", which opens a `Session` and then serves requests, questions before
steeping, and steeping before the gate. A question does not even wait for the micro-batch that is being steeped: it
interrupts it within one node of the graph (on a GPU, where that is impossible, at its end), and the micro-batch is
repeated afterwards. `hold` stops steeping and the gate in the same way until `release`, for whatever else needs the
machine. Each request is a `Job`: an iterator of events that ends with the request's last event or raises its error.
`Job.cancel` stops it within one node. `close` cancels what runs, ends what waits, and joins the thread; it cannot hang
on a lost reader, because the queues of events are unbounded and events are small (a token, a number). Whatever else
ends the thread ends every job with `EngineStopped`, those that come later too: nobody waits for ever.
"""

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from time import perf_counter
from typing import Any, Generic, TypeVar

from engine.architecture import Blendability
from engine.errors import Cancelled, EngineError, EngineStopped
from engine.owner import Owner
from engine.ports import OpenShelf
from engine.prompt import PromptFrame
from engine.requests import (
    AnswerEvent,
    AnswerRequest,
    GateEvent,
    GateRequest,
    Kept,
    Recalled,
    SteepDone,
    SteepEvent,
    SteepRequest,
    TurnRequest,
)
from engine.session import Session, SessionOptions
from storage.values import FingerprintFacts

_logger = logging.getLogger(__name__)

Event = TypeVar("Event")

_QUESTION_PRIORITY, _STEEP_PRIORITY, _GATE_PRIORITY = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Ready:
    """What other threads may know of the session once the model is loaded."""

    model_name: str
    frame: PromptFrame
    """Its tokenizing methods are safe from any thread while the runtime is open."""
    facts: Mapping[int, FingerprintFacts]
    """Of the fingerprints that chunk states have, by the position of a state's first token; that of states for any
    place first."""
    blendability: Blendability
    load_ms: float


class Job(Generic[Event]):
    """One request under way; iterate from one thread. Iterated again, it only ends again."""

    def __init__(self, stop: Callable[["Job[Any]"], None], priority: int) -> None:
        self.priority = priority
        self._events: SimpleQueue[Event | BaseException | None] = SimpleQueue()
        self._stop = stop
        self.cancelled = False

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self._events.get()
            if event is None or isinstance(event, BaseException):
                self._events.put(event)
                break
            yield event
        if event is not None:
            raise event

    def cancel(self) -> None:
        """Stop the request; its iterator then raises `Cancelled`, but for a conversation's answer that has begun, which
        ends with what there is of it. From any thread."""
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
    """See the module docstring. All methods but those of the compute thread are safe from any thread."""

    def __init__(self, options: SessionOptions, open_shelf: OpenShelf) -> None:
        self._options, self._open_shelf = options, open_shelf
        self._arrivals = itertools.count()
        self._changed = threading.Condition()  # guards the seven below
        self._inbox: list[_Waiting] = []
        self._running: Job[Any] | None = None
        self._served: list[Job[Any]] = []  # the job that runs, behind the steeping that it interrupts
        self._session: Session | None = None
        self._held = False
        self._closing = False
        self._ended: EngineError | None = None
        self._ready: Future[Ready] = Future()
        self._thread = threading.Thread(target=self._main, name="steep-compute", daemon=True)
        self._thread.start()

    def wait_ready(self) -> Ready:
        """Block until the model is loaded; raises what loading raised."""
        return self._ready.result()

    @property
    def is_alive(self) -> bool:
        """Whether requests are served, or will be once the model is loaded."""
        with self._changed:
            return not self._closing and self._ended is None

    def answer(self, request: AnswerRequest) -> Job[AnswerEvent]:
        """Submit a question by itself."""

        def work(session: Session, job: Job[AnswerEvent]) -> None:
            job.emit(session.answer(request, job.emit))

        return self._submit(_QUESTION_PRIORITY, work)

    def converse(self, request: TurnRequest) -> Job[AnswerEvent]:
        """Submit the next turn of a conversation."""

        def work(session: Session, job: Job[AnswerEvent]) -> None:
            job.emit(session.converse(request, job.emit))

        return self._submit(_QUESTION_PRIORITY, work)

    def recall(self, conversation_id: int) -> Job[Recalled]:
        """Bring back a conversation's memory."""
        return self._once(lambda session: session.recall(conversation_id))

    def keep(self) -> Job[Kept]:
        """Put the current conversation's memory away."""
        return self._once(lambda session: session.keep())

    def branch(self, source_id: int, target_id: int, num_turns: int) -> Job[Recalled]:
        """Let the memory of a conversation's first turns be the memory of another one."""
        return self._once(lambda session: session.branch(source_id, target_id, num_turns))

    def forget(self, conversation_id: int) -> Job[None]:
        """Drop a conversation's memory; the job has no events, it only ends."""
        return self._submit(_QUESTION_PRIORITY, lambda session, _: session.forget(conversation_id))

    def _once(self, act: Callable[[Session], Event]) -> Job[Event]:
        return self._submit(_QUESTION_PRIORITY, lambda session, job: job.emit(act(session)))

    def steep(self, request: SteepRequest) -> Job[SteepEvent]:
        """Submit chunks to steep, one event per chunk."""

        def work(session: Session, job: Job[SteepEvent]) -> None:
            started, num_encoded = perf_counter(), 0
            for chunk in request.chunks:
                self._give_way(job)
                steeped = session.steep(chunk, lambda: self._give_way(job), request.first_position)
                num_encoded += steeped.num_tokens if steeped.num_bytes else 0
                job.emit(steeped)
            job.emit(SteepDone(len(request.chunks), num_encoded, (perf_counter() - started) * 1e3))

        return self._submit(_STEEP_PRIORITY, work)

    def gate(self, request: GateRequest) -> Job[GateEvent]:
        """Submit a measurement of the model, which gives way to everything else; it ends with its verdict."""

        def work(session: Session, job: Job[GateEvent]) -> None:
            job.emit(session.gate(request, lambda: self._give_way(job), job.emit))

        return self._submit(_GATE_PRIORITY, work)

    def hold(self) -> None:
        """Stop steeping until `release`; questions are answered meanwhile."""
        with self._changed:
            self._held = True
            self._interrupt_for(_QUESTION_PRIORITY)

    def release(self) -> None:
        """Go on with steeping."""
        with self._changed:
            self._held = False
            self._changed.notify_all()

    def close(self) -> None:
        """Cancel, drop and join; harmless to call again."""
        with self._changed:
            self._closing = True
            if self._session:
                self._session.cancel()
            self._changed.notify_all()
        self._thread.join()

    def _submit(self, priority: int, work: Callable[[Session, Job[Event]], None]) -> Job[Event]:
        job: Job[Event] = Job(self._stop, priority)
        with self._changed:
            if self._closing or self._ended:
                job.end(self._ended or Cancelled("the runtime is closed"))
                return job
            heapq.heappush(self._inbox, _Waiting(priority, next(self._arrivals), (job, work)))
            self._interrupt_for(priority)
            self._changed.notify_all()
        return job

    def _interrupt_for(self, priority: int) -> None:
        """Break off a step of what is less urgent; it is repeated."""
        if self._session and self._running and self._running.priority > priority:
            self._session.cancel()

    def _stop(self, job: Job[Any]) -> None:
        with self._changed:
            if self._running is job and self._session:
                self._session.cancel()
            self._changed.notify_all()

    # --- the compute thread

    def _main(self) -> None:
        ended: EngineError = Cancelled("the runtime is closed")
        try:
            with Session(self._options, self._open_shelf) as session:
                self._work(session)
        except BaseException as error:
            if self._ready.done():
                _logger.critical("the compute thread ended", exc_info=error)
            else:
                self._ready.set_exception(error)
            ended = EngineStopped(f"the engine has stopped: {error or type(error).__name__}")
        self._end_all(ended)

    def _work(self, session: Session) -> None:
        try:
            with self._changed:
                self._session = session
            self._ready.set_result(
                Ready(
                    session.model.path.name,
                    session.frame,
                    session.facts,
                    session.blendability,
                    session.load_ms,
                )
            )
            while (waiting := self._next()) is not None:
                self._serve(session, waiting)
        finally:
            with self._changed:
                self._session = None

    def _next(self) -> _Waiting | None:
        """The next request; None when the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._inbox or self._closing)
            return None if self._closing else heapq.heappop(self._inbox)

    def _serve(self, session: Session, waiting: _Waiting) -> None:
        job, work = waiting.work
        self._served.append(job)
        before = self._take_over(session, job)
        try:
            if job.cancelled:
                raise Cancelled("stopped on request")
            work(session, job)
            job.end()
        except BaseException as error:  # noqa: BLE001 - handed to whoever reads the job
            job.end(error)
        finally:
            self._take_over(session, before)
        self._served.remove(job)

    def _take_over(self, session: Session, job: Job[Any] | None) -> Job[Any] | None:
        """Make `job` the one that `_stop` stops; answers with the one before."""
        with self._changed:
            before, self._running = self._running, job
            if not self._closing:
                (session.cancel if job is not None and job.cancelled else session.allow)()
            return before

    def _give_way(self, job: Job[Any]) -> None:
        """Between two slices of a job: serve what is more urgent and came meanwhile, and wait while on hold."""
        while (waiting := self._more_urgent(job)) is not None:
            assert self._session is not None, "a job runs in a session"
            self._serve(self._session, waiting)

    def _more_urgent(self, job: Job[Any]) -> _Waiting | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waits_before(job) or job.cancelled or self._closing or not self._held)
            if job.cancelled or self._closing:
                raise Cancelled("stopped on request")
            if self._waits_before(job):
                return heapq.heappop(self._inbox)
            assert self._session is not None, "a job runs in a session"
            self._session.allow()
            return None

    def _waits_before(self, job: Job[Any]) -> bool:
        return bool(self._inbox) and self._inbox[0].priority < job.priority

    def _end_all(self, error: EngineError) -> None:
        """Nobody will serve what still waits, or comes later."""
        with self._changed:
            self._ended = error
            left, self._inbox = self._inbox, []
            jobs = [*self._served, *(waiting.work[0] for waiting in left)]
        for job in jobs:
            job.end(error)
