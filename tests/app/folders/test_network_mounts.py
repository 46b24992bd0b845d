from pathlib import Path, PureWindowsPath

import pytest

from app.folders.network_mounts import Mount, current_mounts, network_file_system, network_type

MOUNTS = [
    Mount(Path("/"), "ext4"),
    Mount(Path("/home"), "btrfs"),
    Mount(Path("/home/me/office"), "nfs4"),
    Mount(Path("/home/me/office/local"), "ext4"),
    Mount(Path("/mnt/host"), "9p"),
    Mount(Path("/mnt/server"), "fuse.sshfs"),
    Mount(Path("/mnt/vault"), "fuse.gocryptfs"),
    Mount(Path("/mnt/stick"), "fuseblk"),
    Mount(Path("/mnt/auto"), "autofs"),
    Mount(Path("/mnt/auto"), "cifs"),
]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/me/notes", None),
        ("/home/me/office", "nfs4"),
        ("/home/me/office/deep/er", "nfs4"),
        ("/home/me/office2", None),
        ("/home/me/office/local/a", None),
        ("/mnt/host/c", "9p"),
        ("/mnt/server/a", "fuse.sshfs"),
        ("/mnt/vault/a", None),
        ("/mnt/stick/a", None),
        ("/mnt/auto/share", "cifs"),
    ],
)
def test_the_innermost_mount_around_a_folder_says_what_it_lies_on(folder: str, expected: str | None):
    assert network_type(Path(folder), MOUNTS) == expected


def test_a_drive_that_the_system_calls_remote_is_one():
    mounts = [Mount(PureWindowsPath("C:/"), "ntfs"), Mount(PureWindowsPath("N:/"), "ntfs", is_remote=True)]
    assert network_type(PureWindowsPath("N:/papers"), mounts) == "ntfs"
    assert network_type(PureWindowsPath("C:/papers"), mounts) is None
    assert network_type(PureWindowsPath("//server/share/papers"), mounts) == "network share"


def test_where_nothing_is_known_of_mounts_a_folder_is_local():
    assert network_type(Path("/home"), []) is None


def test_the_mounts_of_this_machine_hold_the_folder_of_the_tests(tmp_path: Path):
    assert any(tmp_path.is_relative_to(mount.place) for mount in current_mounts())
    network_file_system(tmp_path)
