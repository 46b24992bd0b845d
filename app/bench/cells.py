"""What was measured at one context size and one speed of reading, and what follows from it; pure.

The limit of a blend is what no order of its steps can beat: its bytes have to be read and its share of the tokens has
to be computed, side by side at best, and the question comes behind both.

    limit = max(bytes / bandwidth, ratio × full) + question

The question is what is computed where everything is loaded and nothing recomputed (reuse).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from app.bench.ways import Way

MOST_OVER_BEST = 1.05
"""What a way that chooses may take over the best of those that it chooses from; more is marked."""

_BITS_PER_BYTE = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer up to its first token."""

    first_token_ms: float
    load_ms: float
    score_ms: float
    recompute_ms: float
    num_loaded_bytes: int
    num_computed: int
    """Context tokens that were computed in place of being loaded."""
    num_recomputed: int
    """Context tokens that were loaded, and computed again."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way in one cell: medians over its samples; None where what it is compared with was not measured."""

    way: Way
    num_samples: int
    first_token_ms: float
    load_ms: float
    score_ms: float
    recompute_ms: float
    num_loaded_bytes: int
    num_computed: int
    num_recomputed: int
    sooner: float | None
    """Full's time over this one's."""
    limit_ms: float | None
    """Of blends."""

    @property
    def of_limit(self) -> float | None:
        return self.first_token_ms / self.limit_ms if self.limit_ms else None

    @property
    def overhead(self) -> float | None:
        """The share of loading and scoring in the first token of a blend."""
        return (self.load_ms + self.score_ms) / self.first_token_ms if self.limit_ms else None


@dataclass(frozen=True, slots=True)
class Cell:
    """One context at one speed of reading; `samples` grow while it is measured."""

    num_context_tokens: int
    num_chunks: int
    num_state_bytes: int
    """Of the states of all chunks and of the preamble."""
    read_bytes_per_s: float
    """Measured without the engine."""
    rate_gbit: float | None
    """What reading is throttled to, in Gbit/s."""
    samples: dict[Way, list[Sample]] = field(default_factory=dict[Way, list[Sample]])

    @property
    def bytes_per_s(self) -> float:
        """What can be read, throttled or not."""
        return self.read_bytes_per_s if self.rate_gbit is None else min(self.read_bytes_per_s, bytes_of(self.rate_gbit))

    def row(self, name: str) -> Row | None:
        """The row of a way by its name, if there is one."""
        return next((row for row in self.rows() if row.way.name == name), None)

    def rows(self) -> list[Row]:
        """Of all ways that have samples."""
        full_ms, question_ms = self._median_ms("full", "first_token_ms"), self._median_ms("reuse", "recompute_ms")
        return [self._row(way, samples, full_ms, question_ms) for way, samples in self.samples.items() if samples]

    def _row(self, way: Way, samples: Sequence[Sample], full_ms: float | None, question_ms: float | None) -> Row:
        first_token_ms = median(sample.first_token_ms for sample in samples)
        is_blend = way.name.startswith("blend") and full_ms is not None and question_ms is not None
        return Row(
            way=way,
            num_samples=len(samples),
            first_token_ms=first_token_ms,
            load_ms=median(sample.load_ms for sample in samples),
            score_ms=median(sample.score_ms for sample in samples),
            recompute_ms=median(sample.recompute_ms for sample in samples),
            num_loaded_bytes=int(median(sample.num_loaded_bytes for sample in samples)),
            num_computed=int(median(sample.num_computed for sample in samples)),
            num_recomputed=int(median(sample.num_recomputed for sample in samples)),
            sooner=full_ms / first_token_ms if full_ms else None,
            limit_ms=self._limit_ms(way.ratio, full_ms or 0.0, question_ms or 0.0) if is_blend else None,
        )

    def _limit_ms(self, ratio: float, full_ms: float, question_ms: float) -> float:
        return limit_ms(self.num_state_bytes, self.bytes_per_s, ratio, full_ms, question_ms)

    def _median_ms(self, name: str, field_name: str) -> float | None:
        samples = next((samples for way, samples in self.samples.items() if way.name == name), [])
        return median(getattr(sample, field_name) for sample in samples) if samples else None

    @property
    def auto_over_best(self) -> float | None:
        """The time of auto over the better one of full and the blend of its ratio."""
        auto = self.row("auto")
        return self._over_best(auto, [way for way in self.samples if auto and way.ratio == auto.way.ratio])

    @property
    def cake_over_best(self) -> float | None:
        """The time of cake over the better one of full and reuse."""
        return self._over_best(self.row("cake"), [way for way in self.samples if way.name == "reuse"])

    def _over_best(self, chooser: Row | None, loading: Sequence[Way]) -> float | None:
        others = [self.row(way.name) for way in loading if way.loading == "all" and way.mode != "exact"]
        full = self.row("full")
        if chooser is None or full is None or not others or None in others:
            return None
        best_ms = min(row.first_token_ms for row in (full, *others) if row)
        return chooser.first_token_ms / best_ms


def limit_ms(num_bytes: int, bytes_per_s: float, ratio: float, full_ms: float, question_ms: float) -> float:
    """See the module."""
    return max(num_bytes / bytes_per_s * 1e3, ratio * full_ms) + question_ms


def bytes_of(gbit: float) -> float:
    """Gbit → bytes."""
    return gbit * 1e9 / _BITS_PER_BYTE


def gbit_of(num_bytes: float) -> float:
    """Bytes → Gbit."""
    return num_bytes * _BITS_PER_BYTE / 1e9
