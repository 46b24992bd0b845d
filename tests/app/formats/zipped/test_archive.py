import struct
import zipfile

import pytest

from app.formats.errors import Damaged, Encrypted, TooLarge, UnreadableDocument
from app.formats.zipped import archive
from app.formats.zipped.archive import Archive
from tests.app.formats.zipped.zip_writer import zipped

OLD_OFFICE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

# Offsets in the entry of a member in the list at the end of an archive.
FLAGS, METHOD, UNPACKED_SIZE, NAME = 8, 10, 24, 46


def entry_of(data: bytes, path: str) -> int:
    return data.rindex(path.encode()) - NAME


def with_field(data: bytes, path: str, offset: int, layout: str, value: int) -> bytes:
    """The archive with one field of a member's entry overwritten."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, entry_of(data, path) + offset, value)
    return bytes(changed)


def test_members_are_found_by_name():
    found = Archive(zipped({"a/b.xml": "text"}), "a.zip")
    assert "a/b.xml" in found
    assert "b.xml" not in found
    assert found.read("a/b.xml") == b"text"


def test_a_missing_member_is_named():
    with pytest.raises(Damaged, match=r"^a.zip is damaged: its part b is missing$"):
        Archive(zipped({"a": "x"}), "a.zip").read("b")


@pytest.mark.parametrize("data", [b"", b"PK", b"nonsense", b"PK\x03\x04 a list of members is missing"])
def test_other_bytes_are_no_archive(data: bytes):
    with pytest.raises(Damaged, match="no zip archive"):
        Archive(data, "a.zip")


def test_every_truncation_is_reported():
    data = zipped({"a": "some text", "b": "more text"})
    for length in range(len(data)):
        with pytest.raises(UnreadableDocument):
            Archive(data[:length], "a.zip").read("a")


def test_changed_bytes_are_noticed():
    data = bytearray(zipped({"a": "some text"}, zipfile.ZIP_STORED))
    data[data.index(b"some")] ^= 1
    with pytest.raises(Damaged, match="part a cannot be unpacked: Bad CRC"):
        Archive(bytes(data), "a.zip").read("a")


def test_a_bomb_is_stopped_while_it_unpacks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "MAX_MEMBER_NUM_BYTES", 1_000_000)
    monkeypatch.setattr(archive, "_STEP_NUM_BYTES", 1000)
    with pytest.raises(TooLarge, match="part bomb unpacks to more than the limit of 1,000,000 bytes"):
        Archive(zipped({"bomb": bytes(20_000_000)}), "a.zip").read("bomb")


def test_a_bomb_cannot_lie_about_its_size():
    data = zipped({"bomb": bytes(2_000_000)})
    # zipfile believes the size in the list and then misses the rest by its checksum.
    with pytest.raises(Damaged, match="Bad CRC"):
        Archive(with_field(data, "bomb", UNPACKED_SIZE, "<L", 10), "a.zip").read("bomb")


def test_members_of_allowed_size_may_be_too_large_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "MAX_TOTAL_NUM_BYTES", 2500)
    found = Archive(zipped({"a": bytes(1000)}), "a.zip")
    found.read("a")
    found.read("a")
    with pytest.raises(TooLarge, match="unpacks to more than the limit of 2,500 bytes"):
        found.read("a")


def test_an_archive_of_too_many_members_is_refused_before_it_is_opened(monkeypatch: pytest.MonkeyPatch):
    data = zipped({str(index): "" for index in range(11)})
    monkeypatch.setattr(archive, "MAX_NUM_MEMBERS", 11)
    assert "10" in Archive(data, "a.zip")
    monkeypatch.setattr(archive, "MAX_NUM_MEMBERS", 10)
    monkeypatch.delattr(zipfile, "ZipFile")
    with pytest.raises(TooLarge, match=r"more members than the limit of 10$"):
        Archive(data, "a.zip")


def test_an_encrypted_member_is_reported():
    data = with_field(zipped({"a": "x"}), "a", FLAGS, "<H", 1)
    with pytest.raises(Encrypted, match="only with a password"):
        Archive(data, "a.zip").read("a")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_without_a_bound_are_refused(compression: int):
    with pytest.raises(Damaged, match="in a way that documents do not use"):
        Archive(zipped({"a": "x"}, compression), "a.zip").read("a")


def test_old_office_files_are_told_from_encrypted_ones():
    with pytest.raises(Damaged, match="before 2007"):
        Archive(OLD_OFFICE_MARK + bytes(100), "a.docx")
    with pytest.raises(Encrypted, match="only with a password"):
        Archive(OLD_OFFICE_MARK + "EncryptedPackage".encode("utf-16-le"), "a.docx")
