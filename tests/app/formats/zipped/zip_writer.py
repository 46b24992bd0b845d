"""Zip files for tests."""

import zipfile
from collections.abc import Mapping
from io import BytesIO


def zipped(members: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these members, in order."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def replaced(data: bytes, old: str, new: str) -> bytes:
    """The archive with one text replaced by another in all members."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return zipped({path: archive.read(path).replace(old.encode(), new.encode()) for path in archive.namelist()})
