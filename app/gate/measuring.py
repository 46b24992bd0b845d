"""A model is measured with our own questions, and what comes out is kept."""

import time
from typing import TYPE_CHECKING

from app.gate.questions import GATE_VERSION, gate_questions
from app.settings import Settings
from app.wiring import Engine
from storage.index import Index
from storage.values import GateVerdict

if TYPE_CHECKING:
    from engine.requests import GateDone, GateEvent
    from engine.runtime import Job


def measuring(engine: Engine, settings: Settings) -> "Job[GateEvent]":
    """Begin; it gives way to questions and rests like steeping. Only for a model that can be blended."""
    from engine.requests import GateRequest

    return engine.runtime.gate(GateRequest(gate_questions(), settings.strategy))


def keep_verdict(index: Index, engine: Engine, settings: Settings, done: "GateDone") -> GateVerdict:
    """Keep what was measured, in place of what was before."""
    from engine.requests import GATE_BAR

    verdict = GateVerdict(done.ratio, done.tried, GATE_BAR, GATE_VERSION, int(time.time()))
    index.put_gate_verdict(engine.fingerprint, settings.strategy, verdict)
    return verdict
