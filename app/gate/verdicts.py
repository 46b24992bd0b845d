"""The verdicts that are kept, as far as they still count: those of this version of the gate."""

from typing import TYPE_CHECKING

from app.gate.course import Course, course
from app.gate.questions import GATE_VERSION
from app.models.identity import known_identity
from app.settings import Settings
from storage.index import Index
from storage.values import GateVerdict

if TYPE_CHECKING:
    from pathlib import Path

    from app.wiring import Engine, Parts


def verdict_of(index: Index, fingerprint: str, strategy: str) -> GateVerdict | None:
    """A model's verdict, by the fingerprint of its states."""
    verdict = index.gate_verdict(fingerprint, strategy)
    return verdict if verdict and verdict.version == GATE_VERSION else None


def verdict_of_file(index: Index, path: "Path", settings: Settings) -> GateVerdict | None:
    """The verdict of a model that is not loaded: of the states that it had when it was loaded last."""
    try:
        identity = known_identity(path, index)
    except OSError:  # it is gone
        return None
    fingerprint = identity and index.last_fingerprint(identity, settings.kv_type)
    return verdict_of(index, fingerprint, settings.strategy) if fingerprint else None


def course_of(parts: "Parts", engine: "Engine") -> Course:
    """How the next question is answered."""
    verdict = verdict_of(parts.index, engine.fingerprint, parts.settings.strategy)
    return course(parts.settings, verdict, is_blendable=engine.ready.blendability.possible)
