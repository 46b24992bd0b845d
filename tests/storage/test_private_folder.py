import errno
import os
from pathlib import Path

import pytest

from storage import private_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders cannot be synced there")


def test_every_new_folder_is_synced_into_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[Path] = []
    monkeypatch.setattr(private_folder, "sync", synced.append)
    private_folder.make(tmp_path / "a" / "b")
    private_folder.make(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]


def test_a_file_system_that_cannot_sync_folders_is_tolerated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    private_folder.sync(tmp_path)


def test_a_disk_that_fails_to_sync_is_not_tolerated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        private_folder.sync(tmp_path)


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path):
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="a"):
        private_folder.make(tmp_path / "a" / "b")
