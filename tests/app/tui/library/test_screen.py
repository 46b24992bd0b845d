"""Every action of the library screen, on a real index."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import TextArea

from app.assistant.events import LibraryChanged, ModelFailed, UpkeepTold, WatchingElsewhere
from app.indexer import FolderProblem
from app.open_source import Opening
from app.steeper import ChunkSteeped
from app.tui.dialogs.confirm import ConfirmDialog
from app.tui.dialogs.folder_dialog import FolderDialog
from app.tui.library.document_view import DocumentView
from app.tui.library.filter_input import FilterInput
from app.upkeep import Standing
from app.wiring import Parts
from storage.errors import StoreUnusable
from storage.values import Backlog, DocumentStage, DocumentVersion
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.library.library_pilot import SeenLibrary, put, see_library

STAGES = dict.fromkeys(DocumentStage, 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path.resolve() / "documents"
    path.mkdir()
    return path


@pytest.fixture
def assistant(tmp_path: Path, folder: Path) -> Iterator[FakeAssistant]:
    """`documents` with letters/odile.eml, notes/cats.md, notes/2024/ferry.md, broken.pdf and timetable.md."""
    made = FakeAssistant(tmp_path / "home")

    def fill(parts: Parts) -> None:
        listed = parts.index.add_folder(folder)
        put(parts, folder / "letters" / "odile.eml", "Dear captain", num_steeped=1)
        put(parts, folder / "notes" / "cats.md", "Biscuit", "Herring pie", num_steeped=1)
        put(parts, folder / "notes" / "2024" / "ferry.md", "The ferry leaves at seven")
        put(parts, folder / "timetable.md", "Seven", "Eight")
        version = DocumentVersion(folder / "broken.pdf", 1, 1, "x", "broken.pdf")
        parts.index.fail_document(listed.id, version, "is damaged: its table cannot be read")

    made.run(fill).result()
    yield made
    made.close()


TOP = ["letters", "notes", "broken.pdf", "timetable.md"]


def test_a_watched_folder_is_open_and_what_is_in_it_closed(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        assert seen.names[1:] == TOP
        assert "(5)" in seen.lines[0]
        assert "searchable  33 % !1" in seen.lines[0]
        assert "● 1 steeped  ○ 3 searchable  ! 1 unreadable" in seen.summary
        await seen.press("down", "down", "enter")
        assert seen.names[1:] == ["letters", "notes", "2024", "cats.md", "broken.pdf", "timetable.md"]
        await seen.press("enter")
        assert seen.names[1:] == TOP

    see_library(assistant, scenario)


def test_left_and_right_walk_through_folders(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("down", "down", "right", "right")
        assert seen.node_name == "2024"
        await seen.press("left")
        assert seen.node_name == "notes"
        await seen.press("left")
        assert seen.names[1:] == TOP
        await seen.press("end")
        assert seen.node_name == "timetable.md"
        await seen.press("down", "home", "up")
        assert seen.node_name == "documents"

    see_library(assistant, scenario)


def test_the_node_under_the_cursor_is_told_in_full(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("broken.pdf")
        await seen.until(lambda: "! is damaged: its table cannot be read" in seen.detail)
        await seen.highlight("notes/cats.md")
        await seen.until(lambda: "used for an answer: not yet" in seen.detail)
        assert "steeped 1 of 2 chunks (50 %)" in seen.detail

    see_library(assistant, scenario)


@pytest.mark.parametrize(("size", "is_beside"), [((80, 24), False), ((120, 40), True)])
def test_details_stand_beside_the_tree_where_there_is_room(assistant: FakeAssistant, size, is_beside: bool):
    async def scenario(seen: SeenLibrary) -> None:
        pane = seen.screen.query_one("DetailPane")
        assert (pane.region.x > seen.tree.region.x) is is_beside
        assert seen.tree.region.height >= 8

    see_library(assistant, scenario, size=size)


def test_a_folder_is_added_and_shown(assistant: FakeAssistant, tmp_path: Path):
    more = tmp_path.resolve() / "more"
    more.mkdir()

    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("a")
        await seen.until(lambda: isinstance(seen.app.screen, FolderDialog))
        seen.app.screen.dismiss(more)
        await seen.until(lambda: seen.notice)
        assert seen.notice == f"Watching {more}: its documents are found and read now."
        assert seen.node_name == "more"
        assert len(seen.screen.overview.folders) == 2

    see_library(assistant, scenario)


def test_a_folder_that_cannot_be_added_is_explained_in_place(assistant: FakeAssistant, folder: Path):
    (folder / "inner").mkdir()

    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("a")
        await seen.until(lambda: isinstance(seen.app.screen, FolderDialog))
        seen.app.screen.dismiss(folder / "inner")
        await seen.until(lambda: seen.notice)
        assert "is already watched through" in seen.notice
        assert seen.notice.startswith("! ")

    see_library(assistant, scenario)


def test_leaving_the_dialog_changes_nothing(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        for key, dialog in (("a", FolderDialog), ("d", ConfirmDialog)):
            await seen.press(key)
            await seen.until(lambda dialog=dialog: isinstance(seen.app.screen, dialog))
            await seen.press("escape")
            await seen.until(lambda: seen.app.screen is seen.screen)
        assert seen.names[1:] == TOP
        assert seen.notice == ""

    see_library(assistant, scenario)


def test_a_folder_is_removed_with_all_that_was_kept_of_it(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        seen.app.scope = (folder / "notes",)
        await seen.highlight("notes/cats.md")
        await seen.press("d")
        await seen.until(lambda: isinstance(seen.app.screen, ConfirmDialog))
        await seen.press("y")
        await seen.until(lambda: "No longer watching" in seen.notice)
        assert seen.notice == f"No longer watching {folder}; 2 states purged."
        assert seen.names == []
        assert "no folder is watched yet" in seen.summary
        assert seen.app.scope == ()

    see_library(assistant, scenario)
    assert not list(assistant.locations.states_dir.rglob("*.kv"))
    assert folder.is_dir()


def test_a_folder_that_is_being_removed_says_so(assistant: FakeAssistant):
    goes_on = threading.Event()

    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("d")
        await seen.until(lambda: isinstance(seen.app.screen, ConfirmDialog))
        waiting = assistant.run(lambda _: goes_on.wait(60))
        await seen.press("y")
        await seen.until(lambda: "is being removed" in seen.lines[0])
        await seen.press("down")
        assert seen.node_name == "letters"
        goes_on.set()
        assert waiting.result()
        await seen.until(lambda: "No longer watching" in seen.notice)

    see_library(assistant, scenario)


def test_p_pins_a_document_and_unpins_it(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("timetable.md")
        await seen.press("p")
        await seen.until(lambda: "timetable.md ★" in seen.lines[seen.tree.cursor])
        assert "★ pinned" in seen.detail
        await seen.press("p")
        await seen.until(lambda: "★" not in seen.lines[seen.tree.cursor])

    see_library(assistant, scenario)


def test_p_on_a_folder_pins_all_in_it(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("p")
        await seen.until(lambda: seen.screen.overview.totals.num_pinned == 5)
        await seen.highlight("notes")
        await seen.press("p")
        await seen.until(lambda: seen.screen.overview.totals.num_pinned == 3)

    see_library(assistant, scenario)


def test_r_has_a_document_steeped_again(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("letters/odile.eml")
        assert "● steeped" in seen.lines[seen.tree.cursor]
        await seen.press("r")
        await seen.until(lambda: "searchable   0 %" in seen.lines[seen.tree.cursor])
        assert seen.notice.startswith("1 state dropped")
        await seen.press("r")
        await seen.until(lambda: seen.notice == "Nothing is steeped there yet.")

    see_library(assistant, scenario)


def test_r_needs_a_model(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        seen.app.tell(ModelFailed("model", "It is damaged."))
        await seen.until(lambda: "needs a model: F4" in seen.summary)
        await seen.press("r")
        assert "There is no model that could steep" in seen.notice
        assert seen.screen.overview.totals.num_steeped_chunks == 2

    see_library(assistant, scenario)


def test_r_asks_before_a_whole_folder_is_steeped_again(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("r")
        await seen.until(lambda: isinstance(seen.app.screen, ConfirmDialog))
        await seen.press("escape")
        await seen.until(lambda: seen.app.screen is seen.screen)
        assert seen.screen.overview.totals.num_steeped_chunks == 2
        await seen.press("r")
        await seen.until(lambda: isinstance(seen.app.screen, ConfirmDialog))
        await seen.press("y")
        await seen.until(lambda: seen.screen.overview.totals.num_steeped_chunks == 0)

    see_library(assistant, scenario)


def test_space_restricts_questions_and_x_ends_it(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("notes")
        await seen.press("space")
        assert seen.app.scope == (folder / "notes",)
        assert "only in 1 folder" in seen.summary
        assert [line[:3] for line in seen.lines[:3]] == ["[-]", "[ ]", "[x]"]
        await seen.highlight("notes/cats.md")
        await seen.press("space")
        assert seen.app.scope == (folder / "notes" / "2024",)
        await seen.press("x")
        assert seen.app.scope == ()
        assert seen.lines[0][:4] == "    "

    see_library(assistant, scenario)


def test_what_has_no_text_cannot_be_chosen(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("broken.pdf")
        await seen.press("space")
        assert seen.app.scope == ()
        assert "There is no text to answer from in" in seen.notice
        await seen.press("c")
        assert seen.app.current_mode == "library"

    see_library(assistant, scenario)


def test_a_restriction_that_another_screen_sets_is_marked(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        seen.app.scope = (folder / "timetable.md",)
        await seen.pilot.pause()
        assert seen.lines[4].startswith("[x]")

    see_library(assistant, scenario)


def test_c_goes_to_the_chat_with_what_is_chosen_or_else_the_node(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("notes")
        await seen.press("space", "c")
        assert (seen.app.current_mode, seen.app.scope) == ("chat", (folder / "notes",))
        await seen.press("f3", "x", "home", "down", "c")
        assert (seen.app.current_mode, seen.app.scope) == ("chat", (folder / "letters",))

    see_library(assistant, scenario)


def test_the_filter_narrows_the_tree_until_it_is_ended(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("slash", *"FERRY")
        assert seen.names[1:] == ["notes", "2024", "ferry.md"]
        await seen.press("enter", "end")
        assert seen.node_name == "ferry.md"
        assert seen.names[1:] == ["notes", "2024", "ferry.md"]
        await seen.press("slash", "escape")
        assert seen.names[1:] == TOP
        assert seen.app.focused is seen.tree

    see_library(assistant, scenario)


def test_a_folder_stands_for_what_the_filter_shows_of_it(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("slash", *".md", "enter", "home", "space")
        assert seen.app.scope == tuple(
            sorted(folder / name for name in ("notes/cats.md", "notes/2024/ferry.md", "timetable.md"))
        )
        await seen.press("home", "space")
        assert seen.app.scope == ()
        await seen.press("home", "p")
        await seen.until(lambda: seen.screen.overview.totals.num_pinned == 3)

    see_library(assistant, scenario)


def test_escape_dismisses_what_was_said(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("broken.pdf")
        await seen.press("space")
        assert seen.notice
        await seen.press("escape")
        assert seen.notice == ""

    see_library(assistant, scenario)


def test_an_exclamation_mark_filters_what_could_not_be_read(assistant: FakeAssistant):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("slash", "exclamation_mark")
        assert seen.names[1:] == ["broken.pdf"]
        assert seen.screen.query_one(FilterInput).display

    see_library(assistant, scenario)


def test_enter_shows_the_text_of_a_document(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("notes/cats.md")
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, DocumentView))
        text = seen.app.screen.query_one(TextArea).text
        assert text == "── page 1 · Section 0 ──\n\nBiscuit\n\n── page 2 · Section 1 ──\n\nHerring pie"
        await seen.press("escape")
        await seen.until(lambda: seen.app.screen is seen.screen)

    see_library(assistant, scenario)


@pytest.mark.parametrize("keys", [["o"], ["enter", "o"]])
def test_o_opens_the_file_in_its_own_program(
    assistant: FakeAssistant, folder: Path, monkeypatch: pytest.MonkeyPatch, keys: list[str]
):
    (folder / "timetable.md").write_text("Seven")
    opened: list[Opening] = []
    monkeypatch.setattr("app.tui.opening.run", opened.append)
    monkeypatch.setenv("VISUAL", "code")
    monkeypatch.setattr("app.tui.opening.shutil.which", lambda name: f"/bin/{name}")

    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("timetable.md")
        for key in keys:
            await seen.press(key)
            if key == "enter":
                await seen.until(lambda: isinstance(seen.app.screen, DocumentView))
        await seen.until(lambda: opened)
        assert opened[0].argv == ("code", "--goto", f"{folder / 'timetable.md'}:1")
        assert seen.notice == ""

    see_library(assistant, scenario)


def test_a_file_that_is_gone_is_told(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("timetable.md")
        await seen.press("o")
        assert seen.notice == f"! {folder / 'timetable.md'} is no longer there."

    see_library(assistant, scenario)


def test_what_changes_is_seen_and_cursor_and_open_folders_stay(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.highlight("notes/cats.md")
        await seen.app.look(lambda parts: put(parts, folder / "a first.md", "x"))
        await seen.app.look(lambda parts: put(parts, folder / "letters" / "new.md", "x"))
        seen.app.tell(LibraryChanged())
        await seen.until(lambda: "a first.md" in seen.names)
        assert seen.node_name == "cats.md"
        assert "new.md" not in seen.names

    see_library(assistant, scenario)


def test_the_next_one_is_under_the_cursor_when_a_document_is_gone(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("end")
        await seen.app.look(lambda parts: parts.index.remove_document(folder / "timetable.md"))
        seen.app.tell(LibraryChanged())
        await seen.until(lambda: "timetable.md" not in seen.names)
        assert seen.node_name == "broken.pdf"

    see_library(assistant, scenario)


def test_what_changed_while_another_screen_was_in_front_is_seen_on_return(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        screen = seen.screen
        await seen.press("f2")
        await seen.app.look(lambda parts: put(parts, folder / "new.md", "x"))
        seen.app.tell(LibraryChanged())
        await seen.pilot.pause()
        assert screen.overview.totals.num_documents == 5
        await seen.press("f3")
        await seen.until(lambda: screen.overview.totals.num_documents == 6)

    see_library(assistant, scenario)


def test_what_goes_on_behind_is_told(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        seen.app.tell(UpkeepTold(Standing(STAGES, Backlog(10, 1000))))
        seen.app.tell(UpkeepTold(ChunkSteeped(folder / "timetable.md", 250, was_encoded=True)))
        await seen.until(lambda: " 25 % · " in seen.summary)
        seen.app.tell(UpkeepTold(FolderProblem(folder, "is empty, but 5 documents of it are known")))
        await seen.press("down", "home")
        await seen.until(lambda: "! is empty" in seen.detail)
        seen.app.tell(WatchingElsewhere())
        await seen.until(lambda: "watched by another process" in seen.summary)

    see_library(assistant, scenario)


def test_an_index_that_cannot_be_read_is_told_in_place(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch):
    async def scenario(seen: SeenLibrary) -> None:
        def refuse(*_: object) -> None:
            raise StoreUnusable("The index is locked. Try again.")

        monkeypatch.setattr("storage.index.Index.standings", refuse)
        seen.app.tell(LibraryChanged())
        await seen.until(lambda: seen.notice == "! The index is locked. Try again.")
        assert seen.names[1:] == TOP

    see_library(assistant, scenario)


def test_the_mouse_opens_folders_and_chooses(assistant: FakeAssistant, folder: Path):
    async def scenario(seen: SeenLibrary) -> None:
        await seen.pilot.click(seen.tree, offset=(6, 2))
        assert seen.node_name == "notes"
        assert "2024" in seen.names
        await seen.pilot.click(seen.tree, offset=(1, 1))
        assert seen.app.scope == (folder / "letters",)
        await seen.pilot.click(seen.tree, offset=(20, 4), times=2)
        await seen.until(lambda: isinstance(seen.app.screen, DocumentView))

    see_library(assistant, scenario)


def test_thousands_of_documents_in_one_folder_can_be_walked(tmp_path: Path):
    assistant = FakeAssistant(tmp_path / "home")

    def fill(parts: Parts) -> None:
        listed = parts.index.add_folder(tmp_path.resolve())
        paths = (tmp_path.resolve() / f"document {number:05}.md" for number in range(3000))
        parts.index.list_documents(listed.id, [DocumentVersion(path, 1, 1, "", path.name) for path in paths])

    async def scenario(seen: SeenLibrary) -> None:
        await seen.press("end")
        assert seen.names[-1] == "document 02999.md"
        await seen.press("pageup", "pageup", "down")
        assert seen.node_name in seen.names

    assistant.run(fill).result()
    see_library(assistant, scenario)
    assistant.close()
