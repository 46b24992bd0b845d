"""The command line: parse, call one function, turn errors into exit codes. No logic of its own.

Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted. Data goes to stdout, everything else to stderr.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from app.errors import AppError, WrongUse, message_of
from app.settings import AUTO, Value
from app.terminal import Terminal, encode_anything, show_warnings
from storage.errors import FolderConflict, StorageError, UnknownFolder

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


def number_or_auto(text: str) -> float | str:
    """Of an option that the program may decide."""
    if text == AUTO:
        return AUTO
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number, and not {AUTO}") from None


app = typer.Typer(
    name="steep",
    help="Steep your documents once; pour answers at once. Without a command, the app opens.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)
app.add_typer(bench, name="bench")
models = typer.Typer(invoke_without_command=True)
app.add_typer(models, name="models")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="A .gguf file, or the name of a model in `steep models`.")
]
Folder = Annotated[Path, typer.Argument(help="A folder of documents.")]
Ratio = Annotated[float | None, typer.Option(help="Share of the context that a blend recomputes, 0 to 1.")]
RatioOrAuto = Annotated[
    Any,
    typer.Option(
        parser=number_or_auto,
        metavar="NUMBER|auto",
        help="Share of the context that a blend recomputes, 0 to 1; auto: what was measured to be good enough.",
    ),
]
Strategy = Annotated[str | None, typer.Option(help="Which tokens a blend recomputes.")]
ContextTokens = Annotated[int | None, typer.Option(help="Tokens of documents in front of the question, at most.")]
Steep = Annotated[bool, typer.Option(help="Steep what has no chunk state; without, documents become searchable only.")]
BudgetGb = Annotated[
    float | None, typer.Option(help="Gigabytes that states may take on disk; 0: a tenth of the free disk, 50 at most.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks on stderr.")]


@app.callback()
def open_app(
    context: typer.Context,
    model: Model = None,
    continues: Annotated[
        bool, typer.Option("--continue", "-c", help="Open the app with the conversation that changed last.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        from app.commands import tui

        tui.run({"model": model}, continues=continues)
    elif continues:
        raise WrongUse(
            f"--continue opens the app, and stands alone: steep --continue, or steep {context.invoked_subcommand}"
        )
    elif model is not None:
        raise WrongUse(f"--model belongs behind the command: steep {context.invoked_subcommand} --model {model}")


@app.command()
def add(folder: Folder, json: Json = False) -> None:
    """Watch a folder of documents."""
    from app.commands import folders

    folders.add(folder, Terminal(), as_json=json)


@app.command()
def remove(folder: Folder, json: Json = False) -> None:
    """Stop watching a folder, and purge what was kept of it."""
    from app.commands import folders

    folders.remove(folder, Terminal(), as_json=json)


@app.command("folders")
def list_folders(json: Json = False) -> None:
    """List the watched folders."""
    from app.commands import folders

    folders.show(Terminal(), as_json=json)


@app.command()
def index(
    model: Model = None, budget_gb: BudgetGb = None, steep: Steep = True, json: Json = False, quiet: Quiet = False
) -> None:
    """Read what changed, and steep what the model has not read yet."""
    from app.commands import index as command

    flags: dict[str, Value | None] = {"model": model, "budget_gb": budget_gb}
    raise typer.Exit(command.run(flags, Terminal(quiet=quiet), as_json=json, steep=steep))


@app.command()
def watch(
    model: Model = None,
    budget_gb: BudgetGb = None,
    pause_on_battery: Annotated[
        bool | None, typer.Option("--pause-on-battery", help="Do not steep while on battery.")
    ] = None,
    pause_above_load: Annotated[
        float | None, typer.Option(help="Do not steep while other programs use more than this share of the CPUs.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per event and line.")] = False,
    quiet: Quiet = False,
) -> None:
    """Read and steep whatever changes in the watched folders, until Ctrl-C."""
    from app.commands import watch as command

    flags: dict[str, Value | None] = {
        "model": model,
        "budget_gb": budget_gb,
        "pause_on_battery": pause_on_battery,
        "pause_above_load": pause_above_load,
    }
    command.run(flags, Terminal(quiet=quiet), as_json=json)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="Your question.")],
    model: Model = None,
    mode: Annotated[
        str | None, typer.Option(help="blend; exact: compute everything; auto: as it was measured to be good enough.")
    ] = None,
    ratio: RatioOrAuto = None,
    strategy: Strategy = None,
    context_tokens: ContextTokens = None,
    max_answer_tokens: Annotated[int | None, typer.Option(help="Tokens of the answer, at most.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 takes the most probable token.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Sample from the most probable tokens only.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sampler.")] = None,
    only_in: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="PATH", help="Only from this file, folder, or pattern ('*.pdf'); repeatable."),
    ] = None,
    steep: Annotated[bool, typer.Option(help="Steep the chunks that had no state, after the answer.")] = True,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answer a question from your documents."""
    from app.commands import ask as command

    flags: dict[str, Value | None] = {
        "model": model,
        "mode": mode,
        "ratio": ratio,
        "strategy": strategy,
        "context_tokens": context_tokens,
        "max_answer_tokens": max_answer_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
    }
    command.run(question, flags, Terminal(quiet=quiet), as_json=json, steep_missing=steep, only_in=tuple(only_in or ()))


@app.command()
def status(model: Model = None, json: Json = False) -> None:
    """What is watched, searchable and steeped."""
    from app.commands import status as command

    command.status({"model": model}, Terminal(), as_json=json)


@app.command(
    epilog="Example: steep doctor --model qwen2.5-3b measures, in some minutes and once, how close that model's "
    "blended answers come to exact ones, and from which ratio on they are as good. Without a name: the model that "
    "answers."
)
def doctor(
    name: Annotated[str | None, typer.Argument(help="With --model: another model than the one that answers.")] = None,
    measure: Annotated[
        bool, typer.Option("--model", "-m", help="Instead, measure how good a model's blended answers are.")
    ] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be repaired.")] = False,
    deep: Annotated[bool, typer.Option("--deep/--quick", help="Also check every byte of every state.")] = False,
    purged: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Instead, prove that nothing is kept of this document or folder any more."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check what is kept: index against files, files against index. Or, with --model, check a model."""
    if measure:
        if repair or deep or purged is not None:
            raise WrongUse("--model measures a model, and goes with none of --repair, --deep and --purged")
        from app.commands import doctor_model

        doctor_model.run({"model": name}, Terminal(quiet=quiet), as_json=json)
        return
    if name is not None:
        raise WrongUse(f"a name belongs behind --model: steep doctor --model {name}")
    from app.commands import doctor as command

    if purged is not None:
        raise typer.Exit(command.run_purged(purged, Terminal(quiet=quiet), repair=repair, as_json=json))
    raise typer.Exit(command.run(Terminal(quiet=quiet), deep=deep, repair=repair, as_json=json))


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go, and why; remove nothing.")] = False,
    budget_gb: BudgetGb = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make states fit the budget: what is worth least goes, and files that nothing uses."""
    from app.commands import gc as command

    command.run({"budget_gb": budget_gb}, Terminal(quiet=quiet), dry_run=dry_run, as_json=json)


@models.callback()
def show_models(context: typer.Context, json: Json = False) -> None:
    """The models on this machine: what they are, and whether they fit."""
    if context.invoked_subcommand is None:
        from app.commands import models as command

        command.show({}, Terminal(), as_json=json)


@models.command("download")
def download_model(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="A repository on the Hugging Face hub.")],
    file: Annotated[
        str | None, typer.Argument(help="One of its .gguf files, or how its weights are stored: Q8_0.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download a model; what was interrupted goes on where it was."""
    from app.commands import models as command

    command.download(repository, file or "", Terminal(quiet=quiet), as_json=json)


@app.command()
def paths(json: Json = False) -> None:
    """Where everything is kept."""
    from app.commands import status as command

    command.paths(Terminal(), as_json=json)


@bench.command("ttft")
def bench_ttft(
    question: Annotated[str | None, typer.Option(help="The question to measure with.")] = None,
    sizes: Annotated[str, typer.Option(help="Context tokens, with commas; empty: no first tokens.")] = "1536,3072",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the tables show medians.")] = 5,
    throttle: Annotated[
        str, typer.Option(metavar="RATES", help="Read states at these rates, one after the other: Gbit/s, with commas.")
    ] = "",
    data: Annotated[
        Path | None, typer.Option(help="Texts in place of your documents, as JSON: questions, answers, passages.")
    ] = None,
    cold: Annotated[bool, typer.Option("--cold", help="States come from the disk, not from the page cache.")] = False,
    retrieval: Annotated[bool, typer.Option("--retrieval", help="Also: retrieval over your documents.")] = False,
    decode: Annotated[bool, typer.Option("--decode", help="Also: decoding speed against plain llama.cpp.")] = False,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a plot to this file.")] = None,
    ratio: Ratio = None,
    strategy: Strategy = None,
    model: Model = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Time to the first token: full prefill, plain reuse, blends, and what the engine chooses."""
    from app.bench.options import DEFAULT_QUESTION, Options, rates_of, sizes_of
    from app.commands import bench_ttft as command

    flags: dict[str, Value | None] = {"model": model, "ratio": ratio, "strategy": strategy}
    options = Options(
        question=question or DEFAULT_QUESTION,
        sizes=sizes_of(sizes),
        num_rounds=rounds,
        rates=rates_of(throttle),
        data=data,
        is_cold=cold,
        with_retrieval=retrieval,
        with_decoding=decode,
        picture=svg,
    )
    command.run(flags, Terminal(quiet=quiet), options=options, as_json=json)


@bench.command("conversation")
def bench_conversation(
    tokens: Annotated[int, typer.Option(min=256, help="How long the conversation is.")] = 4000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the table shows medians.")] = 5,
    model: Model = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What the next question of a long conversation costs after a restart, against reading it again."""
    from app.commands import bench_conversation as command

    command.run({"model": model}, Terminal(quiet=quiet), num_tokens=tokens, num_rounds=rounds, as_json=json)


@bench.command("app")
def bench_app(
    documents: Annotated[int, typer.Option(min=100, help="Documents in the library that is made for it.")] = 10_000,
    keys: Annotated[int, typer.Option(min=10, help="Keys to press each time.")] = 500,
    starts: Annotated[int, typer.Option(min=1, help="How often the app is started.")] = 5,
    model: Model = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """How soon the app takes a key after its start, and shows one while it steeps and while it answers."""
    from app.commands import bench_app as command

    command.run(
        {"model": model}, Terminal(quiet=quiet), num_documents=documents, num_keys=keys, num_starts=starts, as_json=json
    )


@bench.command("retrieval")
def bench_retrieval(
    data: Annotated[Path, typer.Option(help="JSON: questions, answers, passages.")],
    embedding_model: Annotated[str | None, typer.Option(help="An embedding model: a .gguf file or its name.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """How often the answer is among the first passages found: by words, by meaning, by both."""
    from app.commands import bench_retrieval as command

    flags: dict[str, Value | None] = {"embedding_model": embedding_model}
    command.run(flags, Terminal(quiet=quiet), data=data, as_json=json)


@bench.command("quality")
def bench_quality(
    data: Annotated[Path, typer.Option(help="JSON: questions, answers, passages.")],
    limit: Annotated[int, typer.Option(min=1, help="Questions, from the first.")] = 50,
    passages: Annotated[int, typer.Option(min=1, help="Passages of each question.")] = 10,
    strategies: Annotated[str | None, typer.Option(help="Names with commas between them, or all.")] = None,
    ratios: Annotated[str | None, typer.Option(help="Shares of a full prefill's work, with commas.")] = None,
    order: Annotated[str, typer.Option(help="Of the passages: document, best-first or best-last.")] = "document",
    model: Model = None,
    json: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Add what is missing to this file of JSON lines."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """How close blended answers come to those of a full prefill, by strategy and by work."""
    from app.commands import bench_quality as command

    wish = command.Wish(
        data=data,
        limit=limit,
        num_passages=passages,
        treatments=strategies or command.DEFAULT_TREATMENTS,
        ratios=ratios or command.DEFAULT_RATIOS,
        order=order,
        results=json,
    )
    command.run({"model": model}, Terminal(quiet=quiet), wish=wish)


def main() -> None:
    """The `steep` command."""
    show_warnings()
    encode_anything()
    sys.exit(exit_code_of(app))


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command; print what went wrong, as one message without a traceback.

    Typer itself reports what it cannot parse and leaves with its own code, through `SystemExit`.
    """
    try:
        command()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        code = _known_exit_code(error)
        if code is not None:
            Terminal().complaint(message_of(error))
            return code
        from app.index_blame import blamed_on_index

        if blamed := blamed_on_index(error):
            Terminal().complaint(message_of(blamed))
            return FAILED
        raise
    return 0


def _known_exit_code(error: Exception) -> int | None:
    """The exit code of an error that is meant for the user; None for our own mistakes."""
    if isinstance(error, AppError):
        return error.exit_code
    if isinstance(error, FolderConflict | UnknownFolder):
        return WRONG_USE
    if isinstance(error, StorageError | OSError):
        return FAILED
    return _engine_exit_code(error)


def _engine_exit_code(error: Exception) -> int | None:
    from engine.errors import Cancelled, ContextTooLarge, EngineError, PromptTooLong

    if isinstance(error, Cancelled):
        return INTERRUPTED
    if isinstance(error, ContextTooLarge | PromptTooLong):
        return WRONG_USE
    return FAILED if isinstance(error, EngineError) else None
