"""`steep add`, `steep remove`, `steep folders`: what is watched."""

from pathlib import Path

from app.folders.scan import scan
from app.library.actions import forget_folder, watch_folder
from app.terminal import Terminal
from app.wiring import open_parts
from app.wording import counted


def add(folder: Path, terminal: Terminal, *, as_json: bool) -> None:
    """Watch a folder; reads nothing yet."""
    with open_parts({}) as parts:
        added = watch_folder(parts, folder)
        num_files = len(scan(added.path, follow_links=parts.settings.follow_links).files)
    if as_json:
        terminal.json({"path": str(added.path), "num_documents_found": num_files})
        return
    terminal.data(f"Watching {added.path}: {counted(num_files, 'document')} found.")
    if num_files:
        terminal.remark("Run `steep index` to read them.")
    else:
        terminal.remark("There is nothing to read in it yet.", style="yellow")


def remove(folder: Path, terminal: Terminal, *, as_json: bool) -> None:
    """Stop watching a folder and purge what was kept of it: text, index rows, chunk states and vectors."""
    path = folder.expanduser().resolve()
    with open_parts({}) as parts:
        num_purged = forget_folder(parts, path)
    if as_json:
        terminal.json({"path": str(path), "num_states_purged": num_purged})
    else:
        terminal.data(f"No longer watching {path}; {counted(num_purged, 'chunk state')} purged.")


def show(terminal: Terminal, *, as_json: bool) -> None:
    """List the watched folders."""
    with open_parts({}) as parts:
        rows = [(folder, parts.index.documents(folder.id)) for folder in parts.index.folders()]
    if as_json:
        listed = [{"path": str(folder.path), "num_documents": len(documents)} for folder, documents in rows]
        terminal.json({"folders": listed})
        return
    if rows:
        terminal.data("  files  folder", style="dim")
    for folder, documents in rows:
        terminal.data(f"{len(documents):>7,}  {folder.path}")
    if not rows:
        terminal.remark("No folder is watched yet. Add one: steep add FOLDER")
