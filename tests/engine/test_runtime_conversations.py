"""The compute thread over the tiny model: conversations as jobs, and what its own end does to whoever waits."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from engine import session as session_module
from engine.errors import Cancelled, EngineStopped, NotGguf
from engine.model import ContextOptions
from engine.requests import (
    AnswerDone,
    AnswerRequest,
    AnswerText,
    ContextChunk,
    Kept,
    Mode,
    PastTurn,
    Prefilled,
    Recalled,
    SteepRequest,
    TurnRequest,
)
from engine.runtime import Runtime
from engine.session import Session, SessionOptions
from tests.fakes import MemoryShelf
from tests.waiting import wait_until


@pytest.fixture
def options(tiny_model: Path) -> SessionOptions:
    return SessionOptions(tiny_model, "test", ContextOptions(num_cells=2048, batch_tokens=64))


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf()


@pytest.fixture
def runtime(options: SessionOptions, shelf: MemoryShelf) -> Iterator[Runtime]:
    with Runtime(options, shelf.opened) as runtime:
        yield runtime


def turn(*past: PastTurn, conversation_id: int = 1, max_answer_tokens: int = 4) -> TurnRequest:
    ask = AnswerRequest(f"question {len(past)}?", (), mode=Mode.EXACT, max_answer_tokens=max_answer_tokens)
    return TurnRequest(ask, conversation_id, len(past), past)


def last(job) -> object:
    return list(job)[-1]


def said(request: TurnRequest, done: object) -> PastTurn:
    assert isinstance(done, AnswerDone)
    return PastTurn(request.ask.question, done.text)


def test_a_conversation_is_kept_recalled_branched_and_forgotten_as_jobs(
    runtime: Runtime, options: SessionOptions, shelf: MemoryShelf
) -> None:
    first = turn()
    done = last(runtime.converse(first))
    kept = last(runtime.keep())
    assert isinstance(kept, Kept)
    assert kept.num_bytes > 0
    runtime.close()
    with Runtime(options, shelf.opened) as again:
        recalled = last(again.recall(1))
        assert isinstance(recalled, Recalled)
        assert isinstance(done, AnswerDone)
        assert recalled.memory == done.memory
        branched = last(again.branch(1, 2, 1))
        assert isinstance(branched, Recalled)
        assert branched.memory is not None
        assert branched.memory.conversation_id == 2
        followed = last(again.converse(turn(said(first, done), conversation_id=2)))
        assert isinstance(followed, AnswerDone)
        assert followed.notices == ()
        assert list(again.forget(1)) == []
    assert set(shelf.kept) == set()


def test_stopping_an_answer_of_a_conversation_ends_its_job_with_what_there_is(runtime: Runtime) -> None:
    request = turn(max_answer_tokens=1000)
    job = runtime.converse(request)
    events = iter(job)
    text = ""
    for event in events:
        if isinstance(event, AnswerText):
            text += event.text
            job.cancel()
        if isinstance(event, AnswerDone):
            assert event.stopped
            assert event.text == text
            done = event
    assert 0 < len(text) < 1000
    followed = last(runtime.converse(turn(said(request, done))))
    assert isinstance(followed, AnswerDone)
    assert (followed.stopped, followed.notices) == (False, ())


def test_stopping_before_the_first_token_raises_and_the_conversation_goes_on(runtime: Runtime) -> None:
    request = turn()
    done = last(runtime.converse(request))
    long = ContextChunk(1, runtime.wait_ready().frame.chunk("long " * 200))
    ask = AnswerRequest("what?", (long,), mode=Mode.EXACT, max_answer_tokens=4)
    job = runtime.converse(TurnRequest(ask, 1, 1, (said(request, done),)))
    events = iter(job)
    assert isinstance(next(events), Prefilled)
    job.cancel()
    with pytest.raises(Cancelled):
        list(events)
    followed = last(runtime.converse(turn(said(request, done))))
    assert isinstance(followed, AnswerDone)
    assert followed.notices == ()


def test_a_turn_interrupts_steeping(runtime: Runtime) -> None:
    frame = runtime.wait_ready().frame
    steeping = runtime.steep(SteepRequest(tuple(ContextChunk(i, frame.chunk(f"{i} " * 200)) for i in range(4))))
    assert isinstance(last(runtime.converse(turn())), AnswerDone)
    assert len(list(steeping)) == 5


def test_a_job_that_has_ended_only_ends_again(runtime: Runtime) -> None:
    job = runtime.keep()
    assert len(list(job)) == 1
    assert list(job) == []


def test_whatever_ends_the_thread_ends_every_job_and_closes_the_session(
    options: SessionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[Session] = []
    reached, go_on = threading.Event(), threading.Event()
    take_over = Runtime._take_over

    def breaking(self: Runtime, session: Session, job: object) -> object:
        sessions.append(session)
        if job is None:
            reached.set()
            go_on.wait()
            raise MemoryError("no more memory")
        return take_over(self, session, job)

    monkeypatch.setattr(Runtime, "_take_over", breaking)
    with Runtime(options, MemoryShelf().opened) as runtime:
        running = runtime.converse(turn())
        reached.wait()
        waiting = [runtime.converse(turn()), runtime.keep(), runtime.steep(SteepRequest(()))]
        assert runtime.is_alive
        go_on.set()
        for job in waiting:
            with pytest.raises(EngineStopped, match="no more memory"):
                list(job)
        assert isinstance(last(running), AnswerDone)
        assert not runtime.is_alive
        for job in (runtime.converse(turn()), runtime.recall(1)):
            with pytest.raises(EngineStopped, match="no more memory"):
                list(job)
        wait_until(lambda: not runtime._thread.is_alive())
    assert sessions[0].model.num_open_contexts == 0


def test_a_session_that_fails_to_close_ends_what_comes_later(
    options: SessionOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Session.close

    def failing(self: Session) -> NoReturn:
        close(self)
        raise OSError("the disk is gone")

    monkeypatch.setattr(session_module.Session, "close", failing)
    runtime = Runtime(options, MemoryShelf().opened)
    runtime.wait_ready()
    runtime.close()
    with pytest.raises((EngineStopped, Cancelled)):
        list(runtime.keep())


def test_jobs_that_wait_for_a_model_that_cannot_be_loaded_are_told(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"not a model")
    with Runtime(SessionOptions(path, "test", ContextOptions(64)), MemoryShelf().opened) as runtime:
        with pytest.raises(NotGguf):
            runtime.wait_ready()
        with pytest.raises(EngineStopped, match=r"model\.gguf"):
            list(runtime.keep())
        assert not runtime.is_alive


def test_a_closed_runtime_is_not_alive(runtime: Runtime) -> None:
    runtime.wait_ready()
    assert runtime.is_alive
    runtime.close()
    assert not runtime.is_alive
    with pytest.raises(Cancelled, match="closed"):
        list(runtime.keep())
