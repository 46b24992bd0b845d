"""Model files with damaged headers: listed with what is wrong, or as what they say they are; nothing raises."""

import random
from contextlib import suppress
from pathlib import Path

from app.commands import models as command
from app.models.discovery import model_at
from app.models.fit import memory_now
from app.settings import Settings
from engine.embedding_model import embedding_traits
from engine.errors import ModelUnusable
from tests.app.models.gguf_files import put_model

_NUM_HEADER_BYTES = 9000
"""Of the tiny model: metadata, vocabulary, tensors."""


def damaged(good: bytes, jitter: random.Random) -> bytes:
    data, at = bytearray(good), jitter.randrange(_NUM_HEADER_BYTES)
    match jitter.randrange(4):
        case 0:
            data[at % 1200] ^= 1 << jitter.randrange(8)
        case 1:
            data[at] = jitter.randrange(256)
        case 2:
            data[at : at + 8] = jitter.choice(
                (bytes(8), b"\xff" * 8, (1 << 31).to_bytes(8, "little"), jitter.randbytes(8))
            )
        case _:
            del data[at:]
    return bytes(data)


def test_whatever_a_header_says_the_model_is_listed(tmp_path: Path):
    path = put_model(tmp_path / "tiny.gguf")
    good, memory, num_unusable = path.read_bytes(), memory_now(), 0
    for number in range(600):
        path.write_bytes(damaged(good, random.Random(number)))
        model = model_at(path)
        row = command._row(model, Settings(), memory)
        assert all(isinstance(cell, str) for cell in command._cells(row))
        command._described(row)
        if model.header is None:
            assert model.problem
            num_unusable += 1
        else:
            with suppress(ModelUnusable):
                embedding_traits(model.header)
    assert num_unusable > 0
