"""Downloads from a hub on this machine, with the real huggingface_hub."""

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", reason="an optional dependency: pip install 'steep[download]'")

from app.errors import AppError, DownloadFailed, DownloadStopped, WrongUse
from app.models import hub as hub_module
from app.models.hub import Hub
from app.models.repository import HubFile, Offer, offers
from tests.app.models.hub_server import COMMIT, HubServer, hub_server

MODEL = bytes(range(256)) * 4096 * 5
"""5 MB: many pieces."""


@pytest.fixture(autouse=True)
def no_proxy_and_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("app.models.transfer._PAUSE_SECONDS", 0)


@pytest.fixture
def server() -> Iterator[HubServer]:
    with hub_server({"a-q8_0.gguf": MODEL, "README.md": b"# A", "a.txt": b""}) as served:
        yield served


@pytest.fixture
def hub(server: HubServer, tmp_path: Path) -> Hub:
    return Hub(tmp_path / "hub", server.address)


def offer_of(hub: Hub) -> Offer:
    return offers(hub.files("o/n"))[0]


def parts_in(hub: Hub) -> list[Path]:
    return list((hub.cache / "models--o--n/blobs").glob("*.incomplete"))


def test_the_files_of_a_repository_come_with_their_sizes(hub: Hub):
    assert hub.files("o/n") == [HubFile("a-q8_0.gguf", len(MODEL)), HubFile("README.md", 3), HubFile("a.txt", 0)]


def test_a_model_goes_where_all_programs_look_for_it(hub: Hub, server: HubServer):
    from huggingface_hub import try_to_load_from_cache

    told: list[tuple[int, int]] = []
    path = hub.download("o/n", offer_of(hub), lambda done, total: told.append((done, total)))
    assert path == hub.cache / "models--o--n/snapshots" / COMMIT / "a-q8_0.gguf"
    assert path.read_bytes() == MODEL
    assert try_to_load_from_cache("o/n", "a-q8_0.gguf", cache_dir=hub.cache) == str(path)
    assert (hub.cache / "models--o--n/refs/main").read_text() == COMMIT
    assert parts_in(hub) == []
    assert (told == sorted(told), len(told) >= 5, told[-1]) == (True, True, (len(MODEL), len(MODEL)))


def test_a_model_that_is_there_is_not_downloaded_again(hub: Hub, server: HubServer):
    path = hub.download("o/n", offer_of(hub))
    assert hub.download("o/n", offer_of(hub)) == path
    assert len(server.ranges()) == 1


def test_a_line_that_breaks_is_continued_where_it_was(hub: Hub, server: HubServer):
    server.breaks_after = [2 << 20, 1 << 20]
    assert hub.download("o/n", offer_of(hub)).read_bytes() == MODEL
    assert server.ranges() == ["", f"bytes={2 << 20}-", f"bytes={3 << 20}-"]


def test_what_was_interrupted_goes_on_with_the_next_call(hub: Hub, server: HubServer):
    server.breaks_after = [2 << 20]
    stopped = threading.Event()

    def stop(num_done: int, num_total: int) -> None:
        if num_done >= 2 << 20:
            stopped.set()

    with pytest.raises(DownloadStopped, match="what has arrived is kept"):
        hub.download("o/n", offer_of(hub), stop, stopped)
    (part,) = parts_in(hub)
    assert part.stat().st_size == 2 << 20
    assert hub.download("o/n", offer_of(hub)).read_bytes() == MODEL
    assert server.ranges()[1:] == [f"bytes={2 << 20}-"]
    assert parts_in(hub) == []


def test_a_part_that_was_spoilt_is_noticed_and_thrown_away(hub: Hub, server: HubServer):
    offer = offer_of(hub)
    blob = hub.download("o/n", offer).resolve()
    part = blob.with_name(f"{blob.name}.steep.incomplete")
    part.write_bytes(b"spoilt")
    blob.unlink()
    with pytest.raises(DownloadFailed, match=r"a-q8_0\.gguf arrived damaged, and was thrown away"):
        hub.download("o/n", offer)
    assert hub.download("o/n", offer).read_bytes() == MODEL


def test_all_parts_of_a_model_are_downloaded(tmp_path: Path):
    names = [f"b/a-q8_0-0000{number}-of-00002.gguf" for number in (1, 2)]
    told: list[int] = []
    with hub_server({names[0]: MODEL, names[1]: MODEL[:1000]}) as server:
        hub = Hub(tmp_path, server.address)
        path = hub.download("o/n", offer_of(hub), lambda done, total: told.append(done))
    assert [(path.parent / Path(name).name).stat().st_size for name in names] == [len(MODEL), 1000]
    assert path.name == Path(names[0]).name
    assert (told == sorted(told), told[-1]) == (True, len(MODEL) + 1000)


def test_a_file_that_another_process_downloads_is_left_to_it(hub: Hub, server: HubServer):
    server.breaks_after = [1 << 20]
    server.pauses.set()
    arrived, failures = threading.Event(), list[AppError]()
    stopped, offer = threading.Event(), offer_of(hub)

    def first() -> None:
        try:
            hub.download("o/n", offer, lambda done, total: arrived.set(), stopped)
        except AppError as error:
            failures.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert arrived.wait(60)
    with pytest.raises(DownloadFailed, match="is being downloaded already"):
        hub.download("o/n", offer)
    stopped.set()
    server.pauses.clear()
    thread.join()
    assert [type(error) for error in failures] == [DownloadStopped]


def test_a_disk_without_room_is_told_before_anything_is_downloaded(
    hub: Hub, server: HubServer, monkeypatch: pytest.MonkeyPatch
):
    offer = offer_of(hub)
    usage = hub_module.shutil.disk_usage("/")._replace(free=2_000_000)
    monkeypatch.setattr(hub_module.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(DownloadFailed, match=r"needs 0\.0 GB more, and .*/blobs has room for 0\.0 GB"):
        hub.download("o/n", offer)
    assert server.ranges() == []


# --- hubs that do not answer, or say no


def test_a_hub_that_cannot_be_reached_is_named(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(DownloadFailed, match=rf"^{address} cannot be reached: .*Connection refused.*\. What has"):
        Hub(tmp_path, address).files("o/n")


def test_a_hub_that_vanishes_during_a_download_is_told_and_the_part_is_kept(hub: Hub, server: HubServer):
    offer = offer_of(hub)
    server.breaks_after = [1 << 20]

    def vanish(num_done: int, num_total: int) -> None:
        server.status = 503

    with pytest.raises(DownloadFailed, match=r"answered with HTTP status 503\. What has arrived is kept"):
        hub.download("o/n", offer, vanish)
    server.status = 200
    assert hub.download("o/n", offer).read_bytes() == MODEL
    assert server.ranges()[-1] == f"bytes={1 << 20}-"


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "RepoNotFound", "has no repository o/n that you may see"),
        (401, "RepoNotFound", "has no repository o/n that you may see"),
        (403, "GatedRepo", "o/n is given to those who accept its terms: do so at http://127.0.0.1:.*/o/n"),
        (500, "", "answered with HTTP status 500"),
    ],
)
def test_a_hub_that_says_no_is_understood(hub: Hub, server: HubServer, status: int, code: str, message: str):
    server.status, server.error_code = status, code
    with pytest.raises(DownloadFailed, match=message):
        hub.files("o/n")


@pytest.mark.parametrize("name", ["", "a/b/c", "../../etc", "o/n n"])
def test_a_name_that_is_none_is_wrong_use(hub: Hub, name: str):
    with pytest.raises(WrongUse, match="is no name of a repository; give OWNER/NAME"):
        hub.files(name)


def test_without_its_library_the_message_says_how_to_get_it(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DownloadFailed, match=r"pip install 'steep\[download\]'"):
        hub.files("o/n")


def test_nothing_is_written_to_the_screen(hub: Hub, server: HubServer, capfd: pytest.CaptureFixture[str]):
    server.breaks_after = [1 << 20]
    hub.download("o/n", offer_of(hub))
    assert capfd.readouterr() == ("", "")
