"""A model is measured once, in the background; the runtime is a stand-in whose measurements end at once."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.gate.background import BackgroundGate
from app.gate.events import GateMeasured, GateTold, GateTrouble, GateUnderWay
from app.gate.questions import GATE_VERSION, gate_questions
from app.locations import Locations
from app.settings import Settings
from app.wiring import Engine
from engine.errors import Cancelled, DecodeFailed
from engine.requests import GateDone, GateEvent, GateProgress, GateRequest
from storage.content_key import fingerprint
from storage.index import Index
from storage.values import BlendQuality, GateVerdict, QualityBar
from tests.waiting import wait_until

FINGERPRINT = fingerprint({"model": "m"})
DONE = GateDone(0.15, (BlendQuality(0.15, 0.08, 0.93, 8),), 8, 1234.0)
VERDICT = GateVerdict(None, (BlendQuality(0.5, 0.3, 0.7, 8),), QualityBar(0.1, 0.9), GATE_VERSION, 1)


class Job:
    """Ends with a verdict, or fails, or waits until it is cancelled."""

    def __init__(self, failure: Exception | None, waits: bool) -> None:
        self._failure, self._waits, self._cancelled = failure, waits, threading.Event()

    def __iter__(self) -> Iterator[GateEvent]:
        yield GateProgress(1, 2)
        if self._waits:
            self._cancelled.wait(30)
            raise Cancelled("stopped")
        if self._failure:
            raise self._failure
        yield DONE

    def cancel(self) -> None:
        self._cancelled.set()


class InstantRuntime:
    """`engine.runtime.Runtime`, as far as the gate sees it."""

    def __init__(self) -> None:
        self.requests: list[GateRequest] = []
        self.failure: Exception | None = None
        self.waits = False

    def gate(self, request: GateRequest) -> Job:
        self.requests.append(request)
        return Job(self.failure, self.waits)


@pytest.fixture
def runtime() -> InstantRuntime:
    return InstantRuntime()


@pytest.fixture
def engine(runtime: InstantRuntime) -> Engine:
    ready: Any = SimpleNamespace(blendability=SimpleNamespace(possible=True), model_name="m.gguf")
    stand_in: Any = runtime
    return Engine(stand_in, ready, Path("m.gguf"), {3: FINGERPRINT}, 100, 5)


def told_by(locations: Locations, settings: Settings, engine: Engine) -> list[GateTold]:
    """Everything that a gate tells that is left alone."""
    events: list[GateTold] = []
    gate = BackgroundGate(locations, settings, engine, events.append)
    wait_until(lambda: not gate._thread.is_alive())
    gate.close()
    return events


def test_a_model_without_verdict_is_measured_and_the_verdict_kept(
    locations: Locations, index: Index, engine: Engine, runtime: InstantRuntime
):
    under_way, measured = told_by(locations, Settings(strategy="first"), engine)
    assert runtime.requests == [GateRequest(gate_questions(), "first")]
    assert under_way == GateUnderWay(1, 2)
    assert isinstance(measured, GateMeasured)
    assert measured.verdict == index.gate_verdict(FINGERPRINT, "first")
    assert (measured.model_name, measured.verdict.ratio, measured.verdict.tried) == ("m.gguf", 0.15, DONE.tried)
    assert measured.verdict.version == GATE_VERSION


def test_it_is_measured_once(locations: Locations, index: Index, engine: Engine, runtime: InstantRuntime):
    told_by(locations, Settings(), engine)
    assert told_by(locations, Settings(), engine) == []
    assert len(runtime.requests) == 1


def test_a_verdict_of_another_version_does_not_count(
    locations: Locations, index: Index, engine: Engine, runtime: InstantRuntime
):
    index.put_gate_verdict(FINGERPRINT, "attention", replace(VERDICT, version=GATE_VERSION - 1))
    assert len(told_by(locations, Settings(), engine)) == 2


@pytest.mark.parametrize("settings", [Settings(gate=False), Settings()])
def test_it_is_left_alone_where_the_user_or_the_model_says_so(
    locations: Locations, engine: Engine, runtime: InstantRuntime, settings: Settings
):
    unfit: Any = SimpleNamespace(blendability=SimpleNamespace(possible=not settings.gate), model_name="m.gguf")
    assert told_by(locations, settings, replace(engine, ready=unfit)) == []
    assert runtime.requests == []


def test_closed_before_the_end_it_keeps_nothing_and_complains_of_nothing(
    locations: Locations, index: Index, engine: Engine, runtime: InstantRuntime
):
    runtime.waits = True
    events: list[GateTold] = []
    with BackgroundGate(locations, Settings(), engine, events.append) as gate:
        wait_until(lambda: events)
    gate.close()
    assert events == [GateUnderWay(1, 2)]
    assert index.gate_verdict(FINGERPRINT, "attention") is None


@pytest.mark.parametrize("failure", [DecodeFailed("it refused"), RuntimeError("ours")])
def test_what_goes_wrong_is_told_and_nothing_is_kept(
    locations: Locations, index: Index, engine: Engine, runtime: InstantRuntime, failure: Exception
):
    runtime.failure = failure
    _, trouble = told_by(locations, Settings(), engine)
    assert isinstance(trouble, GateTrouble)
    assert str(failure) in trouble.reason
    assert index.gate_verdict(FINGERPRINT, "attention") is None
