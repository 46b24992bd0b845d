import pytest

from app.models.file_set import FileSet, file_sets


def test_a_file_is_a_model_and_its_parts_are_one():
    names = ["b.gguf", "README.md", "q8/a-00002-of-00002.gguf", "q8/a-00001-of-00002.gguf", "a.GGUF"]
    assert file_sets(names) == [
        FileSet("a", ("a.GGUF",), 1),
        FileSet("b", ("b.gguf",), 1),
        FileSet("q8/a", ("q8/a-00001-of-00002.gguf", "q8/a-00002-of-00002.gguf"), 2),
    ]


def test_the_same_name_cut_otherwise_is_another_model():
    names = ["a-00001-of-00001.gguf", "a-00001-of-00002.gguf", "a-00002-of-00002.gguf"]
    assert [(each.name, each.num_parts, each.problem) for each in file_sets(names)] == [("a", 1, ""), ("a", 2, "")]


def test_missing_parts_are_counted():
    (files,) = file_sets(["a-00003-of-00003.gguf"])
    assert files.problem == "a is incomplete: 2 of its 3 parts are missing. Download it again."


@pytest.mark.parametrize("name", ["a-00000-of-00002.gguf", "a-00003-of-00002.gguf", "a-1-of-2.gguf"])
def test_a_name_that_only_looks_like_a_part_is_a_model_of_its_own(name: str):
    assert file_sets([name]) == [FileSet(name.removesuffix(".gguf"), (name,), 1)]


@pytest.mark.parametrize("name", ["mmproj-F16.gguf", "llava-mmproj-f16.gguf", "x/model.MMPROJ-Q8_0.gguf"])
def test_projectors_for_images_are_no_models(name: str):
    assert file_sets([name]) == []
    assert file_sets(["mmproj/a.gguf"]), "the folder's name says nothing"
