"""What is loaded ahead is what the finished question asks for; nobody notices where that fails."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from app.asking import find, request_of
from app.assistant.assistant import Assistant
from app.assistant.events import AnswerFinished, ModelReady, Trouble
from app.assistant.lookup import Lookup
from app.assistant.prefetch import Prefetch, likely_states, warm
from app.assistant.question import Asked
from app.gate.verdicts import course_of
from app.shelf import StoreShelf
from app.wiring import Engine, Parts, engine_of, open_parts
from storage.content_key import state_key
from storage.index import Index
from storage.state_file import StateFile
from storage.values import Turn
from tests.app.assistant.conftest import Ear
from tests.app.program import Program
from tests.waiting import wait_until

QUESTION = "Where does Biscuit sleep after a herring pie?"
UNFINISHED = "Where does Biscuit sleep after a herring p"
ABOUT_THE_FERRY = "Who is the captain of the ferry?"


@pytest.fixture
def parts(home: Path) -> Iterator[Parts]:
    with open_parts({}, for_engine=True) as opened:
        yield opened


@pytest.fixture
def engine(parts: Parts, steeped: Program) -> Iterator[Engine]:
    with engine_of(parts, steeped.model, 1024) as opened:
        yield opened


@pytest.fixture
def warmed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files of which loading was asked for, in order."""
    paths: list[Path] = []
    really = StateFile.warm

    def note(file: StateFile) -> None:
        really(file)
        paths.append(file.path)

    monkeypatch.setattr(StateFile, "warm", note)
    return paths


def draft(text: str, *scope: Path, conversation_id: int | None = None, ordinal: int | None = None) -> Asked:
    return Asked(text, conversation_id, ordinal, scope, vary=False)


def wanted_by(question: str, parts: Parts, engine: Engine, num_tokens_before: int = 0) -> list[StateFile]:
    """The files that an answer to the question looks for and finds, behind so many tokens of a conversation."""
    found = find(question, parts, engine, None)
    request = request_of(question, found, parts.settings, course_of(parts, engine))
    frame, found = engine.ready.frame, list[StateFile | None]()
    position = len(frame.preamble) + num_tokens_before
    for chunk in request.chunks:
        first = frame.first_position_at(position)
        found.append(parts.store.find(state_key(engine.fingerprints[first], first, chunk.token_ids), chunk.token_ids))
        position += len(chunk.token_ids)
    return [file for file in found if file]


def document(parts: Parts, name: str) -> Path:
    return next(document.path for document in parts.index.documents() if document.path.name == name)


# --- what is guessed


@pytest.mark.parametrize("text", [QUESTION, UNFINISHED])
def test_what_is_likely_is_what_the_finished_question_asks_for(parts: Parts, engine: Engine, text: str):
    likely = likely_states(draft(text), parts, engine)
    assert likely == wanted_by(QUESTION, parts, engine)
    assert likely != wanted_by(ABOUT_THE_FERRY, parts, engine)
    assert all(file.path.is_file() for file in likely)


def test_only_what_is_selected_is_likely(parts: Parts, engine: Engine):
    everywhere = likely_states(draft("Who is Odile Marsh?"), parts, engine)
    selected = likely_states(draft("Who is Odile Marsh?", document(parts, "cats.txt")), parts, engine)
    assert len(selected) == 1
    assert len(everywhere) == 2
    assert selected[0].token_ids in [file.token_ids for file in everywhere]


def test_a_short_question_leans_on_the_turn_before_the_one_it_replaces(parts: Parts, engine: Engine):
    talk = parts.index.start_conversation("Talk")
    parts.index.put_turn(Turn(talk.id, 0, ABOUT_THE_FERRY, "Odile Marsh.", "", 1))
    parts.index.put_turn(Turn(talk.id, 1, "What is the bakery in the harbour called?", "Nobody knows.", "", 2))
    short, leaning = "Biscuit chart", f"{ABOUT_THE_FERRY}\nBiscuit chart"
    alone = likely_states(draft(short), parts, engine)
    behind = likely_states(draft(short, conversation_id=talk.id, ordinal=1), parts, engine)
    assert behind == wanted_by(leaning, parts, engine, num_tokens_before=9)
    assert behind != alone


def test_one_word_to_search_for_is_too_few(parts: Parts, engine: Engine):
    assert likely_states(draft("Who is the captain?"), parts, engine) == []
    assert likely_states(draft("Who is captain Marsh?"), parts, engine) != []


def test_where_everything_is_computed_nothing_is_loaded_ahead(parts: Parts, engine: Engine):
    exact = replace(parts, settings=replace(parts.settings, mode="exact"))
    assert likely_states(draft(QUESTION), exact, engine) == []


def test_a_chunk_without_a_state_is_left_out(parts: Parts, engine: Engine):
    first, *others = likely_states(draft(QUESTION), parts, engine)
    first.path.unlink()
    assert likely_states(draft(QUESTION), parts, engine) == others


def test_nothing_is_written(parts: Parts, engine: Engine):
    with Index(parts.locations.index_file) as onlooker:
        before = onlooker.data_version()
        warm(likely_states(draft(QUESTION), parts, engine))
        assert onlooker.data_version() == before


# --- when it is loaded


def test_files_are_warmed_the_last_first(parts: Parts, engine: Engine, warmed: list[Path]):
    files = wanted_by(QUESTION, parts, engine)
    assert len(files) > 1
    warm(files)
    assert warmed == [file.path for file in reversed(files)]


@pytest.mark.parametrize(("num_more", "is_enough"), [(-1, False), (0, True)])
def test_memory_for_twice_the_bytes_must_be_there(
    parts: Parts,
    engine: Engine,
    warmed: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    num_more: int,
    is_enough: bool,
):
    files = wanted_by(QUESTION, parts, engine)
    available = 2 * sum(file.path.stat().st_size for file in files) + num_more
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))
    warm(files)
    assert bool(warmed) == is_enough


def test_a_draft_waits_for_an_engine_unless_it_is_given_up(parts: Parts, engine: Engine, warmed: list[Path]):
    with Lookup({}) as lookup:
        prefetch = Prefetch(lookup)
        prefetch.want(draft(ABOUT_THE_FERRY))
        prefetch.give_up()
        prefetch.want(draft(QUESTION))
        assert warmed == []
        prefetch.use(engine)
        wait_until(lambda: len(warmed) == len(wanted_by(QUESTION, parts, engine)))
    assert set(warmed) == {file.path for file in wanted_by(QUESTION, parts, engine)}


def test_an_engine_is_let_go_of_only_when_nothing_uses_it(
    parts: Parts, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    looking, released, events = threading.Event(), threading.Event(), list[str]()

    def slow(*_: object) -> list[StateFile]:
        looking.set()
        released.wait()
        events.append("looked")
        return []

    monkeypatch.setattr("app.assistant.prefetch.likely_states", slow)
    with Lookup({}) as lookup:
        prefetch = Prefetch(lookup)
        prefetch.use(engine)
        prefetch.want(draft(QUESTION))
        looking.wait()
        closing = threading.Thread(target=lambda: (prefetch.use(None), events.append("let go")))
        closing.start()
        prefetch.want(draft(ABOUT_THE_FERRY))  # which does not block meanwhile
        released.set()
        closing.join()
    assert events[0] == "looked"
    assert events[-1] == "let go"


# --- as the assistant does it


def test_the_assistant_warms_what_the_answer_then_reads(
    home: Path, ear: Ear, start: Callable[[], Assistant], warmed: list[Path], monkeypatch: pytest.MonkeyPatch
):
    read: dict[str, set[Path]] = {}
    really = StoreShelf.find

    def note(shelf: StoreShelf, first_position: int, token_ids: tuple[int, ...]) -> StateFile | None:
        found = really(shelf, first_position, token_ids)
        if found:
            read.setdefault(threading.current_thread().name.partition("_")[0], set()).add(found.path)
        return found

    monkeypatch.setattr(StoreShelf, "find", note)
    assistant = start()
    assistant.prefetch(UNFINISHED)
    wait_until(lambda: len(warmed) == 2)
    assert set(read) == {"steep-lookup"}
    assistant.ask(QUESTION)
    ear.wait(AnswerFinished)
    assert set(warmed) == read["steep-compute"]


def test_nobody_hears_of_a_guess_that_fails(
    home: Path,
    everything_kept: None,
    ear: Ear,
    start: Callable[[], Assistant],
    warmed: list[Path],
    caplog: pytest.LogCaptureFixture,
):
    assistant = start()
    ear.wait(ModelReady)
    assistant.prefetch(UNFINISHED, scope=(Path("/nothing/there"),))
    wait_until(lambda: "WrongUse" in caplog.text)
    assert "Biscuit" not in caplog.text
    assert not ear.all(Trouble)
    assistant.prefetch(QUESTION)
    wait_until(lambda: warmed)
