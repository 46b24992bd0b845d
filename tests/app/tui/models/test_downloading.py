"""Downloads on the models screen, from a hub on this machine with the real huggingface_hub."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

pytest.importorskip("huggingface_hub", reason="an optional dependency: pip install 'steep[download]'")

from app.models.hub import Hub
from app.models.repository import HubFile
from app.tui.dialogs.text_dialog import TextDialog
from app.tui.models.arrival_line import ArrivalLine
from app.tui.models.offer_dialog import OfferDialog
from app.tui.models.screen import ModelsScreen
from tests.app.models.gguf_files import put_model
from tests.app.models.hub_server import COMMIT, HubServer, hub_server
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.models.models_pilot import SeenModels, see_models
from tests.waiting import WAIT_SECONDS

MODEL_BYTES = 3 << 20


@pytest.fixture
def model(assistant: FakeAssistant) -> Path:
    return put_model(assistant.locations.models_dir / "a-0.5b-q4_k_m.gguf")


@pytest.fixture
def hub(assistant: FakeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Repository o/n with two models; every download goes there."""
    model = put_model(tmp_path / "served.gguf").read_bytes()
    files = {"a-Q4_K_M.gguf": model.ljust(MODEL_BYTES, b"\0"), "a-Q8_0.gguf": model.ljust(MODEL_BYTES + 1, b"\0")}
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("app.models.transfer._PAUSE_SECONDS", 0)
    with hub_server(files) as served:
        monkeypatch.setattr("app.models.hub.Hub", lambda cache: Hub(cache, served.address))
        yield served


class SlowHub:
    """Answers when it is let."""

    def __init__(self, *names: str) -> None:
        self.answers = threading.Event()
        self._files = [HubFile(name, MODEL_BYTES) for name in names]

    def files(self, repository: str) -> list[HubFile]:
        self.answers.wait(2 * WAIT_SECONDS)  # longer than any test waits for it to be given up
        return self._files


async def ask_for(seen: SeenModels, text: str) -> None:
    await seen.press("d")
    await seen.on(TextDialog)
    seen.app.screen.query_one(Input).value = text
    await seen.press("enter")


def test_a_file_is_downloaded_listed_and_highlighted(assistant: FakeAssistant, hub: HubServer, model: Path, user: Path):
    async def scenario(seen: SeenModels) -> None:
        await ask_for(seen, "o/n/a-Q8_0.gguf")
        await seen.until(lambda: seen.notice == "a-Q8_0.gguf is here: enter uses it.")
        await seen.until(lambda: seen.chosen == "a-Q8_0")
        assert seen.arrival == ""
        await seen.press("enter")
        snapshot = user / ".cache/huggingface/hub/models--o--n/snapshots" / COMMIT
        assert seen.used == [snapshot / "a-Q8_0.gguf"]

    see_models(assistant, scenario)


def test_where_a_repository_has_several_models_it_is_asked_which(assistant: FakeAssistant, hub: HubServer):
    async def scenario(seen: SeenModels) -> None:
        await ask_for(seen, "https://huggingface.co/o/n")
        await seen.on(OfferDialog)
        offered = seen.app.screen.query_one(OptionList)
        assert [str(option.prompt).split() for option in offered.options] == [
            ["a-Q4_K_M.gguf", "3.1", "MB", "✓", "fits"],
            ["a-Q8_0.gguf", "3.1", "MB", "✓", "fits"],
        ]
        assert offered.highlighted == 0
        await seen.press("down", "enter")
        await seen.until(lambda: seen.notice.startswith("a-Q8_0.gguf is here"))

    see_models(assistant, scenario)


def test_leaving_the_choice_downloads_nothing(assistant: FakeAssistant, hub: HubServer):
    async def scenario(seen: SeenModels) -> None:
        await ask_for(seen, "o/n")
        await seen.on(OfferDialog)
        await seen.press("escape")
        await seen.on(ModelsScreen)
        assert hub.asked == []

    see_models(assistant, scenario)


def test_the_choice_waits_until_one_is_back_on_the_screen(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch):
    hub = SlowHub("a-Q4_K_M.gguf", "a-Q8_0.gguf")
    monkeypatch.setattr("app.tui.models.screen.ModelsScreen._hub", lambda _: hub)

    async def scenario(seen: SeenModels) -> None:
        screen = seen.screen
        await ask_for(seen, "o/n")
        await seen.until(lambda: "Asking the hub for o/n" in seen.arrival)
        await seen.press("f2")
        await seen.until(lambda: not screen.is_current)
        hub.answers.set()
        await seen.until(lambda: not screen.query_one(ArrivalLine).display)
        await seen.pilot.pause()
        assert not isinstance(seen.app.screen, OfferDialog)
        await seen.press("f4")
        await seen.on(OfferDialog)

    see_models(assistant, scenario)


def test_a_download_that_is_stopped_goes_on_where_it_was(assistant: FakeAssistant, hub: HubServer):
    hub.pauses.set()
    hub.breaks_after = [1 << 20]

    async def scenario(seen: SeenModels) -> None:
        assert seen.screen.check_action("stop", ()) is False
        await ask_for(seen, "o/n/a-Q8_0.gguf")
        await seen.until(lambda: "1 MB of 3.1 MB" in seen.arrival)
        assert "Downloading o/n/a-Q8_0.gguf" in seen.arrival
        await seen.press("d")
        assert "is on its way" in seen.notice
        await seen.press("x")
        assert "Stopping" in seen.arrival
        hub.pauses.clear()
        await seen.until(lambda: "What has arrived is kept" in seen.notice)
        await seen.press("d")
        await seen.on(TextDialog)
        assert seen.app.screen.query_one(Input).value == "o/n/a-Q8_0.gguf"
        await seen.press("enter")
        await seen.until(lambda: seen.notice.startswith("a-Q8_0.gguf is here"))
        first, *later = hub.ranges()
        assert first == ""
        assert all(int(asked.removeprefix("bytes=").removesuffix("-")) >= 1 << 20 for asked in later)

    see_models(assistant, scenario)


def test_a_download_ends_with_the_app(assistant: FakeAssistant, hub: HubServer):
    hub.pauses.set()
    hub.breaks_after = [1 << 20]
    arrivals = []

    async def scenario(seen: SeenModels) -> None:
        await ask_for(seen, "o/n/a-Q8_0.gguf")
        await seen.until(lambda: "1 MB of 3.1 MB" in seen.arrival)
        arrivals.append(seen.screen._arrival)

    see_models(assistant, scenario)
    hub.pauses.clear()
    assert arrivals[0].stopped.is_set()


def test_asking_the_hub_can_be_stopped(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch):
    hub = SlowHub()
    monkeypatch.setattr("app.tui.models.screen.ModelsScreen._hub", lambda _: hub)

    async def scenario(seen: SeenModels) -> None:
        await ask_for(seen, "o/n")
        await seen.until(lambda: "Asking the hub for o/n" in seen.arrival)
        await seen.press("x")
        await seen.until(lambda: not seen.arrival)
        hub.answers.set()

    see_models(assistant, scenario)


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [("o/n", 503, "answered with HTTP status 503"), ("o/none", 404, "has no repository o/none that you may see")],
)
def test_what_the_hub_refuses_is_told_in_place(
    assistant: FakeAssistant, hub: HubServer, text: str, status: int, words: str
):
    hub.status, hub.error_code = status, "RepoNotFound" if status == 404 else ""

    async def scenario(seen: SeenModels) -> None:
        await ask_for(seen, text)
        await seen.until(lambda: words in seen.notice)
        assert seen.notice.startswith("! ")
        assert seen.arrival == ""

    see_models(assistant, scenario)


def test_a_network_that_is_absent_is_told_in_place(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("app.models.hub.Hub", lambda cache: Hub(cache, "http://127.0.0.1:9"))

    async def scenario(seen: SeenModels) -> None:
        await ask_for(seen, "o/n")
        await seen.until(lambda: "cannot be reached" in seen.notice)

    see_models(assistant, scenario)


def test_a_missing_library_says_what_to_install(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    async def scenario(seen: SeenModels) -> None:
        await ask_for(seen, "o/n")
        await seen.until(lambda: "pip install 'steep[download]'" in seen.notice)

    see_models(assistant, scenario)


def test_a_name_that_is_none_is_told_in_the_dialog(assistant: FakeAssistant):
    async def scenario(seen: SeenModels) -> None:
        await ask_for(seen, "qwen")
        assert isinstance(seen.app.screen, TextDialog)
        assert "OWNER/NAME" in str(seen.app.screen.query_one(".dialog-complaint").content)  # type: ignore[attr-defined]

    see_models(assistant, scenario)
