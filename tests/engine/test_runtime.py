"""The compute thread: order, cancelling, errors, closing."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import kv_state
from engine.errors import Cancelled, EngineError, NotGguf
from engine.model import ContextOptions
from engine.requests import AnswerDone, AnswerRequest, ContextChunk, Mode, Prefilled, SteepDone, Steeped, SteepRequest
from engine.runtime import Runtime
from engine.session import SessionOptions
from tests.fakes import MemoryShelf

pytestmark = pytest.mark.model

LONG_TEXT = "The tide comes in twice a day and nobody on the island has ever found that strange. " * 24


@pytest.fixture
def runtime(starter_model: Path) -> Iterator[Runtime]:
    options = SessionOptions(starter_model, "test", ContextOptions(num_cells=2048, batch_tokens=128))
    with Runtime(options, MemoryShelf().opened) as runtime:
        yield runtime


def chunks(runtime: Runtime, count: int) -> tuple[ContextChunk, ...]:
    frame = runtime.wait_ready().frame
    return tuple(ContextChunk(i, frame.chunk(f"{i}. The mayor of town {i} is called Ada.")) for i in range(count))


def test_a_question_overtakes_steeping_that_came_first(runtime: Runtime) -> None:
    steeping = runtime.steep(SteepRequest(chunks(runtime, 6)))
    question = runtime.answer(AnswerRequest("Who?", (), max_answer_tokens=1))
    order: list[str] = []
    readers = [
        threading.Thread(target=lambda: order.extend("s" for event in steeping if isinstance(event, SteepDone))),
        threading.Thread(target=lambda: order.extend("q" for event in question if isinstance(event, AnswerDone))),
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert order == ["q", "s"]


def test_a_question_breaks_off_the_batch_that_is_being_steeped_and_leaves_its_state_right(
    starter_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = kv_state._finished
    ends: list[bool] = []
    monkeypatch.setattr(kv_state, "_finished", lambda *batch: ends.append(finished(*batch)) or ends[-1])

    def states(interrupted: bool) -> dict:
        shelf = MemoryShelf()
        options = SessionOptions(starter_model, "test", ContextOptions(num_cells=1024, batch_tokens=128))
        with Runtime(options, shelf.opened) as runtime:
            chunk = ContextChunk(1, runtime.wait_ready().frame.chunk(LONG_TEXT))
            list(runtime.steep(SteepRequest(chunks(runtime, 1))))  # and the preamble
            steeping = runtime.steep(SteepRequest((chunk,)))
            if interrupted:
                reader = threading.Thread(target=lambda: list(steeping))
                reader.start()
                while reader.is_alive() and False not in ends:
                    list(runtime.answer(AnswerRequest("Who?", (), max_answer_tokens=1)))
                reader.join()
            else:
                list(steeping)
        return shelf.blobs

    interrupted = states(interrupted=True)
    assert False in ends, "no batch was broken off"
    assert interrupted == states(interrupted=False)


def test_steeping_rests_while_held_and_questions_do_not(runtime: Runtime) -> None:
    few = chunks(runtime, 3)
    runtime.hold()
    steeping = runtime.steep(SteepRequest(few))
    assert list(runtime.answer(AnswerRequest("Who?", (), max_answer_tokens=1)))
    done = threading.Event()
    reader = threading.Thread(target=lambda: (list(steeping), done.set()))
    reader.start()
    assert not done.wait(0.3)
    runtime.release()
    reader.join()
    assert done.is_set()


def test_cancelling_and_closing_reach_steeping_that_is_held(runtime: Runtime) -> None:
    few = chunks(runtime, 3)
    runtime.hold()
    cancelled, closed = runtime.steep(SteepRequest(few)), runtime.steep(SteepRequest(few))
    cancelled.cancel()
    with pytest.raises(Cancelled):
        list(cancelled)
    runtime.close()
    for job in (closed, runtime.steep(SteepRequest(few))):
        with pytest.raises(Cancelled):
            list(job)


def test_a_cancelled_answer_raises_and_the_next_one_works(runtime: Runtime) -> None:
    frame = runtime.wait_ready().frame
    long = ContextChunk(1, frame.chunk(LONG_TEXT))
    job = runtime.answer(AnswerRequest("What comes in?", (long,), mode=Mode.EXACT))
    events = iter(job)
    assert isinstance(next(events), Prefilled)
    job.cancel()
    with pytest.raises(Cancelled):
        list(events)
    short = ContextChunk(2, frame.chunk("The cat is called Biscuit."))
    done = list(runtime.answer(AnswerRequest("What is the cat called?", (short,), max_answer_tokens=12)))[-1]
    assert isinstance(done, AnswerDone)
    assert "Biscuit" in done.text


def test_cancelling_steeping_keeps_what_is_done(starter_model: Path) -> None:
    shelf = MemoryShelf()
    options = SessionOptions(starter_model, "test", ContextOptions(num_cells=1024, batch_tokens=128))
    with Runtime(options, shelf.opened) as runtime:
        job = runtime.steep(SteepRequest(chunks(runtime, 50)))
        events = iter(job)
        first = next(events)
        job.cancel()
        done = [first]
        with pytest.raises(Cancelled):
            done.extend(events)
    assert isinstance(first, Steeped)
    assert 1 <= len(done) < 50
    assert len(shelf.blobs) == len(done) + 1  # and the preamble


def test_a_model_that_cannot_be_loaded_is_told_to_whoever_waits(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"not a model")
    options = SessionOptions(path, "test", ContextOptions(64))
    with Runtime(options, MemoryShelf().opened) as runtime, pytest.raises(NotGguf):
        runtime.wait_ready()


def test_an_error_of_one_request_leaves_the_thread_alive(runtime: Runtime) -> None:
    runtime.wait_ready()
    with pytest.raises(EngineError, match="tokens"):
        list(runtime.answer(AnswerRequest("why " * 4000, ())))
    assert list(runtime.answer(AnswerRequest("Hello?", (), max_answer_tokens=1)))


def test_closing_stops_what_runs_and_ends_what_waits(starter_model: Path) -> None:
    options = SessionOptions(starter_model, "test", ContextOptions(num_cells=1024, batch_tokens=128))
    runtime = Runtime(options, MemoryShelf().opened)
    jobs = [runtime.steep(SteepRequest(chunks(runtime, 50))), runtime.steep(SteepRequest(()))]
    next(iter(jobs[0]))
    runtime.close()
    runtime.close()
    for job in jobs:
        with pytest.raises(Cancelled):
            list(job)
