"""Models as other programs keep them, and files that only look like models."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import gguf
import pytest

from app.locations import Locations
from app.models.discovery import list_models, model_at
from app.models.listed import ListedModel, name_of
from app.models.places import Source, find_places
from tests.app.models.gguf_files import put_header, put_model

pytestmark = pytest.mark.usefixtures("no_starters")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "user"


@pytest.fixture
def places(locations: Locations, home: Path) -> Locations:
    """With the places of all programs, below a home of one's own."""
    environment = {"OLLAMA_MODELS": str(home / ".ollama/models")}
    return replace(locations, model_places=find_places(environment, home, "linux"))


def names(places: Locations) -> list[str]:
    return [model.name for model in list_models(places)]


def only(places: Locations) -> ListedModel:
    (model,) = list_models(places)
    return model


def put_in_hub(home: Path, repository: str, file: str, *, commit: str = COMMIT, is_newest: bool = True) -> Path:
    """As hf_hub_download leaves it: a link in the snapshot, to a blob; where the link is."""
    folder = home / ".cache/huggingface/hub" / f"models--{repository.replace('/', '--')}"
    blob = put_model(folder / "blobs" / hashlib.sha256(f"{commit}/{file}".encode()).hexdigest())
    link = folder / "snapshots" / commit / file
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    if is_newest:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs/main").write_text(commit)
    return link


def put_in_ollama(home: Path, manifest: str, digest: str = "a" * 64) -> Path:
    folder = home / ".ollama/models"
    blob = put_model(folder / "blobs" / f"sha256-{digest}")
    path = folder / "manifests" / manifest
    path.parent.mkdir(parents=True, exist_ok=True)
    layers = [
        {"mediaType": "application/vnd.ollama.image.license", "digest": f"sha256:{'b' * 64}", "size": 4},
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}", "size": 4},
    ]
    path.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    return blob


def test_where_no_program_keeps_models_there_are_none(places: Locations):
    assert list_models(places) == []


# --- what other programs have


def test_a_file_in_the_cache_of_llama_cpp(places: Locations, home: Path):
    path = put_model(home / ".cache/llama.cpp/ggml-org_gemma_gemma-3.gguf")
    (path.parent / "gemma.gguf.etag").write_text("x")
    model = only(places)
    assert (model.name, model.path, model.source) == ("ggml-org_gemma_gemma-3", path, Source.LLAMA_CPP)
    assert (model.num_bytes, model.problem, model.is_embedding) == (path.stat().st_size, "", False)


def test_a_repository_in_the_cache_of_the_hub(places: Locations, home: Path):
    path = put_in_hub(home, "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q4_k_m.gguf")
    model = only(places)
    assert (model.name, model.source) == ("qwen2.5-0.5b-instruct-q4_k_m", Source.HUGGING_FACE)
    assert model.path == path, "not the blob: the parts of a model are found by their names"
    assert "Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m" in model.aliases


def test_a_file_whose_name_says_nothing_is_called_after_its_repository(places: Locations, home: Path):
    put_in_hub(home, "TinyLlama/TinyLlama-1.1B-Chat-GGUF", "ggml-model-q4_0.gguf")
    assert names(places) == ["TinyLlama-1.1B-Chat-GGUF/ggml-model-q4_0"]


def test_of_several_commits_the_newest_has_the_file(places: Locations, home: Path):
    put_in_hub(home, "o/llama", "llama.gguf", is_newest=False)
    newest = put_in_hub(home, "o/llama", "llama.gguf", commit="f" * 40)
    older = put_in_hub(home, "o/llama", "llama-old.gguf", is_newest=False)
    assert [model.path for model in list_models(places)] == [newest, older]


def test_newer_versions_of_llama_cpp_lay_their_cache_out_like_the_hub(locations: Locations, home: Path):
    put_in_hub(home, "o/llama", "llama.gguf", is_newest=False)
    put_in_hub(home, "o/llama", "llama.gguf", commit="f" * 40)
    cache = home / ".cache/huggingface/hub"
    places = replace(locations, model_places=find_places({"LLAMA_CACHE": str(cache)}, home, "linux"))
    assert (only(places).name, only(places).source) == ("llama", Source.LLAMA_CPP)


def test_a_model_of_lm_studio(places: Locations, home: Path):
    path = put_model(home / ".lmstudio/models/infra-ai/ocelot-v1/ocelot-v1-instruct-q4_0.gguf")
    assert (only(places).name, only(places).path, only(places).source) == (path.stem, path, Source.LM_STUDIO)


def test_lm_studio_may_have_moved(places: Locations, home: Path, tmp_path: Path):
    put_model(home / ".cache/lm-studio/models/o/n/earlier.gguf")
    (home / ".lmstudio-home-pointer").write_text(f"{tmp_path / 'moved'}\n")
    put_model(tmp_path / "disk/o/n/n-elsewhere.gguf")
    (tmp_path / "moved").mkdir()
    settings = tmp_path / "moved/settings.json"
    settings.write_text(json.dumps({"downloadsFolder": str(tmp_path / "disk")}))
    assert names(places) == ["n-elsewhere", "earlier"]
    for nonsense in ("[" * 100_000, "[]", '{"downloadsFolder": 5}', '{"downloadsFolder": "\\u0000"}', "\0"):
        settings.write_text(nonsense)
        assert names(places) == ["earlier"]


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ("registry.ollama.ai/library/llama3.2/3b", "llama3.2:3b"),
        ("registry.ollama.ai/ines/mine/latest", "ines/mine:latest"),
        ("hf.co/bartowski/Llama-3.2-GGUF/Q4_K_M", "hf.co/bartowski/Llama-3.2-GGUF:Q4_K_M"),
    ],
)
def test_a_model_of_ollama(places: Locations, home: Path, manifest: str, name: str):
    blob = put_in_ollama(home, manifest)
    assert (only(places).name, only(places).path, only(places).source) == (name, blob, Source.OLLAMA)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[1, null]",
        b'{"layers": 5}',
        b'{"layers": [5, {"mediaType": "application/vnd.ollama.image.model"}]}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../../secret"}]}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": ["sha256"]}]}',
    ],
)
def test_a_manifest_that_is_none_is_no_model(places: Locations, home: Path, manifest: bytes):
    put_in_ollama(home, "registry.ollama.ai/library/good/1b")
    put_model(home / ".ollama/secret")
    path = home / ".ollama/models/manifests/registry.ollama.ai/library/bad/1b"
    path.parent.mkdir(parents=True)
    path.write_bytes(manifest)
    assert names(places) == ["good:1b"]


def test_a_manifest_that_is_far_too_large_is_not_read(places: Locations, home: Path):
    put_in_ollama(home, "registry.ollama.ai/library/llama/1b")
    manifest = home / ".ollama/models/manifests/registry.ollama.ai/library/llama/1b"
    manifest.write_text(" " * (1 << 20) + manifest.read_text())
    assert list_models(places) == []


def test_a_manifest_without_its_file_is_no_model(places: Locations, home: Path):
    put_in_ollama(home, "registry.ollama.ai/library/llama/1b").unlink()
    assert list_models(places) == []


# --- files that are one model, or none


def test_the_parts_of_a_model_are_one(places: Locations, home: Path):
    first = put_in_hub(home, "o/big-GGUF", "Q8_0/big-q8_0-00001-of-00002.gguf")
    put_in_hub(home, "o/big-GGUF", "Q8_0/big-q8_0-00002-of-00002.gguf")
    model = only(places)
    assert (model.name, model.path, model.num_bytes) == ("big-q8_0", first, 2 * first.stat().st_size)


def test_a_first_part_without_weights_is_a_model(places: Locations):
    folder = places.models_dir
    put_header(folder / "big-00001-of-00002.gguf", llama__block_count=1, split__count=2)
    put_model(folder / "big-00002-of-00002.gguf")
    assert (only(places).name, only(places).problem) == ("big", "")


def test_a_model_whose_parts_are_not_all_there_is_listed_as_unusable(places: Locations):
    put_model(places.models_dir / "big-00002-of-00003.gguf")
    assert only(places).problem == "big is incomplete: 2 of its 3 parts are missing. Download it again."
    assert only(places).header is None


def test_what_is_no_model_of_its_own_is_left_out(places: Locations):
    folder = places.models_dir
    put_model(folder / "mmproj-model-f16.gguf")
    put_header(folder / "images.gguf", architecture="clip", split__count=2)
    put_header(folder / "images2.gguf", general__type="mmproj", split__count=2)
    put_header(folder / "lora.gguf", general__type="adapter", split__count=2)
    put_header(folder / "vocab-only.gguf", llama__block_count=1)
    put_model(folder / "._model.gguf")
    put_model(folder / "model.gguf.part")
    put_model(folder / "model.gguf")
    assert names(places) == ["model"]


def test_an_embedding_model_is_told_apart(places: Locations):
    put_model(places.models_dir / "embed.gguf", pooling=gguf.PoolingType.MEAN)
    assert only(places).is_embedding


# --- one file, one line; one name, one model


def test_a_file_with_two_names_is_listed_once_and_ours_is_the_first(places: Locations, home: Path):
    path = put_in_hub(home, "o/llama", "llama.gguf")
    cache = home / ".cache/llama.cpp"
    cache.mkdir(parents=True)
    (cache / "linked.gguf").hardlink_to(path.resolve())
    assert names(places) == ["linked"]
    places.models_dir.mkdir(parents=True)
    (places.models_dir / "mine.gguf").symlink_to(path)
    assert [(model.name, model.source) for model in list_models(places)] == [("mine", Source.OWN)]


def test_a_file_is_called_in_the_list_whatever_its_own_name_is(places: Locations, home: Path, tmp_path: Path):
    blob = put_in_ollama(home, "registry.ollama.ai/library/llama3.2/3b")
    elsewhere = put_model(tmp_path / "elsewhere.gguf")
    listed = list_models(places)
    assert (name_of(blob, listed), name_of(elsewhere, listed)) == ("llama3.2:3b", "elsewhere")


def test_two_files_of_one_name_are_told_apart(places: Locations, home: Path):
    put_model(places.models_dir / "llama.gguf")
    put_in_hub(home, "one/llama", "llama.gguf")
    put_in_hub(home, "two/llama", "llama.gguf", commit="f" * 40)
    other = put_model(home / ".cache/llama.cpp/llama.gguf")
    assert names(places) == ["llama", str(other), "llama/llama", "two/llama/llama"]


# --- what nobody can read


def test_links_that_lead_nowhere_or_around_are_passed_by(places: Locations, home: Path):
    put_in_hub(home, "o/llama", "gone.gguf").resolve().unlink()
    folder = home / ".cache/llama.cpp"
    put_model(folder / "llama.gguf")
    (folder / "around.gguf").symlink_to("around.gguf")
    (folder / "up").symlink_to(folder)
    (folder / "folder.gguf").mkdir()
    assert names(places) == ["llama"]


@pytest.mark.parametrize("data", [b"", b"GGUF", b"Dear Ines,", b"GGUF\x03\0\0\0" + b"\xff" * 64])
def test_a_file_that_is_no_model_is_listed_with_what_is_wrong(places: Locations, data: bytes):
    places.models_dir.mkdir(parents=True)
    path = places.models_dir / "bad.gguf"
    path.write_bytes(data)
    assert only(places).problem.startswith((str(path), "cannot read"))
    assert model_at(path).problem == only(places).problem
