#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Go package: its generated methods are those of events.def, a node in Go joins the trace of one in C, every kind arrives, batches
lose nothing and keep each event's time; and with the tag notrace nothing remains.

    test_go.py SOURCE_ROOT SCRATCH_DIRECTORY.  $TRACED, $ASKER, $P2PTRACE_LIBRARY.  Nothing is downloaded."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, SCRATCH = (pathlib.Path(arg) for arg in sys.argv[1:3])
PACKAGE = SOURCE / "bindings/go"
LIBRARY = pathlib.Path(os.environ["P2PTRACE_LIBRARY"]).resolve()
sys.path.insert(0, str(SOURCE / "bindings/python"))
from p2ptrace import _table
from join import Traced, check_no_loss, join, use_alone

GO, GOFMT = "/usr/bin/go", "/usr/bin/gofmt"
VALUES = {"u8": "200", "u16": "60000", "u32": "4000000000", "u64": "1 << 62", "bool": "true", "id64": "0xabc", "space": "1", "transport": "1", "loss": "1",
          "endpoint": 'netip.MustParseAddrPort("[::1]:4433")', "code4": '"DMAP"', "text": '"why"', "payload": "[]byte{1, 2}"}
SHOWN = {"u8": 200, "u16": 60000, "u32": 4000000000, "u64": 1 << 62, "bool": True, "id64": "0000000000000abc", "space": "handshake", "transport": "udp", "loss": 1,
         "endpoint": "[::1]:4433", "code4": "DMAP", "text": "why", "payload": "0102"}
KINDS = [row for row in _table.kinds() if row.name != "events_lost"]
use_alone(SCRATCH)


def environment(**more):
    include = " ".join(f"-I{SOURCE / part}" for part in ("proto", "proto/include", "libtrace/include"))
    (SCRATCH / "p2ptrace-shared.pc").write_text(
        f"Name: x\nDescription: x\nVersion: 0\nCflags: {include}\nLibs: -L{LIBRARY.parent} -lp2ptrace-shared\n", encoding="utf-8")
    return {"PATH": "/usr/bin:/bin", "HOME": str(SCRATCH), "GOCACHE": str(SCRATCH / "cache"), "GOPATH": str(SCRATCH / "path"), "GOPROXY": "off",
            "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "LD_LIBRARY_PATH": str(LIBRARY.parent), "PKG_CONFIG_PATH": str(SCRATCH), **more}


def run(*command, cwd=PACKAGE, **more):
    done = subprocess.run([str(word) for word in command], env=environment(**more), cwd=cwd, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=250)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


class Generated(unittest.TestCase):
    def test_the_methods_match_the_table_of_events(self):
        for which, name in (("on", "events.go"), ("off", "events_off.go"), ("constants", "constants.go")):
            made = subprocess.run([sys.executable, SOURCE / "bindings/generate_go.py", SOURCE, which], stdout=subprocess.PIPE, text=True,
                                  check=True).stdout
            self.assertEqual((PACKAGE / name).read_text(encoding="utf-8"), made, "generate it again: meson compile -C build bindings-go")


@unittest.skipUnless(os.access(GO, os.X_OK), "no go: ./dev setup-bindings")
class Go(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))

    def traced(self):
        traced = Traced(os.environ["TRACED"], self.directory, ["--history", "256MiB"])
        self.addCleanup(traced.end)
        return traced

    def program(self, imports, main, *words):
        top = self.directory / "user"
        top.mkdir()
        (top / "go.mod").write_text(f"module user\n\ngo 1.19\n\nrequire p2ptrace v0.0.0\n\nreplace p2ptrace => {PACKAGE}\n", encoding="utf-8")
        names = "".join(f'\t"{name}"\n' for name in imports)
        (top / "main.go").write_text(f"package main\n\nimport (\n{names})\n\n{main}", encoding="utf-8")
        run(GO, "build", *words, "-o", top / "user", ".", cwd=top)
        return top / "user"

    def test_it_is_formatted_and_vetted_with_and_without_the_tag(self):
        self.assertEqual(run(GOFMT, "-l", "."), "")
        run(GO, "vet", "./...")
        run(GO, "vet", "-tags", "notrace", "./...")

    def test_a_node_in_go_joins_a_trace_of_one_in_c(self):
        run(GO, "build", "-o", self.directory / "carol", "./examples/carol")
        traced = join(self, self.directory, [self.directory / "carol"], {"LD_LIBRARY_PATH": str(LIBRARY.parent)})
        check_no_loss(self, traced, 15)

    def test_every_kind_arrives_with_every_field(self):
        lines = []
        for kind in KINDS:
            values = [VALUES[field.type] for field in kind.fields if field.name != "span_id"]
            name = "".join(part.capitalize() for part in kind.name.split("_"))
            lines.append(f"\tlog.{name}(&context, &p2ptrace.NodeID{{7}}, {', '.join(values)})\n\tnone.{name}(nil, nil, {', '.join(values)})")
        program = self.program(["net/netip", "p2ptrace"], """func main() {
    var none *p2ptrace.Log
    _ = netip.AddrPort{}
    log, err := p2ptrace.Open("all", p2ptrace.RandomNodeID(), p2ptrace.Options{LaneEvents: 4096})
    if err != nil {
        panic(err)
    }
    var wire [p2ptrace.ContextBytes]byte
    root := p2ptrace.NewContext(p2ptrace.Sampled)
    root.SpanID = 0xabc
    root.Encode(wire[:])
    context, err := p2ptrace.DecodeContext(wire[:])
    if err != nil || context != root || context.Child().TraceID != root.TraceID {
        panic("contexts")
    }
    if _, err = p2ptrace.DecodeContext(wire[1:]); err == nil {
        panic("decoded something that is not a context")
    }
    if _, err = p2ptrace.Open("zero", p2ptrace.NodeID{}, p2ptrace.Options{}); err == nil {
        panic("opened without an id")
    }
""" + "\n".join(lines) + "\n\tlog.Flush()\n\tlog.Close()\n\tnone.Flush()\n\tnone.Close()\n}\n")
        traced = self.traced()
        run(program, P2PTRACE_SHM_DIR=str(traced.shm_dir))
        traced.wait_drained(["all"], key="name")
        shown = {event["kind"]: event for event in traced.query()}
        self.assertEqual(set(shown), {kind.name for kind in KINDS})
        for kind in KINDS:
            for field in kind.fields:
                self.assertEqual(shown[kind.name]["data"][field.name], SHOWN[field.type], (kind.name, field.name))
            self.assertEqual(shown[kind.name]["peer_id"], "07".ljust(64, "0"))

    def test_flags_of_one_event_are_its_own(self):
        program = self.program(["p2ptrace"], """func main() {
    log, err := p2ptrace.Open("flags", p2ptrace.RandomNodeID(), p2ptrace.Options{LaneEvents: 4096})
    if err != nil {
        panic(err)
    }
    root := p2ptrace.NewContext(p2ptrace.Debug)
    for _, context := range []*p2ptrace.Context{&root, nil} {
        log.PacketSent(context.With(p2ptrace.Retransmission), nil, 1, 1200, p2ptrace.Space1RTT)
        log.AppEnd(context.With(p2ptrace.Expired), nil, "DMAP", 1, false)
        log.PacketLost(context.With(p2ptrace.Probe), nil, 1, p2ptrace.Space1RTT)
        log.PacketLost(context, nil, 1, p2ptrace.Space1RTT)
    }
    log.Close()
}
""")
        traced = self.traced()
        run(program, P2PTRACE_SHM_DIR=str(traced.shm_dir))
        traced.wait_drained(["flags"], key="name")
        flags = [["retransmission"], ["expired"], ["probe"], []]
        self.assertEqual([event["flags"] for event in traced.query()], [["debug", *own] for own in flags] + flags)

    def test_batches_of_many_goroutines_lose_nothing_and_keep_the_time_of_each_event(self):
        program = self.program(["p2ptrace", "sync"], """func main() {
    log, err := p2ptrace.Open("many", p2ptrace.RandomNodeID(), p2ptrace.Options{})
    if err != nil {
        panic(err)
    }
    var group sync.WaitGroup
    for g := 0; g < 16; g++ {
        group.Add(1)
        go func(g int) {
            defer group.Done()
            for i := 0; i < 3000; i++ {
                log.PacketSent(nil, &p2ptrace.NodeID{byte(g + 1)}, uint64(i), 1200, p2ptrace.Space1RTT)
            }
        }(g)
    }
    group.Wait()
    log.Close()
}
""")
        for clock in ("", "monotonic"):
            with self.subTest(clock=clock or "tsc"):
                traced = self.traced()
                run(program, P2PTRACE_SHM_DIR=str(traced.shm_dir), P2PTRACE_CLOCK=clock)
                node = traced.wait_drained(["many"], key="name")["many"]
                self.assertEqual((node["emitted"], node["lost"]), (48000, 0))
                numbers = {}
                for event in traced.query(kind="packet_sent", limit=10000):  # in time order
                    numbers.setdefault(event["peer_id"], []).append(event["data"]["packet_num"])
                self.assertEqual([numbers[peer] for peer in sorted(numbers)], 16 * [list(range(3000))])
                traced.end()
                for path in (self.directory / "shm").iterdir():
                    path.unlink()

    def test_with_the_tag_nothing_of_the_library_is_there(self):
        program = self.program(["fmt", "p2ptrace"], """func main() {
    log, _ := p2ptrace.Open("x", p2ptrace.NodeID{}, p2ptrace.Options{})
    context := p2ptrace.NewContext(p2ptrace.Sampled)
    log.PacketSent(&context, nil, 1, 2, p2ptrace.Space1RTT)
    log.AppStart(&context, nil, context.Span(), "DMAP", 1)
    log.Close()
    fmt.Println(p2ptrace.ContextBytes)
}
""", "-tags", "notrace")
        self.assertEqual(run(program, LD_LIBRARY_PATH=""), "0\n")
        self.assertNotIn("p2ptrace-shared", run("readelf", "-d", program))
        self.assertEqual(re.findall(r"p2ptrace\.\(\*Log\).*|trace_\w+", run(GO, "tool", "nm", program)), [])

    def test_with_the_tag_a_function_is_the_instructions_without_its_lines(self):
        text = """package send

import "p2ptrace"

func Send(log *p2ptrace.Log, number uint64, payload []byte) int {
    total := 0
    for _, b := range payload {
        log.PacketSent(nil, nil, number, uint32(len(payload)), p2ptrace.Space1RTT) // trace
        total += int(b)
    }
    log.AppCommand(nil, nil, "DMAP", 1, payload) // trace
    return total
}
"""
        top = self.directory / "send"
        top.mkdir()
        (top / "go.mod").write_text(f"module send\n\ngo 1.19\n\nrequire p2ptrace v0.0.0\n\nreplace p2ptrace => {PACKAGE}\n", encoding="utf-8")

        def instructions(lines, *words):
            (top / "send.go").write_text("".join(lines), encoding="utf-8")
            run(GO, "build", *words, "-o", top / "send.a", ".", cwd=top)
            dump = run(GO, "tool", "objdump", "-s", "send.Send", top / "send.a", cwd=top)
            return [line.split()[2] for line in dump.splitlines() if line.startswith("  ")]

        lines = text.splitlines(True)
        bare = instructions(["\n" if line.endswith("// trace\n") else line for line in lines], "-tags", "notrace")
        self.assertGreater(len(bare), 5)
        self.assertEqual(instructions(lines, "-tags", "notrace"), bare)
        self.assertNotEqual(instructions(lines), bare)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
