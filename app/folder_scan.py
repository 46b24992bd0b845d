"""Which files of a folder are documents to read.

Left out: hidden files and folders, what tools generate, secrets, symbolic links, whatever `.steepignore` at
the top of the folder names (gitignore syntax), and files of kinds that cannot be read. A symbolic link either
leads out of the folder, which the user did not ask for, or to a file that is found anyway.

What could not be looked at is reported, never taken for empty: see `ScanResult.may_still_exist`.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pathspec import GitIgnoreSpec

from app.formats.registry import is_supported

IGNORE_FILE_NAME = ".steepignore"

# Folders that tools fill. Those with a leading dot (.git, .venv) are left out with everything hidden.
_GENERATED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})

# A text with a password in it would turn up in answers, and be kept on disk a second time.
_SECRET_PATTERNS = (
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.kdbx",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A document, as the folder listed it."""

    path: Path
    num_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class ScanProblem:
    """A file or folder that could not be looked at; `reason` completes the sentence "<path> ..."."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Everything one scan found, ordered by path."""

    files: tuple[FoundFile, ...]
    problems: tuple[ScanProblem, ...]

    def may_still_exist(self, path: Path) -> bool:
        """Whether a path missing from `files` lies where the scan could not look: unknown is not gone."""
        return any(path.is_relative_to(problem.path) for problem in self.problems)


def scan(folder: Path, is_wanted: Callable[[Path], bool] = is_supported) -> ScanResult:
    """Looks through the folder once; raises nothing for what it meets there. Paths begin with `folder`."""
    try:
        ignored = _ignore_rules(folder)
    except (OSError, ValueError) as error:
        # Reading what the user wanted ignored would be worse than reading nothing.
        problem = ScanProblem(folder, f"is not read, because its {IGNORE_FILE_NAME} could not be: {error}")
        return ScanResult((), (problem,))
    walk = _Walk(folder, is_wanted, ignored)
    walk.run()
    return ScanResult(
        tuple(sorted(walk.files, key=lambda found: found.path)),
        tuple(sorted(walk.problems, key=lambda problem: problem.path)),
    )


def _ignore_rules(folder: Path) -> GitIgnoreSpec:
    try:
        lines = (folder / IGNORE_FILE_NAME).read_text("utf-8-sig").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        lines = []
    return GitIgnoreSpec.from_lines(lines)


class _Walk:
    """One pass through a folder. Folders wait in a list, since they nest deeper than Python may recurse."""

    def __init__(self, folder: Path, is_wanted: Callable[[Path], bool], ignored: GitIgnoreSpec) -> None:
        self.files: list[FoundFile] = []
        self.problems: list[ScanProblem] = []
        self._root = folder
        self._is_wanted = is_wanted
        self._ignored = ignored
        self._pending = [folder]

    def run(self) -> None:
        while self._pending:
            folder = self._pending.pop()
            for entry in self._entries(folder):
                path = folder / entry.name
                try:
                    self._visit(path, entry)
                except OSError as error:
                    self._report(path, error)

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as listing:
                return list(listing)
        except OSError as error:
            self._report(folder, error)
            return []

    def _visit(self, path: Path, entry: os.DirEntry[str]) -> None:
        is_folder = entry.is_dir(follow_symlinks=False)
        if not _has_storable_name(entry):
            self._report_name(path)
        elif _is_left_out(entry, is_folder) or self._is_ignored(path, is_folder):
            return
        elif is_folder:
            self._pending.append(path)
        elif self._is_wanted(path):
            status = entry.stat(follow_symlinks=False)
            self.files.append(FoundFile(path, status.st_size, status.st_mtime_ns))

    def _is_ignored(self, path: Path, is_folder: bool) -> bool:
        relative = path.relative_to(self._root).as_posix()
        return self._ignored.match_file(f"{relative}/" if is_folder else relative)

    def _report(self, path: Path, error: OSError) -> None:
        # What vanished since its folder was listed is gone; the top folder may lie on a drive that is
        # unplugged.
        if path == self._root or not isinstance(error, FileNotFoundError):
            self.problems.append(ScanProblem(path, f"could not be looked at: {error.strerror or error}"))

    def _report_name(self, path: Path) -> None:
        printable = os.fsencode(path.name).decode("utf-8", "replace")
        self.problems.append(ScanProblem(path.with_name(printable), "has a name that is not valid text"))


def _has_storable_name(entry: os.DirEntry[str]) -> bool:
    """Names that are not UTF-8 reach Python as lone surrogates, which the index cannot store."""
    return not any("\ud800" <= character <= "\udfff" for character in entry.name)


def _is_left_out(entry: os.DirEntry[str], is_folder: bool) -> bool:
    if entry.name.startswith("."):
        return True
    if is_folder:
        return entry.name in _GENERATED_FOLDERS
    name = entry.name.lower()
    return not entry.is_file(follow_symlinks=False) or any(fnmatchcase(name, each) for each in _SECRET_PATTERNS)
