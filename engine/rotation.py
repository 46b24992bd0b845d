"""Turn keys to other positions, as RoPE does: for comparing keys of different places. Pure.

Only for plain RoPE (one frequency base, no scaling, no per-frequency factors); `rotation_of` refuses anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.bindings import FloatArray, IntArray
from engine.errors import RedirectFailed

_DEFAULT_BASE = 10_000.0
"""llama.cpp's own where a file names none."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a model rotates its keys."""

    base: float
    num_rotated: int
    """Values of each head that are rotated, the first ones."""
    in_halves: bool
    """Whether value *i* is paired with *i* + half (NeoX), or neighbours are pairs."""

    def turned(self, keys: FloatArray, positions: IntArray, head_dim: int) -> FloatArray:
        """Keys (tokens, row values) turned onwards by `positions` (tokens,), which may be negative."""
        half = self.num_rotated // 2
        frequencies = self.base ** (-np.arange(half, dtype=np.float64) / half)
        angles = positions.astype(np.float64)[:, None] * frequencies
        cosine, sine = np.cos(angles)[:, None].astype(np.float32), np.sin(angles)[:, None].astype(np.float32)
        heads = keys.reshape(len(keys), -1, head_dim).copy()
        if self.in_halves:
            first, second = slice(0, half), slice(half, 2 * half)
        else:
            first, second = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
        a, b = heads[..., first].copy(), heads[..., second].copy()
        heads[..., first], heads[..., second] = a * cosine - b * sine, a * sine + b * cosine
        return heads.reshape(len(keys), -1)


def rotation_of(metadata: Mapping[str, str], head_dim: int, *, in_halves: bool) -> Rotation:
    """The rotation that a model's metadata describe; raises `RedirectFailed` for one that is not plain."""
    architecture = metadata.get("general.architecture", "")

    def value(key: str, default: float) -> float:
        return float(metadata.get(f"{architecture}.rope.{key}", default))

    if metadata.get(f"{architecture}.rope.scaling.type", "none") != "none" or value("scaling.factor", 1) != 1:
        raise RedirectFailed("keys of stretched positions cannot be turned here")
    return Rotation(value("freq_base", _DEFAULT_BASE), int(value("dimension_count", head_dim)), in_halves)
