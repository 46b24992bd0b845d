"""Which program opens a document, and where."""

from pathlib import Path

import pytest

from app.open_source import Opening, is_text, line_of, opening_of

TEXT, PDF = Path("/documents/a b.md"), Path("/documents/a b.pdf")
DESKTOP = {"DISPLAY": ":0"}


def which(*there: str):
    return lambda name: f"/usr/bin/{name}" if name in there else None


@pytest.mark.parametrize(
    ("editor", "argv", "takes_terminal"),
    [
        ("vim", ("vim", "+7", "/documents/a b.md"), True),
        ("nano -l", ("nano", "-l", "+7", "/documents/a b.md"), True),
        ("hx", ("hx", "/documents/a b.md:7"), True),
        ("code --wait", ("code", "--wait", "--goto", "/documents/a b.md:7"), False),
        ("gedit", ("gedit", "/documents/a b.md"), False),
        ("less", ("less", "+7", "--", "/documents/a b.md"), True),
    ],
)
def test_text_opens_in_the_editor_at_its_line(editor: str, argv: tuple[str, ...], takes_terminal: bool) -> None:
    found = opening_of(TEXT, None, 7, {"EDITOR": editor}, which(editor.split()[0]), "linux")
    assert found == Opening(argv, takes_terminal)


def test_visual_beats_editor_beats_pager_and_one_that_is_not_there_is_passed_over() -> None:
    named = {"VISUAL": "vim", "EDITOR": "nano", "PAGER": "less"}
    programs = [("vim", "nano", "less"), ("nano", "less"), ("less",)]
    openings = [opening_of(TEXT, None, 1, named, which(*there), "linux") for there in programs]
    assert [opening and opening.argv[0] for opening in openings] == ["vim", "nano", "less"]


@pytest.mark.parametrize(
    ("viewer", "argv"),
    [
        ("evince", ("evince", "--page-index=3", "/documents/a b.pdf")),
        ("okular", ("okular", "--page", "3", "/documents/a b.pdf")),
        ("zathura", ("zathura", "--page=3", "/documents/a b.pdf")),
        ("xdg-open", ("xdg-open", "/documents/a b.pdf")),
    ],
)
def test_a_pdf_opens_in_a_viewer_at_its_page_where_that_knows_pages(viewer: str, argv: tuple[str, ...]) -> None:
    opening = opening_of(PDF, 3, 1, {**DESKTOP, "EDITOR": "vim"}, which(viewer, "vim"), "linux")
    assert opening == Opening(argv, takes_terminal=False)


def test_macs_and_windows_have_one_way() -> None:
    assert opening_of(PDF, 3, 1, {}, which(), "darwin") == Opening(("open", str(PDF)), False)
    assert opening_of(PDF, 3, 1, {}, which(), "win32") == Opening(("explorer", str(PDF)), False)


def test_without_a_desktop_text_opens_in_less_and_a_pdf_in_nothing() -> None:
    assert opening_of(TEXT, None, 2, {}, which("less", "xdg-open"), "linux") == Opening(
        ("less", "+2", "--", str(TEXT)), True
    )
    assert opening_of(PDF, 1, 1, {}, which("less", "xdg-open"), "linux") is None


def test_the_line_is_where_the_words_begin(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("# Ferry\n\nIts captain is Odile Marsh,\nwho keeps two cats.\n", "utf-8")
    assert line_of(path, "  Its captain is Odile Marsh,\n who keeps") == 3
    assert line_of(path, "not there") == line_of(path, "") == line_of(tmp_path / "gone", "x") == 1


def test_an_editor_is_for_what_it_shows_as_it_is() -> None:
    assert is_text(Path("a.MD"))
    assert not is_text(Path("a.pdf"))
    assert not is_text(Path("a"))
