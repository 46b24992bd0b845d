"""Which model of a repository is meant."""

import pytest

from app.errors import WrongUse
from app.models.repository import HubFile, offers
from app.tui.models.hub_name import HubName
from app.tui.models.meant import meant

ONE = offers([HubFile("a-Q8_0.gguf", 8)])
SEVERAL = offers([HubFile("a-Q4_K_M.gguf", 4), HubFile("a-Q8_0.gguf", 8)])


def test_the_only_model_is_meant():
    assert meant(HubName("o/n"), ONE) == ONE[0]


def test_a_file_or_a_quantisation_tells_which():
    assert meant(HubName("o/n", "a-Q8_0.gguf"), SEVERAL) == SEVERAL[1]
    assert meant(HubName("o/n", "q8_0"), SEVERAL) == SEVERAL[1]


def test_where_nobody_says_which_it_has_to_be_asked_for():
    assert meant(HubName("o/n"), SEVERAL) == "It has 2 models."


def test_a_name_that_none_has_is_told():
    assert meant(HubName("o/n", "Q2_K"), SEVERAL) == "Q2_K is not the name of just one of them."
    assert meant(HubName("o/n", "Q2_K"), ONE) == "Q2_K is not the name of just one of them."


def test_a_repository_without_models_is_refused():
    with pytest.raises(WrongUse, match="has no GGUF files"):
        meant(HubName("o/n"), [])
