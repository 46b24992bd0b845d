"""The tree of folders and documents, and what it adds up to."""

import string
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.library.tree import FolderNode, Row, add_up, build_tree, documents_below, folders_below, rows_of
from storage.values import DocumentStage, DocumentStanding, Folder
from tests.app.library.documents import FOLDER, ROOT, found, standing


def lines(rows: list[Row]) -> list[str]:
    return ["  " * row.depth + row.node.path.name for row in rows]


def test_a_document_is_in_its_folder_and_folders_come_first():
    roots = build_tree([FOLDER], [standing("zebra.md"), standing("b/Cat.md"), standing("b/ant.md"), standing("A.md")])
    assert lines(rows_of(roots, None)) == ["documents", "  b", "    ant.md", "    Cat.md", "  A.md", "  zebra.md"]


def test_only_what_is_in_open_folders_is_a_row():
    roots = build_tree([FOLDER], [standing("a.md"), standing("b/c.md")])
    assert lines(rows_of(roots, set())) == ["documents"]
    assert lines(rows_of(roots, {ROOT})) == ["documents", "  b", "  a.md"]
    assert [row.is_open for row in rows_of(roots, {ROOT})] == [True, False, False]


def test_a_folder_without_documents_is_there():
    (root,) = build_tree([FOLDER], [])
    assert (root.path, root.is_watched, root.totals.num_documents) == (ROOT, True, 0)


def test_watched_folders_keep_their_order_and_have_their_whole_path_as_name():
    folders = [Folder(1, Path("/z/notes"), 0), Folder(2, Path("/a/notes"), 0)]
    documents = [standing("x.md", root=folders[0].path), standing("y.md", root=folders[1].path, folder_id=2)]
    roots = build_tree(folders, documents)
    assert [root.name for root in roots] == ["/z/notes", "/a/notes"]
    assert [root.totals.num_documents for root in roots] == [1, 1]


def test_a_document_outside_all_watched_folders_is_left_out():
    assert add_up(build_tree([FOLDER], [standing("x.md", root=Path("/elsewhere"))])).num_documents == 0


def test_folders_may_be_nested_deeper_than_calls():
    (root,) = build_tree([FOLDER], [standing("d/" * 1500 + "a.md")])
    assert root.totals.num_documents == 1
    assert len(rows_of([root], None)) == 1502
    assert len(list(folders_below([root]))) == 1501
    assert len(list(documents_below(root))) == 1


def test_a_folder_is_unreadable_only_if_all_in_it_is():
    (root,) = build_tree([FOLDER], [standing("a.md", error="is damaged")])
    assert root.totals.stage == DocumentStage.UNREADABLE
    (root,) = build_tree([FOLDER], [standing("a.md", error="is damaged"), standing("b.md", num_steeped_chunks=2)])
    assert root.totals.stage == DocumentStage.STEEPED
    assert root.totals.num_unreadable == 1


def test_a_folder_is_steeped_when_nothing_waits_and_all_chunks_are():
    (root,) = build_tree([FOLDER], [standing("a.md", num_steeped_chunks=2), standing("b.md", num_steeped_chunks=1)])
    assert (root.totals.stage, root.totals.steeped_share) == (DocumentStage.SEARCHABLE, 0.75)
    (root,) = build_tree([FOLDER], [standing("a.md", num_steeped_chunks=2), found("b.md")])
    assert root.totals.stage == DocumentStage.FOUND


_NAME = st.text(string.ascii_letters + "äß ", min_size=1, max_size=4)
_DOCUMENTS = st.dictionaries(
    st.lists(_NAME, min_size=1, max_size=4).map(lambda parts: "/".join([*parts[:-1], f"{parts[-1]}.md"])),
    st.tuples(st.integers(1, 9), st.integers(0, 9), st.booleans(), st.sampled_from(DocumentStage)),
)


def _documents(described: dict[str, tuple[int, int, bool, DocumentStage]]) -> list[DocumentStanding]:
    return [
        standing(name, num_chunks=chunks, num_steeped_chunks=min(chunks, steeped), is_pinned=pinned, stage=stage)
        for name, (chunks, steeped, pinned, stage) in described.items()
    ]


@given(_DOCUMENTS)
def test_every_folder_is_the_sum_of_the_documents_below_it(described):
    documents = _documents(described)
    roots = build_tree([FOLDER], documents)
    for folder in folders_below(roots):
        below = [document for document in documents if document.path.is_relative_to(folder.path)]
        totals = folder.totals
        assert set(documents_below(folder)) == set(below)
        assert totals.num_documents == len(below)
        assert totals.num_waiting == sum(each.stage == DocumentStage.FOUND for each in below)
        assert totals.num_unreadable == sum(each.stage == DocumentStage.UNREADABLE for each in below)
        for name in ("num_chunks", "num_steeped_chunks", "num_bytes", "num_state_bytes"):
            assert getattr(totals, name) == sum(getattr(each, name) for each in below)
        assert totals.num_pinned == sum(each.is_pinned for each in below)


@given(_DOCUMENTS)
def test_the_rows_of_the_open_tree_are_every_node_once_below_its_folder(described):
    documents = _documents(described)
    rows = rows_of(build_tree([FOLDER], documents), None)
    paths = [row.node.path for row in rows]
    assert len(set(paths)) == len(paths)
    assert {row.node.path for row in rows if not isinstance(row.node, FolderNode)} == {each.path for each in documents}
    for row in rows:
        assert row.depth == len(row.node.path.parts) - len(ROOT.parts)
