#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installation can be used by other projects: with pkg-config and plain cc, with CMake, and as a subproject of Meson.

    test_install.py MESON SOURCE_ROOT BUILD_ROOT [SWITCH...]

SWITCH: what the build in BUILD_ROOT was configured to trace, -DTRACE_FULL for instance.

It tests two installations: the complete build directory, staged with DESTDIR; and only the library with other switches,
configured where no other dependency can be found, with its own prefix."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from daemon import Traced

MESON = sys.argv[1]
SOURCE, BUILD = (pathlib.Path(arg) for arg in sys.argv[2:4])
SWITCHES = sys.argv[4:]
HERE = pathlib.Path(__file__).resolve().parent
OTHER_OPTIONS = ["-Dbuildtype=release", "-Dtrace_full=false", "-Dtrace_app=true", "-Dtrace_minimal=true", "-Dtrace_sample=100"]
OTHER_SWITCHES = ["-DTRACE", "-DTRACE_APP", "-DTRACE_MINIMAL", "-DTRACE_SAMPLE=100"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, **environment):
    """The output; raises an exception with all messages if the command fails."""
    base = {name: value for name, value in os.environ.items() if name not in ("DESTDIR", "MAKEFLAGS")}
    base["CMAKE_GENERATOR"] = "Ninja"  # not every system that builds this has make
    done = subprocess.run([str(word) for word in command], env=dict(base, **environment), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def public_headers():
    return sorted(path.name for top in ("proto", "libtrace") for path in (SOURCE / top / "include/p2ptrace").glob("*.h"))


class Installation:
    """A tree with an installation somewhere below it; pkg_config_environment makes pkg-config find it."""

    def __init__(self, top, sysroot=None):
        [pc_file] = top.rglob("p2ptrace.pc")
        [header] = top.rglob("p2ptrace/trace.h")
        self.include = header.parent.parent
        self.lib = pc_file.parent.parent
        [config] = top.rglob("p2ptraceConfig.cmake")
        self.cmake = config.parent
        self.pkg_config_environment = {"PKG_CONFIG_LIBDIR": str(pc_file.parent)}
        if sysroot:
            self.pkg_config_environment["PKG_CONFIG_SYSROOT_DIR"] = str(sysroot)

    def flags(self, *words):
        return run("pkg-config", *words, **self.pkg_config_environment).split()


def setUpModule():
    global SHARED, STAGED, ALONE
    SHARED = tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])
    top = pathlib.Path(SHARED.name)
    empty = top / "no-pc-files"
    empty.mkdir()
    run(MESON, "install", "-C", BUILD, "--no-rebuild", "--quiet", DESTDIR=str(top / "staged"))
    STAGED = Installation(top / "staged", top / "staged")
    run(MESON, "setup", f"--prefix={top / 'alone'}", "-Dprograms=disabled", *OTHER_OPTIONS, top / "build", SOURCE,
        PKG_CONFIG_LIBDIR=str(empty))
    run(MESON, "install", "-C", top / "build", "--quiet")
    ALONE = Installation(top / "alone")


def tearDownModule():
    SHARED.cleanup()


class Install(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))
        self.shm_dir = self.directory / "shm"
        self.shm_dir.mkdir()
        self.shared = {}  # for a shared library that is not next to its program

    def rings(self):
        return list(self.shm_dir.glob("p2ptrace.*"))

    def compile(self, installation, package, name):
        """The external program, built with the three words that a README would give."""
        program = self.directory / name
        run("cc", *WARNINGS, HERE / "outside.c", "-o", program, *installation.flags("--cflags", "--libs", package))
        return program

    def run_program(self, program):
        self.assertEqual(run(program, P2PTRACE_SHM_DIR=str(self.shm_dir), **self.shared), "done\n")

    def assert_untraced(self, program):
        self.run_program(program)
        self.assertEqual(self.rings(), [])
        self.assertNotRegex(run("nm", "-a", program), r"trace")
        self.assertFalse(b"p2ptrace" in program.read_bytes(), "the program names p2ptrace")

    def test_every_public_header_is_installed_with_the_tables_that_it_includes(self):
        for installation in (STAGED, ALONE):
            top = installation.include / "p2ptrace"
            self.assertEqual(sorted(path.name for path in top.glob("*.h")), public_headers())
            text = "".join(path.read_text(encoding="utf-8") for path in top.glob("*.h"))
            tables = set(re.findall(r'#include "(tbl/\w+\.def)"', text))
            self.assertGreater(len(tables), 2)
            self.assertEqual({f"tbl/{path.name}" for path in (top / "tbl").iterdir()}, tables)

    def test_every_header_compiles_alone_with_nothing_but_what_pkg_config_says(self):
        for name in public_headers():
            source = self.directory / "one.c"
            source.write_text(f"#include <p2ptrace/{name}>\nextern int nothing_else;\n", encoding="utf-8")
            for package in ("p2ptrace", "p2ptrace-off"):
                for compiler in (["cc", "-std=gnu99"], ["cc", "-std=c11"], ["c++", "-x", "c++", "-std=c++11"], ["c++", "-x", "c++", "-std=c++17"]):
                    run(*compiler, *WARNINGS, *STAGED.flags("--cflags", package), "-fsyntax-only", source)

    def test_cmake_finds_what_pkg_config_finds(self):
        for number, (installation, switches) in enumerate(((STAGED, SWITCHES), (ALONE, OTHER_SWITCHES))):
            build = self.directory / f"cmake-{number}"
            run("cmake", "-S", HERE / "cmake", "-B", build, f"-Dp2ptrace_DIR={installation.cmake}",
                f"-DSWITCHES={';'.join(word.removeprefix('-D') for word in switches)}")
            run("cmake", "--build", build)
            for program in ("off", "on", "shared", "query"):
                (self.run_program if program != "off" else self.assert_untraced)(build / program)
            self.assertEqual(len(self.rings()), 3)
            for ring in self.rings():
                ring.unlink()

    def test_cmake_refuses_another_version_and_a_part_that_is_not_there(self):
        for words in ("9.0", "COMPONENTS nonsense"):
            source = self.directory / "CMakeLists.txt"
            source.write_text(f"cmake_minimum_required(VERSION 3.13)\nproject(x C)\nfind_package(p2ptrace {words} REQUIRED)\n", encoding="utf-8")
            with self.assertRaisesRegex(AssertionError, "p2ptrace"):
                run("cmake", "-S", self.directory, "-B", self.directory / "build", f"-Dp2ptrace_DIR={STAGED.cmake}")

    def test_a_program_by_the_shared_library_needs_it_and_nothing_of_the_static_one(self):
        program = self.directory / "shared"
        for switches in (["-DTRACE_FULL"], []):
            run("cc", *WARNINGS, *switches, HERE / "outside_shared.c", "-o", program, *STAGED.flags("--cflags", "--libs", "p2ptrace-shared"))
        self.assertIn("libp2ptrace-shared.so.1", run("readelf", "-d", program))
        self.assertNotIn("trace__", run("nm", "-a", program))
        self.shared = {"LD_LIBRARY_PATH": str(STAGED.lib)}
        self.run_program(program)
        self.assertEqual(len(self.rings()), 1)

    def test_the_package_carries_the_switches_of_its_build(self):
        def switches(installation, package):
            return [flag for flag in installation.flags("--cflags", package) if flag.startswith("-D")]

        self.assertEqual(switches(STAGED, "p2ptrace"), SWITCHES)
        self.assertEqual(switches(ALONE, "p2ptrace"), OTHER_SWITCHES)
        self.assertEqual(switches(STAGED, "p2ptrace-off") + switches(ALONE, "p2ptrace-off"), [])
        self.assertEqual(STAGED.flags("--libs", "p2ptrace-off") + ALONE.flags("--libs", "p2ptrace-off"), [])

    def test_an_outside_program_is_traced_and_the_installed_programs_show_it(self):
        self.run_program(self.compile(STAGED, "p2ptrace", "on"))
        self.assertEqual(len(self.rings()), 1)
        [traced], [inspector] = (pathlib.Path(SHARED.name, "staged").rglob(f"bin/{name}") for name in ("traced", "inspector"))
        daemon = Traced(traced, self.directory, ["--history", "64MiB"])
        self.addCleanup(daemon.end)
        daemon.wait_drained(["01".ljust(64, "0")])
        shown = run(inspector, "nodes", P2PTRACE_SOCKET=str(daemon.socket_path))
        self.assertRegex(shown, r"(?m)\boutside\b.*\bexited\b")
        [event] = daemon.query(kind="packet_sent")
        self.assertEqual(event["data"]["size"], 1200)

    def test_manual_pages_and_completion_are_where_they_are_looked_for(self):
        [share] = pathlib.Path(SHARED.name, "staged").rglob("share")
        [inspector] = share.parent.rglob("bin/inspector")
        commands = re.findall(r"^  ([a-z]\S*)", run(inspector, "help").split("options of")[0], re.MULTILINE)
        pages = {"traced.1", "inspector.1"} | {f"inspector-{name}.1" for name in commands if name != "help"}
        self.assertEqual({path.name for path in (share / "man/man1").iterdir()}, pages)
        for script in ("bash-completion/completions/inspector", "zsh/site-functions/_inspector"):
            self.assertIn("complete", (share / script).read_text(encoding="utf-8"))

    def test_the_library_alone_traces_as_it_was_configured(self):
        self.run_program(self.compile(ALONE, "p2ptrace", "on"))
        [ring] = self.rings()
        self.assertLess(ring.stat().st_blocks * 512, 1 << 20)  # TRACE_MINIMAL

    def test_the_off_package_leaves_nothing_in_a_program(self):
        for name, installation in (("staged", STAGED), ("alone", ALONE)):
            self.assert_untraced(self.compile(installation, "p2ptrace-off", name))

    def test_zero_cost_is_proven_of_a_program_outside_that_has_names_like_ours(self):
        [tool] = pathlib.Path(SHARED.name, "staged").rglob("bin/p2ptrace-zero")
        text = """#include <p2ptrace/trace.h>
#define TRACE_LEVEL 2
#define TRACE_OWN(x) (x) + TRACE_LEVEL
static int trace_route(int x) { return TRACE_OWN(x); }
int trace_depth = 3;
const char *own_trace_context_name = "trace_context";
int node(TRACE_ONLY(struct trace_log *log, ) int x) {
    TRACE_PACKET_SENT(log, NULL, NULL, x, 1200, TRACE_SPACE_1RTT);
    return trace_route(x) + trace_depth;%s
}
"""
        source = self.directory / "node.c"
        flags = " ".join(STAGED.flags("--cflags", "p2ptrace-off"))
        source.write_text(text % "", encoding="utf-8")
        self.assertEqual(run(tool, "--cflags", flags, source), "0 bytes differ\n")
        source.write_text(text % "\n    struct trace_context kept;", encoding="utf-8")
        with self.assertRaisesRegex(AssertionError, "trace_context"):
            run(tool, "--cflags", flags, source)

    def test_a_superproject_gets_the_library_and_nothing_else(self):
        top, build = self.directory / "super", self.directory / "build"
        (top / "subprojects").mkdir(parents=True)
        for path in ("super/meson.build", "outside.c"):
            (top / pathlib.Path(path).name).write_bytes((HERE / path).read_bytes())
        (top / "subprojects/p2ptrace").symlink_to(SOURCE)
        empty = self.directory / "no-pc-files"
        empty.mkdir()
        run(MESON, "setup", build, top, PKG_CONFIG_LIBDIR=str(empty))
        run(MESON, "compile", "-C", build)
        self.assert_untraced(build / "off")
        self.run_program(build / "on")
        self.assertEqual(len(self.rings()), 1)
        targets = json.loads(run(MESON, "introspect", "--targets", build))
        self.assertEqual(sorted(target["name"] for target in targets if target["type"] == "executable"), ["off", "on"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
