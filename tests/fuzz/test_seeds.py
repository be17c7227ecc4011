# SPDX-License-Identifier: MIT
"""The seeds in the corpora are those that their generators write: a format that changes, changes both."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
GENERATORS = {"seeds.py": "corpus_reader", "seeds_filter.py": "corpus_filter", "seeds_recording.py": "corpus_recording", "seeds_more.py": ""}


class Seeds(unittest.TestCase):
    def test_generators_write_what_the_corpora_have(self):
        for script, directory in GENERATORS.items():
            with self.subTest(script), tempfile.TemporaryDirectory() as scratch:
                scratch = pathlib.Path(scratch)
                subprocess.run([sys.executable, HERE / script, scratch / directory], check=True)
                written = [path for path in scratch.rglob("*") if path.is_file()]
                self.assertTrue(written)
                self.assertEqual([], [str(path.relative_to(scratch)) for path in written
                                      if not (HERE / path.relative_to(scratch)).is_file()
                                      or (HERE / path.relative_to(scratch)).read_bytes() != path.read_bytes()])


if __name__ == "__main__":
    unittest.main()
