"""Which answers are made, in which order, and how long the rest takes; pure.

All ways take turns within each round, at each context: a machine that is slow for a while is slow for all of them. They
do so in another order each time, so that none always comes behind the same one.
Speeds of reading come one after the other, each with an engine of its own: an engine decides by the speed that it has
seen, and would be misled by that of the answer before. First everything is loaded once, unmeasured, which shows it.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.bench.cells import Cell
from app.bench.ways import REUSE, Way


@dataclass(frozen=True, slots=True)
class Step:
    """One answer: in which cell, in which way."""

    cell_index: int
    way: Way
    is_measured: bool = True


def schedule(cell_indices: Sequence[int], ways: Sequence[Way], num_rounds: int) -> list[Step]:
    """The answers of one engine, in order."""
    warming = [Step(i, REUSE, is_measured=False) for i in cell_indices]
    measuring = [Step(i, way) for number in range(num_rounds) for i in cell_indices for way in _mixed(ways, number)]
    return warming + measuring


def _mixed(ways: Sequence[Way], number: int) -> Sequence[Way]:
    """As they are in the first round, which tables follow, and in each later one in another order."""
    return random.Random(number).sample(ways, len(ways)) if number else ways  # noqa: S311 - no secret


class Outlook:
    """How much is done, by the work that steps are."""

    def __init__(self, steps: Sequence[Step], cells: Sequence[Cell]) -> None:
        self.num_steps = len(steps)
        self.num_done = 0
        self._efforts = [step.way.effort * cells[step.cell_index].num_context_tokens for step in steps]

    @property
    def share(self) -> float:
        return sum(self._efforts[: self.num_done]) / sum(self._efforts)

    def seconds_left(self, seconds_gone: float, share_before: float = 0.0) -> float | None:
        """As what was done in the seconds gone, beyond `share_before`, tells; None before anything was."""
        done = self.share - share_before
        return seconds_gone * (1 - self.share) / done if done > 0 else None

    def follow(self, steps: Sequence[Step]) -> Iterator[Step]:
        """The steps; each counts as done when the next one is asked for."""
        for step in steps:
            yield step
            self.num_done += 1
