"""How a question is answered, and why: the user's settings over the gate's verdict. Pure.

    mode      ratio     the gate says          so answers are
    auto      auto      blend at r             blended at r
    auto      auto      exact only             exact, with a notice
    auto      a number  anything               blended at that number
    blend     any       anything               blended, at the number, the gate's ratio, or DEFAULT_RATIO
    exact     any       anything               exact
    any       any       not measured           as if the gate allowed DEFAULT_RATIO

A model that cannot be blended is asked like any other: the engine answers exactly, and says why.
"""

from dataclasses import dataclass

from app.gate.account import GateAccount, Standing
from app.gate.words import exact_notice
from app.settings import AUTO, Settings
from storage.values import BlendQuality, GateVerdict

DEFAULT_RATIO = 0.15
"""Before anything was measured: from a tenth on, answers of a 1.5B model were within their own noise of exact ones
(`engine.selection`)."""


@dataclass(frozen=True, slots=True)
class Course:
    """See the module."""

    mode: str
    """`blend` or `exact`."""
    ratio: float
    gate: GateAccount
    notice: str = ""
    """What the user should know; empty: nothing."""


def course(settings: Settings, verdict: GateVerdict | None, *, is_blendable: bool = True) -> Course:
    """`verdict`: the model's, None before it was measured."""
    ratio = ratio_of(settings, verdict)
    is_exact = settings.mode == "exact" or _is_held_back(settings, verdict)
    mode = "exact" if is_exact else "blend"
    if not is_blendable:
        return Course(mode, ratio, GateAccount(Standing.EXACT))
    if verdict is None:
        return Course(mode, ratio, GateAccount(Standing.UNMEASURED, None if is_exact else ratio))
    if is_exact:
        is_overridden, quality = verdict.ratio is not None, verdict.telling
    else:
        is_overridden, quality = ratio != verdict.ratio, verdict.at(ratio)
    standing = Standing.EXACT if verdict.ratio is None else Standing.BLEND
    gate = _account(standing, verdict.telling.ratio if is_exact else ratio, quality, is_overridden=is_overridden)
    notice = exact_notice(verdict, DEFAULT_RATIO) if settings.mode == AUTO and is_exact else ""
    return Course(mode, ratio, gate, notice)


def ratio_of(settings: Settings, verdict: GateVerdict | None = None) -> float:
    """The ratio that blends have."""
    if settings.ratio != AUTO:
        return settings.ratio
    return DEFAULT_RATIO if verdict is None or verdict.ratio is None else verdict.ratio


def _is_held_back(settings: Settings, verdict: GateVerdict | None) -> bool:
    """Whether the gate decides, and against blending."""
    is_free = settings.mode == AUTO and settings.ratio == AUTO
    return is_free and verdict is not None and verdict.ratio is None


def _account(standing: Standing, ratio: float, quality: BlendQuality | None, *, is_overridden: bool) -> GateAccount:
    figures = (quality.kl, quality.agreement) if quality else (None, None)
    return GateAccount(standing, ratio, *figures, overridden=is_overridden)
