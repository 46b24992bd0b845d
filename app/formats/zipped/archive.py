"""The members of a zip file that is a document: found by name, and never unpacked beyond limits.

Headers are not believed. A member is counted while it is unpacked, so an archive that lies about its sizes, or whose
members share the same bytes, meets the same limits as an honest one.
"""

import zipfile
import zlib
from io import BytesIO

from app.formats.errors import Damaged, Encrypted, TooLarge

# A document has one member per chapter, slide or picture: hundreds. Python's zipfile makes an object of each before
# anything is read, half a kilobyte and more: 20,000 of them take 15 MiB and 0.2 seconds.
MAX_NUM_MEMBERS = 20_000

# All the text of an office file is one member: 1,000 pages are about 10 MiB of XML. Its parsed tree takes up to ten
# times its size, and a reader has 1 GiB.
MAX_MEMBER_NUM_BYTES = 48 * 1024 * 1024

# Only text is unpacked, no pictures, and about a tenth of it is words: as much again would not be read either.
MAX_TOTAL_NUM_BYTES = 256 * 1024 * 1024

# How much is unpacked between two looks at the limits.
_STEP_NUM_BYTES = 1024 * 1024

# What the specifications of all these formats allow. The others that Python knows unpack without a bound: a step of
# 1 MiB could become gigabytes.
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

_IS_ENCRYPTED = 0x1

# Every entry of the list of members begins with it.
_ENTRY_MARK = b"PK\x01\x02"

# Office files of before 2007, and the envelope around a newer one that needs a password.
_OLD_OFFICE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENVELOPE_MARK = "EncryptedPackage".encode("utf-16-le")


class Archive:
    """A zip file in memory. `name` is the document's, for messages."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises Damaged, Encrypted or TooLarge."""
        _refuse_other_files(data, name)
        # Counted before zipfile reads the list, which is as long as it likes, whatever the archive says about it.
        if data.count(_ENTRY_MARK) > MAX_NUM_MEMBERS:
            raise TooLarge(name, f"holds more members than the limit of {MAX_NUM_MEMBERS:,}")
        self.name = name
        self._num_bytes_left = MAX_TOTAL_NUM_BYTES
        try:
            self._zip = zipfile.ZipFile(BytesIO(data))
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise Damaged(name, "is damaged: the list of its members cannot be read") from error

    def __contains__(self, path: str) -> bool:
        return path in self._zip.NameToInfo

    def read(self, path: str) -> bytes:
        """The unpacked member. Raises Damaged, Encrypted or TooLarge."""
        member = self._zip.NameToInfo.get(path)
        if member is None:
            raise Damaged(self.name, f"is damaged: its part {path} is missing")
        if member.flag_bits & _IS_ENCRYPTED:
            raise Encrypted(self.name, "is encrypted: it opens only with a password")
        if member.compress_type not in _COMPRESSIONS:
            raise Damaged(self.name, f"is damaged: its part {path} is packed in a way that documents do not use")
        try:
            return self._unpacked(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
            reason = str(error) or "it ends too early"
            raise Damaged(self.name, f"is damaged: its part {path} cannot be unpacked: {reason}") from error

    def _unpacked(self, member: zipfile.ZipInfo) -> bytes:
        steps: list[bytes] = []
        num_bytes_left = MAX_MEMBER_NUM_BYTES
        with self._zip.open(member) as file:
            while step := file.read(_STEP_NUM_BYTES):
                num_bytes_left -= len(step)
                self._num_bytes_left -= len(step)
                if num_bytes_left < 0:
                    limit = f"the limit of {MAX_MEMBER_NUM_BYTES:,} bytes"
                    raise TooLarge(self.name, f"is too large: its part {member.filename} unpacks to more than {limit}")
                if self._num_bytes_left < 0:
                    raise TooLarge(
                        self.name, f"is too large: it unpacks to more than the limit of {MAX_TOTAL_NUM_BYTES:,} bytes"
                    )
                steps.append(step)
        return b"".join(steps)


def _refuse_other_files(data: bytes, name: str) -> None:
    if data.startswith(_OLD_OFFICE_MARK):
        if _ENVELOPE_MARK in data:
            raise Encrypted(name, "is encrypted: it opens only with a password")
        raise Damaged(name, "is an office file of before 2007 under a newer suffix: save it in the newer format")
    if _ENTRY_MARK not in data:
        raise Damaged(name, "is damaged: it is no zip archive, or its list of members is missing")
