# SPDX-License-Identifier: MIT
"""Each command of the inspector, while one allocation or system call after the other fails.

Kept: a command that exits with 0 wrote exactly what it writes without faults, or says on stderr what is missing; a file of
-o is complete or absent, and an older one stays.  Lost: the answer, with exit code 1 (3 where traced could not be reached)
and a sentence.  Never: a signal, a hang, a temporary file."""
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import unittest

import faults
import harness

ID, TRACE = harness.hex_id(0xaa), harness.hex_id(0x74, 32)
READ = [("nodes",), ("stats",), ("peers",), ("traces",), ("requests",), ("trace", "74"), ("peer", "bb"), ("recent", "5"),
        ("range", "-1h"), ("count", "--by", "kind"),
        ("analyze",), ("apps",), ("follow",), ("recent", "5", "--json"), ("recent", "--format", "csv"),
        ("sql", "select kind, count(*) from events where size > 100 group by 1"), ("rpc", "nodes"), ("rpc", "who"), ("help", "follow"), ("analyze", "trace", "74"),
        ("export", "--format", "chrome"), ("export", "--format", "perfetto"), ("export", "--format", "otlp"), ("export", "--format", "parquet")]
RUNS = [("count", "--by", "kind"), ("nodes",), ("rpc", "who")]
LIVE = [("nodes",), ("recent", "5"), ("follow", "--recent", "5", "--limit", "5"), ("control",), ("doctor",), ("stats",)]


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = harness.Place()
        cls.addClassCleanup(cls.place.close)
        cls.place.start()
        node = cls.place.node("alice", ID)
        node.do("app")
        node.do("start", TRACE, "a1", 0, 2)
        node.do("packets", 20, TRACE, harness.hex_id(0xbb))
        node.do("end", TRACE, "a1", 2, 1)
        node.do("alias", "-", harness.hex_id(0xac), "key")
        node.do("alias", harness.hex_id(0xbb), harness.hex_id(0xbc), "key")
        cls.place.settle(cls.place.connect(), 24)
        cls.recording = os.path.join(cls.place.directory, "some.p2rec")
        cls.runs = os.path.join(cls.place.directory, "runs")  # two recordings of the same events
        os.mkdir(cls.runs)
        cls.base = dict(cls.place.environment, TZ="UTC", LC_ALL="C.UTF-8", PAGER="", NO_COLOR="1", COLUMNS="200")
        for path in (cls.recording, os.path.join(cls.runs, "one.p2rec"), os.path.join(cls.runs, "other.p2rec")):
            done = faults.run([os.environ["INSPECTOR"], "salvage", "-o", path], "off", 1, cls.base)
            assert done.code == 0, str(done)

    def check_one(self, one, good, doctor=False):
        if faults.is_libuv_abort(one.mode, one.failed, one.code):
            return
        self.assertIn(one.code, (0, 1, 3, 5) if doctor else (0, 1, 3), str(one))  # 5: too little to judge, because of the fault
        if one.code:
            said = one.out.decode() + one.err if doctor else one.err  # the problem is the doctor's answer
            self.assertRegex(said, r"(?m)^ *\S+.* \S", f"{one} {one.out!r}")
            self.assertLessEqual(len(one.err.splitlines()), 6, str(one))
        if one.mode == "error" and one.failed in ("read", "pread64"):  # the message must not blame the file
            self.assertNotIn("damaged", one.err, str(one))
        if one.code == 0 and one.out != good and good is not None:
            self.assertNotEqual(one.err, "", f"{one}: wrote {one.out[-300:]!r}")

    def walk(self, words, same=True):
        words = [os.environ["INSPECTOR"], *words]
        for mode in faults.MODES:
            with self.subTest(words=words[1:], mode=mode):
                plain = faults.run(words, "off", 1, self.base)
                for one in faults.walk(words, mode, self.base):
                    with self.subTest(fault=f"{one.number} {one.failed}"):
                        self.check_one(one, plain.out if same else None, words[1] == "doctor")

    def walk_file(self, make, old, recording=False):
        """A command that writes a file."""
        for mode in faults.MODES:
            for number in faults.numbers(f"{self.id()} {mode}"):
                directory = pathlib.Path(tempfile.mkdtemp(dir=self.place.directory))
                path = directory / "out"
                if old is not None:
                    path.write_bytes(old)
                one = faults.run([os.environ["INSPECTOR"], *make(path)], mode, number, self.base)
                with self.subTest(fault=f"{mode} {one.number} {one.failed}"):
                    self.check_one(one, None)
                    self.check_file(one, path, old, recording)
                shutil.rmtree(directory)
                if not one.failed:
                    break

    def check_file(self, one, path, old, recording):
        left = sorted(each.name for each in path.parent.iterdir())
        self.assertLessEqual(set(left), {"out"}, str(one))
        if one.code and recording and path.exists():  # it was saved, and can be opened
            opened = faults.run([os.environ["INSPECTOR"], "count", "-r", path], "off", 1, self.base)
            self.assertEqual((opened.code, opened.err), (0, ""), f"{one}: {opened}")
        elif one.code:
            self.assertEqual(path.read_bytes() if path.exists() else None, old, str(one))
        elif not path.exists():  # nothing could be read, so there is nothing to record
            self.assertTrue(recording and b"there is no " in one.out and one.err, f"{one} {one.out!r}")

    def test_export_into_a_new_file(self):
        self.walk_file(lambda path: ("export", "--format", "chrome", "-r", self.recording, "-o", path), None)

    def test_export_over_an_old_file(self):
        self.walk_file(lambda path: ("export", "--format", "csv", "-r", self.recording, "-o", path), b"an older one")

    def test_salvage(self):
        self.walk_file(lambda path: ("salvage", "-o", path), None, recording=True)

    def test_record(self):
        self.walk_file(lambda path: ("record", "-r", self.recording, "-o", path), None, recording=True)

    def test_few_descriptors(self):
        """A real limit, set like by `ulimit -n`."""
        for limit in range(5, 20):
            done = subprocess.run([os.environ["INSPECTOR"], "nodes"], env=self.base, capture_output=True, timeout=faults.HANG_S, check=False,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
            with self.subTest(limit=limit):
                self.assertIn(done.returncode, (0, 1, 3), done.stderr)
                if done.returncode:
                    self.assertRegex(done.stderr.decode(), r"^inspector: .*too many open files|^inspector: .*Too many open files")


def add(kind, words, more):
    def test(self):
        self.walk([*words, *(each if each is not None else self.runs if kind == "runs" else self.recording for each in more)], kind != "live")
    setattr(Faults, f"test_{kind}_" + "_".join(words).replace(" ", "_").replace("-", ""), test)


for each in READ:
    add("read", each, ("--utc", "-r", None))
for each in RUNS:
    add("runs", each, ("--utc", "-r", None))
for each in LIVE:
    add("live", each, ("--utc",))

if __name__ == "__main__":
    unittest.main()
