"""Models of the list without any file, on a machine with 16 GB."""

from pathlib import Path

from app.models.fit import ModelFacts, fit_of
from app.models.listed import ListedModel
from app.settings import Settings
from app.tui.models.entry import ModelEntry
from engine.gguf_header import GgufHeader
from tests.app.tui.models.models_pilot import MEMORY

FACTS = ModelFacts("qwen2", "0.5B", "Q4_K_M", 32768, 12_288, blendable=True, reason="")
SETTINGS = Settings()


def listed(name: str = "qwen", *, num_bytes: int = 491_000_000, **more: object) -> ListedModel:
    return ListedModel(name, Path(f"/models/{name}.gguf"), num_bytes, **more)  # type: ignore[arg-type]


def entry(
    name: str = "qwen",
    *,
    facts: ModelFacts | None = FACTS,
    num_bytes: int = 491_000_000,
    loaded_as: Path | None = None,
    **more: object,
) -> ModelEntry:
    model = listed(name, num_bytes=num_bytes, **more)
    return ModelEntry(model, facts, fit_of(num_bytes, facts, SETTINGS, MEMORY), loaded_as)


def embedding_entry(name: str = "minilm") -> ModelEntry:
    header = GgufHeader(Path("/m"), 1, 1, {"general.architecture": "bert", "bert.pooling_type": 1})
    return entry(name, header=header)
