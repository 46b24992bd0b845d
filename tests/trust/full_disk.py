"""A disk that is full at every write there is: reading, vectors, steeping, conversations.

The system refuses to let any file grow beyond a limit (RLIMIT_FSIZE), which is raised step by step: each time something
else is the first that cannot be written. What comes of it is a StorageError that names the file and says what to do;
then nothing half-written is there, the doctor finds nothing, and the same work, with room again, comes to its end.
"""

import resource
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from app.library.actions import forget_folder
from app.wiring import Engine, Parts
from storage.errors import StorageError
from tests.trust.household import Household

_WAIT_SECONDS = 120


@contextmanager
def files_up_to(num_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def read(household: Household, parts: Parts, engine: Engine) -> None:
    household.read(parts, engine)


def embed(household: Household, parts: Parts, _engine: Engine) -> None:
    household.embed(parts)


def steep(household: Household, parts: Parts, engine: Engine) -> None:
    household.steep(parts, engine)


def converse(household: Household, parts: Parts, engine: Engine) -> None:
    household.converse(parts, engine)


def purge(household: Household, parts: Parts, _engine: Engine) -> None:
    """Erasing is writing, too."""
    forget_folder(parts, household.folder("comes-and-goes"))


STAGES: tuple[Callable[[Household, Parts, Engine], None], ...] = (read, embed, steep, converse, purge)


def run(folder: Path, limits: Sequence[int]) -> Counter[str]:
    """How often what could not be written, by stage and kind of file; AssertionError for anything unclear or left."""
    tally: Counter[str] = Counter()
    household = Household.furnish(folder)
    for stage in STAGES:
        fresh = shutil.copytree(household.home, folder / f"before-{stage.__name__}")
        for limit in limits:
            told = _until_full(household, stage, limit)
            tally[f"{stage.__name__}: {_kind(told)}"] += 1
            where = f"{stage.__name__} where files end at {limit}"
            assert list(household.home.rglob("*.tmp")) == [], where
            assert household.check() == [], where
            with household.engine() as (parts, engine):
                for each in STAGES[:-1]:
                    each(household, parts, engine)
                assert parts.index.backlog(engine.fingerprint).num_chunks == 0, where
            household.repair(in_flight=False)
            assert household.check(in_flight=False) == [], where
            shutil.rmtree(household.home)
            shutil.copytree(fresh, household.home)
        with household.engine() as (parts, engine):
            stage(household, parts, engine)
    return tally


def _until_full(household: Household, stage: Callable[[Household, Parts, Engine], None], limit: int) -> str:
    process, hears = household.start(_work_until_full, stage, limit)
    where = f"{stage.__name__} where files end at {limit}"
    assert hears.poll(_WAIT_SECONDS), f"it hangs: {where}"
    try:
        told = hears.recv()
    except EOFError:
        process.join()
        raise AssertionError(f"it ended with {process.exitcode}: {where}") from None
    process.join()
    return told


def _kind(told: str) -> str:
    """Which file was named, by the words of the message."""
    if not told:
        return "nothing"
    for kind in ("index", "chunk state", "vectors"):
        if f"The {kind} " in told:
            assert "cannot be " in told, told
            assert "free space" in told or "disk is full" in told or "Check that" in told, told
            return kind
    raise AssertionError(told)


def _work_until_full(
    household: Household, told: Connection, stage: Callable[[Household, Parts, Engine], None], limit: int
) -> None:
    with household.engine() as (parts, engine):
        try:
            with files_up_to(limit):
                stage(household, parts, engine)
        except StorageError as error:
            told.send(str(error))
        else:
            told.send("")


# --- steeping in the background


def steep_with_a_pause(household: Household, told: Connection) -> None:
    """`app.steeper` meets a disk that is full, and later has room again; says what it told, and what was left."""
    import threading

    from app import steeper as steeper_module
    from app.steeper import ChunkSteeped, Steeper, SteeperEvent, SteepingTrouble

    steeper_module._RETRY_SECONDS = 0.2
    with household.engine() as (parts, engine):
        household.read(parts, engine)
        num_chunks = parts.index.backlog(engine.fingerprint).num_chunks
        troubled, steeped = threading.Event(), threading.Semaphore(0)
        troubles: list[str] = []

        def tell(event: SteeperEvent) -> None:
            if isinstance(event, SteepingTrouble):
                troubles.append(event.reason)
                troubled.set()
            if isinstance(event, ChunkSteeped):
                steeped.release()

        with files_up_to(5000):
            steeper = Steeper(parts.locations, parts.settings, engine, tell)
            assert troubled.wait(_WAIT_SECONDS)
            leftovers = [path.name for path in parts.locations.states_dir.rglob("*") if path.is_file()]
        with steeper:
            for _ in range(num_chunks):
                assert steeped.acquire(timeout=_WAIT_SECONDS)
        told.send((troubles[0], leftovers, parts.index.backlog(engine.fingerprint).num_chunks))
