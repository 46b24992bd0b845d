from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from app.file_uri import file_uri


@pytest.mark.parametrize(
    ("path", "page", "expected"),
    [
        ("/documents/a.txt", None, "file://teahouse/documents/a.txt"),
        ("/documents/a.txt", 3, "file://teahouse/documents/a.txt"),
        ("/documents/a.pdf", 3, "file://teahouse/documents/a.pdf#page=3"),
        ("/documents/A.PDF", 3, "file://teahouse/documents/A.PDF#page=3"),
        ("/documents/a.pdf", None, "file://teahouse/documents/a.pdf"),
        ("/a b/50% #1?.md", None, "file://teahouse/a%20b/50%25%20%231%3F.md"),
        ("/茶/caf\udce9", None, "file://teahouse/%E8%8C%B6/caf%E9"),
    ],
)
def test_the_address_names_host_path_and_page(path: str, page: int | None, expected: str):
    assert file_uri(Path(path), page, "teahouse") == expected


@pytest.mark.parametrize("name", ["\x1b]8;;evil\x1b\\", "a\nb", "a\x07\x9c", "\x7f\x80"])
def test_an_address_holds_nothing_that_a_terminal_obeys(name: str):
    uri = file_uri(Path("/documents") / name, None, "tea\x1bhouse")
    assert uri.isascii()
    assert uri.isprintable()
    assert " " not in uri
    assert unquote(urlsplit(uri).path) == f"/documents/{name}"
