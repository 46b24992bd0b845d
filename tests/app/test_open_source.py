"""Which program opens a document, and where."""

from pathlib import Path

import pytest

from app.open_source import Opening, is_text, line_of, opening_of, run

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
    assert all(map(is_text, (Path("a.MD"), Path("README"), Path("Makefile"), Path("a.f90"))))
    assert not any(map(is_text, (Path("a.pdf"), Path("a.DOCX"), Path("a.html"))))


def test_a_web_page_opens_in_a_browser_and_without_a_desktop_in_the_editor() -> None:
    page, named = Path("/documents/a.html"), {"EDITOR": "vim"}
    there = which("xdg-open", "vim")
    assert opening_of(page, None, 1, {**DESKTOP, **named}, there, "linux") == Opening(("xdg-open", str(page)), False)
    assert opening_of(page, None, 1, named, there, "linux") == Opening(("vim", "+1", str(page)), True)


def test_an_editor_whose_quotation_marks_do_not_match_is_split_at_blanks() -> None:
    opening = opening_of(TEXT, None, 7, {"EDITOR": "vim -c 'x"}, which("vim"), "linux")
    assert opening == Opening(("vim", "-c", "'x", "+7", str(TEXT)), True)


def test_a_file_name_is_an_argument_and_nothing_else(tmp_path: Path) -> None:
    seen, name = tmp_path / "seen", "$(touch broken); 'x' .md"
    script = tmp_path / "editor.sh"
    script.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {seen}\n', "utf-8")
    script.chmod(0o700)
    opening = opening_of(tmp_path / name, None, 1, {"EDITOR": str(script)}, lambda found: found, "linux")
    assert opening
    run(opening)
    assert seen.read_text("utf-8") == str(tmp_path / name)
    assert not Path("broken").exists()
