"""The bytes of a chunk file, format version 1: one chunk state per file. Pure: bytes in, bytes out.

All integers are little-endian. T is num_tokens; the blob starts at B = 80 + 4 T rounded up to 4096.

offset    size        type    field
0         8           bytes   magic: 89 53 54 45 45 50 0D 0A ("\\x89STEEP\\r\\n"; no text file starts so,
                              and a transfer that rewrites line ends shows at once)
8         4           u32     format version: 1
12        4           u32     size of this header: 80
16        16          bytes   fingerprint
32        20          bytes   digest of the tokens (`storage.content_key`)
52        4           u32     T: number of tokens, at least 1
56        8           i64     start position of the first token, not negative
64        8           u64     B: offset of the blob
72        8           u64     N: size of the blob, at least 1
80        4 T         i32[T]  token ids
80 + 4 T  to B        bytes   zeros
B         N           bytes   blob: a sequence state of llama.cpp, opaque here
B + N     16          bytes   XXH3-128 of everything before it, most significant byte first

Nothing follows the trailer. The blob starts on a 4096-byte boundary, so that direct I/O, a map or a copy to a
GPU can take it as it lies; 4096 is the page and sector size of the machines this runs on (a divisor
elsewhere).

The magic and the version keep their places in every later version. A version is never changed once shipped:
its golden bytes stay in the tests. A reader takes the versions it knows. Of a later one it knows nothing
but that: ChunkFileTooNew, unless the checksum says that the version alone was damaged.

Sizes are capped (MAX_NUM_TOKENS, MAX_NUM_BYTES) so that a damaged size cannot ask for the machine's memory.
"""

import struct
from typing import NamedTuple, cast

import xxhash

from storage.content_key import NUM_DIGEST_BYTES, NUM_FINGERPRINT_BYTES, state_key, token_bytes
from storage.errors import ChunkFileInvalid, ChunkFileTooNew
from storage.values import ChunkState, StateKey

MAGIC = b"\x89STEEP\r\n"
VERSION = 1
KNOWN_VERSIONS = (1,)
BLOB_ALIGNMENT = 4096
NUM_TRAILER_BYTES = 16

MIN_NUM_BYTES = BLOB_ALIGNMENT + 1 + NUM_TRAILER_BYTES
"""The smallest file that can be valid: one token, one byte of blob."""

MAX_NUM_TOKENS = 1 << 20
"""Eight times the longest context in use (128 Ki); a chunk has hundreds of tokens."""

MAX_NUM_BYTES = 16 << 30
"""A chunk's state takes 6 to 160 MB, a long preamble's below 2 GB; more than 16 GiB is damage."""

NUM_PREFIX_BYTES = 12
"""Magic and version: what `check_version` asks for."""

_PREFIX = struct.Struct("<8sI")
_HEADER = struct.Struct(f"<8sII{NUM_FINGERPRINT_BYTES}s{NUM_DIGEST_BYTES}sIqQQ")

Buffer = bytes | bytearray | memoryview


class _Header(NamedTuple):
    magic: bytes
    version: int
    num_header_bytes: int
    fingerprint: bytes
    digest: bytes
    num_tokens: int
    start_position: int
    blob_offset: int
    num_blob_bytes: int


def encode(state: ChunkState) -> tuple[Buffer, ...]:
    """The file as buffers to be written one after the other; the blob itself is one of them, not copied.

    ValueError for a state that no reader would take back: that is a mistake of the caller, found before the
    disk.
    """
    _check_writable(state)
    head = _head(state)
    checksum = new_checksum()
    checksum.update(head)
    checksum.update(state.blob)
    return head, state.blob, checksum.digest()


def new_checksum() -> xxhash.xxh3_128:
    """To be updated with everything before the trailer; large updates release the GIL."""
    return xxhash.xxh3_128()


def decode(data: Buffer, expected: StateKey, checksum: bytes | None = None) -> ChunkState:
    """The state in a file's bytes, every byte checked. Raises ChunkFileInvalid for anything else, ChunkFileTooNew for
    what a newer version of the program wrote.

    `checksum`: the digest of a `new_checksum` over everything before the trailer, where that is known already. The blob
    of the answer is a view of `data`: as writable as it is, and it keeps `data` alive.
    """
    view = memoryview(data).cast("B")
    if not _is_damaged_version(view):
        check_version(view)
    header = _read_header(view)
    _check_sizes(header, view.nbytes)
    _check_checksum(view, checksum or xxhash.xxh3_128_digest(view[:-NUM_TRAILER_BYTES]))
    _check_padding(view, header)
    token_ids = cast("tuple[int, ...]", struct.unpack_from(f"<{header.num_tokens}i", view, _HEADER.size))
    _check_key(header, token_ids, expected)
    blob = view[header.blob_offset : header.blob_offset + header.num_blob_bytes]
    return ChunkState(expected, token_ids, blob, header.start_position)


def check_version(prefix: Buffer) -> None:
    """Raises ChunkFileTooNew if a file that begins so is of a later version than those known here."""
    if len(prefix) < NUM_PREFIX_BYTES:
        return
    magic, version = _PREFIX.unpack_from(prefix)
    if magic == MAGIC and version > max(KNOWN_VERSIONS):
        raise ChunkFileTooNew(
            f"format version {version} is not among those known here {KNOWN_VERSIONS}: "
            "written by a newer version of the program"
        )


def num_file_bytes(state: ChunkState) -> int:
    """The size of the state's file."""
    return _blob_offset(state.num_tokens) + memoryview(state.blob).nbytes + NUM_TRAILER_BYTES


def _check_writable(state: ChunkState) -> None:
    if not 1 <= state.num_tokens <= MAX_NUM_TOKENS:
        raise ValueError(f"a chunk state has 1 to {MAX_NUM_TOKENS} tokens, got {state.num_tokens}")
    if not len(state.blob):
        raise ValueError("a chunk state has a blob, got no bytes")
    if num_file_bytes(state) > MAX_NUM_BYTES:
        raise ValueError(f"a chunk file has at most {MAX_NUM_BYTES} bytes, got {num_file_bytes(state)}")
    if state.key != state_key(state.key.fingerprint, state.start_position, state.token_ids):
        raise ValueError(f"{state.key} does not follow from the state's tokens and start position")


def _head(state: ChunkState) -> bytes:
    """Everything before the blob: header, token ids, padding."""
    blob_offset = _blob_offset(state.num_tokens)
    header = _Header(
        magic=MAGIC,
        version=VERSION,
        num_header_bytes=_HEADER.size,
        fingerprint=bytes.fromhex(state.key.fingerprint),
        digest=bytes.fromhex(state.key.digest),
        num_tokens=state.num_tokens,
        start_position=state.start_position,
        blob_offset=blob_offset,
        num_blob_bytes=memoryview(state.blob).nbytes,
    )
    return (_HEADER.pack(*header) + token_bytes(state.token_ids)).ljust(blob_offset, b"\0")


def _blob_offset(num_tokens: int) -> int:
    end_of_tokens = _HEADER.size + 4 * num_tokens
    return -(-end_of_tokens // BLOB_ALIGNMENT) * BLOB_ALIGNMENT


def _read_header(view: memoryview) -> _Header:
    if not MIN_NUM_BYTES <= view.nbytes <= MAX_NUM_BYTES:
        raise ChunkFileInvalid(f"a chunk file has {MIN_NUM_BYTES} to {MAX_NUM_BYTES} bytes, this one has {view.nbytes}")
    header = _Header._make(_HEADER.unpack_from(view))
    if header.magic != MAGIC:
        raise ChunkFileInvalid(f"not a chunk file: starts with {header.magic.hex()}, expected {MAGIC.hex()}")
    if header.version not in KNOWN_VERSIONS:
        raise ChunkFileInvalid(f"there is no format version {header.version}: damaged")
    return header


def _is_damaged_version(view: memoryview) -> bool:
    """Whether all is as one of the versions known here has it, but for the version."""
    if view.nbytes < MIN_NUM_BYTES or _PREFIX.unpack_from(view)[1] in KNOWN_VERSIONS:
        return False
    trailer = bytes(view[-NUM_TRAILER_BYTES:])
    return any(_checksum_as(view, version) == trailer for version in KNOWN_VERSIONS)


def _checksum_as(view: memoryview, version: int) -> bytes:
    checksum = xxhash.xxh3_128(_PREFIX.pack(MAGIC, version))
    checksum.update(view[NUM_PREFIX_BYTES:-NUM_TRAILER_BYTES])
    return checksum.digest()


def _check_sizes(header: _Header, num_file_bytes: int) -> None:
    """Every size is compared with the one it must have; Python's integers do not wrap."""
    if header.num_header_bytes != _HEADER.size:
        raise ChunkFileInvalid(f"the header has {_HEADER.size} bytes, this one says {header.num_header_bytes}")
    if not 1 <= header.num_tokens <= MAX_NUM_TOKENS:
        raise ChunkFileInvalid(f"expected 1 to {MAX_NUM_TOKENS} tokens, the header says {header.num_tokens}")
    if header.blob_offset != _blob_offset(header.num_tokens):
        raise ChunkFileInvalid(
            f"the blob of {header.num_tokens} tokens starts at {_blob_offset(header.num_tokens)}, "
            f"the header says {header.blob_offset}"
        )
    num_expected_bytes = header.blob_offset + header.num_blob_bytes + NUM_TRAILER_BYTES
    if header.num_blob_bytes < 1 or num_expected_bytes != num_file_bytes:
        raise ChunkFileInvalid(
            f"the header tells of a file of {num_expected_bytes} bytes, this one has {num_file_bytes}"
        )


def _check_checksum(view: memoryview, actual: bytes) -> None:
    expected = bytes(view[-NUM_TRAILER_BYTES:])
    if actual != expected:
        raise ChunkFileInvalid(f"checksum is {actual.hex()}, the file says {expected.hex()}: damaged")


def _check_padding(view: memoryview, header: _Header) -> None:
    if any(view[_HEADER.size + 4 * header.num_tokens : header.blob_offset]):
        raise ChunkFileInvalid("the bytes between the tokens and the blob are not zero")


def _check_key(header: _Header, token_ids: tuple[int, ...], expected: StateKey) -> None:
    found = StateKey(header.fingerprint.hex(), header.digest.hex())
    if found != expected:
        raise ChunkFileInvalid(f"holds the state {found}, expected {expected}")
    if header.start_position < 0:
        raise ChunkFileInvalid(f"the start position is negative: {header.start_position}")
    if state_key(found.fingerprint, header.start_position, token_ids) != found:
        raise ChunkFileInvalid("the digest does not follow from the tokens and the start position")
