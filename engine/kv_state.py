"""States ↔ the cache: encode a chunk behind the preamble, load states and merge them in other places, take runs out.

Owner thread of the context only. A state is loaded into the scratch sequence at the positions where the chunk stands in
this prompt, the main sequence takes the cells over, and the scratch sequence is emptied again. The keys of all that was
merged are turned to their new positions together, by `Context.settle`, before anybody reads them. Where it is not known
how, llama.cpp is told to shift the positions, and turns the keys in the next decode.

What the redirected decode leans on: after `merge` and `Context.prefill`, in order from an empty cache,
position *i* sits in cell *i*. `assert_cells_in_order` reads that from the cache instead of assuming it.
"""

from collections.abc import Callable, Sequence

from engine import bindings, kv_layout
from engine.bindings import TokenRun
from engine.errors import Cancelled, DecodeFailed, StateInvalid
from engine.kv_layout import Buffer, KvLayout
from engine.model import Context
from engine.ports import StateReader
from storage.values import ChunkState

GiveWay = Callable[[], None]
"""Lets others use the compute thread; raises `Cancelled` when there is no going on afterwards."""


def encode_preamble(context: Context, token_ids: Sequence[int], give_way: GiveWay | None = None) -> bytearray:
    """The state of the preamble, computed from an empty cache; leaves the cache empty. `give_way`: see below."""
    context.clear()
    prefill(context, token_ids, 0, give_way)
    blob = bindings.get_sequence_state(context.handle, Context.SEQUENCE)
    context.clear()
    return blob


def encode_chunk(
    context: Context,
    preamble: Buffer,
    num_preamble_tokens: int,
    token_ids: Sequence[int],
    give_way: GiveWay | None = None,
) -> bytearray:
    """The state of a chunk behind the preamble: rows of its own tokens only; leaves the cache empty.

    The preamble is loaded, not computed, and always from an empty cache, so that the same tokens give the same
    bytes. `preamble` must have passed `kv_layout.check`. With `give_way` the context may be cancelled at any time:
    that is called before each batch, and a batch that was broken off is repeated after it.
    """
    context.clear()
    load(context, preamble, Context.SEQUENCE)
    prefill(context, token_ids, num_preamble_tokens, give_way)
    context.forget(Context.SEQUENCE, 0, num_preamble_tokens)
    blob = bindings.get_sequence_state(context.handle, Context.SEQUENCE)
    context.clear()
    return blob


def prefill(
    context: Context,
    token_ids: Sequence[int],
    first_position: int,
    give_way: GiveWay | None,
    *,
    want_logits: bool = False,
) -> None:
    """Compute a run of the main sequence, with the logits of its last token if wanted. `give_way`: as above."""
    if give_way is None:
        context.prefill(token_ids, first_position, want_logits=want_logits)
        return
    step = context.options.batch_tokens
    for start in range(0, len(token_ids), step):
        piece, is_last = token_ids[start : start + step], start + step >= len(token_ids)
        run = TokenRun(piece, first_position + start, Context.SEQUENCE, want_logits=want_logits and is_last)
        give_way()
        while not _finished(context, run):
            give_way()


def _finished(context: Context, run: TokenRun) -> bool:
    """Whether the batch was computed; one that was broken off leaves nothing behind."""
    try:
        context.decode([run])
    except Cancelled:
        context.forget(Context.SEQUENCE, run.first_position)
        return False
    return True


def learn_layout(context: Context) -> KvLayout:
    """The layout of this context's states, read off a state of one token; leaves the cache empty."""
    context.clear()
    context.decode([TokenRun([0], 0, Context.SEQUENCE)])
    blob = bindings.get_sequence_state(context.handle, Context.SEQUENCE)
    context.clear()
    return kv_layout.learn(blob)


def fetch(shelf: StateReader, layout: KvLayout, first_position: int, token_ids: tuple[int, ...]) -> ChunkState | None:
    """A state from the shelf that C may see, or None; one whose structure does not fit is rejected there."""
    state = shelf.get(first_position, token_ids)
    if not isinstance(state, ChunkState):
        return None
    try:
        kv_layout.check(state.blob, layout, first_position, state.num_tokens)
    except StateInvalid as error:
        shelf.reject(first_position, token_ids, str(error))
        return None
    return state


def load(context: Context, blob: Buffer, sequence: int) -> None:
    """Load a checked state into an empty sequence at the positions it was written with."""
    if not bindings.set_sequence_state(context.handle, sequence, blob):
        raise DecodeFailed(f"llama.cpp refused a state of {len(blob)} bytes; is the context too small?")


def merge(context: Context, blob: Buffer, shift: int) -> None:
    """Append a checked chunk state to the main sequence, `shift` positions from where it was encoded.

    The state is written to meanwhile, so nobody else may read it; afterwards it is as it was.
    """
    if context.key_rotation is None or not shift:
        load(context, blob, Context.SCRATCH)
        if shift:
            context.shift(Context.SCRATCH, shift)
    else:
        with kv_layout.moved(blob, shift) as moved:
            load(context, moved, Context.SCRATCH)
            positions = kv_layout.cell_positions(moved)
        context.note_moved(positions[0], positions[-1] + 1, shift)
    context.share(Context.SCRATCH, Context.SEQUENCE)
    context.forget(Context.SCRATCH)


def run_state(context: Context, first_position: int, end_position: int) -> bytearray:
    """The state of positions `[first, end)` of the main sequence, which keeps them. Where llama.cpp turns keys, a
    decode must have gone through since they were moved."""
    context.settle()
    context.share(Context.SEQUENCE, Context.SCRATCH, first_position, end_position)
    try:
        return bindings.get_sequence_state(context.handle, Context.SCRATCH)
    finally:
        context.forget(Context.SCRATCH)


def assert_cells_in_order(context: Context, num_tokens: int) -> None:
    """Make sure that the main sequence is positions 0 … num_tokens − 1 in ascending cells."""
    capacity = kv_layout.cell_list_bytes(num_tokens)
    blob = bindings.get_sequence_state(context.handle, Context.SEQUENCE, capacity)
    positions = kv_layout.cell_positions(blob)
    if positions != list(range(num_tokens)):
        raise DecodeFailed(f"the cache does not hold positions 0 to {num_tokens - 1} in the order of its cells")
