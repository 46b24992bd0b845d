"""A folder that is there: typed, completed, or found in the tree."""

import os
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from app.tui.dialogs.folder_dialog import FolderDialog, FolderTree, PathInput, completion
from tests.app.tui.pilot import piloted, until


@pytest.fixture
def start(tmp_path: Path) -> Path:
    for name in ("letters/old", "notes", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file.txt").touch()
    return tmp_path


class Opened:
    """The dialog, open in an app, and what it returned."""

    def __init__(self, start: Path) -> None:
        self.app: App[None] = App()
        self.dialog = FolderDialog(start)
        self.answers: list[Path | None] = []

    @property
    def path(self) -> PathInput:
        return self.dialog.query_one(PathInput)

    @property
    def tree(self) -> FolderTree:
        return self.dialog.query_one(FolderTree)

    def names(self) -> list[str]:
        return [str(node.label) for node in self.tree.root.children]

    async def open(self, pilot: Pilot) -> None:
        await self.app.push_screen(self.dialog, self.answers.append)
        await until(pilot, lambda: self.names())


@pytest.fixture
def opened(start: Path) -> Opened:
    return Opened(start)


def test_the_tree_has_folders_only_and_no_hidden_ones(opened: Opened):
    async def scenario(pilot: Pilot) -> None:
        await opened.open(pilot)
        assert opened.names() == ["letters", "notes"]

    piloted(opened.app, scenario)


def test_enter_chooses_the_path_that_is_written(opened: Opened, start: Path):
    async def scenario(pilot: Pilot) -> None:
        await opened.open(pilot)
        await pilot.press(*"notes", "enter")
        await until(pilot, lambda: opened.answers)

    piloted(opened.app, scenario)
    assert opened.answers == [start / "notes"]


def test_tab_completes_and_the_tree_follows(opened: Opened, start: Path):
    async def scenario(pilot: Pilot) -> None:
        await opened.open(pilot)
        await pilot.press("l")
        await until(pilot, lambda: opened.path._suggestion)
        await pilot.press("tab")
        assert opened.path.value == f"{start}/letters/"
        await until(pilot, lambda: opened.names() == ["old"])
        await pilot.press("tab")
        assert not opened.path.has_focus

    piloted(opened.app, scenario)


def test_moving_in_the_tree_writes_the_path_and_enter_chooses_it(opened: Opened, start: Path):
    async def scenario(pilot: Pilot) -> None:
        await opened.open(pilot)
        await pilot.press("down", "down")
        await until(pilot, lambda: opened.path.value == f"{start}/letters/")
        await pilot.press("right")
        await until(pilot, lambda: opened.tree.root.children[0].children)
        await pilot.press("down")
        await until(pilot, lambda: opened.path.value == f"{start}/letters/old/")
        await pilot.press("left")
        await until(pilot, lambda: opened.path.value == f"{start}/letters/")
        await pilot.press("enter")
        await until(pilot, lambda: opened.answers)

    piloted(opened.app, scenario)
    assert opened.answers == [start / "letters"]


def test_backspace_in_the_tree_goes_up(opened: Opened, start: Path):
    async def scenario(pilot: Pilot) -> None:
        await opened.open(pilot)
        await pilot.press("down", "backspace")
        await until(pilot, lambda: start.name in opened.names())

    piloted(opened.app, scenario)


@pytest.mark.parametrize("wrong", ["nowhere", "file.txt", "notes\x1b"])
def test_what_is_no_folder_is_refused_in_place(opened: Opened, start: Path, wrong: str):
    async def scenario(pilot: Pilot) -> None:
        await opened.open(pilot)
        opened.path.value = f"{start}/{wrong}"
        await pilot.press("enter")
        complaint = opened.dialog.query_one(".dialog-complaint", Static)
        await until(pilot, lambda: "is not a folder that can be read" in str(complaint.content))
        assert "\x1b" not in str(complaint.content)
        assert complaint.display

    piloted(opened.app, scenario)
    assert opened.answers == []


def test_escape_chooses_nothing(opened: Opened):
    async def scenario(pilot: Pilot) -> None:
        await opened.open(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: opened.answers)

    piloted(opened.app, scenario)
    assert opened.answers == [None]


def test_a_name_that_would_be_markup_or_a_command_to_the_terminal_is_shown_as_text(start: Path):
    (start / "[bold]x\x1b[2J").mkdir()
    opened = Opened(start)

    async def scenario(pilot: Pilot) -> None:
        await opened.open(pilot)
        assert "[bold]x\ufffd[2J" in opened.names()

    piloted(opened.app, scenario)


def test_the_home_of_the_user_is_completed_and_chosen(start: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(start))
    assert completion("~/no") == "~/notes/"
    assert completion("~nobody-has-this-name/x") is None
    opened = Opened(start)

    async def scenario(pilot: Pilot) -> None:
        await opened.open(pilot)
        opened.path.value = "~/notes"
        await pilot.press("enter")
        await until(pilot, lambda: opened.answers)

    piloted(opened.app, scenario)
    assert opened.answers == [start / "notes"]


def test_only_folders_complete_a_path(start: Path):
    assert completion(f"{start}{os.sep}f") is None
    assert completion(f"{start}{os.sep}n") == f"{start}{os.sep}notes{os.sep}"
    assert completion(f"{start}{os.sep}") is None
    assert completion(f"{start}{os.sep}nowhere{os.sep}n") is None
