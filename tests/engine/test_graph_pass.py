"""Rewriting inputs, on graphs made by hand."""

import ctypes
from typing import Any

import numpy as np
import pytest

from engine import bindings, redirect
from engine.bindings import Tensor
from engine.errors import RedirectFailed
from engine.redirect import GraphPass

POSITIONS = np.array([5, 9], np.int32)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[int, Any]:
    """What was written, by address: the tensors here have no memory behind them."""
    log: dict[int, Any] = {}
    monkeypatch.setattr(bindings, "write_tensor", lambda address, values, offset=0: log.__setitem__(address, values))
    return log


def leaf(name: bytes, type_: str) -> Tensor:
    tensor = Tensor()
    tensor.name, tensor.type = name, bindings.type_code(type_)
    return tensor


def node_over(*sources: Tensor) -> Tensor:
    node = Tensor()
    node.op = bindings.op_code("ADD")
    for i, source in enumerate(sources):
        node.src[i] = ctypes.addressof(source)
    node.sources = sources  # the node holds addresses only; they must stay valid
    return node


def visit(graph_pass: GraphPass, *nodes: Tensor) -> None:
    for node in nodes:
        graph_pass.visit(ctypes.addressof(node), True)


def test_every_copy_of_an_input_is_rewritten_once(written: dict[int, Any]) -> None:
    host, copy = leaf(b"inp_pos", "i32"), leaf(b"CUDA0#inp_pos#0", "i32")
    graph_pass = GraphPass(POSITIONS)
    visit(graph_pass, node_over(host), node_over(copy), node_over(host, copy))
    assert written.keys() == {ctypes.addressof(host), ctypes.addressof(copy)}
    assert all(values.tolist() == [5, 9] for values in written.values())


def test_an_input_at_the_address_of_an_earlier_graphs_tensor_is_rewritten(written: dict[int, Any]) -> None:
    tensor = leaf(b"k_shift", "i32")
    graph_pass = GraphPass(POSITIONS)
    visit(graph_pass, node_over(tensor))
    assert not written
    tensor.name = b"inp_pos"
    visit(graph_pass, node_over(tensor))
    assert ctypes.addressof(tensor) in written


@pytest.mark.parametrize(
    "name", [b"inp_pos_bucket", b"my_inp_pos", b"attn_inp_k_rot", b"inp_tokens", b"blk.0.inp_positions"]
)
def test_other_tensors_are_left_alone(name: bytes, written: dict[int, Any]) -> None:
    visit(GraphPass(POSITIONS), node_over(leaf(name, "i32")))
    assert not written


def test_an_input_of_another_type_than_known_is_refused(written: dict[int, Any]) -> None:
    with pytest.raises(RedirectFailed, match="inp_pos has type f32"):
        visit(GraphPass(POSITIONS), node_over(leaf(b"inp_pos", "f32")))
    assert not written


def test_cells_are_hidden_in_the_mask_and_nothing_else_is_touched(
    written: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mask, positions = leaf(b"attn_inp_kq_mask", "f16"), leaf(b"inp_pos", "i32")
    mask.ne[0] = 4
    before = np.array([[0, 0, 0, -np.inf], [0, 0, 0, 0]], np.float16)
    monkeypatch.setattr(bindings, "num_tensor_bytes", lambda _address: before.nbytes)
    monkeypatch.setattr(bindings, "read_tensor", lambda *_: before.copy().reshape(-1).view(np.uint8))
    graph_pass = GraphPass(mask_bias=redirect.hiding(np.array([0, 2], np.int32)))
    with pytest.raises(RedirectFailed, match="no input attn_inp_kq_mask"):
        graph_pass.require_complete()
    visit(graph_pass, node_over(positions, mask))
    graph_pass.require_complete()
    assert written.keys() == {ctypes.addressof(mask)}
    seen = written[ctypes.addressof(mask)].reshape(2, 4) == 0
    assert seen.tolist() == [[False, True, False, False], [False, True, False, True]]


def test_inputs_that_never_came_are_named() -> None:
    graph_pass = GraphPass(POSITIONS)
    with pytest.raises(RedirectFailed, match="attn_inp_k_idxs, attn_inp_kq_mask, attn_inp_v_idxs, inp_pos"):
        graph_pass.require_complete()


def test_after_its_last_watch_every_later_split_stops_at_its_first_node() -> None:
    graph_pass = GraphPass(stop=True)
    graph_pass._stopped = True
    node = node_over()
    assert graph_pass.visit(ctypes.addressof(node), True)
    assert not graph_pass.visit(ctypes.addressof(node), False)


def test_a_token_sees_the_cells_up_to_its_own_and_none_behind_it() -> None:
    rows = redirect._mask_rows(8, np.array([0, 3, 7], np.int32))
    assert rows.dtype == np.float16
    assert (rows == 0).tolist() == [[True] * (i + 1) + [False] * (7 - i) for i in (0, 3, 7)]
    assert np.isneginf(rows[rows != 0]).all()
