"""Every key of the app, and how the user's own stand against them.

A binding has an id, `<area>.<action>`; the `[keys]` table of the config file maps ids to keys ("chat.stop" =
"escape,ctrl+c"). The registry is what the classes below `app.tui` declare, so it cannot become outdated; finding them
imports all of these modules, which only the help, the palette and a config file with keys need.
"""

import difflib
import importlib
import pkgutil
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import KEY_NAME_REPLACEMENTS, Keys

from app import tui
from app.errors import SettingsInvalid

if TYPE_CHECKING:
    from app.tui.app import SteepApp

_PACKAGE = tui.__name__

AREAS: Mapping[str, str] = {
    "app": "Everywhere",
    "chat": "Chat",
    "sources": "Sources",
    "passage": "Passage",
    "library": "Library",
    "models": "Models",
    "conversations": "Conversations",
    "welcome": "First steps",
    "dialog": "Dialogs",
}
"""Titles of the areas, in the order in which the help has them; others follow under their own names."""

_TAKEN = {"ctrl+m": "Enter", "ctrl+i": "Tab", "ctrl+h": "Backspace", "ctrl+[": "Escape"}
"""Keys that terminals send for others."""

_NAMED = {key.value.split("+")[-1] for key in Keys} | set(KEY_NAME_REPLACEMENTS.values())
_MODIFIERS = ("ctrl", "shift", "alt", "super", "hyper", "meta")


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One action that has a key. `owner` is the class that declares it."""

    id: str
    keys: str
    label: str
    """A word or two, as the footer has it."""
    description: str
    """What it does, where the label does not say it all."""
    action: str
    owner: type[DOMNode]

    @property
    def area(self) -> str:
        return self.id.partition(".")[0]


def known_keys() -> list[KnownKey]:
    """All there are, by area."""
    for module in pkgutil.walk_packages(tui.__path__, f"{_PACKAGE}."):
        importlib.import_module(module.name)
    found = [key for cls in _subclasses(DOMNode) for key in _declared(cls)]
    order = list(AREAS)
    return sorted(found, key=lambda key: (order.index(key.area) if key.area in AREAS else len(order), key.area))


def title_of(area: str) -> str:
    return AREAS.get(area, area.capitalize())


def check_keys(keys: Mapping[str, str], known: list[KnownKey]) -> None:
    """Raises `SettingsInvalid` for an id that nothing has, or a key that cannot be pressed."""
    ids = {key.id for key in known}
    for identifier, text in keys.items():
        if identifier not in ids:
            close = difflib.get_close_matches(identifier, ids, n=3)
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "F1 lists what there is."
            raise SettingsInvalid(f"keys: nothing is called {identifier!r}; {hint}")
        for key in text.split(","):
            _check_key(identifier, key.strip())
    _check_clashes(keys, known)


def _check_key(identifier: str, key: str) -> None:
    if key in _TAKEN:
        raise SettingsInvalid(f"keys: {identifier} = {key!r}: terminals send that for {_TAKEN[key]}; choose another.")
    *modifiers, name = key.split("+") if key != "+" else [key]
    if not _is_name(name) or not set(modifiers) <= set(_MODIFIERS):
        raise SettingsInvalid(
            f"keys: {identifier}: there is no key {key!r}; "
            "they are written like 'escape', 'f6', 'ctrl+s', 'alt+up', 'x'."
        )


def _is_name(name: str) -> bool:
    if len(name) == 1 or name in _NAMED:
        return True
    try:
        unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return False
    return name.isascii() and name == name.lower() and len(name) > 1


def _check_clashes(keys: Mapping[str, str], known: list[KnownKey]) -> None:
    """Two actions of the same widget on one key: the second would vanish without a word."""
    taken: dict[tuple[type[DOMNode], str], KnownKey] = {}
    for item in known:
        for key in keys.get(item.id, item.keys).split(","):
            other = taken.setdefault((item.owner, key.strip()), item)
            if other.id != item.id and (other.id in keys or item.id in keys):
                mine, its = (item, other) if item.id in keys else (other, item)
                raise SettingsInvalid(f"keys: {mine.id} = {key.strip()!r} is the key of {its.id} already.")


def _subclasses(cls: type[DOMNode]) -> Iterator[type[DOMNode]]:
    seen: set[type[DOMNode]] = set()
    waiting = [cls]
    while waiting:
        for child in waiting.pop().__subclasses__():
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                if child.__module__.startswith(f"{_PACKAGE}."):
                    yield child


def _declared(cls: type[DOMNode]) -> Iterator[KnownKey]:
    for binding in cls.__dict__.get("BINDINGS", ()):
        if isinstance(binding, Binding) and binding.id:
            description = binding.tooltip or binding.description
            yield KnownKey(binding.id, binding.key, binding.description, description, binding.action, cls)


def is_of_app(key: KnownKey) -> bool:
    """Whether the action belongs to the app itself, and so works everywhere."""
    return issubclass(key.owner, App)


def shown_keys(app: "SteepApp", key: KnownKey) -> str:
    """The keys of an action as they are set now, as people write them."""
    keys = dict(app.assistant.settings.keys).get(key.id, key.keys)
    return ", ".join(app.get_key_display(Binding(part.strip(), key.action)) for part in keys.split(","))
