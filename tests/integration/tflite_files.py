# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite files made by hand, with the quirks of Keras's converter and of others.

Made from the schema (schema.fbs of LiteRT) and from the description of FlatBuffers alone, and in
another way than src/exchange/flatbuffer_write.c: from the front, with offsets filled in later."""
import struct

FLOAT32, FLOAT16, INT32, UINT8, INT8 = 0, 1, 2, 3, 9
NONE, RELU, RELU_N1_TO_1, RELU6, TANH = range(5)
OPS = {"ADD": 0, "CONV_2D": 3, "DEQUANTIZE": 6, "FULLY_CONNECTED": 9, "LOGISTIC": 14, "MUL": 18, "RELU": 19,
       "RELU6": 21, "RESHAPE": 22, "SOFTMAX": 25, "TANH": 28, "CUSTOM": 32, "QUANTIZE": 114,
       "BATCH_MATMUL": 126, "GELU": 150}


class Table:
    """Fields by id: ("B" | "I" | "i" | "Q", number), or an object."""

    def __init__(self, fields):
        self.fields = {k: v for k, v in fields.items() if v is not None}


class Vector:
    def __init__(self, code, values):
        self.code, self.values = code, list(values)


class Bytes:
    def __init__(self, data, alignment=4, text=False):
        self.data, self.alignment, self.text = data, alignment, text


def text(s):
    return Bytes(s.encode(), text=True)


def refs(objects):
    return Vector(None, objects)


def _pad(out, n, alignment):
    out.extend(b"\0" * (-(len(out) + n) % alignment))


class Flatbuffer:
    def __init__(self, share=True):
        self.out, self.pending, self.vtables, self.share = bytearray(), [], {}, share

    def table(self, t):
        size, at = 4, {}
        for key in sorted(t.fields):
            code = t.fields[key][0] if isinstance(t.fields[key], tuple) else "I"
            width = struct.calcsize(code)
            size = -(-size // width) * width
            at[key] = size
            size += width
        ids = max(at, default=-1) + 1
        vtable = struct.pack(f"<HH{ids}H", 4 + 2 * ids, size, *(at.get(i, 0) for i in range(ids)))
        if not (self.share and vtable in self.vtables):
            _pad(self.out, 0, 2)
            self.vtables[vtable] = len(self.out)
            self.out += vtable
        _pad(self.out, 0, 8)
        pos = len(self.out)
        self.out += struct.pack("<i", pos - self.vtables[vtable]) + bytes(size - 4)
        for key, value in t.fields.items():
            if isinstance(value, tuple):
                struct.pack_into("<" + value[0], self.out, pos + at[key], value[1])
            else:
                self.pending.append((pos + at[key], value))
        return pos

    def vector(self, v):
        width = struct.calcsize(v.code or "I")
        _pad(self.out, 4, max(width, 4))
        pos = len(self.out)
        self.out += struct.pack("<I", len(v.values))
        for value in v.values:
            if v.code is None:
                self.pending.append((len(self.out), value))
            self.out += struct.pack("<" + (v.code or "I"), value if v.code else 0)
        return pos

    def bytes(self, b):
        _pad(self.out, 4, b.alignment)
        pos = len(self.out)
        self.out += struct.pack("<I", len(b.data)) + b.data + (b"\0" if b.text else b"")
        return pos

    def build(self, root, identifier=b"TFL3"):
        self.out += bytes(4) + identifier
        self.pending = [(0, root)]
        while self.pending:
            at, value = self.pending.pop(0)
            write = {Table: self.table, Vector: self.vector, Bytes: self.bytes}[type(value)]
            pos = write(value)
            struct.pack_into("<I", self.out, at, pos - at)
        return bytes(self.out)


class Model:
    """A graph, to which tensors and operators are added; everything can be bent."""

    def __init__(self, version=3, old_codes_only=False, new_codes_only=False, behind=False, share=True):
        self.version, self.behind, self.share = version, behind, share
        self.old, self.new = not new_codes_only, not old_codes_only
        self.buffers = [b""]
        self.tensors, self.operators, self.codes, self.metadata = [], [], [], []
        self.inputs, self.outputs = [], []
        self.subgraphs = 1
        self.signature = True

    def buffer(self, data):
        self.buffers.append(data)
        return len(self.buffers) - 1

    def tensor(self, name, shape, kind=FLOAT32, data=None, dynamic=False, quantization=None, sparsity=None,
               external=None):
        buffer = 0 if data is None else self.buffer(data)
        signature = Vector("i", [-1, *shape[1:]]) if dynamic else None
        self.tensors.append(Table({
            0: Vector("i", shape), 1: ("B", kind), 2: ("I", buffer), 3: text(name),
            # the converter writes an empty table where nothing is quantized
            4: quantization or Table({}), 6: sparsity, 7: signature, 8: ("B", 1), 10: external}))
        return len(self.tensors) - 1

    def code(self, name, version=1, custom=None):
        key = (name, version, custom)
        if key not in self.codes:
            self.codes.append(key)
        return self.codes.index(key)

    def operator(self, name, inputs, outputs, options_type=0, options=None, version=1, custom=None):
        self.operators.append(Table({
            0: ("I", self.code(name, version, custom)), 1: Vector("i", inputs), 2: Vector("i", outputs),
            3: ("B", options_type) if options_type else None, 4: options}))

    def _codes(self):
        tables = []
        for name, version, custom in self.codes:
            number = OPS.get(name, name)
            tables.append(Table({
                0: ("B", min(number, 127)) if self.old else None, 1: text(custom) if custom else None,
                2: ("i", version), 3: ("i", number) if self.new else None}))
        return refs(tables)

    def _graph(self):
        return Table({0: refs(self.tensors), 1: Vector("i", self.inputs), 2: Vector("i", self.outputs),
                      3: refs(self.operators), 4: text("main")})

    def _signature(self):
        def named(prefix, tensors):
            return refs(Table({0: text(f"{prefix}_{i}"), 1: ("I", t)}) for i, t in enumerate(tensors))

        return refs([Table({0: named("input", self.inputs), 1: named("output", self.outputs),
                            2: text("serving_default"), 4: ("I", 0)})]) if self.signature else None

    def _root(self, buffers):
        return Table({0: ("I", self.version), 1: self._codes(), 2: refs([self._graph()] * self.subgraphs),
                      3: text("MLIR Converted."), 4: refs(buffers),
                      6: refs(Table({0: text(k), 1: ("I", b)}) for k, b in self.metadata),
                      7: self._signature()})

    def build(self):
        if not self.behind:
            return Flatbuffer(self.share).build(self._root(
                Table({0: Bytes(b, 16)} if b else {}) for b in self.buffers))
        # schema 3c: the data stands behind the FlatBuffer, its place in the buffer's table
        def build(start):
            at, tables = start, []
            for b in self.buffers:
                tables.append(Table({1: ("Q", at), 2: ("Q", len(b))}) if b else Table({}))
                at += -(-len(b) // 16) * 16
            return Flatbuffer(self.share).build(self._root(tables))

        start = -(-len(build(0)) // 16) * 16
        out = build(start).ljust(start, b"\0")
        for b in self.buffers:
            out += b.ljust(-(-len(b) // 16) * 16, b"\0")
        return out


def floats(values, half=False):
    flat = [x for row in values for x in row] if values and hasattr(values[0], "__len__") else list(values)
    return struct.pack(f"<{len(flat)}{'e' if half else 'f'}", *flat)


SEPARATE = {"relu": "RELU", "sigmoid": "LOGISTIC", "tanh": "TANH"}


def dense_model(layers, *, half=False, fuse=("relu",), keep_num_dims=False, dynamic=True, biases=True,
                two_inputs=False, **model):
    """As Keras's converter writes a Sequential of Dense: layers are (W[out][in], b[out], activation).

    half: weights in float16 behind DEQUANTIZE. biases False: -1 stands for none; two_inputs: nothing."""
    m = Model(**model)
    width = len(layers[0][0][0])
    x = m.tensor("serving_default_input_1:0", [1, width], dynamic=dynamic)
    m.inputs = [x]
    consts = []
    for i, (W, b, _) in enumerate(layers):
        made = []
        for name, shape, values in (("MatMul", [len(W), len(W[0])], W), ("BiasAdd/ReadVariableOp", [len(W)], b)):
            if name != "MatMul" and not biases:
                made += [] if two_inputs else [-1]
                continue
            kind = FLOAT16 if half else FLOAT32
            t = m.tensor(f"sequential/dense_{i}/{name}", shape, kind, floats(values, half))
            if half:
                whole = m.tensor(f"sequential/dense_{i}/{name}1", shape)
                m.operator("DEQUANTIZE", [t], [whole], version=3)
                t = whole
            made.append(t)
        consts.append(made)
    for i, (W, b, activation) in enumerate(layers):
        fused = {"relu": RELU, "tanh": TANH, "relu6": RELU6}.get(activation, NONE) if activation in fuse else NONE
        y = m.tensor(f"sequential/dense_{i}/out", [1, len(W)], dynamic=dynamic)
        options = {}
        if fused:
            options[0] = ("B", fused)
        if keep_num_dims:
            options[2] = ("B", 1)
        version = 6 if two_inputs and not biases else 5 if keep_num_dims else 1
        m.operator("FULLY_CONNECTED", [x, *consts[i]], [y], 8, Table(options), version=version)
        x = y
        if not fused and activation in SEPARATE:
            x = m.tensor(f"sequential/dense_{i}/activated", [1, len(W)], dynamic=dynamic)
            m.operator(SEPARATE[activation], [y], [x])
    m.outputs = [x]
    return m
