"""Disks that are full, in miniature and for real; `make trust-check` tries more limits."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.conftest import write_documents
from tests.app.program import Program
from tests.trust import full_disk
from tests.trust.household import Household

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limits of files there")


def test_whatever_cannot_be_written_is_told_leaves_nothing_and_is_made_up_for(tmp_path: Path):
    told = full_disk.run(tmp_path, [5000, 150_000])
    kinds = {each.split(": ")[1] for each in told}
    assert kinds >= {"index", "chunk state"}


def test_steeping_in_the_background_pauses_and_goes_on(tmp_path: Path):
    process, hears = Household.furnish(tmp_path).start(full_disk.steep_with_a_pause)
    assert hears.poll(120)
    trouble, leftovers, num_left = hears.recv()
    process.join()
    assert "free space" in trouble
    assert leftovers == []
    assert num_left == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Three megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("disks may not be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_program_whose_disk_is_full_says_so_and_goes_on_where_it_was(
    small_disk: Path, tiny_model: Path, tmp_path: Path
):
    program = Program(small_disk / "home", tiny_model, write_documents(tmp_path / "documents"))
    program.run("add", ".")
    ballast = small_disk / "ballast"
    for spared in (200_000, 400_000, 600_000):
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                file.truncate(file.tell() - spared)
        done = program.run("index", code=1, STEEP_BUDGET_GB="1")
        assert "No space left" in done.stderr or "disk is full" in done.stderr
        assert list(small_disk.rglob("*.tmp")) == []
        assert ballast.exists()
    ballast.unlink()
    assert program.json("index", STEEP_BUDGET_GB="1")["steeped_chunks"] == 3
    assert program.json("doctor", "--deep")["findings"] == []
