# SPDX-License-Identifier: MIT
"""Common to all commands: formats and fields, old and new names of options, and the messages for a wrong name or
an empty result."""
import csv
import io
import json
import pathlib
import re
import unittest
from datetime import datetime, timezone

from test_read import ALICE, BAD, BOB, CAROL, TRACE, ReadTest, run


class Recorded(ReadTest):
    def setUp(self):
        super().setUp()
        self.record()
        self.stop()

    def of(self, *args):
        """(exit code, stdout, stderr) of a command that asks the recording."""
        return run(self.place, *args, "--read", self.dir)

    def out(self, *args):
        code, out, err = self.of(*args)
        self.assertEqual((code, err), (0, ""), args)
        return out

    def rows(self, *args):
        return [json.loads(line) for line in self.out(*args, "--json").splitlines()]


class Formats(Recorded):
    COMMANDS = [["nodes"], ["peers"], ["traces"], ["apps"], ["recent", "-n", "30"], ["range", "0", "now", "-n", "40"], ["trace", TRACE],
                ["follow", "-n", "20"], ["analyze", "trace", TRACE], ["diff", TRACE, BAD]]

    @staticmethod
    def plain(value):
        """The csv form of a JSON value."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, dict) and set(value) == {"timestamp", "ns"}:
            return value
        return json.dumps(value, separators=(",", ":"))

    def test_csv_and_tsv_have_the_values_of_json(self):
        compared = 0
        for args in self.COMMANDS:
            rows = self.rows(*args)
            for fmt in ("csv", "tsv"):
                with self.subTest(args=args, format=fmt):
                    text = self.out(*args, "--format", fmt)
                    if fmt == "csv":
                        table = list(csv.reader(io.StringIO(text), strict=True))
                    else:
                        table = [line.split("\t") for line in text.splitlines()]
                    self.assertEqual(len(table), len(rows) + 1)
                    for row, cells in zip(rows, table[1:]):
                        self.assertEqual(len(cells), len(table[0]))
                        for name, cell in zip(table[0], cells):
                            value = {"timestamp": row["timestamp"], "ns": row["ns"]} if name == "time" else row.get(name)
                            if name.startswith("ended_") and row["ended"]:
                                value = row["ended"][name.removeprefix("ended_")]
                            wanted = self.plain(value)
                            if isinstance(wanted, dict):
                                self.assertRegex(cell, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")
                                self.assertEqual(int(cell[20:29]) % 1000, wanted["ns"])
                            elif isinstance(row.get(name), float):
                                self.assertEqual(float(cell), row[name])
                            elif fmt == "csv" or "\\" not in cell:
                                self.assertEqual(cell, wanted, (name, row))
                            compared += 1
        self.assertGreater(compared, 1000)

    def test_times_are_times(self):
        """No column of csv or tsv is a number of microseconds, unless it was asked for by its name."""
        micros = re.compile(r"(?:^|[,\t])1[67]\d{14}(?:$|[,\t])", re.MULTILINE)
        groups = [["count", "--by", "time/1s"], ["count", "--by", "kind,timestamp/1s"], ["requests", "--by", "command,time/1s"]]
        for args in self.COMMANDS + groups + [["peer", "bob"], ["trigger", "custom", "-n", "1"]]:
            for fmt in ("csv", "tsv"):
                with self.subTest(args=args, format=fmt):
                    code, text, _ = self.of(*args, "--format", fmt)
                    self.assertEqual((code, micros.findall(text)), (0, []))
        for args in (["recent"], ["trace", TRACE], ["range", "0", "now"]):
            table, events = list(csv.DictReader(io.StringIO(self.out(*args, "--format", "csv")))), self.rows(*args)
            self.assertEqual(len(table), len(events))
            for row, event in zip(table, events):
                moment = datetime.fromisoformat(row["time"][:19] + "+00:00")
                self.assertEqual((int(moment.timestamp()), row["time"][19:]),
                                 (event["timestamp"] // 10**6, f".{event['timestamp'] % 10**6:06}{event['ns']:03}Z"))
            self.assertNotIn("timestamp", table[0])
        rows = json.loads(self.out("count", "--by", "time/1s", "--json"))["rows"]
        table = csv.DictReader(io.StringIO(self.out("count", "--by", "time/1s", "--format", "csv")))
        self.assertEqual([datetime.fromisoformat(row["time/1s"][:19] + "+00:00").timestamp() for row in table],
                         [row["group"]["time/1s"] / 10**6 for row in rows])
        event = self.rows("recent", "1")[0]
        self.assertEqual(self.out("recent", "1", "--format", "csv", "--fields", "timestamp,ns"), f"timestamp,ns\n{event['timestamp']},{event['ns']}\n")

    def test_an_only_value_that_is_empty_is_a_row(self):
        for args in (["recent", "2", "--fields", "rtt"], ["sql", "select null as rtt union all select ''"], ["export", "-n", "2", "--fields", "rtt", "--kind", "packet_sent"]):
            self.assertEqual(self.out(*args, "--format", "csv"), 'rtt\n""\n""\n')
            self.assertEqual(self.out(*args, "--format", "tsv"), "rtt\n\n\n")

    def test_format_json_is_json(self):
        for args in self.COMMANDS + [["count", "--by", "kind"], ["stats"]][:-1]:
            self.assertEqual(self.out(*args, "--format", "json"), self.out(*args, "--json"), args)

    def test_format_ndjson_is_the_same(self):
        self.assertEqual(self.out("recent", "3", "--format", "ndjson"), self.out("recent", "3", "--json"))
        self.assertEqual(self.of("trigger", "app_end", "--format", "nbjson")[::2],
                         (2, "inspector: --format nbjson: table, csv, tsv, json or ndjson is expected\n"))

    def test_fields_are_as_chosen_and_in_that_order(self):
        rows = self.rows("traces")
        self.assertEqual(self.rows("traces", "--fields", "took,trace_id"), [{"took": row["took"], "trace_id": row["trace_id"]} for row in rows])
        self.assertEqual(list(self.rows("traces", "--fields", "took,trace_id")[0]), ["took", "trace_id"])
        self.assertEqual(self.out("nodes", "--fields", "state,name,lost_by.overwritten", "--format", "csv"),
                         "state,name,lost_by.overwritten\nexited,alice,0\nexited,bob,0\n")
        self.assertEqual(self.out("nodes", "--fields", "pid,name").split()[:2], ["pid", "node"])
        self.assertEqual(self.out("diff", TRACE, BAD, "--fields", "by,diff").splitlines()[0].split(), ["by", "diff"])
        self.assertEqual(self.out("nodes", "--fields", "pid,name", "--no-header").split()[1], "alice")

    def test_a_field_may_be_called_by_its_title(self):
        for args, title, field in ((["traces"], "pkts lost", "packets_lost"), (["traces"], "pkts_lost", "packets_lost"), (["traces"], "pkts-lost", "packets_lost"),
                                   (["traces"], "trace", "trace_id"), (["traces"], "began", "first"), (["nodes"], "node", "name"),
                                   (["requests"], "per s", "rate"), (["requests"], "requests", "count"), (["recent"], "trace", "trace_id"),
                                   (["diff", TRACE, BAD], "node", "node_id")):
            self.assertEqual(self.rows(*args, "--fields", title), self.rows(*args, "--fields", field), (args, title))
            named, told = (self.out(*args, "--fields", name, "--format", "csv").splitlines() for name in (title, field))
            self.assertEqual((named[0], told[0], named[1:]), (title, field, told[1:]))  # as it was asked for
        for args, title, right in ((["traces"], "pkts losst", "pkts lost"), (["traces"], "begann", "began"), (["peers"], "rttt", "rtt"),
                                   (["stats"], "valeu", "value"), (["diff", TRACE, BAD], "placee", "place")):
            code, _, err = self.of(*args, "--fields", title)
            self.assertEqual((code, err), (2, f"inspector: there is no field {title}; did you mean {right}?\n"))

    def test_counters_have_a_line_each(self):
        tree, rows = json.loads(self.out("stats", "--json")), self.rows("stats", "--fields", "counter,value")

        def leaf(path):
            value = tree
            for name in path.split("."):
                value = value[name]
            return value

        self.assertGreater(len(rows), 10)
        for row in rows:
            self.assertEqual(row["value"], leaf(row["counter"]))
        self.assertIn(f"history.events,{tree['history']['events']}\n", self.out("stats", "--format", "csv"))
        self.assertEqual(self.out("stats", "--format", "tsv", "--fields", "counter").split(), ["counter"] + [row["counter"] for row in rows])
        self.assertEqual(self.out("stats", "--format", "json"), self.out("stats", "--json"))

    def test_a_comparison_can_be_about_one_node(self):
        rows = self.rows("diff", TRACE, BAD)
        self.assertEqual({row["node_id"] for row in rows[1:]}, {ALICE})
        self.assertEqual(self.rows("diff", TRACE, BAD, "--node", "alice"), rows)
        self.assertEqual(self.out("diff", TRACE, BAD, "--node", "alice"), self.out("diff", TRACE, BAD))
        for chosen in (["--node", "bob"], ["--peer", "alice"], ["--node", "alice", "--peer", "alice"]):
            self.assertEqual(self.rows("diff", TRACE, BAD, *chosen), rows[:1])
            self.assertNotIn("only", self.out("diff", TRACE, BAD, *chosen))
            self.assertIn("no step is common to both", self.out("diff", TRACE, BAD, *chosen))
        self.assertIn("did you mean bob?", self.of("diff", TRACE, BAD, "--node", "bbo")[2])

    def test_a_window_is_its_events(self):
        words = ["trigger", "custom", "--every", "0", "-n", "1"]
        code, text, err = self.of(*words)
        events = [json.loads(line) for line in text.splitlines()][1:-1]
        self.assertEqual(code, 0)
        _, text, told = self.of(*words, "--format", "csv", "--fields", "kind,sequence")
        self.assertEqual(text.splitlines(), ["kind,sequence"] + [f"{event['kind']},{event['sequence']}" for event in events])
        self.assertEqual(told, err)
        for names in (["a.csv"] * 2, ["w-%.csv"]):
            for name in names:
                self.assertEqual(self.of(*words, "--format", "csv", "--fields", "sequence", "-o", f"{self.place.directory}/{name}")[0], 0)
        sequences = [str(event["sequence"]) for event in events]
        with open(f"{self.place.directory}/a.csv", encoding="ascii") as file:
            self.assertEqual(file.read().split(), ["sequence"] + 2 * sequences)
        with open(f"{self.place.directory}/w-1.csv", encoding="ascii") as file:
            self.assertEqual(file.read().split(), ["sequence"] + sequences)
        for name, first in (("w.csv", "time,trace_id,"), ("w.TSV", "time\ttrace_id\t"), ("w.txt", '{"trigger":')):
            self.assertEqual(self.of(*words, "-o", f"{self.place.directory}/{name}")[0], 0)
            self.assertTrue(pathlib.Path(self.place.directory, name).read_text(encoding="ascii").startswith(first), name)
        self.assertEqual(self.of(*words, "--format", "json", "-o", f"{self.place.directory}/j.csv")[0], 0)
        self.assertTrue(pathlib.Path(self.place.directory, "j.csv").read_text(encoding="ascii").startswith('{"trigger":'))
        self.assertEqual([json.loads(line) for line in self.of(*words, "--json", "--fields", "sequence")[1].splitlines()][1:-1],
                         [{"sequence": event["sequence"]} for event in events])
        self.assertEqual(self.of(*words, "--format", "table")[::2], (2, "inspector: --format table: windows are json, csv or tsv\n"))
        self.assertEqual(self.of(*words, "--format", "csv", "-o", "x.p2rec")[::2],
                         (2, "inspector: x.p2rec is a recording, which has no --format or --fields\n"))

    def test_a_saved_window_has_the_names_of_its_nodes(self):
        for name in ("saved.ndjson", "saved-%.ndjson"):
            path = f"{self.place.directory}/{name}"
            self.assertEqual(self.of("trigger", "custom", "-n", "1", "-o", path)[0], 0)
            path = path.replace("%", "1")
            with open(path, encoding="ascii") as file:
                lines = [json.loads(line) for line in file]
            named = {node["name"] for node in lines[-1]["nodes"]}
            self.assertEqual({node["node_id"] for node in lines[-1]["nodes"]},
                             {node["node_id"] for node in self.rows("nodes")} & {line.get(end) for line in lines[1:-1] for end in ("node_id", "peer_id")})
            code, text, err = run(self.place, "recent", "--read", path, "--format", "csv", "--fields", "node")
            self.assertEqual((code, err, set(text.split()[1:]) <= named | {""}), (0, "", True), text)
            self.assertIn(lines[1]["node_id"], {node["node_id"] for node in lines[-1]["nodes"]})

    def test_fields_of_events_are_those_of_their_data_and_computed_ones(self):
        out = self.out("recent", "--kind", "packet_sent", "--node", "bob", "-n", "2", "--format", "csv", "--fields", "time,node,peer,packet_sent.size,packet_num,event")
        table = list(csv.reader(io.StringIO(out)))
        self.assertEqual([row[1:] for row in table],
                         [["node", "peer", "packet_sent.size", "packet_num", "event"], ["bob", "alice", "1200", "18", "packet 18 sent, 1.2 KiB, 1rtt"],
                          ["bob", "alice", "1200", "19", "packet 19 sent, 1.2 KiB, 1rtt"]])
        self.assertRegex(table[1][0], r"T.*\.\d{9}Z$")
        self.assertEqual(self.rows("recent", "-n", "1", "--fields", "size,rtt")[0], {"size": 1200, "rtt": None})
        shown = self.out("recent", "-n", "1", "--fields", "node,size").split()
        self.assertEqual(shown, ["node", "size", "alice", "1200"])

    def test_groups_of_a_count_are_rows(self):
        out = self.out("count", "--by", "kind,peer", "--value", "size", "--format", "csv")
        table = list(csv.DictReader(io.StringIO(out)))
        answer = json.loads(self.out("count", "--by", "kind,peer", "--value", "size", "--json"))
        self.assertEqual(len(table), len(answer["rows"]))
        for got, row in zip(table, answer["rows"]):
            self.assertEqual((got["kind"], got["peer"], got["count"]), (row["group"]["kind"], row["group"]["peer"] or "", str(row["count"])))
            self.assertEqual(got["p50"], str(row["value"]["p50"]) if row["value"] else "")
        self.assertEqual(self.of("count", "--by", "kind", "--fields", "kind,cuont")[0], 2)
        self.assertEqual(self.rows("count", "--by", "kind", "-n", "1", "--fields", "count,kind"), [{"count": 3050, "kind": "packet_sent"}])

    def test_statements_too(self):
        self.assertEqual(self.out("sql", "select 'a,\"b\"' as x, 1.5, null, 'c' || char(10) || 'd'", "--format", "csv"),
                         "x,1.5,null,'c' || char(10) || 'd'\n\"a,\"\"b\"\"\",1.5,,\"c\nd\"\n")
        self.assertEqual(self.out("sql", "select 'a' || char(9) || '\\' as x", "--format", "tsv"), "x\na\\t\\\\\n")

    def test_without_rows_there_is_the_line_of_names(self):
        self.assertEqual(self.out("traces", "--kind", "connection", "--format", "csv", "--fields", "trace_id,took"), "trace_id,took\n")
        self.assertTrue(self.out("recent", "--kind", "conn_init", "--format", "csv").startswith("time,trace_id,kind,node_id,"))
        self.assertEqual(self.out("recent", "--kind", "conn_init", "--format", "csv", "--no-header"), "")


class Names(Recorded):
    def test_old_names_mean_the_same(self):
        for old, new in (([["recent", "--from", "0", "--to", "now"], ["recent", "--since", "0", "--until", "now"]]),
                         (["recent", "7"], ["recent", "-n", "7"]), (["recent", "7"], ["recent", "--limit=7"]), (["recent", "7"], ["recent", "-n7"]),
                         (["follow", "--count", "9"], ["follow", "-n", "9"]), (["recent", "--kinds", "custom"], ["recent", "--kind", "custom"]),
                         (["export", "--format", "csv", "--columns", "kind,size"], ["export", "--format", "csv", "--fields", "kind,size"]),
                         (["recent", "--filter", "custom"], ["recent", "--where", "custom"]),
                         (["range", "0", "now"], ["range", "--since", "0"])):
            self.assertEqual(self.out(*old, "--utc"), self.out(*new, "--utc"), old)

    def test_a_duration_has_a_unit(self):
        code, _, err = self.of("traces", "--where", "took > 50")
        self.assertEqual((code, err), (2, "  took > 50\n         ^~\ninspector: took needs a unit: ns, us, ms, s, m or h; did you mean \"50ms\"?\n"))
        self.assertEqual(self.out("recent", "--where", "rtt >= 12345 or size > 0"), self.out("recent", "--where", "rtt >= 12345ns or size > 0"))
        self.assertEqual(self.of("trigger", "rtt > 50", "--for", "1s")[2], "  rtt > 50\n        ^~\ninspector: rtt needs a unit: ns, us, ms, s, m or h; did you mean \"50ms\"?\n")
        for command in ("count", "requests"):
            self.assertEqual(self.of(command, "--by", "command,time/1")[::2],
                             (2, 'inspector: --by time/1: time needs a unit: ns, us, ms, s, m or h; did you mean "1s"?\n'))
            self.assertEqual(self.of(command, "--by", "time/10000000")[0], 0) # copied from JSON
            self.assertEqual(self.of(command, "--by", "time/1ns")[0], 2)
        self.assertEqual(self.out("traces", "--where", "took >= 0"), self.out("traces", "--where", "took >= 0ms"))
        for text, meant in (("30", "30s"), ("1767225600", "1767225600000000"), ("1767225600123", "1767225600123000")):
            for args, name in ((["recent", "--since", text], "--since"), (["range", "0", text], "TO"), (["range", "0", "--until", text], "--until")):
                code, _, err = self.of(*args)
                self.assertEqual((code, err), (2, f"inspector: {name} {text}: a number is Unix microseconds; did you mean {meant}?\n"))
            self.assertEqual(self.of("recent", "--since", meant)[0], 0)

    def test_what_the_socket_refuses_is_a_plain_sentence(self):
        """It names the option or the argument that was typed, not the socket's params."""
        for args, code, said in ((["traces", "--limit", "10001"], 2, "--limit 10001 must be an integer from 1 to 10000"),
                                 (["trace", "zz"], 2, "ID zz must be 1 to 32 hex digits"),
                                 (["diff", TRACE, "zz"], 2, "ID zz must be 1 to 32 hex digits"),
                                 (["export", "zz"], 2, "ID zz must be 1 to 32 hex digits"),
                                 (["analyze", "trace", "zz"], 2, "NAME zz must be 1 to 32 hex digits"),
                                 (["recent", "--trace", "zz"], 2, "--trace zz must be 1 to 32 hex digits"),
                                 (["recent", "--trace", "ffff"], 1, '--trace: no trace begins with "ffff"'),
                                 (["trace", "0"], 1, f'ID: 2 ids match "0"; it could be {BAD}, {TRACE}'),
                                 (["trace", "ffff"], 1, 'ID: no trace begins with "ffff"'),
                                 (["spread", "ffff"], 1, 'TRACE|KEY: no trace begins with "ffff"'),
                                 (["recent", "--kind", "nope"], 2, '--kind: there is no kind "nope"'),
                                 (["recent", "--kind", "custom,nope"], 2, '--kind custom,nope: there is no kind "nope"'),
                                 (["count", "--by", "peer,peer"], 2, "--by peer,peer: peer is given twice"),
                                 (["count", "--by", "sise"], 2, '--by: there is no field or kind "sise"; did you mean "size"?'),
                                 (["count", "--value", "kind"], 2, "--value: kind is not a number"),
                                 (["count", "--hist", "kind"], 2, "--hist: kind is not a number"),
                                 (["requests", "--by", "peer"], 2, "--by peer: requests are grouped by command, node or time/1s, not peer"),
                                 (["requests", "--app", "TOOLONG"], 2, "--app TOOLONG: an application id has at most 4 characters"),
                                 (["peer", "nope"], 1, 'PEER: "nope" is neither the name of a node nor hex digits'),
                                 (["recent", "--peer", "nope"], 1, '--peer: "nope" is neither the name of a node nor hex digits'),
                                 (["recent", "--node", "bbo"], 1, '--node: "bbo" is neither the name of a node nor hex digits; did you mean bob?'),
                                 (["traces", "--node", "bbo"], 1, '--node: "bbo" is neither the name of a node nor hex digits; did you mean bob?'),
                                 (["rpc", "query", '{"limit":0}'], 2, "limit must be an integer from 1 to 10000")):
            self.assertEqual(self.of(*args), (code, "", f"inspector: {said}\n"), args)

    def test_a_name_of_several_nodes_that_have_ended(self):
        """A filter means all of them.  What is about one node needs to know which, and lists them without whole ids."""
        ids = [f"{i:02x}" * 32 for i in range(0x61, 0x67)]
        rows = [{"node_id": node, "peer_id": ids[i - 1], "trace_id": None, "timestamp": 1767225600000000 + i * 1000000, "ns": 0, "sequence": 0, "lane": 0,
                 "kind": "packet_sent", "flags": [], "data": {"packet_num": i, "size": 1200, "space": "1rtt"}} for i, node in enumerate(ids)]
        path = pathlib.Path(self.place.directory) / "daves.json"
        path.write_text(json.dumps({"export": 1, "events": rows, "nodes": [{"node_id": node, "log": node[:16], "name": "dave", "state": "crashed", "lane_events": 64} for node in ids], "apps": []}),
                        encoding="utf-8")
        ask = lambda *args: run(self.place, *args, "--utc", "--read", path)
        for option, param in (("--node", "node_id"), ("--peer", "peer_id")):
            code, out, err = ask("recent", "9", option, "dave", "--json")
            self.assertEqual((code, err), (0, ""))
            self.assertEqual({json.loads(line)[param] for line in out.splitlines()}, set(ids))
            self.assertEqual(ask("recent", "9", "--where", f"{option[2:]} == dave", "--json")[1], out)
        refused = ("inspector: 6 nodes have had the name dave; which one? " +
                   ", ".join(f"{ids[i][:8]} (crashed, last event 00:00:0{i}.000000)" for i in (5, 4, 3, 2)) +
                   ", and 2 older ones: inspector nodes lists them\n")
        for args in (["peer", "dave"], ["analyze", "node", "dave"], ["analyze", "peer", "dave"]):
            self.assertEqual(ask(*args), (1, "", refused), args)
        for args in (["peer", ids[2][:8]], ["analyze", "node", ids[2][:8]], ["analyze", "peer", ids[2][:8]]):
            self.assertEqual((ask(*args)[0], ask(*args)[2]), (0, ""), args)
        for args in (["recent", "--node", "6"], ["analyze", "node", "6"]):
            self.assertIn('6 ids match "6"; it could be 61616161, 62626262, ', ask(*args)[2])
            self.assertNotIn("did you mean", ask(*args)[2])

    def test_what_is_empty_is_refused_by_its_name(self):
        for args, said in ((["recent", "--node", ""], "--node needs a value: NODE"), (["recent", "--where="], "--where needs a value: FILTER"),
                           (["recent", "--kind", ","], "--kind ,: a list of names, with commas between them, is expected"),
                           (["traces", "--fields", ","], "--fields ,: a list of names, with commas between them, is expected"),
                           (["trace", ""], "trace: ID is empty; usage: inspector trace ID; see inspector help trace"),
                           (["diff", "", TRACE], "diff: ID is empty; usage: inspector diff ID ID; see inspector help diff"),
                           (["range", "0", ""], "range: TO is empty; usage: inspector range [FROM [TO]]; see inspector help range"),
                           (["sql", ""], "sql: STATEMENT is empty; usage: inspector sql [STATEMENT]; see inspector help sql"),
                           ([""], 'there is no command ""; see inspector help'), (["help", ""], 'there is no command or topic ""; see inspector help')):
            self.assertEqual(self.of(*args), (2, "", f"inspector: {said}\n"), args)

    def test_a_wrong_number_of_arguments_says_which(self):
        for args, said in ((["trace"], "trace: ID is missing; usage: inspector trace ID; "), (["diff", TRACE], "diff: the other ID is missing; usage: "),
                           (["nodes", "bob"], "nodes takes no argument: bob; usage: inspector nodes; "),
                           (["trace", TRACE, BAD], f"trace: {BAD} is one argument too many; usage: "),
                           (["help", "nodes", "bob"], "help: bob is one argument too many; usage: "),
                           (["range"], "range: FROM is missing; usage: inspector range FROM [TO]; "),
                           (["analyze", "node"], "analyze node: NAME is missing; usage: "),
                           (["analyze", "bob", "alice"], "analyze bob: trace, node or peer is expected; usage: ")):
            code, out, err = self.of(*args)
            self.assertEqual((code, out), (2, ""), args)
            self.assertTrue(err.startswith("inspector: " + said), err)

    def test_no_limit_is_0(self):
        for args in (["nodes"], ["peers"], ["traces"], ["requests"], ["recent"], ["range", "0"], ["count"], ["follow"], ["trace", TRACE], ["export"]):
            self.assertEqual(self.of(*args, "-n", "0"), (2, "", "inspector: --limit 0: a whole number from 1 is expected\n"), args)
        self.assertEqual(self.of("recent", "0")[::2], (2, "inspector: recent 0: a whole number from 1 is expected\n"))

    def test_a_dash_is_the_standard_output(self):
        for args in (["export", "-n", "5", "--format", "csv"], ["trigger", "custom", "-n", "1", "--every", "0"]):
            self.assertEqual(self.of(*args, "-o", "-"), self.of(*args), args)
        for command in ("record", "salvage"):  # which write only files
            ask = self.of if command == "record" else lambda *args: run(self.place, *args)
            self.assertEqual(ask(command, "-o", "-")[::2], (2, f"inspector: {command} needs a file to write to: -o FILE\n"))

    def test_options_that_exclude_each_other_are_named(self):
        for args, first, second in ((["follow", "--since", "0", "--recent", "3"], "since", "recent"), (["recent", "--pid", "1"], "read", "pid")):
            self.assertEqual(self.of(*args)[::2], (2, f"inspector: --{first} and --{second} exclude each other: use one of them\n"))

    def test_an_option_without_effect_on_the_source_is_refused(self):
        """Each command with each source, and each option that only some sources obey."""
        sources = {"traced": [], "read": ["--read", str(self.dir)], "fleet": ["--fleet", "http://127.0.0.1:1/d"], "pid": ["--pid", "1"]}
        obey = {"--socket=/nowhere": {"traced"}, "--wait=0": {"traced", "fleet"}, "--timeout=5s": {"traced", "fleet"},
                "--no-clock-correction": {"read", "fleet"}, "--login=/nowhere": {"fleet"}, "--ca=/nowhere": {"fleet"}}
        listed = re.findall(r"^  ([a-z]+)(?: |$)", run(self.place, "help")[1], re.MULTILINE)
        commands = {}
        for name in listed:
            text = run(self.place, "help", name)[1]
            words = text.split("\n")[0].partition(f"usage: inspector {name}")[2]
            while "[" in words:
                words = re.sub(r"\[[^][]*\]", "", words)
            if "--fleet URL" in text and name != "help":
                commands[name] = ["x" for _ in words.split()]
        self.assertGreater(len(commands), 15, listed)
        for name, args in commands.items():
            for source, chosen in sources.items():
                for option, whose in obey.items():
                    if source in whose:
                        continue
                    code, out, err = run(self.place, name, *args, *chosen, option)
                    word = option.split("=")[0]
                    self.assertEqual((code, out), (2, ""), (name, source, option, err))
                    self.assertRegex(err, f"{word} is for .*: it (needs|has no effect with) --", (name, source, option))

    def test_a_time_that_cannot_be_read_is_quoted_with_its_option(self):
        for text in ("tomorrow", "5d", "25:00"):
            self.assertEqual(self.of("traces", "--until", text)[::2], (2, (
                f'inspector: --until {text}: this is not a time like 5s, now, 12:00, 2026-01-31 or "2026-01-31 12:00"; see inspector help time\n')))
        self.assertEqual(self.of("range", "2026-02-30")[::2], (2, "inspector: FROM 2026-02-30: there is no such day or time of day\n"))
        self.assertEqual(self.of("recent", "--since=-5d")[::2], (2, (
            "inspector: --since -5d: a relative time needs a unit: ns, us, ms, s, m or h\n")))

    def test_seconds_without_a_unit_still_work_and_are_reported(self):
        code, out, err = self.of("follow", "-n", "9", "--for", "30")
        self.assertEqual((code, out, err), (0, self.out("follow", "-n", "9", "--for", "30s"), "inspector: --for 30 has no unit, and is read as 30s\n"))
        self.assertEqual(self.of("follow", "-n", "9", "--for", "30", "--for", "0.5m")[2], "")
        self.assertEqual(self.of("trigger", "packet_lost", "--every", "0", "-n", "1", "--json")[2], "")

    def test_the_time_that_was_spent_waiting_for_a_node_is_kept_with_that_node(self):
        asker, silent = "aa" * 32, "bb" * 32
        span = {"app_id": "DMAP", "cmd": 1, "span_id": "01" * 8}
        lines = []
        for trace, begin in (("c1" * 16, 0), ("c2" * 16, 20000000)):
            for kind, at, peer, data in (("app_start", 0, None, span | {"parent_id": "00" * 8}),
                                         ("packet_sent", 10, silent, {"packet_num": begin + 1, "size": 1200, "space": "1rtt"}),
                                         ("app_end", 9000000 if begin else 4000000, None, span | {"ok": False})):
                lines.append({"timestamp": 1767225600000000 + begin + at, "ns": 0, "node_id": asker, "peer_id": peer, "trace_id": trace,
                              "sequence": len(lines), "lane": 0, "kind": kind, "flags": [], "data": data})
        lines.append(lines[-1] | {"node_id": silent, "trace_id": None, "sequence": 0, "kind": "custom",
                                  "data": {"category": 1, "code": 0, "data": ""}})  # to make it a node
        path = pathlib.Path(self.place.directory) / "waits.ndjson"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        code, out, err = run(self.place, "diff", "c1", "c2", "--node", silent, "--json", "-r", path)
        self.assertEqual((code, err), (0, ""))
        waited = [row for row in map(json.loads, out.splitlines()) if row["diff"] == "place"]
        self.assertEqual([(row["place"], row["peer_id"]) for row in waited], [("peer", silent)], out)
        self.assertGreater(waited[0]["b"], waited[0]["a"])
        code, out, _ = run(self.place, "diff", "c1", "c2", "--node", silent, "--peer", silent, "--json", "-r", path)
        self.assertEqual((code, [row["diff"] for row in map(json.loads, out.splitlines())]), (0, ["traces"]))

    def test_a_summary_that_would_not_be_shown_is_refused(self):
        for words, why in ((["trace", TRACE, "--summary"], "is a line of --json"), (["analyze", "--summary"], "is a line of --json"),
                           (["trace", TRACE, "--graph", "--json", "--summary"], "--summary and --graph exclude each other")):
            code, out, err = self.of(*words)
            self.assertEqual((code, out), (2, ""), words)
            self.assertIn(why, err)
        self.assertIn('"analyzed"', self.out("analyze", "--json", "--summary"))

    def test_where_nothing_is_left_the_filters_are_quoted(self):
        for words, quoted in ((["requests", "--where", "took > 1h"], "no request matches --where 'took > 1h'; the history has "),
                              (["peer", "bob", "--until", "2000-01-01"], "no event matches --peer bob --until 2000-01-01; the first after it was at "),
                              (["recent", "--since", "2s", "--until", "3s"], "no event matches --since 2s --until 3s; --until is not after --since; "),
                              (["range", "now", "-5s"], "no event matches --since now --until=-5s; --until is not after --since; "),
                              (["recent", "--since", "2000-01-01", "--until", "2000-01-01Z"], "--until is not after --since; ")):
            self.assertIn(quoted, self.out(*words, "--utc"))
        self.assertNotIn("is not after", self.out("recent", "--since", "2000-01-01", "--until", "2000-01-02"))

    def test_the_help_of_export_names_its_formats(self):
        formats = self.of("export", "--format", "none")[2].split("the formats are ")[1].strip().split(", ")
        self.assertIn("pcapng", formats)
        help_text = " ".join(self.out("help", "export").split()).split("The formats are ")[1].split(";")[0]
        self.assertEqual(help_text, ", ".join(formats[:-1]) + " and " + formats[-1])

    def test_a_limit_is_one_everywhere(self):
        for args in (["nodes"], ["peers"], ["traces"], ["recent"], ["range", "0", "now"], ["trace", TRACE], ["follow"]):
            self.assertEqual(len(self.out(*args, "-n", "1", "--json").splitlines()), 1, args)
        self.assertIn("there are more", self.out("nodes", "-n", "1"))
        self.assertNotIn("there are more", self.out("nodes", "-n", "2"))

    def test_traces_of_a_node_and_with_a_peer(self):
        self.assertEqual(len(self.rows("traces")), 2)
        self.assertEqual([row["trace_id"] for row in self.rows("traces", "--node", "bob")], [TRACE])
        self.assertEqual([row["trace_id"] for row in self.rows("traces", "--peer", "bob", "--node", ALICE)], [TRACE])
        self.assertEqual(self.rows("traces", "--node", "bob", "--where", "outcome == open or outcome == failed"), [])
        code, _, err = self.of("traces", "--node", "bob", "--where", "took > 1s and tok > 1")
        self.assertEqual((code, err), (2, "  took > 1s and tok > 1\n                ^~~\ninspector: traces have no field \"tok\"; did you mean \"took\"?\n"))
        self.assertIn('--node: "bbo" is neither', self.of("traces", "--node", "bbo", "--where", "took > 1s")[2])
        self.assertNotIn("^", self.of("traces", "--node", "bbo", "--where", "took > 1s")[2])

    def test_a_wrong_name_suggests_the_right_one(self):
        for args, right in ((["recent", "--node", "alcie"], "alice"), (["recent", "--peer", "bbo"], "bob"), (["peer", "bbo"], "bob"),
                            (["analyze", "node", "alicce"], "alice"), (["recent", "--kind", "packet_lsot"], "packet_lost"),
                            (["traces", "--kind", "request,"], "request"), (["count", "--by", "kidn"], '"kind"'),
                            (["recent", "--fields", "sise"], "size"), (["traces", "--fields", "tok"], "took"), (["nodse"], "nodes"),
                            (["export", "--format", "csv", "--fields", "sise"], "size")):
            code, out, err = self.of(*args)
            self.assertIn(code, (1, 2), args)
            self.assertEqual((out, err.count("\n")), ("", 1), err)
            self.assertIn(f"did you mean {right}?", err)
        for far in ("zzzzzz", "zoe"):  # "zoe" and "bob" have one letter in common
            self.assertNotIn("did you mean", self.of("recent", "--node", far)[2])
        for word, right in (("log", "follow"), ("events", "recent"), ("failed", "traces --where 'outcome == failed'"), ("slow", "traces --order slowest"),
                            ("why", "analyze"), ("status", "doctor"), ("ps", "nodes"), ("connections", "peers"), ("compare", "diff ID ID"),
                            ("select", "sql"), ("dump", "export"), ("capture", "record"), ("counters", "stats"), ("version", "--version")):
            self.assertEqual(self.of(word)[::2], (2, f"inspector: there is no command {word}; try inspector {right}\n"))
        for option, right in (("--failed", "--where 'outcome == failed'"), ("--slow", "--order slowest"), ("--open", "--where unfinished"),
                              ("--tail", "-n N")):
            self.assertEqual(self.of("traces", option)[::2], (2, f"inspector: unknown option {option}; try {right}\n"))
        self.assertIn("did you mean --fields?", self.of("traces", "--colunms", "took")[2])
        self.assertIn("did you mean connection?", self.of("traces", "--kind", "conection")[2])
        self.assertIn("did you mean DMAP?", self.of("traces", "--app", "DMPA")[1])

    def test_an_empty_result_names_the_filters(self):
        for args, told in ((["recent", "--kind", "conn_init", "--node", "bob"], "no event matches --kind conn_init --node bob; the history has 3055 events of 2 traces"),
                           (["range", "0", "1000000000000000"], "no event matches --since 0 --until 1000000000000000; the first after it was at "),
                           (["traces", "--where", "took > 1h"], "no request matches --where 'took > 1h'; the history"),
                           (["traces", "--kind", "connection"], "no connection matches --kind connection"),
                           (["count", "--peer", CAROL, "--kind", "custom"], f"no event matches --kind custom --peer {CAROL}")):
            self.assertIn(told, self.out(*args))
            self.assertNotIn("matches", self.out(*args, "--no-header"))
        for args, told in ((["trace", TRACE, "--where", "rtt > 1h"], f"no event in the history belongs to a trace {TRACE} and matches --where 'rtt > 1h'"),
                           (["export", "--kind", "conn_init"], "no event in the history matches --kind conn_init")):
            code, _, err = self.of(*args)
            self.assertEqual((code, err), (1, f"inspector: {told}\n"))

    def test_an_empty_period_tells_the_nearest_events(self):
        events = self.rows("range", "0", "now")

        def shown(event):
            return datetime.fromtimestamp(event["timestamp"] // 10**6, timezone.utc).strftime("%H:%M:%S") + ".%06d" % (event["timestamp"] % 10**6)

        first, last = shown(events[0]), shown(events[-1])
        custom = shown(next(event for event in events if event["kind"] == "custom"))
        between = [str(next(event for event in events if event["kind"] == "custom")["timestamp"] + plus) for plus in (1, 2)]
        past, future = ["--since", "2000-01-01", "--until", "2000-01-02"], ["--since", str(events[-1]["timestamp"] + 1)]
        for args, near in ((["recent", *past], f"the first after it was at {first};"), (["range", *past], f"the first after it was at {first};"),
                           (["count", *past], f"the first after it was at {first};"), (["analyze", *past], f"the first after it was at {first};"),
                           (["traces", *past], f"the first event after it was at {first};"), (["requests", *past], f"the first event after it was at {first};"),
                           (["recent", "--kind", "custom", *past], f"the first after it was at {custom};"),
                           (["recent", "--kind", "custom", "--since", between[0], "--until", between[1]], f"the last before it was at {custom}; the history"),
                           (["recent", "--until", "2000-01-02"], f"the first after it was at {first};"), (["recent", *future], f"the last before it was at {last};")):
            self.assertIn(f"; {near}", self.out(*args, "--utc"), args)
        self.assertEqual(self.of("export", *past, "--utc")[2], ("inspector: no event in the history matches --since 2000-01-01 --until 2000-01-02; "
                                                                f"the first after it was at {first}\n"))
        self.assertNotIn("before it", self.out("traces", "--where", "took > 1h", "--since", "0"))  # it has events, but no such request
        self.assertNotIn("doctor", self.out("analyze", *past))

    def test_ago_counts_back_from_the_end_of_a_recording(self):
        rows = self.rows("traces", "--fields", "trace_id,ago,first")
        last = self.rows("recent", "-n", "1")[0]
        for row in rows:
            wanted = (last["timestamp"] - row["first"]["timestamp"]) * 1000 + last["ns"] - row["first"]["ns"]
            self.assertLessEqual(abs(row["ago"] - wanted), 1)
        for args in (["nodes"], ["peers"], ["traces"], ["recent"], ["range", "0", "now"], ["peer", "bob"]):
            self.assertRegex(self.out(*args), r"(?m) ago\b")
        self.assertNotRegex(self.out("follow", "-n", "3"), r"(?m) ago\b")


class OfPeers(Recorded):
    def test_a_peer_has_rows_of_events_in_csv(self):
        out = list(csv.DictReader(io.StringIO(self.out("peer", "bob", "-n", "5", "--format", "csv"))))
        self.assertEqual([row["peer_id"] for row in out], [BOB] * 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
