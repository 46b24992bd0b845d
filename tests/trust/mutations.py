"""Chunk files damaged in every way there is, served through the whole stack: store, structure check, llama.cpp.

All of it in a process of its own, so that a crash is seen. Whatever happens to a file, what is served is either nothing
or the very bytes that were put; and what is served, C takes. A file is forged where its checksum was made right again:
then the other checks have to find what is wrong. Forged are fields, not rows of numbers: rows are right if they came
from this model, and who can write them can write the documents as well.
"""

import os
import random
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import xxhash

from app.models.identity import model_identity
from app.wiring import Parts
from engine import kv_layout
from engine.errors import StateInvalid
from engine.kv_layout import KvLayout
from storage.chunk_format import BLOB_ALIGNMENT, encode
from storage.content_key import state_key
from storage.values import ChunkState
from tests.tiny_model import write_tiny_model
from tests.trust.household import Household

_NUM_HEADER_BYTES = 80
_FIELDS = ((0, 8), (8, 4), (12, 4), (16, 16), (32, 20), (52, 4), (56, 8), (64, 8), (72, 8))
"""Offset and size of each field of the header; see `storage.chunk_format`."""

_EXTREMES = (0, 1, 2, 79, 4096, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_WAIT_SECONDS = 600

Mutation = Callable[[bytearray, "Originals", random.Random], bytes]


class Originals:
    """Good files of this model, and states of others."""

    def __init__(self, states: Sequence[ChunkState], foreign: Sequence[ChunkState]) -> None:
        self.states, self.foreign = states, foreign


def _bytes_of(state: ChunkState) -> bytearray:
    return bytearray(b"".join(encode(state)))


def _forged(data: bytes | bytearray) -> bytes:
    return bytes(data[:-16]) + xxhash.xxh3_128_digest(bytes(data[:-16]))


def _blob_start(data: bytearray) -> int:
    (num_tokens,) = struct.unpack_from("<I", data, 52)
    return -(-(_NUM_HEADER_BYTES + 4 * num_tokens) // BLOB_ALIGNMENT) * BLOB_ALIGNMENT


def flip_bits(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    for _number in range(jitter.choice((1, 1, 2, 8, 64))):
        data[jitter.randrange(len(data))] ^= 1 << jitter.randrange(8)
    return bytes(data)


def flip_in_header(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    data[jitter.randrange(_NUM_HEADER_BYTES)] ^= jitter.randrange(1, 256)
    return bytes(data)


def truncate(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    return bytes(data[: jitter.choice((0, 1, 11, 12, 79, 80, 4095, 4096, len(data) - 1, jitter.randrange(len(data))))])


def append(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    return bytes(data) + jitter.choice((b"\0", bytes(16), bytes(4096), jitter.randbytes(100), bytes(data)))


def sparse_tail(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    """What a file system leaves that had written the size and not the blocks."""
    start = jitter.randrange(len(data))
    return bytes(data[:start]) + bytes(len(data) - start)


def sparse_middle(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    start = jitter.randrange(len(data)) // 512 * 512
    data[start : start + 512] = bytes(len(data[start : start + 512]))
    return bytes(data)


def swap_fields(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    """Two fields of the same size change places; the checksum is right or not."""
    size = jitter.choice((4, 8))
    at, other = jitter.sample([field[0] for field in _FIELDS if field[1] == size], 2)
    data[at : at + size], data[other : other + size] = data[other : other + size], data[at : at + size]
    return _forged(data) if jitter.random() < 0.7 else bytes(data)


def forge_field(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    at, size = jitter.choice(_FIELDS)
    value = jitter.choice((*_EXTREMES, jitter.getrandbits(64)))
    data[at : at + size] = value.to_bytes(8, "little")[:size].ljust(size, b"\0")
    return _forged(data)


def forge_token(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    (num_tokens,) = struct.unpack_from("<I", data, 52)
    struct.pack_into("<i", data, _NUM_HEADER_BYTES + 4 * jitter.randrange(num_tokens), jitter.randrange(-9, 1 << 31))
    return _forged(data)


def forge_blob_field(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    """Head, cells and counts of llama.cpp's state, and the types and sizes in front of the rows."""
    start = _blob_start(data)
    (num_tokens,) = struct.unpack_from("<I", data, 52)
    cells_end = start + 16 + 12 * num_tokens
    at = jitter.choice(
        (*range(start, start + 16, 4), *range(start + 16, cells_end, 4), *range(cells_end, cells_end + 20, 4))
    )
    struct.pack_into("<I", data, at, jitter.choice(_EXTREMES) & 0xFFFFFFFF)
    return _forged(data)


def cut_blob(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    """A shorter or longer blob, and a header that says so."""
    start = _blob_start(data)
    blob = data[start:-16]
    blob = (
        blob[: jitter.randrange(1, len(blob))]
        if jitter.random() < 0.7
        else blob + jitter.randbytes(jitter.randrange(1, 99))
    )
    head = data[:start]
    struct.pack_into("<Q", head, 72, len(blob))
    return _forged(head + blob + bytes(16))


def blob_of_another(data: bytearray, originals: Originals, jitter: random.Random) -> bytes:
    """A state of other tokens, of a model of another shape, or of other types, under this one's header.

    Forged where its shape is another one; of the same shape, rows are rows, and only the checksum tells them apart.
    """
    start = _blob_start(data)
    blob = bytes(jitter.choice((*originals.states, *originals.foreign)).blob)
    if len(blob) == len(data) - start - 16:
        return bytes(data[:start]) + blob + bytes(data[-16:])
    head = data[:start]
    struct.pack_into("<Q", head, 72, len(blob))
    return _forged(head + blob + bytes(16))


def file_of_another(_: bytearray, originals: Originals, jitter: random.Random) -> bytes:
    return bytes(_bytes_of(jitter.choice((*originals.states, *originals.foreign))))


def noise(data: bytearray, _: Originals, jitter: random.Random) -> bytes:
    return jitter.randbytes(jitter.choice((1, 80, 4113, len(data))))


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    flip_in_header,
    truncate,
    append,
    sparse_tail,
    sparse_middle,
    swap_fields,
    forge_field,
    forge_token,
    forge_blob_field,
    cut_blob,
    blob_of_another,
    file_of_another,
    noise,
)


def run(folder: Path, num_files: int, seed: int) -> Counter[str]:
    """How often each mutation was a miss, or harmless: the bytes were the same. AssertionError for anything else."""
    household = Household.furnish(folder)
    with household.engine() as (parts, engine):
        household.read_and_steep(parts, engine)
    process, hears = household.start(_serve_all, num_files, seed)
    last: object = "nothing yet"
    try:
        while hears.poll(_WAIT_SECONDS):
            last = hears.recv()
            if isinstance(last, Counter):
                return last
    except EOFError:
        pass
    process.join()
    raise AssertionError(f"the process ended with {process.exitcode} behind {last}")


def _serve_all(household: Household, told: Connection, num_files: int, seed: int) -> None:
    from engine import kv_state
    from engine.model import Context, ContextOptions, Model

    tally: Counter[str] = Counter()
    with household.engine() as (parts, engine):
        fingerprints, identity = engine.fingerprints, model_identity(household.model, parts.index)
    first_position, fingerprint = next(iter(fingerprints.items()))
    originals = Originals(
        _states_of(household, fingerprint, first_position), _foreign(household, identity, first_position)
    )
    options = ContextOptions(num_cells=1024, batch_tokens=64, num_threads=1, blending=True)
    with household.parts() as parts, Model(household.model) as model, Context(model, options) as context:
        from app.shelf import StoreShelf

        layout = kv_state.learn_layout(context)
        shelf = StoreShelf(parts.store, fingerprints, parts.index, parts.settings, parts.locations)
        for number in range(num_files):
            jitter = random.Random(seed * 1_000_003 + number)
            mutation, state = MUTATIONS[number % len(MUTATIONS)], jitter.choice(originals.states)
            path = parts.store.path_of(state.key)
            mutated = mutation(_bytes_of(state), originals, jitter)
            path.parent.mkdir(parents=True, exist_ok=True)
            _put(path, mutated)
            _load_as_a_thread_does(parts, layout, state, f"file {number} ({mutation.__name__})")
            served = kv_state.fetch(shelf, layout, state.start_position, state.token_ids)
            if served is not None:
                same = bytes(served.blob) == bytes(state.blob) and served.token_ids == state.token_ids
                assert same, f"file {number} ({mutation.__name__}) was served with other bytes"
                context.clear()
                kv_state.load(context, served.blob, Context.SEQUENCE)
            outcome = "harmless" if served is not None else "miss"
            tally[f"{mutation.__name__} {outcome}"] += 1
            if number % 100 == 0:
                told.send(f"file {number} ({mutation.__name__})")
    told.send(tally)


def _load_as_a_thread_does(parts: Parts, layout: KvLayout, state: ChunkState, name: str) -> None:
    """The other way to a state: by a loader thread, into memory that it was given, without the store."""
    found = parts.store.find(state.key, state.token_ids)
    read = found and found.read(memoryview(bytearray(found.num_bytes + 99)))
    if isinstance(read, ChunkState):
        with suppress(StateInvalid):
            kv_layout.check(read.blob, layout, state.start_position, state.num_tokens)
            assert bytes(read.blob) == bytes(state.blob), f"{name} was loaded with other bytes"


def _put(path: Path, data: bytes) -> None:
    """In place, without the ways of the store; zeros at the end are a hole."""
    with path.open("wb") as file:
        file.write(data.rstrip(b"\0"))
        os.ftruncate(file.fileno(), len(data))


def _states_of(household: Household, fingerprint: str, first_position: int) -> list[ChunkState]:
    from storage import chunk_file

    with household.parts() as parts:
        states = [chunk_file.read(parts.store.path_of(key), key) for key in parts.index.state_keys(fingerprint)]
    return [state for state in states if state.start_position == first_position]


def _foreign(household: Household, identity: str, first_position: int) -> list[ChunkState]:
    """States of models of other shapes and other types, whose fingerprints differ."""
    from engine import kv_state
    from engine.model import Context, ContextOptions, Model
    from storage.content_key import fingerprint

    states: list[ChunkState] = []
    for number, (num_layers, kv_type) in enumerate(((2, "f16"), (5, "f16"), (4, "f32"), (4, "f16"))):
        path = write_tiny_model(household.home / f"foreign-{number}.gguf", num_layers=num_layers)
        options = ContextOptions(num_cells=1024, batch_tokens=64, num_threads=1, kv_type=kv_type, blending=True)
        with Model(path) as model, Context(model, options) as context:
            for token_ids in ((30, 40, 50), tuple(range(20, 84))):
                before = kv_state.encode_preamble(context, tuple(10 + i % 200 for i in range(first_position)))
                blob = kv_state.encode_chunk(context, before, first_position, token_ids)
                key = state_key(fingerprint({"model": f"{identity}{number}"}), first_position, token_ids)
                states.append(ChunkState(key, token_ids, blob, first_position))
    return states
