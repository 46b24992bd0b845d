"""Keys of the user's own are checked against what there is."""

import pytest
from textual.binding import Binding
from textual.screen import Screen
from textual.widget import Widget

from app.errors import SettingsInvalid
from app.tui.app import SteepApp
from app.tui.keys import AREAS, KnownKey, check_keys, is_of_app, known_keys, title_of


class Chat(Screen):
    pass


class Box(Widget):
    pass


KNOWN = [
    KnownKey("chat.stop", "escape", "Stop", "Stop the answer", "stop", Chat),
    KnownKey("chat.retry", "ctrl+r", "Retry", "Retry", "retry", Chat),
    KnownKey("chat.send", "enter", "Send", "Send", "send", Box),
]


def test_every_binding_with_an_id_is_known_once():
    keys = known_keys()
    ids = [key.id for key in keys]
    assert {"app.help", "conversations.rename", "dialog.cancel", "welcome.skip"} <= set(ids)
    assert len(ids) == len(set(ids)), sorted(identifier for identifier in ids if ids.count(identifier) > 1)


def test_every_known_key_has_a_description_and_an_area_with_a_title():
    for key in known_keys():
        assert key.label, key.id
        assert key.description, key.id
        assert key.area in AREAS, key.id


def test_the_areas_come_in_the_order_of_the_help():
    areas = list(dict.fromkeys(key.area for key in known_keys()))
    assert areas == [area for area in AREAS if area in areas]


def test_actions_that_are_shown_in_the_footer_can_be_remapped():
    nameless = [
        binding.action
        for key in known_keys()
        for binding in key.owner.__dict__["BINDINGS"]
        if isinstance(binding, Binding) and binding.show and not binding.id
    ]
    assert not nameless


def test_keys_of_ones_own_pass_the_check():
    check_keys({"chat.stop": "escape,ctrl+c", "chat.retry": "f6", "chat.send": "alt+up,question_mark,x"}, KNOWN)


def test_an_unknown_id_is_refused_with_what_is_close():
    with pytest.raises(SettingsInvalid, match=r"nothing is called 'chat\.stopp'; did you mean 'chat\.stop'"):
        check_keys({"chat.stopp": "x"}, KNOWN)


def test_an_id_like_nothing_else_is_refused_with_where_to_look():
    with pytest.raises(SettingsInvalid, match="F1 lists what there is"):
        check_keys({"zzz": "x"}, KNOWN)


@pytest.mark.parametrize("key", ["esape", "ctrl", "ctrl+", "control+x", "", "escape,", "Ctrl+x"])
def test_a_key_that_nobody_can_press_is_refused(key: str):
    with pytest.raises(SettingsInvalid, match="there is no key"):
        check_keys({"chat.stop": key}, KNOWN)


def test_a_key_that_terminals_send_for_another_is_refused():
    with pytest.raises(SettingsInvalid, match="terminals send that for Enter"):
        check_keys({"chat.stop": "ctrl+m"}, KNOWN)


def test_a_key_that_the_same_widget_uses_already_is_refused():
    with pytest.raises(SettingsInvalid, match=r"chat\.stop = 'ctrl\+r' is the key of chat\.retry already"):
        check_keys({"chat.stop": "ctrl+r"}, KNOWN)


def test_two_actions_may_swap_their_keys_and_widgets_may_share_one():
    check_keys({"chat.stop": "ctrl+r", "chat.retry": "escape"}, KNOWN)
    check_keys({"chat.stop": "enter"}, KNOWN)


def test_what_belongs_to_the_app_works_everywhere():
    keys = {key.id: key for key in known_keys()}
    assert is_of_app(keys["app.help"])
    assert keys["app.help"].owner is SteepApp
    assert not is_of_app(keys["conversations.rename"])
    assert title_of("conversations") == "Conversations"
    assert title_of("elsewhere") == "Elsewhere"
