"""Files that something happened to."""

import random
from collections.abc import Callable, Iterator

from app.formats.errors import UnreadableDocument


def assert_read_or_refused(extract: Callable[[bytes, str], object], data: bytes, name: str) -> None:
    """However the file is cut off or changed, it is read, or refused with a reason in one line."""
    for changed in (*_cut_off(data), *_changed(data)):
        refusal = _refusal(extract, changed, name)
        assert refusal is None or refusal.reason.splitlines() == [refusal.reason]


def _refusal(extract: Callable[[bytes, str], object], data: bytes, name: str) -> UnreadableDocument | None:
    try:
        extract(data, name)
    except UnreadableDocument as error:
        return error
    return None


def _cut_off(data: bytes) -> Iterator[bytes]:
    return (data[: len(data) * part // 40] for part in range(40))


def _changed(data: bytes) -> Iterator[bytes]:
    chance = random.Random(1)
    for _ in range(100):
        changed = bytearray(data)
        for _ in range(5):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        yield bytes(changed)
    # Anything behind the mark of the format.
    yield data[:4] + chance.randbytes(10_000)
