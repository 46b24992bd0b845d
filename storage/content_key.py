"""Names that follow from content: fingerprints, state keys, text digests. Pure.

Canonical forms, so that another program can compute the same names:

fingerprint   BLAKE2b, 16 bytes, of this JSON as ASCII: `{"facts":{...},"format":"steep-fingerprint-1"}`, keys
              sorted by code point, no spaces, everything outside ASCII as \\uXXXX, tuples as arrays, floats
              in the shortest form that reads back equal (Python's repr); NaN and infinities are refused.
              So 1, 1.0, true and "1" are four different facts.
state key     BLAKE2b, 20 bytes, of: `steep-state-1` and a zero byte; the fingerprint's 32 hex digits as
              ASCII; the start position as int64; the token ids as int32; all little-endian.
text digest   BLAKE2b, 16 bytes, of the JSON array [heading or null, text], written as above.

Every form carries its name and version, so that a later form can never be mistaken for this one.

BLAKE2b and not a fast hash such as xxh3: documents are untrusted. Whoever could make two token runs collide
could have an answer read from the numbers of another text, so collisions must not be makeable on purpose.
(The checksum of a chunk file guards against accidents only, and is a fast hash.)
"""

import json
import struct
from collections.abc import Sequence
from hashlib import blake2b

from storage.values import FingerprintFacts, StateKey

NUM_FINGERPRINT_BYTES = 16
NUM_DIGEST_BYTES = 20
_NUM_TEXT_DIGEST_BYTES = 16  # 128 bits, within one document: an accident is out of reach, and rows stay small

_FINGERPRINT_FORMAT = "steep-fingerprint-1"
_STATE_FORMAT = b"steep-state-1\0"


def fingerprint(facts: FingerprintFacts) -> str:
    """32 hex digits for everything that changes the numbers in a chunk state; the order is no matter."""
    document = {"format": _FINGERPRINT_FORMAT, "facts": dict(facts)}
    return blake2b(_canonical_json(document), digest_size=NUM_FINGERPRINT_BYTES).hexdigest()


def state_key(fingerprint: str, start_position: int, token_ids: Sequence[int]) -> StateKey:
    """The key of the state of `token_ids`, encoded from `start_position` on; ValueError if impossible."""
    if len(fingerprint) != 2 * NUM_FINGERPRINT_BYTES:
        raise ValueError(f"a fingerprint has {2 * NUM_FINGERPRINT_BYTES} hex digits, got {fingerprint!r}")
    if not 0 <= start_position < 1 << 63:
        raise ValueError(f"a start position is not negative and fits 64 bits, got {start_position}")
    state = blake2b(_STATE_FORMAT, digest_size=NUM_DIGEST_BYTES)
    state.update(fingerprint.encode("ascii"))
    state.update(struct.pack("<q", start_position))
    state.update(token_bytes(token_ids))
    return StateKey(fingerprint, state.hexdigest())


def token_bytes(token_ids: Sequence[int]) -> bytes:
    """Token ids as they are hashed and stored: int32, little-endian."""
    try:
        return struct.pack(f"<{len(token_ids)}i", *token_ids)
    except struct.error as error:
        raise ValueError(f"token ids must be 32-bit integers: {error}") from error


def text_digest(heading: str | None, text: str) -> str:
    """32 hex digits for what is searched and encoded of a chunk, whatever its place in the document."""
    return blake2b(_canonical_json([heading, text]), digest_size=_NUM_TEXT_DIGEST_BYTES).hexdigest()


def _canonical_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
