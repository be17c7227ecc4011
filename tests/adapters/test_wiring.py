# SPDX-License-Identifier: MIT
"""The wiring shown in p2ptrace/ngtcp2.h compiles unchanged, with and without tracing, and without tracing it leaves nothing.

usage: test_wiring.py SOURCE_ROOT"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = None
BEFORE = """#include <p2ptrace/ngtcp2.h>
#include <stddef.h>
extern struct trace_log *node_log;
int authenticate(ngtcp2_conn *conn, struct trace_node_id *ret_id);
uint64_t now(void);
"""


def wiring():
    """The example: the lines of the header's comment from its struct to its last closing brace, without their stars."""
    text = pathlib.Path(ROOT, "libtrace/include/p2ptrace/ngtcp2.h").read_text(encoding="utf-8")
    found = re.search(r"^ \*     struct peer \{\n(?: \*(?:     .*)?\n)+", text, re.M)
    return re.sub(r"^ \*(?:     )?", "", found.group(), flags=re.M).replace("static ", "")


class Wiring(unittest.TestCase):
    def compile(self, compiler, *switches):
        """The undefined names of the object."""
        with tempfile.TemporaryDirectory() as top:
            command = [compiler, "-std=gnu11", "-O0", "-Wall", "-Wextra", "-Werror", *switches,
                       *(f"-I{ROOT}/{path}" for path in ("proto/include", "proto", "libtrace/include")),
                       "-x", "c", "-c", "-", "-o", f"{top}/object.o"]
            command += subprocess.run(["pkg-config", "--cflags", "libngtcp2"], text=True, capture_output=True,
                                      check=True).stdout.split()
            done = subprocess.run(command, input=BEFORE + wiring(), text=True, capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return set(subprocess.run(["nm", "-u", f"{top}/object.o"], text=True, capture_output=True, check=True).stdout.split())

    def test_it_uses_every_macro(self):
        header = pathlib.Path(ROOT, "libtrace/include/p2ptrace/ngtcp2.h").read_text(encoding="utf-8")
        macros = set(re.findall(r"^#define (TRACE_NGTCP2_(?:[A-Z]+_)*[A-Z]+)\(", header, re.M))
        self.assertGreater(len(macros), 5)
        self.assertEqual({macro for macro in macros if macro not in wiring()}, set())

    def test_it_compiles_and_traces(self):
        for compiler in ("gcc", "clang"):
            names = self.compile(compiler, "-DTRACE")
            self.assertLessEqual({"trace_ngtcp2_create", "trace_ngtcp2_destroy", "trace_ngtcp2__enter"}, names)

    def test_it_compiles_to_nothing_of_ours_without_tracing(self):
        for compiler in ("gcc", "clang"):
            names = self.compile(compiler)
            self.assertIn("ngtcp2_conn_del", names)
            self.assertEqual({name for name in names if "trace" in name}, set())


if __name__ == "__main__":
    ROOT = sys.argv.pop(1)
    unittest.main()
