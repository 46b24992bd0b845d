"""Everything about one node."""

import pytest

from app.library.tree import FolderNode, build_tree
from app.tui.library.detail_pane import detail_text
from tests.app.library.documents import FOLDER, found, standing

NOW = 1_700_000_000


def text(node, problem: str = "", last_used_at: int | None = None) -> str:
    return detail_text(node, problem, last_used_at, NOW).plain


def folder(*documents) -> FolderNode:
    (root,) = build_tree([FOLDER], documents)
    return root


def test_a_document_has_its_path_chunks_sizes_and_last_use():
    document = standing("notes/a.md", num_chunks=5, num_steeped_chunks=2, num_bytes=12_000, is_pinned=True)
    shown = text(document, last_used_at=NOW - 7200)
    assert shown.splitlines()[:4] == [
        "/documents/notes/a.md",
        "○ searchable 40 % · 12 KB · ★ pinned",
        "steeped 2 of 5 chunks (40 %) · 2 MB on disk",
        "used for an answer: 2 h ago",
    ]


@pytest.mark.parametrize(("last_used_at", "is_shown"), [(None, False), (0, True)])
def test_last_use_is_told_once_it_is_known(last_used_at: int | None, is_shown: bool):
    assert ("used for an answer: not yet" in text(standing("a.md"), last_used_at=last_used_at)) is is_shown


def test_an_error_is_told_in_full():
    reason = "is damaged: " + "the table cannot be read, " * 20
    assert f"! {reason}" in text(standing("a.pdf", error=reason))


def test_a_document_that_waits_has_no_text_yet():
    assert "no text in the index" in text(found("a.md"))


def test_a_folder_adds_up_its_documents_and_says_what_stands_out():
    shown = text(folder(standing("a.md", num_steeped_chunks=1), standing("b.md", error="x"), found("c.md")))
    assert "3 documents · 3 KB" in shown
    assert "steeped 1 of 2 chunks (50 %) · 1 MB on disk" in shown
    assert "1 waiting to be read · 1 unreadable" in shown


def test_a_folder_that_cannot_be_looked_at_says_why():
    shown = text(folder(), problem="is empty, but 3 documents of it are known")
    assert "! is empty, but 3 documents of it are known" in shown
    assert "No document was found in it yet." in shown


def test_nothing_under_the_cursor_is_told():
    assert text(None) == "Nothing is selected."


def test_a_path_cannot_write_to_the_terminal():
    assert "\x1b" not in text(standing("a\x1b[2J.md", error="is \x1b bad"))
