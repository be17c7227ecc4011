#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`inspector export`: what a user does with it, and what comes out in each format that needs no program of other people to be judged.

    test_export.py TRACED INSPECTOR QUIC_NODE"""
import collections
import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from world import World  # noqa: E402

TRACED, INSPECTOR, QUIC_NODE = (os.path.abspath(arg) for arg in sys.argv[1:4])


def setUpModule():
    global WORLD
    WORLD = World(TRACED, INSPECTOR, QUIC_NODE)


def tearDownModule():
    WORLD.close()


def unix_ns(event):
    return event["timestamp"] * 1000 + event["ns"]


def count(items):
    return collections.Counter(items)


class Command(unittest.TestCase):
    def fails(self, code, said, *args, **more):
        done = WORLD.run(*args, **more)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, code, done)
        self.assertIn(said, text)
        self.assertEqual(len(text.splitlines()), 1, text)
        return done

    def test_an_unknown_format_names_the_nearest_or_all(self):
        self.fails(2, "did you mean chrome?", "--format", "chrom")
        self.fails(2, "the formats are json, ndjson, csv", "--format", "something else")

    def test_what_matches_nothing_is_a_failure_and_leaves_nothing(self):
        path = WORLD.directory / "nothing"
        for args in (["77" * 16], ["--kind", "conn_closed", "--from", "-1ns"], ["--where", "size > 100000"], ["--node", "nobody"]):
            self.fails(1, "", *args, "-o", str(path))
            self.assertEqual(sorted(WORLD.directory.glob("nothing*")), [])

    def test_a_file_that_cannot_be_written_is_told(self):
        self.fails(1, "cannot write /nonexistent/x", "-o", "/nonexistent/x")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([INSPECTOR, "export"], stdout=full, stderr=subprocess.PIPE, timeout=60,
                                  env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
        self.assertEqual((done.returncode, done.stderr.decode().count("\n")), (1, 1))
        self.assertIn("No space left", done.stderr.decode())

    def test_a_closed_pipe_is_told(self):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([INSPECTOR, "export"], stdout=writer, stderr=subprocess.PIPE, timeout=60,
                              env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
        os.close(writer)
        self.assertEqual((done.returncode, done.stderr.decode()), (1, "inspector: cannot write the export: Broken pipe\n"))

    def test_interrupted_it_leaves_nothing(self):
        os.kill(WORLD.traced.process.pid, signal.SIGSTOP)
        try:
            path = WORLD.directory / "interrupted"
            process = subprocess.Popen([INSPECTOR, "export", "-o", str(path)], stderr=subprocess.PIPE,
                                       env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
            # It has connected and asked, once the kernel lists its end of the connection with bytes under way; the file stands by then.
            while not list(WORLD.directory.glob("interrupted*")) and process.poll() is None:
                pass
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            os.kill(WORLD.traced.process.pid, signal.SIGCONT)
        self.assertNotEqual(process.returncode, 0)
        self.assertLessEqual(said.count(b"\n"), 1)
        self.assertEqual(list(WORLD.directory.glob("interrupted*")), [])


class Json(unittest.TestCase):
    def test_a_document_of_everything_has_the_events_as_traced_has_them(self):
        document = json.loads(WORLD.file("all.json").read_text())
        self.assertEqual(document["events"], WORLD.events)
        self.assertEqual((document["export"], document["trace_id"], document["lost"], document["evicted"]), (1, None, 0, 0))
        self.assertEqual(sorted(node["name"] for node in document["nodes"]), ["alice", "bob", "carol"])

    def test_a_trace_by_the_beginning_of_its_id(self):
        document = json.loads(WORLD.export(WORLD.trace[:8]))
        self.assertEqual(document["trace_id"], WORLD.trace)
        self.assertEqual(document["events"], [e for e in WORLD.events if e["trace_id"] == WORLD.trace])

    def test_filters_add_up(self):
        lines = WORLD.export("--format", "ndjson", "--kind", "packet_sent", "--node", "alice", "--where", "size > 1000").splitlines()
        expected = [e for e in WORLD.events if e["kind"] == "packet_sent" and WORLD.names[e["node_id"]] == "alice" and e["data"]["size"] > 1000]
        self.assertEqual([json.loads(line) for line in lines], expected)
        self.assertTrue(expected)

    def test_lines_are_those_of_range(self):
        done = subprocess.run([INSPECTOR, "range", "1970-01-01", "now", "--json"], stdout=subprocess.PIPE, timeout=60,
                              env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
        self.assertEqual(WORLD.export("--format", "ndjson"), done.stdout.decode())


class Csv(unittest.TestCase):
    def test_the_usual_columns_have_all_of_an_event(self):
        rows = list(csv.DictReader(io.StringIO(WORLD.export("--format", "csv"))))
        self.assertEqual(len(rows), len(WORLD.events))
        for row, event in zip(rows, WORLD.events):
            self.assertEqual(json.loads(row["data"]), event["data"])
            self.assertEqual((row["peer_id"] or None, row["trace_id"] or None), (event["peer_id"], event["trace_id"]))
            self.assertEqual((row["node"], row["kind"], int(row["sequence"]), int(row["lane"])),
                             (WORLD.names[event["node_id"]], event["kind"], event["sequence"], event["lane"]))
            self.assertEqual((row["app"] or None, row["command"] or None), (event.get("app"), event.get("command")))
            self.assertRegex(row["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
            self.assertEqual(int(row["time"][-10:-1]), unix_ns(event) % 10 ** 9)

    def test_chosen_columns_with_tabs(self):
        text = WORLD.export("--format", "tsv", "--columns", "timestamp,node_id,size,packet_sent.packet_num,space,flags,fields")
        rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
        for row, event in zip(rows, WORLD.events):
            data = event["data"]
            self.assertEqual((int(row["timestamp"]), row["node_id"], row["flags"].split()), (unix_ns(event), event["node_id"], event["flags"]))
            self.assertEqual((row["size"], row["space"]), (str(data.get("size", "")), data.get("space", "")))
            self.assertEqual(row["packet_sent.packet_num"], str(data["packet_num"]) if event["kind"] == "packet_sent" else "")
            self.assertEqual(json.loads(row["fields"] or "null"), event.get("fields"))

    def test_an_unknown_column_is_told(self):
        done = WORLD.run("--format", "csv", "--columns", "time,siz")
        self.assertEqual((done.returncode, done.stderr.decode()), (2, "inspector: there is no column siz; did you mean size?\n"))
        self.assertEqual(WORLD.run("--format", "csv", "--columns", ",").returncode, 2)


class Chrome(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.document = json.loads(WORLD.file("chrome.json", "--format", "chrome").read_text())
        cls.records = cls.document["traceEvents"]
        cls.base = int(cls.document["metadata"]["first_event_unix_ns"])

    def of(self, *phases):
        return [record for record in self.records if record["ph"] in phases]

    def ns(self, record):
        return self.base + round(record["ts"] * 1000)

    def test_each_event_is_there_once_at_its_time(self):
        expected = count((e["kind"], e["node_id"], unix_ns(e)) for e in WORLD.events)
        names = {r["pid"]: r["args"]["name"] for r in self.of("M") if r["name"] == "process_name"}
        ids = {name: node_id for node_id, name in WORLD.names.items()}
        found = count((ids[names[r["pid"]]], self.ns(r)) for r in self.of("i", "B", "E"))
        found.update((ids[names[r["pid"]]], self.ns(r)) for r in self.of("C") if r["name"].startswith("rtt"))
        self.assertEqual(found, count((node, time) for kind, node, time in expected.elements()))

    def test_slices_nest_on_each_track_and_are_the_spans(self):
        stacks = collections.defaultdict(list)
        spans = []
        for record in self.of("B", "E"):
            stack = stacks[record["pid"], record["tid"]]
            if record["ph"] == "B":
                stack.append(record)
                continue
            begin = stack.pop()
            self.assertEqual(begin["name"], record["name"])
            if begin["cat"] == "app":
                self.assertEqual(begin["args"]["data"]["span_id"], record["args"]["data"]["span_id"])
                spans.append((begin["args"]["data"]["span_id"], self.ns(begin), self.ns(record)))
        starts = {e["data"]["span_id"]: unix_ns(e) for e in WORLD.events if e["kind"] == "app_start"}
        ends = {e["data"]["span_id"]: unix_ns(e) for e in WORLD.events if e["kind"] == "app_end"}
        self.assertEqual(sorted(spans), sorted((span, starts[span], ends[span]) for span in starts))

    def test_arrows_go_from_a_span_to_the_one_on_another_node_that_it_caused(self):
        starts = {e["data"]["span_id"]: e for e in WORLD.events if e["kind"] == "app_start"}
        caused = {span for span, e in starts.items()
                  if starts.get(e["data"]["parent_id"], e)["node_id"] != e["node_id"]}
        arrows = collections.defaultdict(list)
        for record in self.of("s", "f"):
            arrows[record["id"][2:]].append(record)
        self.assertEqual(set(arrows), caused)
        self.assertTrue(caused)
        for first, last in arrows.values():
            self.assertEqual((first["ph"], last["ph"], last["bp"]), ("s", "f", "e"))
            self.assertNotEqual(first["pid"], last["pid"])
            self.assertEqual({(r["cat"], r["name"]) for r in (first, last)}, {("request", "request")})

    def test_counters_are_the_metrics(self):
        expected = count((e["data"]["rtt"], e["data"]["cwnd"], e["data"]["in_flight"]) for e in WORLD.events if e["kind"] == "metrics")
        values = [list(r["args"].values())[0] for r in self.of("C")]
        found = count((round(values[i] * 1000), values[i + 1], values[i + 2]) for i in range(0, len(values), 3))
        self.assertEqual(found, expected)

    def test_tracks_are_the_connections_by_name(self):
        names = {r["args"]["name"] for r in self.of("M") if r["name"] == "thread_name"}
        for text in ("to alice", "with bob", "to bob"):
            self.assertTrue(any(name.startswith("connection") and name.endswith(text) for name in names), names)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
