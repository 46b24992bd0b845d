import pytest

from storage.values import ChunkText, StateKey


@pytest.mark.parametrize("bad", ["", "abc", "ABCDEF00", "../../etc", "0123456g"])
def test_a_state_key_that_is_no_file_name_of_ours_cannot_be_made(bad: str):
    with pytest.raises(ValueError, match="hex digits"):
        StateKey("0" * 32, bad)
    with pytest.raises(ValueError, match="hex digits"):
        StateKey(bad, "0" * 40)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2)])
def test_a_chunk_cannot_end_before_it_starts(start: int, end: int):
    with pytest.raises(ValueError, match="span"):
        ChunkText(start, end, None, None, "text", 1)


@pytest.mark.parametrize(("heading", "text"), [(None, "\ud800"), ("\udcff", "text")])
def test_a_chunk_cannot_hold_a_lone_surrogate(heading: str | None, text: str):
    with pytest.raises(ValueError, match="surrogates"):
        ChunkText(0, 1, None, heading, text, 1)
