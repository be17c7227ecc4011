#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How independent programs read exports: those that are too big for every run.  `./dev judges` installs them and runs this.

    test_judges.py TRACED INSPECTOR QUIC_NODE JUDGES_DIRECTORY"""
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from world import Place, World  # noqa: E402

TRACED, INSPECTOR, QUIC_NODE, JUDGES = (os.path.abspath(arg) for arg in sys.argv[1:5])


def setUpModule():
    global WORLD
    if not shutil.which("node") or not os.path.isdir(os.path.join(JUDGES, "node_modules")):
        raise unittest.SkipTest("the judges are not installed; ./dev judges does it")
    WORLD = World(TRACED, INSPECTOR, QUIC_NODE)


def tearDownModule():
    if "WORLD" in globals():
        WORLD.close()


def judge(script, *args):
    """Runs a script of judges/; returns the lines that it printed, read as JSON."""
    with tempfile.TemporaryDirectory() as config:  # Chromium creates it if it does not exist
        done = subprocess.run(["node", str(HERE / "judges" / script), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              env=dict(os.environ, JUDGES=JUDGES, XDG_CONFIG_HOME=config))
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


# docs/events.md
FLAGS = {"sampled": 1, "debug": 2, "app_initiated": 4, "future": 16, "retransmission": 32, "expired": 64, "probe": 128}


class Parquet(unittest.TestCase):
    """The rows as read by DuckDB."""

    @classmethod
    def setUpClass(cls):
        cls.path = WORLD.file("all.parquet", "--format", "parquet")

    def ask(self, query):
        return judge("duckdb.js", query.replace("EVENTS", f"read_parquet('{self.path}')"))

    def sql(self, query):
        """The same from `inspector sql`."""
        done = subprocess.run([INSPECTOR, "sql", query, "--json"], env=dict(os.environ, P2PTRACE_SOCKET=str(WORLD.traced.socket_path)),
                              stdout=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 0)
        return [list(json.loads(line).values()) for line in done.stdout.decode().splitlines()]

    def test_each_row_is_an_event_with_all_its_values(self):
        rows = self.ask("select epoch_ns(time)::varchar as ns, node, hex(node_id) as node_hex, lane, sequence, kind, flags, hex(peer_id) as peer, "
                        "hex(trace_id) as trace, app, command, fields, packet_num, size, space, rtt, min_rtt, cwnd, in_flight, stream_id, \"offset\", "
                        "length, fin, sent, code, by_remote, reason, endpoint, hex(span_id) as span, hex(parent_id) as parent, app_id, cmd, ok, "
                        "hex(data) as payload, category from EVENTS")
        self.assertEqual(len(rows), len(WORLD.events))
        names = "packet_num size space rtt min_rtt cwnd in_flight stream_id offset length fin sent code by_remote reason endpoint app_id cmd ok category"
        for row, event in zip(rows, WORLD.events):
            values = row if isinstance(row, list) else list(row.values())
            (ns, node, node_hex, lane, sequence, kind, flags, peer, trace, app, command, fields), data = values[:12], values[12:]
            self.assertEqual((int(ns), node, node_hex.lower(), int(lane), int(sequence), kind),
                             (event["timestamp"] * 1000 + event["ns"], WORLD.names[event["node_id"]], event["node_id"], event["lane"],
                              event["sequence"], event["kind"]))
            self.assertEqual((peer and peer.lower(), trace and trace.lower()), (event["peer_id"], event["trace_id"]))
            self.assertEqual((app, command, json.loads(fields or "null")), (event.get("app"), event.get("command"), event.get("fields")))
            self.assertEqual(flags, sum(FLAGS[flag] for flag in event["flags"]))
            span, parent, payload = data[16], data[17], data[21]
            for name, value in zip(names.split(), data[:16] + data[18:21] + data[22:]):
                expected = event["data"].get(name)
                self.assertEqual(type(expected)(value) if value is not None else None, expected, (name, event))
            for name, value in (("span_id", span), ("parent_id", parent), ("data", payload)):
                self.assertEqual(value and value.lower(), event["data"].get(name) or None, event)

    def test_sums_agree_with_inspector_sql(self):
        for query in ("select kind, count(*), sum(size), max(packet_num) from EVENTS group by kind order by kind",
                      "select node, sum(rtt), min(min_rtt), sum(cwnd), count(trace_id) from EVENTS group by node order by node"):
            ours = self.sql(query.replace("EVENTS", "events"))
            theirs = [row if isinstance(row, list) else list(row.values()) for row in self.ask(query)]
            self.assertEqual([[None if v is None else str(v) for v in row] for row in theirs], [[None if v is None else str(v) for v in row] for row in ours])
            self.assertTrue(ours)

    def test_many_row_groups_have_each_value_in_its_row(self):
        place = Place()
        try:
            place.start()
            connection, node = place.connect(), place.node("alice", "ab" * 32)
            for events, words in ((40000, ("packets", 40000)), (40001, ("metrics", 7, 5, "cd" * 32)), (80001, ("packets", 40000))):
                node.do(*words)
                place.settle(connection, events)
            path = os.path.join(place.directory, "many.parquet")
            subprocess.run([INSPECTOR, "export", "--format", "parquet", "-o", path], env=place.environment, check=True, timeout=60)
            (row,) = judge("duckdb.js", "select count(*), count(rtt), sum(rtt), count(size), sum(size), max(packet_num), count(distinct packet_num) "
                           f"from read_parquet('{path}')")
            self.assertEqual([int(v) for v in (row if isinstance(row, list) else row.values())],
                             [80001, 1, 7, 80000, 96000000, 79999, 80000])
        finally:
            place.close()

    def test_columns_have_their_types(self):
        types = dict((row if isinstance(row, list) else list(row.values()))[:2] for row in self.ask("describe select * from EVENTS"))
        self.assertEqual({name: types[name] for name in ("packet_num", "size", "fin", "space", "trace_id", "cmd")},
                         {"packet_num": "UBIGINT", "size": "UINTEGER", "fin": "BOOLEAN", "space": "VARCHAR", "trace_id": "BLOB", "cmd": "USMALLINT"})
        self.assertRegex(types["time"], "^TIMESTAMP")


class Otlp(unittest.TestCase):
    def test_the_definitions_of_opentelemetry_know_every_field(self):
        path = WORLD.file("all.jsonl", "--format", "otlp")
        spans = [span for line in path.read_text().splitlines() for resource in json.loads(line)["resourceSpans"]
                 for span in resource["scopeSpans"][0]["spans"]]
        (sums,) = judge("otlp.js", str(path))
        self.assertEqual(sums, {"spans": len(spans), "events": sum(len(s.get("events", [])) for s in spans),
                                "links": sum(len(s.get("links", [])) for s in spans)})
        self.assertEqual(min(sums.values()) > 0, True)


@unittest.skipUnless(shutil.which("chromium"), "chromium is not installed; ./dev judges does it")
class Speedscope(unittest.TestCase):
    def test_it_opens_chrome_with_every_slice_on_its_track(self):
        """It omits instants, counters and arrows: the schema checks those."""
        path = WORLD.file("speedscope.json", "--format", "chrome")
        records = json.loads(path.read_text())["traceEvents"]
        processes = {r["pid"]: r["args"]["name"] for r in records if r["name"] == "process_name"}
        tracks = {(r["pid"], r["tid"]): r["args"]["name"] for r in records if r["name"] == "thread_name"}
        expected = collections.defaultdict(list)
        for r in records:
            if r["ph"] == "B":
                expected[f"{processes[r['pid']]} (pid {r['pid']}), {tracks[r['pid'], r['tid']]} (tid {r['tid']})"].append(r["name"])
        found = {profile["name"]: [name.split(" {")[0] for name in profile["slices"]] for profile in judge("speedscope.js", str(path))}
        self.assertEqual(found, expected)
        self.assertGreater(len(found), 8)


class Schemas(unittest.TestCase):
    """Checks the installed schemas with ajv."""

    DIRECTORY = HERE.parent.parent / "inspector/export/formats/schemas"

    def check(self, format, path, separator):
        (found,) = judge("schema.js", str(self.DIRECTORY / f"{format}.schema.json"), str(path), separator)
        return found

    def test_every_text_of_every_json_format_is_as_its_schema_says(self):
        for format, separator in (("json", ""), ("ndjson", "\n"), ("chrome", ""), ("qlog", "\x1e"), ("otlp", "\n")):
            found = self.check(format, WORLD.file(f"schema.{format}", "--format", format), separator)
            self.assertEqual((found["invalid"], found["first"]), (0, None))
            self.assertGreater(found["valid"], 0)
        self.assertEqual({path.name.split(".")[0] for path in self.DIRECTORY.iterdir()}, {"json", "ndjson", "chrome", "qlog", "otlp"})

    def test_a_schema_finds_errors(self):
        document = json.loads(WORLD.export("--format", "chrome"))
        for change in ({"ph": "X"}, {"ts": "soon"}, {"args": {}}, {"more": 1}):
            path = WORLD.directory / "wrong.json"
            path.write_text(json.dumps({**document, "traceEvents": [{**next(r for r in document["traceEvents"] if r["ph"] == "i"), **change}]}))
            self.assertEqual(self.check("chrome", path, "")["invalid"], 1, change)
        event = json.loads(WORLD.export("--format", "ndjson").splitlines()[0])
        for change in ({"trace_id": "short"}, {"timestamp": -1}, {"data": None}):
            path = WORLD.directory / "wrong.ndjson"
            path.write_text(json.dumps({**event, **change}))
            self.assertEqual(self.check("ndjson", path, "\n")["invalid"], 1, change)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
