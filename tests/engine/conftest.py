"""Sessions over the real models, with states in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model import ContextOptions
from engine.session import Session, SessionOptions
from tests.fakes import MemoryShelf

NUM_CELLS = 1536


def open_session(model: Path, shelf: MemoryShelf, **context: object) -> Session:
    options = ContextOptions(num_cells=NUM_CELLS, **context)
    return Session(SessionOptions(model, "test", options), shelf.opened)


@pytest.fixture(scope="session")
def shared_session(starter_model: Path) -> Iterator[Session]:
    with open_session(starter_model, MemoryShelf()) as session:
        yield session
