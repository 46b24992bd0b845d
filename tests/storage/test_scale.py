"""A hundred thousand chunks: what is asked for often stays quick, and the index small.

The numbers are printed (`pytest -s`). Other work on the machine may take three times as long as what is promised.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.content_key import fingerprint, state_key
from storage.eviction import evictions, least_worth
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkState, ChunkText, DocumentVersion, StateKey

NUM_CHUNKS, NUM_IN_DOCUMENT = 100_000, 10
NUM_TOKENS, NUM_BYTES = 500, 6_000_000
MODEL = fingerprint({"model": "scale"})
LENIENCE = 3


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index(tmp_path_factory.mktemp("large") / "index.db") as index:
        fill(index)
        yield index


def fill(index: Index) -> None:
    """Rows of documents, chunks with short texts, and a state for each; no files."""
    folder, db = index.add_folder(Path("/docs")), index._connection
    rng, words = random.Random(1), [f"word{number}" for number in range(5000)]
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'chunks_fts%'")
    db.execute("PRAGMA synchronous = OFF")
    with index._writing():
        kept = triggers.fetchall()
        for name, _ in kept:  # the search table is made at once, in a third of the time
            db.execute(f"DROP TRIGGER {name}")
        db.executemany(
            """INSERT INTO documents(id, folder_id, path, num_bytes, mtime_ns, content_digest, title, indexed_at)
            VALUES (?, ?, ?, 5000, ?, 'cut1-512-0123456789abcdef0123456789abcdef', ?, 1700000000)""",
            (
                (number, folder.id, f"/docs/{number % 100}/{number}.md", _mtime(number) * 10**9, f"Document {number}")
                for number in range(NUM_CHUNKS // NUM_IN_DOCUMENT)
            ),
        )
        db.executemany(
            """INSERT INTO chunks(
                id, document_id, ordinal, start, "end", text, text_digest, num_tokens, name_words)
            VALUES (?, ?, ?, 0, 1, ?, ?, ?, 'document')""",
            (
                (number, *divmod(number, NUM_IN_DOCUMENT), " ".join(rng.choices(words, k=8)), _digest(number), 500)
                for number in range(NUM_CHUNKS)
            ),
        )
        db.executemany(
            f"INSERT INTO states VALUES (?, ?, 'chunk', {NUM_TOKENS}, {NUM_BYTES}, 1700000000, ?, 0)",
            ((MODEL, _digest(number), _mtime(number // NUM_IN_DOCUMENT)) for number in range(NUM_CHUNKS)),
        )
        db.executemany("INSERT INTO chunk_states VALUES (?, ?, ?)", _links())
        db.execute("INSERT INTO chunks_fts(chunks_fts) VALUES ('rebuild')")
        for _, sql in kept:
            db.execute(sql)


def _digest(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}{number:032x}"


def _mtime(number: int) -> int:
    return 1_700_000_000 + number * 500


def _links() -> Iterator[tuple[int, str, str]]:
    return ((number, MODEL, _digest(number)) for number in range(NUM_CHUNKS))


def tell(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")


def milliseconds(act: Callable[[], object]) -> float:
    """The best of five."""
    times: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * 1e3)
    return min(times)


def test_the_numbers_of_a_status_take_a_tenth_of_a_second(large: Index):
    def status() -> None:
        counts = large.counts()
        assert (counts.num_chunks, counts.num_state_bytes) == (NUM_CHUNKS, NUM_CHUNKS * NUM_BYTES)
        assert sum(large.stage_counts().values()) == NUM_CHUNKS // NUM_IN_DOCUMENT
        assert large.unreadable_documents() == []

    took = milliseconds(status)
    tell(f"status: {took:.1f} ms")
    assert took <= 100 * LENIENCE


def test_looking_up_ten_states_takes_five_milliseconds(large: Index, tmp_path: Path):
    store, blob = StateStore(tmp_path, large), random.Random(1).randbytes(100_000)
    states = [
        ChunkState(state_key(MODEL, 44, (number,)), (number,), blob, start_position=44) for number in range(1, 11)
    ]
    for state in states:
        store.put(state)
    hits: list[bool] = []
    took = milliseconds(lambda: hits.extend(store.get(s.key, s.token_ids) == s for s in states))
    tell(f"lookup of 10 keys, read and checked: {took:.1f} ms")
    large.forget_states([state.key for state in states])
    assert all(hits)
    assert took <= 5 * LENIENCE


@pytest.mark.parametrize("share_pinned", [0, 0.2])
def test_deciding_what_goes_takes_fifty_milliseconds(large: Index, share_pinned: float):
    paths = [document.path for document in large.documents()]
    pinned = paths[: int(len(paths) * share_pinned)]
    large.pin(pinned, True)
    now = int(time.time())

    def decide() -> set[StateKey]:
        assert sum(large.state_bytes().values())
        states = large.coldest_states(512)
        chosen = evictions(states, 5 * NUM_BYTES, now, large.model_speeds())
        assert least_worth(states, states[-1].last_used_at, now, {}) >= chosen[-1].worth, "no other one can be less"
        return {each.state.key for each in chosen}

    took = milliseconds(decide)
    tell(f"eviction decision, {share_pinned:.0%} pinned: {took:.1f} ms")
    gone = decide()
    large.pin(pinned, False)
    assert len(gone) == 5
    assert not any(path in pinned for whose in large.owners(gone).values() for path in whose)
    assert took <= 50 * LENIENCE


def test_the_index_takes_a_kilobyte_per_chunk_besides_text_and_its_search(large: Index, tmp_path: Path):
    large._rows("PRAGMA wal_checkpoint(TRUNCATE)")
    num_text_bytes = large._rows("SELECT sum(length(text)) FROM chunks")[0][0]
    rest = (large.path.stat().st_size - num_text_bytes) / NUM_CHUNKS
    tell(f"index: {rest:.0f} bytes per chunk beside its short text, search included")
    assert rest <= 1000


def test_with_texts_of_a_usual_length_it_does_too(tmp_path: Path):
    rng = random.Random(2)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(20_000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    num_documents, num_in_document, num_text_bytes = 75, 20, 0
    with Index(tmp_path / "index.db") as index:
        folder = index.add_folder(Path("/docs"))
        index._rows("PRAGMA synchronous = OFF")
        for number in range(num_documents):
            texts = [" ".join(rng.choices(words, weights, k=350)) for _ in range(num_in_document)]
            num_text_bytes += sum(map(len, texts))
            chunks = [ChunkText(0, 1, None, None, text, NUM_TOKENS) for text in texts]
            index.put_document(folder.id, DocumentVersion(Path(f"/docs/{number}"), 1, 1, "d", "Document"), chunks)
        for stored in index.chunks():
            index.record_state(state_key(MODEL, 44, (stored.id,)), "chunk", NUM_TOKENS, NUM_BYTES, [stored.id])
        index.compact()
        num_search_bytes = index._rows("SELECT sum(length(block)) FROM chunks_fts_data")[0][0]
    Index(tmp_path / "empty.db").close()
    num_chunks, num_bytes = num_documents * num_in_document, (tmp_path / "index.db").stat().st_size
    num_empty_bytes = (tmp_path / "empty.db").stat().st_size
    rest = (num_bytes - num_empty_bytes - num_text_bytes - num_search_bytes) / num_chunks
    tell(
        f"index: {num_text_bytes / num_chunks:.0f} bytes of text per chunk, {num_search_bytes / num_chunks:.0f} of "
        f"its search table, {rest:.0f} of all the rest"
    )
    assert rest <= 1000


def test_noting_that_an_answer_used_ten_chunks_takes_ten_milliseconds(large: Index):
    used = range(0, 10 * NUM_IN_DOCUMENT, NUM_IN_DOCUMENT)
    took = milliseconds(lambda: large.note_use(used, MODEL))
    tell(f"noting a use: {took:.1f} ms")
    assert took <= 10 * LENIENCE
