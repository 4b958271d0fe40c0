"""Writes an encoder as an ONNX graph: ids [n, length], padded with 0, in; mean rows [n, width] out.

Made from the weights themselves, so that building a model needs no torch; and with one product for
queries, keys and values, which in int8 quantises what enters it once where an exported graph does
three times. In int8 the kernels are whole numbers with a scale for each column, and what is
multiplied with them is quantised as it comes. Embeddings, norms and attention stay in float32.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from textmodels.families.transformer_encoder.predictor import INT8
from textmodels.families.transformer_encoder.pretrained import Dense, Layer, Norm, Pretrained

# Known to ONNX Runtime 1.18 and later; the Gelu operator came with opset 20.
_OPSET, _IR_VERSION = 20, 10
# Added where a text is padding: the softmax makes it 0.
_NEVER = -10_000.0
# Kernels of 7 bits: with 8 the sums of two products overflow on processors without VNNI.
_LARGEST = 63


def build_graph(pretrained: Pretrained, precision: str) -> bytes:
    """Return the file of an encoder in 'float32' or 'int8'."""
    graph = _Graph(pretrained, precision)
    rows = graph.embed()
    for layer in pretrained.layers:
        rows = graph.apply(layer, rows)
    graph.pool(rows)
    return graph.to_bytes()


class _Graph:
    """A graph under way; each method adds nodes and returns the name of what they give."""

    def __init__(self, pretrained: Pretrained, precision: str) -> None:
        self._pretrained = pretrained
        self._precision = precision
        self._width = pretrained.words.shape[1]
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._named = 0

    def embed(self) -> str:
        """Look the ids up, and find the padding."""
        padded = self._node("Equal", "ids", self._constant(np.int64(0)))
        nothing, all_of_it = self._constant(np.float32(0)), self._constant(np.float32(1))
        never = self._node("Where", padded, self._constant(np.float32(_NEVER)), nothing)
        self._barred = self._node("Unsqueeze", never, self._axes(1, 2))
        kept = self._node("Where", padded, nothing, all_of_it)
        self._kept = self._node("Unsqueeze", kept, self._axes(2))
        words = self._node("Gather", self._constant(self._pretrained.words), "ids")
        length = self._node("Shape", "ids", start=1, end=2)
        positions = self._constant(self._pretrained.positions)
        until = self._node("Slice", positions, self._axes(0), length)
        return self._norm(self._node("Add", words, until), self._pretrained.norm)

    def apply(self, layer: Layer, rows: str) -> str:
        """Add one layer."""
        attended = self._dense(self._attend(self._dense(rows, layer.attention)), layer.attended)
        rows = self._norm(self._node("Add", attended, rows), layer.attended_norm)
        inner = self._node("Gelu", self._dense(rows, layer.inner))
        outer = self._dense(inner, layer.outer)
        return self._norm(self._node("Add", outer, rows), layer.outer_norm)

    def pool(self, rows: str) -> None:
        """Take the mean over what is not padding."""
        sums = self._node(
            "ReduceSum", self._node("Mul", rows, self._kept), self._axes(1), keepdims=0
        )
        counts = self._node("ReduceSum", self._kept, self._axes(1), keepdims=0)
        self._nodes.append(helper.make_node("Div", [sums, counts], ["pooled"]))

    def to_bytes(self) -> bytes:
        """Return the file; the same weights always give the same bytes."""
        ids = helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["n", "length"])
        pooled = helper.make_tensor_value_info("pooled", onnx.TensorProto.FLOAT, ["n", self._width])
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, "encoder", [ids], [pooled], constants)
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
        helper.set_model_props(model, {"precision": self._precision})
        return bytes(model.SerializeToString(deterministic=True))

    def _attend(self, mixed: str) -> str:
        heads = self._pretrained.heads
        split = self._axes(0, 0, 3, heads, self._width // heads)
        by_head = self._node("Transpose", self._node("Reshape", mixed, split), perm=[2, 0, 3, 1, 4])
        parts = (self._constant(np.int64(part)) for part in range(3))
        query, key, value = (self._node("Gather", by_head, part, axis=0) for part in parts)
        turned = self._node("Transpose", key, perm=[0, 1, 3, 2])
        products = self._node("Add", self._node("MatMul", query, turned), self._barred)
        attended = self._node("MatMul", self._node("Softmax", products, axis=-1), value)
        together = self._node("Transpose", attended, perm=[0, 2, 1, 3])
        return self._node("Reshape", together, self._axes(0, 0, self._width))

    def _dense(self, rows: str, dense: Dense) -> str:
        multiply = self._multiply_int8 if self._precision == INT8 else self._multiply
        return self._node("Add", multiply(rows, dense.kernel), self._constant(dense.bias))

    def _multiply(self, rows: str, kernel: NDArray[np.float32]) -> str:
        return self._node("MatMul", rows, self._constant(kernel))

    def _multiply_int8(self, rows: str, kernel: NDArray[np.float32]) -> str:
        scales = np.abs(kernel).max(axis=0) / np.float32(_LARGEST)
        whole = np.rint(kernel / np.where(scales > 0, scales, 1)).astype(np.int8)
        quantised = [self._name() for _ in range(3)]
        self._nodes.append(helper.make_node("DynamicQuantizeLinear", [rows], quantised))
        values, scale, zero = quantised
        products = self._node("MatMulInteger", values, self._constant(whole), zero)
        scaled = self._node("Mul", scale, self._constant(scales))
        as_float = self._node("Cast", products, to=onnx.TensorProto.FLOAT)
        return self._node("Mul", as_float, scaled)

    def _norm(self, rows: str, norm: Norm) -> str:
        weights = self._constant(norm.gain), self._constant(norm.bias)
        return self._node(
            "LayerNormalization", rows, *weights, axis=-1, epsilon=self._pretrained.epsilon
        )

    def _axes(self, *numbers: int) -> str:
        return self._constant(np.array(numbers, np.int64))

    def _constant(self, values: Any) -> str:
        array = np.array(values, order="C")
        small = array.size < 16
        name = f"{array.dtype}{array.tolist()}" if small else f"weights{len(self._constants)}"
        self._constants.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def _node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = self._name()
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def _name(self) -> str:
        self._named += 1
        return f"step{self._named}"
