"""An index, a tokenizer, and installed programs with documents that the tiny model has read."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.locations import Locations
from engine.model import Model
from engine.prompt import PromptFrame, frame_of
from engine.vocabulary import Vocabulary
from storage.index import Index
from storage.store import StateStore
from storage.values import ChunkText, DocumentVersion
from tests.app.program import Program

DOCUMENTS = {
    "ferry.md": "# The ferry\n\nThe ferry to Grindlow leaves at seven in the morning. Its captain is Odile Marsh, who "
    "bought the ship in 1998 from her uncle. The crossing takes forty minutes when the sea is calm.\n",
    "cats.txt": "Odile Marsh keeps two cats on board. The older one is called Biscuit and sleeps on the chart table. "
    "Passengers may not feed the cats, because Biscuit once fell ill from a herring pie.\n",
    "harbour/piers.md": "# The harbour\n\nThe harbour of Grindlow has three piers. The ferry lands at the middle pier. "
    "A bakery next to it sells herring pies and closes when the last ferry has left.\n",
}


def write_documents(folder: Path) -> Path:
    for name, text in DOCUMENTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


@pytest.fixture
def locations(tmp_path: Path) -> Locations:
    return Locations(tmp_path / "config", tmp_path / "data", tmp_path / "cache")


@pytest.fixture
def index(locations: Locations) -> Iterator[Index]:
    with Index(locations.index_file) as opened:
        yield opened


@pytest.fixture
def store(locations: Locations, index: Index) -> StateStore:
    return StateStore(locations.states_dir, index)


@pytest.fixture
def put_texts(index: Index, tmp_path: Path) -> Callable[..., None]:
    """Puts a document of one chunk per text, `num_tokens` each."""
    folder = index.add_folder(tmp_path.resolve())

    def put(name: str, *texts: str, num_tokens: int = 10) -> None:
        chunks = [ChunkText(i, i + 1, None, None, text, num_tokens) for i, text in enumerate(texts)]
        index.put_document(folder.id, DocumentVersion(tmp_path / name, 1, 1, "digest", name), chunks)

    return put


@pytest.fixture(scope="session")
def tiny_frame(tiny_model: Path) -> Iterator[PromptFrame]:
    with Model(tiny_model, vocabulary_only=True) as model:
        yield frame_of(model, Vocabulary(model))


@pytest.fixture
def program(tmp_path: Path, tiny_model: Path) -> Program:
    """Freshly installed: no folder, no documents."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Program(tmp_path / "home", tiny_model, folder)


@pytest.fixture(scope="session")
def steeped_home(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Program:
    """`DOCUMENTS`, read and steeped. Shared: nobody may change it."""
    folder = write_documents(tmp_path_factory.mktemp("documents"))
    program = Program(tmp_path_factory.mktemp("home"), tiny_model, folder)
    program.run("add", ".")
    program.run("index")
    return program


@pytest.fixture
def steeped(steeped_home: Program, tmp_path: Path) -> Program:
    """`DOCUMENTS`, read and steeped, in a home of one's own; the documents are shared."""
    home = shutil.copytree(steeped_home.home, tmp_path / "home")
    return Program(home, steeped_home.model, steeped_home.folder)
