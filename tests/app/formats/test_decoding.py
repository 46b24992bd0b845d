import random
import zlib

import pytest

from app.formats.decoding import decode
from app.formats.errors import NotText


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_is_the_same_in_every_encoding(encoding: str):
    text = "Größe über alles, naïve Straße: 5 Stück"
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize("text", ["café", "Tea £3 — café", "L'été est là, où est le garçon?"])
def test_a_short_text_of_the_west_is_not_taken_for_another_script(text: str):
    assert decode(text.encode("cp1252"), "a.txt") == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1251", "Сегодня очень хорошая погода, мы идём гулять."),
        ("cp932", "こんにちは世界、元気ですか。"),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ],
)
def test_other_scripts_are_recognised(encoding: str, text: str):
    assert decode(text.encode(encoding), "a.txt") == text


def test_a_few_bad_bytes_do_not_change_the_encoding_of_the_rest():
    text = "Größe und Länge, Höhe und Fülle, schön gemütlich übermütig. " * 3
    assert decode(text.encode() + b"\xff", "a.txt") == text + "\ufffd"


def test_every_line_end_becomes_a_line_feed():
    assert decode(b"a\r\nb\rc\nd", "a.txt") == "a\nb\nc\nd"


def test_what_later_stages_cannot_store_is_replaced_one_for_one():
    text = decode(("word " * 40 + "\0").encode("utf-16"), "a.txt")
    assert text == "word " * 40 + "\ufffd"


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        bytes(byte for byte in random.Random(1).randbytes(3000) if byte),
        zlib.compress(b"".join(b"%d," % number for number in range(2000))).replace(b"\0", b""),
    ],
)
def test_binary_data_is_refused_with_the_name_of_the_file(data: bytes):
    with pytest.raises(NotText, match=r"^picture.txt is not a text file"):
        decode(data, "picture.txt")


def test_the_declared_encoding_decides():
    assert decode("Größe".encode("cp850"), "a.html", "cp850") == "Größe"


@pytest.mark.parametrize("declared", ["no-such-charset", "base64", "idna"])
def test_an_impossible_declared_encoding_is_passed_over(declared: str):
    assert decode("Größe".encode(), "a.html", declared) == "Größe"
