#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/guide.md is true: its programs compile unchanged, its commands run in order, and print what it shows.

    test_guide.py SOURCE_ROOT BUILD_ROOT MESON TEST_NODE

The language of a block says what it is: `c` with a file name in its first line is (a part of) that file, other C is a fragment, for which
PRELUDES has the declarations; `console` has commands, each after a `$`, with everything that they print; `meson` is a part of a meson.build,
`toml` of a Cargo.toml; `rust`, `go` and `python` are fragments of one function."""
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced, wait_for

SOURCE, BUILD = (pathlib.Path(arg).resolve() for arg in sys.argv[1:3])
MESON, TEST_NODE = sys.argv[3:5]
GUIDE = (SOURCE / "docs/guide.md").read_text(encoding="utf-8")
ZERO = SOURCE / "tests/zero/zero.py"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]

# The declarations that fragments need, by a word that only that fragment has; statements are put into the braces of the last declaration.
PRELUDES = {
    "TRACE_NGTCP2_CREATE": """#include <p2ptrace/ngtcp2.h>
        struct peer { ngtcp2_conn *conn; struct trace_node_id id; TRACE_ONLY(struct trace_ngtcp2 *trace;) };
        TRACE_ONLY(extern struct trace_log *node_log; extern struct trace_context request;
            extern const ngtcp2_callbacks *callbacks; extern const ngtcp2_settings *settings; extern void *user_data;)
        void places(struct peer *peer, int64_t stream_id, ngtcp2_ssize count, ngtcp2_ssize taken, uint32_t flags, const ngtcp2_vec *vec, int result);
        void places(struct peer *peer, int64_t stream_id, ngtcp2_ssize count, ngtcp2_ssize taken, uint32_t flags, const ngtcp2_vec *vec, int result) {
            (void)peer;""",
    "conn_context": """struct conn { struct trace_node_id peer_id; TRACE_ONLY(struct trace_log *log; struct trace_context context;) };""",
    "traceparent": """struct http; void http_header_add(struct http *http, const char *name, const char *value);
        void http_send(struct http *http);""",
    "pitfalls": """struct conn { int fd; TRACE_ONLY(struct trace_log *log; struct trace_context context;) };
        TRACE_ONLY(struct trace_endpoint endpoint_of(struct conn *conn); uint64_t queue_length(struct conn *conn);)
        void conn_work(struct conn *conn TRACE_ONLY(, const struct trace_context *context));""",
    "say_messages": """struct peer { int fd; TRACE_ONLY(struct trace_log *log; struct trace_context request; struct trace_node_id id;) };
        void say_messages(struct peer *peer, uint64_t transaction, uint32_t bytes, int tries);""",
    "say_who": """struct peer { int fd; TRACE_ONLY(struct trace_log *log; struct trace_node_id id, long_term_key, own_key;) };
        void say_who(struct peer *peer, const char *address);""",
    "derive_context": """TRACE_ONLY(struct trace_context derive_context(const uint8_t *session_key_hash, uint16_t transaction);)
        extern int nothing_more;""",
    "careful": """TRACE_ONLY(extern const struct trace_log_options careful;)
        extern int nothing_else;""",
}
DUMP = "TRACE_DUMP"  # the fragment that is added to first.c

# Debian's compilers: another toolchain in the user's PATH may need a network.
CARGO, RUSTC, GO = "/usr/bin/cargo", "/usr/bin/rustc", "/usr/bin/go"
# What the fragments in other languages need around them.
RUST = """const GET: u16 = 2;

pub fn fragments(#[cfg(feature = "trace")] log: &p2ptrace::Log, #[cfg(feature = "trace")] context: p2ptrace::Context,
                 #[cfg(feature = "trace")] caller: p2ptrace::Context, #[cfg(feature = "trace")] peer: p2ptrace::NodeId,
                 number: u64, id: u64, size: u32) {
%s}
"""
GO_MODULE = "module yours\n\ngo 1.19\n\nrequire p2ptrace v0.0.0\n\n%s\n"
GO_FILE = """package yours

import "p2ptrace"

const get = 2

func Fragments(log *p2ptrace.Log, context, caller p2ptrace.Context, peer p2ptrace.NodeID, number, id uint64, size uint32) {
%s}
"""
PYTHON = """import p2ptrace
key, peer, GET, number, id, size = b"my public key", b"a peer".ljust(32), 2, 7, 8, 1200
context = p2ptrace.Context.new()
caller = context.child()
%s"""


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.M | re.S)


def programs():
    """The files that the guide shows, by name; and asks.c, which it describes."""
    files = {}
    for block in blocks("c"):
        named = re.match(r"/\* (\w+\.c)\b", block)
        if named:
            files[named[1]] = files.get(named[1], "") + block
    [dump] = [block for block in blocks("c") if DUMP in block]
    assert files["first.c"].count("    puts(") == 1
    files["asks.c"] = files["first.c"].replace("p2ptrace/trace.h", "p2ptrace/query.h").replace("    puts(", dump + "    puts(")
    return files


def fragments():
    """Fragments of C, each after its prelude, by the prelude's word."""
    texts = {}
    for block in blocks("c"):
        if not re.match(r"/\* \w+\.c\b", block) and DUMP not in block:
            [word] = [word for word in PRELUDES if word in block]
            texts[word] = f"#include <p2ptrace/trace.h>\n#include <string.h>\n{PRELUDES[word]}\n{block}"
            texts[word] += "}\n" * (texts[word].count("{") - texts[word].count("}"))
    return texts


def commands():
    """The guide's commands in order, each with the output shown."""
    return [pair for block in blocks("console") for pair in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)]


def run(command, directory, **environment):
    """Its output, including errors; raises an exception if it fails."""
    base = {name: value for name, value in os.environ.items() if name not in ("DESTDIR", "MAKEFLAGS")}
    done = subprocess.run(command, cwd=directory, env=dict(base, **environment), stdin=subprocess.DEVNULL, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}")
    return done.stdout


# Ids, times, and values derived from times.
VARIABLE = (
    (r"\d{4}-\d\d-\d\d ", ""),
    (r"\d\d:\d\d:\d\d\.\d+", "CLOCK"),
    (r"\b[0-9a-f]{8,}\b", "ID"),
    (r"[+]?\b(?:\d+(?:\.\d+)? (?:ns|us|ms|s)|\d+[mhd]\d\d[smh])\b", "TIME"),
    (r"(?<=TIME) \*", ""),
    (r"\(\d+ %\)", "SHARE"),
    (r"(\d\.\d %) +[\d.]+", r"\1 RATE"),
    (r"; and TIME outside of it", ""),
    (r"(?<=longest gap: ).*", ""),
    (r"\b(exited|crashed|live)( +TIME ago)? +\d+", r"\1\2 PID"),
)


def normal(text):
    """The lines of an output, without what differs from run to run."""
    lines = []
    for line in text.splitlines():
        for pattern, instead in VARIABLE:
            line = re.sub(pattern, instead, line)
        lines.append(" ".join(line.split()))
    return lines


class Guide(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.staged = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))
        [lines] = blocks("sh")
        [install] = re.findall(r"^meson (install .*)", lines, re.M)
        words = [str(BUILD) if word == "build" else word for word in install.split()]
        run([MESON, *words, "--no-rebuild", "--quiet"], "/", DESTDIR=str(cls.staged))
        [pc_file] = cls.staged.rglob("p2ptrace.pc")
        [traced] = cls.staged.rglob("bin/traced")
        cls.traced_exe = traced
        known = subprocess.run(["pkg-config", "--variable", "pc_path", "pkg-config"], text=True, stdout=subprocess.PIPE, check=True)
        cls.environment = {"PATH": f"{traced.parent}:{os.environ['PATH']}", "PKG_CONFIG_SYSROOT_DIR": str(cls.staged),
                           "PKG_CONFIG_LIBDIR": f"{pc_file.parent}:{known.stdout.strip()}"}

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))
        self.traced = None

    def write_programs(self):
        for name, text in programs().items():
            (self.directory / name).write_text(text, encoding="utf-8")

    def start_traced(self):
        self.traced = Traced(self.traced_exe, self.directory, ["--history", "64MiB"])
        self.addCleanup(self.traced.end)
        self.environment = dict(self.environment, P2PTRACE_SOCKET=str(self.traced.socket_path),
                                P2PTRACE_SHM_DIR=str(self.traced.shm_dir))

    def wait_for_the_dead(self):
        """Waits until traced has read the logs of ended programs and counted their events.  It removes a ring before it says that the node
        ended: so the rings are looked for first."""
        def read():
            rings = len(list(self.traced.shm_dir.glob("p2ptrace.*")))
            live = [node["pid"] for node in self.traced.ask("nodes")["nodes"] if node["state"] == "live"]
            return rings == len(live) and all(pathlib.Path(f"/proc/{pid}").exists() for pid in live)
        wait_for(read, "what the programs emitted")

    def start_carol(self):
        carol = subprocess.Popen([TEST_NODE, "carol", "1".zfill(64)], env=dict(os.environ, **self.environment), stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
        self.addCleanup(carol.communicate)
        self.assertEqual(carol.stdout.readline(), b"ok\n")
        wait_for(lambda: any(node["state"] == "live" for node in self.traced.ask("nodes")["nodes"]), "carol")

    def check(self, command, shown):
        """Runs a command of the guide and compares."""
        if command == "traced &":
            self.start_traced()
            return
        if command.startswith("inspector"):
            self.wait_for_the_dead()
        if command.startswith("inspector trace "):
            command = f"inspector trace {self.traced.ask('traces', limit=1)['traces'][0]['trace_id']}"
        if command.startswith("inspector control") and not self.traced.ask("control")["nodes"]:
            self.start_carol()
        said = run(["sh", "-c", command], self.directory, **self.environment)
        if command.startswith("gdb"):
            said = said[said.index("me: the newest"):said.index("$1 = 0")]
        self.assertEqual(normal(said), normal(shown), command)

    def test_every_command_prints_the_shown_output(self):
        self.write_programs()
        (self.directory / "tests").symlink_to(SOURCE / "tests")
        for command, shown in commands():
            if not command.startswith("gdb"):
                self.check(command, shown)
        self.assertEqual(len(commands()), len(re.findall(r"^\$ ", GUIDE, re.M)))

    def test_a_debugger_prints_the_shown_output(self):
        [(command, shown)] = [pair for pair in commands() if pair[0].startswith("gdb")]
        [build] = [pair[0] for pair in commands() if pair[0].startswith("cc -g ")]
        self.environment = dict(self.environment, HOME=str(self.directory))  # ignore the user's .gdbinit
        self.skip_without_a_debugger()
        self.write_programs()
        self.start_traced()
        self.check(build, "")
        self.check(command, shown)

    def skip_without_a_debugger(self):
        """gdb has to call a function in a process.  In some containers it may not trace one; and if the processor has registers that gdb
        does not know, it starts a process and then fails to call."""
        if not shutil.which("gdb"):
            self.skipTest("no gdb")
        (self.directory / "probe.c").write_text("int seven(void) { return 7; }\nint main(void) { return seven() - 7; }\n", encoding="utf-8")
        run(["cc", "-g", "probe.c", "-o", "probe"], self.directory)
        said = run(["sh", "-c", "gdb -q -batch -ex 'break main' -ex run -ex 'call seven()' ./probe || :"], self.directory, **self.environment)
        if "$1 = 7" not in said.splitlines():
            self.skipTest("gdb cannot call a function in a process here: " + (said.split("\n")[-2] if said.strip() else "it says nothing"))

    def test_the_programs_compile_without_a_warning_on_and_off(self):
        self.write_programs()
        for name, package, compiler in itertools.product(programs(), ("p2ptrace-query", "p2ptrace-off"), ("gcc", "clang")):
            flags = run(["pkg-config", "--cflags", package], "/", **self.environment).split()
            self.assertEqual(run([compiler, "-std=c11", *WARNINGS, *flags, "-fsyntax-only", name], self.directory), "")

    def test_fragments_compile_and_leave_nothing_when_off(self):
        self.assertEqual(set(fragments()), set(PRELUDES))
        for word, text in fragments().items():
            package = "p2ptrace-ngtcp2" if "NGTCP2" in word else "p2ptrace"
            if not list(self.staged.rglob(f"{package}.pc")):
                continue
            (self.directory / "fragment.c").write_text(text, encoding="utf-8")
            flags = run(["pkg-config", "--cflags", package], "/", **self.environment).split()
            off = [flag for flag in flags if not flag.startswith("-DTRACE")]
            self.assertNotEqual(flags, off)
            for chosen in (flags, off):
                self.assertEqual(run(["cc", "-std=gnu11", *WARNINGS, *chosen, "-fsyntax-only", "fragment.c"], self.directory), "")
            said = run([sys.executable, str(ZERO), "--keep-include", f"--cflags={' '.join(off)}", "fragment.c"], self.directory)
            self.assertEqual(said, "0 bytes differ\n")

    def beside_the_tree(self):
        """A directory beside the source tree, as the guide assumes for other languages; and an environment without the user's settings."""
        (self.directory / "p2ptrace").symlink_to(SOURCE)
        yours = self.directory / "yours"
        yours.mkdir()
        [library] = self.staged.rglob("libp2ptrace-shared.so")
        mine = {"HOME": str(self.directory), "PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(library.parent)}
        return yours, dict(self.environment, **mine)

    @unittest.skipUnless(os.access(CARGO, os.X_OK) and os.access(RUSTC, os.X_OK), "no cargo or rustc: ./dev setup-bindings")
    def test_the_rust_compiles_without_a_warning_on_and_off(self):
        yours, environment = self.beside_the_tree()
        [manifest], fragments = blocks("toml"), blocks("rust")
        self.assertGreater(len(fragments), 1)
        (yours / "Cargo.toml").write_text('[package]\nname = "yours"\nversion = "0.1.0"\nedition = "2021"\n' + manifest, encoding="utf-8")
        (yours / "src").mkdir()
        (yours / "src/lib.rs").write_text(RUST % "".join(fragments), encoding="utf-8")
        environment |= {"RUSTC": RUSTC, "RUSTFLAGS": "-Dwarnings", "CARGO_HOME": str(self.directory / "cargo"), "CARGO_TERM_COLOR": "never"}
        for features in ("", "trace"):
            run([CARGO, "-q", "check", "--offline", "--features", features], yours, **environment)

    @unittest.skipUnless(os.access(GO, os.X_OK), "no go: ./dev setup-bindings")
    def test_the_go_compiles_on_and_off(self):
        yours, environment = self.beside_the_tree()
        [replace], fragments = re.findall(r"`(replace p2ptrace => [^`]+)`", GUIDE), blocks("go")
        self.assertGreater(len(fragments), 1)
        (yours / "go.mod").write_text(GO_MODULE % replace, encoding="utf-8")
        (yours / "yours.go").write_text(GO_FILE % "".join(fragments), encoding="utf-8")
        environment |= {"GOCACHE": str(self.directory / "cache"), "GOPATH": str(self.directory / "path"), "GOPROXY": "off", "GOFLAGS": "-mod=mod",
                        "GOTOOLCHAIN": "local"}
        for tags in ("", "notrace"):
            run([GO, "vet", "-tags", tags, "."], yours, **environment)
            run([GO, "build", "-tags", tags, "."], yours, **environment)

    def test_the_python_runs(self):
        yours, environment = self.beside_the_tree()
        [module] = self.staged.rglob("p2ptrace/__init__.py")
        node, *others = blocks("python")
        self.assertGreater(len(others), 0)
        text = node + "".join("    " + line for block in others for line in block.splitlines(True))
        (yours / "yours.py").write_text(PYTHON % text, encoding="utf-8")
        self.start_traced()
        environment |= {"P2PTRACE_SHM_DIR": str(self.traced.shm_dir), "PYTHONPATH": str(module.parent.parent),
                        "P2PTRACE_LIBRARY": str(next(self.staged.rglob("libp2ptrace-shared.so")))}
        run([sys.executable, "-B", "yours.py"], yours, **environment)
        self.wait_for_the_dead()
        [carol] = self.traced.ask("nodes")["nodes"]
        self.assertEqual((carol["name"], carol["indexed"], carol["lost"]), ("carol", text.count("    log."), 0))

    def test_a_superproject_is_traced_unless_it_is_a_release(self):
        self.write_programs()
        (self.directory / "subprojects").mkdir()
        (self.directory / "subprojects/p2ptrace").symlink_to(SOURCE)
        [block] = blocks("meson")
        (self.directory / "meson.build").write_text("project('yours', 'c')\n" + block, encoding="utf-8")
        for kind in ("debug", "release"):
            run([MESON, "setup", f"--buildtype={kind}", kind], self.directory, PKG_CONFIG_LIBDIR=str(self.directory))
            run([MESON, "compile", "-C", kind], self.directory)
            traced = "trace_log_open" in run(["nm", "-a", f"{kind}/first"], self.directory)
            self.assertEqual(traced, kind == "debug")

    def test_the_service_that_it_names_is_installed(self):
        [name] = re.findall(r"systemctl --user enable --now ([\w.]+)", GUIDE)
        self.assertEqual(len(list(self.staged.rglob(f"systemd/user/{name}"))), 1)

    def test_the_service_that_pushes_runs_a_command_that_exists(self):
        [unit] = self.staged.rglob("systemd/user/p2ptrace-otlp.service")
        [line] = re.findall(r"^ExecStart=(.*)$", unit.read_text(encoding="utf-8"), re.M)
        program, *words = line.replace("${P2PTRACE_OTLP}", "http://127.0.0.1:1").split()
        [installed] = self.staged.rglob("bin/inspector")
        self.assertTrue(str(installed).endswith(program.lstrip("/")), program)
        done = subprocess.run([installed, *words, "--socket", str(self.directory / "none")], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 3, done.stderr)  # the command is right, but no traced is running

    def test_its_figures_are_the_measured_ones(self):
        measured = (SOURCE / "docs/performance.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| .* \| ([\d.]+ \w+) \| `\./dev bench (\w+)/([\w-]+)` \|$", GUIDE, re.M)
        self.assertGreater(len(rows), 3)
        for figure, bench, case in rows:
            [row] = re.findall(rf"^\| {bench} {case} \|.*", measured, re.M)
            self.assertIn(f"| {figure} ", row)

    def test_the_history_s_capacity_is_as_documented(self):
        self.traced = Traced(self.traced_exe, self.directory)
        self.addCleanup(self.traced.end)
        history = self.traced.ask("stats")["history"]
        protocol = (SOURCE / "docs/protocol.md").read_text(encoding="utf-8")
        for name in ("events_max", "bytes_max", "segments_max"):
            self.assertEqual(re.findall(rf'"{name}":(\d+)', protocol), [str(history[name])])
        bytes_per_event = history["bytes"] / history["events_max"]
        self.assertIn(f"{history['events_max'] / 1e6:.1f} million events at {bytes_per_event:.0f} bytes",
                      (SOURCE / "README.md").read_text(encoding="utf-8"))

    def test_links_lead_to_files(self):
        for name in ("README.md", "docs/guide.md", "docs/architecture.md"):
            path = SOURCE / name
            for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", path.read_text(encoding="utf-8")):
                self.assertTrue((path.parent / link).exists(), f"{name}: {link}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[5:])
