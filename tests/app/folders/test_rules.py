import os
import shutil
import subprocess
from pathlib import Path

import pytest

from app.folders.rules import FolderRules, UnreadableRules
from app.folders.scan import scan


def admitted(ignore_text: str, path: str) -> bool:
    """`path` ends in a slash if it is a folder; nothing exists."""
    root = Path("/nowhere")
    return FolderRules(root, ignore_text).admits(root / path, is_folder=path.endswith("/"))


@pytest.mark.parametrize(
    "path",
    [
        ".hidden.txt",
        ".git/config.txt",
        "sub/.venv/a.py",
        "node_modules/readme.md",
        "a/b/node_modules/c/d.md",
        "package.egg-info/SOURCES.txt",
        "__MACOSX/a.txt",
        "System Volume Information/a.txt",
        "$RECYCLE.BIN/a.txt",
        "production.env",
        "production.env.local",
        "server.pem",
        "SERVER.KEY",
        "id_rsa.txt",
        "id_ed25519",
        "credentials.json",
        "sub/secrets.yaml",
        "client_secret_1234.json",
        "note.txt~",
        "#note.txt#",
        "~$letter.docx",
        "~WRL0001.tmp",
        "4913",
        "film.txt.part",
        "page.html.crdownload",
        "desktop.ini",
        "Thumbs.db",
    ],
)
def test_by_default_this_is_no_document(path: str):
    assert not admitted("", path)


@pytest.mark.parametrize(
    "path",
    [
        "note.txt",
        "build/house.md",
        "dist/list.md",
        "target/aims.md",
        "env/climate.md",
        "vendor/prices.csv",
        "lib/poem.txt",
        "Secrets of the sea.txt",
        "credentials.md",
        "environment.txt",
        "keys.md",
        "49130",
        "~draft.txt",
    ],
)
def test_what_people_call_their_documents_is_one(path: str):
    assert admitted("", path)


def test_the_top_folder_is_admitted_whatever_its_name():
    root = Path("/home/.notes")
    assert FolderRules(root, "*").admits(root, is_folder=True)
    assert FolderRules(root, "").admits(root / "a.txt", is_folder=False)


def test_all_folders_around_a_path_have_to_be_admitted():
    assert not admitted("/private/", "private/a/b/c.txt")
    assert not admitted("*.md\n", "a.md/b.txt")
    assert admitted("/private/", "a/private/b.txt")


def test_nothing_comes_back_from_inside_a_folder_that_is_left_out():
    assert not admitted("old/\n!old/keep.txt\n", "old/keep.txt")
    assert admitted("old/*\n!old/keep.txt\n", "old/keep.txt")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("!.github/", ".github/workflow.md"),
        ("!venv", "a/venv/b.txt"),
        ("!*.key", "talk.key"),
        ("!/talks/april.key", "talks/april.key"),
        ("!.*", ".hidden.txt"),
        ("!\\#*\\#", "#note.txt#"),
    ],
)
def test_a_line_that_names_what_is_left_out_by_default_brings_it_back(line: str, path: str):
    assert not admitted("", path)
    assert admitted(line, path)


@pytest.mark.parametrize("line", ["!*", "!*/", "!**", "!*.md", "!**/*.md", "!*o*"])
@pytest.mark.parametrize("path", ["node_modules/a.md", ".git/a.md", ".hidden.md", "server.key", "a.md~"])
def test_a_line_that_lists_documents_brings_back_nothing_that_is_left_out_by_default(line: str, path: str):
    assert not admitted(line, path)


def test_what_is_inside_a_folder_that_was_brought_back_is_judged_as_ever():
    assert admitted("!.notes/", ".notes/a.md")
    assert not admitted("!.notes/", ".notes/server.key")
    assert not admitted("!.notes/", ".notes/.cache/a.md")
    assert not admitted("!venv/\n", "venv/node_modules/a.md")


def test_the_last_line_that_matches_decides_about_the_defaults_too():
    assert not admitted("!.notes/\n.notes/\n", ".notes/a.md")
    assert admitted(".notes/\n!.notes/\n", ".notes/a.md")


def test_only_the_wanted_documents_can_be_listed():
    lines = "*\n!*/\n!*.md\n"
    assert admitted(lines, "a/b/c.md")
    assert not admitted(lines, "a/b/c.txt")


def test_a_pattern_for_the_contents_does_not_mean_the_folder():
    lines = "docs/**\n!docs/keep.md\n"
    assert admitted(lines, "docs/")
    assert admitted(lines, "docs/keep.md")
    assert not admitted(lines, "docs/other.md")


def test_an_environment_is_known_by_its_file_whatever_its_name(tmp_path: Path):
    folder = tmp_path / "my tools"
    folder.mkdir()
    rules = FolderRules(tmp_path)
    assert rules.admits(folder / "a.py", is_folder=False)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert not rules.admits(folder / "a.py", is_folder=False)
    assert FolderRules(tmp_path, "!my tools/").admits(folder / "a.py", is_folder=False)


def test_a_cache_says_so_itself(tmp_path: Path):
    folder = tmp_path / "target"
    folder.mkdir()
    tag = folder / "CACHEDIR.TAG"
    tag.write_text("something else")
    assert FolderRules(tmp_path).admits(folder, is_folder=True)
    tag.write_text("Signature: 8a477f597d28d172789f06886806bc55\n# made by a tool\n")
    assert not FolderRules(tmp_path).admits(folder, is_folder=True)


def test_names_that_are_no_text_are_left_out():
    assert not admitted("", os.fsdecode(b"b\xff.txt"))


def test_a_path_elsewhere_is_a_mistake():
    with pytest.raises(ValueError, match="elsewhere"):
        FolderRules(Path("/nowhere"), "").admits(Path("/elsewhere/a.txt"), is_folder=False)


def test_a_folder_without_an_ignore_file_or_that_is_not_there_has_the_default_rules(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "gone"):
        assert FolderRules(folder).admits(folder / "a.txt", is_folder=False)


def test_an_ignore_file_that_is_no_text_is_named(tmp_path: Path):
    (tmp_path / ".steepignore").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UnreadableRules, match=r"\.steepignore could not be read"):
        FolderRules(tmp_path)


def test_a_line_that_is_no_pattern_is_named(tmp_path: Path):
    (tmp_path / ".steepignore").write_text("a\n!\n")
    with pytest.raises(UnreadableRules, match=r"\.steepignore, line 2: '!'"):
        FolderRules(tmp_path)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "core.excludesFile=", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


GIT_CASES = [
    "a",
    "a/",
    "/a",
    "/a/*\n!/a/b",
    "*\n!*/\n!x.md",
    "a/**\n!a/x.md",
    "a/**/x.md",
    "**/b/",
    "!a\n*.md\n!/a/x.md",
    "[ab]*/\n",
    "b/*\n!b/a/\n!b/a/**",
    "\\#h\n# comment\n\n  \nx.md   ",
    "**\n!**/\n!*.txt",
    "/*/x.md\n/",
    "a//\na\\ b\n",
]


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")
@pytest.mark.parametrize("lines", GIT_CASES)
def test_the_ignore_file_means_what_it_means_to_git(tmp_path: Path, lines: str):
    for folder in ("", "a", "b", "a/b", "b/a", "a/b/a", "a b"):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in ("x.md", "y.txt", "#h"):
            (tmp_path / folder / name).write_text("text")
    for name in (".gitignore", ".steepignore"):
        (tmp_path / name).write_text(lines)
    git(tmp_path, "init", "--quiet")
    listed = git(tmp_path, "ls-files", "-z", "--others", "--exclude-standard").split("\0")
    of_git = {each for each in listed if each and not each.startswith(".")}
    ours = {found.path.relative_to(tmp_path).as_posix() for found in scan(tmp_path, is_wanted=lambda _: True).files}
    assert ours == of_git
