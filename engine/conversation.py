"""The conversation that the main context holds: its transcript and the cache, always in step. Compute thread only.

Whatever goes wrong, the transcript says what is in the cache, or both are empty: an answer is never computed from
anything else. So every change that may fail is either undone or forgets everything, which the next turn makes good by
recalling what was kept, or by reading the past turns again as text.

Cutting the end off is cheap. Making room takes the rows behind what leaves out of the cache and merges them again
further up, run by run; their keys are turned before anybody reads them. Both need a cache whose layout is known. Where
it is not (a model that cannot be blended: sliding windows and recurrent memory do not come back when positions are
dropped), the conversation can only go on, or be forgotten.
"""

import logging

from engine import bindings, kv_layout, kv_state
from engine.errors import EngineError, StateInvalid
from engine.kv_layout import KvLayout
from engine.model import Context
from engine.requests import Memory
from engine.transcript import Transcript, from_text
from storage.values import SavedConversation

_logger = logging.getLogger(__name__)

_NEVER = -1


class Conversation:
    """See the module. `restart` comes first."""

    def __init__(self, context: Context, layout: KvLayout | None, preamble: tuple[int, ...]) -> None:
        self._context, self._layout, self._preamble = context, layout, preamble
        self.id: int | None = None
        """None: nothing that anybody comes back to."""
        self.transcript = Transcript()
        self.is_kept = True
        """Whether the shelf has all of it."""
        self.why_empty = ""
        """Why there is no memory of what was said before, as a clause."""
        self._moved_before = _NEVER
        """The context's next decode when cells were last moved, if it is that one that turns their keys."""

    @property
    def can_move(self) -> bool:
        return self._layout is not None

    @property
    def capacity(self) -> int:
        """Tokens that fit, with the scratch cells of redirected tokens left free."""
        options = self._context.options
        scratch = options.batch_tokens if self.can_move else 0
        return min(options.num_cells - scratch, self._context.model.num_trained_positions)

    @property
    def memory(self) -> Memory | None:
        """None where nothing is remembered."""
        if self.id is None or not self.transcript.num_turns:
            return None
        num_tokens = self.transcript.num_tokens
        return Memory(
            conversation_id=self.id,
            num_turns=self.transcript.num_turns,
            num_tokens=num_tokens,
            capacity=self.capacity,
            num_bytes=num_tokens * self._layout.bytes_per_token if self._layout else 0,
            chunk_ids=self.transcript.chunk_ids,
        )

    # --- forgetting

    def restart(self, conversation_id: int | None, why_empty: str = "") -> None:
        """Forget everything, and be another conversation from here on, or the same one anew."""
        self._context.clear()
        self.id, self.transcript, self.is_kept, self.why_empty = conversation_id, Transcript(), True, why_empty
        self._moved_before = _NEVER

    def become(self, conversation_id: int, num_turns: int) -> None:
        """Be another conversation that begins with the same turns."""
        self._cut(self.transcript.truncated(num_turns))
        self.id, self.is_kept = conversation_id, False

    def make_way(self, stays: Transcript, leaving: frozenset[int], why_empty: str) -> None:
        """Cut down to the prefix `stays`, and take the segments `leaving` out of it; an empty one is a restart."""
        if not stays.segments:
            self.restart(self.id, why_empty if self.transcript.segments else self.why_empty or why_empty)
            return
        self._cut(stays)
        if leaving:
            self._take_out(leaving)

    def _cut(self, to: Transcript) -> None:
        if to is self.transcript:
            return
        self._context.forget(Context.SEQUENCE, to.num_tokens)
        self.transcript, self.is_kept = to, False

    def _take_out(self, leaving: frozenset[int]) -> None:
        assert self._moved_before != self._context.num_decodes, "moved keys are turned before they move again"
        left = self.transcript.without(leaving)
        try:
            self._move_up(leaving)
            kv_state.assert_cells_in_order(self._context, left.num_tokens)
        except BaseException:
            self.restart(self.id, "there was no making room in it")
            raise
        self.transcript, self.is_kept = left, False
        if self._context.key_rotation is None:
            self._moved_before = self._context.num_decodes

    def _move_up(self, leaving: frozenset[int]) -> None:
        runs = self.transcript.runs_behind(leaving)
        states = [kv_state.run_state(self._context, run.first, run.end) for run in runs]
        segments = list(self.transcript.placed())
        end = segments[min(leaving)][1].first
        self._context.forget(Context.SEQUENCE, end)
        for run, state in zip(runs, states, strict=True):
            kv_state.merge(self._context, state, shift=end - run.first)
            end += run.end - run.first

    # --- turns

    def roll_back(self, to: Transcript) -> bool:
        """Undo what was added behind `to` since `make_way`. Where there is no way back everything is forgotten, and the
        answer is no."""
        if not to.segments:
            self.restart(self.id, self.why_empty)
            return True
        if self.can_move and self._moved_before != self._context.num_decodes:
            try:
                self._context.forget(Context.SCRATCH)
                self._context.forget(Context.SEQUENCE, to.num_tokens)
                kv_state.assert_cells_in_order(self._context, to.num_tokens)
                return True
            except EngineError as error:
                _logger.warning("there is no way back in conversation %s: %s", self.id, error)
        self.restart(self.id, "an answer was broken off in it")
        return False

    def hold(self, transcript: Transcript) -> None:
        """A turn is complete: the cache holds `transcript`."""
        self.transcript, self.is_kept, self.why_empty = transcript, False, ""

    # --- being put away

    def state(self) -> bytearray:
        """The rows of all its tokens. Raises `StateInvalid` if they are not what they should be, with all forgotten."""
        assert self._layout is not None, "only a cache of known layout can be put away"
        assert self._moved_before != self._context.num_decodes, "moved keys are turned before they are kept"
        self._context.settle()
        blob = bindings.get_sequence_state(self._context.handle, Context.SEQUENCE)
        try:
            kv_layout.check(blob, self._layout, 0, self.transcript.num_tokens)
        except StateInvalid:
            self.restart(self.id, "the cache did not hold what it should")
            raise
        return blob

    def load(self, conversation_id: int, saved: SavedConversation) -> None:
        """Be what was kept; it replaces what is there. Raises `StateInvalid` with nothing changed."""
        assert self._layout is not None, "only a cache of known layout can be loaded"
        transcript, state = from_text(saved.transcript, saved.state.token_ids), saved.state
        kv_layout.check(state.blob, self._layout, 0, state.num_tokens)
        self._check_tokens(transcript)
        self.restart(None)
        try:
            kv_state.load(self._context, state.blob, Context.SEQUENCE)
            kv_state.assert_cells_in_order(self._context, state.num_tokens)
        except BaseException:
            self.restart(None)
            raise
        self.id, self.transcript = conversation_id, transcript

    def _check_tokens(self, transcript: Transcript) -> None:
        if transcript.segments[0].token_ids != self._preamble:
            raise StateInvalid("the conversation was kept behind another preamble")
        if any(token_id >= self._context.model.num_vocabulary_tokens for token_id in transcript.pending):
            raise StateInvalid("the conversation ends with a token that the model does not have")
