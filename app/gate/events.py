"""What measuring a model in the background tells: frozen values, told on its thread."""

from dataclasses import dataclass

from storage.values import GateVerdict


@dataclass(frozen=True, slots=True)
class GateUnderWay:
    """A model is being measured; what is left to do may shrink."""

    num_done: int
    num_total: int


@dataclass(frozen=True, slots=True)
class GateMeasured:
    """A model was measured; answers go by its verdict from now on."""

    model_name: str
    verdict: GateVerdict


@dataclass(frozen=True, slots=True)
class GateTrouble:
    """A model could not be measured; it is tried again when it is loaded next."""

    reason: str


GateTold = GateUnderWay | GateMeasured | GateTrouble
