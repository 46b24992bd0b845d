"""Makes the answers that are measured, one after the other, and keeps what they took."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from app.bench import reading
from app.bench.board import Board
from app.bench.cells import Cell, Sample
from app.bench.contexts import BenchContext
from app.bench.memory import MemoryWatch, PeakMemory
from app.bench.schedule import Outlook, Step, schedule
from app.bench.ways import Way
from app.errors import AppError
from app.terminal import Terminal
from app.wiring import Engine
from app.wording import counted
from storage.content_key import state_key
from storage.state_file import StateFile
from storage.store import StateStore

if TYPE_CHECKING:
    from engine.requests import AnswerDone, AnswerRequest


class NotMeasured(AppError):
    """The engine did something else than what was to be measured."""


class Measuring:
    """The cells of all rates and contexts, in this order, and their answers; one thread, that of the store's index."""

    def __init__(
        self,
        contexts: Sequence[tuple[BenchContext, Sequence[StateFile]]],
        rates: Sequence[float | None],
        ways: Sequence[Way],
        num_rounds: int,
        *,
        question: str,
        is_cold: bool,
    ) -> None:
        """`contexts` with the files of their states; `rates`: what reading is throttled to, in Gbit/s; None: not at
        all. Reads all states. Raises `StateUnreadable`."""
        self._contexts, self._question, self._is_cold = contexts, question, is_cold
        speeds = [reading.bytes_per_s(files, is_cold=is_cold) for _, files in contexts]
        self.cells = [
            Cell(
                num_context_tokens=context.num_tokens,
                num_chunks=len(context.chunks),
                num_state_bytes=sum(file.num_bytes for file in files),
                read_bytes_per_s=speed,
                rate_gbit=rate,
            )
            for rate in rates
            for (context, files), speed in zip(contexts, speeds, strict=True)
        ]
        self._steps = [
            schedule(range(i * len(contexts), (i + 1) * len(contexts)), ways, num_rounds) for i in range(len(rates))
        ]
        self._outlook = Outlook([step for steps in self._steps for step in steps], self.cells)
        self.peaks: list[PeakMemory] = []
        """Of the engines that have measured."""

    def measure(self, rate_index: int, engine: Engine, terminal: Terminal) -> None:
        """Fill the cells of one rate; the engine's shelf must read at it.

        KeyboardInterrupt rises when the answer in the making has ended; the cells stay good. Raises `NotMeasured`, and
        what the engine raises.
        """
        watch = MemoryWatch()
        try:
            with _shown(self._outlook, terminal) as board:
                for step in self._outlook.follow(self._steps[rate_index]):
                    board.doing = _doing(step, self.cells[step.cell_index])
                    sample = self._sample(step, engine)
                    watch.look()
                    if step.is_measured:
                        self.cells[step.cell_index].samples.setdefault(step.way, []).append(sample)
                board.doing = ""
        finally:
            self.peaks.append(watch.peak())

    def _sample(self, step: Step, engine: Engine) -> Sample:
        context, files = self._contexts[step.cell_index % len(self._contexts)]
        if self._is_cold:
            reading.drop(file.path for file in files)
        done = answered(engine, request_of(step.way, self._question, context))
        _check(step.way, done)
        return Sample(
            first_token_ms=done.times.first_token_ms,
            load_ms=done.times.load_ms,
            score_ms=done.times.score_ms,
            recompute_ms=done.times.recompute_ms,
            num_loaded_bytes=done.num_loaded_bytes,
            num_computed=sum(use.num_computed for use in done.uses),
            num_recomputed=sum(use.num_recomputed for use in done.uses),
        )


def files_of(store: StateStore, engine: Engine, context: BenchContext) -> list[StateFile]:
    """The files of a context's states, the preamble's first. Raises `StateUnreadable` where one is missing."""
    frame = engine.ready.frame
    runs = [(0, frame.preamble), *frame.states_of(chunk.token_ids for chunk in context.chunks)]
    found = [find_state(store, engine, first, token_ids) for first, token_ids in runs]
    files = [file for file in found if file]
    if len(files) < len(found):
        missing = counted(len(found) - len(files), "state")
        raise reading.StateUnreadable(f"{missing} to measure with went missing. Measure again.")
    return files


def find_state(store: StateStore, engine: Engine, first_position: int, token_ids: tuple[int, ...]) -> StateFile | None:
    """The file of a state, as the engine's shelf finds it."""
    fingerprint = engine.fingerprints[first_position or len(token_ids)]
    return store.find(state_key(fingerprint, first_position, token_ids), token_ids)


def request_of(way: Way, question: str, context: BenchContext, max_answer_tokens: int = 1) -> "AnswerRequest":
    """The question over a context, in one of the ways."""
    from engine.requests import AnswerRequest, Loading, Mode

    return AnswerRequest(
        question=question,
        chunks=context.chunks,
        mode=Mode(way.mode),
        ratio=way.ratio,
        strategy=way.strategy,
        loading=Loading(way.loading),
        max_answer_tokens=max_answer_tokens,
    )


def answered(engine: Engine, request: "AnswerRequest") -> "AnswerDone":
    """The account of an answer. On Ctrl-C it is stopped, and KeyboardInterrupt rises when it has ended."""
    from engine.errors import Cancelled
    from engine.requests import AnswerDone

    job = engine.runtime.answer(request)
    try:
        return next(event for event in job if isinstance(event, AnswerDone))
    except KeyboardInterrupt:
        job.cancel()
        with suppress(Cancelled):
            for _ in job:
                pass
        raise


def _check(way: Way, done: "AnswerDone") -> None:
    if done.mode != way.mode:
        raise NotMeasured(f"{way.name} cannot be measured: {'; '.join(done.notices)}")
    if done.missing and way.mode != "exact":
        raise NotMeasured(
            f"{way.name} cannot be measured: {counted(len(done.missing), 'state')} could not be read. "
            "See what is wrong with them: steep doctor --deep"
        )


def _doing(step: Step, cell: Cell) -> str:
    rate = "" if cell.rate_gbit is None else f", {cell.rate_gbit:g} Gbit/s"
    return f"{step.way.name}, {counted(cell.num_context_tokens, 'token')}{rate}"


@contextmanager
def _shown(outlook: Outlook, terminal: Terminal) -> Iterator[Board]:
    board = Board(outlook)
    if terminal.is_interactive and not terminal.is_quiet:
        with terminal.live(board):
            yield board
    else:
        terminal.remark(f"Measuring {counted(outlook.num_steps - outlook.num_done, 'answer')} …")
        yield board
