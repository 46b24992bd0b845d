"""Writes one setting into the user's config file, as if they had: comments, order and all other lines stay.

The file is replaced as a whole (written beside, synced, renamed), so nobody ever reads half of it, and belongs to its
owner alone. A config file that is a link stays one: what it points to is replaced. Any thread; two writers at the same
moment: the later one wins.
"""

import os
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from app.errors import SettingsInvalid
from app.settings import Value
from storage import private_folder

_MODE = 0o600


def remember_setting(config_file: Path, key: str, value: Value) -> None:
    """Set `key`, beneath the others if it is new; the file is made if there is none.

    Raises `SettingsInvalid` when the file is no TOML, or OSError.
    """
    document = _read(config_file)
    document[key] = value
    _replace(Path(os.path.realpath(config_file)), tomlkit.dumps(document).encode())


def _read(config_file: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(config_file.read_bytes().decode())
    except FileNotFoundError:
        return tomlkit.document()
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{config_file} is not valid TOML, so nothing can be written into it: {error}") from error


def _replace(path: Path, data: bytes) -> None:
    private_folder.make(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    private_folder.sync(path.parent)
