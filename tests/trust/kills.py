"""kill -9 at random moments of steeping, eviction, removal and migration; then everything is looked after.

After every kill: no chunk that was said to be steeped is without its state, unless the job was to remove it; the doctor
finds nothing that it cannot repair, and nothing after that. Now and then all that would be served is computed again,
and the bytes compared.
"""

import contextlib
import io
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from app.library.actions import forget_folder
from app.terminal import Terminal
from storage import migrations
from storage.index import Index
from storage.values import ChunkText, DocumentVersion
from tests.trust.household import Household

_LONGEST_SECONDS = 1.0
"""From when a job begins to work until it is killed, at most: one or two rounds of it."""

_LONGEST_MIGRATION_SECONDS = 0.3

_COMPARE_EVERY = 25
_NUM_OLD_CHUNKS = 2000
_WAIT_SECONDS = 60


@dataclass
class Kills:
    """What was done."""

    num_kills: Counter[str] = field(default_factory=Counter[str])
    repaired: Counter[str] = field(default_factory=Counter[str])
    """Findings by kind."""
    num_reported_chunks: int = 0
    num_compared: int = 0


# --- jobs, each in its own process until it is killed


def steep(household: Household, told: Connection, seed: int) -> None:
    """Documents change, are read and steeped, again and again; conversations are kept."""
    jitter = random.Random(seed)
    with household.engine() as (parts, engine):
        told.send(None)
        while True:
            household.write_documents(jitter.choice(("stays", "comes-and-goes")), jitter)
            household.read_and_steep(parts, engine, told.send)
            household.embed(parts)
            household.converse(parts, engine)


def evict(household: Household, told: Connection, _seed: int) -> None:
    """`steep gc` with a budget of a part of what there is; then all is steeped again."""
    from app.commands import gc

    with household.engine() as (parts, engine), contextlib.redirect_stdout(io.StringIO()):
        household.read_and_steep(parts, engine)
        told.send(None)
        while True:
            share = parts.index.counts().num_state_bytes * 0.6 / 1e9
            gc.run({"budget_gb": share}, Terminal(quiet=True), dry_run=False, as_json=True)
            household.steep(parts, engine)


def remove(household: Household, told: Connection, _seed: int) -> None:
    """A folder goes, and comes back."""
    with household.engine() as (parts, engine):
        folder = household.folder("comes-and-goes")
        household.read_and_steep(parts, engine)
        told.send(None)
        while True:
            forget_folder(parts, folder)
            household.read_and_steep(parts, engine)


def migrate(_household: Household, told: Connection, old_index: Path) -> None:
    """An index of the first schema is opened."""
    told.send(None)
    Index(old_index).close()
    while True:
        time.sleep(1)


JOBS: tuple[Callable[[Household, Connection, int], None], ...] = (steep, evict, remove)


# --- the harness


def run(folder: Path, num_kills: int, seed: int, show: Callable[[int], None] = lambda _: None) -> Kills:
    """Kill so many times, a quarter of them in migrations."""
    household, jitter, kills = Household.furnish(folder), random.Random(seed), Kills()
    template = _old_index(folder / "old.sqlite3")
    with household.engine() as (parts, engine):
        household.read_and_steep(parts, engine)
    for number in range(num_kills):
        show(number)
        if number % 4 == 3:
            _kill_migration(household, template, jitter)
            kills.num_kills["migrate"] += 1
            continue
        job = JOBS[number % 4]
        kills.num_kills[job.__name__] += 1
        reported = _kill(household, job, number, jitter)
        kills.num_reported_chunks += len(reported)
        if job is steep:
            _assert_nothing_lost(household, reported)
        findings = household.check()
        kills.repaired.update(str(finding.kind) for finding in findings)
        household.repair()
        if number % _COMPARE_EVERY == 0:
            kills.num_compared += household.compare()
    kills.num_compared += household.compare()
    with household.engine() as (parts, engine):
        household.read_and_steep(parts, engine)
    household.repair(in_flight=False)
    kills.num_compared += household.compare()
    return kills


def _kill(household: Household, job: Callable[..., None], seed: int, jitter: random.Random) -> set[tuple[str, int]]:
    """Returns the chunks of which the job said that they are steeped, and for which fingerprint."""
    process, hears = household.start(job, seed)
    assert hears.poll(_WAIT_SECONDS), f"{job.__name__} did not begin"
    hears.recv()
    reported: set[tuple[str, int]] = set()
    until = time.monotonic() + jitter.random() * _LONGEST_SECONDS
    while (left := until - time.monotonic()) > 0:
        if hears.poll(left):
            assert process.is_alive(), f"{job.__name__} ended by itself: {process.exitcode}"
            reported.add(hears.recv())
    assert process.is_alive(), f"{job.__name__} ended by itself: {process.exitcode}"
    process.kill()
    process.join()
    with contextlib.suppress(EOFError, OSError):
        while hears.poll():
            reported.add(hears.recv())
    return reported


def _assert_nothing_lost(household: Household, reported: set[tuple[str, int]]) -> None:
    with household.parts() as parts:
        fingerprints = {key.fingerprint for key in parts.index.state_keys()}
        without = {(each, chunk.id) for each in fingerprints for chunk in parts.index.chunks_without_state(each)}
        lost = reported & without
    assert not lost, f"chunks {lost} were said to be steeped, and have no state"


def _old_index(path: Path) -> Path:
    """Of the schema before search words, conversations and all that: large enough that its migration takes a while."""
    with Index(path) as index:
        folder = index.add_folder(Path("/docs").absolute())
        texts = [
            ChunkText(i, i + 1, None, f"Heading {i}", f"text {i} of the ferry 渡船", 9) for i in range(_NUM_OLD_CHUNKS)
        ]
        index.put_document(folder.id, DocumentVersion(folder.path / "a", 1, 1, "digest", "a"), texts)
        chunks = index.chunks()
    old = path.with_name("first.sqlite3")
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN")
        migrations.apply(db, stop_before="m007_search_words")
        db.execute("INSERT INTO folders VALUES (1, ?, 1)", (str(folder.path),))
        db.execute(
            "INSERT INTO documents(id, folder_id, path, num_bytes, mtime_ns, content_digest, title, indexed_at)"
            " VALUES (1, 1, ?, 1, 1, 'digest', 'a', 1)",
            (str(folder.path / "a"),),
        )
        db.executemany(
            'INSERT INTO chunks(document_id, ordinal, heading, start, "end", text, text_digest, num_tokens)'
            " VALUES (1, ?, ?, 0, 1, ?, ?, 9)",
            [(each.ordinal, each.chunk.heading, each.chunk.text, f"{each.ordinal}") for each in chunks],
        )
        db.execute("COMMIT")
    return old


def _kill_migration(household: Household, template: Path, jitter: random.Random) -> None:
    """Every row is there afterwards, whether the schema is the old or the new one."""
    path = household.home.parent / "migrating" / "index.sqlite3"
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir()
    shutil.copy(template, path)
    process, hears = household.start(migrate, path)
    assert hears.poll(_WAIT_SECONDS)
    time.sleep(jitter.random() * _LONGEST_MIGRATION_SECONDS)
    process.kill()
    process.join()
    with Index(path) as index:
        assert index.counts().num_chunks == _NUM_OLD_CHUNKS
        assert index.damage() == []
        assert index.damaged_search_tables() == []
        assert len(index.search(["渡船"], 10)) == 10
