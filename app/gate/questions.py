"""The questions that the gate asks every model: our own, bundled with the program."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.requests import GateQuestion

GATE_VERSION = 2
"""Raised when the questions, their context, the bar, the ratios or what a strategy ranks by change: then every model is
measured again."""

_FILE = "questions.toml"


@cache
def gate_questions() -> "tuple[GateQuestion, ...]":
    """In their order; imports the engine."""
    from engine.requests import GateQuestion

    written = tomllib.loads(files("app.gate").joinpath(_FILE).read_text("utf-8"))
    return tuple(
        GateQuestion(each["text"], tuple(passage.strip() for passage in each["passages"]))
        for each in written["question"]
    )
