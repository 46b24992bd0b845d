"""An assistant over documents that the tiny model has read, and an ear for what it tells."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from app.assistant.assistant import Assistant
from app.assistant.events import AssistantEvent
from tests.app.program import Program
from tests.waiting import wait_until

T = TypeVar("T")


class Ear:
    """Keeps what it is told; from any thread."""

    def __init__(self) -> None:
        self.events: list[AssistantEvent] = []

    def __call__(self, event: AssistantEvent) -> None:
        self.events.append(event)

    def all(self, kind: type[T]) -> list[T]:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def wait(self, kind: type[T], number: int = 1) -> T:
        """The `number`th event of a kind, once it is there."""
        wait_until(lambda: len(self.all(kind)) >= number)
        return self.all(kind)[number - 1]


def use_home(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process have the program's settings."""
    monkeypatch.setenv("STEEP_HOME", str(program.home))
    monkeypatch.setenv("STEEP_MODEL", str(program.model))
    monkeypatch.setenv("STEEP_THREADS", "1")
    monkeypatch.setenv("STEEP_GATE", "false")
    monkeypatch.setenv("STEEP_MAX_ANSWER_TOKENS", "12")
    monkeypatch.setenv("STEEP_CONTEXT_TOKENS", "512")


@pytest.fixture
def everything_kept(caplog: pytest.LogCaptureFixture) -> None:
    """The log, from the first moment on, as it is while the app runs: no thread changes what is kept of it."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="app")


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def start(ear: Ear) -> Iterator[Callable[[], Assistant]]:
    """Starts an assistant; all that were started are closed."""
    started: list[Assistant] = []

    def make() -> Assistant:
        assistant = Assistant({})
        assistant.start(ear)
        started.append(assistant)
        return assistant

    yield make
    for assistant in started:
        assistant.close()


@pytest.fixture
def home(steeped: Program, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`DOCUMENTS`, read and steeped."""
    use_home(steeped, monkeypatch)
    return steeped.home
