#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Rust crate: it builds with each feature, a node in Rust joins the trace of one in C, every kind arrives; and off it leaves nothing.

    test_rust.py SOURCE_ROOT SCRATCH_DIRECTORY.  $TRACED, $ASKER, $P2PTRACE_LIBRARY.  Nothing is downloaded."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, SCRATCH = (pathlib.Path(arg) for arg in sys.argv[1:3])
CRATE = SOURCE / "bindings/rust"
HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = pathlib.Path(os.environ["P2PTRACE_LIBRARY"]).resolve()
sys.path.insert(0, str(SOURCE / "bindings/python"))
from p2ptrace import _table
from join import Traced, check_no_loss, join, use_alone

CARGO, RUSTC = "/usr/bin/cargo", "/usr/bin/rustc"
VALUES = {"u8": "200", "u16": "60000", "u32": "4000000000u32", "u64": str(1 << 62) + "u64", "bool": "true", "id64": "0xabcu64", "space": "1", "transport": "1", "loss": "1",
          "endpoint": 'std::net::SocketAddr::from(([127, 0, 0, 1], 4433))', "code4": 'b"DMAP"', "text": '"why"', "payload": "[1u8, 2]"}
SHOWN = {"u8": 200, "u16": 60000, "u32": 4000000000, "u64": 1 << 62, "bool": True, "id64": "0000000000000abc", "space": "handshake", "transport": "udp", "loss": 1,
         "endpoint": "127.0.0.1:4433", "code4": "DMAP", "text": "why", "payload": "0102"}
KINDS = [row for row in _table.kinds() if row.name != "events_lost"]
use_alone(SCRATCH)


def environment(**more):
    # None of the user's settings: another toolchain in the PATH, a wrapper of rustc, warnings as errors.
    return {"PATH": "/usr/bin:/bin", "HOME": str(SCRATCH / "home"), "CARGO_HOME": str(SCRATCH / "cargo-home"), "LD_LIBRARY_PATH": str(LIBRARY.parent),
            "CARGO_TARGET_DIR": str(SCRATCH / "target"), "P2PTRACE_LIB_DIR": str(LIBRARY.parent), "CARGO_TERM_COLOR": "never",
            "RUSTFLAGS": "-Dwarnings", "RUSTC": RUSTC, **more}


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], env=environment(**more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=250)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def cargo(*words, crate=CRATE, features="", **more):
    return run(CARGO, "-q", *words, "--offline", "--manifest-path", crate / "Cargo.toml", "--features", features, **more)


@unittest.skipUnless(os.access(CARGO, os.X_OK) and os.access(RUSTC, os.X_OK), "no cargo or rustc: ./dev setup-bindings")
class Rust(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))

    def test_it_builds_with_each_feature(self):
        for features in ("", "trace", "trace-app", "trace-index", "trace-minimal", "trace-full,trace-minimal"):
            cargo("check", features=features)

    def test_a_node_in_rust_joins_a_trace_of_one_in_c(self):
        cargo("build", "--example", "carol", features="trace-full")
        traced = join(self, self.directory, [SCRATCH / "target/debug/examples/carol"], {"LD_LIBRARY_PATH": str(LIBRARY.parent)})
        check_no_loss(self, traced, 15)

    def user(self, main):
        """A separate crate with this main function."""
        top = self.directory / "user"
        (top / "src").mkdir(parents=True)
        (top / "Cargo.toml").write_text('[package]\nname = "user"\nversion = "0.1.0"\nedition = "2021"\n[features]\non = ["p2ptrace/trace-full"]\n'
                                        f'[dependencies]\np2ptrace = {{ path = "{CRATE}" }}\n', encoding="utf-8")
        (top / "src/main.rs").write_text(main, encoding="utf-8")
        return top

    def test_every_kind_arrives_with_every_field_and_the_own_log_answers(self):
        lines = []
        for kind in KINDS:
            values = [VALUES[field.type] for field in kind.fields if field.name != "span_id"]
            lines.append(f"p2ptrace::{kind.name}!(&log, &context, Some(&peer), {', '.join(values)});")
        top = self.user("fn evaluated() { std::process::exit(3) }\nfn main() {\nlet log = p2ptrace::Log::open(\"all\", &p2ptrace::NodeId::random()).unwrap();\n"
                        "let context = p2ptrace::Context { span_id: 0xabc, ..p2ptrace::Context::new(p2ptrace::SAMPLED) };\n"
                        "let peer = p2ptrace::NodeId([7; 32]);\n" + "\n".join(lines) +
                        "\np2ptrace::packet_sent!(None::<&p2ptrace::Log>, None, None, { evaluated(); 1 }, 2, 2);\n"
                        "assert_eq!(p2ptrace::Context::decode(&context.encode()), Some(context));\n"
                        "assert_eq!(p2ptrace::Context::from_traceparent(&context.to_traceparent().unwrap()).unwrap().span_id, 0xabc);\n"
                        "assert!(p2ptrace::Context::decode(&[9; 26]).is_none() && p2ptrace::Log::open(\"x\", &p2ptrace::NodeId([0; 32])).is_err());\n"
                        "let lines = p2ptrace::Query::open(&log).unwrap().json(Some(&context.trace_id), Some(&peer), 0).unwrap();\n"
                        "println!(\"{}\", lines.len());\n}\n")
        cargo("build", crate=top, features="on")
        traced = Traced(os.environ["TRACED"], self.directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        self.assertEqual(run(SCRATCH / "target/debug/user", P2PTRACE_SHM_DIR=str(traced.shm_dir)), f"{len(KINDS)}\n")
        traced.wait_drained(["all"], key="name")
        shown = {event["kind"]: event for event in traced.query()}
        self.assertEqual(set(shown), {kind.name for kind in KINDS})
        for kind in KINDS:
            for field in kind.fields:
                self.assertEqual(shown[kind.name]["data"][field.name], SHOWN[field.type], (kind.name, field.name))
            self.assertEqual(shown[kind.name]["peer_id"], "07" * 32)

    def test_flags_of_one_event_are_its_own(self):
        top = self.user("fn main() {\nlet log = p2ptrace::Log::open(\"flags\", &p2ptrace::NodeId::random()).unwrap();\n"
                        "let context = p2ptrace::Context::new(p2ptrace::DEBUG);\n"
                        "p2ptrace::packet_sent!(&log, &context.with(p2ptrace::RETRANSMISSION), None, 1, 1200, p2ptrace::SPACE_1RTT);\n"
                        "p2ptrace::app_end!(&log, &context.with(p2ptrace::EXPIRED), None, b\"DMAP\", 1, false);\n"
                        "p2ptrace::packet_lost!(&log, &context.with(p2ptrace::PROBE), None, 1, p2ptrace::SPACE_1RTT);\n"
                        "p2ptrace::packet_lost!(&log, &context, None, 1, p2ptrace::SPACE_1RTT);\n}\n")
        cargo("build", crate=top, features="on")
        traced = Traced(os.environ["TRACED"], self.directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        run(SCRATCH / "target/debug/user", P2PTRACE_SHM_DIR=str(traced.shm_dir))
        traced.wait_drained(["flags"], key="name")
        self.assertEqual([event["flags"] for event in traced.query()],
                         [["debug", "retransmission"], ["debug", "expired"], ["debug", "probe"], ["debug"]])

    def test_sampling_and_small_lanes_work(self):
        top = self.user("fn main() {\nlet options = p2ptrace::Options { sample: 4, lane_events: 4096, ..Default::default() };\n"
                        "let log = p2ptrace::Log::open_with(\"sampled\", &p2ptrace::NodeId::random(), options).ok();\n"
                        "for i in 0..2000u64 {\n"
                        "p2ptrace::packet_lost!(log, &p2ptrace::Context::new(p2ptrace::SAMPLED), None, i, 2);\n}\n"
                        "p2ptrace::packet_lost!(&log, &p2ptrace::Context::new(p2ptrace::DEBUG), None, 9999u64, 2);\n}\n")
        cargo("build", crate=top, features="on")
        traced = Traced(os.environ["TRACED"], self.directory, ["--history", "64MiB"])
        self.addCleanup(traced.end)
        run(SCRATCH / "target/debug/user", P2PTRACE_SHM_DIR=str(traced.shm_dir))
        traced.wait_drained(["sampled"], key="name")
        numbers = [event["data"]["packet_num"] for event in traced.query()]
        self.assertIn(9999, numbers)
        self.assertTrue(300 < len(numbers) < 700, len(numbers))  # 500, plus or minus ten standard deviations

    def object_code(self, text, level, features, warnings="-Dwarnings"):
        """rustc's output for a library's text, with the crate built with these features."""
        cargo("build", features=features, CARGO_TARGET_DIR=str(SCRATCH / f"off-{features}"))
        source = self.directory / "off.rs"
        source.write_text(text, encoding="utf-8")
        run(RUSTC, "--edition", "2021", "--crate-type", "lib", "--crate-name", "off", "--emit", "obj", "-C", f"opt-level={level}",
            "-C", "codegen-units=1", "--extern", f"p2ptrace={SCRATCH}/off-{features}/debug/libp2ptrace.rlib", "-L", LIBRARY.parent, warnings, source,
            "-o", self.directory / "off.o")
        run("objcopy", "--remove-section=.comment", "--strip-debug", self.directory / "off.o")
        return (self.directory / "off.o").read_bytes()

    def without(self, text, ending):
        """The text without the trace lines, or only without those of one ending."""
        return "".join("\n" if re.search(rf"// trace{ending or '(, computed)?'}$", line) else line for line in text.splitlines(True))

    def test_off_is_the_object_code_without_the_lines(self):
        text = (HERE / "off.rs").read_text(encoding="utf-8")
        plain = self.without(text, ", computed")
        without = self.without(text, "")
        self.assertNotIn("p2ptrace", without.split("\n\n", 1)[1])
        self.assertIn("packet_lost!", plain)
        for level in ("0", "1", "2", "3", "s"):
            with self.subTest(level=level):
                bare = self.object_code(without, level, "", "-Awarnings")
                self.assertEqual(self.object_code(plain if level == "0" else text, level, ""), bare)
        self.assertNotEqual(self.object_code(text, "2", "trace-full"), bare)

    def test_off_nothing_of_the_library_is_needed(self):
        top = self.user('fn main() {\np2ptrace::packet_sent!(nothing, is, here, 1, 2, 3);\nprintln!("{}", p2ptrace::CONTEXT_BYTES);\n}\n')
        cargo("build", crate=top, P2PTRACE_LIB_DIR="/proc/nonexistent")
        self.assertEqual(run(SCRATCH / "target/debug/user", LD_LIBRARY_PATH=""), "0\n")
        program = SCRATCH / "target/debug/user"
        self.assertNotIn("p2ptrace-shared", run("readelf", "-d", program))
        self.assertNotRegex(run("nm", program), r"trace_(emit|log|shared|context)")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
