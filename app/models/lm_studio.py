"""Where LM Studio keeps its models: it lets people move its home, and move the models out of it.

`~/.lmstudio-home-pointer` holds the path of its home (else `~/.lmstudio`, earlier `~/.cache/lm-studio`); its
`settings.json` names the folder of the models, where that is not `models` beside it. What cannot be read says nothing.
"""

import json
from pathlib import Path
from typing import Any

_MAX_BYTES = 1 << 20
"""Far more than either file has; a larger one is not LM Studio's."""


def model_folders(home: Path) -> list[Path]:
    """Where its models may be, for a user with this home."""
    folders: list[Path] = []
    for own in (_pointed_home(home), home / ".lmstudio", home / ".cache" / "lm-studio"):
        if own is not None:
            folders += [_moved_models(own) or own / "models"]
    return list(dict.fromkeys(folders))


def _pointed_home(home: Path) -> Path | None:
    text = _read(home / ".lmstudio-home-pointer").strip()
    return Path(text) if text and Path(text).is_absolute() else None


def _moved_models(own: Path) -> Path | None:
    try:
        settings: Any = json.loads(_read(own / "settings.json") or "{}")
    except (ValueError, RecursionError):
        return None
    folder = settings.get("downloadsFolder") if isinstance(settings, dict) else None
    return Path(folder) if isinstance(folder, str) and Path(folder).is_absolute() else None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode(errors="replace").replace("\0", "")
    except OSError:
        return ""
