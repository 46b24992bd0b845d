"""Sessions over the real models, with states in memory.

On a machine with a GPU, `STEEP_TEST_GPU_LAYERS=12` runs the same proofs on a graph cut over GPU and CPU.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model import ALL_LAYERS, ContextOptions
from engine.session import Session, SessionOptions
from tests.fakes import MemoryShelf

NUM_CELLS = 1536
GPU_LAYERS = int(os.environ.pop("STEEP_TEST_GPU_LAYERS", ALL_LAYERS))


def open_session(model: Path, shelf: MemoryShelf, **context: object) -> Session:
    options = ContextOptions(num_cells=NUM_CELLS, **context)
    return Session(SessionOptions(model, "test", options, GPU_LAYERS), shelf.opened)


@pytest.fixture(scope="session")
def shared_session(starter_model: Path) -> Iterator[Session]:
    with open_session(starter_model, MemoryShelf()) as session:
        yield session
