#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every format when something goes wrong: one line on stderr, a non-zero exit code, and no partial file; and losses in the output.

    test_failures.py INSPECTOR"""
import datetime
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from perfetto import Trace  # noqa: E402
from scene import NODES, SECOND, SceneTest  # noqa: E402

INSPECTOR = os.path.abspath(sys.argv[1])
DIRECTORIES = {"ctf"}


class Case(SceneTest):
    def events(self):
        return self.scene.write(self.directory / "events.ndjson")

    def run_export(self, *args, **more):
        more.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([INSPECTOR, "export", "--read", str(self.events()), *args], stderr=subprocess.PIPE, timeout=60, **more)

    def formats(self):
        said = self.run_export("--format", "nothing like a format").stderr.decode()
        return re.search(r"the formats are (.*)", said)[1].split(", ")


class Failures(Case):
    def setUp(self):
        super().setUp()
        self.scene.connect("alice", "bob", "5a" * 16)
        for number in range(300):
            self.scene.packet("alice", "sent", "bob", number, trace="5a" * 16)
            self.scene.message("alice", "sent", "bob", number)

    def fails(self, said, *args, code=1, **more):
        done = self.run_export(*args, **more)
        text = done.stderr.decode()
        self.assertEqual((done.returncode, len(text.splitlines())), (code, 1), (args, text))
        self.assertIn(said, text)

    def test_all_formats_are_tried(self):
        self.assertLessEqual({"json", "ndjson", "csv", "tsv", "chrome", "perfetto", "qlog", "otlp", "ctf", "shiviz", "parquet", "pcapng"}, set(self.formats()))

    def test_where_nothing_can_be_written(self):
        for name in self.formats():
            self.fails("/proc/nonexistent/x", "--format", name, "-o", "/proc/nonexistent/x")
            file = self.directory / "in the way"
            file.write_text("mine")
            self.fails("in the way", "--format", name, "-o", f"{file}/x")
            self.assertEqual(file.read_text(), "mine")

    def test_a_full_disk_leaves_no_half_file(self):
        """The file size is limited, which fails like a full disk: in the middle."""
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

        for name in self.formats():
            path = self.directory / "out"
            self.fails("File too large", "--format", name, "-o", str(path), preexec_fn=limit)
            self.assertEqual([p.name for p in self.directory.iterdir() if p.name.startswith("out")], [], name)
        self.fails("File too large", "--format", "qlog", "-o", f"{self.directory}/out/", preexec_fn=limit)
        self.assertEqual([p.name for p in self.directory.iterdir() if p.name.startswith("out")], [])

    def test_a_device_that_is_full_and_a_pipe_that_is_closed(self):
        for name in set(self.formats()) - DIRECTORIES:
            with open("/dev/full", "wb") as full:
                self.fails("No space left", "--format", name, stdout=full)
            reader, writer = os.pipe()
            os.close(reader)
            done = self.run_export("--format", name, stdout=writer)
            self.assertEqual((done.returncode, done.stderr), (1, b""), name)
            os.close(writer)

    def test_an_export_without_matches_leaves_no_file(self):
        for name in self.formats():
            for question in (["77" * 16], ["--node", "nobody"], ["--kind", "metrics"]):
                path = self.directory / "out"
                done = self.run_export("--format", name, "-o", str(path), *question)
                self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done)
                self.assertEqual([p.name for p in self.directory.iterdir() if p.name.startswith("out")], [])

    def test_several_files_need_a_name_and_existing_files_are_kept(self):
        self.fails("-o DIRECTORY", "--format", "ctf", code=2)
        (self.directory / "full").mkdir()
        (self.directory / "full" / "mine").write_text("mine")
        self.fails("full", "--format", "ctf", "-o", str(self.directory / "full"))
        self.assertEqual((self.directory / "full" / "mine").read_text(), "mine")


class Losses(Case):
    """17 events of alice are missing between her second and her third, and none of bob."""

    def setUp(self):
        super().setUp()
        for number in range(2):
            self.scene.packet("alice", "sent", "bob", number)
            self.scene.packet("bob", "received", "alice", number)
        self.scene.emit("alice", "events_lost", {"count": 17, "first": 2, "cause": "overwritten"})
        self.scene.packet("alice", "sent", "bob", 19)
        self.scene.packet("bob", "received", "alice", 19)

    def export(self, *args):
        done = self.run_export(*args)
        self.assertEqual((done.returncode, done.stderr), (0, b"inspector: 17 events were lost before traced could read them; the export says where\n"))
        return done.stdout

    @unittest.skipUnless(shutil.which("babeltrace2"), "babeltrace2 is not installed")
    def test_babeltrace2_says_between_which_events_they_were_discarded(self):
        path = self.directory / "ctf"
        self.export("--format", "ctf", "-o", str(path))
        done = subprocess.run(["babeltrace2", "--clock-gmt", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, text=True)
        (count, begin, end), = re.findall(r"Tracer discarded (\d+) events between \[([\d:.]+)\] and \[([\d:.]+)\]", done.stderr)

        def clock(event):
            moment = datetime.datetime.fromtimestamp(SECOND, datetime.timezone.utc)
            return f"{moment:%H:%M:%S}.{event['timestamp'] - SECOND * 1_000_000:06d}{event['ns']:03d}"

        alice = [e for e in self.scene.events if e["node_id"] == NODES["alice"]]  # the third is the gap, with the time of its end
        self.assertEqual((count, begin, end), ("17", clock(alice[1]), clock(alice[2])))
        self.assertEqual(done.stdout.count("\n"), 6)

    def test_perfetto_has_a_moment_of_the_node(self):
        (mark,) = [m for m in Trace(self.export("--format", "perfetto")).marks if m.category == ["lost"]]
        self.assertEqual((mark.type, mark.name, mark.process, mark.track, mark.args["count"], mark.args["cause"]),
                         ("i", "17 events lost", NODES["alice"][:8], "other events", 17, "overwritten"))

    def test_otlp_has_a_span_of_no_length(self):
        spans = [span for line in self.export("--format", "otlp").splitlines() for resource in json.loads(line)["resourceSpans"]
                 for span in resource["scopeSpans"][0]["spans"] if span["name"] == "events_lost"]
        (span,) = spans
        self.assertEqual(span["startTimeUnixNano"], span["endTimeUnixNano"])
        self.assertIn({"key": "count", "value": {"intValue": "17"}}, span["attributes"])

    def test_shiviz_has_an_event_of_the_node(self):
        lines = self.export("--format", "shiviz").decode().splitlines()[2:]
        events = [(line.split(" ", 1)[1], host.split(" ", 1)[0]) for line, host in zip(lines[::2], lines[1::2]) if "events_lost" in line]
        self.assertEqual([host for _, host in events], [NODES["alice"][:8]])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
