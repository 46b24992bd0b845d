"""The end of the app: from another thread, before the beginning, and while somebody still wants to show something."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual.css.query import NoMatches
from textual.pilot import Pilot
from textual.widget import MountError
from textual.worker import WorkerFailed

from app.tui.app import SteepApp
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.pilot import piloted, until


@pytest.fixture
def app(tmp_path: Path) -> Iterator[SteepApp]:
    assistant = FakeAssistant(tmp_path)
    yield SteepApp(assistant)
    assistant.close()


def test_another_thread_can_end_it(app: SteepApp):
    async def scenario(pilot: Pilot[None]) -> None:
        thread = threading.Thread(target=app.end)
        thread.start()
        await until(pilot, lambda: app._exit)
        thread.join()

    piloted(app, scenario)
    assert app.return_code == 0


def test_what_was_ended_before_it_began_ends_at_once(app: SteepApp):
    app.end()

    async def scenario(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app._exit)

    piloted(app, scenario)
    assert app.return_code == 0


@pytest.mark.parametrize("late", [MountError("too late"), WorkerFailed(NoMatches("too late"))])
def test_who_comes_too_late_to_be_shown_makes_no_mistake(app: SteepApp, late: Exception):
    async def scenario(pilot: Pilot[None]) -> None:
        app.exit()
        app._handle_exception(late)

    piloted(app, scenario)
    assert app.return_code == 0


def test_before_the_end_it_is_a_mistake(app: SteepApp):
    async def scenario(pilot: Pilot[None]) -> None:
        app._handle_exception(MountError("too early"))

    with pytest.raises(MountError, match="too early"):
        piloted(app, scenario)
    assert app.return_code == 1


def test_after_the_end_other_mistakes_are_mistakes(app: SteepApp):
    async def scenario(pilot: Pilot[None]) -> None:
        app.exit()
        app._handle_exception(KeyError("ours"))

    with pytest.raises(KeyError, match="ours"):
        piloted(app, scenario)


def test_a_program_that_takes_the_terminal_gets_its_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []

    class Streams:
        @contextmanager
        def loud(self) -> Iterator[None]:
            told.append("loud")
            yield
            told.append("quiet")

    assistant = FakeAssistant(tmp_path)
    app = SteepApp(assistant, streams=Streams())  # type: ignore[arg-type]

    async def scenario(pilot: Pilot[None]) -> None:
        monkeypatch.setattr(type(app._driver), "can_suspend", True)
        with app.suspend():
            assert told == ["loud"]
        assert told == ["loud", "quiet"]

    piloted(app, scenario)
    assistant.close()
