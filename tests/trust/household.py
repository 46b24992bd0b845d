"""A home with the tiny model, for harnesses that treat it badly: its jobs run in processes that can be killed.

Processes are forked from a server that has everything imported, so that a job begins within milliseconds; the model is
loaded in the process that needs it.
"""

import contextlib
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from app.blob_structure import describe
from app.formats.errors import UnreadableDocument
from app.formats.registry import ReadFile, read_file
from app.indexer import Indexer
from app.models.identity import model_identity
from app.prompt_chunks import context_chunks
from app.wiring import Engine, Parts, engine_of, open_parts
from storage import check
from storage.check import StoreCheck
from storage.findings import Finding
from storage.mend import StoreMender
from storage.vectors import VectorStore
from tests.fakes import MemoryShelf
from tests.tiny_model import write_tiny_model

NUM_CELLS = 1024
CHUNK_TOKENS = 64
_WORDS = ("captain", "ferry", "goat", "harbour", "herring", "island", "lighthouse", "morning", "pier", "seven", "uncle")
_NUM_DOCUMENTS = 6

_MOST_ROUNDS = 4
"""A repair may bring out another finding."""

_contexts = multiprocessing.get_context("forkserver")
_contexts.set_forkserver_preload(["engine.bindings", "app.shelf", "engine.runtime", "tests.trust.household"])


class InProcessReader:
    """Stands in for `app.reader.DocumentReader`: a process of its own for each document would be what is killed."""

    def submit(self, path: Path) -> Future[ReadFile]:
        read: Future[ReadFile] = Future()
        try:
            read.set_result(read_file(path))
        except UnreadableDocument as error:
            read.set_exception(error)
        return read


Tell = Callable[[tuple[str, int]], None]
"""Hears of a chunk that has its state: of which fingerprint, and its number."""


@dataclass(frozen=True)
class Household:
    """`home` is STEEP_HOME; documents lie in two folders beside it."""

    home: Path
    model: Path

    @staticmethod
    def furnish(folder: Path) -> "Household":
        """A new one: two folders are watched, nothing is read yet."""
        household = Household(folder / "home", write_tiny_model(folder / "tiny.gguf"))
        for name in ("stays", "comes-and-goes"):
            (household.folder(name)).mkdir(parents=True)
            household.write_documents(name, random.Random(name))
        with household.parts() as parts:
            household.watch(parts)
        return household

    def folder(self, name: str) -> Path:
        return (self.home.parent / "documents" / name).resolve()

    def write_documents(self, name: str, jitter: random.Random) -> None:
        """Write some of a folder's documents anew; some of their paragraphs are those of others."""
        for number in range(_NUM_DOCUMENTS):
            path = self.folder(name) / f"{number}.txt"
            if jitter.random() < 0.7 or not path.exists():
                paragraphs = (" ".join(jitter.choices(_WORDS, k=jitter.randint(4, 14))) for _ in range(4))
                path.write_text("\n\n".join([*paragraphs, f"The same in all, {number % 3}."]) + "\n")
            elif jitter.random() < 0.3:
                path.unlink()

    @contextlib.contextmanager
    def parts(self, **settings: Any) -> Iterator[Parts]:
        ours = {
            "STEEP_HOME": str(self.home),
            "STEEP_MODEL": str(self.model),
            "STEEP_THREADS": "1",
            "STEEP_GATE": "false",
            "STEEP_CHUNK_TOKENS": str(CHUNK_TOKENS),
            "HOME": str(self.home / "user"),
        }
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            with open_parts(settings, for_engine=True) as parts:
                yield parts
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value

    @contextlib.contextmanager
    def engine(self) -> Iterator[tuple[Parts, Engine]]:
        with self.parts() as parts, engine_of(parts, self.model, NUM_CELLS) as engine:
            yield parts, engine

    # --- work

    def watch(self, parts: Parts) -> None:
        """Both folders, whatever a kill has left."""
        watched = {folder.path for folder in parts.index.folders()}
        for name in ("stays", "comes-and-goes"):
            if self.folder(name) not in watched:
                parts.index.add_folder(self.folder(name))

    def read_and_steep(self, parts: Parts, engine: Engine, tell: Tell = lambda _: None) -> None:
        """What `steep index` does; `tell` hears of each chunk that has its state."""
        self.read(parts, engine)
        self.steep(parts, engine, tell)

    def read(self, parts: Parts, engine: Engine) -> None:
        self.watch(parts)
        reader: Any = InProcessReader()
        count = engine.ready.frame.vocabulary.count
        indexer = Indexer(parts.index, parts.store, reader, count, CHUNK_TOKENS)
        for _ in indexer.sweep():
            pass
        indexer.compact()

    def steep(self, parts: Parts, engine: Engine, tell: Tell = lambda _: None) -> None:
        from engine.requests import Steeped, SteepRequest

        for first_position, fingerprint in engine.fingerprints.items():
            chunks = context_chunks(engine.ready.frame, parts.index.chunks_without_state(fingerprint))
            for event in engine.runtime.steep(SteepRequest(chunks, first_position)):
                if isinstance(event, Steeped):
                    tell((fingerprint, event.chunk_id))

    def embed(self, parts: Parts) -> None:
        """Vectors of no meaning for all texts."""
        vectors = VectorStore(parts.locations.vectors_dir, parts.index, "e" * 32)
        while missing := vectors.missing(8):
            directions = np.random.default_rng(len(missing)).standard_normal((len(missing), 64)).astype(np.float32)
            length = np.linalg.norm(directions, axis=1, keepdims=True)
            vectors.put([text.digest for text in missing], directions / length)

    def converse(self, parts: Parts, engine: Engine) -> None:
        """A turn over some chunks, and its memory put away."""
        from engine.requests import AnswerRequest, TurnRequest

        chunks = context_chunks(engine.ready.frame, parts.index.first_chunks(2))
        conversation = parts.index.start_conversation("Who?")
        request = AnswerRequest("Who is the captain?", chunks, max_answer_tokens=4)
        list(engine.runtime.converse(TurnRequest(request, conversation.id, 0)))
        list(engine.runtime.keep())

    # --- processes

    def start(self, job: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
        """Run `job(household, told, *arguments)` in a process of its own; what it sends through `told` is received."""
        hears, tells = _contexts.Pipe(duplex=False)
        process = _contexts.Process(target=_run, args=(job, self, tells, *arguments), daemon=True)
        process.start()
        tells.close()
        assert isinstance(hears, Connection), "a pipe of this system"
        return process, hears

    # --- looking after it

    def check(self, *, in_flight: bool = True, structure: bool = True) -> list[Finding]:
        """What `steep doctor --deep` finds, but for what it leaves for an hour when `in_flight`."""
        with self.parts() as parts:
            return _find(parts, in_flight=in_flight, structure=structure)

    def repair(self, *, in_flight: bool = True) -> None:
        """All that is found can be mended, and nothing is left then."""
        with self.parts() as parts:
            for _ in range(_MOST_ROUNDS):
                findings = _find(parts, in_flight=in_flight)
                if not findings:
                    return
                stuck = [finding for finding in findings if not finding.can_be_mended]
                assert not stuck, stuck
                for outcome in StoreMender(parts.index, parts.locations.states_dir).mend(findings):
                    assert outcome.failure is None, outcome
            raise AssertionError(f"{_MOST_ROUNDS} repairs leave something")

    def compare(self) -> int:
        """Compute again each state of a chunk or preamble that would be served: the same bytes. Returns how many."""
        from engine.model import ContextOptions
        from engine.requests import ContextChunk
        from engine.session import Session, SessionOptions

        fresh, num_compared = MemoryShelf(), 0
        with self.engine() as (parts, engine):
            settings, longest = parts.settings, engine.longest_chunk
            identity, batch = model_identity(self.model, parts.index), settings.batch_tokens
            keys = [key for fingerprint in engine.all_fingerprints for key in parts.index.state_keys(fingerprint)]
            states = [state for key in keys if (state := _served(parts, key)) is not None]
        options = ContextOptions(num_cells=NUM_CELLS + batch, batch_tokens=batch, num_threads=1)
        session_options = SessionOptions(
            self.model, identity, options, longest_chunk=longest, num_filler_tokens=settings.filler_tokens
        )
        with Session(session_options, fresh.opened) as session:
            frame = session.frame
            session.steep(ContextChunk(0, frame.preamble[:1]))  # and with it its lead, if no chunk is left
            for number, state in enumerate(states):
                if state.start_position:
                    session.steep(ContextChunk(number, state.token_ids), first_position=state.start_position)
                elif state.token_ids not in map(frame.lead, frame.first_positions):
                    continue  # a conversation's memory: blended, and not to be computed again to the bit
                again = fresh.blobs[state.start_position, state.token_ids]
                assert bytes(state.blob) == again, f"{state.key} is not what the model computes"
                num_compared += 1
        return num_compared


def _served(parts: Parts, key: Any) -> Any:
    """The state as the store would serve it."""
    from storage import chunk_file
    from storage.values import ChunkState

    try:
        token_ids = chunk_file.read(parts.store.path_of(key), key).token_ids
    except FileNotFoundError:
        return None
    found = parts.store.get(key, token_ids)
    return found if isinstance(found, ChunkState) else None


def _find(parts: Parts, *, in_flight: bool, structure: bool = True) -> list[Finding]:
    # Both modules have the age by name; what is found is mended at once here, with nobody else at work.
    from storage import mend

    age = check.SWEEP_AGE_SECONDS
    check.SWEEP_AGE_SECONDS = mend.SWEEP_AGE_SECONDS = age if in_flight else -2
    try:
        locations = parts.locations
        checking = StoreCheck(
            parts.index,
            locations.states_dir,
            locations.vectors_dir,
            pause_seconds=0,
            describe=describe if structure else None,
        )
        return [event for event in checking.find(deep=True) if isinstance(event, Finding)]
    finally:
        check.SWEEP_AGE_SECONDS = age


def _run(job: Callable[..., None], household: Household, tells: Connection, *arguments: Any) -> None:
    job(household, tells, *arguments)
