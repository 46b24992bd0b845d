"""`steep index`: read what changed in the watched folders, and steep what has no state yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.commands.steeping import SteepTally, steep_waiting
from app.errors import NothingIndexed
from app.indexer import FileGone, FileSeen, FolderProblem, Indexer, IndexEvent, indexing_lock
from app.precedence import QuestionsFirst
from app.reader import DocumentReader
from app.search.dense import open_dense, purge_vectors
from app.settings import Value
from app.terminal import Terminal
from app.wiring import Engine, Parts, open_engine, open_parts, open_vocabulary
from app.wording import counted, display_path, duration


@dataclass(slots=True)
class _Tally:
    """What a run did."""

    num_files: int = 0
    num_read: int = 0
    num_gone: int = 0
    problems: dict[Path, str] = field(default_factory=dict)
    steeped: SteepTally = field(default_factory=SteepTally)

    def count(self, event: IndexEvent) -> None:
        match event:
            case FileSeen():
                self.num_files += 1
                self.num_read += event.was_read
                if event.error:
                    self.problems[event.path] = event.error
            case FileGone():
                self.num_gone += 1
            case FolderProblem():
                self.problems[event.path] = event.reason


def run(flags: Mapping[str, Value | None], terminal: Terminal, *, as_json: bool, steep: bool) -> int:
    """Index everything; the exit code is 1 if a document could not be read."""
    with open_parts(flags, for_engine=True) as parts:
        if not parts.index.folders():
            raise NothingIndexed("no folder is watched yet. Add one: steep add FOLDER")
        with indexing_lock(parts.locations):
            tally = _Tally()
            _read(parts, tally, terminal)
            _embed(parts, terminal)
            fingerprint = _steep(parts, tally, terminal) if steep else None
        counts = parts.index.counts(fingerprint)
    if not (tally.num_files or tally.num_gone or tally.problems):
        raise NothingIndexed(
            "there are no documents in the watched folders: put some in, or add another folder: steep add FOLDER"
        )
    if as_json:
        terminal.json(_as_json(tally, counts.num_chunks, counts.num_steeped_chunks))
    else:
        _print(tally, counts.num_chunks, counts.num_steeped_chunks, terminal)
    return 1 if tally.problems else 0


def _read(parts: Parts, tally: _Tally, terminal: Terminal) -> None:
    with open_vocabulary(parts, terminal) as vocabulary, DocumentReader() as reader:
        settings = parts.settings
        indexer = Indexer(
            parts.index,
            parts.store,
            reader,
            vocabulary.count,
            settings.chunk_tokens,
            follow_links=settings.follow_links,
        )
        with terminal.progress("Reading documents", "documents") as show:
            for event in indexer.sweep():
                tally.count(event)
                if isinstance(event, FileSeen):
                    show(event.num_done, event.num_total)
        indexer.compact()


def _embed(parts: Parts, terminal: Terminal) -> None:
    """Make the vectors that are missing, where there is an embedding model; erase those of texts that are gone."""
    with open_dense(parts) as dense:
        if dense:
            with terminal.progress("Making vectors", "chunks") as show:
                for event in dense.embed_missing():
                    show(event.num_done, event.num_total)
    purge_vectors(parts)


def _steep(parts: Parts, tally: _Tally, terminal: Terminal) -> str:
    """Steep what has no state; returns the fingerprint that the states have."""
    with (
        open_engine(parts, terminal, context_tokens=parts.settings.chunk_tokens) as engine,
        QuestionsFirst(parts.locations, parts.settings, engine.runtime),
    ):
        _steep_all(parts, engine, tally, terminal)
        return engine.fingerprint


def _steep_all(parts: Parts, engine: Engine, tally: _Tally, terminal: Terminal) -> None:
    verdict = engine.ready.blendability
    if not verdict.possible:
        terminal.remark(
            f"{engine.ready.model_name} cannot be blended because {verdict.reason}; "
            "nothing is steeped, and every answer is computed in full (exact mode).",
            style="yellow",
        )
    tally.steeped = steep_waiting(parts, engine, terminal)


def _as_json(tally: _Tally, num_chunks: int, num_steeped: int) -> dict[str, object]:
    return {
        "documents": tally.num_files,
        "read": tally.num_read,
        "removed": tally.num_gone,
        "problems": [{"path": str(path), "reason": reason} for path, reason in tally.problems.items()],
        "chunks": num_chunks,
        "steeped_chunks": num_steeped,
        "steeped_now": {
            "chunks": tally.steeped.num_chunks,
            "tokens": tally.steeped.num_encoded_tokens,
            "ms": round(tally.steeped.total_ms, 1),
        },
    }


def _print(tally: _Tally, num_chunks: int, num_steeped: int, terminal: Terminal) -> None:
    terminal.data(
        f"{counted(tally.num_files, 'document')} ({tally.num_read:,} read now, {tally.num_gone:,} gone), "
        f"{counted(num_chunks, 'chunk')}, {num_steeped:,} of them steeped."
    )
    if num_tokens := tally.steeped.num_encoded_tokens:
        rate = num_tokens / tally.steeped.total_ms * 1e3
        took = duration(tally.steeped.total_ms)
        terminal.data(f"Steeped {counted(num_tokens, 'token')} in {took} ({rate:,.0f} tokens/s).")
    for path, reason in tally.problems.items():
        terminal.complaint(f"{display_path(path)} {reason}")
