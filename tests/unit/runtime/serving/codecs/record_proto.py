"""SageMaker's ``Record`` schema for Google's protobuf package: the oracle of our reader and writer.

Written from the schema that docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html prints.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_TENSORS = {
    "Float32Tensor": _FIELD.TYPE_FLOAT,
    "Float64Tensor": _FIELD.TYPE_DOUBLE,
    "Int32Tensor": _FIELD.TYPE_INT32,
}


def record_class() -> Any:
    """The message class ``aialgs.data.Record``."""
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="aialgs.data", syntax="proto2")
    for name, number_type in _TENSORS.items():
        tensor = file.message_type.add(name=name)
        _repeated(tensor, "values", 1, number_type, is_packed=True)
        _repeated(tensor, "keys", 2, _FIELD.TYPE_UINT64, is_packed=True)
        _repeated(tensor, "shape", 3, _FIELD.TYPE_UINT64, is_packed=True)
    blob = file.message_type.add(name="Bytes")
    _repeated(blob, "value", 1, _FIELD.TYPE_BYTES)
    _single(blob, "content_type", 2, _FIELD.TYPE_STRING)
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    members = (("float32_tensor", 2), ("float64_tensor", 3), ("int32_tensor", 7), ("bytes", 9))
    for (name, number), type_name in zip(members, [*_TENSORS, "Bytes"], strict=True):
        _single(value, name, number, _FIELD.TYPE_MESSAGE, type_name=f".aialgs.data.{type_name}").oneof_index = 0
    _add_record(file)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.data.Record"))


def _add_record(file: descriptor_pb2.FileDescriptorProto) -> None:
    record = file.message_type.add(name="Record")
    for number, (field, entry) in enumerate((("features", "FeaturesEntry"), ("label", "LabelEntry")), 1):
        nested = record.nested_type.add(name=entry)
        nested.options.map_entry = True
        _single(nested, "key", 1, _FIELD.TYPE_STRING)
        _single(nested, "value", 2, _FIELD.TYPE_MESSAGE, type_name=".aialgs.data.Value")
        _repeated(record, field, number, _FIELD.TYPE_MESSAGE, type_name=f".aialgs.data.Record.{entry}")
    for number, name in enumerate(("uid", "metadata", "configuration"), 3):
        _single(record, name, number, _FIELD.TYPE_STRING)


def _single(message: Any, name: str, number: int, field_type: Any, type_name: str | None = None) -> Any:
    label = _FIELD.LABEL_OPTIONAL
    return message.field.add(name=name, number=number, type=field_type, label=label, type_name=type_name)


def _repeated(
    message: Any, name: str, number: int, field_type: Any, type_name: str | None = None, *, is_packed: bool = False
) -> None:
    field = message.field.add(
        name=name, number=number, type=field_type, label=_FIELD.LABEL_REPEATED, type_name=type_name
    )
    if is_packed:
        field.options.packed = True
