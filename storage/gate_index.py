"""The part of the index that keeps what was found out about models: how good their blended answers are.

`Index` is one of these, over the same connection and with the same promises: a method that writes is one transaction,
rows leave as values, every other thread needs an index of its own.

`tried` is a JSON list of objects: {"ratio", "kl", "agreement", "questions"}. A row that cannot be read counts as none:
it is measured again.
"""

import json
import sqlite3
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any

from storage.values import BlendQuality, GateVerdict, QualityBar

_Row = tuple[Any, ...]


class GateIndex(ABC):
    """See the module."""

    @abstractmethod
    def _rows(self, sql: str, *parameters: str | bytes | int | None) -> list[_Row]: ...

    @abstractmethod
    def _writing(self) -> AbstractContextManager[sqlite3.Connection]: ...

    def gate_verdict(self, fingerprint: str, strategy: str) -> GateVerdict | None:
        """The last one, of whatever version; None before any."""
        rows = self._rows(
            "SELECT ratio, tried, max_kl, min_agreement, version, measured_at FROM gate_verdicts"
            " WHERE fingerprint = ? AND strategy = ?",
            fingerprint,
            strategy,
        )
        return _verdict(rows[0]) if rows else None

    def put_gate_verdict(self, fingerprint: str, strategy: str, verdict: GateVerdict) -> None:
        """In place of the one before."""
        tried = [
            {"ratio": each.ratio, "kl": each.kl, "agreement": each.agreement, "questions": each.num_questions}
            for each in verdict.tried
        ]
        with self._writing() as db:
            db.execute(
                """INSERT OR REPLACE INTO gate_verdicts(
                    fingerprint, strategy, version, ratio, tried, max_kl, min_agreement, measured_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    fingerprint,
                    strategy,
                    verdict.version,
                    verdict.ratio,
                    json.dumps(tried, allow_nan=False),
                    verdict.bar.max_kl,
                    verdict.bar.min_agreement,
                    verdict.measured_at,
                ),
            )

    def last_fingerprint(self, model_identity: str, kv_type: str) -> str | None:
        """The fingerprint that a model's states had when it was loaded last; None: it never was."""
        rows = self._rows(
            "SELECT fingerprint FROM model_fingerprints WHERE identity = ? AND kv_type = ?", model_identity, kv_type
        )
        return rows[0][0] if rows else None

    def note_fingerprint(self, model_identity: str, kv_type: str, fingerprint: str, *expendable: str) -> None:
        """A model was loaded. Its states of the other fingerprints make way for any others. Writes only what is not
        noted yet."""
        is_known = self.expendable_fingerprints().issuperset(expendable)
        if self.last_fingerprint(model_identity, kv_type) != fingerprint or not is_known:
            with self._writing() as db:
                db.execute(
                    "INSERT OR REPLACE INTO model_fingerprints(identity, kv_type, fingerprint) VALUES (?, ?, ?)",
                    (model_identity, kv_type, fingerprint),
                )
                db.execute("DELETE FROM expendable_fingerprints WHERE fingerprint = ?", (fingerprint,))
                db.executemany(
                    "INSERT OR IGNORE INTO expendable_fingerprints VALUES (?)", [(each,) for each in expendable]
                )

    def expendable_fingerprints(self) -> set[str]:
        """Those whose states make way for any others, of all models."""
        return {fingerprint for (fingerprint,) in self._rows("SELECT fingerprint FROM expendable_fingerprints")}


def _verdict(row: _Row) -> GateVerdict | None:
    ratio, tried, max_kl, min_agreement, version, measured_at = row
    try:
        qualities = tuple(
            BlendQuality(float(each["ratio"]), float(each["kl"]), float(each["agreement"]), int(each["questions"]))
            for each in json.loads(tried)
        )
    except (ValueError, TypeError, KeyError):
        return None
    bar = QualityBar(max_kl, min_agreement)
    return GateVerdict(ratio, qualities, bar, version, measured_at) if qualities else None
