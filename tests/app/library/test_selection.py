"""Which documents questions are restricted to."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.library.selection import Mark, Selection
from app.library.tree import FolderNode, Node, build_tree, rows_of
from storage.values import Folder
from tests.app.library.documents import FOLDER, ROOT, standing

NAMES = ("a.md", "b.md", "in/c.md", "in/d.md", "in/deep/e.md", "in/deep/f.md", "out/g.md")
ROOTS = build_tree([FOLDER], [standing(name) for name in NAMES])
NODES: dict[Path, Node] = {row.node.path: row.node for row in rows_of(ROOTS, None)}
DOCUMENTS = [path for path, node in NODES.items() if not isinstance(node, FolderNode)]


def node(name: str) -> Node:
    return NODES[ROOT / name]


def names(selection: Selection) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in selection.paths}


def test_a_chosen_folder_is_everything_in_it():
    chosen = Selection().with_node(node("in"))
    assert ROOT / "in" / "tomorrow.md" in chosen
    assert ROOT / "a.md" not in chosen
    assert chosen.mark(ROOT / "in" / "deep") == Mark.ALL
    assert chosen.mark(ROOT) == Mark.SOME
    assert chosen.mark(ROOT / "out") == Mark.NONE


def test_choosing_a_folder_takes_the_place_of_what_was_chosen_in_it():
    chosen = Selection().with_node(node("in/c.md")).with_node(node("in"))
    assert names(chosen) == {"in"}


def test_choosing_what_is_chosen_through_its_folder_changes_nothing():
    assert names(Selection().with_node(node("in")).with_node(node("in/c.md"))) == {"in"}


def test_taking_one_document_out_of_a_folder_leaves_the_others():
    chosen = Selection().with_node(node(".")).without_node(node("in/deep/e.md"), ROOTS)
    assert names(chosen) == {"a.md", "b.md", "out", "in/c.md", "in/d.md", "in/deep/f.md"}
    assert chosen.mark(ROOT / "in") == Mark.SOME


def test_all_documents_of_a_folder_one_by_one_are_not_the_folder():
    chosen = Selection([ROOT / "in/deep/e.md", ROOT / "in/deep/f.md"])
    assert chosen.mark(ROOT / "in/deep") == Mark.SOME
    assert names(chosen.toggled(node("in/deep"), ROOTS)) == {"in/deep"}


def test_a_folder_above_the_watched_ones_leaves_the_other_watched_folders():
    other = Path("/more")
    roots = build_tree(
        [FOLDER, Folder(2, other, 0)], [standing("a.md"), standing("b.md"), standing("c.md", root=other)]
    )
    chosen = Selection([Path("/")]).without_node(node("a.md"), roots)
    assert chosen.as_scope() == (ROOT / "b.md", other)


def test_the_documents_of_a_folder_that_is_shown_in_part_are_chosen_and_then_not():
    (shown,) = build_tree([FOLDER], [standing("in/c.md"), standing("a.md"), standing("x.md", num_chunks=0)])
    chosen = Selection([ROOT / "b.md"]).toggled_documents(shown, ROOTS)
    assert names(chosen) == {"a.md", "b.md", "in/c.md"}
    assert names(chosen.toggled_documents(shown, ROOTS)) == {"b.md"}
    through_folder = Selection([ROOT / "in", ROOT / "a.md"])
    assert names(through_folder.toggled_documents(shown, ROOTS)) == {"in/d.md", "in/deep"}


def test_what_was_chosen_in_a_folder_that_is_no_longer_watched_is_not_any_more():
    chosen = Selection([ROOT / "in", Path("/more/a.md")])
    assert chosen.without_folder(ROOT).as_scope() == (Path("/more/a.md"),)


def test_a_neighbour_whose_name_begins_alike_is_something_else():
    assert ROOT / "in.md" not in Selection([ROOT / "in"])


@pytest.mark.parametrize("path", [ROOT / "gone.md", Path("/elsewhere/x.md")])
def test_what_the_library_does_not_know_stays_chosen(path: Path):
    assert path in Selection([path]).toggled(node("in"), ROOTS)


@given(st.lists(st.sampled_from(sorted(NODES))))
def test_toggling_changes_exactly_the_documents_of_the_node(paths: list[Path]):
    chosen = Selection()
    for path in paths:
        before, changed = chosen, NODES[path]
        chosen = chosen.toggled(changed, ROOTS)
        for document in DOCUMENTS:
            if document.is_relative_to(path):
                assert (document in chosen) == (path not in before)
            else:
                assert (document in chosen) == (document in before)
        assert all(not a.is_relative_to(b) for a in chosen.paths for b in chosen.paths if a != b)
