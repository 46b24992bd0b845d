import os
import subprocess
import sys
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.formats import plain_text, registry
from app.formats.errors import CannotOpen, NothingToRead, NotText, TooLarge, UnknownFormat, UnreadableDocument
from app.formats.extracted import ExtractedDocument, Passage
from app.formats.registry import (
    MAX_MIXED_NUM_BYTES,
    MAX_PACKED_NUM_BYTES,
    MAX_TEXT_NUM_BYTES,
    extract,
    is_supported,
    read_file,
)

# Fragments that mean something to one of the formats, separated by "|".
FRAGMENTS = (
    "# |## |- |1. |```\n|---\n|> |    |\n|\n\n|\r\n|a. b! |\u00e9\u3002|[x]: y\n|def f():\n|@x\n|}\n|&amp;"
    "|<p>|</p>|<ul>|<li>|<table>|<tr>|<td>|</table>|<pre>|</pre>|<h1>|</h1>|<br>|<main>|<!--|-->|<title>"
)
MARKUP = st.lists(st.sampled_from(FRAGMENTS.split("|")), max_size=25).map("".join)


DOCUMENTS = (
    "a.txt A.MD b.markdown c.HTM d.xhtml e.py f.rs Makefile README LICENSE changelog Notes todo g.PDF h.docm i.odt "
    "j.ppsx k.epub l.rmd m.log n.tsv o.ndjson p.yml q.toml r.ipynb s.mbox t.ltx u.org v.rest package.json"
)
OTHERS = (
    "a.png .txt c.txt.gz md readme.png notes.zip package-lock.json pnpm-lock.yaml yarn.lock jquery.MIN.js "
    "site.min.css app.js.map query_pb2.py"
)


@pytest.mark.parametrize("name", DOCUMENTS.split())
def test_documents_are_known_by_their_names(name: str):
    assert is_supported(PurePath("folder") / name)


@pytest.mark.parametrize("name", OTHERS.split())
def test_other_files_are_no_documents(name: str):
    assert not is_supported(PurePath(name))
    with pytest.raises(UnknownFormat, match="cannot be read yet"):
        extract(name, b"text")


def test_asking_whether_a_file_is_a_document_imports_no_format():
    program = (
        "import sys; from pathlib import PurePath; from app.formats.registry import is_supported\n"
        "assert is_supported(PurePath('a.pdf')) and is_supported(PurePath('a.html'))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('app.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    shared = ["app.formats.errors", "app.formats.extracted", "app.formats.registry", "app.formats.storable"]
    assert done.stdout.split() == ["app.formats", *shared]


def test_the_kind_decides_how_a_file_is_read(tmp_path: Path):
    for name, heading in [("a.md", "Top"), ("a.txt", None), ("a.py", "# Top")]:
        (tmp_path / name).write_bytes(b"# Top")
        assert read_file(tmp_path / name).document.passages[0].heading == heading


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path):
    with pytest.raises(CannotOpen, match=r"^a.txt does not exist"):
        read_file(tmp_path / "a.txt")


def test_a_folder_is_no_document(tmp_path: Path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(CannotOpen, match="is not a file"):
        read_file(tmp_path / "a.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(CannotOpen, match="is not a file"):
        read_file(tmp_path / "a.txt")


def test_a_link_is_not_followed(tmp_path: Path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").symlink_to("a.txt")
    with pytest.raises(CannotOpen, match="is a link"):
        read_file(tmp_path / "b.txt")


def test_the_reason_of_the_system_is_told_in_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "a.txt"
    path.write_text("text")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(CannotOpen) as caught:
        read_file(path)
    assert caught.value.reason == "may not be read: permission denied"


def test_a_file_may_be_exactly_as_large_as_the_limit(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    assert read_file(path, max_num_bytes=5).document.text == "12345"
    with pytest.raises(TooLarge, match="limit of 4 bytes"):
        read_file(path, max_num_bytes=4)


def test_each_kind_has_a_limit_of_its_own(tmp_path: Path):
    for name, limit in [
        ("a.txt", MAX_TEXT_NUM_BYTES),
        ("a.mbox", MAX_MIXED_NUM_BYTES),
        ("a.pdf", MAX_PACKED_NUM_BYTES),
    ]:
        with (tmp_path / name).open("wb") as file:
            file.truncate(limit + 1)
        with pytest.raises(TooLarge, match=f"limit of {limit:,} bytes"):
            read_file(tmp_path / name)


def test_a_small_file_may_not_hold_more_text_than_a_large_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "MAX_NUM_CHARS", 4)
    (tmp_path / "a.txt").write_text("1234")
    (tmp_path / "b.txt").write_text("12345")
    assert read_file(tmp_path / "a.txt").document.text == "1234"
    with pytest.raises(TooLarge, match="more text than the limit of 4 characters"):
        read_file(tmp_path / "b.txt")


def test_a_later_change_can_be_told(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("goat")
    os.utime(path, ns=(17, 17))
    found = read_file(path)
    assert (found.document.text, found.num_bytes, found.mtime_ns) == ("goat", 4, 17)


def test_what_no_index_can_store_is_replaced_wherever_a_format_found_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    found = ExtractedDocument("a\ud800", "x\0y\udfff z", (Passage(0, 4, 3, "h\0"), Passage(5, 6)))
    monkeypatch.setattr(plain_text, "extract", lambda data, name: found)
    (tmp_path / "a.txt").write_text("text")
    passages = (Passage(0, 4, 3, "h\ufffd"), Passage(5, 6))
    assert read_file(tmp_path / "a.txt").document == ExtractedDocument("a\ufffd", "x\ufffdy\ufffd z", passages)


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
        read_file(tmp_path / name)


def test_binary_data_under_a_text_name_is_unreadable(tmp_path: Path):
    (tmp_path / "a.md").write_bytes(b"\x7fELF\x00\x01")
    with pytest.raises(NotText):
        read_file(tmp_path / "a.md")


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
