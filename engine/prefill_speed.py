"""How fast this session computes prompts: what it has seen lately, for saying what remembering has saved. Pure.

Large batches tell more than small ones: a few tokens cost nearly a whole pass over the weights, and a prompt that is
computed from nothing goes through in full batches. So the time per token is a mean in which every batch counts with
its tokens squared (once for their time, once for their weight), and the past fades as tokens come.
"""

_MIN_BATCH_TOKENS = 32
"""Smaller batches say more about the weights than about the tokens."""

_MIN_SEEN_TOKENS = 128
"""Fewer tokens are no measurement."""

_HALF_LIFE_TOKENS = 8192
"""So many tokens later a measurement counts half: a machine that gets busy, or cools down, shows within a few
questions. Sane: a few prompts."""


class PrefillSpeed:
    """A fading mean; one thread."""

    def __init__(self, tokens_per_s: float | None = None) -> None:
        """`tokens_per_s`: what an earlier session measured; it counts as little as a measurement can."""
        self._ms, self._tokens, self._num_seen = 0.0, 0.0, 0
        if tokens_per_s is not None and tokens_per_s > 0:
            self._count(_MIN_SEEN_TOKENS, _MIN_SEEN_TOKENS / tokens_per_s * 1e3)

    def note(self, num_tokens: int, ms: float) -> None:
        """A batch of prompt was computed."""
        if num_tokens >= _MIN_BATCH_TOKENS and ms > 0:
            self._count(num_tokens, ms)

    def _count(self, num_tokens: int, ms: float) -> None:
        fading = 0.5 ** (num_tokens / _HALF_LIFE_TOKENS)
        self._ms = self._ms * fading + num_tokens * ms
        self._tokens = self._tokens * fading + num_tokens * num_tokens
        self._num_seen += num_tokens

    @property
    def tokens_per_s(self) -> float | None:
        """None before enough was seen."""
        return self._tokens / self._ms * 1e3 if self._num_seen >= _MIN_SEEN_TOKENS else None

    def ms_for(self, num_tokens: int) -> float | None:
        """Milliseconds that computing a prompt would take, about."""
        rate = self.tokens_per_s
        return None if rate is None else num_tokens / rate * 1e3
