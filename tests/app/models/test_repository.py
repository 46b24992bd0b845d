import pytest

from app.errors import WrongUse
from app.models.repository import HubFile, Offer, offers, pick


def offered(*names: str) -> list[Offer]:
    return offers([HubFile(name, 1_000_000 * (number + 1)) for number, name in enumerate(names)])


def picked(wanted: str, *names: str) -> tuple[str, ...]:
    return pick("o/n", offered(*names), wanted).files.files


def test_the_only_model_needs_no_name():
    assert picked("", "a-q8_0.gguf", "README.md", "mmproj-f16.gguf") == ("a-q8_0.gguf",)


def test_of_several_the_usual_one_is_taken():
    assert picked("", "a-q8_0.gguf", "a-q4_k_m.gguf", "a-q2_k.gguf") == ("a-q4_k_m.gguf",)


@pytest.mark.parametrize(
    "wanted", ["b/a-Q8_0-00001-of-00002.gguf", "a-Q8_0-00002-of-00002.gguf", "b/a-Q8_0", "a-Q8_0", "q8_0", "Q8_0"]
)
def test_a_model_in_parts_is_taken_with_all_of_them_however_it_is_named(wanted: str):
    parts = ("b/a-Q8_0-00001-of-00002.gguf", "b/a-Q8_0-00002-of-00002.gguf")
    assert picked(wanted, "a-Q4_K_M.gguf", *reversed(parts)) == parts
    assert pick("o/n", offered("x.gguf", *parts), wanted).num_bytes == 5_000_000


def test_parts_that_the_repository_lacks_are_no_offer():
    assert offered("a-00001-of-00002.gguf") == []


def test_what_is_unclear_is_answered_with_what_there_is():
    with pytest.raises(WrongUse) as told:
        picked("", "a-q8_0.gguf", "b-q8_0.gguf")
    assert str(told.value) == (
        "o/n has several models, and not just one Q4_K_M; name one of these:\n  a-q8_0.gguf  1 MB\n  b-q8_0.gguf  2 MB"
    )
    with pytest.raises(WrongUse, match=r"o/n has several models called q8_0; name one of these:\n"):
        picked("q8_0", "a-q8_0.gguf", "b-q8_0.gguf")
    with pytest.raises(WrongUse, match=r"o/n has no model called c\.gguf; name one of these"):
        picked("c.gguf", "a-q8_0.gguf", "b-q8_0.gguf")


def test_a_single_model_of_another_name_is_not_taken_for_the_one_that_was_asked_for():
    with pytest.raises(WrongUse, match=r"o/n has no model called b\.gguf; name one of these:\n  a\.gguf"):
        picked("b.gguf", "a.gguf")


def test_a_repository_without_models_is_told():
    with pytest.raises(WrongUse, match="o/n has no GGUF files"):
        picked("", "model.safetensors")
