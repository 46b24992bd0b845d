"""Whatever a parser stumbles over becomes one UnreadableDocument with a reason in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.formats.errors import Damaged, TooLarge, UnreadableDocument

# Libraries may quote half of the document.
_MAX_NUM_CHARS = 120


@contextmanager
def reported_damage(name: str) -> Iterator[None]:
    """Raises Damaged (or TooLarge, without enough memory) for any other exception from inside.

    Files by strangers reach every corner of a parser, and of what we do with its results: a missing attribute, a
    number that is none, a loop. Each of them means that this one file cannot be read.
    """
    try:
        yield
    except UnreadableDocument:
        raise
    except MemoryError as error:
        raise TooLarge(name, "needs more memory than there is") from error
    except RecursionError as error:
        raise Damaged(name, "is damaged: it is nested too deeply") from error
    except Exception as error:
        raise Damaged(name, f"is damaged: {in_one_line(error)}") from error


def in_one_line(error: Exception) -> str:
    """What the exception says, or its kind where it says nothing."""
    return " ".join(str(error).split())[:_MAX_NUM_CHARS].rstrip() or type(error).__name__
