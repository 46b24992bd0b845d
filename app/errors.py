"""What can go wrong in the app, with the exit code of the command line.

AppError (1)
├── NoModel (1)           there is no model to answer with
├── DownloadFailed (1)    a model could not be downloaded
├── DownloadStopped (130) somebody did not want to wait for it
├── ModelPartsDamaged (1) the installed parts of a starter model do not add up to it
├── NothingIndexed (1)    there are no documents to answer from
├── AlreadyRunning (1)    another process is indexing
├── ReaderUnusable (1)    no process to read documents in can be started
└── WrongUse (2)          what was asked for cannot be done
    ├── SettingsInvalid   an unknown or impossible setting
    ├── NotAFolder        the path is no folder
    └── NothingFits       no passage fits in front of the question
"""


class AppError(Exception):
    """Base of what the app raises on purpose; the text is for the user."""

    exit_code = 1


class NoModel(AppError):
    """There is no model to answer with."""


class DownloadFailed(AppError):
    """A model could not be downloaded."""


class DownloadStopped(AppError):
    """Somebody did not want to wait for a download; what has arrived is kept."""

    exit_code = 130


class ModelPartsDamaged(AppError):
    """The installed parts of a starter model do not add up to it."""


class NothingIndexed(AppError):
    """There are no documents to answer from."""


class AlreadyRunning(AppError):
    """Another process is indexing."""


class ReaderUnusable(AppError):
    """No process to read documents in can be started."""


class WrongUse(AppError):
    """What was asked for cannot be done."""

    exit_code = 2


class SettingsInvalid(WrongUse):
    """An unknown or impossible setting."""


class NotAFolder(WrongUse):
    """The path is no folder."""


class NothingFits(WrongUse):
    """No passage fits in front of the question."""


def message_of(error: Exception) -> str:
    """What to tell the user of an error that is meant for them."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be used: {error.strerror or error}"
    return str(error)
