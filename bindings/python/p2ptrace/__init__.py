# SPDX-License-Identifier: MIT
"""p2ptrace for Python: a node's log, its events, and contexts, with ctypes.  For tests and tools: an event costs some microseconds.

    import p2ptrace

    with p2ptrace.Log("carol", p2ptrace.node_id_from(public_key)) as log:
        caller = p2ptrace.Context.decode(message[:p2ptrace.CONTEXT_BYTES])
        context = caller.child()
        log.app_start(context, peer, parent_id=caller.span_id, app_id="DMAP", cmd=GET)
        log.packet_sent(context, peer, packet_num=7, size=1200, space="1rtt")
        log.app_end(context, peer, app_id="DMAP", cmd=GET, ok=True)

A Log has a method for each kind of events.def except events_lost.  It takes the context and the peer, which may be None, then the kind's
fields by name or in order; omitted fields are 0, and span_id comes from the context unless given.  An unknown field raises TypeError, a
number that does not fit OverflowError; text that is too long is cut.  An event never raises anything else.

The library is libp2ptrace-shared.so.1, or the file that $P2PTRACE_LIBRARY names.  Without it, or if the log cannot be opened, a Log emits
nothing; `available` says so, and Log(..., required=True) raises."""
import ctypes
import ipaddress
import os

from . import _table

__all__ = ["CONTEXT_BYTES", "Context", "KINDS", "Log", "SAMPLED", "DEBUG", "APP_INITIATED", "RETRANSMISSION", "EXPIRED", "PROBE", "available", "node_id_from",
           "node_id_of_address", "node_id_random"]

CONTEXT_BYTES = 26
SAMPLED, DEBUG, APP_INITIATED = 1, 2, 4
# For a single event: it was sent before; the span timed out; the packet probes the path's MTU.
RETRANSMISSION, EXPIRED, PROBE = 32, 64, 128
DISCARD_NEWEST = 1


class _TraceId(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint8 * 16)]


class _NodeId(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint8 * 32)]


class _Endpoint(ctypes.Structure):
    _fields_ = [("address", ctypes.c_uint8 * 16), ("port", ctypes.c_uint16), ("family", ctypes.c_uint8), ("reserved", ctypes.c_uint8)]


class _Options(ctypes.Structure):
    _fields_ = [("node_id", _NodeId), ("node_name", ctypes.c_char_p), ("policy", ctypes.c_uint32), ("control", ctypes.c_uint64)]


class _Command(ctypes.Structure):
    _fields_ = [("cmd", ctypes.c_uint16), ("name", ctypes.c_char * 22)]


class _Field(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 20), ("type", ctypes.c_uint8), ("offset", ctypes.c_uint8), ("bytes", ctypes.c_uint8),
                ("reserved", ctypes.c_uint8)]


class _Wire(ctypes.Structure):
    _fields_ = [("trace_id", _TraceId), ("span_id", ctypes.c_uint64), ("flags", ctypes.c_uint8)]


_INTEGERS = {"u8": ctypes.c_uint8, "u16": ctypes.c_uint16, "u32": ctypes.c_uint32, "u64": ctypes.c_uint64, "bool": ctypes.c_uint8,
             "id64": ctypes.c_uint64, "space": ctypes.c_uint8, "transport": ctypes.c_uint8, "loss": ctypes.c_uint8}
APP_TYPES = {"unsigned": 1, "bytes": 2, "hash": 3, "text": 4}


def _members(field):
    if field.type == "payload":
        return [(field.name + "_bytes", ctypes.c_uint8), (field.name, ctypes.c_uint8 * field.length)]
    if field.type in ("text", "code4"):
        return [(field.name, ctypes.c_uint8 * field.length)]
    return [(field.name, _Endpoint if field.type == "endpoint" else _INTEGERS[field.type])]


def _bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value)


def _endpoint(value):
    """(host, port) with an IP address as text, as in the socket module; None for none."""
    out = _Endpoint()
    if value is None:
        return out
    address = ipaddress.ip_address(value[0].partition("%")[0])
    out.address[:len(address.packed)] = address.packed
    out.port, out.family = value[1], address.version
    return out


class Kind:
    """A kind of event: its name, number and fields, and how to build its data."""

    def __init__(self, row):
        self.name, self.id, self.doc, self.fields = row.name, row.id, row.doc, row.fields
        members = [member for field in row.fields for member in _members(field)]
        self.struct = type("trace_" + row.name, (ctypes.Structure,), {"_fields_": members})
        self.has_span = any(field.name == "span_id" for field in row.fields)
        self.setters = {field.name: self._setter(field) for field in row.fields}
        self.function = None  # of the library
        self.bytes = max(getattr(self.struct, name).offset + getattr(self.struct, name).size for name, _ in members)

    def data(self, values):
        """Builds the kind's struct from a dict of its fields."""
        out, setters = self.struct(), self.setters
        for name, value in values.items():
            if name not in setters:
                raise TypeError(f"{self.name} has no field {', '.join(sorted(values.keys() - setters))}")
            setters[name](out, value)
        return out

    def _setter(self, field):
        """Returns a function that sets this field of a struct."""
        name, length, names = field.name, field.length, _table.NAMES.get(field.type, {})

        def set_endpoint(out, value):
            setattr(out, name, _endpoint(value))

        def set_bytes(out, value):
            raw = _bytes(value)[:length]
            getattr(out, name)[:len(raw)] = raw
            if field.type == "payload":
                setattr(out, name + "_bytes", len(raw))

        def set_bool(out, value):
            setattr(out, name, 1 if value else 0)

        def set_number(out, value):
            number = names[value] if names and isinstance(value, str) else int(value)
            if not 0 <= number < limit:
                raise OverflowError(f"{self.name}.{name}: {value}")
            setattr(out, name, number)

        special = {"endpoint": set_endpoint, "bool": set_bool, "text": set_bytes, "code4": set_bytes, "payload": set_bytes}
        limit = 1 << 8 * ctypes.sizeof(_INTEGERS.get(field.type, ctypes.c_uint8))
        return special.get(field.type, set_number)


KINDS = {row.name: Kind(row) for row in _table.kinds() if row.name != "events_lost"}


def _load():
    name = os.environ.get("P2PTRACE_LIBRARY", "libp2ptrace-shared.so.1")
    try:
        library = ctypes.CDLL(name, use_errno=False)
    except OSError:
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    signatures = {
        "trace_shared_log_open": (ctypes.c_int, [ctypes.POINTER(pointer), ctypes.POINTER(_Options), size, ctypes.c_uint32]),
        "trace_shared_register_app": (ctypes.c_int, [pointer, ctypes.c_char_p, ctypes.c_char_p, pointer, size, pointer, size]),
        "trace_shared_wants": (ctypes.c_int, [pointer, ctypes.c_uint16]),
        "trace_log_close": (None, [pointer]),
        "trace_log_name": (ctypes.c_char_p, [pointer]),
        "trace_node_id_random": (_NodeId, []),
        "trace_node_id_from": (_NodeId, [ctypes.c_char_p, size]),
        "trace_context_new": (_Wire, [ctypes.c_uint8]),
        "trace_context_child": (_Wire, [ctypes.POINTER(_Wire)]),
        "trace_context_encode": (None, [pointer, ctypes.POINTER(_Wire)]),
        "trace_context_decode": (ctypes.c_int, [ctypes.POINTER(_Wire), ctypes.c_char_p, size]),
        "trace_context_to_traceparent": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(_Wire)]),
        "trace_context_from_traceparent": (ctypes.c_int, [ctypes.POINTER(_Wire), ctypes.c_char_p, size]),
    }
    for function, (result, arguments) in signatures.items():
        getattr(library, function).restype, getattr(library, function).argtypes = result, arguments
    of_address = getattr(library, "trace_node_id_of_address", None)
    if of_address is not None:
        of_address.restype, of_address.argtypes = _NodeId, [ctypes.c_char_p]
    for kind in KINDS.values():
        kind.function = getattr(library, "trace_emit_" + kind.name, None)  # an older library does not know it
        if kind.function is not None:
            kind.function.restype = None
            kind.function.argtypes = [pointer, ctypes.POINTER(_Wire), ctypes.POINTER(_NodeId), ctypes.POINTER(kind.struct), size]
    return library


_library = _load()
available = _library is not None


def _need():
    if _library is None:
        raise OSError("libp2ptrace-shared.so.1 was not found; $P2PTRACE_LIBRARY may name it")
    return _library


def node_id_random():
    """32 random bytes, for a node that gets a new id each time it starts."""
    return bytes(_need().trace_node_id_random().bytes)


def node_id_from(identity):
    """32 bytes made from a public key or an id of another length; the result is the same on every machine."""
    return bytes(_need().trace_node_id_from(_bytes(identity), len(_bytes(identity))).bytes)


def node_id_of_address(address):
    """The id of a peer of which only the address is known: "192.0.2.1:4001", "[2001:db8::1]:4001", "node.example:443".  Log.alias
    later connects it with the peer's id."""
    return bytes(_need().trace_node_id_of_address(address.encode()).bytes)


class Context:
    """A position in a trace: trace_id (16 bytes), span_id, flags."""

    def __init__(self, wire):
        self._wire = wire

    @classmethod
    def new(cls, flags=SAMPLED | APP_INITIATED):
        """A new trace and its first span."""
        return cls(_need().trace_context_new(flags))

    @classmethod
    def decode(cls, data):
        """Reads the caller's context from a message.  Raises ValueError if it is not a context."""
        wire = _Wire()
        if _need().trace_context_decode(wire, bytes(data), len(data)) != 0:
            raise ValueError("no trace context")
        return cls(wire)

    @classmethod
    def from_traceparent(cls, text):
        """Reads a W3C header.  Raises ValueError if it is not a traceparent."""
        wire, raw = _Wire(), text.encode()
        if _need().trace_context_from_traceparent(wire, raw, len(raw)) != 0:
            raise ValueError("no traceparent")
        return cls(wire)

    def child(self):
        """A new span of the same trace, for our part of it."""
        return Context(_need().trace_context_child(self._wire))

    def encode(self):
        """The CONTEXT_BYTES bytes for a message."""
        out = ctypes.create_string_buffer(CONTEXT_BYTES)
        _need().trace_context_encode(out, self._wire)
        return out.raw

    def traceparent(self):
        """The value of a W3C header.  Raises ValueError without a trace or a span."""
        out = ctypes.create_string_buffer(56)
        if _need().trace_context_to_traceparent(out, self._wire) != 0:
            raise ValueError("a context without a trace or a span")
        return out.value.decode()

    @property
    def trace_id(self):
        return bytes(self._wire.trace_id.bytes)

    @property
    def span_id(self):
        return self._wire.span_id

    @property
    def flags(self):
        return self._wire.flags


class Log:
    """One node's log.  Any thread may emit, but not while it is being closed."""

    def __init__(self, name, node_id=None, *, required=False, discard_newest=False, control=0, lane_events=0):
        """name: up to 31 bytes.  node_id: 32 bytes, random if it is None.  lane_events: a power of two; 0: 65536, of 128 bytes each.
        required: raise OSError if the log cannot be opened; otherwise it then emits nothing, and `error` says why."""
        self._log, self.error = None, None
        if _library is None:
            self._fail("no libp2ptrace-shared.so.1", required)
            return
        options = _Options(node_name=name.encode(), policy=DISCARD_NEWEST if discard_newest else 0, control=control)
        options.node_id.bytes[:] = node_id_random() if node_id is None else bytes(node_id)
        log = ctypes.c_void_p()
        result = _library.trace_shared_log_open(log, options, _Options.control.offset + _Options.control.size, lane_events)
        if result != 0:
            self._fail(os.strerror(-result), required)
            return
        self._log = log

    def _fail(self, why, required):
        if required:
            raise OSError(why)
        self.error = why

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Closes the log.  A second call does nothing."""
        log, self._log = self._log, None
        if log is not None:
            _library.trace_log_close(log)

    @property
    def name(self):
        """The name of its shared-memory object; "" if it emits nothing."""
        return _library.trace_log_name(self._log).decode() if self._log else ""

    def wants(self, kind):
        """Would an event of the kind with this name be written now?"""
        return self._log is not None and bool(_library.trace_shared_wants(self._log, KINDS[kind].id))

    def register_app(self, app_id, name, commands, fields=()):
        """Names an application's commands {number: name} and the fields [(name, "unsigned"|"bytes"|"hash"|"text", offset, bytes)] of its
        data.  Raises ValueError if the description is refused."""
        if self._log is None:
            return
        names = (_Command * len(commands))(*[_Command(cmd, text.encode()) for cmd, text in commands.items()])
        layout = (_Field * len(fields))(*[_Field(text.encode(), APP_TYPES[kind], offset, count) for text, kind, offset, count in fields])
        app = app_id.encode()
        if len(app) != 4:
            raise ValueError("an app_id has 4 characters")
        result = _library.trace_shared_register_app(self._log, app, name.encode(), names, len(names), layout, len(layout))
        if result != 0:
            raise ValueError(os.strerror(-result))

    def emit(self, kind, context=None, peer=None, *, flags=0, **fields):
        """Emits an event of the kind with this name.  flags, for this event only: RETRANSMISSION, EXPIRED or PROBE."""
        row = KINDS[kind]
        if row.has_span and context is not None:
            fields.setdefault("span_id", context._wire.span_id)
        data = row.data(fields)
        if self._log is None or row.function is None:
            return
        who = None if peer is None else _NodeId.from_buffer_copy(bytes(peer))
        wire = None if context is None else context._wire
        if flags:
            wire = _Wire() if wire is None else _Wire.from_buffer_copy(wire)
            wire.flags |= flags
        row.function(self._log, wire, who, data, row.bytes)


def _method(kind):
    names = [field.name for field in kind.fields if field.name != "span_id"]

    def method(self, context, peer, *values, **fields):
        if len(values) > len(names):
            raise TypeError(f"{kind.name} takes {len(names)} fields")
        for name, value in zip(names, values):
            if name in fields:
                raise TypeError(f"{name} is given twice")
            fields[name] = value
        self.emit(kind.name, context, peer, **fields)

    method.__name__, method.__doc__ = kind.name, f"{kind.doc}  Fields: {', '.join(names)}."
    return method


for _kind in KINDS.values():
    setattr(Log, _kind.name, _method(_kind))
