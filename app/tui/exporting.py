"""Writes a conversation to a file that the user names: Markdown for people, JSON for programs. Never over another."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import message_of
from app.tui.dialogs.text_dialog import TextDialog
from storage.errors import StorageError

if TYPE_CHECKING:
    from app.tui.app import SteepApp
    from storage.values import Conversation, Turn


async def export_conversation(app: "SteepApp", conversation: "Conversation") -> None:
    """Asks where to, in a worker; what became of it is told."""
    from app.conversations.export import file_name
    from app.conversations.new_file import write_new_file

    suggested = str(Path.cwd() / file_name(conversation.title))
    chosen = await app.push_screen_wait(
        TextDialog("Export to a file: .md or .json", suggested, check=_complaint_about_file, yes="Export")
    )
    if not chosen:
        return
    path = Path(chosen).expanduser()
    try:
        turns = await app.look(lambda parts: parts.index.turns(conversation.id))
        await asyncio.to_thread(write_new_file, path, _text(path, conversation, turns))
    except (StorageError, OSError) as error:
        app.notify(message_of(error), severity="error", markup=False)
    else:
        app.notify(f"Exported to {path}", markup=False)


def _text(path: Path, conversation: "Conversation", turns: "list[Turn]") -> str:
    from app.conversations.export import as_markdown, as_object

    if path.suffix.lower() == ".json":
        return json.dumps(as_object(conversation, turns), ensure_ascii=False, indent=2) + "\n"
    return as_markdown(conversation, turns)


def _complaint_about_file(text: str) -> str | None:
    path = Path(text).expanduser()
    if path.suffix.lower() not in (".md", ".json"):
        return "End it with .md for people, or .json for programs."
    if path.exists():
        return "This file is there already: choose another name."
    return None if path.parent.is_dir() else f"There is no folder {path.parent}."
