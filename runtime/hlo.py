"""A builder of StableHLO modules as text.

A ``Module`` holds one public function ``main``, private functions, and whatever is known only at the end. A ``Block``
is a straight line of operations: the body of a function, or one region of a ``while``, ``case``, ``reduce`` ... ::

    module = Module("jit_f")
    block = module.main
    x = module.argument(aval((3,), np.float32))                    # Value
    two = block.constant(2.0, np.float32, (3,))                     # splat
    y = block.op("multiply", [x, two], x.aval)                      # "stablehlo." is added where there is no dot
    s = block.op("reduce", [y, block.constant(0, np.float32)], aval((), np.float32),
                 {"dimensions": (0,)}, [block.binary_region("add", np.float32)])
    module.results([s])
    text = module.text()

Attributes are given as Python values: bool -> ``true``, int -> ``N : i64``, a tuple of ints -> ``array<i64: ...>``, str -> as it
is. The second operand list of an op may use values of enclosing blocks (implicit capture); MLIR allows that for ``while``,
``if`` and ``case``, but not for function bodies. ``region`` makes a Block for one region; end it with ``ret``.
"""
from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from runtime.types import ELEMENT_TEXT, KEY, Aval, aval, kind


class Value:
    """One SSA value: its name in the text, its type, and the block that defines it."""
    __slots__ = ("name", "aval", "block")

    def __init__(self, name: str, aval: Aval, block: Block):
        self.name, self.aval, self.block = name, aval, block

    def __repr__(self):
        return f"<{self.name}: {self.aval}>"


_FOLLOWED = {"stablehlo." + name for name in ("add", "subtract", "multiply", "negate", "convert", "minimum", "maximum",
                                            "compare")}


class _Tracing(threading.local):
    block: Block | None = None


tracing = _Tracing()  # tracing.block: where operations on symbolic arrays are emitted in this thread, or None


class _InContext(threading.local):
    """The mesh of the innermost ``with mesh:`` of this thread, that of ``use_abstract_mesh``, and how often they were asked for.

    What is staged while they are asked for holds for them alone: ``runtime.jit`` compares ``reads`` to find that out.
    """
    held = None, None
    reads = 0

    @property
    def mesh(self):
        self.reads += 1
        return self.held[0]

    @mesh.setter
    def mesh(self, mesh):
        self.held = mesh, self.held[1]

    @property
    def abstract(self):
        self.reads += 1
        return self.held[1]

    @abstract.setter
    def abstract(self, mesh):
        self.held = self.held[0], mesh


in_context = _InContext()


class into:
    """A context in which operations on symbolic arrays are emitted into a block."""

    def __init__(self, block: Block | None):
        self.block = block

    def __enter__(self):
        self.before, tracing.block = tracing.block, self.block
        return self.block

    def __exit__(self, *error):
        tracing.block = self.before


def number_text(value, dtype: np.dtype) -> str:
    """Return one element as a StableHLO literal, exactly."""
    k = kind(dtype)
    if k == "b":
        return "true" if value else "false"
    if k in "iu":
        return str(int(value))
    if k == "c":
        part = np.dtype("float32" if dtype == np.complex64 else "float64")
        return f"({number_text(value.real, part)}, {number_text(value.imag, part)})"
    wide = float(value)
    if wide != wide or wide in (float("inf"), float("-inf")):
        raw = np.array(value, dtype)
        return f"0x{int(raw.view(f'u{raw.itemsize}')):0{2 * raw.itemsize}X}"
    text = repr(wide)  # every narrow float is a double, and repr of a double reads back as itself
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}{e}{exponent}"


def dense_text(array: np.ndarray) -> str:
    """Return a NumPy array as a ``dense<...>`` attribute without its type."""
    if array.size == 0:
        return "dense<>"
    flat = array.ravel()
    if array.size == 1 or (array.size > 1 and flat[0] == flat[-1] and (flat == flat[0]).all()
                           and not (kind(array.dtype) in "fc" and flat[0] == 0)):  # 0.0 == -0.0
        return f"dense<{number_text(flat[0], array.dtype)}>"
    if kind(array.dtype) == "b" or array.dtype.name.endswith("int4") or array.size <= 16:
        def nested(part):
            return (f"[{', '.join(map(nested, part))}]" if part.ndim else number_text(part[()], array.dtype))
        return f"dense<{nested(array)}>"
    return f'dense<"0x{np.ascontiguousarray(array).tobytes().hex().upper()}">'


def attribute_text(value) -> str:
    """Return a Python value as an MLIR attribute; strings are attributes already."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return f"{int(value)} : i64"
    if isinstance(value, float):
        return f"{number_text(value, np.dtype('float32'))} : f32"
    if isinstance(value, (tuple, list)):
        if all(isinstance(n, (bool, np.bool_)) for n in value) and value:
            return f"array<i1: {', '.join('true' if n else 'false' for n in value)}>"
        return f"array<i64: {', '.join(str(int(n)) for n in value)}>" if value else "array<i64>"
    raise TypeError(f"attribute {value!r}: use a bool, int, float, tuple of ints or MLIR text")


class Block:
    """A straight line of operations with its arguments; regions have a parent whose values they may use."""
    __slots__ = ("module", "parent", "lines", "args", "constants", "closed", "location", "free", "rebound", "returned")

    def __init__(self, module: Module, parent: Block | None = None):
        self.module, self.parent = module, parent
        self.lines: list[str] = []
        self.args: list[Value] = []
        self.constants: dict = {}
        self.closed = False
        self.returned: list[Value] = []  # what a finished region returns
        self.free: dict[str, Value] | None = None  # if a dict: collects the outer values used in this region
        self.rebound: dict[str, Value] = {}  # outer values that code run again in here means by another name
        self.location = "" if parent is None else parent.location

    def argument(self, of: Aval) -> Value:
        """Add an argument to this block."""
        value = Value(f"%{self.module.fresh()}", of, self)
        self.args.append(value)
        return value

    def resolve(self, value: Value) -> Value | None:
        """Return the value by which this block means ``value``: itself if it is visible, what it is rebound to, or None."""
        block = self
        while block is not None and block is not value.block:
            block = block.parent
        if block is None:
            block = self
            while block is not None:
                if value.name in block.rebound:
                    stand_in = block.rebound[value.name]
                    return self.resolve(Value(stand_in.name, value.aval, stand_in.block))
                block = block.parent
            return None
        block = self
        while block is not value.block:
            if block.free is not None:
                block.free[value.name] = value
            block = block.parent
        return value

    def op(self, name: str, operands: Sequence[Value], results, attributes: dict | None = None,
           regions: Sequence[Block] = ()):
        """Emit one operation; return a Value for an Aval in ``results``, a list of Values for a sequence of Avals."""
        single = type(results) is Aval
        types = (results,) if single else tuple(results)
        label = f"%{self.module.fresh()}"
        if len(types) == 1:
            head, values = f"{label} = ", [Value(label, types[0], self)]
        elif types:
            head = f"{label}:{len(types)} = "
            values = [Value(f"{label}#{i}", t, self) for i, t in enumerate(types)]
        else:
            head, values = "", []
        for t in types:
            if t.size > self.module.largest:
                self.module.largest = t.size
        if "." not in name:
            name = "stablehlo." + name
        attrs = ("" if not attributes else
                 " {" + ", ".join([f"{k} = {attribute_text(v)}" for k, v in attributes.items()]) + "}")
        bodies = f" ({', '.join([r.region_text() for r in regions])})" if regions else ""
        ins = ", ".join([o.aval.text for o in operands])
        outs = types[0].text if len(types) == 1 else f"({', '.join([t.text for t in types])})"
        self.lines.append(f'{head}"{name}"({", ".join([o.name for o in operands])}){bodies}{attrs} : ({ins}) -> {outs}'
                          f"{self.location}")
        if self.module.varying is not None:
            from runtime.varying import spread
            spread(self.module.varying, name, operands, regions, values)
        if self.module.counters and name in _FOLLOWED and not types[0].shape and kind(operands[0].aval.dtype) in "iu":
            from runtime.affine import follow
            follow(name.removeprefix("stablehlo."), operands, values[0], attributes)
        return values[0] if single else values

    def constant(self, value, dtype=None, shape: tuple | None = None, weak_type: bool = False) -> Value:
        """Emit (once per block) a constant: a NumPy array, or a number filling ``shape`` (default: a scalar)."""
        keyed = dtype == KEY
        array = np.asarray(value) if dtype is None else np.asarray(value, np.uint64 if keyed else dtype)
        literal = dense_text(array)
        of = aval(array.shape if shape is None else tuple(shape), KEY if keyed else array.dtype, weak_type)
        key = (literal, of)
        block = self
        while block is not None:
            if key in block.constants:
                return block.constants[key]
            block = block.parent
        if array.size == 0 and of.size:
            raise ValueError("constant: an empty array cannot fill a shape")
        made = self.op("constant", [], of, {"value": f"{literal} : {of.text}"})
        self.constants[key] = made
        if not of.shape and kind(of.dtype) in "iu":
            from runtime.affine import Form
            self.module.numbers[made.name] = Form(int(array), {})
        return made

    def zeros(self, of: Aval) -> Value:
        """Emit zeros (False) of a type."""
        return self.constant(0, of.dtype, of.shape, of.weak_type)

    def convert(self, value: Value, of: Aval) -> Value:
        """Emit a conversion to another dtype of the same shape; to bool it means ``!= 0``. No-op when equal."""
        if value.aval is of:
            return value
        if value.aval.dtype == of.dtype:
            return Value(value.name, of, value.block)
        if kind(of.dtype) == "b":
            return self.compare("NE", value, self.constant(0, value.aval.dtype, value.aval.shape))
        if kind(value.aval.dtype) == "c" and kind(of.dtype) != "c":
            part = np.dtype("float32" if value.aval.dtype == np.complex64 else "float64")
            return self.convert(self.op("real", [value], value.aval.with_dtype(part)), of)
        return self.op("convert", [value], of)

    def broadcast(self, value: Value, shape: tuple, dims: tuple | None = None) -> Value:
        """Emit a broadcast; operand axis i becomes result axis ``dims[i]`` (default: aligned at the right)."""
        if value.aval.shape == tuple(shape):
            return value
        if dims is None:
            dims = tuple(range(len(shape) - value.aval.ndim, len(shape)))
        return self.op("broadcast_in_dim", [value], value.aval.with_shape(tuple(shape)), {"broadcast_dimensions": dims})

    def reshape(self, value: Value, shape: tuple) -> Value:
        """Emit a reshape."""
        return value if value.aval.shape == tuple(shape) else self.op("reshape", [value], value.aval.with_shape(tuple(shape)))

    def compare(self, direction: str, a: Value, b: Value) -> Value:
        """Emit an elementwise comparison: EQ NE LT LE GT GE."""
        how = {"f": "FLOAT", "c": "FLOAT", "i": "SIGNED"}.get(kind(a.aval.dtype), "UNSIGNED")
        return self.op("compare", [a, b], aval(a.aval.shape, np.bool_),
                       {"comparison_direction": f"#stablehlo<comparison_direction {direction}>",
                        "compare_type": f"#stablehlo<comparison_type {how}>"})

    def ordered(self, direction: str, a: Value, b: Value) -> Value:
        """Emit a comparison; complex numbers are ordered by their real parts, and where those are equal by their imaginary ones."""
        if kind(a.aval.dtype) != "c" or direction in ("EQ", "NE"):
            return self.compare(direction, a, b)
        part = a.aval.with_dtype(np.dtype("float32" if a.aval.dtype == np.complex64 else "float64"))
        (p, q), (r, s) = [[self.op(name, [x], part) for name in ("real", "imag")] for x in (a, b)]
        truth = a.aval.with_dtype(np.dtype(bool))
        return self.op("select", [self.compare("EQ", p, r), self.compare(direction, q, s), self.compare(direction, p, r)], truth)

    def region(self, avals: Sequence[Aval] = ()) -> Block:
        """Return a new Block, nested in this one, with arguments of these types."""
        inner = Block(self.module, self)
        for of in avals:
            inner.argument(of)
        return inner

    def binary_region(self, name: str, dtype) -> Block:
        """Return a finished region that combines two scalars by one operation, as ``reduce`` and its kin take."""
        of = aval((), dtype)
        inner = self.region([of, of])
        a, b = inner.args
        if kind(of.dtype) == "c" and name in ("maximum", "minimum"):
            inner.ret([inner.op("select", [inner.ordered("GT" if name == "maximum" else "LT", a, b), a, b], of)])
        else:
            inner.ret([inner.op(name, inner.args, of)])
        return inner

    def mark(self) -> tuple[int, int]:
        """Return the present place, for ``written_since`` and ``undo``."""
        return len(self.lines), len(self.constants)

    def written_since(self, mark: tuple[int, int]) -> int:
        """Return how many characters have been emitted since a place, those of regions included."""
        return sum(map(len, self.lines[mark[0]:]))

    def undo(self, mark: tuple[int, int]) -> None:
        """Forget what has been emitted since a place; nobody may refer to it."""
        lines, constants = mark
        del self.lines[lines:]
        while len(self.constants) > constants:
            self.constants.popitem()

    def ret(self, values: Sequence[Value]) -> None:
        """End a region with these results."""
        self.lines.append(f'"stablehlo.return"({", ".join([v.name for v in values])}) : '
                          f'({", ".join([v.aval.text for v in values])}) -> ()')
        self.closed, self.returned = True, list(values)

    def region_text(self) -> str:
        """Return this finished block as the text of a region."""
        if not self.closed:
            raise ValueError("a region is used before ret() has ended it")
        head = ", ".join([f"{a.name}: {a.aval.text}" for a in self.args])
        body = "\n".join(self.lines)
        return f"{{\n^bb0({head}):\n{body}\n}}" if self.args else f"{{\n{body}\n}}"

    def call(self, name: str, build: Callable, operands: Sequence[Value], results, key=None):
        """Call a private function, written on first use by ``build(block, args) -> values``.

        The function is shared by all calls in the module with the same name, operand types and ``key`` (anything
        hashable that ``build`` depends on).
        """
        single = type(results) is Aval
        types = (results,) if single else tuple(results)
        symbol = self.module.function(name, build, tuple(o.aval for o in operands), types, key)
        return self.op("func.call", operands, results, {"callee": f"@{symbol}"})


class Module:
    """A module in the making: ``main``, private functions, attributes, and text that is filled in at the end.

    ``late``: marker -> function returning the text that replaces it, called when the module is complete.
    ``attributes``: of the module itself (as MLIR text). ``argument_attributes``: Value name -> MLIR text.
    """

    def __init__(self, name: str = "main"):
        self.name = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
        self.count = 0
        self.largest = 0  # elements of the largest result so far: small programs compile with other options
        self.main = Block(self)
        self.functions: dict = {}
        self.late: dict[str, Callable[[], str]] = {}
        self.attributes: dict[str, str] = {}
        self.argument_attributes: dict[str, str] = {}
        self.donated: list[int] = []
        self.result_attributes: dict[int, str] = {}
        self.numbers: dict = {}  # name of a whole number -> what is known of it (runtime.affine)
        self.decided: dict = {}  # name of a comparison of them whose answer is the same in every turn -> that answer
        self.counters: dict = {}  # name of a loop's counter -> (value, least, greatest)
        self.varying: dict | None = None  # inside shard_map: name of a value -> axes along which it varies (runtime.varying)
        self.captured: dict[int, tuple[Value, object]] = {}
        self.facts: dict = {}  # for whoever traces: what later stages must know (mesh axes, effects ...)
        self._results: list[Value] = []

    def fresh(self) -> int:
        """Return a number not used before in this module."""
        self.count += 1
        return self.count

    def argument(self, of: Aval) -> Value:
        """Add an argument to ``main``."""
        return self.main.argument(of)

    def donate(self, position: int) -> None:
        """Let the program take over the memory of one of ``main``'s arguments."""
        self.donated.append(position)
        self.argument_attributes[self.main.args[position].name] = "jax.buffer_donor = true"

    def capture(self, buffer) -> Value:
        """Return the argument that stands for a concrete buffer; the program must be called with it."""
        found = self.captured.get(id(buffer))
        if found is None:
            value = Value(f"%c{len(self.captured)}", buffer.aval, self.main)
            found = self.captured[id(buffer)] = (value, buffer)  # keeps the buffer alive, so the id stays its own
        return found[0]

    def marker(self, fill: Callable[[], str]) -> str:
        """Return text to put into an attribute now, replaced by ``fill()`` once the module is complete."""
        text = f"@@{len(self.late)}@@"
        self.late[text] = fill
        return text

    def function(self, name: str, build: Callable, avals: tuple, results: tuple, key) -> str:
        """Return the symbol of a private function, building it on first use."""
        known = self.functions.get((name, avals, key))
        if known is not None:
            return known[0]
        symbol = f"{name}_{len(self.functions)}"
        self.functions[name, avals, key] = (symbol, "")  # a recursive build would find itself
        block = Block(self)
        args = [block.argument(of) for of in avals]
        with into(None):
            made = build(block, args)
        made = [made] if isinstance(made, Value) else list(made)
        if [v.aval.text for v in made] != [t.text for t in results]:
            raise TypeError(f"function {name} returns {[v.aval for v in made]}, declared {list(results)}")
        self.functions[name, avals, key] = (symbol, _function_text("private", symbol, block, args, made, {}, {}))
        return symbol

    def results(self, values: Sequence[Value]) -> None:
        """Set what ``main`` returns."""
        self._results = list(values)
        self.main.closed = True

    def text(self) -> str:
        """Return the module as StableHLO text; captured buffers are the first arguments."""
        args = [value for value, _ in self.captured.values()] + self.main.args
        main = _function_text("public", "main", self.main, args, self._results, self.argument_attributes,
                              self.result_attributes)
        attributes = "".join(f"{k} = {v}, " for k, v in self.attributes.items()).rstrip(", ")
        head = f"module @{self.name}" + (f" attributes {{{attributes}}}" if attributes else "")
        text = f"{head} {{\n{main}{''.join(body for _, body in self.functions.values())}}}\n"
        for marker, fill in self.late.items():
            text = text.replace(marker, fill())
        return text


def _function_text(visibility, symbol, block, args, results, arg_attributes, result_attributes) -> str:
    def with_attributes(head, text):
        return f"{head} {{{text}}}" if text else head
    ins = ", ".join(with_attributes(f"{a.name}: {a.aval.text}", arg_attributes.get(a.name)) for a in args)
    outs = ", ".join(with_attributes(r.aval.text, result_attributes.get(i)) for i, r in enumerate(results))
    body = "".join(f"{line}\n" for line in block.lines)
    ret = (f'"func.return"({", ".join(r.name for r in results)}) : ({", ".join(r.aval.text for r in results)}) -> ()\n')
    return f"func.func {visibility} @{symbol}({ins}) -> ({outs}) {{\n{body}{ret}}}\n"


def location_text(file: str, line: int, scope: str = "") -> str:
    """Return the trailing ``loc(...)`` of an operation that comes from a line of the user's."""
    place = '"' + file.replace("\\", "\\\\").replace('"', '\\"') + f'":{line}:0'
    return f' loc("{scope}"({place}))' if scope else f" loc({place})"


__all__ = ["Block", "ELEMENT_TEXT", "Module", "Value", "attribute_text", "dense_text", "into", "location_text",
           "number_text", "tracing"]
