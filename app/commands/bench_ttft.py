"""`steep bench ttft`: time to the first token, by how its context gets into the cache.

One question over contexts of several sizes, in several ways (`app.bench.ways`), each a few times, the ways in turn.
Compared is time: two of the ways stand for methods of others by moving as many bytes and computing as many tokens.
With `rates` states come from a slower disk, or a network: what a method gains depends on that more than on anything.

    contexts   the user's own documents, whose states stay; or texts of a file, in a store that is removed afterwards
    beside it  how fast states are read without an engine, and so the limit of each blend; memory; on request the time
               of retrieval, and the speed of decoding against plain llama.cpp

Quote the ratios; absolute times are this machine's, this minute's. Ctrl-C ends it, and prints what was measured.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from app.bench import reading
from app.bench.cells import bytes_of
from app.bench.contexts import BenchContext, texts_of
from app.bench.decoding import NUM_TOKENS, decoding_speeds
from app.bench.measuring import Measuring, files_of
from app.bench.options import Options
from app.bench.own_states import own_parts
from app.bench.pictures import picture
from app.bench.preparing import Preparation
from app.bench.result import Result
from app.bench.searching import search_times
from app.bench.table import lines_of
from app.bench.throttle import Bucket, throttled
from app.bench.ways import all_ways, sweep_ways
from app.errors import NothingIndexed, WrongUse
from app.gate.course import ratio_of
from app.settings import Value
from app.shelf import shelf_opener
from app.terminal import Terminal
from app.wiring import Engine, Parts, open_engine, open_parts


def run(flags: Mapping[str, Value | None], terminal: Terminal, *, options: Options, as_json: bool) -> None:
    """Measure and print; what Ctrl-C interrupts is printed as far as it came, and KeyboardInterrupt rises."""
    if options.picture and not options.picture.absolute().parent.is_dir():
        raise WrongUse(f"the plot cannot go to {options.picture}: there is no folder {options.picture.parent}")
    texts = texts_of(options.data) if options.data else None
    with open_parts(flags, for_engine=True) as parts, ExitStack() as stack:
        if texts is None and not parts.index.counts().num_chunks:
            raise NothingIndexed(
                "there are no documents to measure with: steep add FOLDER, steep index. Or name a file of texts: --data"
            )
        home = parts if texts is None else stack.enter_context(own_parts(parts))
        bench = _Bench(parts, home, texts, options, terminal)
        try:
            bench.measure()
        except KeyboardInterrupt:
            if bench.result is None:
                raise
            bench.result.was_stopped = True
    assert bench.result is not None, "what was not stopped has measured"
    _show(bench.result, options, terminal, as_json=as_json)
    if bench.result.was_stopped:
        raise KeyboardInterrupt


def _show(result: Result, options: Options, terminal: Terminal, *, as_json: bool) -> None:
    if options.picture and any(cell.rows() for cell in result.cells):
        options.picture.write_text(picture(result), "utf-8")
        terminal.remark(f"The plot is {options.picture}")
    if as_json:
        terminal.json(result.as_object())
        return
    for line in lines_of(result):
        terminal.data(line.text, style="dim" if line.is_aside else None)


@dataclass(slots=True)
class _Bench:
    """One run; use once."""

    parts: Parts
    """The user's."""
    home: Parts
    """Where the states are: the same, or a store of its own."""
    texts: Sequence[str] | None
    options: Options
    terminal: Terminal
    result: Result | None = None
    """There as soon as measuring has begun; grows."""
    _bucket: Bucket = field(default_factory=Bucket)
    _contexts: list[BenchContext] = field(default_factory=list[BenchContext])
    _remarks: list[str] = field(default_factory=list[str])

    def measure(self) -> None:
        """Everything that was asked for. KeyboardInterrupt leaves what was measured in `result`."""
        rates: tuple[float | None, ...] = self.options.rates or (None,)
        measuring: Measuring | None = None
        for i, rate in enumerate(rates):
            self._bucket.limit(None if rate is None else bytes_of(rate))
            with self._engine() as engine:
                measuring = measuring or self._prepared(engine, rates)
                if self.options.sizes:
                    measuring.measure(i, engine, self.terminal)
                if i == len(rates) - 1:
                    self._bucket.limit(None)
                    self._measure_beside(engine)

    def _engine(self) -> AbstractContextManager[Engine]:
        options, open_shelf = self.options, shelf_opener(self.home.locations, self.parts.settings)
        return open_engine(
            self.parts,
            self.terminal,
            context_tokens=max(options.sizes, default=0) + (NUM_TOKENS if options.with_decoding else 0),
            question=options.question,
            open_shelf=throttled(open_shelf, self._bucket) if options.rates else open_shelf,
        )

    def _prepared(self, engine: Engine, rates: Sequence[float | None]) -> Measuring:
        options, settings, verdict = self.options, self.parts.settings, engine.ready.blendability
        if not verdict.possible:
            raise WrongUse(
                f"{engine.ready.model_name} cannot be blended because {verdict.reason}: there is nothing to compare"
            )
        from engine.loader_threads import num_loader_threads

        is_cold = options.is_cold and reading.CAN_DROP
        if options.is_cold and not is_cold:
            self._remark("This system cannot be asked to forget files: states come from memory as far as it has them.")
        if options.sizes:
            preparation = Preparation(self.parts, engine, options, self.terminal, self._remark)
            self._contexts = preparation.contexts(self.texts)
        choose = sweep_ways if options.rates else all_ways
        measuring = Measuring(
            [(context, files_of(self.home.store, engine, context)) for context in self._contexts],
            rates,
            choose(ratio_of(settings), settings.strategy),
            options.num_rounds,
            question=options.question,
            is_cold=is_cold,
        )
        self.result = Result(
            model_name=engine.ready.model_name,
            num_read_threads=num_loader_threads(),
            strategy=settings.strategy,
            ratio=ratio_of(settings),
            num_rounds=options.num_rounds,
            is_cold=is_cold,
            cells=measuring.cells,
            peaks=measuring.peaks,
            remarks=self._remarks,
        )
        return measuring

    def _measure_beside(self, engine: Engine) -> None:
        """What was asked for besides first tokens."""
        result, options = self.result, self.options
        assert result is not None, "there is one since measuring began"
        if options.with_retrieval and self.parts.index.counts().num_chunks:
            result.search = search_times(self.parts, engine, self.terminal)
        elif options.with_retrieval:
            self._remark("There are no documents to search in: retrieval is not measured.")
        if options.with_decoding:
            settings, context = self.parts.settings, self._contexts[0]
            result.decoding = decoding_speeds(engine, settings, context, options.num_rounds, self.terminal)

    def _remark(self, text: str) -> None:
        self._remarks.append(text)
        self.terminal.remark(text, style="yellow")
