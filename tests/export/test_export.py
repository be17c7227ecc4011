#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`inspector export`: how users call it, and the output in each format that can be checked without other programs.

    test_export.py TRACED INSPECTOR QUIC_NODE"""
import collections
import csv
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from receiver import HANG, Receiver  # noqa: E402
from world import Place, World, qlog_records, until  # noqa: E402

TRACED, INSPECTOR, QUIC_NODE = (os.path.abspath(arg) for arg in sys.argv[1:4])


PACKETS = {"transport:packet_sent", "transport:packet_received", "recovery:packet_lost"}


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

    def test_the_ending_of_the_file_chooses_the_format(self):
        for ending, format in ((".csv", "csv"), (".CSV", "csv"), (".tsv", "tsv"), (".ndjson", "ndjson"), (".jsonl", "ndjson"), (".json", "json"), ("", "json"),
                               (".txt", "json"), (".d/x", "json"), (".sqlog", "qlog"), (".qlog", "qlog"), (".pcapng", "pcapng"), (".pcap", "pcapng"),
                               (".parquet", "parquet"), (".pftrace", "perfetto")):
            path = WORLD.directory / f"chosen{ending}"
            path.parent.mkdir(exist_ok=True)
            self.assertEqual(WORLD.run("-n", "20", "--until", "now", "-o", str(path)).returncode, 0)
            begin = path.read_bytes()[:12]
            path.unlink()
            self.assertEqual(begin, WORLD.run("-n", "20", "--format", format).stdout[:12], ending)
        path = WORLD.directory / "x.csv"
        self.assertEqual(WORLD.run("-n", "1", "--format", "ndjson", "-o", str(path)).returncode, 0)
        self.assertEqual(json.loads(path.read_text())["lane"], 0)

    def test_what_a_format_cannot_carry_is_counted(self):
        path = WORLD.directory / "packets.pcapng"
        events = [json.loads(line)["kind"] for line in WORLD.export("--format", "ndjson", "-n", "500").splitlines()]
        carried = sum(kind in ("packet_sent", "packet_received") for kind in events)
        done = WORLD.run("-n", "500", "-o", str(path))
        said = f"inspector: {500 - carried} of 500 events are not in the export: pcapng can only carry packet_sent and packet_received\n"
        self.assertEqual((done.returncode, done.stderr.decode()), (0, said))
        path.unlink()
        count = len(WORLD.export("--format", "ndjson", "--kind", "metrics").splitlines())
        self.fails(1, f"pcapng can only carry packet_sent and packet_received, and none of the {count} events is one", "--kind", "metrics", "-o", str(path))
        self.assertEqual(sorted(WORLD.directory.glob("packets*")), [])
        done = WORLD.run("--kind", "packet_sent", "--format", "pcapng")
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_no_match_is_a_failure_and_leaves_no_file(self):
        path = WORLD.directory / "nothing"
        for args in (["77" * 16], ["--kind", "conn_closed", "--from", "-1ns"], ["--where", "size > 100000"], ["--node", "nobody"]):
            self.fails(1, "", *args, "-o", str(path))
            self.assertEqual(sorted(WORLD.directory.glob("nothing*")), [])

    def test_a_file_that_cannot_be_written_is_reported(self):
        self.fails(1, "cannot write /proc/nonexistent/x", "-o", "/proc/nonexistent/x")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([INSPECTOR, "export"], stdout=full, stderr=subprocess.PIPE, timeout=60,
                                  env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
        self.assertEqual((done.returncode, done.stderr.decode().count("\n")), (1, 1))
        self.assertIn("No space left", done.stderr.decode())

    def test_a_closed_pipe_ends_it_silently(self):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([INSPECTOR, "export"], stdout=writer, stderr=subprocess.PIPE, timeout=60,
                              env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
        os.close(writer)
        self.assertEqual((done.returncode, done.stderr.decode()), (1, ""))

    def test_interrupted_it_leaves_nothing(self):
        os.kill(WORLD.traced.process.pid, signal.SIGSTOP)
        try:
            path = WORLD.directory / "interrupted"
            process = subprocess.Popen([INSPECTOR, "export", "--format", "ctf", "-o", str(path)], stderr=subprocess.PIPE,
                                       env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
            # A file has no name before it is complete; a directory has one, and exists before anything is requested.
            while not list(WORLD.directory.glob("interrupted*")) and process.poll() is None:
                pass
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            os.kill(WORLD.traced.process.pid, signal.SIGCONT)
        self.assertEqual((process.returncode, said), (-signal.SIGINT, b""))
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
        expected = [e for e in WORLD.lines if e["kind"] == "packet_sent" and WORLD.names[e["node_id"]] == "alice" and e["data"]["size"] > 1000]
        self.assertEqual([json.loads(line) for line in lines], expected)
        self.assertTrue(expected)

    def test_lines_equal_those_of_range(self):
        # The second of January, because east of Greenwich the first begins before Unix time.
        done = subprocess.run([INSPECTOR, "range", "1970-01-02", "now", "--json"], stdout=subprocess.PIPE, timeout=60,
                              env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
        self.assertEqual(WORLD.events, [json.loads(line) for line in done.stdout.decode().splitlines()])

    def test_lines_have_the_names_of_nodes_and_peers(self):
        for line in WORLD.lines:
            self.assertEqual((line["node"], line.get("peer")), (WORLD.names[line["node_id"]], WORLD.names.get(line["peer_id"])))
        self.assertTrue(any("peer" in line for line in WORLD.lines))

    def test_names_are_read_again(self):
        path = WORLD.directory / "named.ndjson"
        path.write_text(WORLD.export("--format", "ndjson"), encoding="ascii")
        done = subprocess.run([INSPECTOR, "nodes", "--json", "--read", str(path)], stdout=subprocess.PIPE, timeout=60)
        nodes = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual({node["node_id"]: node["name"] for node in nodes}, WORLD.names)
        again = subprocess.run([INSPECTOR, "export", "--format", "ndjson", "--read", str(path)], stdout=subprocess.PIPE, timeout=60)
        read, exported = ([(unix_ns(line), line["node"], line.get("peer")) for line in lines] for lines in (map(json.loads, again.stdout.splitlines()), WORLD.lines))
        self.assertEqual([time for time, *_ in read], sorted(time for time, *_ in exported))
        self.assertEqual(sorted(read, key=str), sorted(exported, key=str))  # events of two nodes at one time have no order


class Csv(unittest.TestCase):
    def test_the_usual_columns_have_all_of_an_event(self):
        rows = list(csv.DictReader(io.StringIO(WORLD.export("--format", "csv"))))
        self.assertEqual(len(rows), len(WORLD.events))
        for row, event in zip(rows, WORLD.events):
            self.assertEqual(json.loads(row["data"]), event["data"])
            self.assertEqual((row["peer_id"] or None, row["trace_id"] or None), (event["peer_id"], event["trace_id"]))
            self.assertEqual(row["peer"] or None, WORLD.names.get(event["peer_id"], (event["peer_id"] or "")[:8] or None))
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

    def test_an_unknown_column_is_reported(self):
        done = WORLD.run("--format", "csv", "--columns", "time,siz")
        self.assertEqual((done.returncode, done.stderr.decode()), (2, "inspector: there is no field siz; did you mean size?\n"))
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
            arrows[record["id"]].append(record)
        begun = {(r["pid"], r["tid"], r["ts"]): r["args"]["data"]["span_id"] for r in self.of("B") if r["cat"] == "app"}
        self.assertEqual({begun[last["pid"], last["tid"], last["ts"]] for _, last in arrows.values()}, caused)
        self.assertEqual(len(arrows), len(caused))
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


class Qlog(unittest.TestCase):
    """Compared with the qlog files that ngtcp2 itself wrote, in the same processes."""

    @classmethod
    def setUpClass(cls):
        cls.directories = {names: WORLD.file(f"qlog-{names}", "--format", "qlog", "--qlog-names", names, "-o", f"{WORLD.directory}/qlog-{names}/")
                           for names in ("draft", "qvis")}

    def records(self, names="qvis"):
        """node name: {file name: [header, record...]}"""
        found = collections.defaultdict(dict)
        for path in sorted(self.directories[names].iterdir()):
            records = list(qlog_records(path))
            found[records[0]["trace"]["vantage_point"]["name"]][path.name] = records
        return found

    def test_packets_of_each_connection_match_ngtcp2_s_qlog(self):
        """Compares event by event: name, packet type, number and size, in order."""
        def packets(records):
            return [(r["name"], r["data"]["header"]["packet_type"], r["data"]["header"]["packet_number"], r["data"].get("raw", {}).get("length"))
                    for r in records if r["name"] in PACKETS]

        compared = 0
        for node in WORLD.nodes:
            ours = self.records()[node.name]
            theirs = {}
            for path in node.qlog_files():
                records = list(qlog_records(path))
                theirs[records[0]["trace"]["common_fields"]["group_id"][:32].ljust(32, "0")] = records
            connections = {name.split("_")[0]: records for name, records in ours.items() if not name.startswith("node-")}
            self.assertEqual(set(connections), set(theirs))
            for group, records in connections.items():
                expected = packets(theirs[group][1:])
                self.assertEqual(records[0]["trace"]["vantage_point"]["type"], theirs[group][0]["trace"]["vantage_point"]["type"])
                self.assertEqual(count(packets(records[1:])), count(expected))
                compared += len(expected)
        self.assertEqual(compared, sum(e["kind"] in ("packet_sent", "packet_received", "packet_lost") for e in WORLD.events))

    def test_each_event_is_in_one_file_and_times_are_exact(self):
        found = collections.Counter()
        for name, files in self.records("draft").items():
            for records in files.values():
                epoch = records[0]["trace"]["common_fields"]["reference_time"]["epoch"]
                self.assertRegex(epoch, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
                base = unix_ns(WORLD.events[0])
                self.assertEqual(int(epoch[-10:-1]), base % 10 ** 9)
                seen = set()
                times = [r["time"] for r in records[1:]]
                self.assertEqual(times, sorted(times))
                for record in records[1:]:
                    seen.add((record["lane"], record["sequence"], base + round(record["time"] * 1e6)))
                found.update((name, *key) for key in seen)
        self.assertEqual(found, count((WORLD.names[e["node_id"]], e["lane"], e["sequence"], unix_ns(e)) for e in WORLD.events))

    def test_names_are_from_the_draft_or_known_to_qvis(self):
        for names, known in (("draft", {"quic", "p2ptrace", "loglevel"}),
                             ("qvis", {"transport", "recovery", "connectivity", "p2ptrace", "generic"})):
            used = {r["name"].split(":")[0] for files in self.records(names).values() for records in files.values() for r in records[1:]}
            self.assertLessEqual(used, known)

    def test_required_members_of_the_draft_are_present(self):
        demanded = {"quic:connection_started": {"local", "remote"}, "quic:connection_state_updated": {"new"},
                    "quic:stream_state_updated": {"stream_id", "new", "stream_side"}, "quic:packet_sent": {"header"},
                    "quic:packet_received": {"header"}, "quic:packet_lost": {"header"}, "loglevel:warning": set()}
        seen = set()
        for files in self.records("draft").values():
            for records in files.values():
                header = records[0]
                self.assertEqual(header["file_schema"], "urn:ietf:params:qlog:file:sequential")
                self.assertEqual(header["serialization_format"], "application/qlog+json-seq")
                for record in records[1:]:
                    self.assertLessEqual({"time", "name", "data"}, set(record))
                    self.assertLessEqual(demanded.get(record["name"], set()), set(record["data"]), record)
                    seen.add(record["name"])
        self.assertLessEqual(set(demanded) - {"loglevel:warning"}, seen)

    def test_one_file_has_all_with_a_group_each(self):
        records = list(qlog_records(WORLD.file("all.sqlog", "--format", "qlog")))
        apart = count(json.dumps(r, sort_keys=True) for files in self.records("draft").values() for rs in files.values() for r in rs[1:])
        groups = {r.pop("group_id") for r in records[1:]}
        self.assertEqual(count(json.dumps(r, sort_keys=True) for r in records[1:]), apart)
        self.assertEqual(groups, {path.stem for path in self.directories["draft"].iterdir()})

    def test_a_directory_that_is_not_empty_stays_as_it_is(self):
        before = sorted(self.directories["draft"].iterdir())
        done = WORLD.run("--format", "qlog", "-o", str(self.directories["draft"]))
        self.assertEqual((done.returncode, done.stderr.decode().count("\n")), (1, 1))
        self.assertIn("not empty", done.stderr.decode())
        self.assertEqual(sorted(self.directories["draft"].iterdir()), before)
        self.assertEqual(len(list(WORLD.directory.glob("qlog-draft*"))), 1)


@unittest.skipUnless(shutil.which("babeltrace2"), "babeltrace2 is not installed")
class Ctf(unittest.TestCase):
    """The events as read by babeltrace2."""
    LINE = re.compile(r"^\[(\d+)\.(\d{9})\] \(\S+\) (\w+): (.*)$")

    @classmethod
    def setUpClass(cls):
        path = WORLD.file("ctf", "--format", "ctf")
        done = subprocess.run(["babeltrace2", str(path), "--clock-seconds"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        cls.lines, cls.warnings = done.stdout.decode().splitlines(), done.stderr.decode()
        cls.status = done.returncode

    def test_it_reads_every_event_and_has_nothing_to_say(self):
        self.assertEqual((self.status, self.warnings, len(self.lines)), (0, "", len(WORLD.events)))

    def test_every_field_of_every_event_is_as_in_json(self):
        def value(data, name):
            if isinstance(data, bool):
                return r'%s = \( "%s" : container = \d+ \)' % (name, str(data).lower())
            if name in ("space", "cause", "transport"):
                return r'%s = \( "%s" : container = \d+ \)' % (name, data)
            if name in ("span_id", "parent_id"):
                return r"%s = 0x%X\b" % (name, int(data, 16))
            if name == "endpoint":
                return r"port = %s\b" % data.rsplit(":", 1)[1]
            if name in ("data", "alias_id"):
                shown = ", ".join(r"\[%d\] = 0x%X\b" % (i, byte) for i, byte in enumerate(bytes.fromhex(data)))
                return r"%s_bytes = %d, %s = \[ %s" % (name, len(data) // 2, name, shown)
            return r'%s = "?%s"?[, ]' % (name, re.escape(str(data)))

        def line(event):
            words = [event["trace_id"] or "0" * 32, event["peer_id"] or "0" * 64]
            parts = [r"%s = 0x%X\b" % ("abcd"[i // 16], int(word[i:i + 16], 16)) for word in words for i in range(0, len(word), 16)]
            return ['node = "%s"' % WORLD.names[event["node_id"]], r"lane = %d, sequence = %d," % (event["lane"], event["sequence"]),
                    "trace_id = { %s, %s }" % tuple(parts[:2]), "peer_id = { %s }" % ", ".join(parts[2:]),
                    *(value(data, name) for name, data in event["data"].items())]

        def key(event):
            return unix_ns(event), WORLD.names[event["node_id"]], event["lane"], event["sequence"]

        events = {key(event): event for event in WORLD.events}
        for text in self.lines:
            seconds, ns, kind, rest = self.LINE.match(text).groups()
            node = re.search(r'node = "(\w+)"', rest)[1]
            lane, sequence = map(int, re.search(r"lane = (\d+), sequence = (\d+)", rest).groups())
            event = events.pop((int(seconds) * 10 ** 9 + int(ns), node, lane, sequence))
            self.assertEqual(kind, event["kind"])
            for pattern in line(event):
                self.assertRegex(rest, pattern)
        self.assertEqual(events, {})


class Otlp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.path = WORLD.file("all.jsonl", "--format", "otlp")
        cls.spans = []
        for line in cls.path.read_text().splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                about = cls.attributes(resource["resource"])
                for span in resource["scopeSpans"][0]["spans"]:
                    cls.spans.append(span | {"node": about["service.name"], "node_id": about["service.instance.id"]})

    @staticmethod
    def attributes(item):
        values = {}
        for entry in item.get("attributes", []):
            (kind, value), = entry["value"].items()
            assert entry["key"] not in values, item
            values[entry["key"]] = int(value) if kind == "intValue" else value
        return values

    def test_requests_are_spans_with_their_parents_times_and_outcomes(self):
        found = {s["spanId"]: s for s in self.spans if "p2ptrace.end_sequence" in self.attributes(s)}
        starts = {e["data"]["span_id"]: e for e in WORLD.events if e["kind"] == "app_start"}
        ends = {e["data"]["span_id"]: e for e in WORLD.events if e["kind"] == "app_end"}
        self.assertEqual(set(found), set(starts))
        for span_id, span in found.items():
            start, end = starts[span_id], ends[span_id]
            self.assertEqual((span["traceId"], span["node_id"], int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])),
                             (start["trace_id"], start["node_id"], unix_ns(start), unix_ns(end)))
            self.assertEqual(span.get("parentSpanId", "0" * 16), start["data"]["parent_id"])
            self.assertEqual(span["status"]["code"], 1 if end["data"]["ok"] else 2)
            self.assertEqual(span["name"], f"{start['app']} {start['command']}")
            self.assertEqual(span["kind"], 2 if "parentSpanId" in span else 1)

    def test_connections_are_spans_of_one_trace_on_both_ends(self):
        found = {(s["node"], s["traceId"], s["kind"], s["name"]) for s in self.spans if s["name"].startswith("connection")}
        names = {e["trace_id"]: set() for e in WORLD.events if e["kind"] == "conn_init"}
        for e in WORLD.events:
            if e["trace_id"] in names and e["peer_id"]:  # a handshake may not have ended
                names[e["trace_id"]].add((WORLD.names[e["node_id"]], WORLD.names[e["peer_id"]]))
        expected = set()
        for e in WORLD.events:
            if e["kind"] == "conn_init":
                node = WORLD.names[e["node_id"]]
                peer = dict(names[e["trace_id"]])[node]
                expected.add((node, e["trace_id"], 2 if e["data"]["by_remote"] else 3, f"connection {'with' if e['data']['by_remote'] else 'to'} {peer}"))
        self.assertEqual(found, expected)

    def test_every_event_is_in_a_span_or_counted(self):
        found, dropped = collections.Counter(), 0
        for span in self.spans:
            about = self.attributes(span)
            dropped += span.get("droppedEventsCount", 0)
            if "sequence" in about:
                found[span["node"], about["lane"], about["sequence"]] += 1
            if "p2ptrace.end_sequence" in about:
                found[span["node"], about["lane"], about["p2ptrace.end_sequence"]] += 1
            for event in span.get("events", []):
                about = self.attributes(event)
                found[span["node"], about["lane"], about["sequence"]] += 1
                self.assertLessEqual(int(span["startTimeUnixNano"]), int(event["timeUnixNano"]))
                self.assertLessEqual(int(event["timeUnixNano"]), int(span["endTimeUnixNano"]))
        expected = count((WORLD.names[e["node_id"]], e["lane"], e["sequence"]) for e in WORLD.events)
        self.assertEqual(found - expected, {})
        self.assertEqual((expected - found).total() if hasattr(expected, "total") else sum((expected - found).values()), dropped)

    def test_requests_link_to_the_connections_that_carried_them(self):
        connections = {(s["traceId"], s["spanId"]) for s in self.spans if s["name"].startswith("connection")}
        linked = {(link["traceId"], link["spanId"]) for s in self.spans for link in s.get("links", [])}
        self.assertLessEqual(linked, connections)
        # The spans of nodes that waited for an answer; carol's spans end before her packets are sent.
        self.assertLessEqual({(s["traceId"], s["spanId"]) for s in self.spans if s["name"] == "connection with bob" or s["name"] == "connection to alice"}
                             & connections, linked)

    def test_ids_are_valid_and_unique(self):
        for span in self.spans:
            self.assertRegex(span["traceId"], r"^(?!0{32})[0-9a-f]{32}$")
            self.assertRegex(span["spanId"], r"^(?!0{16})[0-9a-f]{16}$")
            self.assertTrue(span["name"])
        self.assertEqual(len({(s["traceId"], s["spanId"]) for s in self.spans}), len(self.spans))


class Push(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lines = WORLD.export("--format", "otlp").splitlines()
        cls.spans = [span for line in lines for resource in json.loads(line)["resourceSpans"] for span in resource["scopeSpans"][0]["spans"]]

    def push(self, receiver, code=0, said="", *args):
        done = WORLD.run("--push", receiver.url, *args)
        text = done.stderr.decode()
        self.assertEqual((done.returncode, done.stdout), (code, b""), text)
        self.assertIn(said, text)
        self.assertEqual(len(text.splitlines()), 1 if code else 0)

    def test_a_receiver_gets_the_contents_of_a_file_with_gzip(self):
        with Receiver() as receiver:
            self.push(receiver)
        self.assertEqual(receiver.spans(), self.spans)

    def test_a_busy_receiver_is_tried_again(self):
        with Receiver((503, {"Retry-After": "1"}, b""), (429, {}, b"")) as receiver:
            self.push(receiver)
        self.assertEqual(len(receiver.requests), 3)
        self.assertEqual(len({body for _, _, body in receiver.requests}), 1)

    def test_a_receiver_that_asks_for_more_time_than_there_is_gets_no_second_request(self):
        with Receiver((503, {"Retry-After": "3600"}, b"later")) as receiver:
            self.push(receiver, 1, "cannot push: HTTP status 503: later; it asks for 3600 s")
        self.assertEqual(len(receiver.requests), 1)

    def test_a_receiver_that_accepts_only_a_part_is_reported(self):
        answer = b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old\\u001b[31m"}}'
        with Receiver((200, {}, answer)) as receiver:
            self.push(receiver, 1, "the receiver rejected 3 of the spans: too old?[31m")
        self.assertEqual(len(receiver.requests), 1)  # never sent again

    def test_a_receiver_without_gzip_gets_plain_json(self):
        with Receiver((415, {}, b"")) as receiver:
            self.push(receiver)
        del receiver.requests[0]
        self.assertEqual(receiver.spans(None), self.spans)

    def test_a_receiver_that_refuses_is_reported_at_once(self):
        with Receiver((401, {}, b"who are you?\n")) as receiver:
            self.push(receiver, 1, "the receiver refuses: HTTP status 401: who are you?")
        self.assertEqual(len(receiver.requests), 1)

    def test_nonsense_is_reported(self):
        for args, said in ((["--push", "nowhere"], "a URL like"), (["--push", "http://x", "-o", "y"], "either --push or --output"),
                           (["--push", "http://x", "--format", "csv"], "--push is for --format otlp")):
            done = WORLD.run(*args)
            self.assertEqual((done.returncode, done.stderr.decode().count("\n")), (2, 1), done)
            self.assertIn(said, done.stderr.decode())

    def test_ctrl_c_ends_a_push_to_a_receiver_that_is_away(self):
        with Receiver(*[(503, {"Retry-After": "30"}, b"")] * 3) as receiver:
            process = subprocess.Popen([INSPECTOR, "export", "--push", receiver.url], stderr=subprocess.PIPE,
                                       env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
            until(lambda: receiver.requests, "the first request")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        self.assertEqual((process.returncode, said), (-signal.SIGINT, b""))

    def test_ctrl_c_ends_a_push_to_a_receiver_that_hangs(self):
        with Receiver(HANG) as receiver:
            process = subprocess.Popen([INSPECTOR, "export", "--push", receiver.url], stderr=subprocess.PIPE,
                                       env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)))
            until(lambda: receiver.requests, "the request")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        self.assertEqual((process.returncode, said), (-signal.SIGINT, b""))

    def test_an_impossible_url_is_not_blamed_on_the_receiver(self):
        done = WORLD.run("--push", "http://local host:1/")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.decode(), "^inspector: cannot push: [^\n]*\n$")


class Shiviz(unittest.TestCase):
    """Checked with the rules that ShiViz applies when it loads a log."""

    @classmethod
    def setUpClass(cls):
        cls.text = WORLD.file("shiviz.log", "--format", "shiviz").read_text()

    def read(self, text):
        """[(host, clock, event, time)]"""
        expression, delimiter, log = text.split("\n", 2)
        self.assertEqual(delimiter, "")
        pattern = re.compile(expression.replace("(?<", "(?P<"))
        found = [(m["host"], json.loads(m["clock"]), m["event"], int(m["timestamp"])) for m in pattern.finditer(log)]
        self.assertEqual(pattern.sub("", log).strip(), "")
        return found

    def check(self, events):
        """Returns the pairs of events on two hosts where one precedes the other, according to the clocks."""
        by_host, edges = collections.defaultdict(list), set()
        for number, (host, clock, _, _) in enumerate(events):
            own = by_host[host]
            self.assertEqual(clock[host], len(own) + 1)  # 1, 2, 3, ...
            before = own[-1] if own else {}
            for other, ticks in clock.items():
                self.assertGreaterEqual(ticks, before.get(other, 0))
                if other == host or ticks == before.get(other, 0):
                    continue
                self.assertLessEqual(ticks, len(by_host[other]))  # the event happened
                for third, known in by_host[other][ticks - 1].items():
                    self.assertGreaterEqual(clock.get(third, 0), known)  # and everything before it
                edges.add((other, ticks, host, clock[host]))
            own.append(clock)
        return edges

    def test_all_events_are_there_and_the_clocks_are_permissible(self):
        events = self.read(self.text)
        self.assertEqual(count((host, time) for host, _, _, time in events), count((WORLD.names[e["node_id"]], unix_ns(e)) for e in WORLD.events))
        self.check(events)

    def test_every_packet_that_was_received_was_sent_before(self):
        events, known, sent = self.read(self.text), {}, {}
        keys = collections.defaultdict(list)
        for e in WORLD.events:
            keys[WORLD.names[e["node_id"]], unix_ns(e)].append(e)
        matched = 0
        for host, clock, _, time in events:
            e = keys[host, time].pop(0)
            if e["kind"] == "packet_sent" and e["peer_id"]:
                sent[e["node_id"], e["peer_id"], e["data"]["space"], e["data"]["packet_num"]] = (host, clock[host])
            if e["kind"] == "packet_received" and e["peer_id"]:
                pair = sent.get((e["peer_id"], e["node_id"], e["data"]["space"], e["data"]["packet_num"]))
                if pair:
                    self.assertGreaterEqual(clock[pair[0]], pair[1])
                    matched += 1
        self.assertGreater(matched, 50)

    def test_a_filter_renumbers_events(self):
        events = self.read(WORLD.export("--format", "shiviz", "--kind", "app_start,app_end"))
        starts = {e["data"]["span_id"]: e for e in WORLD.events if e["kind"] == "app_start"}
        caused = [s for s in starts.values() if s["data"]["parent_id"] in starts]
        self.assertEqual(len({edge[2:] for edge in self.check(events)}), len(caused))
        self.check(self.read(WORLD.export(WORLD.trace, "--format", "shiviz")))


class Losses(unittest.TestCase):
    """A node that overwrote most of its events before traced started."""

    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        node = cls.place.node("lossy", "ab" * 32, "overwrite_oldest", "0", "4096")
        node.do("packets", 10000)
        cls.place.start()
        connection = cls.place.connect()
        row = until(lambda: next((row for row in connection.call("nodes")["nodes"] if 10000 == row["emitted"] == row["indexed"] + row["lost"]), None),
                    "the ring to be read")
        cls.lost, cls.indexed = row["lost"], row["indexed"]
        assert cls.lost > 5000, row

    @classmethod
    def tearDownClass(cls):
        cls.place.close()

    def export(self, *args):
        done = subprocess.run([INSPECTOR, "export", *args], env=self.place.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual((done.returncode, done.stderr.decode()), (0, f"inspector: {self.lost} events were lost before traced could read them; "
                                                                        "the export says where\n"))
        return done.stdout.decode()

    def test_each_format_reports_them_once_with_a_filter_and_without(self):
        for question in ([], ["--kind", "packet_sent"]):
            document = json.loads(self.export(*question))
            self.assertEqual((document["lost"], sum(gap["data"]["count"] for gap in document["gaps"])), (self.lost, self.lost))
            self.assertEqual(sum(e["kind"] == "events_lost" for e in document["events"]), 0 if question else len(document["gaps"]))
            lines = [json.loads(line) for line in self.export("--format", "ndjson", *question).splitlines()]
            self.assertEqual(sum(e["data"]["count"] for e in lines if e["kind"] == "events_lost"), self.lost)
            self.assertEqual(len(lines), self.indexed + len(document["gaps"]))
            rows = list(csv.DictReader(io.StringIO(self.export("--format", "csv", "--columns", "kind,count", *question))))
            self.assertEqual(sum(int(row["count"]) for row in rows if row["kind"] == "events_lost"), self.lost)
            chrome = json.loads(self.export("--format", "chrome", *question))
            names = [r["name"] for r in chrome["traceEvents"] if r.get("cat") == "lost"]
            self.assertEqual(sum(int(name.split()[0]) for name in names), self.lost)
            self.assertEqual(chrome["metadata"]["lost"], self.lost)
            qlog = self.export("--format", "qlog", *question)
            warnings = [json.loads(r) for r in qlog.split("\x1e") if '"loglevel:warning"' in r]
            self.assertEqual(sum(r["data"]["code"] for r in warnings), self.lost)

    @unittest.skipUnless(shutil.which("babeltrace2"), "babeltrace2 is not installed")
    def test_babeltrace2_counts_them_as_discarded(self):
        for number, question in enumerate(([], ["--kind", "packet_sent"])):
            path = os.path.join(self.place.directory, f"ctf{number}")
            self.export("--format", "ctf", "-o", path, *question)
            done = subprocess.run(["babeltrace2", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            told = re.findall(r"Tracer discarded (\d+) events", done.stderr.decode())
            self.assertEqual((done.returncode, sum(map(int, told))), (0, self.lost), done.stderr)
            self.assertEqual(done.stdout.count(b"\n"), self.indexed)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
