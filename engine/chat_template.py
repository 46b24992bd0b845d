"""The chat template of a GGUF file → the two fixed texts around the documents. Pure, besides jinja2.

A prompt of this program is always `preamble · chunks · question · opening of the answer`. The template is rendered
once with a marker where the documents go and one where the question goes; the text before the first marker is the
preamble's template part, the text after the second is the opening of the answer. Templates come with the model,
so they run in jinja2's sandbox, and one that fails or drops the user's text falls back to plain text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MARKER = "\u241esteep-documents\u241e"
"""Stands for the user's turn while rendering; U+241E occurs in no template."""


@dataclass(frozen=True, slots=True)
class TurnFrame:
    """The template's text around one user turn that follows a system turn."""

    before: str
    after: str


def turn_frame(template: str | None, special_names: Mapping[str, str], system_text: str) -> TurnFrame:
    """Render `template` (None: the model has none) around a user turn. Never raises for a bad template."""
    if template:
        for messages in (_with_system(system_text), _system_in_user(system_text)):
            frame = _render(template, special_names, messages)
            if frame is not None and system_text in frame.before:
                return frame
    return TurnFrame(before=f"{system_text}\n\n", after="\n\n")


def _with_system(system_text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system_text}, {"role": "user", "content": _MARKER}]


def _system_in_user(system_text: str) -> list[dict[str, str]]:
    # Some templates (Gemma's first ones) refuse a system turn.
    return [{"role": "user", "content": f"{system_text}\n\n{_MARKER}"}]


def _render(template: str, special_names: Mapping[str, str], messages: list[dict[str, str]]) -> TurnFrame | None:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    try:
        text = environment.from_string(template).render(
            messages=messages,
            add_generation_prompt=True,
            raise_exception=_refuse,
            strftime_now=_fixed_date,
            **special_names,
        )
    except Exception:  # noqa: BLE001 - a template is foreign code: whatever it raises, there is a way without it
        return None
    before, marker, after = text.partition(_MARKER)
    return TurnFrame(before, after) if marker and _MARKER not in after else None


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _fixed_date(pattern: str) -> str:
    # A preamble with today's date would turn every chunk state stale at midnight.
    return datetime(2025, 1, 1).strftime(pattern)
