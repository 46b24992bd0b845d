"""Small states and an open index; nothing here is shared with other test folders."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.content_key import fingerprint, state_key
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkState, ChunkText, DocumentVersion

MakeState = Callable[..., ChunkState]


@pytest.fixture(scope="session")
def make_state() -> MakeState:
    def make(
        token_ids: tuple[int, ...] = (1, 2, 3),
        blob: bytes = b"rows of K and V",
        start_position: int = 7,
        model: str = "model",
    ) -> ChunkState:
        key = state_key(fingerprint({"model": model}), start_position, token_ids)
        return ChunkState(key, token_ids, blob, start_position)

    return make


@pytest.fixture(scope="session")
def version() -> Callable[..., DocumentVersion]:
    def make(path: Path, content_digest: str = "d1") -> DocumentVersion:
        return DocumentVersion(path, num_bytes=10, mtime_ns=20, content_digest=content_digest, title=path.stem)

    return make


@pytest.fixture(scope="session")
def texts() -> Callable[..., list[ChunkText]]:
    def make(*words: str) -> list[ChunkText]:
        return [ChunkText(i, i + 1, None, None, text, num_tokens=3) for i, text in enumerate(words)]

    return make


@pytest.fixture(scope="session")
def dead_pid() -> int:
    """Of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(tmp_path / "data" / "index.db") as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path, index: Index) -> StateStore:
    return StateStore(tmp_path / "data" / "kv", index)
