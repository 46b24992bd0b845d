"""A machine with 16 GB, without part packages, and an assistant with the places of all programs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.models.places import find_places
from tests.app.tui.fake_assistant import FakeAssistant
from tests.app.tui.models.models_pilot import MEMORY


@pytest.fixture
def no_starters(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no part package were installed."""
    monkeypatch.setattr("app.models.starter.find_spec", lambda name: None)


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """The home of the user, for the models of other programs."""
    return tmp_path / "user"


@pytest.fixture
def assistant(
    tmp_path: Path, user: Path, no_starters: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeAssistant]:
    monkeypatch.setattr("app.models.fit.memory_now", lambda: MEMORY)
    monkeypatch.delenv("STEEP_MODEL", raising=False)
    fake = FakeAssistant(tmp_path / "steep")
    places = find_places({"OLLAMA_MODELS": str(user / ".ollama/models")}, user, "linux")
    fake.locations = replace(fake.locations, model_places=places)
    yield fake
    fake.close()
