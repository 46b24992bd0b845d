"""Which names in a folder may be documents: the rules, for a walk through it and for a single path that changed.

Left out by default: hidden files and folders, what tools generate, secrets, what editors and downloads leave lying
about for a moment, and what belongs to the system. Folders are judged by name only where the name cannot mean
anything else ("build" may hold the drawings of a house); virtual environments and caches also say themselves what
they are, by a file in them.

Then `.steepignore` at the top of the folder has its say, in the syntax and with the meaning of a .gitignore: the last
line that matches decides, and nothing comes back from inside a folder that is left out. It stands below the defaults
as if they were lines above its first, with one difference: a line with "!" brings back what is left out by default
only when it names it. `!.github/`, `!notes.key` and `!*.key` do; `!*`, `!*/` and `!*.md` do not, because whoever lists
the documents he wants ("*", "!*/", "!*.md") does not ask for node_modules, let alone for private keys.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec

IGNORE_FILE_NAME: Final = ".steepignore"

# Hidden ones (.git, .venv, .idea, .DS_Store) have their own rule. Not here, because people name folders so: build,
# dist, out, target, vendor, env. A cargo target, a tool's cache and an environment of any name are told by _is_cache.
_GENERATED_FOLDERS = (
    "node_modules bower_components jspm_packages elm-stuff __pycache__ __pypackages__ site-packages dist-packages venv "
    "*.egg-info *.dist-info CMakeFiles DerivedData htmlcov CVS _darcs"
)
_SYSTEM_FOLDERS = "$RECYCLE.BIN RECYCLER lost+found __MACOSX @eaDir #recycle #snapshot"
_SYSTEM_FOLDERS_OF_TWO_WORDS = ("System Volume Information",)

# A text with a password in it would turn up in answers, and be kept on disk a second time. The names are those that
# editors with assistants (Cursor, Zed) keep from their models, with the key stores and credential files of
# GitHub's .gitignore collection. Not here: what merely contains the word ("secrets of the sea.txt").
_SECRETS = (
    "*.env *.env.* env.local *.pem *.key *.p8 *.p12 *.pk8 *.pkcs12 *.pfx *.ppk *.jks *.keystore *.kdb *.kdbx *.gpg "
    "*.pgp *.ovpn *.tfstate *.tfstate.* *.tfvars id_rsa* id_dsa* id_ecdsa* id_ed25519* _netrc credentials secrets "
    "credentials.json credentials.toml credentials.yaml credentials.yml credentials.ini credentials.cfg "
    "secret.json secret.toml secret.yaml secret.yml secrets.json secrets.toml secrets.yaml secrets.yml secrets.ini "
    "secrets.cfg *.secret.json *.secret.yaml *.secret.yml *.secrets.json *.secrets.yaml *.secrets.yml "
    "client_secret*.json service-account*.json service_account*.json"
)

# 4913 is vim's try whether it may write into the folder; #..# and .#.. are emacs', ~$.. is Office's, .~lock.. is
# LibreOffice's. Backup copies (..~) would answer with what was corrected.
_LEFTOVERS = (
    "*~ #*# ~$* ~wr[dl]*.tmp 4913 *.swp *.swo *.swx *.bak *.tmp *.temp *.part *.partial *.crdownload *.download "
    "*.opdownload *___jb_tmp___ *___jb_old___"
)
_SYSTEM_FILES = "thumbs.db ehthumbs.db desktop.ini"

# https://bford.info/cachedir/: cargo, pip, uv, pytest, ruff, mypy and ccache put it into what they can make again.
_CACHE_TAG = "CACHEDIR.TAG"
_CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
_ENVIRONMENT_TAG = "pyvenv.cfg"
TAG_NAMES: Final = frozenset({_CACHE_TAG, _ENVIRONMENT_TAG})
"""Files that may decide about the folder they are in."""


class UnreadableRules(Exception):
    """The ignore file of a folder cannot be read or understood; the text says which file, and why."""


class FolderRules:
    """The rules of one folder, as its ignore file is now: make them anew when that changes.

    `ignore_text` stands in for the ignore file. Raises UnreadableRules: reading what the user wanted ignored would be
    worse than reading nothing. A folder that is not there has the default rules. May be used from several threads.
    """

    def __init__(self, folder: Path, ignore_text: str | None = None) -> None:
        self.folder = folder
        path = folder / IGNORE_FILE_NAME
        self._lines = tuple(_parse_all(_read(path) if ignore_text is None else ignore_text, path))
        self._naming_lines = tuple(line for line in self._lines if line.leaves_out or line.names)

    def admits(self, path: Path, is_folder: bool) -> bool:
        """Whether the path and all folders around it, up to the top, are admitted; the top folder itself always is.

        Raises ValueError for a path outside the folder. A path that does not exist is judged by its name.
        """
        parts = path.relative_to(self.folder).parts
        parents = ("/".join(parts[:end]) for end in range(1, len(parts)))
        return not parts or (
            all(self.admits_entry(parent, is_folder=True) for parent in parents)
            and self.admits_entry("/".join(parts), is_folder)
        )

    def admits_entry(self, relative: str, is_folder: bool) -> bool:
        """`admits` for an entry of a folder that is known to be admitted; `relative` to the top, with slashes."""
        name = relative.rpartition("/")[2]
        if not is_storable(name):
            return False
        if _is_left_out_by_default(name, is_folder) or (is_folder and self._is_cache(relative)):
            return _last_word(self._naming_lines, relative, is_folder) is False
        return not _last_word(self._lines, relative, is_folder)

    def _is_cache(self, relative: str) -> bool:
        folder = os.path.join(self.folder, relative)  # noqa: PTH118 - asked for every folder; three times as fast
        return os.path.lexists(os.path.join(folder, _ENVIRONMENT_TAG)) or (  # noqa: PTH118
            _starts_with(os.path.join(folder, _CACHE_TAG), _CACHE_SIGNATURE)  # noqa: PTH118
        )


def is_storable(name: str) -> bool:
    """Names that are not UTF-8 reach Python as lone surrogates, which the index cannot store."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


@dataclass(frozen=True, slots=True)
class _Line:
    """One pattern of an ignore file."""

    regex: re.Pattern[str]
    leaves_out: bool
    folders_only: bool
    names: bool
    """Whether it is particular enough to bring back what is left out by default."""

    def matches(self, relative: str, is_folder: bool) -> bool:
        """Whether the pattern means this very entry, and not merely a folder around it.

        pathspec's expressions have one group: the slash behind a folder that the pattern means.
        """
        if self.folders_only and not is_folder:
            return False
        match = self.regex.search(relative)
        return match is not None and match.lastindex is None


def _last_word(lines: tuple[_Line, ...], relative: str, is_folder: bool) -> bool | None:
    """True: left out; False: brought back; None: not mentioned."""
    for line in reversed(lines):
        if line.matches(relative, is_folder):
            return line.leaves_out
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        raise UnreadableRules(f"{path} could not be read: {error}") from error


def _parse_all(whole_text: str, path: Path) -> Iterator[_Line]:
    for number, text in enumerate(whole_text.splitlines(), start=1):
        try:
            yield from _parse(text)
        except ValueError as error:
            raise UnreadableRules(f"{path}, line {number}: {text!r} is no pattern of a .gitignore") from error


def _parse(text: str) -> Iterator[_Line]:
    """The line, or nothing for a blank or a comment. Raises ValueError."""
    text = text if text.endswith("\\ ") else text.rstrip()
    # Asked for an entry without a slash at its end, pathspec cannot tell folders: that is decided here.
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    if text in ("", "!") and folders_only:
        return
    for pattern in GitIgnoreSpec.from_lines([text]).patterns:
        if pattern.regex is not None and pattern.include is not None:
            yield _Line(pattern.regex, pattern.include, folders_only, names=_is_particular(text))


def _is_particular(text: str) -> bool:
    last = text.removeprefix("!").rpartition("/")[2].replace("\\", "")
    is_literal = not any(character in last for character in "*?[")
    return is_literal or _is_left_out_by_default(last, is_folder=True) or _is_left_out_by_default(last, is_folder=False)


def _any_of(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs))


_LEFT_OUT_FOLDERS = _any_of([*f"{_GENERATED_FOLDERS} {_SYSTEM_FOLDERS}".split(), *_SYSTEM_FOLDERS_OF_TWO_WORDS])
_LEFT_OUT_FILES = _any_of(f"{_SECRETS} {_LEFTOVERS} {_SYSTEM_FILES}".split())


def _is_left_out_by_default(name: str, is_folder: bool) -> bool:
    if name.startswith("."):
        return True
    return bool(_LEFT_OUT_FOLDERS.match(name) if is_folder else _LEFT_OUT_FILES.match(name.lower()))


def _starts_with(path: str, signature: bytes) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(len(signature)) == signature
    except OSError:
        return False
