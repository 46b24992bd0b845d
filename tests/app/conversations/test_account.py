"""The account of an answer, to JSON and back."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.citation import Quote
from app.conversations.account import Account, Heat, MemoryFill, Source, Timing, from_json, from_object

counts = st.integers(0, 10**6)
texts = st.text(max_size=20)
rounded = st.integers(0, 10**6).map(lambda number: number / 1000)
sources = st.builds(
    Source,
    chunk_id=counts,
    path=texts.map(lambda text: Path("/documents") / (text.replace("\0", "").replace("/", "") or "a")),
    page=st.none() | counts,
    heading=st.none() | texts,
    start=counts,
    end=counts,
    quote=st.none() | st.builds(Quote, counts, counts, texts),
    score=rounded,
    attention=st.none() | st.integers(0, 1000).map(lambda number: number / 1000),
    num_tokens=counts,
    num_kept=counts,
    num_loaded=counts,
    num_recomputed=counts,
    num_computed=counts,
    heat=st.lists(st.builds(Heat, counts, counts, st.integers(1, 9)), max_size=3).map(tuple),
)
accounts = st.builds(
    Account,
    mode=st.sampled_from(["blend", "exact"]),
    model=texts,
    sources=st.lists(sources, max_size=3).map(tuple),
    timing=st.builds(Timing, *[rounded] * 8, cold_ttft_ms=st.none() | rounded),
    num_loaded_bytes=counts,
    num_answer_tokens=counts,
    notices=st.lists(texts, max_size=2).map(tuple),
    stopped=st.booleans(),
    num_history_tokens=counts,
    memory=st.builds(MemoryFill, counts, counts),
)


@given(accounts)
def test_what_is_written_is_read_again(account: Account) -> None:
    assert from_json(account.as_json()) == account


def test_a_path_without_an_encoding_survives() -> None:
    source = Source(1, Path("/documents/caf\udce9"), None, None, 0, 1, None, 1.0, None, 3)
    account = Account("blend", "m", (source,), memory=MemoryFill(1, 2))
    assert from_json(account.as_json()) == account


def test_outside_of_conversations_there_is_nothing_of_them() -> None:
    source = Source(1, Path("/a"), None, None, 0, 1, None, 1.0, None, 3, num_loaded=3)
    told = Account("blend", "m", (source,)).as_object()
    assert set(told["kv"]) == {
        "context_tokens",
        "loaded_tokens",
        "recomputed_tokens",
        "computed_tokens",
        "loaded_bytes",
    }
    assert not {"kept", "chunk", "heat"} & set(told["sources"][0])
    assert "stopped" not in told


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"mode": 1}', '{"mode": "a", "model": "b", "sources": [3]}'])
def test_another_object_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="no account of an answer"):
        from_json(text)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        from_json("no")


def test_figures_of_a_newer_program_are_left_out() -> None:
    told = json.loads(Account("blend", "m").as_json())
    told["timing"]["of_tomorrow_ms"] = 3.0
    told["more"] = {}
    assert from_object(told) == Account("blend", "m")


def test_sooner_is_the_ratio_of_cold_to_now() -> None:
    assert Account("blend", "m", timing=Timing(ttft_ms=2.0, cold_ttft_ms=14.0)).times_sooner == 7.0
    assert Account("blend", "m", timing=Timing(ttft_ms=2.0)).times_sooner is None
