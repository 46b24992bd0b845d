"""The models screen: what it lists, how a model is chosen, and how one is downloaded."""

import os
import tomllib
from dataclasses import replace
from pathlib import Path

import gguf
import pytest

from app.assistant.events import AnswerFinished, AnswerStarted, ModelFailed, ModelLoading, UpkeepTold
from app.gate.events import GateMeasured
from app.gate.questions import GATE_VERSION
from app.models.identity import model_identity
from app.models.places import Source
from app.tui.dialogs.confirm import ConfirmDialog
from app.tui.models.nothing_found import NothingFound
from app.tui.models.screen import ModelsScreen
from app.wiring import Parts
from storage.values import Conversation, Turn
from tests.app.gate.test_course import BLENDS
from tests.app.models.gguf_files import put_model
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.models.models_pilot import TOO_LARGE, SeenModels, grow, ready, see_models

TALK = Conversation(1, "A question", 0, 0, 0)
MODEL_BYTES = 3 << 20


@pytest.fixture
def model(assistant: FakeAssistant) -> Path:
    return put_model(assistant.locations.models_dir / "a-0.5b-q4_k_m.gguf")


@pytest.fixture
def other(assistant: FakeAssistant) -> Path:
    return put_model(assistant.locations.models_dir / "b-1.5b-q8_0.gguf")


def remembered(assistant: FakeAssistant) -> object:
    file = assistant.locations.config_file
    return tomllib.loads(file.read_text()).get("model") if file.exists() else None


def toasts(seen: SeenModels) -> list[str]:
    return [each.message for each in seen.app._notifications]


# --- the list


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_model_that_answers_comes_first_with_a_dot(
    assistant: FakeAssistant, model: Path, other: Path, size: tuple[int, int]
):
    async def scenario(seen: SeenModels) -> None:
        await seen.until(lambda: seen.lines[0].startswith("● b-1.5b-q8_0"))
        assert seen.names[1] == "a-0.5b-q4_k_m"
        assert "Answers now" in seen.detail
        assert str(other) in seen.detail

    see_models(assistant, scenario, loaded=other, size=size)


def test_models_of_all_programs_are_listed_with_what_is_wrong_and_embedding_models_last(
    assistant: FakeAssistant, model: Path, user: Path
):
    put_model(user / ".lmstudio/models/owner/name/c.gguf")
    put_model(assistant.locations.models_dir / "vectors.gguf", pooling=gguf.PoolingType.MEAN)
    (assistant.locations.models_dir / "broken.gguf").write_bytes(b"nonsense")

    async def scenario(seen: SeenModels) -> None:
        assert seen.names == ["a-0.5b-q4_k_m", "name/c", "broken", "vectors"]
        assert [line.split()[-1] for line in seen.lines] == ["blended", "blended", "unusable", "search"]
        await seen.highlight("broken")
        assert "is not a GGUF model" in seen.detail

    see_models(assistant, scenario)


def test_wide_windows_show_more_columns(assistant: FakeAssistant, model: Path):
    async def scenario(seen: SeenModels) -> None:
        assert str(Source.OWN) in seen.lines[0].split()
        await seen.pilot.resize_terminal(80, 24)
        await seen.until(lambda: str(Source.OWN) not in seen.lines[0].split())

    see_models(assistant, scenario, size=(180, 40))


def test_the_filter_narrows_the_list_and_escape_ends_it(assistant: FakeAssistant, model: Path, other: Path):
    async def scenario(seen: SeenModels) -> None:
        await seen.press("slash", *"q8_0")
        assert seen.names == ["b-1.5b-q8_0"]
        await seen.press("x")
        assert "No model has these words." in seen.lines[0]
        assert seen.chosen == ""
        await seen.press("escape")
        assert len(seen.names) == 2
        assert seen.models.has_focus

    see_models(assistant, scenario)


def test_without_any_model_it_says_where_was_looked_and_how_to_get_one(assistant: FakeAssistant, user: Path):
    async def scenario(seen: SeenModels) -> None:
        nothing = seen.screen.query_one(NothingFound)
        text = str(nothing.query_one("Static").content)  # type: ignore[attr-defined]
        assert nothing.display
        assert not seen.models.display
        assert str(assistant.locations.models_dir) in text
        assert str(user / ".cache/llama.cpp") in text
        assert "pip install 'steep[starter]'" in text
        put_model(assistant.locations.models_dir / "a.gguf")
        await seen.press("r")
        await seen.until(lambda: seen.names == ["a"])
        assert not nothing.display

    see_models(assistant, scenario)


def test_the_cursor_stays_on_its_model_when_the_list_is_read_again(assistant: FakeAssistant, model: Path, other: Path):
    async def scenario(seen: SeenModels) -> None:
        await seen.highlight("b-1.5b-q8_0")
        put_model(assistant.locations.models_dir / "a0.gguf")
        await seen.press("r")
        await seen.until(lambda: len(seen.names) == 3)
        assert seen.chosen == "b-1.5b-q8_0"

    see_models(assistant, scenario)


def test_what_was_measured_of_a_model_is_shown_as_soon_as_it_is_known(assistant: FakeAssistant, model: Path):
    verdict = replace(BLENDS, version=GATE_VERSION)

    def measure(parts: Parts) -> None:
        parts.index.note_fingerprint(model_identity(model, parts.index), parts.settings.kv_type, "f" * 32)
        parts.index.put_gate_verdict("f" * 32, parts.settings.strategy, verdict)

    async def scenario(seen: SeenModels) -> None:
        assert "Gate: not measured" in seen.detail
        assistant.now(measure)
        assistant.tell(UpkeepTold(GateMeasured(model.name, verdict)))
        await seen.until(lambda: "Gate: blends at 20 % (KL .08, agreement .93;" in " ".join(seen.detail.split()))
        (told,) = seen.app._notifications
        assert told.message == f"{model.name} blends at 20 % (KL .08, agreement .93; bar .10, .90)."

    see_models(assistant, scenario, loaded=model)


# --- choosing one


def test_enter_uses_the_model_and_it_is_remembered_once_it_is_ready(assistant: FakeAssistant, model: Path, other: Path):
    async def scenario(seen: SeenModels) -> None:
        await seen.highlight("b-1.5b-q8_0")
        await seen.press("enter")
        assert seen.used == [other]
        assistant.tell(ModelLoading("b-1.5b-q8_0"))
        await seen.until(lambda: any(line.startswith("◐ b-1.5b") for line in seen.lines))
        assert remembered(assistant) is None
        assistant.tell(ready(other))
        await seen.until(lambda: seen.lines[0].startswith("● b-1.5b"))
        await seen.until(lambda: toasts(seen) == ["b-1.5b-q8_0 answers now, and next time."])
        assert remembered(assistant) == "b-1.5b-q8_0"

    see_models(assistant, scenario, loaded=model)


def test_a_variable_that_decides_the_next_time_is_told(
    assistant: FakeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STEEP_MODEL", "another")

    async def scenario(seen: SeenModels) -> None:
        await seen.press("enter")
        assistant.tell(ready(model))
        await seen.until(lambda: toasts(seen) == ["a-0.5b-q4_k_m answers now, next time STEEP_MODEL decides."])

    see_models(assistant, scenario)


def test_a_model_that_was_not_chosen_here_is_not_remembered(assistant: FakeAssistant, model: Path):
    async def scenario(seen: SeenModels) -> None:
        assistant.tell(ready(model))
        await seen.until(lambda: seen.lines[0].startswith("●"))
        assert remembered(assistant) is None

    see_models(assistant, scenario)


def test_a_model_that_cannot_be_loaded_keeps_its_reason_while_the_one_before_answers_again(
    assistant: FakeAssistant, model: Path, other: Path
):
    async def scenario(seen: SeenModels) -> None:
        await seen.highlight("b-1.5b-q8_0")
        await seen.press("enter")
        assistant.tell(ModelFailed("b-1.5b-q8_0", "Its tensors are damaged."))
        assistant.tell(ready(model))
        await seen.until(lambda: seen.lines[1].endswith("! failed"))
        assert seen.lines[0].startswith("● a-0.5b")
        assert "! Its tensors are damaged." in seen.detail
        assert remembered(assistant) is None
        await seen.press("enter")
        assert seen.used == [other, other]

    see_models(assistant, scenario, loaded=model)


@pytest.mark.parametrize(("key", "is_used"), [("y", True), ("escape", False), ("enter", False)])
def test_a_model_that_is_too_large_is_used_only_when_that_is_confirmed(
    assistant: FakeAssistant, model: Path, key: str, *, is_used: bool
):
    grow(model, TOO_LARGE)

    async def scenario(seen: SeenModels) -> None:
        assert "✗ too large" in seen.lines[0]
        await seen.press("enter")
        await seen.on(ConfirmDialog)
        await seen.press(key)
        await seen.on(ModelsScreen)
        assert bool(seen.used) == is_used

    see_models(assistant, scenario)


def test_while_an_answer_is_made_it_is_asked_whether_to_stop_it(assistant: FakeAssistant, model: Path):
    async def scenario(seen: SeenModels) -> None:
        assistant.tell(AnswerStarted(TALK, 0, "A question"))
        await seen.until(lambda: seen.app.is_answering)
        await seen.press("enter")
        await seen.on(ConfirmDialog)
        await seen.press("n")
        await seen.on(ModelsScreen)
        assert seen.used == []
        assistant.tell(AnswerFinished(TALK, Turn(1, 0, "A question", "Yes.", "{}", 0), None))
        await seen.until(lambda: not seen.app.is_answering)
        await seen.press("enter")
        assert seen.used == [model]

    see_models(assistant, scenario)


def test_models_that_cannot_answer_say_why_when_they_are_chosen(assistant: FakeAssistant, model: Path):
    put_model(assistant.locations.models_dir / "vectors.gguf", pooling=gguf.PoolingType.MEAN)
    (assistant.locations.models_dir / "broken.gguf").write_bytes(b"nonsense")

    async def scenario(seen: SeenModels) -> None:
        for name, words in (("vectors", "makes vectors"), ("broken", "GGUF"), ("a-0.5b-q4_k_m", "answers already")):
            await seen.highlight(name)
            await seen.press("enter")
            assert words in seen.notice
        assert seen.used == []
        await seen.press("escape")
        assert seen.notice == ""

    see_models(assistant, scenario, loaded=model)


def test_a_click_highlights_and_a_double_click_uses(assistant: FakeAssistant, model: Path, other: Path):
    async def scenario(seen: SeenModels) -> None:
        await seen.pilot.click(seen.models, offset=(5, 1))
        assert (seen.chosen, seen.used) == ("b-1.5b-q8_0", [])
        await seen.pilot.click(seen.models, offset=(5, 1), times=2)
        await seen.pilot.pause()
        assert seen.used == [other]

    see_models(assistant, scenario)


def test_a_starter_model_is_joined_before_it_is_used(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch):
    joined = assistant.locations.models_dir / "starter.gguf"

    def choose(name: str, locations: object, progress) -> Path:
        assert name == "qwen2.5-coder-0.5b-instruct-q4_k_m"
        progress(1, 2)
        return joined

    monkeypatch.setattr("app.models.choice.choose_model", choose)
    monkeypatch.setattr("app.models.starter.StarterModel.part_paths", lambda self: [Path()] * (self.num_parts == 6))

    async def scenario(seen: SeenModels) -> None:
        assert seen.lines[0].endswith("in parts")
        await seen.press("enter")
        await seen.until(lambda: seen.used == [joined])
        assert seen.arrival == ""

    see_models(assistant, scenario)


def test_parts_that_are_damaged_are_told_in_place(assistant: FakeAssistant, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.models.starter.StarterModel.part_paths", lambda self: [Path()] * (self.num_parts == 6))

    async def scenario(seen: SeenModels) -> None:
        await seen.press("enter")
        await seen.until(lambda: seen.notice.startswith("! "))
        assert seen.used == []

    see_models(assistant, scenario)


# --- the rest


def test_the_folder_of_a_model_is_opened_or_told(
    assistant: FakeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch
):
    opened: list[Path] = []

    def open_it(app: object, path: Path) -> str:
        opened.append(path)
        return "No program was found." if len(opened) > 1 else ""

    monkeypatch.setattr("app.tui.models.screen.open_document", open_it)

    async def scenario(seen: SeenModels) -> None:
        await seen.press("o")
        assert (opened, seen.notice) == ([model.parent], "")
        await seen.press("o")
        assert os.fspath(model.parent) in seen.notice

    see_models(assistant, scenario)
