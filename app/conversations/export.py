"""A conversation as a file for others: Markdown for people, an object for programs. Pure.

A turn whose account cannot be read, written by another version, keeps its question and its answer and has no sources.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from app.conversations import account
from app.conversations.account import Account, Source
from app.wording import duration
from storage.values import Conversation, Turn

_NUM_NAME_WORDS, _MOST_NAME_CHARACTERS = 8, 60


def as_markdown(conversation: Conversation, turns: Sequence[Turn]) -> str:
    """Its turns with questions as headings, and the sources below each answer."""
    return (
        "\n\n".join((f"# {_one_line(conversation.title)}", *(block for turn in turns for block in _blocks(turn))))
        + "\n"
    )


def as_object(conversation: Conversation, turns: Sequence[Turn]) -> dict[str, object]:
    """Everything: what `steep ask --json` tells of an answer, for every turn."""
    return {
        "title": conversation.title,
        "created_at": _moment(conversation.created_at),
        "scope": [str(path) for path in conversation.scope],
        "turns": [_turn_object(turn) for turn in turns],
    }


def file_name(title: str) -> str:
    """A name for the Markdown file of a conversation, from its first words; safe on every file system."""
    words = re.findall(r"\w+", title.lower())[:_NUM_NAME_WORDS]
    return f"{'-'.join(words)[:_MOST_NAME_CHARACTERS] or 'conversation'}.md"


def _turn_object(turn: Turn) -> dict[str, object]:
    read = _account(turn)
    told = read.as_object() if read else {}
    return {"question": turn.question, "asked_at": _moment(turn.asked_at), "answer": turn.answer, **told}


def _blocks(turn: Turn) -> Iterator[str]:
    yield f"## {_one_line(turn.question)}"
    if "\n" in turn.question.strip():
        yield "\n".join(f"> {line}" for line in turn.question.strip().splitlines())
    yield turn.answer.strip() or "*(no answer)*"
    read = _account(turn)
    if read:
        if read.sources:
            yield "\n".join(("Sources:", "", *(_source_line(source) for source in read.sources)))
        yield f"*{_facts(read, turn)}*"


def _source_line(source: Source) -> str:
    place = f", page {source.page}" if source.page else f", {_one_line(source.heading)}" if source.heading else ""
    quote = f": “{' '.join(source.quote.text.split())}”" if source.quote else ""
    return f"- `{_one_line(str(source.path))}`{place}{quote}"


def _facts(read: Account, turn: Turn) -> str:
    stopped = ", stopped" if read.stopped else ""
    first_token = f"first token after {duration(read.timing.ttft_ms)}"
    return f"{_moment(turn.asked_at)}, {read.model} ({read.mode}), {first_token}{stopped}"


def _account(turn: Turn) -> Account | None:
    try:
        return account.from_json(turn.account)
    except ValueError:
        return None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
