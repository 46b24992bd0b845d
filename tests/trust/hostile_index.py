"""Index files with flipped bytes: whatever is asked of them, the answer is an answer or a StorageError for the user.

Each file is used as the program uses it, in a process of its own, so that a crash is seen. A flipped byte inside of a
text is another text, which nobody can tell; what must not be is a traceback, a hang, or a state that was not asked for.
"""

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

from app.library.overview import read_overview
from app.locations import find_locations
from app.search.retrieval import retrieve
from app.settings import Settings
from app.wiring import Parts
from storage import chunk_file, chunk_format
from storage import index as index_module
from storage.check import StoreCheck
from storage.errors import StorageError
from storage.findings import Finding, Progress
from storage.index import Index
from storage.store import StateStore
from storage.traces import TraceSearch
from storage.values import DocumentVersion, Miss, StateKey, Turn
from tests.trust.household import Household

_WAIT_SECONDS = 600


def run(folder: Path, num_files: int, seed: int) -> Counter[str]:
    """How it ended, by operation; AssertionError for anything that is no answer and no StorageError."""
    household = Household.furnish(folder)
    with household.engine() as (parts, engine):
        household.read_and_steep(parts, engine)
        household.converse(parts, engine)
        parts.index.put_turn(Turn(1, 1, "What?", "An answer.", '{"sources": []}', 1))
    process, hears = household.start(_use_all, num_files, seed)
    last: object = "nothing yet"
    try:
        while hears.poll(_WAIT_SECONDS):
            last = hears.recv()
            if isinstance(last, Counter):
                assert not any(outcome.startswith("wrong") for outcome in last), last
                return last
    except EOFError:
        pass
    process.join()
    raise AssertionError(f"the process ended with {process.exitcode} behind {last}")


def _use_all(household: Household, told: Connection, num_files: int, seed: int) -> None:
    index_module.BUSY_TIMEOUT_SECONDS = 1
    tally: Counter[str] = Counter()
    good = household.home / "data" / "index.sqlite3"
    with closing(sqlite3.connect(good)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = good.read_bytes()
    with household.parts() as parts:
        states = [(key, parts.store.path_of(key)) for key in parts.index.state_keys()]
    bytes_of = {key: path.read_bytes() for key, path in states}
    for number in range(num_files):
        home = household.home.parent / "damaged"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        for key, path in states:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes_of[key])
        (home / "index.sqlite3").write_bytes(damaged(data, random.Random(seed * 1_000_003 + number)))
        for name, error in _use(home, household, bytes_of):
            if error is None:
                tally["answered"] += 1
            elif isinstance(error, StorageError):
                tally["told"] += 1
            elif "a wrong state" not in str(error) and _is_damaged(home):
                tally["told by the command line"] += 1
            else:
                tally[f"wrong: {name}: {error!r} (file {number})"] += 1
        if number % 20 == 0:
            told.send(f"file {number}")
    told.send(tally)


def _is_damaged(home: Path) -> bool:
    try:
        with Index(home / "index.sqlite3") as index:
            return bool(index.damage())
    except StorageError:
        return True


def damaged(data: bytes, jitter: random.Random) -> bytes:
    changed = bytearray(data)
    kind = jitter.randrange(5)
    if kind == 0:
        changed[jitter.randrange(100)] ^= 1 << jitter.randrange(8)  # the header of the file
    elif kind == 1:
        del changed[jitter.randrange(len(changed)) :]
    elif kind == 2:
        page = jitter.randrange(len(changed) // 4096) * 4096
        changed[page : page + 4096] = jitter.choice((bytes(4096), jitter.randbytes(4096)))
    else:
        for _ in range(jitter.choice((1, 10, 200))):
            changed[jitter.randrange(len(changed))] ^= 1 << jitter.randrange(8)
    return bytes(changed)


def _use(home: Path, household: Household, bytes_of: dict[StateKey, bytes]) -> list[tuple[str, BaseException | None]]:
    done: list[tuple[str, BaseException | None]] = []
    try:
        index = Index(home / "index.sqlite3")
    except Exception as error:  # noqa: BLE001 - which one is what is asked
        return [("open", error)]
    with index:
        store = StateStore(household.home / "data" / "kv", index)
        for operation in _operations(index, store, household, bytes_of):
            try:
                operation()
                done.append((operation.__name__, None))
            except Exception as error:  # noqa: BLE001
                done.append((operation.__name__, error))
    return done


def _operations(
    index: Index, store: StateStore, household: Household, bytes_of: dict[StateKey, bytes]
) -> Iterator[Callable[[], object]]:
    """What commands and the app ask for."""
    parts = Parts(find_locations({"STEEP_HOME": str(household.home)}), Settings(), index, store)
    fingerprints = sorted({key.fingerprint for key in bytes_of})
    fingerprint = fingerprints[0]

    def overview() -> None:
        read_overview(parts, fingerprints)
        read_overview(parts)

    def numbers() -> None:
        index.counts()
        index.stage_counts()
        index.backlog(fingerprint)
        index.state_bytes()
        index.model_speeds()

    def documents() -> None:
        for document in index.documents():
            index.chunks(document.path)
            index.states_of_document(document.path, fingerprint)

    def search() -> None:
        retrieve(index, "Who is the captain of the ferry in the harbour?", 400)

    def waiting() -> None:
        index.chunks_without_state(fingerprint)
        index.coldest_states(100)
        index.unlinked_states()

    def states() -> None:
        for key, data in bytes_of.items():
            state = chunk_format.decode(data, key)
            found = store.get(key, state.token_ids)
            assert isinstance(found, Miss) or bytes(found.blob) == bytes(state.blob), "a wrong state"

    def conversations() -> None:
        for conversation in index.conversations():
            index.turns(conversation.id)
            recalled = store.recall_conversation(conversation.id)
            if not isinstance(recalled, Miss):
                assert chunk_file.read(store.path_of(recalled.state.key), recalled.state.key) == recalled.state
        index.search_conversations(["captain"], 5)
        index.questions(5)

    def write() -> None:
        folder = index.folders()[0]
        index.put_document(folder.id, DocumentVersion(folder.path / "new", 1, 1, "d", "new"), [])
        index.note_use([1, 2, 3], *fingerprints)
        index.put_turn(Turn(1, 1, "What?", "An answer.", "{}", 1))
        index.remove_document(folder.path / "new")

    def doctor() -> None:
        checking = StoreCheck(index, parts.locations.states_dir, pause_seconds=0)
        assert all(isinstance(event, Finding | Progress) for event in checking.find())

    def traces() -> None:
        list(TraceSearch(index, parts.locations.states_dir, parts.locations.vectors_dir, Path("/docs")).looks())

    def purge() -> None:
        index.remove_folder(index.folders()[0].path)
        index.compact()

    yield from (overview, numbers, documents, search, waiting, states, conversations, write, doctor, traces, purge)
