#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Everything to type in the README works unchanged: the program, the compiler's command, the shell, the script.

    test_readme.py SOURCE_ROOT BUILD_ROOT"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from daemon import Traced

SOURCE, BUILD = (pathlib.Path(arg).resolve() for arg in sys.argv[1:3])
README = (SOURCE / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def run(command, directory, **environment):
    done = subprocess.run(command, cwd=directory, env=dict(os.environ, **environment), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Readme(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))
        self.traced = Traced(BUILD / "traced/traced", self.directory, ["--history", "64MiB"])
        self.addCleanup(self.traced.end)
        self.environment = {"P2PTRACE_SOCKET": str(self.traced.socket_path), "P2PTRACE_SHM_DIR": str(self.traced.shm_dir)}

    def run_minimal(self):
        command = re.search(r"^    (cc -DTRACE_FULL .*)$", README, re.M).group(1)
        command = command.replace("build/", f"{BUILD}/").replace("-o minimal", f"-o {self.directory}/minimal")
        run(["sh", "-c", command], SOURCE)
        self.assertEqual(run([str(self.directory / "minimal")], self.directory, **self.environment),
                         "the request's work is done here\n")
        self.traced.wait_drained(["me"], key="name")

    def test_the_program_is_the_one_in_examples(self):
        [code] = blocks("c")
        whole = (SOURCE / "examples/minimal/minimal.c").read_text(encoding="utf-8")
        self.assertEqual(code, whole[whole.index("#include"):])

    def test_the_program_is_traced_and_the_inspector_shows_it(self):
        self.run_minimal()
        shown = run([str(BUILD / "inspector/inspector"), "traces"], self.directory, **self.environment)
        self.assertRegex(shown, r"(?m)^[0-9a-f]{8,} .* ok +DEMO .* me *$")

    def test_without_the_switch_there_is_no_trace_of_it(self):
        program = self.directory / "off"
        run(["cc", "-Ilibtrace/include", "-Iproto/include", "-Iproto", "examples/minimal/minimal.c", "-o", str(program)], SOURCE)
        self.assertNotIn("trace", run(["nm", str(program)], SOURCE))

    def test_its_figures_are_the_measured_ones(self):
        measured = (SOURCE / "docs/performance.md").read_text(encoding="utf-8").splitlines()
        rows = re.findall(r"^\| (?:emit|ingest|idle|query|stream|zero) .*", README, re.M)
        self.assertEqual(len(rows), 4)
        for row in rows:
            self.assertIn(row, measured)

    def test_it_is_short(self):
        self.assertLessEqual(len(README.split()), 1200)

    def test_the_shell_lines_work_in_sh(self):
        self.run_minimal()
        [lines] = blocks("sh")
        said = run(["sh", "-euc", lines], self.directory, **self.environment).splitlines()
        self.assertEqual(said[0], "me\texited\t2\t0")
        self.assertEqual(said[1], "[]")
        self.assertRegex(said[2], r"^[0-9a-f]{32}\t\S*\tok\t[0-9.e-]+$")
        self.assertEqual(len(said), 3)

    def test_the_python_client_works(self):
        self.run_minimal()
        trace = self.traced.ask("traces")["traces"][0]["trace_id"]
        for client in ([sys.executable, str(SOURCE / "examples/client.py")], ["sh", str(SOURCE / "examples/queries.sh")]):
            self.assertIn(trace, run([*client, "slowest"], self.directory, **self.environment))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
