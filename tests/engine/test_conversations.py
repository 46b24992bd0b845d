"""Conversations over the tiny model: the cache holds what the transcript says, whatever happens to it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from engine import bindings, kv_layout, redirect, scoring, selection
from engine import session as session_module
from engine.architecture import Blendability
from engine.bindings import IntArray, llama
from engine.errors import Cancelled, DecodeFailed, PromptTooLong, StateInvalid
from engine.model import Context, ContextOptions
from engine.requests import (
    AnswerDone,
    AnswerEvent,
    AnswerRequest,
    AnswerText,
    ContextChunk,
    Mode,
    PastTurn,
    TurnRequest,
)
from engine.scoring import AttentionMeter, metered_prefill
from engine.selection import scored_layers
from engine.session import Session, SessionOptions
from engine.transcript import Kind, Transcript
from tests.fakes import MemoryShelf

NUM_CELLS, BATCH_TOKENS = 1024, 128
CAPACITY = NUM_CELLS - BATCH_TOKENS
NOISE = 0.1
"""Logits of the tiny model are around 5; cutting a prefill elsewhere moves them by a hundredth of this."""

Logits = npt.NDArray[np.float32]


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf()


@pytest.fixture
def session(tiny_model: Path, shelf: MemoryShelf) -> Iterator[Session]:
    with open_session(tiny_model, shelf) as opened:
        yield opened


@pytest.fixture
def talk(session: Session) -> "Talk":
    return Talk(session)


def open_session(model: Path, shelf: MemoryShelf, num_cells: int = NUM_CELLS) -> Session:
    return Session(SessionOptions(model, "test", ContextOptions(num_cells, BATCH_TOKENS)), shelf.opened)


class Talk:
    """A conversation as the app holds it: the turns as text."""

    def __init__(self, session: Session, conversation_id: int = 1, past: tuple[PastTurn, ...] = ()) -> None:
        self.session, self.id, self.past = session, conversation_id, past
        self.events: list[AnswerEvent] = []

    def chunk(self, number: int, num_letters: int = 90) -> ContextChunk:
        words = f"passage {number} of {number * 7919 % 1009}: " + "".join(
            chr(97 + (number * 31 + i * i * (number + 3)) % 26) for i in range(num_letters)
        )
        return ContextChunk(number, self.session.frame.chunk(words))

    def chunks(self, *numbers: int) -> tuple[ContextChunk, ...]:
        chunks = tuple(self.chunk(number) for number in numbers)
        for chunk in chunks:
            self.session.steep(chunk)
        return chunks

    def request(self, *numbers: int, question: str = "", ordinal: int | None = None, **options: object) -> TurnRequest:
        ordinal = len(self.past) if ordinal is None else ordinal
        options = {"mode": Mode.EXACT, "max_answer_tokens": 8, **options}
        ask = AnswerRequest(question or f"what of turn {ordinal}?", self.chunks(*numbers), **options)
        return TurnRequest(ask, self.id, ordinal, self.past[:ordinal])

    def ask(self, *numbers: int, **options: object) -> AnswerDone:
        return self.converse(self.request(*numbers, **options))

    def converse(self, request: TurnRequest) -> AnswerDone:
        self.events = []
        done = self.session.converse(request, self.events.append)
        self.past = (*request.past, PastTurn(request.ask.question, done.text))
        return done


def transcript(session: Session) -> Transcript:
    return session._conversation.transcript


def weightless(held: Transcript) -> Transcript:
    """What is held, without how much it mattered: that every question changes, asked again or not."""
    return replace(held, segments=tuple(replace(segment, weight=0.0) for segment in held.segments))


def logits(session: Session) -> Logits:
    return session.context.logits()


def prefilled(session: Session, token_ids: tuple[int, ...]) -> Logits:
    """The logits behind tokens that are computed from nothing; the session remembers nothing afterwards."""
    session._conversation.restart(None)
    session.context.prefill(token_ids, 0, want_logits=True)
    return logits(session)


def rows(session: Session) -> npt.NDArray[np.float16]:
    """All K and V of the main sequence: of the tiny model, 64 bytes per token, layer and side."""
    layout = session._layout
    assert layout is not None
    blob = bindings.get_sequence_state(session.context.handle, Context.SEQUENCE)
    num_tokens = transcript(session).num_tokens
    kv_layout.check(blob, layout, 0, num_tokens)
    at, sides = 16 + 12 * num_tokens + 8, []
    for side in (*layout.k_rows, *layout.v_rows):
        size = num_tokens * side.row_bytes
        sides.append(np.frombuffer(blob, np.float16, size // 2, at + 12).reshape(num_tokens, -1))
        at += 12 + size
    return np.concatenate(sides, axis=1)


def assert_in_step(session: Session, model: Path) -> None:
    """The rows are those of the transcript's tokens, as a prefill computes them (no chunk was blended)."""
    held = transcript(session)
    with open_session(model, MemoryShelf()) as fresh:
        fresh.context.prefill(held.token_ids, 0)
        fresh._conversation.hold(held)
        assert np.abs(rows(session).astype(np.float32) - rows(fresh).astype(np.float32)).max() < NOISE


# --- turns behind turns


@pytest.mark.parametrize("mode", Mode)
def test_a_turn_behind_others_is_what_a_prefill_of_the_whole_conversation_gives(talk: Talk, mode: Mode) -> None:
    talk.ask(1, 2, mode=mode, ratio=1.0)
    done = talk.ask(3, 4, mode=mode, ratio=1.0)
    whole = transcript(talk.session).token_ids
    last = talk.ask(question="and then?", mode=mode, max_answer_tokens=1)
    followed = logits(talk.session)
    held = transcript(talk.session)
    assert held.token_ids[: len(whole)] == whole
    assert np.abs(followed - prefilled(talk.session, held.token_ids)).max() < NOISE
    assert done.mode is last.mode is mode
    assert len(last.text) == 1


def test_a_ratio_below_one_leaves_stale_rows_that_this_test_can_see(talk: Talk) -> None:
    talk.ask(1, 2, mode=Mode.BLEND, ratio=0.0, max_answer_tokens=1)
    stale, held = logits(talk.session), transcript(talk.session)
    assert np.abs(stale - prefilled(talk.session, held.token_ids)).max() > NOISE


def test_the_layout_of_turns_is_preamble_documents_question_answer_opening(talk: Talk) -> None:
    talk.ask(1)
    talk.ask(2)
    talk.ask()
    frame, held = talk.session.frame, transcript(talk.session)
    assert [segment.kind for segment in held.segments] == [
        *(Kind.PREAMBLE, Kind.CHUNK, Kind.QUESTION, Kind.ANSWER),
        *(Kind.ANSWER, Kind.OPENING, Kind.CHUNK, Kind.QUESTION, Kind.ANSWER),  # the pending token, computed later
        *(Kind.ANSWER, Kind.OPENING, Kind.QUESTION, Kind.ANSWER),
    ]
    text = "".join(frame.vocabulary.special_text(token_id) for token_id in held.token_ids)
    assert text.count("<|im_end|>\n<|im_start|>user\nDocuments:\n\n") == 1 + 1  # the system turn ends like an answer
    assert text.count("<|im_end|>\n<|im_start|>user\nAnswer") == 1
    assert text.endswith(talk.past[2].answer[:-1])


def test_what_was_said_before_is_not_computed_again(talk: Talk) -> None:
    computed: list[int] = []
    decode = talk.session.context.decode

    def counting(runs, *args, **kwargs) -> None:
        computed.append(sum(len(run.token_ids) for run in runs))
        decode(runs, *args, **kwargs)

    talk.ask(1, 2, 3)
    talk.session.context.decode = counting  # type: ignore[method-assign]
    done = talk.ask()
    frame = talk.session.frame
    num_new = 1 + len(frame.turn_break) + len(frame.question("what of turn 1?"))
    assert computed == [num_new] + [1] * 7
    assert [use.num_kept for use in done.uses] == [use.num_tokens for use in done.uses]


def test_chunks_that_are_there_stay_and_new_ones_are_blended_in_behind(talk: Talk) -> None:
    talk.ask(1, 2, mode=Mode.BLEND)
    done = talk.ask(2, 3, 4, mode=Mode.BLEND, ratio=0.2)
    assert done.memory is not None
    assert done.memory.chunk_ids == (1, 2, 3, 4)
    assert [use.chunk_id for use in done.uses] == [1, 2, 3, 4]
    assert [use.num_kept == use.num_tokens for use in done.uses] == [True, True, False, False]
    num_new = done.uses[2].num_tokens + done.uses[3].num_tokens
    assert sum(use.num_recomputed for use in done.uses) == round(0.2 * num_new)
    for use in done.uses:
        assert use.num_kept + use.num_loaded + use.num_recomputed + use.num_computed == use.num_tokens


def test_a_chunk_without_a_state_is_computed_behind_what_is_there(talk: Talk, shelf: MemoryShelf) -> None:
    talk.ask(1, mode=Mode.BLEND)
    request = talk.request(2, 3, mode=Mode.BLEND, ratio=0.0)
    del shelf.blobs[len(talk.session.frame.preamble), request.ask.chunks[1].token_ids]
    done = talk.converse(request)
    assert done.missing == (request.ask.chunks[1],)
    assert [use.num_computed > 0 for use in done.uses] == [False, False, True]


def test_a_chunk_that_was_indexed_anew_is_recognised_by_its_tokens(talk: Talk) -> None:
    talk.ask(1)
    request = talk.request()
    same = replace(talk.chunk(1), chunk_id=99)
    done = talk.converse(replace(request, ask=replace(request.ask, chunks=(same,))))
    assert [(use.chunk_id, use.num_kept) for use in done.uses] == [(99, len(same.token_ids))]
    assert done.memory is not None
    assert done.memory.chunk_ids == (99,)


@pytest.mark.parametrize(
    "options", [{"mode": Mode.EXACT}, {"mode": Mode.BLEND}, {"mode": Mode.BLEND, "ratio": 1.0}], ids=str
)
def test_the_question_s_attention_is_measured_over_all_chunks_of_the_memory(talk: Talk, options: dict) -> None:
    talk.ask(1, 2, **options)
    for done in (talk.ask(3, **options), talk.ask(**options)):
        assert len(done.uses) == 3
        for use in done.uses:
            assert use.attention == pytest.approx(sum(use.token_attention), rel=1e-3)
            assert len(use.token_attention) == use.num_tokens
        assert sum(use.attention or 0 for use in done.uses) == pytest.approx(1)


def test_attention_measured_in_passing_is_that_of_a_pass_for_it_alone(talk: Talk) -> None:
    options = {"mode": Mode.BLEND, "ratio": 0.1, "strategy": "attention"}
    scored = talk.ask(1, 2, **options)
    talk.past = ()
    in_passing = talk.ask(1, 2, **{**options, "ratio": 0.0}, ordinal=0)
    assert [use.num_recomputed for use in in_passing.uses] == [0, 0]
    for use, other in zip(scored.uses, in_passing.uses, strict=True):
        assert np.allclose(use.token_attention, other.token_attention, atol=1e-6)


def test_only_the_question_s_own_tokens_are_measured_where_others_share_its_batch(talk: Talk) -> None:
    context, layers = talk.session.context, scored_layers(talk.session.model.num_layers)
    context.prefill(range(100, 190), 0)
    opening, question = tuple(range(20, 40)), tuple(range(60, 90))

    def measured(*, together: bool) -> npt.NDArray[np.float32]:
        context.forget(Context.SEQUENCE, 90)
        meter = AttentionMeter(context, 110, layers)
        if together:
            metered_prefill(context, opening + question, 90, len(question), meter)
        else:
            context.prefill(opening, 90)
            metered_prefill(context, question, 110, len(question), meter)
        return meter.attention()

    assert np.allclose(measured(together=True), measured(together=False), atol=0.02)
    assert measured(together=True).sum() == pytest.approx(len(question) * 4 * len(layers), rel=1e-3)


def test_a_question_longer_than_a_batch_is_answered(talk: Talk) -> None:
    talk.ask(1, mode=Mode.BLEND)
    for options in ({"mode": Mode.BLEND, "ratio": 0.5}, {"mode": Mode.EXACT}):
        done = talk.ask(2 + len(talk.past), question="why " * 40, **options)
        assert sum(use.attention or 0 for use in done.uses) == pytest.approx(1)


def test_cold_time_is_told_once_enough_was_computed(talk: Talk) -> None:
    talk.chunks(1)  # and the preamble: steeping has a context of its own
    assert talk.ask(mode=Mode.BLEND).times.cold_first_token_ms is None
    done = talk.ask(1, 2, 3, question="why " * 20, mode=Mode.EXACT)
    assert done.memory is not None
    num_prompt_tokens = done.memory.num_tokens - (done.num_answer_tokens - 1)
    assert done.times.cold_first_token_ms == pytest.approx(talk.session.context.speed.ms_for(num_prompt_tokens))


def test_what_was_measured_is_known_to_the_next_session(tiny_model: Path) -> None:
    options, shelf = SessionOptions(tiny_model, "test", ContextOptions(NUM_CELLS, BATCH_TOKENS)), MemoryShelf()
    chunk = ContextChunk(1, tuple(40 + i % 200 for i in range(3 * BATCH_TOKENS)))
    request = AnswerRequest("why?", (chunk,), Mode.EXACT, max_answer_tokens=1)
    with Session(options, shelf.opened) as session:
        session.answer(request, lambda _: None)
    (rates,) = shelf.noted_rates.values()
    assert rates.prefill_ms_per_token > 0
    short = AnswerRequest("why?", (ContextChunk(1, (40, 41)),), Mode.EXACT, max_answer_tokens=1)
    with Session(options, shelf.opened) as session:
        assert session.answer(short, lambda _: None).times.cold_first_token_ms is not None


# --- going back


def test_a_question_asked_again_gets_the_same_answer(talk: Talk) -> None:
    talk.ask(1, 2)
    talk.ask(3)
    first = talk.ask(4)
    again = talk.ask(4, ordinal=2)
    assert again.text == first.text
    assert again.memory == first.memory


def test_an_edited_question_replaces_all_turns_from_there_on(talk: Talk, tiny_model: Path) -> None:
    talk.ask(1)
    talk.ask(2)
    talk.ask(3)
    done = talk.ask(4, ordinal=1, question="something else?")
    assert done.memory is not None
    assert (done.memory.num_turns, done.memory.chunk_ids) == (2, (1, 4))
    assert done.notices == ()
    assert_in_step(talk.session, tiny_model)


def test_the_first_question_can_be_asked_again(talk: Talk) -> None:
    first = talk.ask(1, 2)
    talk.ask(3)
    again = talk.ask(1, 2, ordinal=0)
    assert (again.text, again.memory) == (first.text, first.memory)


def test_turns_that_were_said_elsewhere_in_other_words_are_read_again(talk: Talk, tiny_model: Path) -> None:
    talk.ask(1)
    talk.ask(2)
    talk.past = (talk.past[0], PastTurn("another question", "and another answer"))
    done = talk.ask(3)
    assert done.memory is not None
    assert done.memory.chunk_ids == (1, 3)
    assert done.num_history_tokens > 0
    assert "1 earlier turn" in done.notices[0]
    assert_in_step(talk.session, tiny_model)
    assert talk.ask(4).notices == ()


# --- making room


def fill(talk: Talk, **options: object) -> AnswerDone:
    """Turns of two new chunks each, until the next one would not fit."""
    done = talk.ask(1, 2, **options)
    while done.memory is not None and done.memory.num_tokens + 330 <= CAPACITY:
        done = talk.ask(2 * len(talk.past) + 1, 2 * len(talk.past) + 2, **options)
    return done


@pytest.mark.parametrize("mode", Mode)
def test_when_the_memory_is_full_the_least_attended_chunks_leave(talk: Talk, mode: Mode) -> None:
    before = fill(talk, mode=mode)
    assert before.memory is not None
    weights = {s.chunk_id: s.weight for s in transcript(talk.session).chunks}
    done = talk.ask(50, 51, mode=mode)
    assert done.memory is not None
    assert done.dropped_chunk_ids
    assert done.memory.num_tokens <= CAPACITY
    kept = set(before.memory.chunk_ids) & set(done.memory.chunk_ids)
    assert max(weights[gone] for gone in done.dropped_chunk_ids) <= min(weights[number] for number in kept)
    assert set(done.dropped_chunk_ids) | kept == set(before.memory.chunk_ids)
    assert done.memory.num_turns == len(talk.past)
    assert talk.ask(mode=mode).notices == ()


def test_making_room_gives_what_shifting_gives(tiny_model: Path) -> None:
    """The same rows, moved by llama.cpp in place (with a hole in the cells), answer the same question."""
    with open_session(tiny_model, MemoryShelf()) as session, open_session(tiny_model, MemoryShelf()) as other:
        talks = [Talk(session), Talk(other)]
        for talk in talks:
            fill(talk)
        before = transcript(session)
        assert before == transcript(other)
        dropped = talks[0].ask(50, max_answer_tokens=1).dropped_chunk_ids
        after = transcript(session)
        gone = [run for segment, run in before.placed() if segment.chunk_id in dropped]
        assert gone
        memory = other.context.memory
        for run in reversed(gone):
            other.context.forget(Context.SEQUENCE, run.first, run.end)
            llama.llama_memory_seq_add(memory, Context.SEQUENCE, run.end, -1, run.first - run.end)
        num_left = before.num_tokens - sum(run.end - run.first for run in gone)
        other.context.prefill(after.token_ids[num_left:], num_left, want_logits=True)
        assert np.abs(logits(session) - logits(other)).max() < NOISE
        assert np.abs(logits(session) - prefilled(other, after.token_ids)).max() > NOISE, "nothing was stale"


def test_in_a_memory_of_talk_the_oldest_turns_leave(talk: Talk) -> None:
    for number in range(12):
        done = talk.ask(1, question=f"tell me more of it, would you, for the {number}th time? " * 2)
    spoken = [s.turn for s in transcript(talk.session).segments if s.kind is Kind.QUESTION]
    assert spoken[0] > 0
    assert done.dropped_chunk_ids == ()
    assert done.memory is not None
    assert done.memory.num_turns == len(talk.past)
    assert talk.ask(1, ordinal=len(talk.past) - 1).notices == ()


def test_what_a_question_by_itself_has_room_for_fits_into_a_full_memory_too(talk: Talk) -> None:
    fill(talk)
    frame = talk.session.frame
    question = "which?"
    num_letters = CAPACITY - len(frame.preamble) - len(frame.question(question)) - 8
    long = talk.chunk(70, num_letters=num_letters)
    excess = len(long.token_ids) - num_letters
    long = talk.chunk(70, num_letters=num_letters - excess)
    request = talk.request(question=question)
    done = talk.converse(replace(request, ask=replace(request.ask, chunks=(long,))))
    assert done.memory is not None
    assert done.memory.num_tokens == CAPACITY - 1  # the answer's last token is pending
    assert done.memory.chunk_ids == (70,)


def test_what_cannot_fit_is_refused_with_nothing_changed(talk: Talk) -> None:
    talk.ask(1)
    before = transcript(talk.session)
    with pytest.raises(PromptTooLong, match="tokens"):
        talk.ask(question="why " * 400)
    assert transcript(talk.session) is before
    assert talk.ask().notices == ()


# --- being put away and coming back


def test_a_conversation_that_was_kept_goes_on_bit_for_bit(tiny_model: Path, shelf: MemoryShelf) -> None:
    with open_session(tiny_model, shelf) as session:
        talk = Talk(session)
        talk.ask(1, 2, mode=Mode.BLEND)
        talk.ask(3, mode=Mode.BLEND)
        kept = session.keep()
        past = talk.past
        expected = talk.ask(4, mode=Mode.BLEND)
        expected_logits = logits(session)
    assert kept.num_bytes == len(shelf.kept[1].state.blob)
    assert shelf.kept_chunk_ids[1] == (1, 2, 3)
    with open_session(tiny_model, shelf) as session:
        talk = Talk(session, past=past)
        recalled = session.recall(1)
        assert recalled.memory is not None
        assert (recalled.memory.num_turns, recalled.memory.chunk_ids) == (2, (1, 2, 3))
        done = talk.ask(4, mode=Mode.BLEND)
        assert np.array_equal(logits(session), expected_logits)
    assert (done.text, done.memory, done.notices) == (expected.text, expected.memory, ())
    assert [use.attention for use in done.uses] == [use.attention for use in expected.uses]


def test_what_is_kept_already_is_not_kept_again(talk: Talk, shelf: MemoryShelf) -> None:
    assert talk.session.keep().num_bytes == 0
    talk.ask(1)
    assert talk.session.keep().num_bytes > 0
    del shelf.kept[1]
    assert "already" in talk.session.keep().reason
    talk.ask()
    assert talk.session.keep().num_bytes > 0


def test_a_turn_recalls_its_conversation_by_itself(tiny_model: Path, shelf: MemoryShelf) -> None:
    with open_session(tiny_model, shelf) as session:
        talk = Talk(session)
        talk.ask(1)
        session.keep()
        past = talk.past
    with open_session(tiny_model, shelf) as session:
        done = Talk(session, past=past).ask()
    assert done.notices == ()
    assert done.num_history_tokens == 0
    assert [use.num_kept > 0 for use in done.uses] == [True]


def test_two_conversations_take_turns_without_losing_anything(tiny_model: Path) -> None:
    def answers(*, switching: bool) -> list[str]:
        with open_session(tiny_model, MemoryShelf()) as session:
            one, other = Talk(session, 1), Talk(session, 2)
            dones = [one.ask(1, 2)]
            if switching:
                other.ask(3)
            dones.append(one.ask(4))
            if switching:
                assert other.ask(5).notices == ()
            dones.append(one.ask())
            assert all(done.notices == () for done in dones)
            return [done.text for done in dones]

    assert answers(switching=True) == answers(switching=False)


def test_a_question_by_itself_keeps_the_conversation_first_and_leaves_nothing(talk: Talk, shelf: MemoryShelf) -> None:
    talk.ask(1)
    talk.session.answer(AnswerRequest("what?", talk.chunks(2), max_answer_tokens=2), talk.events.append)
    assert 1 in shelf.kept
    assert talk.session.memory is None
    assert transcript(talk.session) == Transcript()
    assert talk.ask().notices == ()


def blob_of(shelf: MemoryShelf, change: Callable[[bytearray], None]) -> None:
    saved = shelf.kept[1]
    blob = bytearray(saved.state.blob)
    change(blob)
    shelf.kept[1] = replace(saved, state=replace(saved.state, blob=blob))


def tokens_of(shelf: MemoryShelf, *token_ids: int) -> None:
    saved = shelf.kept[1]
    shelf.kept[1] = replace(saved, state=replace(saved.state, token_ids=(*token_ids, *saved.state.token_ids)))


DAMAGES = {
    "truncated": lambda shelf: blob_of(shelf, lambda blob: blob.pop()),
    "a cell elsewhere": lambda shelf: blob_of(shelf, lambda blob: blob.__setitem__(16 + 12 * 5, 99)),
    "no transcript": lambda shelf: shelf.kept.__setitem__(1, replace(shelf.kept[1], transcript="{}")),
    "another preamble": lambda shelf: shelf.kept.__setitem__(
        1,
        replace(
            shelf.kept[1],
            state=replace(shelf.kept[1].state, token_ids=(9, *shelf.kept[1].state.token_ids[1:])),
        ),
    ),
    "more tokens than rows": lambda shelf: tokens_of(shelf, 1),
    "a pending token that no model has": lambda shelf: shelf.kept.__setitem__(
        1, replace(shelf.kept[1], transcript=shelf.kept[1].transcript.replace('"pending":[', '"pending":[999999,'))
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_memory_is_let_go_and_the_turns_are_read_again(
    tiny_model: Path, shelf: MemoryShelf, damage: Callable[[MemoryShelf], None]
) -> None:
    with open_session(tiny_model, shelf) as session:
        talk = Talk(session)
        talk.ask(1)
        talk.ask()
        session.keep()
        past = talk.past
    damage(shelf)
    with open_session(tiny_model, shelf) as session:
        talk = Talk(session, past=past)
        done = talk.ask(2)
        assert shelf.let_go_because
        assert shelf.let_go_because[0] in done.notices[0]
        assert done.num_history_tokens > 0
        assert_in_step(session, tiny_model)
        assert talk.ask().notices == ()


def test_a_memory_larger_than_the_context_stays_on_the_shelf(tiny_model: Path, shelf: MemoryShelf) -> None:
    with open_session(tiny_model, shelf) as session:
        fill(Talk(session))
        session.keep()
    with open_session(tiny_model, shelf, num_cells=640) as session:
        recalled = session.recall(1)
    assert recalled.memory is None
    assert "holds 512" in recalled.reason
    assert 1 in shelf.kept


def test_recalling_what_was_never_kept_leaves_the_current_conversation_there(talk: Talk) -> None:
    talk.ask(1)
    before = transcript(talk.session)
    assert talk.session.recall(5).reason == "nothing was kept of it"
    assert transcript(talk.session) is before


def test_lost_turns_are_read_again_the_newest_that_fit_a_quarter(talk: Talk, tiny_model: Path) -> None:
    few = tuple(PastTurn(f"question {number}?", f"answer {number}.") for number in range(20))
    talk.past = few
    done = talk.ask(1)
    history = [segment for segment in transcript(talk.session).segments if segment.kind is Kind.HISTORY]
    assert 0 < done.num_history_tokens <= CAPACITY // 4
    assert history[-1].turn == 19
    assert 1 < len(history) < 20
    assert "nothing was kept of it" in done.notices[0]
    assert f"{20 - len(history)} did not fit" in done.notices[0]
    assert done.memory is not None
    assert done.memory.num_turns == 21
    assert_in_step(talk.session, tiny_model)
    again = talk.ask(ordinal=15)
    assert again.memory is not None
    assert again.memory.num_turns == 16


def test_a_branch_begins_with_the_first_turns_and_leaves_the_source_as_it_was(talk: Talk, shelf: MemoryShelf) -> None:
    talk.ask(1)
    talk.ask(2)
    expected = talk.ask(3, ordinal=1, question="and now?").text
    talk.ask(2, ordinal=1)
    last = talk.ask(4)
    source = transcript(talk.session)
    recalled = talk.session.branch(1, 2, 1)
    assert recalled.memory is not None
    assert (recalled.memory.conversation_id, recalled.memory.num_turns) == (2, 1)
    branch = Talk(talk.session, 2, talk.past[:1])
    assert branch.ask(3, question="and now?").text == expected
    talk.session.recall(1)
    assert transcript(talk.session) == source
    assert talk.session.memory == last.memory
    assert set(shelf.kept) == {1, 2}


def test_a_branch_of_nothing_says_why(talk: Talk) -> None:
    assert talk.session.branch(7, 8, 1).reason == "nothing was kept of it"
    assert talk.session.memory is None


def test_a_forgotten_conversation_is_nowhere(talk: Talk, shelf: MemoryShelf) -> None:
    talk.ask(1)
    talk.session.keep()
    talk.session.forget(1)
    assert talk.session.memory is None
    assert shelf.kept == {}


def test_a_shelf_that_fails_costs_nothing_while_the_conversation_is_there(
    talk: Talk, shelf: MemoryShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise OSError("no space left on device")

    talk.ask(1)
    before = transcript(talk.session)
    monkeypatch.setattr(shelf, "keep", fail)
    with pytest.raises(OSError, match="no space"):
        talk.session.keep()
    assert transcript(talk.session) is before
    other = Talk(talk.session, 2)
    assert "no space left" in other.ask(2).notices[0]
    assert other.ask().notices == ()
    monkeypatch.undo()
    shelf.why_full = "there is no room"
    assert talk.session.keep().reason == "there is no room"
    assert "there is no room" in talk.ask().notices[0]


@pytest.mark.parametrize("error", [OSError("the disk is gone"), OSError()], ids=["told", "untold"])
def test_a_shelf_that_cannot_be_read_costs_the_memory_only(
    talk: Talk, shelf: MemoryShelf, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fail(_: int) -> None:
        raise error

    Talk(talk.session, 2).ask(2)
    monkeypatch.setattr(shelf, "recall", fail)
    talk.past = (PastTurn("what?", "that."),)
    done = talk.ask(1)
    assert f"{error}" in done.notices[0]
    assert done.memory is not None
    assert done.memory.chunk_ids == (1,)


def test_a_cache_that_does_not_hold_what_it_should_is_not_kept_and_not_used(talk: Talk, shelf: MemoryShelf) -> None:
    talk.ask(1)
    talk.session.context.forget(Context.SEQUENCE, 200)
    with pytest.raises(StateInvalid):
        talk.session.keep()
    assert shelf.kept == {}
    assert "did not hold what it should" in talk.ask(2).notices[0]


# --- stopping and failing


class Trip:
    """Lets the `number`th decode from here on fail, at its `node`th node: by cancelling, or with an error."""

    def __init__(self, session: Session, number: int, node: int, error: BaseException | None = None) -> None:
        self.context, self.left, self.node, self.error = session.context, number, node, error
        self.decode = session.context.decode
        session.context.decode = self  # type: ignore[method-assign]

    def __call__(self, runs, visitor=None, **options: object) -> None:
        self.left -= 1
        self.decode(runs, self.Visitor(self, visitor) if self.left == 0 else visitor, **options)

    def undo(self) -> None:
        self.context.decode = self.decode  # type: ignore[method-assign]
        self.context.allow()

    class Visitor:
        def __init__(self, trip: "Trip", visitor) -> None:
            self.trip, self.visitor, self.left = trip, visitor, trip.node

        def visit(self, tensor_address: int, ask: bool) -> bool:
            self.left -= ask
            if ask and self.left == 0:
                if self.trip.error:
                    raise self.trip.error
                self.trip.context.cancel()
            return self.visitor.visit(tensor_address, ask) if self.visitor else not ask


FIRST_NODE, LATER_NODE = 1, 20
"""In the graph that rotates rows, if some were moved, and in that of the batch itself."""


@pytest.mark.parametrize("node", [FIRST_NODE, LATER_NODE])
@pytest.mark.parametrize("error", [None, DecodeFailed("a broken graph"), KeyError("a bug")], ids=str)
def test_what_is_broken_off_before_the_first_token_is_undone(
    tiny_model: Path, node: int, error: BaseException | None
) -> None:
    with open_session(tiny_model, MemoryShelf()) as session:
        talk = Talk(session)
        talk.ask(1, 2, mode=Mode.BLEND)
        request = talk.request(3, 4, mode=Mode.BLEND, strategy="attention-deviation")
        talk.ask(5)
        before = transcript(session).truncated(1)
        expected_rows = rows(session)[: before.num_tokens]
        expected = talk.converse(request)
        number, broken = 0, 0
        while True:
            number += 1
            talk.ask(5, ordinal=1)  # whatever was there is cut off first
            talk.past = talk.past[:1]
            trip = Trip(session, number, node, error)
            try:
                done = session.converse(request, talk.events.append)
            except (Cancelled, DecodeFailed, KeyError):
                broken += 1
                trip.undo()
                assert weightless(transcript(session)) == weightless(before)
                assert np.array_equal(rows(session), expected_rows)
                assert session.converse(request, talk.events.append).text == expected.text
                continue
            trip.undo()
            break
        num_for_prompt, num_for_answer = 4, 7  # opening, attention, deviation, recompute; each token but the last
        assert broken == num_for_prompt + (num_for_answer if error else 0)
        assert done.stopped == (error is None)


def test_an_answer_that_is_stopped_stays_as_far_as_it_came_and_the_next_turn_goes_on(
    talk: Talk, tiny_model: Path
) -> None:
    whole = talk.ask()
    for node in (FIRST_NODE, LATER_NODE):
        trip = Trip(talk.session, 1 + 3, node)  # the prompt, and the answer's third token
        stopped = talk.ask(ordinal=0)
        trip.undo()
        assert stopped.stopped
        assert stopped.text == whole.text[:3]
        assert "".join(event.text for event in talk.events if isinstance(event, AnswerText)) == stopped.text
        assert transcript(talk.session).pending
        done = talk.ask(2)
        assert (done.stopped, done.notices) == (False, ())
        assert_in_step(talk.session, tiny_model)
        talk.past = ()


def test_a_question_by_itself_that_is_stopped_raises(talk: Talk) -> None:
    trip = Trip(talk.session, 3, FIRST_NODE)
    with pytest.raises(Cancelled):
        talk.session.answer(AnswerRequest("what?", talk.chunks(1), mode=Mode.EXACT), talk.events.append)
    trip.undo()
    assert talk.ask(1).notices == ()


@pytest.mark.parametrize("node", [FIRST_NODE, LATER_NODE])
def test_broken_off_while_llama_cpp_turns_moved_keys_everything_is_forgotten_and_read_again(
    talk: Talk, shelf: MemoryShelf, tiny_model: Path, node: int
) -> None:
    talk.session.context.key_rotation = None
    fill(talk)
    request = talk.request(50, 51)
    trip = Trip(talk.session, 1, node)
    with pytest.raises(Cancelled):
        talk.session.converse(request, talk.events.append)
    trip.undo()
    assert transcript(talk.session) == Transcript()
    assert talk.session.memory is None
    done = talk.converse(request)
    assert "broken off" in done.notices[0]
    assert done.num_history_tokens > 0
    assert_in_step(talk.session, tiny_model)


def test_broken_off_while_llama_cpp_turns_moved_keys_what_was_kept_can_be_recalled_and_kept_again(
    talk: Talk, shelf: MemoryShelf
) -> None:
    talk.session.context.key_rotation = None
    fill(talk)
    talk.session.keep()
    trip = Trip(talk.session, 1, FIRST_NODE)
    with pytest.raises(Cancelled):
        talk.session.converse(talk.request(50, 51), talk.events.append)
    trip.undo()
    recalled = talk.session.branch(1, 2, 1)
    assert recalled.memory is not None
    assert talk.session.keep().num_bytes == len(shelf.kept[2].state.blob)


def break_off(talk: Talk, request: TurnRequest, number: int, node: int) -> None:
    """In the `number`th decode; in the 0th: before anything is computed."""
    trip = Trip(talk.session, number, node)
    if not number:
        talk.session.cancel()
    with pytest.raises(Cancelled):
        talk.session.converse(request, talk.events.append)
    trip.undo()


def test_broken_off_after_llama_cpp_turned_moved_keys_what_is_left_of_the_memory_stays(talk: Talk) -> None:
    talk.session.context.key_rotation = None
    fill(talk)
    before = transcript(talk.session)
    request = talk.request(50, 51)
    break_off(talk, request, 2, FIRST_NODE)
    after = transcript(talk.session)
    assert after.num_turns == before.num_turns
    assert 0 < after.num_tokens < before.num_tokens
    assert talk.converse(request).notices == ()


@pytest.mark.parametrize(("number", "node"), [(0, FIRST_NODE), (1, FIRST_NODE), (1, LATER_NODE), (2, FIRST_NODE)])
def test_broken_off_after_rows_were_moved_what_is_left_of_the_memory_stays(
    talk: Talk, tiny_model: Path, number: int, node: int
) -> None:
    with open_session(tiny_model, MemoryShelf()) as session:
        unbroken = Talk(session)
        for each in (talk, unbroken):
            fill(each)
        before = transcript(talk.session)
        request = talk.request(50, 51)
        break_off(talk, request, number, node)
        after = transcript(talk.session)
        assert after.num_turns == before.num_turns
        assert 0 < after.num_tokens < before.num_tokens
        assert talk.session.keep().num_bytes  # over which nothing was computed yet
        done = talk.converse(request)
        assert done.notices == ()
        assert done.text == unbroken.converse(request).text
        assert np.array_equal(rows(talk.session), rows(session))


def test_a_graph_that_cannot_be_redirected_is_computed_exactly_behind_what_is_there(
    talk: Talk, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.ask(1)
    before = transcript(talk.session)
    monkeypatch.setattr(redirect, "REWRITTEN_INPUTS", ("inp_pos", "inp_that_is_gone"))
    done = talk.ask(2, 3, mode=Mode.BLEND)
    assert done.mode is Mode.EXACT
    assert "inp_that_is_gone" in done.notices[0]
    assert [use.num_kept > 0 for use in done.uses] == [True, False, False]
    assert transcript(talk.session).token_ids[: before.num_tokens] == before.token_ids
    monkeypatch.undo()
    assert_in_step(talk.session, tiny_model)


# --- models that cannot be blended


@pytest.fixture
def plain(tiny_model: Path, shelf: MemoryShelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[Talk]:
    monkeypatch.setattr(session_module, "model_blendability", lambda _: Blendability(False, "it is odd"))
    with open_session(tiny_model, shelf) as session:
        yield Talk(session)


def test_a_model_that_cannot_be_blended_goes_on_behind_what_was_said(plain: Talk) -> None:
    plain.ask(1)
    done = plain.ask(2)
    assert done.notices == ()
    assert [use.num_kept > 0 for use in done.uses] == [True, False]
    assert done.uses[0].attention is None
    assert done.memory is not None
    assert (done.memory.num_bytes, done.memory.capacity) == (0, NUM_CELLS)
    held = transcript(plain.session)
    plain.ask(max_answer_tokens=1)
    followed = logits(plain.session)
    assert transcript(plain.session).token_ids[: held.num_tokens] == held.token_ids
    assert np.abs(followed - prefilled(plain.session, transcript(plain.session).token_ids)).max() < NOISE


def test_a_model_that_cannot_be_blended_reads_again_instead_of_going_back(plain: Talk) -> None:
    plain.ask(1)
    plain.ask(2)
    plain.ask(3)
    done = plain.ask(4, ordinal=2)
    assert "no going back" in done.notices[0]
    assert done.memory is not None
    assert (done.memory.num_turns, done.memory.chunk_ids) == (3, (4,))


def test_a_model_that_cannot_be_blended_starts_over_when_it_is_full(plain: Talk) -> None:
    notices: tuple[str, ...] = ()
    while not notices:
        number = len(plain.past)
        done = plain.ask(2 * number, 2 * number + 1)
        notices = done.notices
    assert "it was full" in notices[0]
    assert done.dropped_chunk_ids == tuple(range(2 * number))
    assert plain.ask().notices == ()


def test_a_model_that_cannot_be_blended_keeps_nothing_and_says_why(plain: Talk, shelf: MemoryShelf) -> None:
    plain.ask(1)
    assert "it is odd" in plain.session.keep().reason
    assert "it is odd" in plain.session.branch(1, 2, 1).reason
    assert Talk(plain.session, 2).ask(2).notices == ()
    assert "it is odd" in plain.ask().notices[0]
    assert shelf.kept == {}


def test_a_model_that_cannot_be_blended_forgets_an_answer_that_was_stopped(plain: Talk) -> None:
    stop_after(plain, 2)
    stopped = plain.ask(1)
    plain.session.allow()
    assert stopped.stopped
    assert len(stopped.text) == 2
    assert stopped.memory is None
    assert "broken off" in plain.ask().notices[0]


def stop_after(talk: Talk, num_tokens: int) -> None:
    """Cancel when so many tokens of the next answer are there."""

    class Stopping(list):
        def append(self, event: AnswerEvent) -> None:
            super().append(event)
            if sum(isinstance(event, AnswerText) for event in self) == num_tokens:
                talk.session.cancel()

    talk.converse = lambda request: Talk.converse(talk, request)  # type: ignore[method-assign]
    events = Stopping()

    def converse(request: TurnRequest) -> AnswerDone:
        done = talk.session.converse(request, events.append)
        talk.past = (*request.past, PastTurn(request.ask.question, done.text))
        del talk.converse  # type: ignore[method-assign]
        return done

    talk.converse = converse  # type: ignore[method-assign]


# --- what a question sees while it is scored


def test_a_question_that_is_scored_does_without_some_of_the_new_tokens_and_sees_all_that_was_before(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
):
    talk.ask(1, 2)
    seen = list[tuple[int, IntArray]]()
    measured = scoring.question_attention

    def noted(
        context: Context, question: Sequence[int], end: int, layers: Sequence[int], unseen: IntArray | None = None
    ) -> object:
        assert unseen is not None
        seen.append((end, unseen))
        return measured(context, question, end, layers, unseen)

    monkeypatch.setattr(scoring, "question_attention", noted)
    request = talk.request(3, 4, mode=Mode.BLEND, ratio=0.2)
    talk.converse(request)
    ((end, unseen),) = seen
    num_new = sum(len(chunk.token_ids) for chunk in request.ask.chunks)
    assert (unseen - (end - num_new)).tolist() == selection.unseen_tokens(num_new).tolist()


def test_recomputed_tokens_stand_behind_the_question_from_the_last_to_the_first(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
):
    orders = list[IntArray]()
    decode = redirect.redirected_decode

    def noted(context: Context, token_ids: Sequence[int], positions: IntArray, *more: object, **options: object):
        orders.append(positions)
        return decode(context, token_ids, positions, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(redirect, "redirected_decode", noted)
    talk.ask(1, 2, 3, mode=Mode.BLEND, ratio=0.2)
    assert any(len(order) > 1 for order in orders)
    assert all((np.diff(order) < 0).all() for order in orders)
