"""Everything the library shows, from a real index; and the tree narrowed to some documents."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.library.overview import Overview, names_of, narrowed, read_overview
from app.library.tree import build_tree, rows_of
from app.locations import Locations
from app.settings import Settings
from app.wiring import Parts
from storage.content_key import fingerprint, state_key
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkState, DocumentStage, DocumentVersion
from tests.app.library.documents import FOLDER, standing

MODEL = fingerprint({"model": "m"})


def test_documents_are_counted_by_what_the_model_has_of_them(
    index: Index, store: StateStore, locations: Locations, put_texts: Callable[..., None], tmp_path: Path
):
    put_texts("a.md", "one", "two")
    put_texts("b.md", "three")
    (folder,) = index.folders()
    index.list_documents(folder.id, [DocumentVersion(tmp_path.resolve() / "c.md", 5, 1, "", "c.md")])
    index.fail_document(folder.id, DocumentVersion(tmp_path.resolve() / "d.pdf", 5, 1, "x", "d"), "is damaged")
    chunk = index.chunks(tmp_path / "a.md")[0]
    store.put(ChunkState(state_key(MODEL, 3, (1,)), (1,), b"rows", 3), "chunk", [chunk.id])
    store.put(ChunkState(state_key(MODEL, 0, (2,)), (2,), b"rows"), "preamble")

    overview = read_overview(Parts(locations, Settings(), index, store), [MODEL])
    totals = overview.totals
    assert (totals.num_documents, totals.num_chunks, totals.num_steeped_chunks) == (4, 3, 1)
    assert overview.stages == {
        DocumentStage.FOUND: 1,
        DocumentStage.UNREADABLE: 1,
        DocumentStage.SEARCHABLE: 2,
        DocumentStage.STEEPED: 0,
    }
    assert 0 < totals.num_state_bytes < overview.num_used_bytes
    assert overview.num_budget_bytes > 0
    assert [root.path for root in overview.roots] == [folder.path]
    assert read_overview(Parts(locations, Settings(), index, store), ["0" * 32]).totals.num_steeped_chunks == 0


DOCUMENTS = (standing("Ferry plan.md"), standing("2024/ferry.pdf", error="is damaged"), standing("2024/cats.md"))
OVERVIEW = Overview((FOLDER,), DOCUMENTS, build_tree([FOLDER], DOCUMENTS), names=names_of([FOLDER], DOCUMENTS))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["documents", "2024", "cats.md", "ferry.pdf", "Ferry plan.md"]),
        ("FERRY", ["documents", "2024", "ferry.pdf", "Ferry plan.md"]),
        ("ferry 2024", ["documents", "2024", "ferry.pdf"]),
        ("!", ["documents", "2024", "ferry.pdf"]),
        ("documents", []),
        ("dog", []),
    ],
)
def test_the_tree_is_narrowed_to_documents_with_all_the_words_below_their_folder(text: str, names: list[str]):
    assert [row.node.path.name for row in rows_of(narrowed(OVERVIEW, text), None)] == names
