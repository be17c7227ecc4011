#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No function of ours has the name of one in a linked library: the linker would silently give ours to the library's callers,
or the other way round (libedit and our history both had a history_end)."""
import re
import subprocess
import sys
import unittest

PROGRAMS = sys.argv[1:]
del sys.argv[1:]


def names(*command):
    """The functions defined there, without versions and without those that the linker adds to every object."""
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    found = {re.sub("@.*", "", line.split()[-1]) for line in lines if re.search(r" T ", line)}
    return found - {"_init", "_fini"}


class Symbols(unittest.TestCase):
    def test_no_name_of_ours_is_that_of_a_library(self):
        for program in PROGRAMS:
            ours = names("nm", program)
            self.assertGreater(len(ours), 100)
            libraries = re.findall(r"=> (/\S+)", subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout)
            self.assertGreater(len(libraries), 3)
            for library in libraries:
                with self.subTest(program=program, library=library):
                    self.assertEqual(ours & names("nm", "-D", "--defined-only", library), set())


if __name__ == "__main__":
    unittest.main()
