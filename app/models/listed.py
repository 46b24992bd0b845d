"""One model that could be chosen, as lists show it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from app.models.places import Source
from app.models.starter import StarterModel
from engine.embedding_model import is_embedding_model
from engine.gguf_header import GgufHeader


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model that could be chosen."""

    name: str
    """Short, and no other model's in the same list."""
    path: Path | None
    """The file to load, the first of several parts; None: a starter model whose parts are installed and not joined
    yet."""
    num_bytes: int
    """Of all its files."""
    source: Source = Source.OWN
    starter: StarterModel | None = None
    problem: str = ""
    """Why it cannot be used, as a sentence for the user."""
    aliases: tuple[str, ...] = ()
    """Longer names that it can be chosen by."""
    header: GgufHeader | None = field(default=None, compare=False, repr=False)
    """What its file says, without the vocabulary; None where there is no file yet, or it cannot be read."""

    @property
    def file_name(self) -> str:
        return f"{self.name}.gguf"

    @property
    def is_embedding(self) -> bool:
        """It makes vectors for search, and cannot answer."""
        return self.header is not None and is_embedding_model(self.header)


def name_of(path: Path, listed: Iterable[ListedModel]) -> str:
    """What a file is called in a list, whichever of its links this is; its own name where it is not there."""
    models = (model for model in listed if model.path and model.path.exists())
    return next((model.name for model in models if model.path and model.path.samefile(path)), path.stem)
