#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The promises of each version of the shared library hold: its symbols, their parameters, the structs; and a program of that time runs.

    test_abi.py SOURCE_ROOT SHARED_LIBRARY

One directory here is one version.  $TRACED: the traced that shows what the program emitted."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv[1])
LIBRARY = pathlib.Path(sys.argv[2]).resolve()
HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = sorted(path.parent for path in HERE.glob("v*/symbols.txt"))
sys.path.insert(0, str(SOURCE / "tests/integration"))
from daemon import Traced


def compiler(top):
    return ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{top}/proto", f"-I{top}/proto/include", f"-I{top}/libtrace/include"]


def exported():
    """{symbol: version} of the library's functions and variables."""
    text = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = (line.split() for line in text.splitlines())
    return {name.split("@")[0]: name.split("@")[-1] for _, kind, name in rows if kind != "A"}


def own_soname():
    text = subprocess.run(["readelf", "-d", LIBRARY], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.search(r"SONAME.*\[(.*)\]", text).group(1)


class Abi(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))

    def keeps(self, version, top=SOURCE):
        """The compiler's messages about the promises of a version, with the headers of a tree; empty: they are kept."""
        return subprocess.run([*compiler(top), "-fsyntax-only", version / "promises.c"], stderr=subprocess.PIPE, text=True,
                              check=False).stderr

    def test_each_symbol_of_a_version_is_there_with_its_version(self):
        for version in VERSIONS:
            promised = dict(line.split() for line in (version / "symbols.txt").read_text(encoding="utf-8").splitlines())
            self.assertGreater(len(promised), 30)
            self.assertEqual({name: exported().get(name) for name in promised}, promised)

    def test_the_soname_is_that_of_the_first_version(self):
        self.assertEqual(own_soname(), "libp2ptrace-shared.so.1")

    def test_no_symbol_but_the_public_ones_is_visible(self):
        text = "".join(path.read_text(encoding="utf-8") for path in (SOURCE / "libtrace/include/p2ptrace").glob("*.h"))
        kinds = re.findall(r"TRACE_KIND\(\d+, (\w+)", (SOURCE / "proto/tbl/events.def").read_text(encoding="utf-8"))
        emits = {f"trace_emit_{kind}" for kind in kinds if kind != "events_lost"} | set(re.findall(r"^void (trace_emit_\w+)\(", text, re.M))
        self.assertEqual({name for name in exported() if name.startswith("trace_emit_")}, emits)
        for name in exported().keys() - emits:
            self.assertRegex(text, rf"\b{name}\(")
            self.assertNotIn("trace__", name)

    def test_parameters_and_structs_are_as_they_were(self):
        for version in VERSIONS:
            self.assertEqual(self.keeps(version), "")

    def test_a_change_of_the_abi_is_found(self):
        changes = {
            "libtrace/include/p2ptrace/shared.h": [("size_t count);", "unsigned count);"), ("uint32_t mode);", "uint64_t mode);")],
            "libtrace/include/p2ptrace/context.h": [("uint64_t span_id;", "uint32_t span_id;"), ("uint8_t flags; ", "uint16_t flags; ")],
            "proto/tbl/events.def": [("TRACE_KIND(9,", "TRACE_KIND(99,"), ("TRACE_FIELD(u32,      size, ", "TRACE_FIELD(u16,      size, "),
                                     ("TRACE_FIELD(u64,      packet_num, 1, -,", "TRACE_FIELD(u32, before, 1, -, \"\") TRACE_FIELD(u64, packet_num, 1, -,")],
        }
        for path, edits in changes.items():
            for old, new in edits:
                with self.subTest(path=path, new=new), tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"]) as top:
                    for part in ("proto/include", "proto/tbl", "libtrace/include"):
                        shutil.copytree(SOURCE / part, pathlib.Path(top, part))
                    text = pathlib.Path(top, path).read_text(encoding="utf-8")
                    self.assertIn(old, text)
                    pathlib.Path(top, path).write_text(text.replace(old, new), encoding="utf-8")
                    self.assertIn("error", self.keeps(VERSIONS[0], top))

    def test_a_new_kind_gets_its_function_and_the_old_promises_hold(self):
        top = self.directory
        for part in ("proto/include", "proto/tbl", "libtrace/include"):
            shutil.copytree(SOURCE / part, top / part)
        with open(top / "proto/tbl/events.def", encoding="utf-8") as file:
            text = file.read()
        grown = text.replace("#undef TRACE_KIND", 'TRACE_KIND(999, later, LATER, "x", TRACE_FIELD(u64, one, 1, -, "y"))\n#undef TRACE_KIND', 1)
        (top / "proto/tbl/events.def").write_text(grown, encoding="utf-8")
        for version in VERSIONS:
            self.assertEqual(self.keeps(version, top), "")
        uses = "#include <p2ptrace/shared.h>\nvoid f(void) { trace_emit_later(0, 0, 0, &(struct trace_later){1}, TRACE_DATA_BYTES(later)); }\n"
        subprocess.run([*compiler(top), "-x", "c", "-fsyntax-only", "-"], input=uses, text=True, check=True)

    def test_a_program_of_that_time_runs_and_traced_shows_its_events(self):
        for version in VERSIONS:
            with self.subTest(version=version.name):
                self.run_client(version)

    def run_client(self, version):
        directory = self.directory / version.name
        directory.mkdir()
        program = directory / "client"
        subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", version / "client.c", LIBRARY, "-o", program], check=True)
        traced = Traced(os.environ["TRACED"], directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        done = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True, stdin=subprocess.DEVNULL,
                              env={"LD_LIBRARY_PATH": str(LIBRARY.parent), "P2PTRACE_SHM_DIR": str(traced.shm_dir)})
        self.assertRegex(done.stdout, r"15 of 15 events(.*\n)+15\n\Z")  # the dump, and the count
        traced.wait_drained(["client of 1.0"], key="name")
        events = traced.query()
        # The event of the batch has its own time: it comes first.
        self.assertEqual([event["kind"] for event in events], [
            "packet_lost", "conn_init", "conn_established", "stream_opened", "stream_data", "stream_closed", "packet_sent",
            "packet_received", "packet_lost", "metrics", "app_start", "app_command", "app_end", "custom", "conn_closed"])
        self.assertEqual(events[0]["data"], {"packet_num": 77, "space": "initial"})
        self.assertEqual({event.get("command") for event in events if event["kind"].startswith("app_")}, {"GET"})
        self.assertEqual({tuple(event["flags"]) for event in events[1:]}, {("sampled",)})
        self.check_values({event["kind"]: event["data"] for event in events[1:]})
        self.assertEqual({event["peer_id"] for event in events}, {"07".ljust(64, "0")})
        self.assertEqual(len({event["trace_id"] for event in events}), 1)

    def check_values(self, data):
        self.assertEqual(data["conn_init"], {"endpoint": "127.0.0.1:4433", "by_remote": True})
        self.assertEqual(data["conn_established"], {"rtt": 1001})
        self.assertEqual(data["stream_data"], {"stream_id": 1002, "offset": 1003, "length": 1004, "fin": True, "sent": False})
        self.assertEqual(data["stream_closed"], {"stream_id": 1002, "code": 1005})
        self.assertEqual(data["packet_sent"], {"packet_num": 1006, "size": 1007, "space": "1rtt"})
        self.assertEqual(data["packet_received"], {"packet_num": 1008, "size": 1009, "space": "handshake"})
        self.assertEqual(data["packet_lost"], {"packet_num": 1010, "space": "initial"})
        self.assertEqual(data["metrics"], {"rtt": 1011, "min_rtt": 1012, "cwnd": 1013, "in_flight": 1014})
        self.assertEqual(data["conn_closed"], {"code": 1017, "by_remote": True, "reason": "bye"})
        self.assertEqual(data["app_command"]["data"], "09".ljust(84, "0"))  # a count of 255 is 42
        self.assertEqual(data["app_end"]["ok"], True)
        self.assertEqual(data["custom"], {"category": 1015, "code": 1016, "data": "616263"})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
