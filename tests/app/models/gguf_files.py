"""Models in places: tiny ones, written where other programs would have them."""

from pathlib import Path

import gguf

from tests.tiny_model import write_tiny_model


def put_model(path: Path, *, pooling: gguf.PoolingType | None = None) -> Path:
    """A model of its own at this path: no two are one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_tiny_model(path, num_layers=1, pooling=pooling)


def put_header(path: Path, **metadata: str | int) -> Path:
    """A file that is nothing but metadata; `__` in a key stands for a dot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, str(metadata.pop("architecture", "llama")))
    for key, value in metadata.items():
        name = key.replace("__", ".")
        writer.add_string(name, value) if isinstance(value, str) else writer.add_uint32(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path
