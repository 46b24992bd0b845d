"""A line of text that passed its check, or None."""

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from app.tui.dialogs.text_dialog import TextDialog
from tests.app.tui.pilot import piloted


def refuse_empty(text: str) -> str | None:
    return None if text else "It [must] not be empty."


def answers_to(*keys: str, complaint: str | None = None) -> list[str | None]:
    app: App[None] = App()
    answers: list[str | None] = []

    async def scenario(pilot: Pilot) -> None:
        dialog = TextDialog("Rename", "old", check=refuse_empty)
        await app.push_screen(dialog, answers.append)
        await pilot.press(*keys)
        await pilot.pause()
        if complaint is not None:
            shown = dialog.query_one(".dialog-complaint", Static)
            assert (str(shown.content), shown.display) == (complaint, bool(complaint))

    piloted(app, scenario)
    return answers


def test_enter_takes_what_was_typed_without_blanks_around_it():
    assert answers_to("end", "space", "n", "e", "w", "space", "enter") == ["old new"]


def test_escape_leaves_everything_as_it_was():
    assert answers_to("x", "escape") == [None]


def test_a_text_that_is_refused_stays_with_the_reason():
    assert answers_to("backspace", "enter", complaint="It [must] not be empty.") == []


def test_the_reason_goes_when_one_types_on():
    assert answers_to("backspace", "enter", "x", complaint="") == []
