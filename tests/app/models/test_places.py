from pathlib import Path

import pytest

from app.models.places import Layout, Place, Source, find_places, hub_cache

HOME = Path("/home/ines")


def folders(source: Source, platform: str = "linux", **environment: str) -> list[Path]:
    places = find_places(environment, HOME, platform)
    return list(dict.fromkeys(place.folder for place in places if place.source is source))


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {}, HOME / ".cache/llama.cpp"),
        ("linux", {"XDG_CACHE_HOME": "/fast/cache"}, Path("/fast/cache/llama.cpp")),
        ("darwin", {}, HOME / "Library/Caches/llama.cpp"),
        ("win32", {"LOCALAPPDATA": "/c/Local"}, Path("/c/Local/llama.cpp")),
        ("linux", {"LLAMA_CACHE": "/models"}, Path("/models")),
    ],
)
def test_the_cache_of_llama_cpp(platform: str, environment: dict[str, str], folder: Path):
    assert folders(Source.LLAMA_CPP, platform, **environment) == [folder]


def test_the_cache_of_llama_cpp_may_be_laid_out_like_the_hubs():
    places = find_places({"LLAMA_CACHE": "/models"}, HOME, "linux")
    layouts = {place.layout for place in places if place.source is Source.LLAMA_CPP}
    assert layouts == {Layout.FOLDER, Layout.HUB}


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({}, HOME / ".cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/c"}, Path("/c/huggingface/hub")),
        ({"HF_HOME": "~/hf", "XDG_CACHE_HOME": "/c"}, HOME / "hf/hub"),
        ({"HUGGINGFACE_HUB_CACHE": "/hub", "HF_HOME": "/hf"}, Path("/hub")),
        ({"HF_HUB_CACHE": "/newer", "HUGGINGFACE_HUB_CACHE": "/hub"}, Path("/newer")),
    ],
)
def test_the_cache_of_the_hub(environment: dict[str, str], folder: Path):
    assert hub_cache(environment, HOME) == folder
    assert folders(Source.HUGGING_FACE, **environment) == [folder]


def test_ollama_has_a_folder_for_users_and_one_for_its_service():
    assert folders(Source.OLLAMA) == [HOME / ".ollama/models", Path("/usr/share/ollama/.ollama/models")]
    assert folders(Source.OLLAMA, "darwin") == [HOME / ".ollama/models"]
    assert folders(Source.OLLAMA, OLLAMA_MODELS="/big/ollama") == [Path("/big/ollama")]


def test_lm_studio_is_asked_where_its_models_are():
    assert Place(Source.LM_STUDIO, HOME, Layout.LM_STUDIO) in find_places({}, HOME, "win32")
