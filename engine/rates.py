"""How fast this machine computes prompts and loads states: what it has seen lately. Pure; one thread.

The past fades as tokens and bytes come, so a machine that gets busy, or cools down, shows within a few questions.
Large batches tell more than small ones: a few tokens cost nearly a whole pass over the weights, and a prompt that is
computed from nothing goes through in full batches. So every batch counts with its tokens squared (once for their time,
once for their weight).
"""

from storage.values import Rates

_MIN_BATCH_TOKENS = 32
"""Smaller batches say more about the weights than about the tokens."""

_MIN_SEEN_TOKENS = 128
"""Fewer tokens are no measurement."""

_HALF_LIFE_TOKENS = 8192
"""So many tokens later a measurement counts half. Sane: a few prompts."""

_MIN_SPREAD_CELLS = 256
"""Batches whose contexts differ by less (standard deviation) do not tell what a cell adds. Sane: a half batch."""

_HALF_LIFE_BYTES = 256 << 20
_MIN_SEEN_BYTES = 1 << 20
"""What is read in less than a millisecond is no measurement."""

_UNKNOWN_PREFILL_MS = 5.0
_UNKNOWN_BYTES_PER_S = 1e9
"""Before anything was measured: a small model on a CPU, a solid-state disk. Wrong by ten times, the first question
still loads where it should: a chunk's state is read in a hundredth of the time that computing it takes."""


class PrefillSpeed:
    """Milliseconds per token as a line over the cells before it: a fading least-squares fit."""

    def __init__(self, rates: Rates | None = None) -> None:
        """`rates`: what an earlier session measured; it counts as little as a measurement can."""
        self._weight = self._context = self._context_squared = self._ms = self._context_ms = 0.0
        self._num_seen = 0
        if rates is not None:
            for num_before in (0, 4 * _MIN_SPREAD_CELLS):
                self._count(_MIN_SEEN_TOKENS // 2, rates.prefill_ms_of_token(num_before), num_before)

    def note(self, num_tokens: int, ms: float, num_before: float = 0.0) -> None:
        """A batch of prompt was computed; its tokens had `num_before` cells before them, on average."""
        if num_tokens >= _MIN_BATCH_TOKENS and ms > 0:
            self._count(num_tokens, ms / num_tokens, num_before)

    def _count(self, num_tokens: int, ms_per_token: float, num_before: float) -> None:
        fading, weight = 0.5 ** (num_tokens / _HALF_LIFE_TOKENS), float(num_tokens * num_tokens)
        self._weight = self._weight * fading + weight
        self._context = self._context * fading + weight * num_before
        self._context_squared = self._context_squared * fading + weight * num_before * num_before
        self._ms = self._ms * fading + weight * ms_per_token
        self._context_ms = self._context_ms * fading + weight * num_before * ms_per_token
        self._num_seen += num_tokens

    @property
    def line(self) -> tuple[float, float] | None:
        """Milliseconds per token behind nothing, and what each cell adds; None before enough was seen."""
        if self._num_seen < _MIN_SEEN_TOKENS:
            return None
        mean_ms, mean_context = self._ms / self._weight, self._context / self._weight
        variance = self._context_squared / self._weight - mean_context * mean_context
        if variance < _MIN_SPREAD_CELLS**2:
            return mean_ms, 0.0
        slope = (self._context_ms / self._weight - mean_context * mean_ms) / variance
        slope = min(max(slope, 0.0), mean_ms / mean_context)  # neither a token nor a cell takes less than no time
        return mean_ms - slope * mean_context, slope

    @property
    def tokens_per_s(self) -> float | None:
        """At the contexts seen lately; None before enough was seen."""
        return 1e3 * self._weight / self._ms if self._num_seen >= _MIN_SEEN_TOKENS else None

    def ms_for(self, num_tokens: int) -> float | None:
        """Milliseconds that computing a prompt from nothing would take, about."""
        line = self.line
        return None if line is None else num_tokens * (line[0] + line[1] * num_tokens / 2)


class Throughput:
    """Bytes per second: a fading mean."""

    def __init__(self, bytes_per_s: float | None = None) -> None:
        self._bytes, self._ms = 0.0, 0.0
        if bytes_per_s:
            self._count(_MIN_SEEN_BYTES, _MIN_SEEN_BYTES / bytes_per_s * 1e3)

    def note(self, num_bytes: int, ms: float) -> None:
        if num_bytes >= _MIN_SEEN_BYTES and ms > 0:
            self._count(num_bytes, ms)

    def _count(self, num_bytes: int, ms: float) -> None:
        fading = 0.5 ** (num_bytes / _HALF_LIFE_BYTES)
        self._bytes, self._ms = self._bytes * fading + num_bytes, self._ms * fading + ms

    @property
    def bytes_per_s(self) -> float | None:
        """None before anything was seen."""
        return self._bytes / self._ms * 1e3 if self._ms else None


class Speeds:
    """All that a session measures."""

    def __init__(self, rates: Rates | None = None) -> None:
        """`rates`: what an earlier session of this model on this machine has measured."""
        self.prefill = PrefillSpeed(rates)
        self.reading = Throughput(rates.read_bytes_per_s if rates else None)
        self.merging = Throughput(rates.merge_bytes_per_s if rates else None)

    @property
    def rates(self) -> Rates:
        """What is known, and guesses for the rest."""
        ms_per_token, ms_per_cell = self.prefill.line or (_UNKNOWN_PREFILL_MS, 0.0)
        return Rates(
            ms_per_token,
            ms_per_cell,
            self.reading.bytes_per_s or _UNKNOWN_BYTES_PER_S,
            self.merging.bytes_per_s or _UNKNOWN_BYTES_PER_S,
        )
