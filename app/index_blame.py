"""Whether an error that nobody expected comes of a damaged index: flipped bytes turn numbers into texts and back.

SQLite believes most of what a page says, so what is read may be of a type that it cannot have. Checking each value of
each row would be looking for the same damage all the time; the file is looked through once, when something went wrong.
"""

from app.locations import find_locations
from storage.errors import StorageError, StoreUnusable
from storage.index import Index


def blamed_on_index(error: Exception) -> StorageError | None:
    """What to tell the user instead, if the index is damaged. Takes seconds per GB of index."""
    path = find_locations().index_file
    if not path.exists():
        return None
    try:
        with Index(path) as index:
            messages = index.damage()
    except StorageError as found:
        return found
    if not messages:
        return None
    return StoreUnusable(
        f"The index {path} is damaged ({messages[0]}), and what it says made no sense ({type(error).__name__}). "
        "Move the file away, then add your folders again: chunk states that are still there are used again."
    )
