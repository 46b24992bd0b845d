"""How one ratio does, question by question, and when there is no point in going on. Pure.

Both figures are means over all questions, and no answer can make up for another: KL is never negative, and
agreement never above 1. What the questions so far have cost is therefore lost for good, and a ratio is left early only
when even perfect answers to all that remain would not bring it back to the bar: leaving early never changes a verdict.
"""

from dataclasses import dataclass, field

from storage.values import BlendQuality, QualityBar


@dataclass(slots=True)
class RatioTally:
    """The answers at one ratio so far."""

    ratio: float
    num_questions: int
    """That are to be asked."""
    bar: QualityBar
    _kls: list[float] = field(default_factory=list[float])
    _agreements: list[float] = field(default_factory=list[float])

    def note(self, kl: float, agreement: float) -> None:
        """One more question: means over its answer's positions."""
        self._kls.append(kl)
        self._agreements.append(agreement)

    @property
    def can_reach_bar(self) -> bool:
        """Whether it could, if all questions that are left were answered perfectly."""
        num_left = self.num_questions - len(self._kls)
        return BlendQuality(
            self.ratio,
            sum(self._kls) / self.num_questions,
            (sum(self._agreements) + num_left) / self.num_questions,
            self.num_questions,
        ).reaches(self.bar)

    @property
    def quality(self) -> BlendQuality:
        """Means over the questions so far, of which there must be one."""
        num_asked = len(self._kls)
        return BlendQuality(self.ratio, sum(self._kls) / num_asked, sum(self._agreements) / num_asked, num_asked)
