# SPDX-License-Identifier: MIT
"""The adapter, the example and these tests compile with the headers of every supported ngtcp2.

The build uses one version.  The test looks for more below /usr/local and /opt, and in the directories that NGTCP2_INCLUDES names, separated by
colons: each has a directory ngtcp2 with version.h in it.

usage: test_versions.py SOURCE_ROOT"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = None
SOURCES = ["libtrace/adapters/*.c", "examples/quic_node/*.c", "tests/adapters/quic_pair.c", "tests/adapters/test_connection.c",
           "tests/adapters/test_ngtcp2.c", "tests/helpers/quic_peer*.c"]
INCLUDES = ["proto/include", "proto", "libtrace/include", "libtrace", "libtrace/adapters", "examples/quic_node", "tests/adapters",
            "tests/libtrace", "tests/helpers", "tests/helpers/check", "."]


def version_of(directory):
    """(major, minor, patch) of the headers in a directory; None if there are none."""
    try:
        text = (directory / "ngtcp2/version.h").read_text(encoding="utf-8")
    except OSError:
        return None
    number = int(re.search(r"NGTCP2_VERSION_NUM (0x[0-9a-fA-F]+)", text).group(1), 16)
    return number >> 16, number >> 8 & 0xff, number & 0xff


def installed():
    """The directory of the headers that the build uses."""
    said = subprocess.run(["pkg-config", "--variable=includedir", "libngtcp2"], text=True, capture_output=True, check=True)
    return pathlib.Path(said.stdout.strip() or "/usr/include")


def others():
    """More directories with headers of 1.x."""
    named = [pathlib.Path(path) for path in os.environ.get("NGTCP2_INCLUDES", "").split(":") if path]
    found = [path.parent.parent for top in ("/usr/local", "/opt") for path in pathlib.Path(top).glob("**/ngtcp2/version.h")]
    return [path for path in named + found if (version_of(path) or (0,)) >= (1,)]


class Versions(unittest.TestCase):
    def compile(self, directory, compiler, patterns, *switches):
        """Compiles each source, only for its errors.  Returns the compiler's messages."""
        said = ""
        for source in sorted(path for pattern in patterns for path in pathlib.Path(ROOT).glob(pattern)):
            command = [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror", "-fsyntax-only",
                       *switches, f"-I{directory}", *(f"-I{ROOT}/{path}" for path in INCLUDES), str(source)]
            said += subprocess.run(command, text=True, capture_output=True, check=False).stderr
        return said

    def check(self, directory):
        for compiler in ("gcc", "clang"):
            self.assertEqual(self.compile(directory, compiler, SOURCES, "-DTRACE_FULL"), "", directory)
            self.assertEqual(self.compile(directory, compiler, ["examples/quic_node/*.c"]), "", directory)

    def test_all_compiles_with_the_installed_headers(self):
        self.check(installed())

    def test_all_compiles_with_headers_of_1_x(self):
        directories = others() + [path for path in [installed()] if version_of(path) >= (1,)]
        if not directories:
            self.skipTest("no headers of ngtcp2 1.x; NGTCP2_INCLUDES can name them")
        for directory in directories:
            with self.subTest(version=version_of(directory)):
                self.check(directory)

    def test_versions_between_are_refused_by_name(self):
        with tempfile.TemporaryDirectory() as top:
            shutil.copytree(installed() / "ngtcp2", pathlib.Path(top, "ngtcp2"))
            version = pathlib.Path(top, "ngtcp2/version.h")
            for number in ("0x000d00", "0x001301"):
                version.write_text(f"#define NGTCP2_VERSION_NUM {number}\n#define NGTCP2_VERSION \"\"\n", encoding="utf-8")
                self.assertIn("the adapter needs ngtcp2 0.12 or 1.x", self.compile(top, "gcc", ["libtrace/adapters/ngtcp2.c"], "-DTRACE"))


if __name__ == "__main__":
    ROOT = sys.argv.pop(1)
    unittest.main()
