"""The models that Ollama has: manifests, each the name of a model, that point to files named after their digest.

    manifests/registry.ollama.ai/library/llama3.2/3b    JSON: layers of several kinds, each with its digest
    blobs/sha256-…                                      the model's layer is a GGUF file

Manifests are believed in nothing: a digest that is none, a file that is not there or a manifest that cannot be read is
no model.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MODEL_LAYER = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_MAX_MANIFEST_BYTES = 1 << 20
"""A manifest has about 1 kB."""

_REGISTRY, _LIBRARY = "registry.ollama.ai", "library"
"""The parts of a name that Ollama leaves out when it shows one."""


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """A model as `ollama list` calls it."""

    name: str
    path: Path


def ollama_models(folder: Path) -> Iterator[OllamaModel]:
    """The models in a folder of Ollama's, by name."""
    manifests = folder / "manifests"
    for manifest in sorted(_manifests(manifests)):
        digest = _model_digest(manifest)
        path = folder / "blobs" / f"sha256-{digest}"
        if digest and path.is_file():
            yield OllamaModel(_name(manifest.relative_to(manifests).parts), path)


def _manifests(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.glob("*/*/*/*") if path.is_file()]
    except OSError:
        return []


def _name(parts: tuple[str, ...]) -> str:
    host, owner, model, tag = parts
    shown = [host] * (host != _REGISTRY) + [owner] * (host != _REGISTRY or owner != _LIBRARY) + [model]
    return f"{'/'.join(shown)}:{tag}"


def _model_digest(manifest: Path) -> str:
    """The digest of the GGUF file, or nothing."""
    try:
        with manifest.open("rb") as file:
            value: Any = json.loads(file.read(_MAX_MANIFEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return ""
    layers = value.get("layers") if isinstance(value, dict) else None
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict) and layer.get("mediaType") == _MODEL_LAYER:
            match = _DIGEST.fullmatch(str(layer.get("digest")))
            return match[1] if match else ""
    return ""
