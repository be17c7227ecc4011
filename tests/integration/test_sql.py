#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SQL over the live history: the results, the requests to traced, and that nothing can be changed.  A real traced, real
nodes, the real inspector; the expected answers come from SQLite, with a copy of all rows in an ordinary table."""
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "inspector"))
from fake_traced import Error, FakeTraced, Raw  # noqa: E402
from harness import Place, ProtocolTest, hex_id, until  # noqa: E402

ALICE, BOB, TWIN_1, TWIN_2, EVIL = hex_id(0xAA), hex_id(0xBB), hex_id(0x71), hex_id(0x72), hex_id(0xEE)
STRANGER = hex_id(0x99)  # a peer without a log
TRACES = ["11" * 16, "12" * 16, "ab" * 16, "abcdef" * 5 + "00"]
EVIL_NAME = "\x1b[31mevil"  # an application's name; traced turns that of a node into EVIL_NODE
EVIL_NODE = "?[31mevil"
SPAN = "0123456789abcdef"
UNSIGNED, TEXT = 1, 4
ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r"


def prepare(place):
    """A history with some of everything; returns the connection."""
    place.start()
    client = place.connect()
    alice, bob = place.node("alice", ALICE), place.node("bob", BOB)
    twins = [place.node("twin", TWIN_1), place.node("twin", TWIN_2)]
    evil = place.node(EVIL_NAME, EVIL)
    alice.do("app")
    evil.do("app", EVIL_NAME, 1, "\x1b[2J", "kind", UNSIGNED, 2)
    for number, trace in enumerate(TRACES):
        alice.do("start", trace, SPAN, 0, 2)
        alice.do("packets", 30 * (number + 1), trace, BOB)
        bob.do("packets", 20, trace, ALICE)
        alice.do("command", trace, SPAN, 1, "chunk-%02d" % number)
        alice.do("end", trace, SPAN, 2, number % 2)
        twins[number % 2].do("packets", 5, trace, STRANGER)
    for rtt in (1_000_000, 2_000_000, 3_000_000, 40_000_000, 2**63 + 4096):
        alice.do("metrics", rtt, 900_000, BOB)
        bob.do("metrics", rtt // 2, 800_000, ALICE)
    bob.do("start", TRACES[0], "1", SPAN, 2)  # and no end
    evil.do("command", TRACES[0], SPAN, 1, "AB")
    evil.do("custom", "bytes")
    place.settle(client, 4 * (3 + 20 + 5) + 30 * (1 + 2 + 3 + 4) + 10 + 3)
    return client


class SqlTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        cls.addClassCleanup(cls.place.close)
        cls.client = prepare(cls.place)

    def run_sql(self, *words, stdin=""):
        return subprocess.run([os.environ["INSPECTOR"], "sql", *words], env=self.place.environment, input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def text(self, *words, stdin=""):
        done = self.run_sql(*words, stdin=stdin)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout

    def rows(self, statement, **more):
        return [tuple(json.loads(line).values()) for line in self.text("--json", statement, **more).splitlines()]

    def spent(self, trace_id):
        """Where the time of a trace went, as `trace` has it."""
        done = subprocess.run([os.environ["INSPECTOR"], "trace", trace_id, "--json", "--summary"], env=self.place.environment,
                              stdout=subprocess.PIPE, text=True, check=True)
        return [tuple(place[key] for key in ("place", "node_id", "peer_id", "duration"))
                for place in json.loads(done.stdout.splitlines()[-1])["time"]]

    def fails(self, code, statement):
        done = self.run_sql(statement)
        self.assertEqual((done.returncode, done.stdout), (code, ""), statement)
        return done.stderr

    def explain(self, statement):
        """The request of each table to traced, with the index, and the events examined and returned."""
        done = self.run_sql("--explain", "--json", statement)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = re.findall(r"^table (\S+): asked for (.*?)(?:, the last of (\d+) times)?; index (\w+); (\d+) events? examined, (\d+) rows? returned",
                           done.stderr, re.M)
        return [(table, {} if params == "nothing" else json.loads(params), int(times or 1), index, int(examined), int(given))
                for table, params, times, index, examined, given in found]


class Answers(SqlTest):
    def test_every_event_of_the_history_is_a_row_as_in_query(self):
        events = self.client.call("query", limit=10000)["events"]
        rows = self.rows("SELECT timestamp, ns, node_id, peer_id, trace_id, lane, sequence, kind, flags, data, fields, app, command FROM events")
        said = [(e["timestamp"], e["ns"], e["node_id"], e["peer_id"], e["trace_id"], e["lane"], e["sequence"], e["kind"], e["flags"],
                 e["data"], e.get("fields"), e.get("app"), e.get("command")) for e in events]
        self.assertEqual([row[:8] + tuple(value and json.loads(value) for value in row[8:11]) + row[11:] for row in rows], said)

    def test_the_data_of_every_kind_is_in_columns_of_its_name(self):
        for event in self.client.call("query", limit=10000)["events"]:
            for name in event["data"]:
                self.seen_fields = getattr(self, "seen_fields", set()) | {(event["kind"], name)}
        for kind, name in sorted(self.seen_fields):
            column = "field_data" if name == "data" else name
            told, extracted = self.rows("SELECT group_concat(%s), group_concat(json_extract(data, '$.%s')) FROM events WHERE kind = '%s'"
                                        % (column, name, kind))[0]
            if kind == "metrics" and name == "rtt":  # one is above 2^63 - 1: text in the JSON, a real number in the column
                told, extracted = told.split(",")[:-2], extracted.split(",")[:-2]
            self.assertEqual(told, extracted, (kind, name))
            self.assertTrue(told)

    def test_fields_that_a_kind_lacks_are_null(self):
        self.assertEqual(self.rows("SELECT DISTINCT rtt, size IS NULL FROM events WHERE kind = 'packet_sent'"), [(None, 0)])

    def test_names_are_beside_the_ids(self):
        self.assertEqual(self.rows("SELECT DISTINCT node, peer FROM events WHERE node_id = '%s' AND peer_id IS NOT NULL" % ALICE),
                         [("alice", "bob")])
        self.assertEqual(self.rows("SELECT DISTINCT node, peer FROM events WHERE peer_id = '%s'" % STRANGER), [("twin", None)])

    def test_an_unsigned_number_beyond_sql_s_range_is_a_real(self):
        self.assertEqual(self.rows("SELECT max(rtt), typeof(max(rtt)) FROM events"), [(float(2**63 + 4096), "real")])

    def test_an_application_has_a_table_of_its_events_with_its_fields(self):
        self.assertEqual(self.rows("SELECT \"key\", command FROM DMAP WHERE node = 'alice' AND kind = 'app_command'"),
                         [("chunk-%02d" % i, "STORE_CHUNK") for i in range(4)])
        self.assertEqual(self.rows("SELECT count(*) FROM DMAP"),
                         self.rows("SELECT count(*) FROM events WHERE app_id = 'DMAP'"))
        self.assertEqual(self.rows("SELECT kind, field_kind FROM DMAP WHERE field_kind IS NOT NULL"),
                         [("app_command", int.from_bytes(b"AB", sys.byteorder))])

    def test_traces_peers_nodes_and_applications_are_rows_too(self):
        traces = self.client.call("traces")["traces"]
        self.assertEqual(sorted(self.rows("SELECT trace_id, first, last, duration, events, outcome, command, truncated FROM traces")),
                         sorted((t["trace_id"], t["first"]["timestamp"], t["last"]["timestamp"], t["duration"], t["events"],
                                 t["outcome"], t["command"], int(t["truncated"])) for t in traces))
        peers = self.client.call("peers")["peers"]
        self.assertEqual(self.rows("SELECT peer_id, name, events, loss, bytes_sent, heard FROM peers"),
                         [(p["peer_id"], p["name"], p["events"], p["loss"], p["bytes_sent"], (p["heard"] or {}).get("timestamp")) for p in peers])
        nodes = self.client.call("nodes")["nodes"]
        self.assertEqual(self.rows("SELECT node_id, name, pid, state, indexed, lost_by, sample, ended_after, ended_by FROM nodes"),
                         [(n["node_id"], n["name"], n["pid"], n["state"], n["indexed"],
                           json.dumps(n["lost_by"], separators=(",", ":")), n["sample"],
                           *((n["ended"] or {}).get(end, {}).get("timestamp") for end in ("after", "by"))) for n in nodes])
        self.assertEqual(self.rows("SELECT app_id, cmd, name FROM app_commands ORDER BY 1, 2, 3"),
                         [("DMAP", 1, "\x1b[2J"), ("DMAP", 1, "STORE_CHUNK"), ("DMAP", 2, "GET_CHUNK")])
        self.assertEqual(self.rows("SELECT app_id, name, type FROM app_fields ORDER BY 2"), [("DMAP", "key", "text"), ("DMAP", "kind", "unsigned")])

    def test_tables_join(self):
        events = self.client.call("query", limit=10000)["events"]
        counts = {trace: sum(event["trace_id"] == trace for event in events) for trace in TRACES}
        self.assertEqual(dict(self.rows("SELECT t.trace_id, count(*) FROM traces t JOIN events e ON e.trace_id = t.trace_id GROUP BY 1")),
                         counts)
        self.assertEqual(self.rows("SELECT count(*) FROM events e JOIN traces t ON e.trace_id = t.trace_id WHERE t.outcome = 'ok'"),
                         self.rows("SELECT sum(events) FROM traces WHERE outcome = 'ok'"))
        self.assertEqual(self.rows("SELECT DISTINCT n.name FROM events e JOIN nodes n USING (node_id) ORDER BY 1"),
                         [(EVIL_NODE,), ("alice",), ("bob",), ("twin",)])

    def test_percentiles_are_values_of_the_group(self):
        values = "WITH v(x) AS (VALUES (5), (1), (4), (2), (3), (NULL)) "
        self.assertEqual(self.rows(values + "SELECT p50(x), p90(x), p95(x), p99(x), median(x), percentile(x, 0), percentile(x, 20), "
                                            "percentile(x, 21), typeof(p50(x)) FROM v"), [(3, 5, 5, 5, 3, 1, 1, 2, "integer")])
        self.assertEqual(self.rows(values + "SELECT p50(x + 0.5), p50(NULL) FROM v"), [(3.5, None)])
        self.assertEqual(self.rows(values + "SELECT p50(x) FROM v WHERE 0"), [(None,)])
        self.assertIn("p is 0 to 100", self.fails(1, "SELECT percentile(1, 101)"))

    def test_a_time_before_now_is_a_timestamp(self):
        total = self.rows("SELECT count(*) FROM events")
        self.assertEqual(self.rows("SELECT count(*) FROM events WHERE timestamp >= ago('1h')"), total)
        self.assertEqual(self.rows("SELECT count(*) FROM events WHERE timestamp < ago('1h')"), [(0,)])
        self.assertEqual(self.rows("SELECT ago('1s') - ago('1500ms'), ago('2m') - ago('0.5h')"), [(500_000, 28 * 60_000_000)])
        for wrong in ("'5'", "'5 parsecs'", "''", "NULL", "'-5s'", "'infs'"):
            self.assertIn("ago(text)", self.fails(1, "SELECT ago(%s)" % wrong))

    def test_numbers_get_units_when_asked(self):
        self.assertEqual(self.rows("SELECT duration(1530000), duration(-2000), bytes(2048), duration(NULL), bytes('x')"),
                         [("1.53 ms", "-2.00 us", "2.0 KiB", None, None)])

    def test_waits_are_where_the_time_of_a_trace_went(self):
        columns = "place, node_id, peer_id, duration"
        for trace in TRACES:
            self.assertEqual(self.rows(f"select {columns} from waits where trace_id = '{trace}'"), self.spent(trace))
        self.assertTrue(any(self.spent(trace) for trace in TRACES))
        joined = self.rows(f"select w.trace_id, w.place, w.node_id, w.peer_id, w.duration from traces t join waits w on w.trace_id = t.trace_id")
        self.assertEqual(sorted(joined, key=str), sorted(((trace, *row) for trace in TRACES for row in self.spent(trace)), key=str))
        either = self.rows(f"select trace_id, {columns} from waits where trace_id = '{TRACES[0]}' or trace_id = '{TRACES[3]}'")
        self.assertEqual(sorted(either, key=str),
                         sorted(((trace, *row) for trace in (TRACES[0], TRACES[3]) for row in self.spent(trace)), key=str))
        (whole,), = self.rows(f"select sum(share) from waits where trace_id = '{TRACES[1]}'")
        self.assertAlmostEqual(whole, 1)
        self.assertEqual(self.rows(f"select distinct node from waits where trace_id = '{TRACES[1]}' and node_id = '{ALICE}'"), [("alice",)])
        for none in ("11", "ff" * 16, TRACES[2].upper(), ""):
            self.assertEqual(self.rows(f"select * from waits where trace_id = '{none}'"), [], none)
        self.assertEqual(self.rows("select * from waits where trace_id = 17"), [])

    def test_waits_must_know_of_which_trace(self):
        for statement in ("select * from waits", "select * from waits where trace_id like '11%'", "select * from waits where trace_id > 'a'",
                          "select * from waits a join waits b on a.trace_id = b.trace_id", "select * from traces t join waits w on w.duration = t.took"):
            said = self.fails(2, statement)
            self.assertRegex(said, "^inspector: waits is computed trace by trace: a statement must say of which, as in (.*)\n$")
            self.rows(said.split("as in ")[1])  # what it suggests works


class Pushdown(SqlTest):
    """Each condition that a request can express is in the request."""

    def one(self, where, table="events"):
        (found,) = self.explain("SELECT * FROM %s WHERE %s" % (table, where))
        self.assertEqual(found[0], table)
        return found[1:]

    def test_a_trace_is_found_by_its_index(self):
        params, times, index, examined, given = self.one("trace_id = '%s'" % TRACES[1])
        self.assertEqual((params, times, index), ({"trace_id": TRACES[1]}, 1, "trace"))
        self.assertEqual(examined, given)
        self.assertEqual(given, 1 + 60 + 20 + 1 + 1 + 5)

    def test_a_peer_is_found_by_its_index_by_id_and_by_name(self):
        self.assertEqual(self.one("peer_id = '%s'" % STRANGER), ({"peer_id": STRANGER}, 1, "peer", 20, 20))
        params, _, index, examined, given = self.one("peer = 'alice'")
        self.assertEqual((params, index, examined), ({"peer_id": ALICE}, "peer", given))

    def test_a_node_is_asked_for_by_id_and_by_name(self):
        self.assertEqual(self.one("node_id = '%s'" % ALICE)[0], {"node_id": ALICE})
        self.assertEqual(self.one("node = 'bob'")[:3], ({"node_id": BOB}, 1, "node"))

    def test_a_name_that_two_nodes_have_is_left_to_sqlite(self):
        params, _, index, _, _ = self.one("node = 'twin'")
        self.assertEqual((params, index), ({}, "scan"))
        self.assertEqual(self.rows("SELECT count(*) FROM events WHERE node = 'twin'"), [(20,)])

    def test_kinds_are_asked_for_one_or_several(self):
        self.assertEqual(self.one("kind = 'metrics'")[:3], ({"kind": ["metrics"]}, 1, "kind"))
        params, times, index, _, given = self.one("kind IN ('metrics', 'custom', NULL)")
        self.assertEqual((sorted(params["kind"]), times, index, given), (["custom", "metrics"], 1, "kind", 11))

    def test_a_kind_that_the_inspector_does_not_know_is_left_to_sqlite(self):
        self.assertEqual(self.one("kind IN ('metrics', 'of_tomorrow')")[0], {})
        self.assertEqual(self.rows("SELECT count(*) FROM events WHERE kind IN ('metrics', 'of_tomorrow')"), [(10,)])

    def test_times_become_from_and_to(self):
        (first,), (last,) = self.rows("SELECT min(timestamp) FROM events UNION ALL SELECT max(timestamp) FROM events")
        self.assertEqual(self.one("timestamp >= %d AND timestamp < %d" % (first, last))[0:3], ({"from": first, "to": last}, 1, "time"))
        self.assertEqual(self.one("timestamp > %d AND timestamp <= %d" % (first, last))[0], {"from": first + 1, "to": last + 1})
        self.assertEqual(self.one("timestamp BETWEEN %d AND %d.5" % (first, last))[0], {"from": first, "to": last + 1})
        self.assertEqual(self.one("timestamp = '%d'" % last)[0], {"from": last, "to": last + 1})
        self.assertEqual(self.one("timestamp >= %d AND timestamp > %d" % (first, last))[0], {"from": last + 1})

    def test_an_unambiguous_prefix_is_asked_for_and_an_ambiguous_one_is_left_to_sqlite(self):
        self.assertEqual(self.one("trace_id LIKE '11%'")[:3], ({"trace_id": "11"}, 1, "trace"))
        self.assertEqual(self.one("trace_id GLOB '12*'")[:3], ({"trace_id": "12"}, 1, "trace"))
        self.assertEqual(self.one("trace_id LIKE 'ABCDEF%'")[2], "trace")
        self.assertEqual(self.one("trace_id LIKE 'ab%'")[2], "scan")
        self.assertEqual(self.one("peer_id LIKE '99%'")[2], "peer")
        self.assertEqual(self.rows("SELECT DISTINCT trace_id FROM events WHERE trace_id LIKE 'ab%' ORDER BY 1"), [(TRACES[2],), (TRACES[3],)])

    def test_a_pattern_is_a_prefix_up_to_its_first_special_character(self):
        for pattern in ("LIKE 'a_ab%'", "LIKE 'A%BA_ab%'", "GLOB 'a?ab*'", "GLOB 'a[b-f]ab*'"):
            self.assertEqual(self.rows("SELECT DISTINCT trace_id FROM events WHERE trace_id " + pattern), [(TRACES[2],)], pattern)
        self.assertEqual(self.rows("SELECT DISTINCT trace_id FROM events WHERE trace_id LIKE '11%' ESCAPE '1' ORDER BY 1"), [(TRACES[0],), (TRACES[1],)])

    def test_case_insensitive_comparisons_are_left_to_sqlite(self):
        for column, id_column, name, found in (("trace_id", "trace_id", TRACES[2], TRACES[2]), ("node", "node_id", "alice", ALICE), ("peer", "peer_id", "bob", BOB)):
            where = "%s = '%s' COLLATE NOCASE" % (column, name.upper())
            self.assertEqual(self.one(where)[0], {}, where)
            self.assertEqual(self.rows("SELECT count(*) FROM events WHERE " + where),
                             [(len(self.client.call("query", limit=10000, **{id_column: found})["events"]),)])

    def test_impossible_values_are_not_asked_for(self):
        for where in ("trace_id = '11'", "trace_id = NULL", "peer_id = 'alice'", "node = 'carol'", "kind IN (NULL)", "timestamp > 'x'",
                      "timestamp < 5 AND timestamp > 7", "trace_id LIKE 'xyz%'", "trace_id = x'00'"):
            self.assertEqual(self.one(where)[2:], ("none", 0, 0), where)

    def test_a_limit_reaches_the_request_when_nothing_is_dropped_afterwards(self):
        examined = self.one("kind = 'packet_sent' ORDER BY timestamp DESC LIMIT 3 OFFSET 2")[3]
        self.assertLessEqual(self.explain("SELECT * FROM events LIMIT 3")[0][5], 4)
        self.assertEqual(self.one("kind = 'packet_sent' LIMIT 3")[4], 3)
        self.assertGreater(examined, 0)

    def test_a_limit_does_not_make_pages_small_when_rows_are_dropped_or_sorted_afterwards(self):
        for rest in ("WHERE data LIKE '%cwnd%' AND data NOT LIKE '%1000000%' LIMIT 1", "ORDER BY kind LIMIT 1", "WHERE trace_id LIKE 'ab%' LIMIT 3",
                     "WHERE node = 'twin' LIMIT 3", "WHERE kind IN ('custom', 'of_tomorrow') LIMIT 1", "WHERE rtt > 9.1e18 LIMIT 1"):
            self.assertIn(" 1 page\n", self.run_sql("--explain", "SELECT * FROM events " + rest).stderr, rest)

    def test_the_order_of_time_comes_from_traced_both_ways(self):
        params = self.explain("SELECT * FROM events ORDER BY timestamp DESC, ns DESC")[0][1]
        self.assertEqual(params, {"order": "desc"})
        plan = self.run_sql("--no-header", "EXPLAIN QUERY PLAN SELECT * FROM events ORDER BY timestamp").stdout
        self.assertNotIn("B-TREE", plan)
        plan = self.run_sql("--no-header", "EXPLAIN QUERY PLAN SELECT * FROM events ORDER BY timestamp, ns DESC").stdout
        self.assertIn("B-TREE", plan)

    def test_a_join_asks_for_the_events_of_each_trace(self):
        ((table, params, times, index, examined, given),) = self.explain(
            "SELECT count(*) FROM traces t JOIN events e ON e.trace_id = t.trace_id WHERE t.outcome = 'ok'")
        self.assertEqual((table, times, index, examined), ("events", 2, "trace", given))
        self.assertIn(params["trace_id"], TRACES)

    def test_numbers_of_the_data_become_a_filter(self):
        params, _, index, examined, given = self.one("rtt > 1000000 AND rtt <= 2.5e6")
        self.assertEqual((params, index, given), ({"filter": "rtt >= 1000001ns and rtt < 2500001ns"}, "kind", 2))
        self.assertEqual(self.one("packet_num = '7'")[0], {"filter": "packet_num == 7"})
        self.assertEqual(self.one("lane >= 0.5 AND sequence < -1")[0], {"filter": "lane >= 1 and sequence < 0"})
        for left in ("rtt > 1e19", "rtt > 'x'", "by_remote = 1", "rtt <> 5", "rtt + 1 > 5", "rtt IS NULL", "rtt >= 9223372036854775807"):
            self.assertEqual(self.one(left)[0], {}, left)
        for nothing in ("rtt = 1.5", "rtt < NULL", "size = -1"):
            self.assertEqual(self.one(nothing)[2:], ("none", 0, 0), nothing)

    def test_an_application_asks_for_its_kinds(self):
        params, _, index, _, given = self.one("1", table="DMAP")
        self.assertEqual((index, given), ("kind", 14))

    def test_fields_of_an_application_become_a_filter(self):
        params, _, _, _, given = self.one("field_kind > 5 AND field_kind <= 70000.5", table="DMAP")
        self.assertEqual((params, given), ({"filter": '"DMAP.kind" >= 6 and "DMAP.kind" < 70001'}, 1))
        params, _, _, _, given = self.one("\"key\" = 'chunk-02' AND lane >= 0", table="DMAP")
        self.assertEqual((params, given), ({"filter": '"DMAP.key" == "chunk-02" and lane >= 0'}, 1))
        self.assertEqual(self.one("\"key\" = 'a\"\\b'", table="DMAP")[0], {"filter": '"DMAP.key" == "a\\"\\\\b"'})
        for left in ("field_kind <> 5", "\"key\" > 'a'", "\"key\" = 7", "\"key\" = ''", "\"key\" = 'caf\u00e9'", "\"key\" = '%s'" % ("x" * 4000),
                     "\"key\" = 'CHUNK-02' COLLATE NOCASE", "\"key\" LIKE 'chunk%'"):
            self.assertEqual(self.one(left, table="DMAP")[0], {}, left)
        for nothing in ("field_kind = 1.5", "\"key\" = NULL"):
            self.assertEqual(self.one(nothing, table="DMAP")[2:], ("none", 0, 0), nothing)


class Nothing(SqlTest):
    def test_nothing_can_be_written_attached_or_loaded(self):
        target = os.path.join(self.place.directory, "written")
        for statement in ("CREATE TABLE t(x)", "CREATE TEMP TABLE t(x)", "CREATE VIEW v AS SELECT 1", "DROP TABLE events", "INSERT INTO events VALUES (1)",
                          "UPDATE events SET kind = 1", "DELETE FROM events", "ATTACH '%s' AS x" % target, "VACUUM INTO '%s'" % target,
                          "VACUUM", "REINDEX", "ANALYZE", "BEGIN", "SAVEPOINT x", "PRAGMA writable_schema = 1", "PRAGMA journal_mode",
                          "UPDATE sqlite_master SET name = 'x'", "DELETE FROM sqlite_master", "SELECT load_extension('x')",
                          "SELECT * FROM p2ptrace_events", "SELECT * FROM p2ptrace_rows"):
            self.assertNotEqual(self.fails(2, statement), "", statement)
        self.assertFalse(os.path.exists(target))

    def test_an_error_shows_its_place(self):
        self.assertEqual(self.fails(2, "SELECT kind,\n  rt FROM events"),
                         "inspector: no such column: rt; did you mean rtt?\n    rt FROM events\n    ^\n")
        self.assertEqual(self.fails(2, "SELEC 1"), 'inspector: near "SELEC": syntax error\n  SELEC 1\n  ^\n')

    def test_an_unknown_name_suggests_the_nearest(self):
        for statement, said in (("select * from event", "no such table: event; did you mean events?"),
                                ("select kimd from events", "no such column: kimd; did you mean kind?"),
                                ("select e.kimd from events e", "no such column: e.kimd; did you mean kind?"),
                                ("select nane from nodes", "no such column: nane; did you mean name?"),
                                ("select plce from nodes", "no such column: plce\n"),  # not that of another table
                                ("select durtion(1)", "no such function: durtion; did you mean duration?"),
                                ("select * from qqqqqqq", "no such table: qqqqqqq\n")):
            self.assertIn("inspector: " + said, self.fails(2, statement), statement)

    def test_rows_before_an_error_are_shown(self):
        done = self.run_sql("--no-header", "SELECT 1; SELECT x; SELECT 3")
        self.assertEqual((done.returncode, done.stdout), (2, "1\n"))
        self.assertEqual(done.stderr, "inspector: no such column: x\n   SELECT x; SELECT 3\n          ^\n")

    def test_the_error_of_a_traced_that_is_not_there_is_one_line(self):
        environment = dict(self.place.environment, P2PTRACE_SOCKET=os.path.join(self.place.directory, "nobody.sock"))
        done = subprocess.run([os.environ["INSPECTOR"], "sql", "SELECT 1"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (3, "", 1))


class Output(SqlTest):
    def test_statements_come_from_stdin_when_none_is_given(self):
        self.assertEqual(self.text("--no-header", stdin="SELECT 1; SELECT 2; -- no more\n"), "1\n2\n")
        self.assertEqual(self.text("--no-header", "-", stdin="SELECT 3"), "3\n")
        self.assertEqual(self.text(stdin=" -- nothing\n;"), "")
        done = self.run_sql(stdin="SELECT 1;\nSELECT 2\0;")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (2, "", "inspector: stdin:2: there is a NUL byte, so this is not text\n"))

    def test_columns_are_aligned_and_numbers_on_the_right(self):
        self.assertEqual(self.text("SELECT 'a' AS word, 1 AS number, NULL AS none UNION ALL SELECT 'long', 1000, 2.5"),
                         "word  number  none\na          1     -\nlong    1000   2.5\n")
        self.assertEqual(self.text("SELECT 1 AS x WHERE 0"), "x\nno rows\n")
        self.assertEqual(self.text("--no-header", "SELECT 1 AS x WHERE 0"), "")

    def test_columns_are_as_wide_as_groups_need_that_took_long_to_count(self):
        numbers = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r LIMIT 1000000) "
        self.assertEqual(self.text(numbers + "SELECT CASE x % 2 WHEN 0 THEN 'even' ELSE 'odd or uneven' END AS word, count(*) FROM r GROUP BY 1"),
                         "word           count(*)\neven             500000\nodd or uneven    500000\n")

    def test_json_has_a_line_for_each_row_with_values_as_they_are(self):
        line = self.text("--json", "SELECT 0.1 AS a, 18446744073709551615 AS b, x'00ff' AS c, char(27) AS d, NULL AS e, 1 AS a, 1.0 AS f, -9223372036854775808 AS g")
        self.assertEqual(line, '{"a":0.1,"b":1.8446744073709552e+19,"c":"00ff","d":"\\u001B","e":null,"a:1":1,"f":1.0,"g":-9223372036854775808}\n')

    def test_text_of_nodes_is_harmless(self):
        for words in (["SELECT name FROM nodes"], ["SELECT * FROM app_commands"], ["--json", "SELECT * FROM nodes"],
                      ["SELECT 1 AS \"\x1b[31m\""], ["SELECT name AS \"%s\" FROM apps" % EVIL_NAME],
                      ["--explain", "SELECT * FROM events WHERE node = '%s'" % EVIL_NAME]):
            done = self.run_sql(*words)
            self.assertEqual(done.returncode, 0)
            self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertNotIn("\x1b", self.run_sql("SELECT \"%s\" FROM nodes, %s" % (EVIL_NAME, EVIL_NAME)).stderr)

    def test_times_are_text_in_utc_when_asked(self):
        timestamp, ns, time = self.rows("SELECT timestamp, ns, time FROM events LIMIT 1")[0]
        told = self.text("--utc", "--no-header", "SELECT time FROM events LIMIT 1").strip()
        self.assertEqual(self.rows("SELECT strftime('%%Y-%%m-%%d %%H:%%M:%%S', %d, 'unixepoch')" % (timestamp // 1_000_000)), [(told[:19],)])


class Large(ProtocolTest):
    """Histories larger than one answer."""

    def sql(self, statement, *words):
        return subprocess.run([os.environ["INSPECTOR"], "sql", "--no-header", *words, statement], env=self.place.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fill(self, count):
        """Emits that many packets of alice, in portions that its ring holds."""
        client = self.start("--history", "160M")
        alice = self.place.node("alice", ALICE)
        for done in range(0, count, 50_000):
            alice.do("packets", min(50_000, count - done), TRACES[0], BOB)
            self.place.settle(client, min(done + 50_000, count))

    def peak_of(self, statement):
        """The maximum resident size of an inspector that runs it, in KiB."""
        process = subprocess.Popen([os.environ["INSPECTOR"], "sql", "--json", statement], env=self.place.environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss

    @unittest.skipIf("ASAN_OPTIONS" in os.environ, "freed memory is quarantined there")
    def test_memory_does_not_grow_with_the_rows_read(self):
        self.fill(200_000)
        few = self.peak_of("SELECT * FROM events LIMIT 4000")
        for statement in ("SELECT count(*) FROM events", "SELECT * FROM events", "SELECT kind, max(packet_num) FROM events GROUP BY trace_id"):
            self.assertLess(self.peak_of(statement), few + 4096, statement)
        self.assertEqual(self.sql("SELECT count(*), count(DISTINCT packet_num) FROM events").stdout.split(), ["200000", "200000"])
        self.assertEqual(self.sql("SELECT packet_num FROM events ORDER BY timestamp DESC LIMIT 2 OFFSET 150000").stdout.split(), ["49999", "49998"])

    def test_a_reader_that_goes_away_is_a_quiet_end(self):
        self.fill(50_000)
        process = subprocess.Popen([os.environ["INSPECTOR"], "sql", "SELECT * FROM events"], env=self.place.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.assertTrue(process.stdout.readline().startswith(b"time"))
        process.stdout.close()
        self.assertEqual((process.stderr.read(), process.wait()), (b"", 0))
        process.stderr.close()

    def test_events_lost_before_traced_read_them_are_reported_once(self):
        client = self.start()
        alice = self.place.node("alice", ALICE, "overwrite_oldest", "0", "4096")
        alice.do("packets", 10)
        self.place.settle(client, 10)
        self.place.hold()
        alice.do("packets", 50_000)
        self.place.traced.send_signal(signal.SIGCONT)
        lost = until(lambda: [node["lost"] for node in client.call("nodes")["nodes"] if node["indexed"] + node["lost"] == 50_010], "all events")[0]
        self.assertGreater(lost, 0)
        done = self.sql("SELECT sum(count) FROM events WHERE kind = 'events_lost'")
        self.assertEqual(int(done.stdout), lost)
        for statement in ("SELECT count(*) FROM events", "SELECT count(*) FROM (SELECT 1 FROM events UNION ALL SELECT 1 FROM events)"):
            self.assertRegex(self.sql(statement).stderr, r"^inspector: %d events were lost before traced could read them, in \d+ gaps?: .*\n$" % lost)

    def test_more_traces_than_one_answer_has_are_all_there(self):
        client = self.start()
        alice = self.place.node("alice", ALICE)
        count = 12_000
        for number in range(count):
            alice.begin("packets", 1, "%032x" % (number * 0x123456789ABCDEF0123456789 % 2**127 + 1))
        for _ in range(count):
            alice.finish()
        alice.do("packets", 1, "%032x" % 1)  # the first trace has events in both halves of the time
        self.place.settle(client, count + 1)
        self.assertEqual(self.sql("SELECT count(*), count(DISTINCT trace_id), sum(events) FROM traces").stdout.split(),
                         [str(count), str(count), str(count + 1)])
        self.assertEqual(self.sql("SELECT trace_id FROM traces LIMIT 1").stdout, "%032x\n" % 1)
        self.assertEqual(self.sql("SELECT events FROM traces WHERE trace_id = '%032x'" % 1).stdout, "2\n")


def has_socket(pid):
    """Is one of its descriptors a socket?  Descriptors change while we look."""
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            if os.readlink("/proc/%d/fd/%s" % (pid, fd)).startswith("socket:"):
                return True
        except FileNotFoundError:
            pass
    return False


class Gone(ProtocolTest):
    def test_a_traced_that_goes_away_is_reported_in_one_line(self):
        self.start()
        self.place.hold()
        process = subprocess.Popen([os.environ["INSPECTOR"], "sql", "SELECT 1"], env=self.place.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        until(lambda: has_socket(process.pid), "the connection")
        self.place.traced.kill()
        self.place.finish()
        out, error = process.communicate()
        self.assertEqual((process.returncode, out), (1, ""))
        self.assertRegex(error, r"^inspector: traced at \S+ went away.*\n$")

    def test_an_interrupt_ends_it_at_once(self):
        self.start()
        process = subprocess.Popen([os.environ["INSPECTOR"], "sql", ENDLESS], env=self.place.environment, stdout=subprocess.PIPE)
        client = self.place.connect()
        until(lambda: client.call("stats")["clients"]["requests"] > 4, "the statement to begin")
        process.send_signal(signal.SIGINT)
        self.assertEqual((process.wait(), process.stdout.read()), (-signal.SIGINT, b""))
        process.stdout.close()


class Strange(unittest.TestCase):
    """A traced of another version, or something that is not traced."""

    apps = []

    def ask(self, statement, query):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "traced.sock")
        stats = {"history": {"events": 10, "traces": 1, "peers": 1, "first": {"timestamp": 1}, "last": {"timestamp": 9}}}
        with FakeTraced(path, {"stats": stats, "nodes": {"nodes": []}, "apps": {"apps": self.apps}, "query": query}) as traced:
            done = subprocess.run([os.environ["INSPECTOR"], "sql", "--json", "--socket", path, statement], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        return done, [request["params"] for request in traced.requests if request["method"] == "query"]

    def test_a_traced_without_filters_is_asked_without_one(self):
        def query(params):
            return Error(-32602, "no such param", {"param": "filter"}) if "filter" in params else {
                "events": [{"data": {"rtt": 7}}, {"data": {"rtt": 1}}], "cursor": None}
        done, asked = self.ask("SELECT rtt FROM events WHERE rtt > 5", query)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, '{"rtt":7}\n', ""))
        self.assertEqual(["filter" in params for params in asked], [True, False])

    def test_an_application_has_only_its_own_events_under_a_name_that_is_free(self):
        def event(app_id, size):
            return {"kind": "app_command", "data": {"app_id": app_id}, "fields": {"size": size, "a\"b": "x"}}
        apps = [{"app_id": app_id, "name": "x", "commands": [], "fields": [{"name": "size", "type": "unsigned"}, {"name": "a\"b", "type": "text"}]}
                for app_id in ("ONE", "T\x1b\"O", "apps")]
        self.apps = apps + [{"app_id": "ONE", "name": "y", "commands": [], "fields": [{"name": "SIZE", "type": "text"}, {"name": "more"}, {"name": ""}]}]
        events = [event("ONE", 1), event("ONE.", 2), event("T\x1b\"O", 3), event("apps", 4), {"data": {}}, {}]
        for table, size in (("ONE", 1), ('"T\x1b""O"', 3), ("app_apps", 4)):
            done, asked = self.ask('SELECT size, "a""b" FROM %s' % table, {"events": events, "cursor": None})
            self.assertEqual((done.stderr, done.stdout), ("", '{"size":%d,"a\\"b":"x"}\n' % size), table)
            self.assertEqual(asked[0]["kind"], ["app_command", "app_start", "app_end"])
        done, _ = self.ask("SELECT name FROM pragma_table_xinfo('ONE') LIMIT 4 OFFSET 6", {})
        self.assertEqual([json.loads(line)["name"] for line in done.stdout.splitlines()], ["size", 'a"b', "field_SIZE", "more"])

    def asked_filter(self, apps, statement):
        """The requests to a traced with these applications: (app_id, fields), a field as (name, type, bytes)."""
        self.apps = [{"app_id": app_id, "name": "x", "commands": [],
                      "fields": [{"name": name, "type": kind, "offset": 0, "bytes": size} for name, kind, size in fields]} for app_id, fields in apps]
        done, asked = self.ask(statement, {"events": [], "cursor": None})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return asked[0].get("filter")

    def test_an_odd_name_of_a_field_is_quoted(self):
        for name, said in (("a b", "a b"), ('x"y', 'x\\"y'), ("x\\", "x\\\\"), ("kind in", "kind in"), ("a.b", "a.b"), ("x >= 1", "x >= 1"), ("", None),
                           ("\u00e4", None), ("x\ty", None), ("limit", "limit"), ("in_flight", "in_flight")):
            if name:
                quoted = '"%s"' % name.replace('"', '""')
                found = self.asked_filter([("ONE", [("first", "unsigned", 8), (name, "unsigned", 8)])], "SELECT 1 FROM ONE WHERE \"first\" > 1 AND %s = 5" % quoted)
                self.assertEqual(found, '"ONE.first" >= 2' + (' and "ONE.%s" == 5' % said if said else ""), name)

    def test_a_name_of_an_application_that_filters_would_take_for_another_is_left_to_sqlite(self):
        for app_id, said in (("O\"E", 'O\\"E'), ("data", None), ("A.B", None), ("\x1b", None), ("\u00e4", None)):
            found = self.asked_filter([(app_id, [("x", "unsigned", 4)])], 'SELECT 1 FROM "%s" WHERE x = 5' % app_id.replace('"', '""'))
            self.assertEqual(found, said and '"%s.x" == 5' % said, app_id)

    def test_a_field_is_asked_for_when_all_nodes_describe_it_alike(self):
        number, text = ("x", "unsigned", 4), ("x", "text", 4)
        for fields, other, condition, said in (
                (number, ("x", "unsigned", 8), "x = 5", '"ONE.x" == 5'), (number, text, "x = 5", None), (text, number, "x = '5'", None), (text, text, "x = '5'", '"ONE.x" == "5"'),
                (number, ("x", "unsigned", 3), "x = 5", None), (("x", "unsigned", 16), number, "x = 5", None), (("x", "hash", 32),) * 2 + ("x = 'ab01'", '"ONE.x" == "ab01"'),
                (("x", "hash", 32),) * 2 + ("x = 'AB'", None), (("x", "hash", 32),) * 2 + ("x = '%s'" % ("a" * 65), None), (("x", "of_tomorrow", 4),) * 2 + ("x = 'ab'", None),
                (text, ("x", "bytes", 4), "x = 'ab'", None)):
            found = self.asked_filter([("ONE", [fields]), ("ONE", [other]), ("TWO", [("x", "hash", 1)])], "SELECT 1 FROM ONE WHERE " + condition)
            self.assertEqual(found, said, (fields, other, condition))

    def test_its_refusal_is_reported(self):
        done, _ = self.ask("SELECT * FROM events", Error(-32603, "out of \x1b[31m memory"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", "inspector: out of \\x1b[31m memory\n"))

    def test_invalid_events_are_rows_of_nulls(self):
        events = [1, "x", None, {}, [], {"timestamp": "x", "data": []}, {"timestamp": -1, "kind": {"a": [1]}}, {"data": {"rtt": "\x1b"}},
                  {"kind": "\ud83d\ude00\x07", "node_id": "x"}, {"timestamp": 5, "data": {"rtt": 1e300}}]
        done, _ = self.ask("SELECT time IS NULL, kind, rtt FROM events", {"events": events, "cursor": None})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = [tuple(json.loads(line).values()) for line in done.stdout.splitlines()]
        self.assertEqual(rows, [(1, None, None)] * 6 + [(1, '{"a": [1]}', None), (1, None, "\x1b"), (1, "\U0001f600\x07", None), (0, None, 1e300)])

    def test_an_answer_without_events_has_no_rows(self):
        for answer in ({}, {"events": {}}, {"events": None}, {"events": [], "cursor": None}):
            done, _ = self.ask("SELECT * FROM events", answer)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""), answer)

    def test_a_line_that_is_not_json_is_reported(self):
        for line in (b'{"jsonrpc":"2.0","id":4,"result":{"events":[{"a":"\n', b'{"jsonrpc":"2.0","id":4,"result":{"events":[1,2],"cursor\n', b"\n"):
            done, _ = self.ask("SELECT * FROM events", Raw(line))
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("is it traced?", done.stderr)


class Document(SqlTest):
    """docs/sql.md, as far as it can be tested."""

    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "sql.md"), encoding="utf-8") as file:
        document = file.read()

    def test_its_questions_have_answers_here(self):
        questions = re.findall(r"```sql\n(.*?)```", self.document, re.S)
        self.assertGreater(len(questions), 5)
        for question in questions:
            self.assertTrue(self.text("--no-header", stdin=question), question)

    def test_its_examples_run(self):
        examples = re.findall(r"^    (?:\$ )?inspector sql (?:--\w+ )?\"(.*?)\"", self.document, re.M)
        self.assertGreater(len(examples), 2)
        for example in examples:
            self.assertEqual(self.run_sql(example).returncode, 0, example)

    def test_its_columns_exist(self):
        tables = dict(re.findall(r"^\| `(traces|peers|nodes)` \|.*\| ([^|]*) \|$", self.document, re.M))
        tables["events"] = re.search(r"^An event has (.*?)\.", self.document, re.M).group(1)
        for table, told in tables.items():
            columns = self.rows("SELECT name FROM pragma_table_xinfo('%s') WHERE NOT hidden" % table)
            self.assertEqual([(name,) for name in re.findall(r"`(\w+)`", told)], columns, table)
        lists = re.search(r"^\| `apps`.*\| ([^|]*) \|$", self.document, re.M).group(1).split(";")
        for table, told in zip(("apps", "app_commands", "app_fields"), lists):
            self.assertEqual([(name,) for name in re.findall(r"`(\w+)`", told)], self.rows("SELECT name FROM pragma_table_info('%s')" % table))

    def test_it_lists_the_tables(self):
        told = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`\w+`.*?) \|", self.document.split("## Functions")[0], re.M)))
        self.assertEqual(sorted((name,) for name in told), sorted(self.rows("SELECT name FROM sqlite_schema")))


COLUMNS = ("timestamp", "ns", "node_id", "lane", "sequence")


class Property(SqlTest):
    """For any conditions, the rows are those that SQLite finds in a copy of all rows."""

    def setUp(self):
        self.random = random.Random(self.seed)
        self.copy = sqlite3.connect(":memory:")
        self.table = "events"
        self.all = self.copy_table(self.table)

    def copy_table(self, table):
        columns = self.rows("SELECT name, type FROM pragma_table_xinfo('%s')" % table)
        names = ", ".join('"%s"' % name for name, _ in columns)
        self.copy.execute("CREATE TABLE %s(%s)" % (table, ", ".join('"%s" %s' % column for column in columns)))
        rows = self.rows("SELECT %s FROM %s" % (names, table))
        self.copy.executemany("INSERT INTO %s VALUES (%s)" % (table, ", ".join("?" * len(columns))), rows)
        self.times = [row[[name for name, _ in columns].index("timestamp")] for row in rows]
        return rows

    seed = int(os.environ.get("SQL_SEED", "1"))

    def quote(self, value):
        return "NULL" if value is None else "'%s'" % value.replace("'", "''") if isinstance(value, str) else repr(value)

    def value(self, column):
        """A value that occurs, or almost, or not at all, or one of another type."""
        strange = [None, "", "x", 7, 1.5, "'", "%", "twin", TRACES[0].upper(), "11", 2**63 - 1, -1]
        likely = {"trace_id": TRACES, "peer_id": [ALICE, BOB, STRANGER, TWIN_1], "node_id": [ALICE, BOB, TWIN_1, EVIL, STRANGER],
                  "node": ["alice", "bob", "twin", EVIL_NODE], "peer": ["alice", "bob"], "rtt": [1_000_000, 40_000_000, 2.0e19, 1.5e6, "2000000", float(2**63), 0, -1, 2**63 - 1, 9.1e18],
                  "kind": ["metrics", "packet_sent", "custom", "app_start", "unknown", "packet_lost", "Metrics", "of_tomorrow"],
                  "key": ["chunk-00", "chunk-03", "Chunk-01", "AB", "chunk-0"], "field_kind": [int.from_bytes(b"AB", sys.byteorder), 0, 16000.5, "20000"],
                  "size": [1200, 1199.5], "packet_num": [3, 50], "app_id": ["DMAP"], "command": ["GET_CHUNK"],
                  "timestamp": [self.random.choice(self.times) for _ in range(4)]}[column]
        if column == "timestamp":
            likely += [likely[0] + 0.5, str(likely[1]), "%d.0" % likely[2], float(likely[3])]
        return self.random.choice(likely if self.random.random() < 0.85 else strange)

    def pattern(self, column):
        text = str(self.value(column))
        if text and self.random.random() < 0.3:  # one that may match, with a special character inside
            at = self.random.randrange(len(text))
            return text[:at] + self.random.choice(["_", "?", "[a-f0-9]", "%", "*"]) + text[at + 1:]
        return self.random.choice([text[:self.random.randint(0, 12)] + self.random.choice(["%", "*", "_", "?", "[a-f]*", "%b%", ""]), text])

    def term(self):
        of_all = ["trace_id", "peer_id", "node_id", "node", "peer", "kind", "timestamp", "timestamp", "app_id", "command"]
        column = self.random.choice(of_all + ["rtt", "rtt", "size", "packet_num"] if self.table == "events" else of_all + ["key", "field_kind"] * 4)
        shape = self.random.random()
        if shape < 0.5:
            operator = self.random.choice(["=", "=", "<", "<=", ">", ">=", "<>", "IS", "=="])
            collation = " COLLATE NOCASE" if self.random.random() < 0.1 else ""
            return "%s %s %s%s" % (column, operator, self.quote(self.value(column)), collation)
        if shape < 0.65:
            return "%s IN (%s)" % (column, ", ".join(self.quote(self.value(column)) for _ in range(self.random.randint(1, 4))))
        if shape < 0.8:
            return "%s %s %s" % (column, self.random.choice(["LIKE", "GLOB", "NOT LIKE"]), self.quote(self.pattern(column)))
        if shape < 0.85:
            return "%s IS %sNULL" % (column, self.random.choice(["", "NOT "]))
        if shape < 0.92:
            return "%s BETWEEN %s AND %s" % (column, self.quote(self.value(column)), self.quote(self.value(column)))
        return "json_extract(data, '$.size') > %s" % self.quote(self.value("size"))

    def condition(self, depth=0):
        if depth == 3 or self.random.random() < 0.4:
            return self.term()
        if self.random.random() < 0.15:
            return "NOT (%s)" % self.condition(depth + 1)
        joined = self.random.choice([" AND ", " AND ", " OR "])
        return "(%s)" % joined.join(self.condition(depth + 1) for _ in range(self.random.randint(2, 3)))

    def statement(self):
        """A statement, and whether the order of its rows is defined."""
        where = self.condition()
        shape = self.random.random()
        if shape < 0.6:
            return "SELECT %s FROM %s WHERE %s" % (", ".join(COLUMNS), self.table, where), False
        order = self.random.choice(["timestamp, ns", "timestamp DESC, ns DESC", "kind, timestamp, ns, node_id, lane, sequence",
                                    "timestamp DESC, ns DESC, node_id, lane, sequence"])
        limit = "" if shape < 0.75 else " LIMIT %d OFFSET %d" % (self.random.choice([0, 1, 7, 5000]), self.random.choice([0, 1, 20]))
        return "SELECT timestamp, ns FROM %s WHERE %s ORDER BY %s%s" % (self.table, where, order, limit), True

    def test_random_conditions_find_the_same_rows_as_in_a_copy(self):
        self.compare()

    def test_random_conditions_on_an_application_find_the_same_rows_as_in_a_copy(self):
        self.table = "DMAP"
        self.all = self.copy_table(self.table)
        self.compare()

    def compare(self):
        count = int(os.environ.get("SQL_STATEMENTS", "400"))
        statements = [self.statement() for _ in range(count)]
        script = "".join("%s; SELECT 'end';\n" % statement for statement, _ in statements)
        done = self.run_sql("--json", "-", stdin=script)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answers, rows = [], []
        for line in done.stdout.splitlines():
            row = tuple(json.loads(line).values())
            if row == ("end",):
                answers.append(rows)
                rows = []
            else:
                rows.append(row)
        self.assertEqual(len(answers), count)
        found = 0
        for (statement, ordered), answer in zip(statements, answers):
            expected = self.copy.execute(statement).fetchall()
            found += bool(expected) and len(expected) < len(self.all)
            self.assertEqual(answer if ordered else sorted(answer), expected if ordered else sorted(expected), statement)
        self.assertGreater(found, count // 5)  # otherwise the conditions would prove nothing


if __name__ == "__main__":
    unittest.main(verbosity=2)
