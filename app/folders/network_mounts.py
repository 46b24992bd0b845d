"""Which folders lie on a file system that tells nobody about changes made elsewhere: network drives and the like."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

import psutil

# The system tells of changes made through its own mount, never of those that another machine makes: a watch would
# work in every test of one's own and miss what colleagues do. From 9p on: how a guest sees its host's folders (WSL,
# Docker Desktop, virtual machines).
_NETWORK_TYPES = (
    "nfs nfs4 cifs smb smb2 smb3 smbfs afpfs afs ncpfs coda webdav davfs ftp ceph glusterfs lustre beegfs gpfs "
    "orangefs 9p virtiofs vboxsf prl_fs fakeowner grpcfuse osxfs vmhgfs drvfs"
)

# User-space file systems (fuse.NAME) are local or not by what they do.
_NETWORK_FUSE_NAMES = (
    "sshfs rclone s3fs goofys mount-s3 gcsfuse blobfuse blobfuse2 davfs davfs2 curlftpfs gvfsd-fuse kio-fuse "
    "glusterfs ceph ceph-fuse juicefs seaweedfs moosefs mfs google-drive-ocamlfuse onedriver smbnetfs vmhgfs-fuse "
    "grpcfuse"
)


@dataclass(frozen=True, slots=True)
class Mount:
    """A place where a file system is hung into the tree of folders."""

    place: PurePath
    file_system: str
    """Its type, in lower case: ext4, nfs4, fuse.sshfs."""
    is_remote: bool = False
    """Whether the system itself says so (Windows)."""


def network_file_system(folder: Path) -> str | None:
    """The type of the network file system that the resolved folder lies on; None for a local one."""
    return network_type(folder, current_mounts())


def network_type(folder: PurePath, mounts: Iterable[Mount]) -> str | None:
    """Pure: `network_file_system` for given mounts. Of several at one place the last one hides the others."""
    if str(folder).startswith("\\\\"):
        return "network share"
    around = [mount for mount in mounts if folder.is_relative_to(mount.place)]
    if not around:
        return None
    deepest = max(len(mount.place.parts) for mount in around)
    mount = next(mount for mount in reversed(around) if len(mount.place.parts) == deepest)
    return mount.file_system if _is_network(mount) else None


def current_mounts() -> list[Mount]:
    """All mounts of this machine; none where the system does not tell."""
    try:
        partitions = psutil.disk_partitions(all=True)
    except (OSError, RuntimeError):
        return []
    return [
        Mount(Path(os.fsdecode(each.mountpoint)), each.fstype.lower(), _says_remote(each.opts))
        for each in partitions
        if each.mountpoint
    ]


def _says_remote(options: str) -> bool:
    return sys.platform == "win32" and "remote" in options.split(",")


def _is_network(mount: Mount) -> bool:
    kind, _, name = mount.file_system.partition(".")
    if kind in ("fuse", "macfuse", "osxfuse") and name:
        return name in _NETWORK_FUSE_NAMES.split()
    return mount.is_remote or mount.file_system in _NETWORK_TYPES.split()
