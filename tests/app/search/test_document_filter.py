from collections.abc import Sequence
from pathlib import Path

import pytest

from app.errors import WrongUse
from app.search.document_filter import documents_in
from storage.values import Document

HERE = Path("/home/ann")

PATHS = [
    "/home/ann/notes/ferry.md",
    "/home/ann/notes/2024/Ferry.PDF",
    "/home/ann/notes/2024/costs [draft].txt",
    "/home/ann/work/notes.txt",
    "/srv/notes/old.pdf",
]


def document(number: int, path: str, num_chunks: int = 1, error: str | None = None) -> Document:
    return Document(number, 1, Path(path), 1, 1, "digest", "title", error, num_chunks, 0)


DOCUMENTS = [document(number, path) for number, path in enumerate(PATHS)]


def named(*paths: str, here: Path = HERE, documents: Sequence[Document] = DOCUMENTS) -> list[int]:
    return sorted(documents_in(paths, documents, here))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("notes/ferry.md", [0]),
        ("/home/ann/notes/ferry.md", [0]),
        ("notes", [0, 1, 2]),
        ("notes/", [0, 1, 2]),
        ("./notes/../notes/2024", [1, 2]),
        (".", [0, 1, 2, 3]),
        ("/", [0, 1, 2, 3, 4]),
        ("notes/2024/costs [draft].txt", [2]),
    ],
)
def test_a_path_is_a_file_or_a_folder_seen_from_here(path: str, expected: list[int]):
    assert named(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ferry.md", [0]),
        ("2024", [1, 2]),
        ("notes/2024", [1, 2]),
        ("notes/old.pdf", [4]),
        ("ann/notes", [0, 1, 2]),
    ],
)
def test_a_path_that_is_not_here_is_looked_for_within_the_documents_paths(path: str, expected: list[int]):
    assert named(path) == expected


@pytest.mark.parametrize("path", ["erry.md", "ferry", "202", "notes/ferry.md/x", "../notes", "./old.pdf", "/notes"])
def test_names_match_as_a_whole_and_beginnings_are_meant(path: str):
    with pytest.raises(WrongUse, match="none of the 5 documents"):
        named(path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.pdf", [1, 4]),
        ("*.md", [0]),
        ("ferry.*", [0, 1]),
        ("notes/**", [0, 1, 2, 4]),
        ("notes/*.pdf", [4]),
        ("notes/**/*.pdf", [1, 4]),
        ("**/*.txt", [2, 3]),
        ("./**/*.pdf", [1]),
        ("/srv/**", [4]),
        ("note?.txt", [3]),
        ("20*", [1, 2]),
    ],
)
def test_a_pattern_stands_for_several(pattern: str, expected: list[int]):
    assert named(pattern) == expected


def test_several_paths_add_up():
    assert named("ferry.md", "/srv", "*.md") == [0, 4]


def test_a_path_that_names_nothing_is_an_error_that_says_which(tmp_path: Path):
    with pytest.raises(WrongUse, match=r"--in \*\.docx: none of the 5 documents .* seen from /home/ann"):
        named("ferry.md", "*.docx")


def test_characters_of_other_pattern_languages_are_plain_ones():
    files = [document(0, "/d/a+b(c).txt"), document(1, "/d/aab.txt"), document(2, "/d/[z-a].txt")]
    assert named("a+b(c).*", documents=files) == [0]
    assert named("[z-a].*", documents=files) == [2]


def test_documents_without_text_are_left_out():
    files = [document(0, "/d/a.txt"), document(1, "/d/b.txt", num_chunks=0, error="it is encrypted")]
    assert named("/d", documents=files) == [0]


@pytest.mark.parametrize(("error", "reason"), [("it is encrypted", "it is encrypted"), (None, "no text was read")])
def test_naming_only_documents_without_text_is_an_error_that_says_why(error: str | None, reason: str):
    with pytest.raises(WrongUse, match=f"nothing to answer from in /d/b.txt: {reason}"):
        named("b.txt", documents=[document(0, "/d/a.txt"), document(1, "/d/b.txt", 0, error)])
