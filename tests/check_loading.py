"""How soon chunk states are there, with the engine and the storage alone, for machines that have xxhash and numpy, but
none of the app's packages: `python -m tests.check_loading FOLDER [options]`.

Writes states into FOLDER, reads them from the system's cache of files (--cold: from the disk) with the engine's loader
threads, while a consumer takes --place-ms for each, and prints medians: milliseconds until the first state was there,
until the last, until all were placed; and gigabytes per second, until the last byte was read and checked. The files
stay for the next run. --pinned: into memory that the GPU copies from, which needs the native library.
"""

import argparse
import os
import struct
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from engine.buffers import NewBuffer, pageable
from engine.kv_layout import KvLayout, RowLayout
from engine.load_plan import ChunkToPlace, Work
from engine.loader import Loader
from engine.rates import Speeds
from storage import chunk_file, chunk_reading
from storage.content_key import state_key
from storage.state_file import StateFile
from storage.values import ChunkState

_NUM_TOKENS = 512
_NUM_LAYERS = 36
_FINGERPRINT = "5e" * 16


class _Times(NamedTuple):
    first_ms: float
    last_ms: float
    placed_ms: float
    gb_per_s: float


def main() -> None:
    options = _parsed()
    chunk_reading.PIECE_BYTES = int(options.piece_mib * (1 << 20))
    layout = _layout(int(options.mb * 1e6))
    files = [_file(options.folder, layout, number) for number in range(options.states)]
    print(f"{len(files)} states of {files[0].num_bytes / 1e6:.1f} MB, placed in {options.place_ms} ms each")
    print("threads  first ms  last ms  placed ms   GB/s")
    for num_threads in options.threads:
        with Loader(layout, Speeds(), num_threads, _new_buffer(pinned=options.pinned)) as loader:
            rounds = [_timed(loader, files, options) for _ in range(options.rounds + 1)][1:]
        first, last, placed, speed = (median(values) for values in zip(*rounds, strict=True))
        print(f"{num_threads:7}  {first:8.2f}  {last:7.2f}  {placed:9.2f}  {speed:5.2f}", flush=True)


def _timed(loader: Loader, files: list[StateFile], options: argparse.Namespace) -> _Times:
    if options.cold:
        for file in files:
            _drop(file.path)
    parts = [ChunkToPlace(i * _NUM_TOKENS, _NUM_TOKENS, file.num_bytes) for i, file in enumerate(files)]
    loader.speeds = Speeds()
    there = list[float]()
    began = time.perf_counter()
    with loader.load(parts, files, Work(0.0), lambda: None, may_choose=False) as loading:
        for file in files:
            state = loading.next_state()
            there.append(time.perf_counter())
            assert state is not None, f"{file.path} was not read"
            time.sleep(options.place_ms / 1e3)
            loading.placed()
        placed = time.perf_counter()
    speed = loader.speeds.reading.bytes_per_s
    assert speed is not None, "too few bytes for a measurement: more --mb"
    return _Times((there[0] - began) * 1e3, (there[-1] - began) * 1e3, (placed - began) * 1e3, speed / 1e9)


def _layout(num_bytes: int) -> KvLayout:
    """One whose states take about so many bytes."""
    rows = (RowLayout(1, max(1, num_bytes // (2 * _NUM_LAYERS * _NUM_TOKENS))),) * _NUM_LAYERS
    return KvLayout(rows, rows)


def _file(folder: Path, layout: KvLayout, number: int) -> StateFile:
    """Written unless an earlier run did."""
    token_ids = tuple(range(number, number + _NUM_TOKENS))
    key = state_key(_FINGERPRINT, 0, token_ids)
    path = folder / f"{layout.bytes_per_token}-{number}.kv"
    if not path.exists():
        chunk_file.write(path, ChunkState(key, token_ids, _blob(layout)))
    return StateFile(path, key, token_ids, path.stat().st_size)


def _blob(layout: KvLayout) -> bytes:
    """A state of random rows, as `engine.kv_layout` has it."""
    parts = [struct.pack("<IiII", 0xAF143CD8, 0, 1, _NUM_TOKENS)]
    parts += [struct.pack("<iIi", position, 1, 0) for position in range(_NUM_TOKENS)]
    parts.append(struct.pack("<II", 0, layout.num_layers))
    for rows in (*layout.k_rows, *layout.v_rows):
        parts += [struct.pack("<iQ", rows.type, rows.row_bytes), os.urandom(rows.row_bytes * _NUM_TOKENS)]
    return b"".join(parts)


def _drop(path: Path) -> None:
    """From the system's cache of files, where that is possible."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _new_buffer(*, pinned: bool) -> NewBuffer:
    if not pinned:
        return pageable
    from engine import bindings, pinned_memory

    gpu = bindings.gpu()
    assert gpu is not None, "--pinned: there is no GPU"
    return pinned_memory.pinned(gpu)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--states", type=int, default=6)
    parser.add_argument("--mb", type=float, default=36)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--place-ms", type=float, default=2.2)
    parser.add_argument("--piece-mib", type=float, default=chunk_reading.PIECE_BYTES / (1 << 20))
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--pinned", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
