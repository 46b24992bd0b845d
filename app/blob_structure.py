"""How the blob of a chunk state is built, as `steep doctor --deep` tells it from blobs that are none. Pure."""

import struct

from engine import kv_layout
from engine.errors import StateInvalid
from storage.values import ChunkState


def describe(state: ChunkState) -> str:
    """Layers, types and sizes of rows: the same for all states of one fingerprint, whatever their tokens.

    A `storage.check.Describe`: ValueError for a blob that is no state of so many tokens from that position on. Which
    layout the model has only its own context could say.
    """
    try:
        layout = kv_layout.learn(state.blob)
        kv_layout.check(state.blob, layout, state.start_position, state.num_tokens)
    except StateInvalid as error:
        raise ValueError(str(error)) from error
    except (struct.error, OverflowError) as error:
        raise ValueError("its blob ends before what its fields tell of") from error
    return repr(layout)
