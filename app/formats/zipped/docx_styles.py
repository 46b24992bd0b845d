"""Styles and lists of a Word file: what a paragraph is by its style, and the mark that its list puts before it."""

import re
from dataclasses import dataclass, replace

from app.formats.zipped.office_package import OfficePackage
from app.formats.zipped.xml_parts import Element, attribute, child, children

# Word itself allows styles to build on each other about ten deep; more is a loop.
_MAX_STYLE_DEPTH = 20

# Outline levels count from 0; 9 is body text.
_BODY_LEVEL = 9

# Styles have one language inside, whatever language Word shows them in.
_HEADING_STYLE = re.compile(r"heading ([1-9])")
_TITLE_STYLE = "title"
_CONTENTS_STYLE = "toc "

# How a paragraph says that it leaves the list of its style.
_NO_LIST = "0"
_BULLET = "- "


@dataclass(frozen=True, slots=True)
class Numbering:
    """The list a paragraph belongs to, and its depth in it, from 0."""

    list_id: str
    depth: int


@dataclass(frozen=True, slots=True)
class Style:
    """What a style says about its paragraphs; None where it leaves that to the style it builds on."""

    name: str
    based_on: str | None
    outline_level: int | None
    numbering: Numbering | None

    @property
    def heading_level(self) -> int | None:
        """From 1, the outermost; None for other paragraphs."""
        level = self.outline_level
        return level + 1 if level is not None and 0 <= level < _BODY_LEVEL else None

    @property
    def is_title(self) -> bool:
        return self.name == _TITLE_STYLE

    @property
    def is_contents(self) -> bool:
        """Whether this is a line of a table of contents."""
        return self.name.startswith(_CONTENTS_STYLE)


_NO_STYLE = Style("", None, None, None)


class Styles:
    """The paragraph styles, each with what it takes over from the ones it builds on."""

    def __init__(self, package: OfficePackage) -> None:
        path = package.first_related(package.main_part, "styles")
        elements = list(children(package.parse(path), "style")) if path else []
        self._declared = {attribute(element, "styleId") or "": _declared_style(element) for element in elements}
        self._whole: dict[str, Style] = {}

    def of(self, properties: Element | None) -> Style:
        """The style of a paragraph with these properties, with what they say themselves; whole."""
        style_id = attribute(child(properties, "pStyle"), "val") or ""
        style = self._whole.get(style_id) or self._whole.setdefault(style_id, self._resolved(style_id))
        if properties is None:
            return style
        outline_level = _outline_level(properties)
        numbering = _numbering(properties) or style.numbering
        return replace(
            style,
            outline_level=style.outline_level if outline_level is None else outline_level,
            numbering=None if numbering is None or numbering.list_id == _NO_LIST else numbering,
        )

    def _resolved(self, style_id: str) -> Style:
        style = self._declared.get(style_id, _NO_STYLE)
        base = style
        for _ in range(_MAX_STYLE_DEPTH):
            base = self._declared.get(base.based_on or "")
            if base is None:
                break
            style = replace(
                style,
                outline_level=base.outline_level if style.outline_level is None else style.outline_level,
                numbering=style.numbering or base.numbering,
            )
        return style


def _declared_style(element: Element) -> Style:
    name = (attribute(child(element, "name"), "val") or "").lower()
    properties = child(element, "pPr")
    level = _outline_level(properties)
    if level is None and (heading := _HEADING_STYLE.fullmatch(name)):
        level = int(heading[1]) - 1
    return Style(name, attribute(child(element, "basedOn"), "val"), level, _numbering(properties))


def _outline_level(properties: Element | None) -> int | None:
    level = attribute(child(properties, "outlineLvl"), "val")
    return None if level is None else int(level)


def _numbering(properties: Element | None) -> Numbering | None:
    numbering = child(properties, "numPr")
    list_id = attribute(child(numbering, "numId"), "val")
    return Numbering(list_id, int(attribute(child(numbering, "ilvl"), "val") or 0)) if list_id else None


@dataclass(frozen=True, slots=True)
class _List:
    """A list: its kind, whose lists are counted together, and the depths at which it starts anew all the same."""

    kind: str
    starts: dict[int, int]


@dataclass(frozen=True, slots=True)
class _Level:
    """One depth of a kind of lists."""

    is_numbered: bool
    first: int


class Lists:
    """The marks before list items: bullets, or numbers counted through the document."""

    def __init__(self, package: OfficePackage) -> None:
        path = package.first_related(package.main_part, "numbering")
        root = package.parse(path) if path else None
        self._lists = {attribute(each, "numId"): _list(each) for each in children(root, "num")}
        self._levels = {
            (attribute(kind, "abstractNumId"), int(attribute(level, "ilvl") or 0)): _level(level)
            for kind in children(root, "abstractNum")
            for level in children(kind, "lvl")
        }
        # The number given last at each depth, by kind.
        self._counts: dict[str, dict[int, int]] = {}
        self._started: set[Numbering] = set()

    def next_mark(self, numbering: Numbering) -> str:
        """The mark of the next item, such as "- " or "2. "."""
        found = self._lists.get(numbering.list_id)
        level = self._levels.get((found.kind, numbering.depth)) if found else None
        if found is None or level is None:
            return _BULLET
        counts = self._counts.setdefault(found.kind, {})
        # An outer item starts the inner lists anew.
        for depth in [depth for depth in counts if depth > numbering.depth]:
            del counts[depth]
        if not level.is_numbered:
            return _BULLET
        number = counts.get(numbering.depth, level.first - 1) + 1
        if numbering not in self._started:
            number = found.starts.get(numbering.depth, number)
        self._started.add(numbering)
        counts[numbering.depth] = number
        return f"{number}. "


def _list(element: Element) -> _List:
    overrides = children(element, "lvlOverride")
    starts = ((attribute(each, "ilvl") or 0, attribute(child(each, "startOverride"), "val")) for each in overrides)
    return _List(
        attribute(child(element, "abstractNumId"), "val") or "",
        {int(depth): int(start) for depth, start in starts if start is not None},
    )


def _level(element: Element) -> _Level:
    is_numbered = attribute(child(element, "numFmt"), "val") not in {None, "bullet", "none"}
    return _Level(is_numbered, int(attribute(child(element, "start"), "val") or 1))
