"""`steep models`: what is on this machine, and what is brought to it."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.models.gguf_files import put_header, put_model
from tests.app.models.hub_server import HubServer, hub_server
from tests.app.program import Program, interrupt, wait_until, without_privileges

_NO_PROXY = {"NO_PROXY": "127.0.0.1"}


@pytest.fixture
def hub(tiny_model: Path) -> Iterator[HubServer]:
    with hub_server({"tiny-Q4_K_M.gguf": tiny_model.read_bytes(), "tiny-Q8_0.gguf": b"GGUF"}) as served:
        yield served


@pytest.fixture
def online(hub: HubServer) -> dict[str, str]:
    pytest.importorskip("huggingface_hub", reason="an optional dependency: pip install 'steep[download]'")
    return {"HF_ENDPOINT": hub.address, **_NO_PROXY}


def listed(program: Program, **options: Any) -> list[str]:
    """The lines of the list, without the starter models that may be installed here."""
    lines = program.run("models", **options).stdout.splitlines()
    return [line for line in lines if not line.endswith("ready to be joined from its parts")]


def test_models_of_all_programs_are_listed_with_what_they_are(program: Program):
    user = program.home / "user"
    put_model(user / ".cache/llama.cpp/tiny-0.1B-Q8_0.gguf")
    put_model(user / ".lmstudio/models/o/n/n-00001-of-00002.gguf")
    put_header(program.home / "data/models/mamba.gguf", architecture="mamba", split__count=2)
    head, *lines = listed(program)
    assert head.split() == ["name", "from", "size", "model", "context", "KV/token", "memory"]
    assert [" ".join(line.split()) for line in lines] == [
        "mamba steep 0 MB mamba fits exact only: it has recurrent memory",
        "tiny-0.1B-Q8_0 llama.cpp 0 MB llama 0.1B Q8_0 4,096 0.1 kB fits can be blended",
        "n LM Studio 0 MB fits unusable: o/n/n is incomplete: 1 of its 2 parts are missing. Download it again.",
    ]
    names = [model["name"] for model in program.json("models")["models"] if model["architecture"] or model["reason"]]
    assert names == ["mamba", "tiny-0.1B-Q8_0", "n"]


def test_listing_models_makes_no_folders(program: Program):
    program.json("models")
    assert not program.home.exists()


@pytest.mark.skipif(os.name == "nt", reason="rights are kept otherwise there")
def test_models_that_may_not_be_read_are_passed_by_or_named(program: Program):
    folder = program.home / "user/.cache/llama.cpp"
    put_model(folder / "closed/a.gguf").parent.chmod(0)
    put_model(folder / "b.gguf").chmod(0)
    _, line = listed(program, before=without_privileges)
    assert "unusable: cannot read the model" in line
    (folder / "closed").chmod(0o700)


def test_a_downloaded_model_can_be_used_by_its_name(program: Program, hub: HubServer, online: dict[str, str]):
    done = program.run("models", "download", "o/n", **online)
    assert all(path.startswith("/o/n/") for _, path, _ in hub.asked), "nothing else is asked of the hub"
    assert "1 MB in " in done.stdout
    assert "Use it with: --model tiny-Q4_K_M" in done.stderr
    models = {model["name"]: model for model in program.json("models")["models"]}
    assert models["tiny-Q4_K_M"]["source"] == "Hugging Face"
    (program.folder / "a.txt").write_text("The ferry leaves at seven.")
    program.run("add", ".")
    assert program.json("index", STEEP_MODEL="tiny-Q4_K_M")["steeped_chunks"] == 1


def test_a_download_is_reported_as_json(program: Program, online: dict[str, str], tiny_model: Path):
    done = program.json("models", "download", "o/n", "Q4_K_M", **online)
    assert done["name"] == "tiny-Q4_K_M"
    assert done["bytes"] == Path(done["path"]).stat().st_size == tiny_model.stat().st_size
    assert done["files"] == ["tiny-Q4_K_M.gguf"]


def test_an_interrupted_download_goes_on_where_it_was(program: Program, hub: HubServer, online: dict[str, str]):
    hub.breaks_after = [256 << 10]
    hub.pauses.set()
    blobs = program.home / "user/.cache/huggingface/hub/models--o--n/blobs"
    with program.started("models", "download", "o/n", **online) as process:
        wait_until(lambda: hub.ranges() and any(path.stat().st_size for path in blobs.glob("*.incomplete")), process)
        _, stderr = interrupt(process)
    assert (process.returncode, "Traceback" in stderr) == (130, False)
    hub.pauses.clear()
    (part,) = blobs.glob("*.incomplete")
    num_arrived = part.stat().st_size
    program.run("models", "download", "o/n", **online)
    assert hub.ranges() == ["", f"bytes={num_arrived}-"], hub.asked
    assert list(blobs.glob("*.incomplete")) == []


def test_a_repository_with_several_models_lists_them(program: Program, hub: HubServer, online: dict[str, str]):
    hub.files = {"a-q8_0.gguf": b"GGUF", "a-q2_k.gguf": b"GGU"}
    message = program.complaint("models", "download", "o/n", code=2, **online)
    assert "o/n has several models, and not just one Q4_K_M; name one of these: a-q2_k.gguf 0 MB a-q8_0" in message


def test_without_a_network_one_sentence_says_so(program: Program, online: dict[str, str]):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        online["HF_ENDPOINT"] = f"http://127.0.0.1:{free.getsockname()[1]}"
    message = program.complaint("models", "download", "o/n", code=1, **online)
    assert message.startswith(f"{online['HF_ENDPOINT']} cannot be reached: ")
    assert message.endswith("What has arrived is kept; try again later.")
    assert "HF_HUB_OFFLINE" in program.complaint("models", "download", "o/n", code=1, HF_HUB_OFFLINE="1", **online)


def test_without_the_optional_library_the_message_says_how_to_get_it(program: Program, tmp_path: Path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['huggingface_hub'] = None\n")
    path = f"{hidden}{os.pathsep}{Path(__file__).resolve().parents[2]}"
    message = program.complaint("models", "download", "o/n", code=1, PYTHONPATH=path)
    assert message == "downloading needs huggingface_hub: pip install 'steep[download]'"
