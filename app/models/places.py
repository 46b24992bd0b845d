"""Where programs for local models keep them, on each system. Pure: an environment and a home in, places out.

    llama.cpp     $LLAMA_CACHE, else llama.cpp in the user's cache folder; since 2026 laid out like the next one
    Hugging Face  $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, or huggingface/hub in the cache folder
    LM Studio     ~/.lmstudio/models (earlier ~/.cache/lm-studio/models), or the folder that its settings name
    Ollama        $OLLAMA_MODELS, else ~/.ollama/models; its Linux service has a home of its own

Cache folders are $XDG_CACHE_HOME or ~/.cache, but for llama.cpp ~/Library/Caches on macOS and %LOCALAPPDATA% on
Windows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path


class Source(StrEnum):
    """The program a model belongs to."""

    OWN = "steep"
    LLAMA_CPP = "llama.cpp"
    HUGGING_FACE = "Hugging Face"
    LM_STUDIO = "LM Studio"
    OLLAMA = "Ollama"


class Layout(Enum):
    """How a place is laid out."""

    FOLDER = "GGUF files, in folders or not"
    HUB = "models--OWNER--NAME/snapshots/COMMIT/files, which link to blobs"
    LM_STUDIO = "a home folder, whose LM Studio says where OWNER/NAME/files are"
    OLLAMA = "manifests/HOST/OWNER/NAME/TAG, which name blobs"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with models; it need not be there."""

    source: Source
    folder: Path
    layout: Layout


_OLLAMA_SERVICE = Path("/usr/share/ollama/.ollama/models")


def find_places(environment: Mapping[str, str], home: Path, platform: str) -> tuple[Place, ...]:
    """Where other programs keep models; `platform` as in `sys.platform`."""
    llama_cpp = _llama_cpp_cache(environment, home, platform)
    return (
        Place(Source.LLAMA_CPP, llama_cpp, Layout.FOLDER),
        Place(Source.LLAMA_CPP, llama_cpp, Layout.HUB),
        Place(Source.HUGGING_FACE, hub_cache(environment, home), Layout.HUB),
        Place(Source.LM_STUDIO, home, Layout.LM_STUDIO),
        *(Place(Source.OLLAMA, folder, Layout.OLLAMA) for folder in _ollama_folders(environment, home, platform)),
    )


def hub_cache(environment: Mapping[str, str], home: Path) -> Path:
    """Where programs of Hugging Face keep what they download."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(name):
            return _folder(environment[name], home)
    if environment.get("HF_HOME"):
        return _folder(environment["HF_HOME"], home) / "hub"
    return _cache_folder(environment, home) / "huggingface" / "hub"


def _llama_cpp_cache(environment: Mapping[str, str], home: Path, platform: str) -> Path:
    if environment.get("LLAMA_CACHE"):
        return _folder(environment["LLAMA_CACHE"], home)
    if platform == "darwin":
        return home / "Library" / "Caches" / "llama.cpp"
    if platform == "win32":
        return _folder(environment.get("LOCALAPPDATA") or "~/AppData/Local", home) / "llama.cpp"
    return _cache_folder(environment, home) / "llama.cpp"


def _ollama_folders(environment: Mapping[str, str], home: Path, platform: str) -> list[Path]:
    if environment.get("OLLAMA_MODELS"):
        return [_folder(environment["OLLAMA_MODELS"], home)]
    own = home / ".ollama" / "models"
    return [own, _OLLAMA_SERVICE] if platform == "linux" else [own]


def _cache_folder(environment: Mapping[str, str], home: Path) -> Path:
    return _folder(environment.get("XDG_CACHE_HOME") or "~/.cache", home)


def _folder(text: str, home: Path) -> Path:
    """A folder that a variable names: `~` is home."""
    path = Path(text)
    return home.joinpath(*path.parts[1:]) if path.parts[:1] == ("~",) else path.absolute()
