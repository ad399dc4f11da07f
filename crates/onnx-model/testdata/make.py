"""Writes the files of this folder with the reference implementation: pip install onnx==1.23.2 numpy; python make.py"""

import random
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
RANDOM = random.Random(1)


def scalar(field):
    kind = field.type
    if kind == FieldDescriptor.TYPE_STRING:
        return RANDOM.choice(["", "a", "né"])
    if kind == FieldDescriptor.TYPE_BYTES:
        return RANDOM.randbytes(RANDOM.randrange(4))
    if kind in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return RANDOM.choice([0.0, -1.5])
    if kind == FieldDescriptor.TYPE_ENUM:
        return RANDOM.choice(field.enum_type.values).number
    return RANDOM.choice([0, 1, 300] if kind == FieldDescriptor.TYPE_UINT64 else [0, -1, 300])


def fill(message, depth):
    """Sets at random half of all fields, messages down to `depth` included."""
    chosen = {oneof.name: RANDOM.choice(oneof.fields) for oneof in message.DESCRIPTOR.oneofs}
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        is_message = field.type == FieldDescriptor.TYPE_MESSAGE
        if (oneof and chosen[oneof.name] != field) or (is_message and depth == 0) or RANDOM.random() < 0.5:
            continue
        if not is_message:
            if field.is_repeated:
                getattr(message, field.name).extend(scalar(field) for _ in range(2))
            else:
                setattr(message, field.name, scalar(field))
        elif field.is_repeated:
            fill(getattr(message, field.name).add(), depth - 1)
        else:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), depth - 1)


def set_fields(message):
    """Names of the fields that are set in `message` or in a message inside it."""
    names = set()
    for field, value in message.ListFields():
        names.add(field.full_name)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                names |= set_fields(inner)
    return names


def all_fields(descriptors):
    for descriptor in descriptors:
        yield from (field.full_name for field in descriptor.fields)
        yield from all_fields(descriptor.nested_types)


def every_field():
    """A model, meaningless, in which each field of each message of onnx-ml.proto is set somewhere."""
    wanted = set(all_fields(onnx.onnx_ml_pb2.DESCRIPTOR.message_types_by_name.values()))
    model = onnx.ModelProto()
    while (have := set_fields(model)) != wanted:
        more = onnx.ModelProto()
        fill(more, 7)
        more.MergeFrom(model)
        if len(set_fields(more)) > len(have):
            model = more
    return model


def classifier():
    """x[batch, 4] -> Gemm -> Relu -> If(sum > 0: Gemm, else constant) -> y[batch, 3]"""
    weights = np.random.default_rng(1)
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    tensor = lambda name, *shape: numpy_helper.from_array(weights.standard_normal(shape, np.float32), name)
    then_branch = helper.make_graph(
        [helper.make_node("MatMul", ["h", "fc2.weight"], ["scores"], "fc2")], "then", [], [value("scores", ["batch", 3])]
    )
    else_branch = helper.make_graph(
        [helper.make_node("Constant", [], ["fallback"], "nothing", value=tensor("", 1, 3))],
        "else",
        [],
        [value("fallback", [1, 3])],
    )
    nodes = [
        helper.make_node("Gemm", ["x", "fc1.weight", "fc1.bias"], ["pre"], "fc1", transB=1, alpha=1.0),
        helper.make_node("Relu", ["pre"], ["h"], "relu1"),
        helper.make_node("ReduceSum", ["h"], ["sum"], "sum", keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["any"], "any"),
        helper.make_node("If", ["any"], ["y"], "choose", then_branch=then_branch, else_branch=else_branch),
    ]
    initializers = [
        tensor("fc1.weight", 8, 4),
        tensor("fc1.bias", 8),
        tensor("fc2.weight", 8, 3),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
    ]
    graph = helper.make_graph(nodes, "classifier", [value("x", ["batch", 4])], [value("y", [None, 3])], initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10, producer_name="make.py", producer_version="1"
    )
    helper.set_model_props(model, {"labels": "a,b,c"})
    onnx.checker.check_model(model, full_check=True)
    return model


(HERE / "every_field.pb").write_bytes(every_field().SerializeToString(deterministic=True))
model = classifier()
onnx.save(model, HERE / "classifier.onnx")
(HERE / "external.bin").unlink(missing_ok=True)  # onnx.save does not overwrite it
onnx.save(model, HERE / "external.onnx", save_as_external_data=True, location="external.bin", size_threshold=64)
