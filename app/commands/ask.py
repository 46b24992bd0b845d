"""`steep ask`: one question, one answer, with its sources and where its milliseconds went."""

import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from app.asking import account_of, find, request_of
from app.commands.ask_account import source_lines, timing_lines
from app.commands.steeping import steep
from app.conversations.account import Account
from app.errors import NothingIndexed, WrongUse
from app.gate.verdicts import course_of
from app.precedence import QuestionsFirst, asking
from app.search.dense import open_dense
from app.search.document_filter import documents_in
from app.settings import Value
from app.terminal import ShowProgress, Terminal
from app.wiring import Engine, Parts, open_engine, open_parts
from app.wording import counted

if TYPE_CHECKING:
    from engine.requests import AnswerDone, AnswerEvent, AnswerRequest


def run(
    question: str,
    flags: Mapping[str, Value | None],
    terminal: Terminal,
    *,
    as_json: bool,
    steep_missing: bool,
    only_in: Sequence[str] = (),
) -> None:
    """Answer on stdout, from the documents that `only_in` names or else all; afterwards steep what had no state."""
    if not question.strip():
        raise WrongUse("the question is empty")
    with open_parts(flags, for_engine=True) as parts:
        if not parts.index.counts().num_chunks:
            raise NothingIndexed(
                "there are no documents to answer from. Add a folder and read it: steep add FOLDER, steep index"
            )
        document_ids = documents_in(only_in, parts.index.documents(), Path.cwd()) if only_in else None
        context_tokens = parts.settings.context_tokens
        with ExitStack() as stack:
            with asking(parts.locations):
                engine = stack.enter_context(
                    open_engine(parts, terminal, context_tokens=context_tokens, question=question)
                )
                done, account = _answer(question, document_ids, parts, engine, terminal, stream=not as_json)
            if as_json:
                terminal.json({"answer": done.text, **account.as_object()})
            else:
                _print_account(account, terminal)
            parts.index.note_use((source.chunk_id for source in account.sources), *engine.all_fingerprints)
            if steep_missing and done.missing:
                stack.enter_context(QuestionsFirst(parts.locations, parts.settings, engine.runtime))
                steep(parts, engine, done.missing, terminal)


def _answer(
    question: str,
    document_ids: Collection[int] | None,
    parts: Parts,
    engine: Engine,
    terminal: Terminal,
    *,
    stream: bool,
) -> "tuple[AnswerDone, Account]":
    with open_dense(parts) as dense:
        search = dense.search if dense else None
        found = find(question, parts, engine, search, document_ids=document_ids)
    course = course_of(parts, engine)
    done = _stream(request_of(question, found, parts.settings, course), engine, terminal, stream=stream)
    return done, account_of(question, found, engine, done, course)


def _stream(request: "AnswerRequest", engine: Engine, terminal: Terminal, *, stream: bool) -> "AnswerDone":
    """Follow an answer to its end. On Ctrl-C whoever opened the engine closes it, which stops the answer."""
    num_context_tokens = sum(len(chunk.token_ids) for chunk in request.chunks)
    events = iter(engine.runtime.answer(request))
    with terminal.progress(f"Reading {counted(len(request.chunks), 'passage')}", "tokens") as show:
        event = _follow_prompt(events, len(engine.ready.frame.preamble) + num_context_tokens, show)
    return _follow_answer(event, events, terminal if stream else None)


def _follow_prompt(events: "Iterator[AnswerEvent]", num_tokens: int, show: ShowProgress) -> "AnswerEvent":
    """Show how the first `num_tokens` get into the cache; how long the rest takes is not known. The event after it."""
    from engine.requests import Prefilled

    event = next(events)
    while isinstance(event, Prefilled):
        show(event.num_done, num_tokens if event.num_done < num_tokens else None)
        event = next(events)
    return event


def _follow_answer(event: "AnswerEvent", events: "Iterator[AnswerEvent]", terminal: Terminal | None) -> "AnswerDone":
    """Write the answer as it comes, if there is a terminal for it; returns the account."""
    from engine.requests import AnswerDone, AnswerText

    try:
        while not isinstance(event, AnswerDone):
            if terminal and isinstance(event, AnswerText):
                terminal.piece(event.text)
            event = next(events)
    finally:
        if terminal:
            terminal.piece("\n")
    return event


def _print_account(account: Account, terminal: Terminal) -> None:
    terminal.data("")
    for line in source_lines(account.sources, terminal.width, socket.gethostname()):
        terminal.data(line.text, line.style, line.links)
    terminal.data("")
    for line in timing_lines(account):
        terminal.data(line, style="dim")
    for notice in account.notices:
        terminal.remark(notice, style="yellow")
