"""What becomes of a document that is opened in another program."""

import sys
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot

from app.tui.opening import open_document
from tests.app.tui.pilot import piloted, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have one viewer for everything")


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-")
    return path


def viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """The only program of a desktop."""
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("DISPLAY", ":0")


def test_a_viewer_that_fails_is_told(pdf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer(tmp_path, monkeypatch, "exit 4")

    async def scenario(pilot: Pilot) -> None:
        assert open_document(pilot.app, pdf, page=3) == ""
        await until(pilot, lambda: [*pilot.app._notifications])
        (told,) = pilot.app._notifications
        assert told.message == "xdg-open could not open a.pdf (exit status 4)."

    piloted(App(), scenario)


def test_a_viewer_gets_the_document(pdf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer(tmp_path, monkeypatch, f'echo "$1" > {tmp_path}/seen')

    async def scenario(pilot: Pilot) -> None:
        assert open_document(pilot.app, pdf) == ""
        await until(pilot, lambda: (tmp_path / "seen").exists() and (tmp_path / "seen").read_text("utf-8"))
        assert (tmp_path / "seen").read_text("utf-8") == f"{pdf}\n"

    piloted(App(), scenario)


def test_without_a_desktop_it_says_what_is_missing(pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    async def scenario(pilot: Pilot) -> None:
        assert "it takes a desktop" in open_document(pilot.app, pdf)
        assert "no longer there" in open_document(pilot.app, pdf.with_name("gone.pdf"))

    piloted(App(), scenario)


def test_an_editor_of_a_terminal_that_cannot_be_lent_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("words", "utf-8")
    monkeypatch.setenv("VISUAL", "sh")

    async def scenario(pilot: Pilot) -> None:
        assert "cannot be lent to sh" in open_document(pilot.app, tmp_path / "a.md")

    piloted(App(), scenario)
