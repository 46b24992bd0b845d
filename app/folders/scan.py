"""A walk through a folder: which files of it are documents to read.

`FolderRules` says which names count. Left out besides: symbolic links, and files of kinds that cannot be read. A
symbolic link either leads out of the folder, which the user did not ask for, or to a file that is found anyway. Those
that lead out are followed when the user said so (`follow_links`); what they lead to is found under the link's path,
each target once, and none that holds the folder itself.

What could not be looked at is reported, never taken for empty: see `ScanResult.may_still_exist`.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.folders.rules import FolderRules, UnreadableRules, is_storable
from app.formats.registry import is_supported


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


def scan(
    folder: Path,
    is_wanted: Callable[[Path], bool] = is_supported,
    *,
    below: Path | None = None,
    rules: FolderRules | None = None,
    follow_links: bool = False,
) -> ScanResult:
    """Looks through the folder once; raises nothing for what it meets there. Paths begin with `folder`.

    `below` is a folder or a file inside it: only that is looked at. Is it not there any more, the result is empty;
    is `folder` itself not there, that is a problem. `rules` spares reading those of the folder again.
    """
    try:
        walk = _Walk(folder, is_wanted, rules or FolderRules(folder), _Links(folder) if follow_links else None)
    except UnreadableRules as error:
        return ScanResult((), (ScanProblem(folder, f"is not read: {error}"),))
    if below is None or below == folder:
        walk.look_through("")
    else:
        walk.look_at(below.relative_to(folder).as_posix())
    return ScanResult(
        tuple(sorted(walk.files, key=lambda found: found.path.parts)),
        tuple(sorted(walk.problems, key=lambda problem: problem.path)),
    )


class _Links:
    """Which symbolic links are followed; each of their targets is visited once, so that the walk ends."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._visited: set[Path] = set()

    def lead_out(self, link: str | Path) -> bool:
        """Whether a link is to be followed now."""
        try:
            target = Path(link).resolve(strict=True)
        except (OSError, RuntimeError):  # it does not lead anywhere any more
            return False
        if target in self._visited or target.is_relative_to(self._root) or self._root.is_relative_to(target):
            return False
        self._visited.add(target)
        return True


class _Walk:
    """One pass. Folders wait in a list, since they nest deeper than Python may recurse.

    Within it, places are texts relative to the top folder, with slashes: building Path objects took half of the time.
    """

    def __init__(self, root: Path, is_wanted: Callable[[Path], bool], rules: FolderRules, links: _Links | None) -> None:
        self.files: list[FoundFile] = []
        self.problems: list[ScanProblem] = []
        self._root = root
        self._is_wanted = is_wanted
        self._rules = rules
        self._links = links

    def look_through(self, relative: str) -> None:
        """Everything in a folder that is known to be admitted; "" is the top folder."""
        pending = [relative]
        while pending:
            folder = pending.pop()
            for entry in self._entries(folder):
                place = f"{folder}/{entry.name}" if folder else entry.name
                try:
                    if self._visit(place, entry):
                        pending.append(place)
                except OSError as error:
                    self._report(place, error)

    def look_at(self, relative: str) -> None:
        """A file or folder somewhere inside, of which nothing is known."""
        if not self._root_is_there():
            return
        try:
            status = self._status_of(relative)
        except OSError as error:
            self._report(relative, error)
            return
        path = self._root / relative
        is_folder = stat.S_ISDIR(status.st_mode)
        if not self._rules.admits(path, is_folder):
            return
        if is_folder:
            self.look_through(relative)
        elif stat.S_ISREG(status.st_mode) and self._is_wanted(path):
            self._take(path, status)

    def _root_is_there(self) -> bool:
        try:
            os.stat(self._root)  # noqa: PTH116 - for the error
        except OSError as error:
            self._report("", error)
            return False
        return True

    def _status_of(self, relative: str) -> os.stat_result:
        """Raises FileNotFoundError also for what only a symbolic link on the way leads to."""
        place = self._root
        *parents, name = relative.split("/")
        for parent in parents:
            place /= parent
            self._refuse_link(place)
        self._refuse_link(place / name)
        return (place / name).stat()

    def _refuse_link(self, place: Path) -> None:
        if place.is_symlink() and not (self._links and self._links.lead_out(place)):
            raise FileNotFoundError

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._root / folder) as listing:
                return list(listing)
        except OSError as error:
            self._report(folder, error)
            return []

    def _visit(self, place: str, entry: os.DirEntry[str]) -> bool:
        """Whether it is a folder to look through."""
        if self._links and entry.is_symlink():
            return self._follow(place, entry, self._links)
        is_folder = entry.is_dir(follow_symlinks=False)
        if not is_storable(entry.name):
            self._report_name(entry)
        elif not is_folder and not entry.is_file(follow_symlinks=False):
            return False
        elif self._rules.admits_entry(place, is_folder):
            if is_folder:
                return True
            path = Path(entry.path)
            if self._is_wanted(path):
                self._take(path, entry.stat(follow_symlinks=False))
        return False

    def _follow(self, place: str, entry: os.DirEntry[str], links: _Links) -> bool:
        """As `_visit`, for a link."""
        path = Path(entry.path)
        if not path.exists():  # it leads nowhere, or to itself
            return False
        is_folder = entry.is_dir()
        is_wanted = is_folder or (entry.is_file() and self._is_wanted(path))
        if not is_wanted or not is_storable(entry.name) or not self._rules.admits_entry(place, is_folder):
            return False
        if not links.lead_out(path):  # asked last: each target is visited once
            return False
        if not is_folder:
            self._take(path, entry.stat())
        return is_folder

    def _take(self, path: Path, status: os.stat_result) -> None:
        self.files.append(FoundFile(path, status.st_size, status.st_mtime_ns))

    def _report(self, place: str, error: OSError) -> None:
        # What vanished since its folder was listed is gone; the top folder may lie on a drive that is unplugged.
        if not place or not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            reason = f"could not be looked at: {error.strerror or error}"
            self.problems.append(ScanProblem(self._root / place, reason))

    def _report_name(self, entry: os.DirEntry[str]) -> None:
        printable = os.fsencode(entry.name).decode("utf-8", "replace")
        self.problems.append(ScanProblem(Path(entry.path).with_name(printable), "has a name that is not valid text"))
