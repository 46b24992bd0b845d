"""The files of questions that benchmarks take: a JSON list of `{"question", "answers", "ctxs": [{"title", "text"}]}`.

So CacheBlend's authors prepared MuSiQue.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from app.errors import WrongUse

Picked = TypeVar("Picked")


def read_question_file(path: Path, pick: Callable[[list[dict[str, Any]]], Picked]) -> Picked:
    """What `pick` takes out of the file's entries. Raises `WrongUse` if it does not find there what it looks for."""
    try:
        return pick(json.loads(path.read_text("utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongUse(
            f'{path} is not a JSON list of {{"question", "answers", "ctxs": [{{"title", "text"}}]}}: {error!r}'
        ) from error


def full_text(passage: Mapping[str, str], separator: str = "\n") -> str:
    """A passage with its title, if it has one."""
    return separator.join(part for part in (passage["title"], passage["text"]) if part)
