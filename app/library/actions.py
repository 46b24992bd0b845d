"""What can be done to the library: folders watched or not, documents pinned, and steeped again.

Each takes the parts of the thread it runs on. What was done is durable when it returns; whoever watches the folders, in
whatever process, follows within seconds. Raises StorageError, and NotAFolder as each says.
"""

import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import NotAFolder
from storage.values import Folder

if TYPE_CHECKING:
    from app.wiring import Parts


def watch_folder(parts: "Parts", folder: Path) -> Folder:
    """Watch it; reads nothing yet. NotAFolder for what is none or cannot be looked into; FolderConflict."""
    path = folder.expanduser().resolve()
    if not path.is_dir():
        kind = "is a file" if path.exists() else "does not exist"
        raise NotAFolder(f"{folder} {kind}; give a folder, e.g. ~/Documents")
    try:
        with os.scandir(path):
            return parts.index.add_folder(path)
    except PermissionError as error:
        raise NotAFolder(f"{folder} may not be read; change its rights, or give another folder") from error


def forget_folder(parts: "Parts", folder: Path) -> int:
    """Stop watching it and purge what was kept of it: text, index rows, chunk states and vectors.

    Returns how many states were purged. Takes seconds where much was kept. UnknownFolder if it is not watched.
    """
    from app.search.dense import purge_vectors  # late: 85 ms that the screen need not wait for at the start

    parts.index.remove_folder(folder)
    num_purged = parts.store.purge_unlinked()
    purge_vectors(parts)
    parts.index.compact()  # last: what a kill before leaves undone is then done by whoever reads the folders next
    return num_purged


def pin(parts: "Parts", documents: Iterable[Path], *, pinned: bool) -> None:
    """Pinned documents are steeped before the others, and their states never go to make room."""
    parts.index.pin(list(documents), pinned)


def steep_again(parts: "Parts", documents: Iterable[Path], fingerprints: Collection[str]) -> int:
    """Drop the states that one model has of documents, so that they are computed anew.

    Returns how many states were dropped. A text that stands in other documents as well is steeped again for them too.
    """
    keys = {key for path in documents for each in fingerprints for key in parts.index.states_of_document(path, each)}
    for key in keys:
        parts.store.drop(key, "it is to be steeped again")
    return len(keys)
