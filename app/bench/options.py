"""What `steep bench ttft` is asked to measure, and how that is written on the command line; pure."""

from dataclasses import dataclass
from pathlib import Path

from app.errors import WrongUse

DEFAULT_QUESTION = "What are the most important facts, names, dates and numbers in these documents?"


@dataclass(frozen=True, slots=True)
class Options:
    """See `steep bench ttft --help`."""

    question: str = DEFAULT_QUESTION
    sizes: tuple[int, ...] = (1536, 3072)
    """Context tokens, the smallest first; empty: no first tokens."""
    num_rounds: int = 5
    rates: tuple[float, ...] = ()
    """Gbit/s that states are read at, one after the other; empty: as fast as it goes."""
    data: Path | None = None
    """Where texts come from, if not from the user's documents."""
    is_cold: bool = False
    """Whether states come from the disk, not from what the system has of it in memory."""
    with_retrieval: bool = False
    with_decoding: bool = False
    picture: Path | None = None
    """Where a plot goes, as SVG."""

    def __post_init__(self) -> None:
        if self.with_decoding and not self.sizes:
            raise WrongUse("--decode decodes behind the smallest of --sizes, and there is none")


def sizes_of(text: str) -> tuple[int, ...]:
    """`1536,3072` → tokens, the smallest first. Raises `WrongUse`."""
    return tuple(sorted({max(1, int(value)) for value in _numbers(text, "--sizes", "1536,3072")}))


def rates_of(text: str) -> tuple[float, ...]:
    """`7,25` → Gbit/s. Raises `WrongUse`."""
    return _numbers(text, "--throttle", "7,25")


def _numbers(text: str, flag: str, example: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        values = (0.0,)
    if not all(0 < value < 1e9 for value in values):
        raise WrongUse(f"{flag} takes numbers above 0 with commas between them, such as {example}; got {text!r}")
    return tuple(dict.fromkeys(values))
