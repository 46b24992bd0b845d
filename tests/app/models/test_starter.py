"""Joining, with four parts of a few bytes in packages that are never imported."""

import hashlib
from pathlib import Path

import pytest

from app.errors import ModelPartsDamaged
from app.models.starter import StarterModel, join

DATA = bytes(range(256)) * 40
NUM_PARTS = 4


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the part packages are installed; importing one fails."""
    folder = tmp_path / "site-packages"
    step = len(DATA) // NUM_PARTS
    for number in range(1, NUM_PARTS + 1):
        package = folder / f"demo_part{number}"
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").write_text("raise AssertionError('nothing of a part may run')")
        (package / "data" / f"part{number:02}.bin").write_bytes(DATA[(number - 1) * step : number * step])
    monkeypatch.syspath_prepend(folder)
    return folder


def demo(sha256: str = hashlib.sha256(DATA).hexdigest()) -> StarterModel:
    return StarterModel("demo", "demo.gguf", "demo_part{}", NUM_PARTS, len(DATA), sha256)


def test_the_parts_become_one_private_file(packages: Path, tmp_path: Path):
    told: list[int] = []
    path = join(demo(), tmp_path / "models", told.append)
    assert path == tmp_path / "models" / "demo.gguf"
    assert path.read_bytes() == DATA
    assert told == sorted(told)
    assert told[-1] == len(DATA)
    assert [each.name for each in path.parent.iterdir()] == ["demo.gguf"]
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_joined_model_needs_its_parts_no_more(packages: Path, tmp_path: Path):
    path = join(demo(), tmp_path)
    (packages / "demo_part2" / "data" / "part02.bin").unlink()
    assert join(demo(), tmp_path) == path


def test_a_file_of_the_wrong_size_is_joined_again(packages: Path, tmp_path: Path):
    (tmp_path / "demo.gguf").write_bytes(b"half")
    assert join(demo(), tmp_path).read_bytes() == DATA


def test_parts_that_are_not_all_there_are_not_joined(packages: Path, tmp_path: Path):
    (packages / "demo_part3" / "data" / "part03.bin").unlink()
    assert demo().part_paths() is None
    with pytest.raises(ModelPartsDamaged, match=r"parts of demo\.gguf are missing; pip install 'steep\[demo\]'"):
        join(demo(), tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_parts_that_do_not_add_up_leave_no_file(packages: Path, tmp_path: Path):
    (packages / "demo_part1" / "data" / "part01.bin").write_bytes(b"something else")
    with pytest.raises(ModelPartsDamaged, match=r"SHA-256 .*, expected .*force-reinstall 'steep\[demo\]'"):
        join(demo(), tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_full_disk_leaves_no_file(packages: Path, tmp_path: Path):
    def no_space(num_done: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        join(demo(), tmp_path / "models", no_space)
    assert list((tmp_path / "models").iterdir()) == []
