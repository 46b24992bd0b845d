"""The address of a place in a document, as terminals and browsers open it; pure."""

from pathlib import Path
from urllib.parse import quote

_PAGED_SUFFIXES = {".pdf"}
"""What viewers open at a page: Word's documents have pages, too, but no address for them."""


def file_uri(path: Path, page: int | None, host: str) -> str:
    """`file://host/path` of an absolute path, with `#page=N` where viewers know it; ASCII without spaces or controls.

    The host tells a terminal at the other end of a connection that the file is not on its own machine.
    """
    place = f"#page={page}" if page and path.suffix.lower() in _PAGED_SUFFIXES else ""
    return f"file://{quote(host, safe='')}{path.as_uri().removeprefix('file://')}{place}"
