# SPDX-License-Identifier: MIT
"""Every view at every width: no number is cut, columns that do not fit are dropped whole and named, and cut text is marked."""
import fcntl
import json
import os
import pathlib
import pty
import re
import struct
import subprocess
import termios
import unicodedata
import unittest

from test_read import ALICE, BAD, BOB, CAROL, TRACE, ReadTest, run

WIDTHS = (40, 60, 80, 100, 200)
# A word with a digit must not be cut, nor a number with its unit.  A "…" ends a text that was cut.
WORD = re.compile(r"[\w.]*\d[\w.]*")
PART = re.compile(r"\d\.\d+ ?…|\d [KMG]?i?…")
TABLES = {"nodes": ["nodes"], "peers": ["peers"], "traces": ["traces"], "count": ["count", "--by", "peer,kind"],
          "count of values": ["count", "--by", "kind", "--value", "size"], "control": ["control"]}


def on_terminal(place, width, *args):
    """The output on a terminal of that width."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = place.environment | {"TERM": "dumb", "LC_ALL": "C.UTF-8"}
    shown = b""
    with subprocess.Popen([os.environ["INSPECTOR"], *map(str, args), "--no-pager"], stdin=subprocess.DEVNULL, stdout=secondary,
                          stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(secondary)
        while True:
            try:
                piece = os.read(primary, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    os.close(primary)
    return process.returncode, shown.decode().replace("\r\n", "\n")


def columns(text):
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


class Widths(ReadTest):
    def setUp(self):
        super().setUp()
        self.record()
        self.stop()

    def commands(self):
        return [["nodes"], ["peers"], ["apps"], ["stats"], ["traces"], ["traces", "--spent"], ["traces", "--kind", "connection"], ["trace", TRACE],
                ["trace", TRACE, "--all"], ["trace", TRACE, "--graph"], ["peer", "bob"], ["recent"], ["recent", "-n", "200"],
                ["range", "0", "now", "-n", "300"], ["follow", "-n", "100"], ["count"], ["count", "--by", "peer,kind"],
                ["count", "--by", "kind", "--value", "size"], ["count", "--hist", "size"], ["count", "--by", "time/1ms,kind", "--value", "rtt"],
                ["sql", "select * from events limit 20"], ["sql", "select * from peers"], ["analyze"], ["analyze", "trace", TRACE]]

    def test_no_number_is_cut_and_no_line_is_too_long(self):
        compared = 0
        for args in self.commands():
            code, whole, err = run(self.place, *args, "--read", self.dir)
            self.assertEqual((code, err), (0, ""), args)
            known = {word.strip(".") for word in WORD.findall(whole)}
            for width in WIDTHS:
                with self.subTest(args=args, width=width):
                    code, shown = on_terminal(self.place, width, *args, "--read", self.dir)
                    self.assertEqual(code, 0)
                    text = re.sub(r"no room for: [^;]*;", "", " ".join(shown.split()))
                    found = {word.strip(".") for word in WORD.findall(text)}
                    self.assertLessEqual({word for word in found if not re.fullmatch(r"0+|[0-9a-f]+[a-f][0-9a-f]*", word)} - known, set())
                    self.assertNotRegex(text, PART)
                    compared += len(found)
                    for line in shown.splitlines():
                        longest = max((columns(word) for word in line.split()), default=0)
                        indent = len(line) - len(line.lstrip())
                        self.assertLessEqual(columns(line), max(width, indent + longest + 20), line)
        self.assertGreater(compared, 3000, "almost nothing was compared")

    def cells(self, args, field):
        lines = run(self.place, *args, "--read", self.dir, "--fields", field)[1].splitlines()
        return lines[0].strip(), [line.strip() for line in lines[1:]]

    def test_each_number_of_a_table_is_whole_or_its_column_is_named_as_missing(self):
        for name, args in TABLES.items():
            if name == "control":
                continue
            rows = run(self.place, *args, "--read", self.dir, "--format", "csv")[1].splitlines()
            fields = rows[0].split(",")
            shown_fields = 0
            for width in WIDTHS:
                shown = on_terminal(self.place, width, *args, "--read", self.dir)[1].splitlines()
                missing = re.findall(r"no room for: ([^;]*)", " ".join(shown))
                missing = set(missing[0].split(", ")) if missing else set()
                for field in fields:
                    title, cells = self.cells(args, field)
                    if not any(character.isdigit() for cell in cells for character in cell):
                        continue
                    with self.subTest(table=name, width=width, field=field):
                        has = re.search(r"(?:^|  )\s*" + re.escape(title) + r"(?:  |$)", shown[0])
                        self.assertFalse(has and title in missing, shown)
                        if not has:
                            usual = run(self.place, *args, "--read", self.dir)[1].splitlines()[0]
                            if re.search(r"(?:^|  )\s*" + re.escape(title) + r"(?:  |$)", usual):
                                self.assertIn(title, missing, shown)
                            continue
                        for cell, line in zip(cells[:len(rows) - 1], shown[1:]):
                            if "(" not in cell:  # a text with numbers, which may be cut between them
                                self.assertRegex(line, r"(?:^|\s)" + re.escape(cell) + r"(?:\s|$)", shown)
                        shown_fields += 1
            self.assertGreater(shown_fields, 10, name)

    def requests(self):
        """A recording of two requests, whose numbers are always the same."""
        span = {"app_id": "DMAP", "cmd": 2, "span_id": "01" * 8}
        events = [(trace, kind, data) for trace in ("c1", "d2")
                  for kind, data in (("app_start", span | {"parent_id": "00" * 8}), ("app_end", span | {"ok": True}))]
        rows = [{"node_id": ALICE, "peer_id": None, "trace_id": trace * 16, "timestamp": 1767225600000000 + 1234 * i, "ns": 0, "sequence": i,
                 "lane": 0, "kind": kind, "flags": [], "data": data} for i, (trace, kind, data) in enumerate(events)]
        path = pathlib.Path(self.place.directory) / "requests.json"
        path.write_text(json.dumps({"export": 1, "events": rows, "nodes": [], "apps": []}), encoding="utf-8")
        return path

    def test_the_least_important_columns_are_hidden_first(self):
        for command, wanted in (("requests", {40: "request requests bad p99", 60: "request requests failed bad p50 p99 slowest"}),
                                ("traces", {40: "trace ago took outcome", 60: "trace ago took outcome request pkts lost"})):
            for width, titles in wanted.items():
                text = on_terminal(self.place, width, command, "--read", self.requests())[1]
                hidden = re.findall(r"no room for: ([^;]*)", " ".join(text.split()))[0].split(", ")
                self.assertEqual(" ".join(text.splitlines()[0].split()), titles)
                self.assertEqual(set(hidden) & set(titles.split()), set())

    def namesakes(self):
        """A recording of twelve nodes, all of them called dave, and of a request that goes from each to the next."""
        ids = [f"{i:02x}" * 32 for i in range(0x61, 0x6d)]
        spans = [(i, "app_start", {"span_id": f"{i + 1:016x}", "parent_id": f"{i:016x}"}) for i in range(12)]
        spans += [(i, "app_end", {"span_id": f"{i + 1:016x}", "ok": True}) for i in reversed(range(12))]
        rows = [{"node_id": ids[i], "peer_id": ids[i - 1] if i else None, "trace_id": TRACE, "timestamp": 1767225600000000 + at, "ns": 0,
                 "sequence": int(kind == "app_end"), "lane": 0, "kind": kind, "flags": [], "data": data | {"app_id": "DMAP", "cmd": 2}}
                for at, (i, kind, data) in enumerate(spans)]
        nodes = [{"node_id": node, "log": node[:16], "name": "dave", "state": "crashed", "lane_events": 64, "clock": "monotonic"} for node in ids]
        path = pathlib.Path(self.place.directory) / "namesakes.json"
        path.write_text(json.dumps({"export": 1, "events": rows, "nodes": nodes, "apps": []}), encoding="utf-8")
        return path, [node[:8] for node in ids]

    def test_nodes_of_one_name_keep_what_distinguishes_them(self):
        path, ids = self.namesakes()
        for width in WIDTHS:
            for command in ("nodes", "peers"):
                shown = on_terminal(self.place, width, command, "--read", path)[1]
                self.assertEqual(sorted(re.findall(r"^dave +(\w{8}) ", shown, re.M)), ids[:-1] if command == "peers" else ids, shown)
            notes = re.findall(r"^dave/(\w{8}) stamps", on_terminal(self.place, width, "nodes", "--read", path)[1], re.M)
            self.assertEqual(notes, ids)

    def test_the_time_is_among_the_last_columns_to_go(self):
        path = self.namesakes()[0]
        for width in WIDTHS:
            self.assertRegex(on_terminal(self.place, width, "recent", "--read", path)[1], r"\Atime +.*\n\d\d:\d\d:\d\d\.\d{6} ")
            self.assertIn("ago", on_terminal(self.place, width, "traces", "--read", path)[1].splitlines()[0].split())

    def test_a_diagram_names_all_nodes_that_have_no_column(self):
        path, ids = self.namesakes()
        for width in (40, 60):
            text = " ".join(on_terminal(self.place, width, "trace", TRACE, "--graph", "--read", path)[1].split())
            left_out = re.search(r"! no column for (\d+) of 12 nodes, and no row for their \d+ events: ((?:dave/\w{8}(?:, )?)+) a wider", text)
            names = left_out[2].split(", ")
            shown = re.findall(r"\d+ dave/(\w{8})", text.split("columns: ")[1].split("since")[0])
            self.assertEqual(len(names), int(left_out[1]))
            self.assertEqual(sorted([name[5:] for name in names] + shown), ids)

    def test_rows_are_one_line_each(self):
        for args in (["diff", TRACE, BAD], ["spread", TRACE], ["nodes"], ["peers"], ["requests"], ["traces"]):
            for width in (40, 60, 80):
                shown = on_terminal(self.place, width, *args, "--read", self.dir)[1].splitlines()
                for titles, row in zip(shown, shown[1:]):
                    if re.match(r"(?:time went to|hop|node|peer|request|trace)  +[a-z]+", titles):
                        self.assertIn(len(re.split(r"  +", row.strip())), (len(re.split(r"  +", titles.strip())),), shown)

    def test_hidden_columns_are_named_below_the_rows_and_above_those_that_still_come(self):
        for args in (["trace", TRACE], ["recent", "-n", "5"], ["range", "0", "now", "-n", "5"], ["peer", "bob", "-n", "5"]):
            lines = on_terminal(self.place, 40, *args, "--read", self.dir)[1].splitlines()
            titles = max(i for i, line in enumerate(lines) if "event" in line.split() and "node" in line.split())
            note = max(i for i, line in enumerate(lines) if line.startswith("no room for: "))
            self.assertGreater(note, titles + 5, args)
        lines = on_terminal(self.place, 40, "follow", "-n", "5", "--read", self.dir)[1].splitlines()
        self.assertTrue(lines[0].startswith("no room for: "), lines)

    def test_a_line_of_a_trace_continues_below_its_text(self):
        for line in on_terminal(self.place, 40, "trace", TRACE, "--all", "--read", self.dir)[1].split("event\n")[1].split("no room")[0].splitlines():
            self.assertRegex(line, r"^(?: *\+| {10})")

    def test_wide_enough_is_as_wide_as_a_pipe(self):
        for args in (["nodes"], ["peers"], ["traces"], ["count", "--by", "peer,kind"]):
            whole = run(self.place, *args, "--read", self.dir)[1]
            self.assertEqual(on_terminal(self.place, 300, *args, "--read", self.dir)[1], whole)

    def test_a_name_that_is_cut_is_marked(self):
        rows = [{"node_id": ALICE, "peer_id": BOB, "trace_id": TRACE, "timestamp": 1767225600000000 + i, "ns": 0, "sequence": i, "lane": 0,
                 "kind": "custom", "flags": [], "data": {"category": 1, "data": "00", "code": i}} for i in range(3)]
        path = pathlib.Path(self.place.directory) / "long.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        words = "alpha beta 1234567 gamma 7654321"
        statement = f"select '{words}' as words, kind, sequence, '{'x' * 50}' as letters from events"
        for width in WIDTHS:
            shown = on_terminal(self.place, width, "sql", statement, "-r", path)[1]
            for number in re.findall(r"\d+", shown):
                self.assertIn(number, (words + " 0 1 2").split())
            if "words" in shown and words not in shown:
                self.assertIn("…", shown)

    def test_a_diagram_is_cut_and_marked(self):
        shown = on_terminal(self.place, 60, "trace", TRACE, "--graph", "--read", self.dir)[1]
        self.assertIn("…", shown)


class Live(ReadTest):
    def test_control_and_doctor_fit(self):
        self.client = self.start()
        nodes = [self.place.node("node-with-a-long-name-%d" % i, "%064x" % (0xABC + i)) for i in range(3)]
        for node in nodes:
            node.do("packets", 3, TRACE, CAROL)
        self.place.settle(self.client, 9)
        for args in (["control"], ["control", "--kind", "packet_lost,app_start,app_end", "--sample", "1/100"], ["doctor", "--all"]):
            whole = run(self.place, *args)[1]
            known = set(re.findall(r"\S*\d\S*", whole))
            for width in WIDTHS:
                with self.subTest(args=args, width=width):
                    shown = on_terminal(self.place, width, *args)[1]
                    for word in re.findall(r"[^\s…]*\d[^\s…]*", shown):
                        # doctor's time and memory differ each time.
                        self.assertTrue(word in known or args[0] == "doctor" or "name" in word, (word, shown))
                    self.assertLessEqual(max(map(columns, shown.splitlines())), max(width, 90))
        for node in nodes:
            node.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
