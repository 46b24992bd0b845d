"""The text around a user turn, from good, odd and hostile templates."""

import pytest

from engine.chat_template import TurnFrame, turn_frame

SYSTEM = "Be brief."
NAMES = {"bos_token": "<s>", "eos_token": "</s>"}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_a_usual_template_gives_the_texts_before_and_after_the_user_turn() -> None:
    frame = turn_frame(CHATML, NAMES, SYSTEM)
    assert frame.before == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
    assert frame.after == "<|im_end|>\n<|im_start|>assistant\n"


def test_a_template_without_a_system_turn_gets_it_in_the_user_turn() -> None:
    refusing = (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ m.role }}] {{ m.content }}{% endfor %}"
    )
    assert turn_frame(refusing, NAMES, SYSTEM).before == "<s>[user] Be brief.\n\n"


@pytest.mark.parametrize(
    "template",
    [
        None,
        "",
        "{% for %}",
        "no user text at all",
        "{{ messages[99].content }}",
        "{{ ''.__class__.__mro__ }}",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_missing_broken_or_hostile_template_falls_back_to_plain_text(template: str | None) -> None:
    assert turn_frame(template, NAMES, SYSTEM) == TurnFrame("Be brief.\n\n", "\n\n")


def test_the_date_never_changes_the_preamble() -> None:
    dated = "{{ strftime_now('%d %b %Y') }}" + CHATML
    assert turn_frame(dated, NAMES, SYSTEM).before.startswith("01 Jan 2025")
