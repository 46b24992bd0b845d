"""All of a file or nothing, and never over another."""

from pathlib import Path

import pytest

from app.conversations.new_file import write_new_file


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_new_file(tmp_path / "a.md", "# 茶\n")
    assert (tmp_path / "a.md").read_text("utf-8") == "# 茶\n"
    assert left(tmp_path) == ["a.md"]


def test_lone_surrogates_are_written_escaped(tmp_path: Path) -> None:
    write_new_file(tmp_path / "a.md", "x\udcff")
    assert (tmp_path / "a.md").read_text("utf-8") == "x\\udcff"


@pytest.mark.parametrize("knows_links", [True, False])
def test_a_file_that_is_there_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows_links: bool
) -> None:
    if not knows_links:
        monkeypatch.setattr(Path, "hardlink_to", _refuse)
    (tmp_path / "a.md").write_text("mine", "utf-8")
    with pytest.raises(FileExistsError):
        write_new_file(tmp_path / "a.md", "new")
    assert (tmp_path / "a.md").read_text("utf-8") == "mine"
    assert left(tmp_path) == ["a.md"]


def test_a_file_system_without_links_takes_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "hardlink_to", _refuse)
    write_new_file(tmp_path / "a.md", "new")
    assert (tmp_path / "a.md").read_text("utf-8") == "new"
    assert left(tmp_path) == ["a.md"]


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_new_file(tmp_path / "a.md", "new")
    assert left(tmp_path) == []


def _refuse(_path: Path, _target: Path) -> None:
    raise PermissionError(1, "Operation not permitted")
