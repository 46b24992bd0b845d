"""`steep status`, `steep paths`: what there is, and where."""

from collections.abc import Mapping

from app.budget import budget_bytes
from app.errors import NoModel
from app.gate.course import course
from app.gate.verdicts import verdict_of_file
from app.gate.words import EXACT_ONLY, standing_words
from app.locations import find_locations
from app.models.choice import EmbeddingChoice, choose_embedding_model, default_model, find_model
from app.models.discovery import list_own_models
from app.models.listed import ListedModel
from app.search.dense import count_embedded
from app.settings import Value
from app.terminal import Terminal
from app.wiring import Parts, open_parts
from app.wording import counted, size, stages_line


def status(flags: Mapping[str, Value | None], terminal: Terminal, *, as_json: bool) -> None:
    """Folders, documents, chunks and states in numbers."""
    with open_parts(flags) as parts:
        counts, stages, model = parts.index.counts(), parts.index.stage_counts(), _model(parts)
        verdict = verdict_of_file(parts.index, model.path, parts.settings) if model and model.path else None
        failed = parts.index.unreadable_documents()
        num_budget_bytes = budget_bytes(parts.settings, parts.locations.states_dir, counts.num_state_bytes)
        embedding = _embedding_choice(parts)
        num_embedded = count_embedded(parts, embedding)
    if as_json:
        terminal.json(
            {
                "model": _name(parts, model),
                "mode": parts.settings.mode,
                "gate": course(parts.settings, verdict, is_blendable=_is_blendable(model)).gate.as_object(),
                "folders": counts.num_folders,
                "documents": counts.num_documents,
                "stages": stages,
                "chunks": counts.num_chunks,
                "steeped_chunks": counts.num_steeped_chunks,
                "states": counts.num_states,
                "state_bytes": counts.num_state_bytes,
                "budget_bytes": num_budget_bytes,
                "problems": [{"path": str(document.path), "reason": document.error} for document in failed],
                "retrieval": "hybrid" if embedding.path else "lexical",
                "embedding_model": embedding.path.stem if embedding.path else None,
                "embedded_chunks": num_embedded,
            }
        )
        return
    terminal.data(f"Model      {_name(parts, model) or 'none yet: see steep models'}")
    if model:
        terminal.data(f"Gate       {standing_words(parts.settings, verdict) if _is_blendable(model) else EXACT_ONLY}")
    terminal.data(f"Folders    {counts.num_folders:,}")
    terminal.data(f"Documents  {counts.num_documents:,} ({stages_line(stages)})")
    terminal.data(f"Chunks     {counts.num_chunks:,} ({counts.num_steeped_chunks:,} steeped)")
    used, budget = size(counts.num_state_bytes), size(num_budget_bytes)
    terminal.data(f"States     {counted(counts.num_states, 'file')}, {used} of {budget} (budget_gb)")
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


def _model(parts: Parts) -> ListedModel | None:
    """The model that answers."""
    if parts.settings.model:
        return find_model(parts.settings.model, parts.locations)
    return default_model(list_own_models(parts.locations))


def _is_blendable(model: ListedModel | None) -> bool:
    """As far as the file's header tells."""
    from engine.architecture import blendability

    return model is None or model.header is None or blendability(model.header).possible


def _name(parts: Parts, model: ListedModel | None) -> str | None:
    return parts.settings.model or (model.name if model else None)


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
        "log": locations.log_file,
    }
    if as_json:
        terminal.json({name: str(path) for name, path in rows.items()})
        return
    for name, path in rows.items():
        terminal.data(f"{name:8}{path}")
