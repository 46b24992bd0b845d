"""The user's settings: one frozen value, from flags over environment over config file over defaults.

The config file is TOML with the field names below as keys; the environment has them as `STEEP_<KEY>`. An unknown key
or variable is an error that names it, so that a typing mistake is not silently a default.
"""

import difflib
import math
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from app.errors import SettingsInvalid
from app.locations import HOME_VARIABLE

_PREFIX = "STEEP_"

Value = str | int | float | bool

AUTO: Literal["auto"] = "auto"
"""In place of a number, or of a choice: the program decides, from what it has measured."""

Keys = tuple[tuple[str, str], ...]
"""Pairs of an action's id and its keys; a tuple, since a setting must not change under whoever reads it."""

STRATEGY_NAMES = ("none", "first", "deviation", "attention", "attention-middle", "attention-deviation")
"""The names of engine.selection.STRATEGIES, here because importing the engine costs 0.5 s; a test compares them."""

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "mode": (AUTO, "blend", "exact"),
    "strategy": STRATEGY_NAMES,
    "kv_type": ("f16", "q8_0", "q4_0", "f32"),
}
_OR_AUTO = frozenset({"ratio"})
"""Numbers that may also be `AUTO`."""

_RANGES: Mapping[str, tuple[float, float]] = {
    "context_tokens": (64, 1 << 24),
    "window_tokens": (256, 1 << 24),
    "budget_gb": (0, 1e6),
    "chunk_tokens": (32, 4096),
    "batch_tokens": (32, 8192),
    "max_answer_tokens": (1, 1 << 20),
    "ratio": (0, 1),
    "temperature": (0, 10),
    "top_p": (1e-6, 1),
    "threads": (0, 1024),
    "gpu_layers": (-1, 1 << 20),
    "pause_above_load": (0, 1),
    "filler_tokens": (0, 1024),
    "seed": (0, (1 << 32) - 1),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a user can set; checked at construction."""

    model: str = ""
    """A GGUF file, or the name of one in the models folder; empty: the starter model, if it is installed."""
    embedding_model: str = ""
    """A GGUF file, or the name of one in the models folder, that makes vectors for search by meaning; empty: the only
    embedding model of that folder, if there is just one; `none`: search by words alone."""
    mode: str = AUTO
    """`blend`: load chunk states and recompute a few tokens; `exact`: compute everything; `auto`: blend where that was
    measured to be as good as exact answers, or was not measured yet."""
    ratio: float | Literal["auto"] = AUTO
    """Share of the context tokens that a blend recomputes, 0 to 1; `auto`: the smallest one that was measured to be
    good enough, .15 until then. With a number, answers are also blended where none was good enough."""
    strategy: str = "attention"
    """Which tokens a blend recomputes."""
    gate: bool = True
    """Whether `steep watch` and the app measure, when a model is used first and beside everything else, how good its
    blended answers are: minutes on a CPU, once. `steep doctor --model` does it at once."""
    context_tokens: int = 2048
    """Tokens of documents in front of a question, at most."""
    window_tokens: int = 8192
    """Tokens of a conversation that the model remembers, at most: documents, questions and answers."""
    budget_gb: float = 0.0
    """Gigabytes that chunk states and conversations' memories may take on disk, of all models together; 0: a tenth of
    the free disk, 50 at most."""
    follow_links: bool = False
    """Whether symbolic links that lead out of a watched folder are followed. What changes behind one is found when the
    folder is looked through: at the start, and every hour."""
    chunk_tokens: int = 512
    """Tokens of one chunk, at most. Changing it cuts, and so steeps, all documents again."""
    max_answer_tokens: int = 256
    """Tokens of an answer, at most."""
    temperature: float = 0.0
    """0 always takes the most probable token; higher is more varied."""
    top_p: float = 1.0
    """Sample only from the most probable tokens that together reach this probability."""
    seed: int = 0
    """Of the sampler, for a temperature above 0."""
    instructions: str = ""
    """Your own wishes for every answer ("Answer in French."); they stand at the end of the prompt."""
    threads: int = 0
    """CPU threads; 0: one per physical core."""
    gpu_layers: int = -1
    """Layers to keep on the GPU; -1: all, where the native library was built for one."""
    kv_type: str = "f16"
    """Type of the K and V rows, in memory and on disk. q8_0 takes about half of f16's bytes and changes answers hardly
    at all, q4_0 a good quarter, and changes those of some models beyond use: the gate holds both against f16. On a CPU
    both are slower."""
    filler_tokens: int = 512
    """Tokens of other text that chunks are steeped behind, for any place of a prompt but the first, for which they are
    steeped once more when nothing else is to be done. Blended answers come closer to exact ones. 0: each chunk is
    steeped once, in half the time and disk. Changing it steeps all documents again."""
    batch_tokens: int = 512
    """Tokens that go through the model at once."""
    pause_on_battery: bool = False
    """Whether steeping in the background rests while the machine runs on its battery."""
    pause_above_load: float = 0.0
    """Steeping in the background rests while other programs use more than this share of the CPUs; 0: it never does."""
    theme: str = "steep-dark"
    """How the app looks; its palette lists the themes there are, and writes the one chosen here."""
    keys: Keys = ()
    """A table `[keys]` of the config file: other keys for actions of the app ("chat.stop" = "escape,ctrl+c"); its help
    lists the actions."""

    def __post_init__(self) -> None:
        for key in (*_CHOICES, *_RANGES):
            _check(key, getattr(self, key))


def load_settings(
    config_file: Path, flags: Mapping[str, Value | None], environment: Mapping[str, str] = os.environ
) -> Settings:
    """Join the sources; flags that are None were not given. Raises `SettingsInvalid`."""
    values: dict[str, Value | Keys] = {}
    for key, value in _from_file(config_file).items():
        values[key] = _checked(key, value, f"{config_file}")
    for name, text in environment.items():
        if name.startswith(_PREFIX) and name != HOME_VARIABLE:
            key = name.removeprefix(_PREFIX).lower()
            values[key] = _parsed(key, text, f"environment variable {name}")
    values |= {key: value for key, value in flags.items() if value is not None}
    return Settings(**values)  # pyright: ignore[reportArgumentType] - each value was checked against its field


def _from_file(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, and brackets in brackets
        raise SettingsInvalid(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise SettingsInvalid(f"cannot read {path}: {error.strerror}") from error


_TYPES: Mapping[str, type] = {
    field.name: float if field.name in _OR_AUTO else type(field.default) for field in fields(Settings)
}


def _known(key: str, where: str) -> str:
    if key in _TYPES:
        return key
    close = difflib.get_close_matches(key, _TYPES, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(_TYPES)}."
    raise SettingsInvalid(f"unknown setting {key!r} ({where}); {hint}")


def _checked(key: str, value: object, where: str) -> Value | Keys:
    wanted = _TYPES[_known(key, where)]
    if wanted is tuple:
        return _table(key, value, where)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1 << 1000 else math.inf
    if not _is_auto(key, value) and (not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool)):
        raise SettingsInvalid(f"{key} ({where}) must be {_name(key)}; got {value!r}")
    assert isinstance(value, str | int | float | bool)
    _check(key, value, f" ({where})")
    return value


def _table(key: str, value: object, where: str) -> Keys:
    pairs = tuple(_flat(value)) if isinstance(value, dict) else ()
    if isinstance(value, dict) and all(isinstance(text, str) and text for _, text in pairs):
        return tuple((name, str(text)) for name, text in pairs)
    raise SettingsInvalid(f'{key} ({where}) must be a table of texts ("chat.stop" = "escape"); got {value!r}')


def _flat(table: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """TOML reads `chat.stop = "x"` without quotes as a table `chat` within the table; both are meant alike."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _parsed(key: str, text: str, where: str) -> Value:
    wanted = _TYPES[_known(key, where)]
    if wanted is tuple:
        raise SettingsInvalid(f"{key} ({where}) can be set in the config file only, as a table")
    try:
        value = text if _is_auto(key, text) else _TRUTHS[text.lower()] if wanted is bool else wanted(text)
    except (ValueError, KeyError):
        raise SettingsInvalid(f"{key} ({where}) must be {_name(key)}; got {text!r}") from None
    _check(key, value, f" ({where})")
    return value


_TRUTHS: Mapping[str, bool] = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def _check(key: str, value: Value, where: str = "") -> None:
    if key in _CHOICES and value not in _CHOICES[key]:
        raise SettingsInvalid(f"{key}{where} must be one of {', '.join(_CHOICES[key])}; got {value!r}")
    low, high = _RANGES.get(key, (0, 0))
    if key in _RANGES and not _is_auto(key, value) and not (isinstance(value, int | float) and low <= value <= high):
        raise SettingsInvalid(f"{key}{where} must lie between {low:,} and {high:,}; got {value!r}")


def _is_auto(key: str, value: object) -> bool:
    return key in _OR_AUTO and value == AUTO


def _name(key: str) -> str:
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    return f"{names[_TYPES[key]]} or {AUTO}" if key in _OR_AUTO else names[_TYPES[key]]
