import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.formats.errors import CannotOpen, NothingToRead, NotText, TooLarge, UnknownFormat, UnreadableDocument
from app.formats.registry import extract, is_supported, read_document

# Fragments that mean something to one of the formats, separated by "|".
FRAGMENTS = (
    "# |## |- |1. |```\n|---\n|> |    |\n|\n\n|\r\n|a. b! |\u00e9\u3002|[x]: y\n|def f():\n|@x\n|}\n|&amp;"
    "|<p>|</p>|<ul>|<li>|<table>|<tr>|<td>|</table>|<pre>|</pre>|<h1>|</h1>|<br>|<main>|<!--|-->|<title>"
)
MARKUP = st.lists(st.sampled_from(FRAGMENTS.split("|")), max_size=25).map("".join)


@pytest.mark.parametrize("name", ["a.txt", "A.MD", "b.markdown", "c.HTM", "d.xhtml", "e.py", "f.rs", "Makefile"])
def test_documents_are_known_by_their_names(name: str):
    assert is_supported(PurePath("folder") / name)


@pytest.mark.parametrize("name", ["a.png", "b.json", "README", ".txt", "c.txt.gz", "md"])
def test_other_files_are_no_documents(name: str):
    assert not is_supported(PurePath(name))
    with pytest.raises(UnknownFormat, match="cannot be read yet"):
        extract(name, b"text")


def test_the_kind_decides_how_a_file_is_read(tmp_path: Path):
    for name, heading in [("a.md", "Top"), ("a.txt", None), ("a.py", "# Top")]:
        (tmp_path / name).write_bytes(b"# Top")
        assert read_document(tmp_path / name).passages[0].heading == heading


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path):
    with pytest.raises(CannotOpen, match=r"^a.txt does not exist"):
        read_document(tmp_path / "a.txt")


def test_a_folder_is_no_document(tmp_path: Path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(CannotOpen, match="is not a file"):
        read_document(tmp_path / "a.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(CannotOpen, match="is not a file"):
        read_document(tmp_path / "a.txt")


def test_the_reason_of_the_system_is_told_in_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "a.txt"
    path.write_text("text")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CannotOpen) as caught:
        read_document(path)
    assert caught.value.reason == "may not be read: permission denied"


def test_a_file_may_be_exactly_as_large_as_the_limit(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    assert read_document(path, max_num_bytes=5).text == "12345"
    with pytest.raises(TooLarge, match="limit of 4 bytes"):
        read_document(path, max_num_bytes=4)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b" \n", "holds no readable text"),
        ("a.html", b"<script>1</script>", "holds no readable text"),
        ("a.md", b"---\ntitle: x\n---\n", "holds no readable text"),
    ],
)
def test_a_file_with_nothing_to_read_says_so(tmp_path: Path, name: str, data: bytes, reason: str):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(NothingToRead, match=reason):
        read_document(tmp_path / name)


def test_binary_data_under_a_text_name_is_unreadable(tmp_path: Path):
    (tmp_path / "a.md").write_bytes(b"\x7fELF\x00\x01")
    with pytest.raises(NotText):
        read_document(tmp_path / "a.md")


NAMES = st.sampled_from(["a.txt", "a.md", "a.html", "a.py"])


@settings(max_examples=150, deadline=None)
@given(NAMES, st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(name: str, data: bytes):
    try:
        document = extract(name, data)
    except UnreadableDocument as error:
        assert str(error).startswith(name)  # noqa: PT017  (either outcome is right)
    else:
        document.text.encode()


@settings(max_examples=200, deadline=None)
@given(NAMES, MARKUP)
def test_arbitrary_markup_is_read(name: str, markup: str):
    # That the passages are in order, inside the text and not blank is checked by the value itself.
    assert extract(name, markup.encode()).title


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["a.txt", "a.py", "a.md"]), MARKUP)
def test_no_word_of_the_text_is_outside_the_passages(name: str, markup: str):
    document = extract(name, f"x\n\n{markup}".encode())
    inside = "".join(document.text[passage.start : passage.end] for passage in document.passages)
    if name == "a.md":
        # Thematic breaks are left out.
        inside, whole = inside.replace("-", ""), document.text.replace("-", "")
    else:
        whole = document.text
    assert "".join(inside.split()) == "".join(whole.split())
