import hashlib
from pathlib import Path

import pytest

from app.models.identity import known_identity, model_identity
from storage.index import Index


def test_the_identity_of_a_model_is_its_digest_and_follows_its_bytes(index: Index, tmp_path: Path):
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF 1")
    assert model_identity(path, index) == hashlib.sha256(b"GGUF 1").hexdigest()
    path.write_bytes(b"GGUF 02")
    assert model_identity(path, index) == hashlib.sha256(b"GGUF 02").hexdigest()


def test_the_identity_is_remembered(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF")
    assert known_identity(path, index) is None
    known = model_identity(path, index)
    monkeypatch.setattr("hashlib.sha256", lambda: pytest.fail("hashing takes seconds"))
    assert model_identity(path, index) == known_identity(path, index) == known


def test_the_identity_of_a_model_in_parts_follows_each_of_them(index: Index, tmp_path: Path):
    first, second = (tmp_path / f"a-0000{number}-of-00002.gguf" for number in (1, 2))
    first.write_bytes(b"GGUF 1")
    second.write_bytes(b"GGUF 2")
    whole = model_identity(first, index)
    assert known_identity(first, index) == whole != hashlib.sha256(b"GGUF 1").hexdigest()
    second.write_bytes(b"GGUF 02")
    assert known_identity(first, index) is None
    assert model_identity(first, index) != whole
