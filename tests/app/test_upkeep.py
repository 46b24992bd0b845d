"""The whole chain on a real folder: a change is heard, read, searchable, steeped. Only the model is tiny."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.budget import used_bytes
from app.indexer import FileGone, FileSeen
from app.locations import find_locations
from app.precedence import asking
from app.steeper import ChunkSteeped
from app.terminal import Terminal
from app.upkeep import Resting, Standing, SweepDone, UpkeepEvent, keep_up
from app.wiring import open_engine, open_parts
from storage.index import Index
from storage.store import StateStore
from storage.values import DocumentStage

WAIT_SECONDS = 60


class Watching:
    """`keep_up` in a thread of its own, what it told, and the index as another process sees it."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.events: list[UpkeepEvent] = []
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with (
                open_parts({}, for_engine=True) as parts,
                open_engine(parts, Terminal(quiet=True), context_tokens=512) as engine,
            ):
                keep_up(parts, engine, self.events.append, self._stop)
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.failure = error

    def wait_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert self.failure is None, self.failure
            assert time.monotonic() < deadline, (self.events[-20:], self.index.stage_counts())
            time.sleep(0.02)

    def wait_until_all_is_steeped(self, num_documents: int) -> None:
        self.wait_until(lambda: self.index.stage_counts()[DocumentStage.STEEPED] == num_documents)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()
        assert self.failure is None, self.failure

    def finds(self, word: str) -> list[str]:
        return [hit.chunk.document_path.name for hit in self.index.search([word], 10)]

    def num_encoded(self) -> int:
        return sum(isinstance(event, ChunkSteeped) and event.was_encoded for event in self.events)


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEEP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STEEP_MODEL", str(tiny_model))
    monkeypatch.setenv("STEEP_THREADS", "1")
    monkeypatch.setenv("STEEP_GATE", "false")  # which what is for the first place would wait for
    path = tmp_path.resolve() / "documents"
    path.mkdir()
    (path / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at seven.\n")
    (path / "cats.txt").write_text("The cat is called Biscuit.\n")
    return path


@pytest.fixture
def index(folder: Path) -> Iterator[Index]:
    with Index(find_locations().index_file) as opened:
        opened.add_folder(folder)
        yield opened


@pytest.fixture
def watching(index: Index) -> Iterator[Watching]:
    started = Watching(index)
    yield started
    started.close()


def test_what_is_there_at_the_start_is_read_and_steeped(watching: Watching):
    watching.wait_until_all_is_steeped(2)
    assert watching.finds("Biscuit") == ["cats.txt"]
    (sweep,) = [event for event in watching.events if isinstance(event, SweepDone)]
    assert (sweep.num_files, sweep.num_read) == (2, 2)
    watching.wait_until(lambda: watching.num_encoded() == 4)
    watching.wait_until(lambda: isinstance(watching.events[-1], Standing))
    assert watching.events[-1].stages[DocumentStage.STEEPED] == 2
    assert watching.events[-1].backlog.num_chunks == 0


def test_the_first_place_waits_for_the_gate(index: Index, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.gate.background.BackgroundGate.is_running", True)
    watching = Watching(index)
    watching.wait_until_all_is_steeped(2)
    watching.wait_until(
        lambda: any(isinstance(event, Standing) and event.backlog.num_chunks == 2 for event in watching.events)
    )
    watching.close()
    assert watching.num_encoded() == 2


def test_what_has_no_room_for_the_first_place_is_not_waited_for(index: Index, monkeypatch: pytest.MonkeyPatch):
    watching = Watching(index)
    watching.wait_until(lambda: watching.num_encoded() == 4)
    watching.close()
    kept, expendable = index.coldest_states(), index.expendable_fingerprints()
    store = StateStore(find_locations().states_dir, index)
    assert store.evict({state.key: "" for state in kept if state.key.fingerprint in expendable})
    monkeypatch.setenv("STEEP_BUDGET_GB", f"{(used_bytes(index) + 100) / 1e9:.9f}")
    watching = Watching(index)
    watching.wait_until(lambda: any(isinstance(event, Standing) for event in watching.events))
    watching.wait_until(lambda: [e for e in watching.events if isinstance(e, Standing)][-1].backlog.num_chunks == 0)
    watching.close()
    assert watching.num_encoded() == 0


def test_a_sweep_tells_where_it_stands_before_it_ends(index: Index, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.upkeep._STANDING_SECONDS", 0.0)
    watching = Watching(index)
    watching.wait_until_all_is_steeped(2)
    watching.close()
    kinds = [type(event) for event in watching.events]
    assert kinds.index(Standing) < kinds.index(SweepDone)


def test_an_edit_a_new_file_and_a_deletion_are_noticed(watching: Watching, folder: Path):
    watching.wait_until_all_is_steeped(2)
    (folder / "ferry.md").write_text("# Ferry\n\nThe ferry leaves at nine.\n")
    (folder / "new.txt").write_text("A goat came.")
    (folder / "cats.txt").unlink()
    watching.wait_until(lambda: watching.finds("nine") and watching.finds("goat") and not watching.finds("Biscuit"))
    assert watching.finds("seven") == []
    watching.wait_until(lambda: not watching.index.unlinked_states())
    watching.wait_until_all_is_steeped(2)


def test_states_that_somebody_drops_are_computed_anew(watching: Watching):
    watching.wait_until_all_is_steeped(2)
    watching.wait_until(lambda: isinstance(watching.events[-1], Standing))
    num_told = len(watching.events)
    watching.index.forget_states(watching.index.state_keys())
    watching.wait_until(lambda: any(isinstance(event, ChunkSteeped) for event in watching.events[num_told:]))
    watching.wait_until_all_is_steeped(2)


def test_a_renamed_file_is_not_steeped_again(watching: Watching, folder: Path):
    watching.wait_until(lambda: watching.num_encoded() == 4)
    (folder / "cats.txt").rename(folder / "pets.txt")
    watching.wait_until(lambda: FileGone(folder / "cats.txt") in watching.events)
    assert watching.finds("Biscuit") == ["pets.txt"]
    watching.wait_until_all_is_steeped(2)
    assert watching.num_encoded() == 4


def test_a_folder_that_is_added_meanwhile_is_followed_and_one_that_is_removed_is_not(
    watching: Watching, tmp_path: Path, folder: Path
):
    watching.wait_until_all_is_steeped(2)
    other = tmp_path.resolve() / "other"
    other.mkdir()
    (other / "dog.txt").write_text("The dog is called Ada.")
    watching.index.add_folder(other)
    watching.wait_until(lambda: watching.finds("dog"))
    watching.index.remove_folder(folder)
    (folder / "late.txt").write_text("Too late.")
    (other / "dog.txt").write_text("The dog is called Bob.")
    watching.wait_until(lambda: watching.finds("Bob"))
    assert watching.finds("late") == watching.finds("Biscuit") == []


def test_all_rests_while_somebody_asks(index: Index, folder: Path):
    locations = find_locations()
    with asking(locations):
        watching = Watching(index)
        watching.wait_until(lambda: Resting("a question is being answered") in watching.events)
        (folder / "new.txt").write_text("A goat came.")
        assert watching.num_encoded() == 0
    watching.wait_until_all_is_steeped(3)
    assert Resting(None) in watching.events
    watching.close()


def test_a_broken_document_is_told_and_stops_nothing(watching: Watching, folder: Path):
    (folder / "broken.txt").write_bytes(bytes(range(32)) * 100)
    (folder / "good.txt").write_text("A goat came.")
    watching.wait_until(lambda: watching.finds("goat"))
    watching.wait_until(
        lambda: any(isinstance(event, FileSeen) and event.error == "is not a text file" for event in watching.events)
    )
