"""What can go wrong in storage.

StorageError
├── StoreUnusable       the data folder or its index cannot be opened or written
├── IndexTooNew         the index was written by a newer version
├── FolderConflict      a folder cannot be watched beside those already watched
├── UnknownFolder       a folder that is not watched
├── UnknownConversation a conversation that was deleted
└── ChunkFileInvalid    a chunk file whose bytes cannot be believed (a miss for callers of the store)
    └── ChunkFileTooNew a chunk file that a newer version of the program wrote
"""


class StorageError(Exception):
    """Base of everything that storage raises on purpose; the text is for the user."""


class StoreUnusable(StorageError):
    """The data folder or its index cannot be opened or written."""


class IndexTooNew(StorageError):
    """The index was written by a newer version of the program."""


class FolderConflict(StorageError):
    """The folder lies inside a watched folder, or around one."""


class UnknownFolder(StorageError):
    """The folder is not watched."""


class UnknownConversation(StorageError):
    """The conversation was deleted."""


class ChunkFileInvalid(StorageError):
    """A chunk file is damaged, foreign or of an unknown version."""


class ChunkFileTooNew(ChunkFileInvalid):
    """A chunk file of a later format version: not to be read here, and not to be removed as damaged."""
