"""Headers of GGUF files are read as hostile bytes."""

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import GgufTruncated, ModelUnusable, NotGguf
from engine.gguf_header import read_header


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf_bytes(*, version: int = 3, data_bytes: int = 64) -> bytes:
    entries = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("llama.context_length") + struct.pack("<II", 4, 4096),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQ2f", 9, 6, 2, 0.5, 1.5),
    ]
    tensor = text("t") + struct.pack("<IQQIQ", 2, 4, 4, 0, 0)
    header = b"GGUF" + struct.pack("<IQQ", version, 1, len(entries)) + b"".join(entries) + tensor
    return header + b"\0" * (-len(header) % 32) + b"\1" * data_bytes


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def test_a_whole_file_tells_architecture_scalars_and_array_lengths(path: Path) -> None:
    path.write_bytes(gguf_bytes())
    header = read_header(path)
    assert header.architecture == "llama"
    assert header.of_architecture("context_length") == 4096
    assert header.metadata["tokenizer.ggml.tokens.length"] == 2
    assert header.num_tensors == 1


def test_a_file_that_is_not_gguf_is_named_as_such(path: Path) -> None:
    path.write_bytes(b"PK\3\4 this is a zip")
    with pytest.raises(NotGguf, match="expected b'GGUF'"):
        read_header(path)


def test_a_missing_file_and_an_unknown_version_are_clear(path: Path) -> None:
    with pytest.raises(ModelUnusable, match="cannot read"):
        read_header(path)
    path.write_bytes(gguf_bytes(version=9))
    with pytest.raises(ModelUnusable, match="version 9"):
        read_header(path)


def test_every_truncation_is_told_from_a_whole_file(path: Path) -> None:
    whole = gguf_bytes(data_bytes=0)
    for length in range(4, len(whole) + 1):
        path.write_bytes(whole[:length])
        with pytest.raises(GgufTruncated):
            read_header(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.integers(4, len(gguf_bytes()) - 1), st.binary(min_size=1, max_size=8))
def test_damage_anywhere_is_an_error_for_the_user_or_harmless(path: Path, at: int, noise: bytes) -> None:
    data = bytearray(gguf_bytes())
    data[at : at + len(noise)] = noise
    path.write_bytes(data)
    with contextlib.suppress(ModelUnusable):
        read_header(path)


def test_a_token_that_is_there_twice_is_damage(path: Path) -> None:
    """llama.cpp would end the process."""
    good = gguf_bytes()
    path.write_bytes(good.replace(text("a") + text("bc"), text("bc") + text("bc")))
    with pytest.raises(ModelUnusable, match="2 tokens, of which 1 are there twice"):
        read_header(path)
