"""A model of the list with all that is told of it, and how it stands to the one that answers. Pure values.

What needs `app.models.fit` imports it late: psutil behind it takes 11 ms, which the start of the app need not wait for.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from app.assistant.events import ModelFailed, ModelLoading, ModelReady
from app.models.labels import num_parameters, quantisation
from app.models.listed import ListedModel

if TYPE_CHECKING:
    from app.models.fit import Fit, ModelFacts
    from storage.values import GateVerdict


class State(Enum):
    """What a model does at this moment."""

    NONE = "nothing"
    LOADING = "is loaded now"
    ANSWERS = "answers"
    FAILED = "could not be loaded"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model as it was when somebody looked."""

    model: ListedModel
    facts: "ModelFacts | None"
    fit: "Fit"
    loaded_as: Path | None = None
    """The path by which it is loaded, which may be another link to the same file; None: another model is."""
    verdict: "GateVerdict | None" = None
    """How good its blended answers are; None: it was not measured."""

    @property
    def key(self) -> str:
        """The same whenever it is listed."""
        return key_of(self.model.path) if self.model.path else self.model.name

    @property
    def can_answer(self) -> bool:
        return not self.model.problem and not self.model.is_embedding

    @property
    def is_too_large(self) -> bool:
        from app.models.fit import Verdict

        return self.fit.verdict is Verdict.TOO_LARGE

    @property
    def label(self) -> str:
        """Parameters and quantisation: `0.5B Q4_K_M`; what nobody says is left out."""
        if self.facts:
            words = (self.facts.num_parameters, self.facts.quantisation)
        else:
            words = (num_parameters(self.model.name, {}), quantisation(self.model.name, {}))
        return " ".join(filter(None, words))

    def state(self, model: ModelLoading | ModelReady | ModelFailed) -> State:
        """Seen from what the app says of its model; one that is being loaded is known by its name only."""
        match model:
            case ModelReady(path=path):
                return State.ANSWERS if path in (self.model.path, self.loaded_as) else State.NONE
            case ModelLoading(name=name):
                return State.LOADING if name in self._names else State.NONE
            case ModelFailed(name=name):
                return State.FAILED if name in self._names else State.NONE

    @property
    def _names(self) -> tuple[str, ...]:
        path = self.model.path
        return (self.model.name, path.stem) if path else (self.model.name,)

    def has_words(self, text: str) -> bool:
        """Whether each word of a text is part of one of its names, of its label or of its source."""
        told = " ".join((self.key, self.model.name, *self.model.aliases, self.label, self.model.source)).casefold()
        return all(word in told for word in text.casefold().split())


def key_of(path: Path) -> str:
    """The key of the model that a file is listed as."""
    return os.fspath(path)


def in_order(entries: Iterable[ModelEntry]) -> list[ModelEntry]:
    """The one that is loaded, those that can answer by how they fit, what is unusable, and embedding models."""
    return sorted(entries, key=_place)


def _place(entry: ModelEntry) -> tuple[bool, bool, bool, int]:
    from app.models.fit import Verdict

    verdicts = (Verdict.FITS, Verdict.TIGHT, Verdict.TOO_LARGE)
    is_unusable = bool(entry.model.problem)
    return entry.loaded_as is None, entry.model.is_embedding, is_unusable, verdicts.index(entry.fit.verdict)
