import os
import sys
from pathlib import Path

import pytest

from app.folders.rules import FolderRules
from app.folders.scan import FoundFile, ScanResult, scan


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")


def names(folder: Path, result: ScanResult) -> list[str]:
    assert result.problems == ()
    return [found.path.relative_to(folder).as_posix() for found in result.files]


def test_documents_are_found_in_the_order_of_their_paths(tmp_path: Path):
    make(tmp_path, "b.md", "a/z.txt", "a/b/c.html", "c.txt", "a.txt")
    assert names(tmp_path, scan(tmp_path)) == ["a/b/c.html", "a/z.txt", "a.txt", "b.md", "c.txt"]


def test_a_found_file_has_its_size_and_time(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    os.utime(path, ns=(1, 1_700_000_000_000_000_000))
    assert scan(tmp_path).files == (FoundFile(path, 5, 1_700_000_000_000_000_000),)


def test_what_the_rules_do_not_admit_is_left_out(tmp_path: Path):
    make(tmp_path, "yes.txt", ".hidden.txt", ".git/a.txt", "sub/node_modules/a.md", "sub/production.env", "a.txt~")
    assert names(tmp_path, scan(tmp_path, is_wanted=lambda _: True)) == ["yes.txt"]


def test_files_of_other_kinds_are_left_out(tmp_path: Path):
    make(tmp_path, "photo.png", "a.txt", "package-lock.json")
    assert names(tmp_path, scan(tmp_path)) == ["a.txt"]


def test_the_ignore_file_follows_the_rules_of_git(tmp_path: Path):
    make(tmp_path, "a.txt", "draft-1.txt", "keep/draft-2.txt", "old/a.txt", "sub/old/b.txt", "sub/c.md")
    (tmp_path / ".steepignore").write_text("# comment\ndraft-*\n!keep/draft-2.txt\n/old/\n*.md\n")
    assert names(tmp_path, scan(tmp_path)) == ["a.txt", "keep/draft-2.txt", "sub/old/b.txt"]


def test_only_the_ignore_file_at_the_top_counts(tmp_path: Path):
    make(tmp_path, "sub/a.txt")
    (tmp_path / "sub" / ".steepignore").write_text("*")
    assert names(tmp_path, scan(tmp_path)) == ["sub/a.txt"]


@pytest.mark.parametrize("rules", [b"\xff\xfe\xff", b"a\n!\n"])
def test_nothing_is_read_when_the_ignore_rules_cannot_be(tmp_path: Path, rules: bytes):
    make(tmp_path, "secret.txt")
    (tmp_path / ".steepignore").write_bytes(rules)
    result = scan(tmp_path)
    assert result.files == ()
    assert [problem.path for problem in result.problems] == [tmp_path]
    assert ".steepignore" in result.problems[0].reason


def test_symbolic_links_are_not_followed(tmp_path: Path):
    make(tmp_path, "outside/secret.txt", "folder/a.txt", "folder/sub/b.txt")
    folder = tmp_path / "folder"
    (folder / "out").symlink_to(tmp_path / "outside", target_is_directory=True)
    (folder / "out.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (folder / "twice.txt").symlink_to(folder / "a.txt")
    (folder / "sub" / "loop").symlink_to(folder, target_is_directory=True)
    assert names(folder, scan(folder)) == ["a.txt", "sub/b.txt"]


def test_symbolic_links_that_lead_out_are_followed_if_told(tmp_path: Path):
    make(
        tmp_path,
        "outside/a.txt",
        "outside/sub/b.txt",
        "outside/key.pem",
        "one/c.txt",
        "folder/d.txt",
        "folder/sub/e.txt",
    )
    folder = tmp_path / "folder"
    (folder / "out").symlink_to(tmp_path / "outside", target_is_directory=True)
    (folder / "sub" / "one.txt").symlink_to(tmp_path / "one" / "c.txt")
    (folder / "inside.txt").symlink_to(folder / "d.txt")
    (folder / "node_modules").symlink_to(tmp_path / "one", target_is_directory=True)
    (folder / "nowhere.txt").symlink_to(tmp_path / "nothing")
    found = ["d.txt", "out/a.txt", "out/sub/b.txt", "sub/e.txt", "sub/one.txt"]
    assert sorted(names(folder, scan(folder, follow_links=True))) == found
    assert names(folder, scan(folder, below=folder / "out" / "sub", follow_links=True)) == ["out/sub/b.txt"]
    assert names(folder, scan(folder, below=folder / "sub" / "one.txt", follow_links=True)) == ["sub/one.txt"]
    assert names(folder, scan(folder, below=folder / "inside.txt", follow_links=True)) == []


def test_followed_links_come_to_an_end(tmp_path: Path):
    make(tmp_path, "outside/a.txt", "folder/d.txt")
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    for place, target in {
        folder / "up": tmp_path,
        folder / "out": outside,
        folder / "out2": outside,
        folder / "self": folder / "self",
        outside / "back": folder,
        outside / "again": outside,
    }.items():
        place.symlink_to(target, target_is_directory=True)
    found = names(folder, scan(folder, follow_links=True))
    assert len(found) == 2
    assert {Path(name).name for name in found} == {"a.txt", "d.txt"}


def test_a_folder_that_is_itself_a_link_is_scanned_under_its_own_name(tmp_path: Path):
    make(tmp_path, "real/a.txt")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert [found.path for found in scan(tmp_path / "link").files] == [tmp_path / "link" / "a.txt"]


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path, error: OSError) -> None:
    real = os.scandir

    def scandir(path: Path):
        if Path(path) == folder:
            raise error
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_an_unreadable_folder_is_reported_and_the_rest_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make(tmp_path, "a.txt", "locked/b.txt", "other/c.txt")
    refuse(monkeypatch, tmp_path / "locked", PermissionError(13, "Permission denied"))
    result = scan(tmp_path)
    assert [found.path.name for found in result.files] == ["a.txt", "c.txt"]
    assert [problem.path for problem in result.problems] == [tmp_path / "locked"]
    assert "Permission denied" in result.problems[0].reason
    assert result.may_still_exist(tmp_path / "locked" / "b.txt")
    assert not result.may_still_exist(tmp_path / "gone.txt")


def test_a_folder_that_vanishes_meanwhile_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make(tmp_path, "a.txt", "gone/b.txt")
    refuse(monkeypatch, tmp_path / "gone", FileNotFoundError(2, "No such file or directory"))
    assert names(tmp_path, scan(tmp_path)) == ["a.txt"]


def test_a_missing_top_folder_is_a_problem_and_not_an_empty_folder(tmp_path: Path):
    result = scan(tmp_path / "unplugged")
    assert result.may_still_exist(tmp_path / "unplugged" / "a.txt")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text_is_reported(tmp_path: Path):
    make(tmp_path, "a.txt", os.fsdecode(b"b\xff.txt"))
    result = scan(tmp_path)
    assert [found.path.name for found in result.files] == ["a.txt"]
    assert [problem.path.name for problem in result.problems] == ["b\ufffd.txt"]


def test_only_a_part_of_the_folder_can_be_looked_at(tmp_path: Path):
    make(tmp_path, "a.txt", "sub/b.txt", "sub/deep/c.txt", "subway/d.txt")
    assert names(tmp_path, scan(tmp_path, below=tmp_path / "sub")) == ["sub/b.txt", "sub/deep/c.txt"]
    assert names(tmp_path, scan(tmp_path, below=tmp_path / "sub" / "deep")) == ["sub/deep/c.txt"]
    assert names(tmp_path, scan(tmp_path, below=tmp_path)) == names(tmp_path, scan(tmp_path))


def test_a_single_file_can_be_looked_at(tmp_path: Path):
    make(tmp_path, "sub/a.txt", "sub/b.txt", "sub/photo.png", "sub/key.pem")
    assert scan(tmp_path, below=tmp_path / "sub" / "a.txt").files == scan(tmp_path).files[:1]
    assert names(tmp_path, scan(tmp_path, below=tmp_path / "sub" / "photo.png")) == []
    assert names(tmp_path, scan(tmp_path, below=tmp_path / "sub" / "key.pem")) == []


def test_a_part_that_the_rules_leave_out_is_empty(tmp_path: Path):
    make(tmp_path, "old/deep/a.txt", "node_modules/b/c.md")
    (tmp_path / ".steepignore").write_text("/old/")
    assert names(tmp_path, scan(tmp_path, below=tmp_path / "old" / "deep")) == []
    assert names(tmp_path, scan(tmp_path, below=tmp_path / "node_modules" / "b" / "c.md")) == []


@pytest.mark.parametrize("part", ["gone", "gone/deep", "a.txt/deep"])
def test_a_part_that_is_not_there_is_gone(tmp_path: Path, part: str):
    make(tmp_path, "a.txt")
    assert scan(tmp_path, below=tmp_path / part) == ScanResult((), ())


def test_a_part_of_a_folder_that_is_not_there_is_a_problem(tmp_path: Path):
    result = scan(tmp_path / "unplugged", below=tmp_path / "unplugged" / "sub")
    assert result.may_still_exist(tmp_path / "unplugged" / "sub" / "a.txt")


def test_a_part_behind_a_symbolic_link_is_not_there(tmp_path: Path):
    make(tmp_path, "outside/sub/secret.txt", "folder/a.txt")
    folder = tmp_path / "folder"
    (folder / "out").symlink_to(tmp_path / "outside", target_is_directory=True)
    (folder / "out.txt").symlink_to(folder / "a.txt")
    for part in ("out", "out/sub", "out/sub/secret.txt", "out.txt"):
        assert scan(folder, below=folder / part) == ScanResult((), ())


def test_a_part_that_cannot_be_looked_at_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make(tmp_path, "locked/b.txt")
    refuse(monkeypatch, tmp_path / "locked", PermissionError(13, "Permission denied"))
    assert scan(tmp_path, below=tmp_path / "locked").may_still_exist(tmp_path / "locked" / "b.txt")


def test_rules_that_are_known_are_not_read_again(tmp_path: Path):
    make(tmp_path, "a.txt", "b.md")
    (tmp_path / ".steepignore").write_text("*.md")
    rules = FolderRules(tmp_path)
    (tmp_path / ".steepignore").write_text("*.txt")
    assert names(tmp_path, scan(tmp_path, rules=rules)) == ["a.txt"]
