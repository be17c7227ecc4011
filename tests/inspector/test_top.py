# SPDX-License-Identifier: MIT
"""`inspector top` in a pseudo-terminal: what a person would see, and the state in which it leaves the terminal.

usage: test_top.py INSPECTOR.  TRACED and TEST_NODE are in the environment, for the tests with a real traced."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

from fake_traced import Error, FakeTraced
from harness import Place, hex_id
from screen import TYPE, Screen

INSPECTOR = sys.argv.pop(1)
ALICE, BOB, CAROL = "a1" * 32, "b2" * 32, "c3" * 32
BASE = 1767225600123456
NAMES = {ALICE: "alice", BOB: "bob", CAROL: "carol"}
SIZES = ((24, 80), (40, 120), (10, 40))


def moment(us=0):
    return {"timestamp": BASE + us, "ns": 0}


class Network:
    """What a traced would answer about three nodes.  Each question is one second later; `bob` loses packets, `carol` loses
    events."""

    def __init__(self):
        self.asked = {}
        self.hidden = set()
        self.evicting = False

    def turn(self, method):
        self.asked[method] = self.asked.get(method, 0) + 1
        return self.asked[method]

    def stats(self, _):
        n = self.turn("stats")
        return {"ingest": {"events": 1000 * n, "lost": {"overwritten": 7 * n}},
                "history": {"events": 1000 * n, "events_max": 100000, "evicted": n if self.evicting else 0, "traces": 30, "first": moment()}}

    def nodes(self, _):
        n = self.turn("nodes")
        return {"nodes": [{"node_id": node_id, "name": name, "pid": 4242, "state": "live", "emitted": 1000 * n, "indexed": 990 * n,
                           "lost": 7 * n if node_id == CAROL else 0, "lost_by": {"overwritten": 7 * n if node_id == CAROL else 0},
                           "started": moment(), "last": moment(n)} for node_id, name in NAMES.items() if name not in self.hidden]}

    def peers(self, _):
        n = self.turn("peers")
        rows = [{"peer_id": node_id, "name": name, "events": 10 * n, "packets_sent": 100 * n, "packets_received": 90 * n,
                 "packets_lost": 5 * n if node_id == BOB else 0, "loss": 0, "bytes_sent": 120000 * n, "bytes_received": 99 * n,
                 "rtt": 1500000, "min_rtt": 1000000, "nodes": [ALICE], "first": moment(), "last": moment()}
                for node_id, name in NAMES.items() if name not in self.hidden]
        return {"peers": rows}

    def traces(self, params):
        """With a filter, the traces of the nodes and peers that `top` asks for."""
        self.turn("traces")
        about = [word for part in params.get("filter", "").split(" and ") for word in re.findall(r"[0-9a-f]{64}", part)[:1]]

        def trace(i, outcome, node, peer, command):
            return {"trace_id": f"{i:02x}" * 16, "first": moment(1000 * i), "last": moment(2000 * i), "duration": 1000000 * i,
                    "events": 40 + i, "packets_lost": int(i == 2), "nodes": [node], "peers": [peer], "outcome": outcome,
                    "app_id": "DMAP", "app": "DataMap", "cmd": 2, "command": command, "truncated": False}
        traces = [trace(3, "failed", CAROL, ALICE, "STORE"), trace(2, "ok", ALICE, BOB, "GET"), trace(1, "open", ALICE, CAROL, "GET")]
        return {"traces": [row for row in traces if all(part in row["nodes"] + row["peers"] for part in about)], "total": 3}

    def count(self, params):
        """Links from alice: 200 packets a second to each of the others; 5 % of those to bob are lost."""
        self.turn("count")
        groups = {"packet_sent": 200, "packet_received": 190, "packet_lost": 10, "metrics": 3}
        if params["group_by"] == "kind":
            rows = [{"group": {"kind": kind}, "count": count} for kind, count in groups.items()]
        else:
            rows = [{"group": {"node": ALICE, "peer": peer, "kind": kind}, "count": count,
                     "value": {"p50": 1500000} if kind == "metrics" else None}
                    for peer in (BOB, CAROL) if NAMES[peer] not in self.hidden
                    for kind, count in groups.items() if peer == BOB or kind != "packet_lost"]
        return {"seconds": 1.0, "events": 403, "rows": rows}

    @staticmethod
    def query(params):
        if "kind" in params:
            return {"events": [{"timestamp": BASE, "ns": 0, "node_id": ALICE, "peer_id": BOB, "trace_id": None, "kind": params["kind"],
                                "sequence": 1, "lane": 0, "flags": [], "data": {"packet_num": 4711}}], "cursor": None}
        events = [{"timestamp": BASE + i, "ns": 0, "node_id": ALICE, "peer_id": BOB, "trace_id": params["trace_id"], "sequence": i,
                   "lane": 0, "kind": "packet_lost", "flags": [], "data": {"packet_num": i, "space": "1rtt"}} for i in range(60)]
        return {"events": events, "cursor": None, "lost": 0, "gaps": []}

    def answers(self):
        return {name: getattr(self, name) for name in ("stats", "nodes", "peers", "count", "traces", "query")}


def row_names(screen):
    """The first words of the rows, without cursor and mark."""
    words = [line[3:].split() for line in screen.lines[4:-1]]
    return [row[0] for row in words if row]


def chosen(screen):
    """The name in the row that the cursor is on."""
    return next((line[3:].split()[0] for line in screen.lines[4:-1] if line.startswith(">")), None)


class TopTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "traced.sock")
        self.env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM", "LANG", "LC_CTYPE")}
        self.env |= {"P2PTRACE_SOCKET": self.path, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        self.network = Network()

    def traced(self, **answers):
        traced = FakeTraced(self.path, self.network.answers() | answers)
        self.addCleanup(traced.__exit__)
        return traced.__enter__()

    def top(self, *args, lines=24, columns=80, **env):
        screen = Screen([INSPECTOR, "top", *args], self.env | env, lines, columns)
        self.addCleanup(screen.__exit__)
        return screen

    def assert_left_well(self, screen, status):
        self.assertEqual(screen.wait_for_end(), status)
        self.assertTrue(screen.modes_are_restored(), screen.raw[-200:])
        self.assertEqual(screen.process.stderr.read(), b"")


class Views(TopTest):
    def test_the_first_glance_shows_the_bad_link(self):
        self.traced()
        screen = self.top()
        screen.wait_for_lines({2: r"\[3 links\].*by loss v", 4: r"^>! alice +bob +5\.0% .*█  1\.50 ms .* 10 +200",
                               5: r"^   alice +carol +0\.0% "})

    def test_a_glance_at_the_peers_shows_the_bad_one(self):
        self.traced()
        screen = self.top("--interval", "100ms")
        screen.send("2")
        screen.wait_for_lines({0: r"3 live  LOST [0-9.k]+/s, in all [0-9.k]+  [0-9.k]+ events/s  every 0.1 s",
                               4: r"^>! bob +5\.0% .*█.* 1\.50 ms ", 5: r"^   alice +0\.0% ", 6: r"^   carol +0\.0% "})

    def test_there_are_no_rates_of_peers_while_events_leave_the_history(self):
        self.traced()
        self.network.evicting = True
        screen = self.top("--interval", "100ms")
        screen.send("2")
        screen.wait(lambda _: self.network.asked.get("peers", 0) > 5, "five intervals")
        screen.wait_for_lines({4: r"^>  alice +- +1\.50 ms .* - +- +-$"})
        self.network.evicting = False
        screen.wait_for_lines({4: r"^>! bob +5\.0%"})

    def test_every_view_fits_every_size(self):
        self.traced()
        for lines, columns in SIZES:
            screen = self.top("--interval", "100ms", lines=lines, columns=columns)
            for key, title, row in (("1", "[1 nodes]", "carol"), ("2", "[2 peers]", "bob"), ("3", "[3 links]", "bob"),
                                    ("4", "[4 kinds]", "packet_lost"), ("5", "[5 traces]", "030303"),
                                    ("?", "> help", "MOVING")):
                with self.subTest(size=f"{columns}x{lines}", view=title):
                    screen.send(key)
                    screen.wait(lambda s: title in s.lines[2] and row in s.text and "q quit" in s.lines[-1], f"{row} in {title}")
            screen.send("q")
            self.assert_left_well(screen, 0)

    def test_a_new_size_is_used_at_once(self):
        self.traced()
        screen = self.top()
        screen.send("2")
        screen.wait("[2 peers]")
        self.assertNotIn("seen by", screen.text)
        screen.resize(40, 120)
        screen.wait(lambda s: "seen by" in s.text and "q quit" in s.lines[39], "more columns and lines")
        screen.resize(10, 40)
        screen.wait(lambda s: "sent/s" not in s.text and "q quit" in s.lines[9] and "bob" in s.text, "fewer")

    def test_a_terminal_without_utf8_gets_lines_of_ascii(self):
        self.traced()
        screen = self.top("--interval", "100ms", LC_ALL="C")
        screen.send("2")
        screen.wait_for_lines({4: r"^>! bob +5\.0% .*#.* 1\.50 ms "})
        self.assertTrue(screen.text.isascii(), screen.text)

    def test_colours_can_be_turned_off(self):
        self.traced()
        for args, env, wanted in (((), {}, True), ((), {"NO_COLOR": "1"}, False), (("--color", "never"), {}, False),
                                  (("--color", "always"), {"NO_COLOR": "1"}, True)):
            with self.subTest(args=args, env=env):
                screen = self.top("--interval", "100ms", *args, **env)
                screen.wait_for_lines({4: "^>! alice +bob", -1: "q quit"})
                screen.wait(lambda s: ("red" in s.colors) == wanted, "red" if wanted else "no red")
                self.assertTrue(wanted or screen.colors == {"default"}, screen.colors)

    def test_text_of_nodes_cannot_write_to_the_terminal(self):
        self.traced(nodes={"nodes": [{"node_id": ALICE, "name": "\x1b]0;owned\x07", "state": "\x1b[2J", "lost_by": {"\x1b[H": 1}}]})
        screen = self.top(columns=120)
        screen.send("1")
        screen.wait(r"\x1b]0;owned\x07")
        self.assertNotIn(b"owned\x07", screen.raw)

    def test_answers_of_any_shape_are_survived(self):
        for shape in (None, 7, [], {}, {"nodes": 7, "peers": 7}, {"nodes": [7, None, {}], "peers": [{}, {"peer_id": 3}]}):
            with self.subTest(shape=shape):
                answers = {method: shape for method in self.network.answers()}
                with FakeTraced(self.path, answers):
                    screen = self.top("--interval", "100ms")
                    screen.send("2")
                    screen.wait("no peers")
                    screen.send("1", "3", "4", "5", "enter", "q")
                    self.assert_left_well(screen, 0)


class Keys(TopTest):
    def test_sorting_goes_by_column_and_either_way(self):
        self.traced()
        screen = self.top()
        screen.send("1")
        screen.wait("by lost/s v")
        screen.send("<", "<", "<")
        screen.wait(lambda s: "by node ^" in s.text and row_names(s) == ["alice", "bob", "carol"], "names, rising")
        screen.send("s")
        screen.wait(lambda s: "by node v" in s.text and row_names(s) == ["carol", "bob", "alice"], "names, falling")
        screen.send(">")
        screen.wait("by state ^")

    def test_a_filter_works_letter_by_letter_and_goes_away(self):
        self.traced()
        screen = self.top()
        screen.send("1")
        screen.wait("carol")
        screen.send("/", "R")
        screen.wait(lambda s: row_names(s) == ["carol"] and "/R_" in s.lines[-1], "one row")
        screen.send("x")
        screen.wait("no row matches")
        screen.send("backspace", "enter")
        screen.wait(lambda s: "/R: 1 of 3" in s.lines[2] and "q quit" in s.lines[-1], "the filter kept")
        screen.send("escape")
        screen.wait(lambda s: len(row_names(s)) == 3 and "/R" not in s.text, "all rows")

    def test_a_frozen_screen_stays_while_the_network_goes_on(self):
        self.traced()
        screen = self.top("--interval", "100ms")
        screen.send("2")
        screen.wait(lambda s: "[2 peers]" in s.text and "5.0%" in s.text, "a loss")
        screen.send(" ")
        screen.wait("FROZEN since")
        self.network.hidden = {"bob"}
        witness, asked = self.top("--interval", "100ms"), self.network.asked.get("count", 0)
        witness.wait(lambda _: self.network.asked.get("count", 0) >= asked + 10, "ten intervals to pass")
        screen.wait("bob")
        frozen = screen.text
        screen.send("down", "up")  # the rows can be walked; when the cursor is back, the screen was drawn since
        screen.wait(lambda s: s.text == frozen, "the same rows")
        screen.send(" ")
        screen.wait(lambda s: "FROZEN" not in s.text and "bob" not in s.text, "what is there now")

    def test_a_frozen_screen_asks_nothing(self):
        self.traced()
        screen = self.top("--interval", "100ms")
        screen.send("5")
        screen.wait(lambda _: self.network.asked.get("traces", 0) > 3, "three intervals")
        screen.send(" ")
        screen.wait("FROZEN since")
        frozen, asked = self.network.asked["traces"], self.network.asked.get("count", 0)
        witness = self.top("--interval", "100ms")
        witness.wait(lambda _: self.network.asked.get("count", 0) >= asked + 10, "ten intervals to pass")
        self.assertLessEqual(self.network.asked["traces"], frozen + 1)  # one was on its way

    def test_the_cursor_stays_on_its_row_when_others_come_before_it(self):
        self.traced()
        self.network.hidden = {"bob"}
        screen = self.top("--interval", "100ms")
        screen.send("2")
        screen.wait(lambda s: "[2 peers]" in s.text and "carol" in s.text, "the peers")
        screen.send("down")
        screen.wait(lambda s: chosen(s) == "carol", "the second row")
        self.network.hidden = set()
        screen.wait(lambda s: row_names(s) == ["bob", "alice", "carol"] and chosen(s) == "carol", "a worse row before it")
        screen.send("home")
        screen.wait(lambda s: chosen(s) == "bob", "the first row")

    def test_enter_goes_in_and_escape_comes_back(self):
        self.traced()
        screen = self.top()
        screen.send("1")
        screen.wait(lambda s: "alice" in row_names(s), "the nodes")
        screen.send("/", "a", "l", "i", "enter", "enter")
        screen.wait_for_lines({2: "> alice: links", 4: "^>! alice +bob", 5: "^   alice +carol"})
        screen.send("enter")
        screen.wait(lambda s: "> alice to bob: traces" in s.lines[2] and row_names(s) == ["02020202"], "the trace of alice and bob")
        screen.send("enter")
        screen.wait("trace 02020202020202020202020202020202  DataMap GET: ok")
        screen.send("page_down")
        screen.wait_for_lines({3: "packet 14 LOST", 22: "packet 33 LOST"})
        screen.send("escape")
        screen.wait(lambda s: row_names(s) == ["02020202"], "the traces")
        screen.send("backspace")
        screen.wait_for_lines({2: "> alice: links", 4: "^>! alice +bob"})
        screen.send("escape")
        screen.wait(lambda s: "1 of 3" in s.lines[2], "the nodes, as they were")

    def test_a_kind_leads_to_its_newest_events(self):
        self.traced()
        screen = self.top()
        screen.send("4")
        screen.wait("packet_lost")
        screen.send("s", "enter")
        screen.wait(lambda s: "> metrics" in s.lines[2] and "rtt" in s.text, "metrics, the rarest")
        screen.send("escape")
        screen.wait("[4 kinds]")

    def test_a_link_leads_to_its_traces(self):
        self.traced()
        screen = self.top()
        screen.wait("bob")
        screen.send("enter")
        screen.wait(lambda s: "> alice to bob: traces" in s.lines[2] and row_names(s) == ["02020202"], "the trace of both")

    def pausing(self, params):
        """bob sends a part of his answer, and the rest 200 ms later.  In another trace he says that his window had room."""
        def event(i, us, kind, node, peer, **data):
            return {"timestamp": BASE + us, "ns": i, "node_id": node, "peer_id": peer, "trace_id": "03" * 16, "sequence": i, "lane": 0,
                    "kind": kind, "flags": [], "data": data}

        def span(i, us, kind, node, peer, span_id, parent_id=None):
            more = {"parent_id": parent_id} if kind == "app_start" else {"ok": True}
            return event(i, us, kind, node, peer, span_id=span_id, app_id="DMAP", cmd=2, **more)

        def packet(i, us, kind, node, peer, number):
            return event(i, us, kind, node, peer, packet_num=number, size=1200, space="1rtt")
        one, two = "%016x" % 1, "%016x" % 2
        events = [span(0, 0, "app_start", ALICE, BOB, one), packet(1, 0, "packet_sent", ALICE, BOB, 10),
                  packet(0, 300, "packet_received", BOB, ALICE, 10), span(1, 300, "app_start", BOB, ALICE, two, one),
                  span(2, 400, "app_end", BOB, ALICE, two), packet(3, 400, "packet_sent", BOB, ALICE, 20),
                  packet(2, 700, "packet_received", ALICE, BOB, 20), packet(5, 201400, "packet_sent", BOB, ALICE, 21),
                  packet(3, 201700, "packet_received", ALICE, BOB, 21), span(4, 201700, "app_end", ALICE, BOB, one)]
        if "trace_id" not in params:
            self.assertEqual((params["from"], params["to"]), (BASE + 400, BASE + 201401))  # the pause
            self.assertIn(f'(node == "{BOB}" and peer == "{ALICE}" and (metrics or packet_received', params["filter"])
            metrics = event(4, 800, "metrics", BOB, ALICE, rtt=600000, min_rtt=600000, cwnd=14720, in_flight=2400)
            events.insert(7, metrics | {"trace_id": "cc" * 16})
        return {"events": events, "cursor": None, "lost": 0, "gaps": []}

    def test_a_trace_is_shown_with_what_its_nodes_could_do_meanwhile(self):
        self.traced(query=self.pausing)
        screen = self.top(lines=40, columns=120)
        screen.send("5")
        screen.wait("03030303")
        screen.send("enter")
        screen.wait("time went to: bob")

    def test_a_refused_question_is_reported_in_its_place(self):
        self.traced(query=Error(-32001, "no trace has an id that begins so"))
        screen = self.top()
        screen.send("5")
        screen.wait("03030303")
        screen.send("enter")
        screen.wait("no trace has an id that begins so")


class Requests(TopTest):
    """The answer of a traced that knows requests: GETs took 1 to 3 ms; there were half as many STOREs, and one in four failed."""

    def requests(self, params):
        times = [None]
        if params["group_by"] != "command":
            every = int(re.fullmatch("time/([0-9]+)ms", params["group_by"][1])[1]) * 1000
            times = range(params["from"], params["to"], every)
        rows = []
        for time in times:
            for cmd, command, count, failed in ((1, "GET", 8, 0), (2, "STORE", 4, 1)):
                rows.append({"group": {"app_id": "DMAP", "app": "DataMap", "cmd": cmd, "command": command, "time": time}, "count": count,
                             "failed": failed, "expired": 0, "took": {"p99": 3000000}, "histogram": [
                                 {"low": 1000000, "high": 1000000, "count": count - 1}, {"low": 3000000, "high": 3000000, "count": 1}]})
        return {"rows": rows, "groups": len(rows)}

    def test_it_begins_with_requests_and_their_past(self):
        self.traced(requests=self.requests)
        screen = self.top()
        screen.wait_for_lines({2: r"\[0 requests\].*by bad % v", 4: r"^>! DataMap STORE +4\.0 +█{8,} +25\.0% +1\.00 ms +3\.00 ms",
                               5: r"^   DataMap GET +8\.0 +█{8,} +0\.0% +1\.00 ms +3\.00 ms"})
        screen.send("down", "enter")
        screen.wait_for_lines({2: r"\[0 requests\] > DataMap GET: traces"})
        screen.send("escape")
        screen.wait("by bad % v")
        screen.send("\t")
        screen.wait("[1 nodes]")
        screen.send("0")
        screen.wait("[0 requests]")

    def test_a_text_is_searched_and_its_times_stay(self):
        self.traced()
        screen = self.top()
        screen.send("5")
        screen.wait("03030303")
        screen.send("enter")
        screen.wait("packet 0 LOST")
        screen.send("/", *"packet 45 ", "enter")
        screen.wait(lambda s: any("packet 45 LOST" in line for line in s.lines), "the line that was searched for")
        screen.send("right", "right")
        screen.wait(lambda s: any(re.match(r"^ *\+45\.0 us +1\.00 us", line) and "alice" not in line for line in s.lines), "times, and no node")
        screen.send("d")
        screen.wait(lambda s: "since" in s.text and "1 packet" not in s.lines[3], "a diagram")
        screen.send("q")
        self.assert_left_well(screen, 0)

    def test_numbers_of_processes_are_whole(self):
        self.traced(nodes={"nodes": [{"node_id": ALICE, "name": "alice", "pid": 4194301, "state": "live", "emitted": 1, "indexed": 1}]})
        screen = self.top(columns=140)
        screen.send("1")
        screen.wait("4194301")


class Ends(TopTest):
    def test_every_end_leaves_the_terminal_as_it_was(self):
        self.traced()
        for how, status in (("q", 0), ("\x03", -signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)):
            with self.subTest(how=how):
                screen = self.top()
                screen.wait("bob")
                self.assertTrue(screen.terminal.alternate and screen.terminal.cursor.hidden)
                if isinstance(how, str):
                    screen.send(how)
                else:
                    screen.interrupt(how)
                self.assert_left_well(screen, status)

    def test_a_silent_traced_is_reported_and_ctrl_c_works(self):
        silent = FakeTraced(self.path, {})
        silent.answer = lambda *_: True
        with silent:
            screen = self.top()
            screen.wait("waiting for traced")
            screen.wait("traced has not answered for ")
            screen.send("\x03")
            self.assert_left_well(screen, -signal.SIGINT)

    def test_without_a_terminal_it_names_alternatives(self):
        self.traced()
        done = subprocess.run([INSPECTOR, "top"], env=self.env, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("top needs a terminal", done.stderr)

    def test_an_unknown_terminal_is_reported(self):
        self.traced()
        screen = self.top(TERM="nonsense", LSAN_OPTIONS="detect_leaks=0")  # ncurses forgets some memory then
        self.assertEqual(screen.wait_for_end(), 1)
        self.assertIn(b"set TERM", screen.process.stderr.read())


class Live(unittest.TestCase):
    """With a real traced and a real node."""

    def setUp(self):
        self.place = Place()
        self.addCleanup(self.place.close)

    def test_it_waits_for_a_traced_that_went_away_and_continues_with_the_next(self):
        self.place.start()
        node = self.place.node("alice", hex_id(0xa1))
        node.do("packets", 50, hex_id(7, 32), hex_id(0xb2))
        screen = Screen([INSPECTOR, "top", "--interval", "100ms"], self.place.environment | {"LC_ALL": "C.UTF-8", "TERM": TYPE})
        self.addCleanup(screen.__exit__)
        screen.send("2")
        screen.wait("b2b2b2b2")
        self.place.stop(signal.SIGKILL)
        screen.wait("waiting for it to come back")
        self.assertIn("b2b2b2b2", screen.text)
        self.place.start()
        node.do("packets", 50, hex_id(7, 32), hex_id(0xc3))
        screen.wait(lambda s: "waiting" not in s.text and "c3c3c3c3" in s.text, "what the next traced says")
        screen.send("1")
        screen.wait("alice")
        screen.send("\x03")
        self.assertEqual(screen.wait_for_end(), -signal.SIGINT)
        self.assertTrue(screen.modes_are_restored())

    def test_requests_are_counted_as_they_end(self):
        self.place.start()
        node = self.place.node("alice", hex_id(0xa1))
        node.do("app")
        screen = Screen([INSPECTOR, "top", "--interval", "100ms"], self.place.environment | {"LC_ALL": "C.UTF-8", "TERM": TYPE})
        self.addCleanup(screen.__exit__)
        numbers = iter(range(1, 1 << 20))

        def emit_and_look(screen):
            number = next(numbers)
            node.do("start", hex_id(number, 32), number, 0, 2)
            node.do("end", hex_id(number, 32), number, 2, int(number % 2))
            return re.search(r"^>! DataMap GET_CHUNK +[0-9.]+ .* [45][0-9]\.[0-9]% +[0-9.]+ [mun]?s", screen.lines[4])
        screen.send("0")
        screen.wait(emit_and_look, "half of the requests failed")
        screen.send("enter")
        screen.wait(lambda s: "> DataMap GET_CHUNK: traces" in s.lines[2] and len(row_names(s)) > 2, "their traces")
        screen.send("q")
        self.assertEqual(screen.wait_for_end(), 0)

    def test_the_position_in_a_recording_moves(self):
        self.place.start()
        client = self.place.connect()
        node = self.place.node("alice", hex_id(0xa1))
        node.do("app")
        for number in range(1, 9):
            node.do("start", hex_id(number, 32), number, 0, 2)
            node.do("end", hex_id(number, 32), number, 2, 1)
        self.place.settle(client, 16)
        first = client.call("stats")["history"]["first"]["timestamp"]
        file = str(pathlib.Path(self.place.directory) / "saved.p2rec")
        done = subprocess.run([INSPECTOR, "record", "-o", file, "--from", str(first), "--count", "16"], env=self.place.environment,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        screen = Screen([INSPECTOR, "top", "--read", file], self.place.environment | {"LC_ALL": "C.UTF-8", "TERM": TYPE})
        self.addCleanup(screen.__exit__)
        screen.wait_for_lines({0: r"  average: lost 0/s  [0-9.]*[1-9][0-9.]*[kM]? events/s  every 1 s$", 1: r"^at .*, the end of ",
                               2: r"\[0 requests\]", 4: r"^>  DataMap GET_CHUNK +[0-9.]+ "})
        screen.send("(")
        screen.wait_for_lines({1: r"^at .* before the end of "})
        screen.wait(lambda s: "no requests have ended just now" in s.text or "GET_CHUNK" in s.text, "an answer")
        screen.send("1")
        screen.wait_for_lines({0: r"  overall: lost ", 2: r"\[1 nodes\]", 4: r"^>  alice +live +"})
        screen.send(")")
        screen.wait_for_lines({1: r", the end of "})
        screen.send("q")
        self.assertEqual(screen.wait_for_end(), 0)

    def test_a_trace_is_found_from_its_node(self):
        self.place.start()
        node = self.place.node("alice", hex_id(0xa1))
        screen = Screen([INSPECTOR, "top", "--interval", "100ms"], self.place.environment | {"LC_ALL": "C.UTF-8", "TERM": TYPE})
        self.addCleanup(screen.__exit__)

        def wait_busily(patterns):  # links and kinds are what was counted just now
            def emit_and_look(screen):
                node.do("packets", 5, hex_id(7, 32), hex_id(0xb2))
                return all(re.search(pattern, screen.lines[number]) for number, pattern in patterns.items())
            screen.wait(emit_and_look, repr(patterns))

        screen.send("1")
        screen.wait("alice")
        screen.send("enter")
        wait_busily({2: "> alice: links", 4: r"^>  alice +b2b2b2b2 +0\.0%"})
        screen.send("enter")
        screen.wait_for_lines({2: "> alice to b2b2b2b2: traces", 4: "^>  07070707"})
        screen.send("enter")
        screen.wait(" packets sent")
        screen.send("4")
        wait_busily({2: r"\[4 kinds\]", 4: r"^>  packet_sent .* 100% +[0-9.]+k?$"})
        screen.send("enter")
        screen.wait_for_lines({2: r"\[4 kinds\] > packet_sent", 5: "packet_sent +packet [0-9]"})
        screen.send("q")
        self.assertEqual(screen.wait_for_end(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
