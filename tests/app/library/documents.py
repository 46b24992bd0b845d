"""Documents of the library as values, without an index."""

from pathlib import Path

from storage.values import DocumentStage, DocumentStanding, Folder

ROOT = Path("/documents")
FOLDER = Folder(1, ROOT, 0)


def standing(
    name: str,
    *,
    num_chunks: int = 2,
    num_steeped_chunks: int = 0,
    error: str | None = None,
    stage: DocumentStage | None = None,
    num_bytes: int = 1000,
    is_pinned: bool = False,
    root: Path = ROOT,
    folder_id: int = 1,
) -> DocumentStanding:
    """A document below the folder; its stage follows from the rest unless it is given."""
    if stage is None and error is not None:
        stage = DocumentStage.UNREADABLE
    if stage is None:
        is_steeped = num_steeped_chunks == num_chunks
        stage = DocumentStage.STEEPED if is_steeped else DocumentStage.SEARCHABLE
    is_read = stage in (DocumentStage.SEARCHABLE, DocumentStage.STEEPED)
    return DocumentStanding(
        path=root / name,
        folder_id=folder_id,
        stage=stage,
        num_chunks=num_chunks if is_read else 0,
        num_steeped_chunks=num_steeped_chunks,
        num_state_bytes=num_steeped_chunks * 1_000_000,
        num_bytes=num_bytes,
        error=error,
        is_pinned=is_pinned,
    )


def found(name: str) -> DocumentStanding:
    return standing(name, stage=DocumentStage.FOUND)
