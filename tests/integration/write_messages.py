# SPDX-License-Identifier: Apache-2.0
"""The messages of Remote-Write 1.0 and 2.0 by Google's protobuf, and Snappy: an encoder and decoder
that share nothing with tocsin's. After prometheus/prompb: types.proto, remote.proto, and
io/prometheus/write/v2/types.proto."""
import struct

import snappy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

V1 = "application/x-protobuf"
V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]

_TYPES = descriptor_pb2.FieldDescriptorProto


def _file(package, messages):
    file = descriptor_pb2.FileDescriptorProto(name=package + ".proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in fields.items():
            repeated = kind.startswith("*")
            kind = kind.lstrip("*")
            f = message.field.add(name=field, number=number)
            f.label = _TYPES.LABEL_REPEATED if repeated else _TYPES.LABEL_OPTIONAL
            if kind[0].isupper():
                f.type, f.type_name = _TYPES.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                f.type = getattr(_TYPES, "TYPE_" + kind.upper())
    return file


_SAMPLE = {1: ("value", "double"), 2: ("timestamp", "int64")}
_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file("prometheus", {
    "Label": {1: ("name", "string"), 2: ("value", "string")},
    "Sample": _SAMPLE,
    "Exemplar": {1: ("labels", "*Label"), 2: ("value", "double"), 3: ("timestamp", "int64")},
    "Histogram": {1: ("count_int", "uint64"), 3: ("sum", "double"), 15: ("timestamp", "int64")},
    "TimeSeries": {1: ("labels", "*Label"), 2: ("samples", "*Sample"), 3: ("exemplars", "*Exemplar"),
                   4: ("histograms", "*Histogram")},
    "MetricMetadata": {1: ("type", "int32"), 2: ("metric_family_name", "string"),
                       4: ("help", "string"), 5: ("unit", "string")},
    "WriteRequest": {1: ("timeseries", "*TimeSeries"), 3: ("metadata", "*MetricMetadata")},
}))
_POOL.Add(_file("io.prometheus.write.v2", {
    "Sample": _SAMPLE,
    "Exemplar": {1: ("labels_refs", "*uint32"), 2: ("value", "double"), 3: ("timestamp", "int64")},
    "Histogram": {1: ("count_int", "uint64"), 3: ("sum", "double"), 15: ("timestamp", "int64")},
    "Metadata": {1: ("type", "int32"), 3: ("help_ref", "uint32"), 4: ("unit_ref", "uint32")},
    "TimeSeries": {1: ("labels_refs", "*uint32"), 2: ("samples", "*Sample"),
                   3: ("histograms", "*Histogram"), 4: ("exemplars", "*Exemplar"),
                   5: ("metadata", "Metadata"), 6: ("created_timestamp", "int64")},
    "Request": {4: ("symbols", "*string"), 5: ("timeseries", "*TimeSeries")},
}))
_FACTORY = message_factory.MessageFactory(_POOL)
WriteRequest = _FACTORY.GetPrototype(_POOL.FindMessageTypeByName("prometheus.WriteRequest"))
Request = _FACTORY.GetPrototype(_POOL.FindMessageTypeByName("io.prometheus.write.v2.Request"))


def body_1(series):
    """series: [(labels, [(value, ms)...])...]; labels as a dict, written in its order."""
    request = WriteRequest()
    for labels, samples in series:
        s = request.timeseries.add()
        for name, value in labels.items():
            s.labels.add(name=name, value=value)
        for value, ms in samples:
            s.samples.add(value=value, timestamp=ms)
    return request


def body_2(series):
    request = Request(symbols=[""])
    numbers = {"": 0}

    def number(text):
        if text not in numbers:
            numbers[text] = len(request.symbols)
            request.symbols.append(text)
        return numbers[text]

    for labels, samples in series:
        s = request.timeseries.add(created_timestamp=1)
        for name, value in labels.items():
            s.labels_refs.extend([number(name), number(value)])
        s.metadata.type = 2
        s.metadata.help_ref = number("What it is.")
        for value, ms in samples:
            s.samples.add(value=value, timestamp=ms)
    return request


def pack(message):
    return snappy.compress(message.SerializeToString())


def unpack_1(body):
    """The samples of a packed WriteRequest: [(labels as a dict, value, ms)...]."""
    request = WriteRequest.FromString(snappy.uncompress(body))
    return [({label.name: label.value for label in s.labels}, sample.value, sample.timestamp)
            for s in request.timeseries for sample in s.samples]
