"""Verdicts on models: kept by fingerprint and strategy, and read back as they were."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from storage.index import Index
from storage.store import StateStore
from storage.values import BlendQuality, GateVerdict, QualityBar, StateKey

MODEL, OTHER = "a" * 32, "b" * 32
BAR = QualityBar(0.1, 0.9)
BLENDS = GateVerdict(0.15, (BlendQuality(0.1, 0.31, 0.8, 4), BlendQuality(0.15, 0.08, 0.93, 8)), BAR, 1, 1234)
EXACT_ONLY = GateVerdict(None, (BlendQuality(0.5, 0.3, 0.7, 8),), BAR, 1, 1234)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite3"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with Index(path) as opened:
        yield opened


@pytest.mark.parametrize("verdict", [BLENDS, EXACT_ONLY])
def test_a_verdict_comes_back_as_it_was(index: Index, path: Path, verdict: GateVerdict):
    index.put_gate_verdict(MODEL, "attention", verdict)
    with Index(path) as another:
        assert another.gate_verdict(MODEL, "attention") == verdict


def test_each_fingerprint_and_strategy_has_one_of_its_own(index: Index):
    index.put_gate_verdict(MODEL, "attention", BLENDS)
    assert index.gate_verdict(OTHER, "attention") is None
    assert index.gate_verdict(MODEL, "first") is None


def test_the_last_one_counts(index: Index):
    index.put_gate_verdict(MODEL, "attention", BLENDS)
    newer = replace(EXACT_ONLY, version=2)
    index.put_gate_verdict(MODEL, "attention", newer)
    assert index.gate_verdict(MODEL, "attention") == newer


def test_it_outlives_the_states_of_its_model(index: Index, tmp_path: Path):
    index.put_gate_verdict(MODEL, "attention", BLENDS)
    index.record_state(StateKey(MODEL, "c" * 40), "chunk", 3, 30, [])
    StateStore(tmp_path / "kv", index).purge_unlinked()
    assert list(index.state_keys()) == []
    assert index.gate_verdict(MODEL, "attention") == BLENDS


@pytest.mark.parametrize("tried", ["", "[]", "{", "[1]", '[{"ratio": 0.1}]', '[{"ratio": "x"}]', "null"])
def test_a_row_that_cannot_be_read_counts_as_none(index: Index, path: Path, tried: str):
    index.put_gate_verdict(MODEL, "attention", BLENDS)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE gate_verdicts SET tried = ?", (tried,))
    assert index.gate_verdict(MODEL, "attention") is None


def test_a_verdict_tells_what_it_rests_on_and_what_a_ratio_costs():
    assert BLENDS.telling == BLENDS.at(0.15) == BlendQuality(0.15, 0.08, 0.93, 8)
    assert EXACT_ONLY.telling == BlendQuality(0.5, 0.3, 0.7, 8)
    assert BLENDS.at(0.2) is None


def test_the_fingerprint_that_a_model_had_last_is_known_by_model_and_kv_type(index: Index):
    assert index.last_fingerprint("sha", "f16") is None
    index.note_fingerprint("sha", "f16", MODEL)
    index.note_fingerprint("sha", "q8_0", OTHER)
    assert (index.last_fingerprint("sha", "f16"), index.last_fingerprint("sha", "q8_0")) == (MODEL, OTHER)
    index.note_fingerprint("sha", "f16", OTHER)
    assert index.last_fingerprint("sha", "f16") == OTHER


def test_what_is_expendable_is_noted_until_it_stands_for_a_model(index: Index):
    index.note_fingerprint("sha", "f16", MODEL, OTHER)
    assert index.expendable_fingerprints() == {OTHER}
    index.note_fingerprint("sha", "q8_0", "ef" * 16)
    assert index.expendable_fingerprints() == {OTHER}
    index.note_fingerprint("sha", "f16", OTHER)
    assert index.expendable_fingerprints() == set()
    index.note_fingerprint("sha", "f16", OTHER, MODEL)
    assert index.expendable_fingerprints() == {MODEL}


def test_what_is_noted_already_is_not_written_again(index: Index, path: Path):
    index.note_fingerprint("sha", "f16", MODEL, OTHER)
    with Index(path) as another:
        version = another.data_version()
        index.note_fingerprint("sha", "f16", MODEL, OTHER)
        assert another.data_version() == version
