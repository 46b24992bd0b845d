"""The engine's shelf over the store: memories of conversations."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.locations import Locations
from app.settings import Settings
from app.shelf import StoreShelf, shelf_opener
from storage.index import Index
from storage.values import Miss, SavedConversation

FACTS = {3: {"model": "a"}}


@pytest.fixture
def open_shelf(locations: Locations) -> Iterator[Callable[..., StoreShelf]]:
    opened = []

    def open_(facts: dict[int, dict[str, str]] = FACTS, settings: Settings = Settings()) -> StoreShelf:  # noqa: B008
        context = shelf_opener(locations, settings)(facts)
        opened.append(context)
        shelf = context.__enter__()
        assert isinstance(shelf, StoreShelf)
        return shelf

    yield open_
    for context in opened:
        context.__exit__(None, None, None)


def test_a_conversation_is_recalled_as_it_was_kept(index: Index, open_shelf: Callable[..., StoreShelf]):
    talk = index.start_conversation("Tea").id
    assert open_shelf().keep(talk, 1, "{}", (), ((1, 2), bytearray(b"rows"))) == ""
    saved = open_shelf().recall(talk)
    assert isinstance(saved, SavedConversation)
    assert (saved.state.token_ids, bytes(saved.state.blob)) == ((1, 2), b"rows")


def test_another_model_does_not_get_it_and_leaves_it_there(index: Index, open_shelf: Callable[..., StoreShelf]):
    talk = index.start_conversation("Tea").id
    open_shelf().keep(talk, 1, "{}", (), ((1, 2), bytearray(b"rows")))
    other = open_shelf({3: {"model": "b"}}).recall(talk)
    assert isinstance(other, Miss)
    assert "another model" in other.reason
    assert isinstance(open_shelf().recall(talk), SavedConversation)


def test_what_was_let_go_is_gone(index: Index, open_shelf: Callable[..., StoreShelf], locations: Locations):
    talk = index.start_conversation("Tea").id
    shelf = open_shelf()
    shelf.keep(talk, 1, "{}", (), ((1, 2), bytearray(b"rows")))
    shelf.let_go(talk, "a test")
    assert isinstance(shelf.recall(talk), Miss)
    assert list(Path(locations.states_dir).glob("*/*/*.kv")) == []


def test_beyond_the_budget_nothing_is_kept_and_the_reason_is_given(index: Index, open_shelf: Callable[..., StoreShelf]):
    talk = index.start_conversation("Tea").id
    shelf = open_shelf(settings=Settings(budget_gb=1e-6))
    assert "budget_gb" in shelf.keep(talk, 1, "{}", (), ((1, 2), bytearray(2000)))
    assert isinstance(shelf.recall(talk), Miss)
