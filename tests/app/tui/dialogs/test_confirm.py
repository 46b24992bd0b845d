"""True only when it was confirmed."""

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from app.tui.dialogs.confirm import ConfirmDialog
from tests.app.tui.pilot import piloted


def answer(*keys: str, dangerous: bool = False, click: str = "") -> bool | None:
    """What the dialog returns for these keys."""
    app: App[None] = App()
    answers: list[bool | None] = []

    async def scenario(pilot: Pilot) -> None:
        dialog = ConfirmDialog("Remove [it]?", "All [bold]of it[/bold].", "Remove", dangerous)
        await app.push_screen(dialog, answers.append)
        await pilot.pause()
        assert str(dialog.query_one(".dialog-detail", Static).content) == "All [bold]of it[/bold]."
        await pilot.press(*keys)
        if click:
            await pilot.click(click)
        await pilot.pause()

    piloted(app, scenario)
    (given,) = answers
    return given


@pytest.mark.parametrize(
    ("keys", "expected"),
    [(["enter"], True), (["y"], True), (["n"], False), (["escape"], False), (["tab", "enter"], False)],
)
def test_enter_confirms_what_is_harmless(keys: list[str], expected: bool):
    assert answer(*keys) is expected


@pytest.mark.parametrize(("keys", "expected"), [(["enter"], False), (["y"], True), (["right", "enter"], True)])
def test_enter_alone_never_confirms_what_is_dangerous(keys: list[str], expected: bool):
    assert answer(*keys, dangerous=True) is expected


@pytest.mark.parametrize(("button", "expected"), [("#yes", True), ("#cancel", False)])
def test_the_mouse_will_do(button: str, expected: bool):
    assert answer(click=button) is expected
