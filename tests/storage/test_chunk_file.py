import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import chunk_file, chunk_reading
from storage.chunk_format import MAX_NUM_BYTES, encode
from storage.errors import ChunkFileInvalid
from storage.values import ChunkState

MakeState = Callable[..., ChunkState]
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and signals")


@pytest.fixture
def no_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def temporary_name(pid: int) -> str:
    return f".aa.kv.{pid}.0123456789abcdef.tmp"


def test_what_is_written_is_read_back_into_writable_memory(tmp_path: Path, make_state: MakeState):
    state = make_state()
    chunk_file.write(tmp_path / "a" / "b.kv", state)
    read = chunk_file.read(tmp_path / "a" / "b.kv", state.key)
    assert read == state
    assert isinstance(read.blob, memoryview)
    assert not read.blob.readonly


def test_a_second_write_replaces_the_file_and_leaves_open_ones_alone(tmp_path: Path, make_state: MakeState):
    path = tmp_path / "b.kv"
    chunk_file.write(path, make_state(blob=b"first"))
    with path.open("rb") as opened_before:
        chunk_file.write(path, make_state(blob=b"second"))
        assert b"first" in opened_before.read()
    assert bytes(chunk_file.read(path, make_state().key).blob) == b"second"


@posix
@pytest.mark.usefixtures("no_umask")
def test_files_and_new_folders_are_private_whatever_the_umask(tmp_path: Path, make_state: MakeState):
    tmp_path.chmod(0o755)
    path = tmp_path / "kv" / "ff" / "b.kv"
    chunk_file.write(path, make_state())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(p.stat().st_mode) for p in (path.parent, path.parent.parent)] == [0o700, 0o700]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755, "folders that were there keep their mode"


@pytest.mark.parametrize("function", ["fsync", "fdopen", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
    make_state: MakeState,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    error: BaseException,
):
    path = tmp_path / "b.kv"
    chunk_file.write(path, make_state(blob=b"old"))

    def fail(*arguments: object) -> None:
        if function == "fdopen":
            os.close(arguments[0])  # type: ignore[arg-type]
        raise error

    where, name = (Path, "replace") if function == "replace" else (os, function)
    with monkeypatch.context() as patched:
        patched.setattr(where, name, fail)
        with pytest.raises(type(error)):
            chunk_file.write(path, make_state(blob=b"new"))
    assert names(tmp_path) == ["b.kv"]
    assert bytes(chunk_file.read(path, make_state().key).blob) == b"old"


def test_a_write_that_stops_half_way_leaves_nothing(
    tmp_path: Path, make_state: MakeState, monkeypatch: pytest.MonkeyPatch
):
    def half(state: ChunkState) -> Iterator[bytes]:
        yield encode(state)[0]
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(chunk_file, "encode", half)
    with pytest.raises(OSError, match="Input/output"):
        chunk_file.write(tmp_path / "b.kv", make_state())
    assert names(tmp_path) == []


def test_the_file_is_synced_before_it_gets_its_name_and_the_folder_after(
    tmp_path: Path, make_state: MakeState, monkeypatch: pytest.MonkeyPatch
):
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> Path:
        events.append("rename")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    chunk_file.write(tmp_path / "b.kv", make_state())
    assert events == ["file", "rename", "folder"]


def test_an_invalid_state_touches_no_disk(tmp_path: Path, make_state: MakeState):
    with pytest.raises(ValueError, match="no bytes"):
        chunk_file.write(tmp_path / "a" / "b.kv", make_state(blob=b""))
    assert names(tmp_path) == []


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path, make_state: MakeState):
    with pytest.raises(FileNotFoundError):
        chunk_file.read(tmp_path / "b.kv", make_state().key)


def test_an_invalid_file_is_named_in_the_message(tmp_path: Path, make_state: MakeState):
    path = tmp_path / "b.kv"
    path.write_bytes(bytes(5000))
    with pytest.raises(ChunkFileInvalid, match=r"b\.kv: not a chunk file"):
        chunk_file.read(path, make_state().key)


@pytest.mark.parametrize("num_bytes", [0, 100, MAX_NUM_BYTES + 1])
def test_an_absurd_size_is_refused_before_memory_is_asked_for(
    tmp_path: Path, make_state: MakeState, monkeypatch: pytest.MonkeyPatch, num_bytes: int
):
    monkeypatch.setattr(chunk_reading, "bytearray", lambda _: pytest.fail("memory was asked for"), raising=False)
    path = tmp_path / "b.kv"
    path.touch()
    os.truncate(path, num_bytes)  # sparse
    with pytest.raises(ChunkFileInvalid, match=f"the file has {num_bytes}"):
        chunk_file.read(path, make_state().key)


@posix
def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(tmp_path: Path, make_state: MakeState):
    path = tmp_path / "state.kv"
    os.mkfifo(path)
    chunk_file.check_is_ours(path)
    with pytest.raises(ChunkFileInvalid, match="not a regular file"):
        chunk_file.read(path, make_state().key)


def test_removing_twice_is_harmless(tmp_path: Path, make_state: MakeState):
    chunk_file.write(tmp_path / "b.kv", make_state())
    chunk_file.remove(tmp_path / "b.kv")
    chunk_file.remove(tmp_path / "b.kv")
    assert names(tmp_path) == []


@posix
def test_temporaries_of_dead_writers_go_and_those_of_living_ones_stay(tmp_path: Path, dead_pid: int):
    folder = tmp_path / "ff" / "aa"
    folder.mkdir(parents=True)
    dead, living = folder / temporary_name(dead_pid), folder / temporary_name(os.getpid())
    somebody_elses = folder / ".notes.tmp"
    for path in (dead, living, somebody_elses):
        path.touch()
    assert list(chunk_file.stray_temporaries(tmp_path)) == [dead]
    assert chunk_file.remove_stray(tmp_path) == 1
    assert sorted(folder.iterdir()) == sorted([living, somebody_elses])


def test_a_temporary_older_than_an_hour_goes_whoever_has_its_process_id_now(tmp_path: Path):
    path = tmp_path / temporary_name(os.getpid())
    path.touch()
    os.utime(path, (path.stat().st_mtime - 3700,) * 2)
    assert chunk_file.remove_stray(tmp_path) == 1
    assert names(tmp_path) == []


def test_a_process_id_beyond_all_numbers_belongs_to_nobody(tmp_path: Path):
    (tmp_path / temporary_name(10**30)).touch()
    assert chunk_file.remove_stray(tmp_path) == (0 if os.name == "nt" else 1)


def test_a_root_that_does_not_exist_has_no_strays(tmp_path: Path):
    assert chunk_file.remove_stray(tmp_path / "none") == 0
