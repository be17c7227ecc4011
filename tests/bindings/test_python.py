#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Python module: every kind with every field, contexts, errors, and a node together with one in C.

    test_python.py SOURCE_ROOT.  $TRACED, $ASKER, $P2PTRACE_LIBRARY."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

SOURCE = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(SOURCE / "bindings/python"))
import p2ptrace
from join import Traced, check_no_loss, join

VALUES = {"u8": 200, "u16": 60000, "u32": 4000000000, "u64": (1 << 63) - 1, "bool": True, "id64": 0xABC, "space": 1, "transport": "udp", "loss": 1,
          "endpoint": ("::1", 4433), "code4": "DMAP", "text": "why", "payload": b"\x01\x02"}
SHOWN = VALUES | {"id64": "0000000000000abc", "space": "handshake", "endpoint": "[::1]:4433", "payload": "0102"}


class Python(unittest.TestCase):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"]))

    def test_a_node_in_python_joins_a_trace_of_one_in_c(self):
        node = [sys.executable, SOURCE / "bindings/python/examples/carol.py"]
        traced = join(self, self.directory, node, {"PYTHONPATH": SOURCE / "bindings/python", "P2PTRACE_LIBRARY": os.environ["P2PTRACE_LIBRARY"]})
        check_no_loss(self, traced, 15)

    def test_every_kind_arrives_with_every_field(self):
        traced = Traced(os.environ["TRACED"], self.directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        self.enterContext(unittest.mock.patch.dict(os.environ, P2PTRACE_SHM_DIR=str(traced.shm_dir)))
        context, peer = p2ptrace.Context.new(p2ptrace.SAMPLED | p2ptrace.DEBUG), bytes(range(32))
        with p2ptrace.Log("all", required=True, lane_events=4096) as log:
            for kind in p2ptrace.KINDS.values():
                getattr(log, kind.name)(context, peer, **{field.name: VALUES[field.type] for field in kind.fields})
        traced.wait_drained(["all"], key="name")
        shown = {event["kind"]: event for event in traced.query()}
        self.assertEqual(set(shown), set(p2ptrace.KINDS))
        for kind in p2ptrace.KINDS.values():
            event = shown[kind.name]
            for field in kind.fields:
                self.assertEqual(event["data"][field.name], SHOWN[field.type], (kind.name, field.name))
            self.assertEqual((event["trace_id"], event["peer_id"]), (context.trace_id.hex(), peer.hex()))
            self.assertEqual(event["flags"], ["sampled", "debug"])

    def test_wrong_values_are_errors_and_long_ones_are_cut(self):
        log = p2ptrace.Log.__new__(p2ptrace.Log)
        log._log = None  # emits nothing, but checks everything
        with self.assertRaises(TypeError):
            log.packet_sent(None, None, size=1, colour=2)
        with self.assertRaises(TypeError):
            log.packet_sent(None, None, 1, 2, 2, 4)
        with self.assertRaises(TypeError):
            log.packet_sent(None, None, 1, packet_num=2)
        for size in (-1, 1 << 32):
            with self.assertRaises(OverflowError):
                log.packet_sent(None, None, 1, size, "1rtt")
        data = p2ptrace.KINDS["custom"].data({"data": bytes(100)})
        self.assertEqual(data.data_bytes, 44)
        log.close()

    def test_events_of_other_languages_are_as_valid_as_those_of_the_macros(self):
        self.enterContext(unittest.mock.patch.dict(os.environ, P2PTRACE_SHM_DIR=self.directory))
        custom, init = p2ptrace.KINDS["custom"], p2ptrace.KINDS["conn_init"]
        payload, endpoint = b"\xfe\xed" * 22, ("1.2.3.4", 0xABCD)
        with p2ptrace.Log("raw", required=True, lane_events=4096) as log:
            data = custom.data({"data": payload})
            data.data_bytes = 255
            p2ptrace._library.trace_emit_custom(log._log, None, None, data, custom.bytes)
            data = init.data({"endpoint": endpoint})
            data.by_remote = 7
            p2ptrace._library.trace_emit_conn_init(log._log, None, None, data, init.bytes)
            ring = pathlib.Path(self.directory + log.name).read_bytes()
        self.assertEqual(ring[ring.index(payload) - 1], 44)
        self.assertEqual(ring[ring.index(bytes(data.endpoint)) + 20], 1)

    def test_flags_mark_repetitions_expiries_and_probes(self):
        traced = Traced(os.environ["TRACED"], self.directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        self.enterContext(unittest.mock.patch.dict(os.environ, P2PTRACE_SHM_DIR=str(traced.shm_dir)))
        packet, message, end = (p2ptrace.KINDS[kind] for kind in ("packet_sent", "message_sent", "app_end"))
        context = p2ptrace.Context.new(p2ptrace.DEBUG)
        with p2ptrace.Log("again", required=True) as log:
            for where in (context, None):
                wire = where and where._wire
                for function, kind in (("packet_resent", packet), ("message_resent", message), ("app_expired", end)):
                    emit = getattr(p2ptrace._library, "trace_emit_" + function)
                    emit.argtypes, emit.restype = getattr(p2ptrace._library, "trace_emit_" + kind.name).argtypes, None
                    emit(log._log, wire, None, kind.data({"ok": True} if kind is end else {}), kind.bytes)
                log.emit("packet_sent", where, flags=p2ptrace.RETRANSMISSION)
                log.emit("message_sent", where, flags=p2ptrace.RETRANSMISSION)
                log.emit("app_end", where, flags=p2ptrace.EXPIRED)
                log.emit("packet_lost", where, flags=p2ptrace.PROBE)
        self.assertEqual(context.flags, p2ptrace.DEBUG)
        traced.wait_drained(["again"], key="name")
        said = [(e["kind"], e["flags"], e["data"].get("ok")) for e in traced.query()]
        once = [("packet_sent", "retransmission", None), ("message_sent", "retransmission", None), ("app_end", "expired", False)] * 2
        once.append(("packet_lost", "probe", None))
        self.assertEqual(said, [(kind, ["debug", flag], ok) for kind, flag, ok in once] + [(kind, [flag], ok) for kind, flag, ok in once])

    def test_every_flag_that_a_program_can_set_has_its_name_in_every_language(self):
        by_traced = {"has_peer", "future"}
        rust, go = ((SOURCE / "bindings" / path).read_text(encoding="utf-8") for path in ("rust/src/log.rs", "go/types.go"))
        flags = re.findall(r"^TRACE_FLAG\((\d), *(\w+), *(\w+),", (SOURCE / "proto/tbl/flags.def").read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(len(flags), 8)
        for bit, name, constant in flags:
            value = 1 << int(bit)
            if name in by_traced:
                continue
            with self.subTest(flag=name):
                self.assertEqual(getattr(p2ptrace, constant), value)
                self.assertIn(constant, p2ptrace.__all__)
                self.assertRegex(rust, rf"(?m)^pub const {constant}: u8 = {value};$")
                camel = "".join(part.capitalize() for part in name.split("_"))
                self.assertRegex(go, rf"(?m)^\t{camel} += {value}\b")

    def test_a_peer_is_its_address_until_its_id_is_known(self):
        traced = Traced(os.environ["TRACED"], self.directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        self.enterContext(unittest.mock.patch.dict(os.environ, P2PTRACE_SHM_DIR=str(traced.shm_dir)))
        address, peer = p2ptrace.node_id_of_address("192.0.2.7:4001"), b"\x0b" * 32
        with p2ptrace.Log("who", required=True) as log:
            log.message_sent(None, address, 1, 100, "udp", "HELLO")
            log.alias(None, peer, address, "udp", "192.0.2.7:4001")
        traced.wait_drained(["who"], key="name")
        sent, alias = traced.query()
        self.assertEqual((sent["peer_id"], sent["peer_as"]), (peer.hex(), address.hex()))
        self.assertEqual(alias["data"], {"alias_id": address.hex(), "transport": "udp", "label": "192.0.2.7:4001"})

    def test_contexts_travel(self):
        context = p2ptrace.Context.new()
        child = context.child()
        self.assertEqual(child.trace_id, context.trace_id)
        self.assertNotEqual(child.span_id, context.span_id)
        for read in (p2ptrace.Context.decode(child.encode()), p2ptrace.Context.from_traceparent(child.traceparent())):
            self.assertEqual((read.trace_id, read.span_id), (child.trace_id, child.span_id))
        for wrong in (b"", child.encode()[:25], b"\xff" * 26):
            with self.assertRaises(ValueError):
                p2ptrace.Context.decode(wrong)
        with self.assertRaises(ValueError):
            p2ptrace.Context.from_traceparent("00-no")

    def test_without_the_library_a_node_runs_untraced(self):
        text = ("import p2ptrace\nlog = p2ptrace.Log('x')\nassert not p2ptrace.available and log.error and log.name == ''\n"
                "log.packet_sent(None, None, 1, 2, 2)\nlog.register_app('DMAP', 'x', {})\nlog.close()\n"
                "try: p2ptrace.Log('x', required=True)\nexcept OSError: print('refused')\n")
        done = subprocess.run([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, check=True, stdin=subprocess.DEVNULL,
                              env={"P2PTRACE_LIBRARY": "libnothing.so", "PYTHONPATH": str(SOURCE / "bindings/python")})
        self.assertEqual(done.stdout, "refused\n")

    def test_a_log_that_cannot_be_opened_says_why(self):
        self.enterContext(unittest.mock.patch.dict(os.environ, P2PTRACE_SHM_DIR=self.directory + "/nowhere"))
        self.assertEqual(p2ptrace.Log("x").error, "No such file or directory")
        with self.assertRaises(OSError):
            p2ptrace.Log("x", required=True)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
