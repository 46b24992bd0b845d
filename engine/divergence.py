"""How far one model's next-token distributions are from another's: KL divergence, from logits. Pure numpy.

Logits have the shape (positions, vocabulary), float32. Sums over the vocabulary are made in float64: a hundred thousand
small probabilities do not add up in float32.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from engine.bindings import FloatArray


@dataclass(frozen=True, slots=True)
class Distributions:
    """What others are compared with, at each position."""

    probabilities: FloatArray
    """(positions, vocabulary)"""
    log_sums: FloatArray
    """Σ p · log p, (positions,)."""

    @classmethod
    def of(cls, logits: FloatArray) -> Self:
        log_probabilities = logits - _log_sum_exp(logits)[:, None]
        probabilities = np.exp(log_probabilities)
        log_sums = np.einsum("ij,ij->i", probabilities, log_probabilities, dtype=np.float64)
        return cls(probabilities, log_sums.astype(np.float32))

    def divergences(self, logits: FloatArray) -> FloatArray:
        """KL(these ‖ those of the logits), nats, (positions,); never below 0, which rounding would allow."""
        expected = np.einsum("ij,ij->i", self.probabilities, logits, dtype=np.float64)
        return np.maximum(self.log_sums - expected + _log_sum_exp(logits), 0).astype(np.float32)


def _log_sum_exp(logits: FloatArray) -> FloatArray:
    highest = logits.max(axis=1)
    return highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1, dtype=np.float64)).astype(np.float32)
