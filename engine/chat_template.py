"""The chat template of a GGUF file → the fixed texts around documents, questions and answers. Pure, besides jinja2.

A prompt of this program begins with `preamble · chunks · question · opening of the answer`. The template is rendered
once with a marker where the user's text goes; what stands before it is the preamble's template part, what stands after
it the opening of the answer. Rendered once more around two turns, it shows what stands between an answer and the
user's next text. Templates come with the model, so they run in jinja2's sandbox, and one that fails or drops a text
falls back to plain text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MARKER = "\u241esteep-documents\u241e"
"""Stands for the user's turn while rendering; U+241E occurs in no template."""
_ANSWER, _NEXT = "\u241esteep-answer\u241e", "\u241esteep-next\u241e"
"""Stand for the answer to that turn, and for the user's next one."""

_TWO_TURNS = [
    {"role": "user", "content": _MARKER},
    {"role": "assistant", "content": _ANSWER},
    {"role": "user", "content": _NEXT},
]
"""Without a system turn: some templates (Mistral's) put it into the last user turn, where it would be said twice."""

_PLAIN_BREAK = "\n\n"


@dataclass(frozen=True, slots=True)
class TurnFrame:
    """The template's text around one user turn that follows a system turn."""

    before: str
    after: str
    between: str = _PLAIN_BREAK
    """What stands between the answer to that turn and the user's next text."""


def turn_frame(template: str | None, special_names: Mapping[str, str], system_text: str) -> TurnFrame:
    """Render `template` (None: the model has none) around a user turn. Never raises for a bad template."""
    if template:
        for messages in (_with_system(system_text), _system_in_user(system_text)):
            around = _around(_MARKER, _rendered(template, special_names, messages))
            if around is not None and system_text in around[0]:
                between = _between_turns(_rendered(template, special_names, _TWO_TURNS))
                return TurnFrame(*around, between or _PLAIN_BREAK)
    return TurnFrame(before=f"{system_text}\n\n", after=_PLAIN_BREAK)


def _with_system(system_text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system_text}, {"role": "user", "content": _MARKER}]


def _system_in_user(system_text: str) -> list[dict[str, str]]:
    # Some templates (Gemma's first ones) refuse a system turn.
    return [{"role": "user", "content": f"{system_text}\n\n{_MARKER}"}]


def _around(marker: str, text: str) -> tuple[str, str] | None:
    """What stands before and behind a marker that occurs once."""
    before, found, after = text.partition(marker)
    return (before, after) if found and marker not in after else None


def _between_turns(text: str) -> str:
    answer, following = _around(_ANSWER, text), _around(_NEXT, text)
    return text[len(answer[0]) + len(_ANSWER) : len(following[0])] if answer and following else ""


def _rendered(template: str, special_names: Mapping[str, str], messages: list[dict[str, str]]) -> str:
    """The template's text; empty for a template that fails."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    try:
        return environment.from_string(template).render(
            messages=messages,
            add_generation_prompt=True,
            raise_exception=_refuse,
            strftime_now=_fixed_date,
            **special_names,
        )
    except Exception:  # noqa: BLE001 - a template is foreign code: whatever it raises, there is a way without it
        return ""


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _fixed_date(pattern: str) -> str:
    # A preamble with today's date would turn every chunk state stale at midnight.
    return datetime(2025, 1, 1).strftime(pattern)
