#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual page of traced agrees with the program.

    test_man.py TRACED PAGE"""
import os
import re
import shutil
import subprocess
import sys
import unittest

TRACED, PAGE = sys.argv[1:3]


class Man(unittest.TestCase):
    def setUp(self):
        with open(PAGE, encoding="utf-8") as file:
            self.page = file.read()

    def section(self, title):
        return re.search(rf'\.SH "?{title}"?\n(.*?)(?=^\.SH |\Z)', self.page, re.DOTALL | re.MULTILINE).group(1)

    def test_its_options_match_the_program(self):
        told = subprocess.run([TRACED, "--help"], stdout=subprocess.PIPE, check=True, text=True).stdout
        options = re.findall(r"^  (--[a-z-]+)( [A-Z]+)?", told, re.MULTILINE)
        self.assertGreater(len(options), 10)
        paged = re.findall(r'^\.TP\n\.BI? (\\-\\-[a-z\\-]+)(?: " ([A-Z]+)")?$', self.section("OPTIONS"), re.MULTILINE)
        self.assertEqual({(name.replace("\\", ""), value) for name, value in paged},
                         {(name, value.strip()) for name, value in options})

    def test_the_program_knows_each_of_them(self):
        paged = re.findall(r'^\.BI? (\\-\\-[a-z\\-]+)( ")?', self.section("OPTIONS"), re.MULTILINE)
        self.assertGreater(len(paged), 10)
        for name, value in paged:
            option = name.replace("\\", "") + ("=1MiB" if value else "")
            done = subprocess.run([TRACED, option, "--nonsense"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, check=False,
                                  text=True)
            self.assertNotIn("option: " + option, done.stderr)

    def test_its_exit_codes_match_the_program(self):
        self.assertEqual(re.findall(r"^\.TP\n\.B (\d)", self.section("EXIT STATUS"), re.MULTILINE), ["0", "1", "2"])
        for options, code in ((["--help"], 0), (["--shm-dir", "/proc/nonexistent", "--check"], 1), (["--nonsense"], 2)):
            done = subprocess.run([TRACED, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                                  env={**os.environ, "P2PTRACE_SOCKET": "/proc/nonexistent/s"})
            self.assertEqual(done.returncode, code, options)

    @unittest.skipUnless(shutil.which("groff"), "no groff")
    def test_it_renders_without_a_complaint(self):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", PAGE], stderr=subprocess.PIPE, check=True, text=True)
        self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
