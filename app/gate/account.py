"""What an answer says of the gate: its verdict, how close such answers come, and whether the user decided otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Standing(StrEnum):
    """What the gate says of a model."""

    BLEND = "blend"
    EXACT = "exact"
    UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True)
class GateAccount:
    """See the module."""

    verdict: Standing
    ratio: float | None = None
    """What the figures are of: the ratio that the answer was blended at; of an exact one, that of the verdict."""
    kl: float | None = None
    """KL(exact ‖ blended), nats, as measured at that ratio; None where it was not tried."""
    agreement: float | None = None
    """Share of tokens that are the same."""
    overridden: bool = False
    """The user's settings decided, and otherwise."""

    def as_object(self) -> dict[str, object]:
        return {
            "verdict": str(self.verdict),
            "ratio": self.ratio,
            "kl": _rounded(self.kl),
            "agreement": _rounded(self.agreement),
            "overridden": self.overridden,
        }

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        """The inverse, but for rounding; raises ValueError, KeyError or TypeError for anything else."""
        ratio, kl, agreement = (_number(value[name]) for name in ("ratio", "kl", "agreement"))
        return cls(Standing(value["verdict"]), ratio, kl, agreement, bool(value["overridden"]))


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 4)


def _number(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {value!r}")
    return float(value)
