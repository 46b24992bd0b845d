"""What the cache holds of a conversation, as values: cutting, making room, and text that comes back from disk."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import StateInvalid
from engine.requests import PastTurn
from engine.transcript import Kind, Run, Segment, Transcript, from_text, leaving, to_text, turn_digest

PREAMBLE = Segment(Kind.PREAMBLE, (1, 2, 3))


def turn(number: int, *chunks: tuple[int, float], opened: bool = True) -> list[Segment]:
    """A turn's segments; chunks by id and weight."""
    opening = [Segment(Kind.OPENING, (40, number), number)] if opened else []
    documents = [Segment(Kind.CHUNK, (100 + chunk_id,) * 4, number, chunk_id, weight) for chunk_id, weight in chunks]
    said = [Segment(Kind.QUESTION, (50, number, 5), number), Segment(Kind.ANSWER, (60, number), number)]
    return [*opening, *documents, *said]


def digests(count: int) -> tuple[str, ...]:
    return tuple(turn_digest(f"q{number}", f"a{number}") for number in range(count))


THREE_TURNS = Transcript(
    (PREAMBLE, *turn(0, (7, 0.5), (8, 0.1), opened=False), *turn(1), *turn(2, (9, 0.9))), digests(3), pending=(77,)
)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    token, weight = st.integers(0, 1000), st.floats(0, 1e6)
    tokens = st.lists(token, min_size=1, max_size=4).map(tuple)
    segments = [Segment(Kind.PREAMBLE, draw(tokens))]
    num_turns = draw(st.integers(0, 5))
    for number in range(num_turns):
        if number:
            segments.append(Segment(Kind.OPENING, draw(tokens), number))
        chunks = draw(st.lists(st.tuples(tokens, weight), max_size=3))
        segments += [Segment(Kind.CHUNK, ids, number, draw(token), weight) for ids, weight in chunks]
        if draw(st.booleans()):
            segments.append(Segment(Kind.HISTORY, draw(tokens), number))
        else:
            segments += [Segment(kind, draw(tokens), number) for kind in (Kind.QUESTION, Kind.ANSWER)]
    pending = draw(st.lists(token, max_size=1).map(tuple)) if num_turns else ()
    return Transcript(tuple(segments), digests(num_turns), pending)


def test_positions_are_the_sums_of_what_stands_before() -> None:
    runs = [run for _, run in THREE_TURNS.placed()]
    assert runs[:3] == [Run(0, 3), Run(3, 7), Run(7, 11)]
    assert runs[-1].end == THREE_TURNS.num_tokens == len(THREE_TURNS.token_ids)


@given(transcripts(), st.integers(0, 6))
def test_what_is_before_a_turn_is_a_prefix(transcript: Transcript, num_turns: int) -> None:
    cut = transcript.truncated(num_turns)
    assert transcript.token_ids[: cut.num_tokens] == cut.token_ids
    assert cut.num_turns == min(num_turns, transcript.num_turns)
    assert cut.segments[0] == transcript.segments[0]
    assert all(segment.turn < num_turns for segment in cut.segments)
    assert cut.pending == (transcript.pending if num_turns >= transcript.num_turns else ())


def test_turns_agree_word_for_word_whatever_the_white_space() -> None:
    past = [PastTurn("q0", "  a0\n"), PastTurn("q1", "a1"), PastTurn("q2", "another answer")]
    assert THREE_TURNS.num_agreeing(past) == 2
    assert THREE_TURNS.num_agreeing(past[:1]) == 1
    assert THREE_TURNS.num_agreeing([PastTurn("q0a0", "")]) == 0


def left(num_tokens: int, wanted: set[tuple[int, ...]] | None = None) -> Transcript:
    gone = leaving(THREE_TURNS, lambda rest: rest.num_tokens <= num_tokens, wanted or set())
    assert gone is not None
    return THREE_TURNS.without(gone)


def test_nothing_leaves_while_everything_fits() -> None:
    assert left(1000) == THREE_TURNS


def test_the_least_attended_chunk_leaves_first() -> None:
    assert left(THREE_TURNS.num_tokens - 1).chunk_ids == (7, 9)
    assert left(THREE_TURNS.num_tokens - 5).chunk_ids == (9,)


def test_a_chunk_that_is_asked_for_does_not_leave() -> None:
    assert left(THREE_TURNS.num_tokens - 1, {(108,) * 4}).chunk_ids == (8, 9)


def test_after_the_chunks_whole_turns_leave_oldest_first_with_the_opening_behind_them() -> None:
    rest = left(THREE_TURNS.num_tokens - 12 - 1)
    assert rest.chunk_ids == ()
    assert [(segment.kind, segment.turn) for segment in rest.segments[1:]] == [
        (Kind.QUESTION, 1),
        (Kind.ANSWER, 1),
        (Kind.OPENING, 2),
        (Kind.QUESTION, 2),
        (Kind.ANSWER, 2),
    ]
    assert rest.num_turns == 3
    assert rest.pending == (77,)


def test_in_the_end_the_preamble_and_what_is_asked_for_are_left() -> None:
    rest = left(3 + 4, {(109,) * 4})
    assert [segment.kind for segment in rest.segments] == [Kind.PREAMBLE, Kind.CHUNK]
    assert not rest.is_spoken
    assert rest.pending == ()
    assert leaving(THREE_TURNS, lambda rest: rest.num_tokens < 3, set()) is None


@given(transcripts(), st.integers(0, 60))
def test_room_is_made_by_whole_turns_and_chunks_only(transcript: Transcript, num_tokens: int) -> None:
    gone = leaving(transcript, lambda rest: rest.num_tokens <= num_tokens, set())
    if gone is None:
        assert len(transcript.segments[0].token_ids) > num_tokens
        return
    rest = transcript.without(gone)
    assert rest.num_tokens <= num_tokens
    spoken = [s.turn for s in rest.segments if s.kind in (Kind.HISTORY, Kind.QUESTION, Kind.ANSWER)]
    opened = [s.turn for s in rest.segments if s.kind is Kind.OPENING]
    assert opened == sorted(set(spoken))[1:]
    assert from_text(to_text(rest), rest.token_ids) == rest


@given(transcripts(), st.data())
def test_moving_the_runs_up_gives_the_tokens_that_are_left(transcript: Transcript, data: st.DataObject) -> None:
    gone = data.draw(st.frozensets(st.integers(1, max(1, len(transcript.segments) - 1)), min_size=1))
    gone = frozenset(i for i in gone if i < len(transcript.segments))
    tokens = transcript.token_ids
    runs = transcript.runs_behind(gone)
    first_gone = [run for i, (_, run) in enumerate(transcript.placed()) if i in gone][:1]
    kept = tokens[: first_gone[0].first] if first_gone else tokens
    assert kept + tuple(t for run in runs for t in tokens[run.first : run.end]) == transcript.without(gone).token_ids
    assert all(before.end < after.first for before, after in pairwise(runs))


@given(transcripts())
def test_a_transcript_comes_back_from_its_text(transcript: Transcript) -> None:
    assert from_text(to_text(transcript), transcript.token_ids) == transcript


GOOD = json.loads(to_text(THREE_TURNS))


def changed(**fields: object) -> str:
    return json.dumps({**GOOD, **fields})


def with_segment(index: int, segment: list[object]) -> str:
    return changed(segments=[*GOOD["segments"][:index], segment, *GOOD["segments"][index + 1 :]])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        changed(version=2),
        changed(segments=[]),
        changed(segments=GOOD["segments"][:-1]),
        changed(segments=[*GOOD["segments"], ["answer", 1, 2, None, 0.0]]),
        changed(segments=list(reversed(GOOD["segments"]))),
        changed(segments=[["preamble", 3, -1, None, 0.0], *GOOD["segments"]]),
        changed(turns=GOOD["turns"][:2]),
        changed(turns="abc"),
        changed(turns=[1, 2, 3]),
        changed(pending=[-1]),
        changed(pending=["x"]),
        changed(pending=5),
        with_segment(0, ["question", 3, 0, None, 0.0]),
        with_segment(1, ["chunk", 4, 0, None, 0.0]),
        with_segment(1, ["chunk", -4, 0, 7, 0.0]),
        with_segment(1, ["chunk", 4.0, 0, 7, 0.0]),
        with_segment(1, ["chunk", True, 0, 7, 0.0]),
        with_segment(1, ["chunk", 4, 0, "7", 0.0]),
        with_segment(1, ["chunk", 4, 0, 7, float("nan")]),
        with_segment(1, ["chunk", 4, 0, 7, -1.0]),
        with_segment(1, ["chunk", 4, 0, 7, 10**400]),
        with_segment(1, ["opening", 4, 0, None, 0.0]),
        with_segment(1, ["poem", 4, 0, 7, 0.0]),
        with_segment(1, ["chunk", 4, 0, 7]),
        with_segment(1, ["chunk", 0, 0, 7, 0.0]),
    ],
)
def test_text_that_is_no_transcript_of_the_state_is_refused(text: str) -> None:
    with pytest.raises(StateInvalid, match="transcript"):
        from_text(text, THREE_TURNS.token_ids)


@pytest.mark.parametrize(
    ("kind", "token_ids", "turn", "chunk_id", "weight"),
    [
        (Kind.ANSWER, (), 0, None, 0.0),
        (Kind.CHUNK, (1,), 0, None, 0.0),
        (Kind.ANSWER, (1,), 0, 3, 0.0),
        (Kind.ANSWER, (1,), -1, None, 0.0),
        (Kind.PREAMBLE, (1,), 0, None, 0.0),
        (Kind.CHUNK, (1,), 0, 3, float("inf")),
    ],
)
def test_a_segment_that_exists_is_valid(kind: Kind, token_ids: tuple, turn: int, chunk_id: int | None, weight) -> None:
    with pytest.raises(ValueError, match="segment"):
        Segment(kind, token_ids, turn, chunk_id, weight)
