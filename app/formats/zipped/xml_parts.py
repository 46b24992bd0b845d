"""XML inside documents: parsed without entities, network or bound-less trees, and walked without recursion.

Elements are told apart by their local names: the vocabularies of one document do not clash where we read them, and
office files come with two sets of namespaces (ECMA and ISO "strict").
"""

from collections.abc import Iterator, Mapping
from typing import Protocol, cast

import lxml.etree as etree

from app.formats.damage import in_one_line
from app.formats.errors import Damaged


class Element(Protocol):
    """What we use of lxml's elements, which come without types."""

    # A function in references to entities, which are no elements.
    @property
    def tag(self) -> object: ...
    @property
    def text(self) -> str | None: ...
    @property
    def tail(self) -> str | None: ...
    @property
    def attrib(self) -> Mapping[str, str]: ...
    def __iter__(self) -> Iterator["Element"]: ...


def parse(data: bytes, name: str, part: str) -> Element:
    """The root element of a part of the document `name`. Raises Damaged.

    Entities that the document declares are not expanded in text; in attributes libxml2 refuses those that multiply.
    So it does trees deeper than 256 elements and texts longer than 10 MB (huge_tree=False).
    """
    # A parser of its own for each part, since it keeps the errors of the last one.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        # Nothing is looked up by id; the table of them takes memory.
        collect_ids=False,
    )
    try:
        return cast(Element, etree.fromstring(data, parser))
    except etree.XMLSyntaxError as error:
        raise Damaged(name, f"is damaged: its part {part} is no XML: {in_one_line(error)}") from error


def local_name(element: Element) -> str:
    """The name without its namespace; the empty string for a reference to an entity."""
    tag = element.tag
    return tag[tag.rfind("}") + 1 :] if isinstance(tag, str) else ""


def attribute(element: Element | None, local: str) -> str | None:
    """The value of the attribute with that local name, in whatever namespace."""
    if element is not None:
        for key, value in element.attrib.items():
            if key[key.rfind("}") + 1 :] == local:
                return value
    return None


def children(element: Element | None, local: str) -> Iterator[Element]:
    """The children with that local name, in order."""
    # lxml warns of elements used as truth values: they are false without children.
    return (each for each in (element if element is not None else ()) if local_name(each) == local)


def child(element: Element | None, *path: str) -> Element | None:
    """The first child with the first of the local names, its first child with the second, and so on."""
    for local in path:
        element = next(children(element, local), None)
    return element


def descendants(root: Element, closed: frozenset[str] = frozenset()) -> Iterator[Element]:
    """All elements below `root` in document order; of those named in `closed` only themselves, not what is inside."""
    pending = list(root)[::-1]
    while pending:
        element = pending.pop()
        yield element
        if local_name(element) not in closed:
            pending += list(element)[::-1]
