"""`steep models`: which models there are, what they are, and whether they fit; `download` gets another."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.errors import NoModel
from app.locations import find_locations
from app.models.choice import how_to_get_one
from app.models.discovery import list_models
from app.models.fit import Fit, Memory, ModelFacts, facts_of, fit_of, memory_now
from app.models.hub import Hub
from app.models.listed import ListedModel, name_of
from app.models.repository import offers, pick
from app.settings import Settings, Value, load_settings
from app.terminal import Terminal

_HEADINGS = ("name", "from", "size", "model", "context", "KV/token", "memory", "")
_TO_THE_RIGHT = frozenset({"size", "context", "KV/token"})


@dataclass(frozen=True, slots=True)
class _Row:
    """A model with all that is told of it."""

    model: ListedModel
    facts: ModelFacts | None
    fit: Fit


def show(flags: Mapping[str, Value | None], terminal: Terminal, *, as_json: bool) -> None:
    """The models that could answer, and those for search; exit code 1 and a way to get one if there is none."""
    locations = find_locations()
    settings = load_settings(locations.config_file, flags)
    memory = memory_now()
    rows = [_row(model, settings, memory) for model in list_models(locations)]
    if as_json:
        terminal.json({"models": [_described(row) for row in rows]})
        return
    if not rows:
        raise NoModel(how_to_get_one(locations))
    for line in _table([_HEADINGS, *map(_cells, rows)]):
        terminal.data(line)


def _row(model: ListedModel, settings: Settings, memory: Memory) -> _Row:
    facts = facts_of(model, settings.kv_type)
    return _Row(model, facts, fit_of(model.num_bytes, facts, settings, memory))


def _cells(row: _Row) -> tuple[str, ...]:
    model, facts = row.model, row.facts
    start = (model.name, str(model.source), f"{model.num_bytes / 1e6:,.0f} MB")
    if facts is None:
        verdict = f"unusable: {model.problem}" if model.problem else "ready to be joined from its parts"
        return (*start, "", "", "", str(row.fit.verdict), verdict)
    length, kv_bytes = facts.context_length, facts.kv_bytes_per_token
    return (
        *start,
        " ".join(filter(None, (facts.architecture, facts.num_parameters, facts.quantisation))),
        f"{length:,}" if length else "",
        f"{kv_bytes / 1e3:,.1f} kB" if kv_bytes else "",
        str(row.fit.verdict),
        _verdict(model, facts),
    )


def _verdict(model: ListedModel, facts: ModelFacts) -> str:
    if model.is_embedding:
        return "an embedding model: makes vectors for search"
    return "can be blended" if facts.blendable else f"exact only: {facts.reason}"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines with columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = (
        [
            cell.rjust(width) if heading in _TO_THE_RIGHT else cell.ljust(width)
            for heading, cell, width in zip(_HEADINGS, row, widths, strict=True)
        ]
        for row in rows
    )
    return ["  ".join(cells).rstrip() for cells in aligned]


def _described(row: _Row) -> dict[str, object]:
    model, facts, fit = row.model, row.facts, row.fit
    return {
        "name": model.name,
        "source": str(model.source),
        "path": str(model.path) if model.path else None,
        "size_mb": round(model.num_bytes / 1e6),
        "architecture": facts.architecture if facts else None,
        "parameters": (facts.num_parameters or None) if facts else None,
        "quantisation": (facts.quantisation or None) if facts else None,
        "context_length": facts.context_length if facts else None,
        "kv_bytes_per_token": (facts.kv_bytes_per_token or None) if facts else None,
        "embedding": model.is_embedding,
        "blendable": facts.blendable if facts else False if model.problem else None,
        "reason": model.problem or (facts.reason if facts else "") or None,
        "fit": str(fit.verdict),
        "needed_bytes": fit.needed_bytes,
        "available_bytes": fit.memory.available_bytes,
        "total_bytes": fit.memory.total_bytes,
    }


def download(repository: str, wanted: str, terminal: Terminal, *, as_json: bool) -> None:
    """Download a model from the Hugging Face hub into the cache that other programs share."""
    locations = find_locations()
    hub = Hub(locations.downloads_dir)
    offer = pick(repository, offers(hub.files(repository)), wanted)
    size = f"{offer.num_bytes / 1e6:,.0f} MB"
    with terminal.progress(f"Downloading {offer.name} ({size})", "MB") as show_progress:
        path = hub.download(repository, offer, lambda done, total: show_progress(done / 1e6, total / 1e6))
    name = name_of(path, list_models(locations))
    if as_json:
        terminal.json({"name": name, "path": str(path), "bytes": offer.num_bytes, "files": list(offer.files.files)})
        return
    terminal.data(f"{size} in {path}")
    terminal.remark(f"Use it with: --model {shlex.quote(name)}")
