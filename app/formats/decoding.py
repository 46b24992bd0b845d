"""Bytes of a document → text, or NotText.

The text is what `open()` in text mode would give: no byte order mark, every line end as "\\n". Characters
that later stages cannot store (NUL, lone surrogates) become U+FFFD, one for one.
"""

import codecs
import re

from charset_normalizer import CharsetMatch, from_bytes

from app.formats.errors import NotText
from app.formats.storable import storable

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Guessing an encoding tries dozens of decoders. 64 KiB hold enough letters to tell them apart.
_SAMPLE_NUM_BYTES = 64 * 1024

# What desktops have written. Left out are encodings in which arbitrary bytes are letters (those of
# mainframes, and UTF-16 without its mark): short texts and binary data would be taken for them.
_GUESSED_ENCODINGS: str = (
    "cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 koi8_r mac_roman cp850 cp932 euc_jp gb18030 big5 cp949"
)

# By far the most frequent of them; a short text such as "café" fits several equally well.
_USUAL_ENCODING = "cp1252"

# Control characters that text files do not hold: not tab, line feeds, page feed, nor the escape of coloured
# logs.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd]")

# Text in a wrong encoding or with a few bad bytes stays below, compressed and random data reach 10 % and
# more.
_MAX_CONTROL_SHARE = 0.02

_BEYOND_ASCII = re.compile("[^\x00-\x7f\ufffd]")


def decode(data: bytes, name: str, declared: str | None = None) -> str:
    """The text of `data`; `declared` is the encoding that the document itself names, if any."""
    text = _decode_marked(data)
    if text is None and b"\0" in data:
        raise NotText(name, "is not a text file")
    if text is None and declared:
        text = _decode_declared(data, declared)
    if text is None:
        text = _decode_guessed(data, name)
    if len(_CONTROL.findall(text)) > _MAX_CONTROL_SHARE * len(text):
        raise NotText(name, "is not a text file")
    return storable(text)


def _decode_marked(data: bytes) -> str | None:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    return None


def _decode_declared(data: bytes, encoding: str) -> str | None:
    """None when the encoding is unknown, is no text encoding, or cannot be right."""
    try:
        return data.decode(encoding, "replace")
    except (LookupError, ValueError):
        return None


def _decode_guessed(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        damaged = data.decode("utf-8", "replace")
    if _is_mostly_right(damaged):
        return damaged
    encoding = _guess(_sample(data))
    if encoding is None:
        raise NotText(name, "is not a text file, or in an encoding that cannot be told; save it as UTF-8")
    return data.decode(encoding, "replace")


def _is_mostly_right(damaged: str) -> bool:
    """Whether this is UTF-8 with a few bad bytes: text in another encoding seldom looks like it by chance."""
    num_right = len(_BEYOND_ASCII.findall(damaged))
    return num_right > 2 * damaged.count("\ufffd")


def _guess(sample: bytes) -> str | None:
    matches = from_bytes(sample, cp_isolation=_GUESSED_ENCODINGS.split())
    best = matches.best()
    if best is None:
        return None
    ties = {match.encoding for match in matches if _quality(match) == _quality(best)}
    return _USUAL_ENCODING if _USUAL_ENCODING in ties else best.encoding


def _quality(match: CharsetMatch) -> tuple[float, float]:
    return match.chaos, match.coherence


def _sample(data: bytes) -> bytes:
    """The first bytes, to the end of a line: a character cut in half would rule out its own encoding."""
    sample = data[:_SAMPLE_NUM_BYTES]
    return sample[: sample.rfind(b"\n") + 1] or sample
