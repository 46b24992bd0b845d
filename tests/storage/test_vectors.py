"""Vectors on disk: found again, shared by equal texts, erased with them, and recomputed after damage."""

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from storage.errors import StoreUnusable
from storage.index import Index
from storage.values import ChunkText, DocumentVersion
from storage.vectors import FloatArray, VectorStore, purge

DIM = 8
ROW_BYTES = 2 * DIM
FINGERPRINT, OTHER = "a" * 32, "b" * 32

PutTexts = Callable[..., None]


@pytest.fixture
def put(index: Index, version: Callable[..., DocumentVersion], texts: Callable[..., list[ChunkText]]) -> PutTexts:
    """Puts a document of one chunk per text."""
    folder = index.add_folder(Path("/docs"))

    def put(name: str, *words: str) -> None:
        index.put_document(folder.id, version(Path("/docs") / name), texts(*words))

    return put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "vectors"


@pytest.fixture
def store(root: Path, index: Index) -> VectorStore:
    return VectorStore(root, index, FINGERPRINT)


def unit(*numbers: float) -> FloatArray:
    vector = np.zeros(DIM, np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


def vector_of(text: str) -> FloatArray:
    """The same for the same text, and nearly at right angles to that of any other."""
    return unit(*np.random.default_rng(list(text.encode())).standard_normal(DIM).tolist())


def embed(store: VectorStore) -> list[str]:
    """Puts a vector for every text that lacks one; says which."""
    missing = store.missing(1000)
    if missing:
        store.put([text.digest for text in missing], np.stack([vector_of(text.text) for text in missing]))
    return sorted(text.text for text in missing)


def found(store: VectorStore, text: str, limit: int = 1, **options: object) -> list[str]:
    return [hit.chunk.chunk.text for hit in store.search(vector_of(text), limit, **options)]


# --- putting and finding


def test_the_nearest_chunks_come_first_with_their_cosine(store: VectorStore, put: PutTexts):
    put("a.txt", "near", "nearer", "far", "opposite")
    vectors = {"near": unit(1, 1), "nearer": unit(2, 1), "far": unit(0, 0, 1), "opposite": unit(-1)}
    missing = store.missing(10)
    store.put([text.digest for text in missing], np.stack([vectors[text.text] for text in missing]))
    hits = store.search(unit(1), 10)
    assert [hit.chunk.chunk.text for hit in hits] == ["nearer", "near", "far", "opposite"]
    assert [hit.score for hit in hits] == pytest.approx([2 / 5**0.5, 1 / 2**0.5, 0, -1], abs=1e-3)
    assert [hit.chunk.chunk.text for hit in store.search(unit(1), 2)] == ["nearer", "near"]


def test_a_text_is_missing_until_it_has_a_vector(store: VectorStore, index: Index, put: PutTexts):
    put("a.txt", "one", "two")
    under_heading = ChunkText(0, 3, None, "Tea > Cups", "six", 3)
    index.put_document(index.folders()[0].id, DocumentVersion(Path("/docs/b.txt"), 1, 1, "d", "b"), [under_heading])
    assert {(text.heading, text.text) for text in store.missing(10)} == {
        (None, "one"),
        (None, "two"),
        ("Tea > Cups", "six"),
    }
    assert (len(store.missing(2)), store.count_missing()) == (2, 3)
    assert embed(store) == ["one", "six", "two"]
    assert (store.missing(10), store.count_missing(), index.count_chunks_with_vector(FINGERPRINT)) == ([], 0, 3)


def test_chunks_with_the_same_text_share_a_row_and_are_all_found(store: VectorStore, index: Index, put: PutTexts):
    put("a.txt", "same", "other", "same")
    put("b.txt", "same")
    assert embed(store) == ["other", "same"]
    assert store.path.stat().st_size == 2 * ROW_BYTES
    places = [(hit.chunk.document_path.name, hit.chunk.ordinal) for hit in store.search(vector_of("same"), 3)]
    assert places == [("a.txt", 0), ("a.txt", 2), ("b.txt", 0)]
    assert len(store.search(vector_of("same"), 2)) == 2
    assert index.count_chunks_with_vector(FINGERPRINT) == 4


def test_a_document_that_comes_later_uses_the_vector_of_its_text(store: VectorStore, put: PutTexts):
    put("a.txt", "same")
    embed(store)
    put("b.txt", "same")
    assert store.missing(10) == []
    assert found(store, "same", 5) == ["same", "same"]


def test_only_the_wanted_documents_are_searched(store: VectorStore, index: Index, put: PutTexts):
    put("a.txt", *(f"crowd {number}" for number in range(200)))
    put("b.txt", "shared", "of b")
    put("c.txt", "shared")
    embed(store)
    ids = {document.path.name: document.id for document in index.documents()}
    assert sorted(found(store, "crowd 7", 5, document_ids=[ids["b.txt"]])) == ["of b", "shared"]
    (hit,) = store.search(vector_of("shared"), 5, {ids["c.txt"]})
    assert hit.chunk.document_path.name == "c.txt"
    assert found(store, "crowd 7", 2, document_ids=list(ids.values()))[0] == "crowd 7"
    assert found(store, "shared", 5, document_ids=[]) == []


def test_more_rows_than_a_block_are_all_searched(store: VectorStore, put: PutTexts):
    words = [f"text {number}" for number in range(1030)]
    put("a.txt", *words)
    while embed(store):
        pass
    assert [found(store, word) for word in (words[0], words[-1])] == [[words[0]], [words[-1]]]


def test_without_vectors_or_wishes_nothing_is_found(store: VectorStore, put: PutTexts):
    put("a.txt", "one")
    assert store.is_empty()
    assert found(store, "one") == []
    embed(store)
    assert not store.is_empty()
    assert found(store, "one", 0) == []


def test_a_text_keeps_the_vector_it_has(store: VectorStore, put: PutTexts):
    put("a.txt", "one")
    (text,) = store.missing(1)
    store.put([text.digest], unit(1)[None])
    store.put([text.digest, text.digest], np.stack([unit(0, 1), unit(0, 1)]))
    assert store.search(unit(1), 1)[0].score == pytest.approx(1, abs=1e-3)
    assert store.path.stat().st_size == ROW_BYTES


def test_the_vector_of_a_text_that_is_gone_meanwhile_is_not_written(store: VectorStore, index: Index, put: PutTexts):
    put("a.txt", "secret")
    (text,) = store.missing(1)
    index.remove_document(Path("/docs/a.txt"))
    store.put([text.digest], unit(1)[None])
    assert not store.path.exists()


def test_other_models_have_files_of_their_own(store: VectorStore, root: Path, index: Index, put: PutTexts):
    put("a.txt", "one")
    embed(store)
    other = VectorStore(root, index, OTHER)
    assert found(other, "one") == []
    assert embed(other) == ["one"]
    assert store.path != other.path


def test_vectors_of_another_length_are_our_own_mistake(store: VectorStore, put: PutTexts):
    put("a.txt", "one")
    embed(store)
    with pytest.raises(ValueError, match="expected 1 vectors of 8 numbers, got"):
        store.put(["d" * 32], np.ones((1, DIM + 1), np.float32))
    with pytest.raises(ValueError, match="expected 2 vectors"):
        store.put(["d" * 32, "e" * 32], unit(1)[None])
    with pytest.raises(ValueError, match="rows of other than 9 numbers"):
        store.search(np.ones(DIM + 1, np.float32), 1)


@pytest.mark.skipif(os.name == "nt", reason="modes mean something else there")
def test_only_the_owner_may_read(store: VectorStore, root: Path, put: PutTexts):
    put("a.txt", "one")
    embed(store)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_two_threads_that_put_at_once_never_choose_the_same_row(root: Path, index: Index, put: PutTexts):
    words = [f"text {number}" for number in range(24)]
    put("a.txt", *words)

    def work(part: int) -> None:
        with Index(index.path) as own:
            store = VectorStore(root, own, FINGERPRINT)
            for text in store.missing(100):
                if int(text.text.split()[1]) % 2 == part:
                    store.put([text.digest], vector_of(text.text)[None])

    threads = [threading.Thread(target=work, args=(part,)) for part in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = VectorStore(root, index, FINGERPRINT)
    assert store.count_missing() == 0
    assert [found(store, word) for word in words] == [[word] for word in words]


def test_an_index_of_the_oldest_schema_gets_vectors_for_the_chunks_it_has(root: Path, tmp_path: Path):
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript((Path(__file__).parent / "data" / "index_first_schema.sql").read_text("utf-8"))
    with Index(path) as index:
        store = VectorStore(root, index, FINGERPRINT)
        assert embed(store) == ["oolong cups"]
        assert found(store, "oolong cups") == ["oolong cups"]


# --- purging


def test_purging_erases_the_rows_of_texts_that_are_gone(store: VectorStore, root: Path, index: Index, put: PutTexts):
    put("a.txt", "secret", "kept")
    put("b.txt", "kept")
    embed(store)
    other = VectorStore(root, index, OTHER)
    embed(other)
    secret = vector_of("secret").astype("<f2").tobytes()
    assert all(secret in each.path.read_bytes() for each in (store, other))
    assert purge(root, index) == 0
    index.remove_document(Path("/docs/a.txt"))
    assert purge(root, index) == 2
    assert not any(secret in each.path.read_bytes() for each in (store, other))
    assert found(store, "secret", 5) == ["kept"]
    assert purge(root, index) == 0


def test_freed_rows_are_used_again(store: VectorStore, root: Path, index: Index, put: PutTexts):
    put("a.txt", "gone")
    put("b.txt", "kept")
    embed(store)
    index.remove_document(Path("/docs/a.txt"))
    purge(root, index)
    put("c.txt", "new", "newer")
    embed(store)
    assert store.path.stat().st_size == 3 * ROW_BYTES
    assert [found(store, text) for text in ("kept", "new", "newer")] == [["kept"], ["new"], ["newer"]]


def test_a_purge_that_is_killed_half_way_is_finished_by_the_next(
    store: VectorStore, root: Path, index: Index, put: PutTexts
):
    put("a.txt", "secret")
    embed(store)
    index.remove_document(Path("/docs/a.txt"))

    def be_killed(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.purge_vectors(be_killed)
    put("b.txt", "secret")  # comes back before the row is erased, and must not get it
    assert found(store, "secret") == []
    assert embed(store) == ["secret"]
    assert purge(root, index) == 1
    assert store.path.read_bytes()[:ROW_BYTES] == bytes(ROW_BYTES)
    assert found(store, "secret") == ["secret"]


def test_purging_a_file_that_is_gone_frees_its_rows(store: VectorStore, root: Path, index: Index, put: PutTexts):
    put("a.txt", "secret")
    embed(store)
    index.remove_document(Path("/docs/a.txt"))
    store.path.unlink()
    assert purge(root, index) == 1
    assert not store.path.exists()


# --- kills and damage


def test_rows_that_were_written_and_not_recorded_are_free_space(store: VectorStore, index: Index, put: PutTexts):
    put("a.txt", "one", "two")
    first, second = sorted(store.missing(2), key=lambda text: text.text)
    store.put([first.digest], vector_of("one")[None])

    def be_killed(rows: object) -> None:
        with store.path.open("ab") as file:
            file.write(vector_of("never").astype("<f2").tobytes() * 40)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.put_vectors(FINGERPRINT, DIM, [second.digest], lambda: 1, be_killed)
    assert found(store, "never") == ["one"], "what nobody recorded is nobody's hit"
    assert embed(store) == ["two"]
    assert store.path.stat().st_size == 41 * ROW_BYTES
    assert found(store, "two") == ["two"]


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_cut_within_a_row(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 2 * ROW_BYTES - 3])


def damage_numbers(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:ROW_BYTES] + b"\xff" * 2 * ROW_BYTES)


def damage_lengths(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:ROW_BYTES] + np.full(2 * DIM, 6e4, "<f2").tobytes())


@pytest.mark.parametrize(
    ("damage", "num_lost"),
    [
        (damage_missing, 3),
        (damage_empty, 3),
        (damage_cut_within_a_row, 2),
        (damage_numbers, 2),
        (damage_lengths, 2),
    ],
)
def test_what_damage_took_is_missing_again(
    store: VectorStore, put: PutTexts, damage: Callable[[Path], None], num_lost: int
):
    put("a.txt", "one", "two", "three")
    embed(store)
    damage(store.path)
    assert len(found(store, "one", 10)) == 3 - num_lost
    assert len(embed(store)) == num_lost
    assert store.path.stat().st_size == 3 * ROW_BYTES
    assert [found(store, text) for text in ("one", "two", "three")] == [["one"], ["two"], ["three"]]


def test_lost_rows_are_noticed_without_a_search(store: VectorStore, put: PutTexts):
    put("a.txt", "one", "two")
    embed(store)
    store.path.unlink()
    assert store.count_missing() == 2
    assert embed(store) == ["one", "two"]


def test_lost_rows_are_missing_at_once(store: VectorStore, put: PutTexts):
    put("a.txt", "one", "two")
    embed(store)
    store.path.unlink()
    assert embed(store) == ["one", "two"]


def test_lost_rows_are_forgotten_before_new_ones_are_put(store: VectorStore, put: PutTexts):
    put("a.txt", "one", "two")
    embed(store)
    put("b.txt", "three")
    (three,) = store.missing(10)
    store.path.unlink()
    store.put([three.digest], vector_of("three")[None])
    assert store.path.stat().st_size == ROW_BYTES
    assert [found(store, "three", 5), embed(store)] == [["three"], ["one", "two"]]


def test_a_tail_that_is_no_whole_row_is_written_over(store: VectorStore, put: PutTexts):
    put("a.txt", "one")
    embed(store)
    with store.path.open("ab") as file:
        file.write(b"xyz")
    put("b.txt", "two")
    embed(store)
    assert store.path.stat().st_size == 2 * ROW_BYTES
    assert [found(store, text) for text in ("one", "two")] == [["one"], ["two"]]


def test_what_the_disk_refuses_is_named(store: VectorStore, put: PutTexts):
    put("a.txt", "one")
    store.path.mkdir(parents=True)
    with pytest.raises(StoreUnusable, match=rf"The vectors {store.path} cannot be read or written: Is a directory\."):
        embed(store)
    store.path.rmdir()
    assert embed(store) == ["one"], "a write that failed recorded nothing"
