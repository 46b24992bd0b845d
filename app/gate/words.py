"""The gate in words: figures, verdicts, and what an answer says of it. Pure."""

from app.gate.account import GateAccount, Standing
from app.settings import AUTO, Settings
from storage.values import BlendQuality, GateVerdict

HOW_TO_MEASURE = "steep doctor --model"

EXACT_ONLY = "exact only: the model cannot be blended"

UNMEASURED = f"not measured; {HOW_TO_MEASURE}"


def figure(value: float, num_decimals: int = 2) -> str:
    """`.08`, `1.00`: two decimals are as much as eight questions tell; beside a bar, three say on which side it is."""
    return f"{value:.{num_decimals}f}".removeprefix("0")


def percent(ratio: float) -> str:
    """`15 %`, `12.5 %`."""
    return f"{ratio * 100:.3g} %"


def verdict_words(verdict: GateVerdict | None) -> str:
    """What follows the name of a model: `blends at 15 % (KL .08, agreement .93; bar .10, .90)`."""
    if verdict is None:
        return UNMEASURED
    telling, bar = verdict.telling, verdict.bar
    if verdict.ratio is None:
        too = ", and its kv_type changes exact answers, too" if verdict.spoils_exact else ""
        return f"exact only{too} ({_quality_words(telling)} at {percent(telling.ratio)})"
    bar_words = f"bar {figure(bar.max_kl)}, {figure(bar.min_agreement)}"
    return f"blends at {percent(verdict.ratio)} ({_quality_words(telling)}; {bar_words})"


def standing_words(settings: Settings, verdict: GateVerdict | None) -> str:
    """The verdict, and what the user made of it."""
    return "; ".join(filter(None, (verdict_words(verdict), override_words(settings, verdict))))


def override_words(settings: Settings, verdict: GateVerdict | None) -> str:
    """What the user decided instead of the gate, and what it costs; empty: nothing."""
    if settings.mode == "exact":
        return "you set mode = exact"
    if settings.ratio != AUTO:
        quality = verdict.at(settings.ratio) if verdict else None
        cost = f" ({_quality_words(quality)})" if quality else " (not measured)"
        return f"you set ratio = {settings.ratio:g}{cost}"
    return "you set mode = blend" if settings.mode == "blend" else ""


def exact_notice(verdict: GateVerdict, ratio: float) -> str:
    """Why an answer is exact, and what blending at this ratio all the same would cost."""
    bar, telling = verdict.bar, verdict.telling
    wanted = f"wanted: {figure(bar.max_kl)}, {figure(bar.min_agreement)}"
    if verdict.spoils_exact:
        return (
            f"answered exactly, but rows of this kv_type change exact answers, too ({_quality_words(telling)}; "
            f"{wanted}): set kv_type to q8_0 or f16."
        )
    quality = verdict.at(ratio) or telling
    return (
        f"answered exactly: this model's blended answers differ too much from exact ones "
        f"({_quality_words(telling)} at {percent(telling.ratio)}; {wanted}). --ratio {quality.ratio:g} blends all the "
        f"same, with {_quality_words(quality)}."
    )


def account_words(gate: GateAccount, mode: str) -> str:
    """What an answer that came about in this mode says of the gate."""
    if gate.verdict is Standing.UNMEASURED:
        how = "exact" if mode == "exact" or gate.ratio is None else f"blended at {percent(gate.ratio)}"
        return f"{how} ({UNMEASURED})"
    if gate.ratio is None:
        return EXACT_ONLY
    cost, ratio = _cost_words(gate), percent(gate.ratio)
    if mode == "exact":
        return f"exact by your choice ({cost} at {ratio})" if gate.overridden else f"exact only ({cost} at {ratio})"
    if not gate.overridden:
        return f"blended at {ratio} ({cost})"
    instead = ", exact only otherwise" if gate.verdict is Standing.EXACT else ""
    return f"blended at {ratio} by your choice{instead} ({cost})"


def _cost_words(gate: GateAccount) -> str:
    if gate.kl is None or gate.agreement is None:
        return "not measured"
    return f"KL {figure(gate.kl)}, agreement {figure(gate.agreement)}"


def _quality_words(quality: BlendQuality) -> str:
    return f"KL {figure(quality.kl)}, agreement {figure(quality.agreement)}"
