#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Recordings of several machines: their times are shown on one clock, the clocks are described, and no effect comes before
its cause.

Worlds: events as JSON, whose true times are known to the nanosecond.  Machines: two traced, one of which has another clock
(tests/helpers/shifted_clock.c), with nodes that talk to each other.

    test_clocks.py SHIFTED_CLOCK UDP_PING"""
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import Traced, wait_for  # noqa: E402
from nodes import PATIENCE_S  # noqa: E402

SHIFTED_CLOCK, UDP_PING = (pathlib.Path(arg).resolve() if arg else None for arg in sys.argv[1:3])
INSPECTOR, TRACED = os.environ["INSPECTOR"], os.environ["TRACED"]
PINGS = 700
BEGIN_NS = 1_790_000_000_000_000_000
SECOND, HOUR = 1_000_000_000, 3_600_000_000_000
HEX = {name: f"{i + 1:02x}" * 32 for i, name in enumerate(("alice", "bob", "carol", "dave", "erin"))}


def inspect(*args):
    done = subprocess.run([INSPECTOR, *map(str, args)], capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, LC_ALL="C.UTF-8"))
    assert (done.returncode, done.stderr) == (0, ""), (args, done.returncode, done.stderr[:1000])
    return done.stdout


def answers(*source):
    """What the indices answer, and what events answer."""
    questions = (["traces", "--limit", 5000], ["traces", "--order", "oldest", "--limit", 50], ["traces", "--order", "slowest", "--limit", 50],
                 ["traces", "--limit", 3], ["peers"], ["count", "--by", "kind,node"], ["count", "--by", "time/1s"],
                 ["range", "0", "now", "--limit", 100000], ["recent", 50], ["recent", 20, "--kind", "packet_lost"],
                 ["sql", "SELECT node, kind, count(*), min(time), max(time) FROM events GROUP BY node, kind ORDER BY node, kind"])
    said = []
    for question in questions:
        for line in inspect(*question, "--json", *source).splitlines():
            said.append((question[0], plain(line)))
    middle = sorted(ns_of(row) for what, row in said if what == "range")[len(said) // 7] // 1000
    for question in (["count", "--to", middle], ["count", "--from", middle], ["traces", "--from", middle, "--limit", 5000],
                     ["recent", 30, "--to", middle]):
        for line in inspect(*question, "--json", *source).splitlines():
            said.append((question[0], plain(line)))
    return sorted(json.dumps(row, sort_keys=True) for row in said)


def differ(one, other):
    """The first rows that differ; a complete diff would take minutes."""
    return [pair for pair in itertools.zip_longest(one, other) if pair[0] != pair[1]][:3]


def plain(line):
    """A row without what depends on how a recording was made: node numbers determine the order of lists, and of simultaneous events."""
    row = json.loads(line)
    row.pop("clock_lead", None)
    if "nodes" in row:
        row["nodes"].sort()
    return row


def ns_of(event):
    return event["timestamp"] * 1000 + event["ns"]


class World:
    """Nodes, each on its own machine unless stated otherwise, and their events.  Clocks are functions of true time."""

    def __init__(self, clocks, machines=None):
        self.clocks = clocks
        self.machines = machines or {name: "host-" + name for name in clocks}
        self.events = {name: [] for name in clocks}
        self.who = {name: [] for name in clocks}  # what they said before the recording began
        self.chance = random.Random(7)
        self.numbers = {}

    def say(self, name, at, kind, peer=None, trace=None, **data):
        time_ns = BEGIN_NS + at + self.clocks[name](at)
        self.events[name].append((at, {
            "timestamp": time_ns // 1000, "ns": time_ns % 1000, "node_id": HEX[name], "peer_id": HEX[peer] if peer else None,
            "trace_id": trace or "0" * 31 + "1", "sequence": 0, "lane": 0, "kind": kind, "flags": ["sampled"], "data": data}))

    def tell(self, name, at, peer, alias):
        time_ns = BEGIN_NS + at + self.clocks[name](at)
        self.who[name].append({"id": HEX[alias], "address": None, "transport": None, "label": "", "by": HEX[name], "own": False,
                               "disputed": False, "peer_id": HEX[peer], "log": HEX[name][:16],
                               "since": {"timestamp": time_ns // 1000, "ns": time_ns % 1000}})

    def packet(self, sender, receiver, at, trace=None, delay=None):
        """Returns when it arrived."""
        number = self.numbers[sender, receiver] = self.numbers.get((sender, receiver), -1) + 1
        delay = delay or 100_000 + int(self.chance.expovariate(1 / 200_000))
        data = {"packet_num": number, "size": 1200, "space": "1rtt"}
        self.say(sender, at, "packet_sent", receiver, trace, **data)
        self.say(receiver, at + delay, "packet_received", sender, trace, **data)
        return at + delay

    def talk(self, a, b, count=400, length=100 * SECOND, both=True):
        for i in range(count):
            at = i * length // count
            self.packet(a, b, at)
            if both:
                self.packet(b, a, at + length // count // 2)

    def request(self, names, at, trace):
        """A request along a chain of nodes and back: each asks the next."""
        def ask(index, at, parent):
            name, span = names[index], f"{index + 1:016x}"
            self.say(name, at, "app_start", None, trace, span_id=span, parent_id=parent, app_id="TEST", cmd=1)
            at += 50_000
            if index + 1 < len(names):
                came = self.packet(name, names[index + 1], at, trace)
                done = ask(index + 1, came + 10_000, span)
                at = self.packet(names[index + 1], name, done + 10_000, trace) + 20_000
            self.say(name, at, "app_end", None, trace, span_id=span, app_id="TEST", cmd=1, ok=True)
            return at
        ask(0, at, "0" * 16)

    def write(self, directory):
        """A file for each machine, and all of them as arguments."""
        arguments = []
        for machine in sorted(set(self.machines.values())):
            path = pathlib.Path(directory) / f"{machine}.ndjson"
            with open(path, "w", encoding="utf-8") as file:
                for name, events in self.events.items():
                    if self.machines[name] != machine:
                        continue
                    row = {"node_id": HEX[name], "log": HEX[name][:16], "name": name, "host": machine,
                           "machine": f"{sum(machine.encode()):032x}", "pid": 1, "state": "exited", "lane_events": None, "apps": []}
                    for line in [row, *self.who[name]]:
                        print(json.dumps(line), file=file)
                    for sequence, (_, event) in enumerate(sorted(events, key=lambda pair: pair[0])):
                        print(json.dumps(event | {"sequence": sequence, "log": HEX[name][:16]}), file=file)
            arguments += ["--read", path]
        return arguments


def steady(offset=0, ppm=0.0):
    return lambda at: offset + int(at * ppm / 1e6)


def stepped(at_ns, by_ns, offset=0, ppm=0.0):
    return lambda at: offset + int(at * ppm / 1e6) + (by_ns if at >= at_ns else 0)


class Worlds(unittest.TestCase):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory())

    def read(self, world):
        self.arguments = world.write(self.directory)
        events = [json.loads(line) for line in inspect("range", "0", "now", "--json", "--limit", 1000000, *self.arguments).splitlines()]
        self.assertEqual(len(events), sum(map(len, world.events.values())))
        return events

    def check_times(self, world, events, names, near=()):
        """Each event is shown at its true time, on one clock, within the stated error; `near` a step nothing is promised."""
        truth = {(name, ns): at for name in names for at, event in world.events[name] for ns in [ns_of(event)]}
        shown, widest = [], 0
        for event in events:
            name = next(name for name, digits in HEX.items() if digits == event["node_id"])
            lead = event["clock_lead"]
            if name not in names or lead["lead"] is None:
                continue
            raw = min(((name, ns_of(event) + lead["lead"] + off) for off in (0, 1, -1)), key=lambda key: key not in truth)
            if raw not in truth:
                self.fail(f"{event}: {raw} is no time of its own")
            at = truth[raw]
            if any(abs(at - step) < SECOND for step in near):
                continue
            shown.append((at, ns_of(event), lead["error"]))
            widest = max(widest, lead["error"])
        self.assertTrue(shown)
        zero = sorted(time_ns - BEGIN_NS - at for at, time_ns, error in shown if error == 0)  # of the reference: the time of its own clock
        reference = self.reference(world, events)
        for at, time_ns, error in shown:
            self.assertLessEqual(abs(time_ns - BEGIN_NS - at - world.clocks[reference](at)), error + 1, (at, error))
        self.assertTrue(zero)
        return widest

    def reference(self, world, events):
        host = next(e["clock_lead"]["reference"] for e in events if e["clock_lead"]["reference"])
        return next(name for name, machine in world.machines.items() if machine == host)

    def check_causes(self, events, names):
        ends = {}
        for event in events:
            key = (event["data"].get("packet_num"), *((event["node_id"], event["peer_id"]) if event["kind"] == "packet_sent"
                                                      else (event["peer_id"], event["node_id"])))
            if event["kind"].startswith("packet_") and {key[1], key[2]} <= {HEX[name] for name in names}:
                ends.setdefault((event["trace_id"], *key), {})[event["kind"]] = ns_of(event)
        both = [end for end in ends.values() if len(end) == 2]
        self.assertTrue(both)
        self.assertEqual([end for end in both if end["packet_received"] < end["packet_sent"]], [])

    def test_an_offset_of_hours_and_a_drift(self):
        world = World({"alice": steady(), "bob": steady(5 * HOUR + 3_200_000, 100)})
        world.talk("alice", "bob")
        world.request(["alice", "bob"], 50 * SECOND, "ab" * 16)
        events = self.read(world)
        self.assertLess(self.check_times(world, events, ["alice", "bob"]), 400_000)
        self.check_causes(events, ["alice", "bob"])
        self.assertEqual([ns_of(e) for e in events], sorted(ns_of(e) for e in events))
        said = inspect("trace", "ab", *self.arguments)
        self.assertIn("bob's clock (on host-bob) is 5h00m ahead of host-alice's, ± ", said)
        self.assertNotIn("!", said)
        traces = json.loads(inspect("traces", "--json", "--kind", "request", *self.arguments))
        self.assertLess(traces["duration"], 10_000_000)  # of the complete request, over both machines

    def test_all_views_have_the_same_times(self):
        world = World({"alice": steady(), "bob": steady(-7_300_000, -40)})
        world.talk("alice", "bob")
        world.request(["alice", "bob"], 50 * SECOND, "ab" * 16)
        events = self.read(world)
        mine = {(e["node_id"], e["sequence"]): ns_of(e) for e in events if e["trace_id"] == "ab" * 16}
        trace = [json.loads(line) for line in inspect("trace", "ab", "--json", *self.arguments).splitlines()]
        self.assertEqual({(e["node_id"], e["sequence"]): ns_of(e) for e in trace}, mine)
        arrows = [json.loads(line) for line in inspect("trace", "ab", "--graph", "--json", *self.arguments).splitlines()]
        for arrow in arrows:
            for end in filter(None, (arrow["send"], arrow["receive"])):
                self.assertEqual(ns_of(end), mine[end["node_id"], end["sequence"]])
            if arrow["send"] and arrow["receive"]:
                self.assertEqual(arrow["gap"], ns_of(arrow["receive"]) - ns_of(arrow["send"]))
                self.assertGreaterEqual(arrow["gap"], 0)
                self.assertFalse(arrow["disorder"])
        rows = json.loads(inspect("sql", "--json", "SELECT min(time) AS least, max(time) AS most, count(*) AS n FROM events", *self.arguments))
        self.assertEqual(rows["n"], len(events))
        counted = json.loads(inspect("count", "--json", "--by", "node", *self.arguments))["rows"]
        self.assertEqual(sum(row["count"] for row in counted), len(events))
        self.assertRegex(inspect("analyze", *self.arguments), r"bob's clock \(on host-bob\) is 7\.[23]\d ms behind host-alice's, ± \d+ us: "
                         r"its times are corrected; at the end it was 11\.3 ms behind")
        self.assertIn("bob's clock (on host-bob) is 9.30 ms behind host-alice's, ± ", inspect("trace", "ab", "--graph", *self.arguments))

    def test_raw_times(self):
        world = World({"alice": steady(), "bob": steady(HOUR, 20)})
        world.talk("alice", "bob")
        self.read(world)
        raw = [json.loads(line) for line in inspect("range", "0", "now", "--json", "--limit", 100000, "--no-clock-correction",
                                                    *self.arguments).splitlines()]
        self.assertEqual(sorted(ns_of(e) for e in raw), sorted(ns_of(e) for events in world.events.values() for _, e in events))
        self.assertFalse(any("clock_lead" in e for e in raw))

    def test_nodes_of_one_machine_share_a_clock(self):
        machines = {"alice": "hill", "bob": "hill", "carol": "vale"}
        clock = steady(40 * SECOND, 30)
        world = World({"alice": clock, "bob": clock, "carol": steady()}, machines)
        world.talk("alice", "carol")
        world.talk("alice", "bob")
        events = self.read(world)
        leads = {e["node_id"]: e["clock_lead"]["lead"] for e in events if abs(ns_of(e) - ns_of(events[400])) < SECOND}
        self.assertEqual(leads[HEX["alice"]], leads[HEX["bob"]])
        self.check_times(world, events, ["alice", "bob", "carol"])

    def test_one_machine_is_left_alone(self):
        world = World({"alice": steady(), "bob": steady(HOUR)}, {"alice": "hill", "bob": "hill"})
        world.talk("alice", "bob")
        self.assertFalse(any("clock_lead" in e for e in self.read(world)))

    def test_a_step_midway(self):
        for by in (-30 * 60 * SECOND, -200_000_000, 3 * SECOND, 2 * HOUR):
            with self.subTest(by=by):
                world = World({"alice": steady(), "bob": stepped(41 * SECOND, by, 12_000_000, 60)})
                world.talk("alice", "bob", count=2000)
                events = self.read(world)
                self.check_causes(events, ["alice", "bob"])
                if by > 0:  # a JSON file is ordered by its own times: after a backward step the original order is unknown
                    self.check_times(world, events, ["alice", "bob"], near=[41 * SECOND])
                row = [json.loads(line) for line in inspect("nodes", "--json", *self.arguments).splitlines()][1]
                self.assertEqual((row["name"], row["clock_lead"]["steps"]), ("bob", 1))

    def test_a_chain_of_three(self):
        """alice and carol never talk."""
        world = World({"alice": steady(3 * SECOND, 50), "bob": steady(), "carol": steady(-2 * HOUR, -80)})
        world.talk("alice", "bob")
        world.talk("bob", "carol")
        world.request(["alice", "bob", "carol"], 60 * SECOND, "ab" * 16)
        events = self.read(world)
        self.check_times(world, events, ["alice", "bob", "carol"])
        self.check_causes(events, ["alice", "bob", "carol"])
        said = inspect("trace", "ab", *self.arguments)
        self.assertIn("alice's clock (on host-alice) is 3.0", said)
        self.assertIn("carol's clock (on host-carol) is 2h00m behind host-bob's, ± ", said)
        self.assertNotIn("!", said)

    def test_one_direction_gives_bounds_and_no_correction(self):
        world = World({"alice": steady(), "bob": steady(HOUR)})
        world.talk("alice", "bob", both=False)
        world.say("alice", 1, "app_start", None, "ab" * 16, span_id="1" * 16, parent_id="0" * 16, app_id="TEST", cmd=1)
        world.packet("alice", "bob", 1000, "ab" * 16)
        world.say("alice", 10_000_000, "app_end", None, "ab" * 16, span_id="1" * 16, app_id="TEST", cmd=1, ok=True)
        events = self.read(world)
        for event in events:
            lead = event["clock_lead"]
            self.assertEqual((lead["lead"], lead["error"]), (None, None))
        bob = next(e["clock_lead"] for e in events if e["node_id"] == HEX["bob"])
        self.assertEqual((bob["beside"], bob["at_least"]), ("host-alice", None))
        self.assertTrue(HOUR + 100_000 <= bob["at_most"] < HOUR + 150_000, bob)
        said = inspect("trace", "ab", *self.arguments)
        self.assertIn("! bob's clock (on host-bob) is not known, and its times are not corrected: packets were seen in one direction only; "
                      "it is at most 1h00m ahead of host-alice's", said)
        self.assertIn("it is at most 1h00m behind host-bob's", said)
        arrows = [json.loads(line) for line in inspect("trace", "ab", "--graph", "--json", *self.arguments).splitlines()]
        self.assertEqual([(a["state"], a["gap"], a["disorder"]) for a in arrows], [("matched", None, False)])
        self.assertNotIn("late", inspect("analyze", *self.arguments))

    def test_behind_and_unknown_is_neither_lost_nor_silent(self):
        world = World({"alice": steady(), "bob": steady(-2 * HOUR)})
        world.talk("alice", "bob", both=False)
        self.read(world)
        said = inspect("analyze", *self.arguments)
        self.assertIn("nothing found", said)
        self.assertIn("! bob's clock (on host-bob) is not known", said)
        self.assertIn("it is at least 2h00m behind host-alice's", said)
        self.assertIn("it is at least 2h00m ahead of host-bob's", said)

    def test_machines_that_never_communicate_are_reported(self):
        world = World({"alice": steady(), "bob": steady(HOUR), "carol": steady(2 * HOUR), "dave": steady(9 * HOUR)})
        world.talk("alice", "bob", count=600)
        world.talk("carol", "dave")
        events = self.read(world)
        self.check_causes(events, ["alice", "bob"])
        self.check_causes(events, ["carol", "dave"])
        said = inspect("analyze", *self.arguments)
        self.assertIn("! carol's clock (on host-carol) is not known", said)
        self.assertIn("dave's clock (on host-dave) is 7h00m ahead of host-carol's", said)
        self.assertIn("nothing found", said)

    def test_who_is_who_holds_from_the_same_moment(self):
        """bob, whose clock is corrected, knew alice by an id that he later knew carol by."""
        world = World({"alice": steady(), "bob": steady(HOUR), "carol": steady()})
        world.talk("alice", "bob")
        world.talk("alice", "carol")
        for at, peer in ((10 * SECOND, "alice"), (60 * SECOND, "carol")):
            world.tell("bob", at, peer, "erin")
            world.say("bob", at + 20 * SECOND, "packet_lost", "erin", packet_num=1, size=1200, space="1rtt")
        events = self.read(world)
        self.assertEqual([e["clock_lead"]["reference"] for e in events if e["node_id"] == HEX["bob"]][:1], ["host-alice"])
        self.assertEqual([e["peer_id"] for e in events if e["kind"] == "packet_lost"], [HEX["alice"], HEX["carol"]])
        path = pathlib.Path(self.directory) / "one.p2rec"
        inspect("record", "-o", path, "--kind", "packet_lost", *self.arguments)
        again = [json.loads(line) for line in inspect("range", "0", "now", "--json", "--read", path).splitlines()]
        self.assertEqual([e["peer_id"] for e in again], [HEX["alice"], HEX["carol"]])

    def test_corrected_times_can_be_recorded_and_read_again(self):
        world = World({"alice": steady(), "bob": steady(HOUR, 100), "carol": stepped(30 * SECOND, 5 * SECOND)})
        world.talk("alice", "bob", count=900)
        world.talk("alice", "carol", count=900)
        world.request(["alice", "bob"], 50 * SECOND, "ab" * 16)
        before = self.read(world)
        path = pathlib.Path(self.directory) / "one.p2rec"
        inspect("record", "-o", path, *self.arguments)
        after = [json.loads(line) for line in inspect("range", "0", "now", "--json", "--limit", 100000, "--read", path).splitlines()]
        self.assertEqual(len(after), len(before))
        self.check_causes(after, ["alice", "bob", "carol"])
        known = {(e["node_id"], e["sequence"]): ns_of(e) for e in before}
        for event in after:
            self.assertLess(abs(ns_of(event) - known[event["node_id"], event["sequence"]]), 1_000_000)
        # The own times of the new recording are the times that the old ones show: its indices and corrected indices agree.
        self.assertEqual(differ(answers(*self.arguments), answers("--read", path, "--no-clock-correction")), [])


@unittest.skipUnless(SHIFTED_CLOCK, "sanitized programs do not allow a library to be loaded before them")
class Machines(unittest.TestCase):
    """Two traced, the second with another clock: as if its machine were another one."""

    SHIFT_NS, PPM, STEP_NS = -2 * HOUR - 3_200_000, 100, 40 * SECOND

    @classmethod
    def setUpClass(cls):
        directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(dir=os.environ["P2PTRACE_SHM_DIR"])))
        cls.step_file = directory / "stepped"
        cls.begin_ns, cls.begin_unix_ns = time.monotonic_ns(), time.time_ns()
        other = {"LD_PRELOAD": str(SHIFTED_CLOCK), "SHIFT_NS": str(cls.SHIFT_NS), "SHIFT_PPM": str(cls.PPM),
                 "SHIFT_STEP_NS": str(cls.STEP_NS), "SHIFT_STEP_FILE": str(cls.step_file), "SHIFT_BEGIN_NS": str(cls.begin_ns)}
        cls.traced, cls.recordings = [], []
        for name, environment in (("hill", {}), ("vale", other)):
            (directory / name).mkdir()
            cls.recordings += ["--read", directory / (name + ".rec")]
            with_clock = dict(os.environ, P2PTRACE_MACHINE=name, **environment)
            cls.traced.append(Traced(TRACED, directory / name, ["--history", "64MiB", "--record", str(directory / (name + ".rec"))],
                                     env=with_clock))
            cls.addClassCleanup(cls.traced[-1].end)
        cls.talk()
        for traced in cls.traced:
            traced.end()

    @classmethod
    def talk(cls):
        """bob and alice on different machines; between two exchanges bob's clock is stepped."""
        hill, vale = (dict(os.environ, P2PTRACE_SHM_DIR=str(traced.shm_dir)) for traced in cls.traced)
        with subprocess.Popen([UDP_PING, "bob", "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=vale) as bob:
            port = bob.stdout.readline().split()[1]
            for stepped_now in (False, True):
                if stepped_now: # earlier events keep the earlier time
                    wait_for(lambda: any(node["indexed"] == 2 * PINGS for node in cls.traced[1].ask("nodes")["nodes"]), "bob's events")
                    steps = cls.traced[1].ask("stats")["clock"]["steps"]
                    cls.step_file.touch()
                    wait_for(lambda: cls.traced[1].ask("stats")["clock"]["steps"] > steps, "a step")
                subprocess.run([UDP_PING, "alice", port, str(PINGS)], env=hill, check=True, capture_output=True, timeout=PATIENCE_S)
            bob.stdin.close()
            bob.wait(PATIENCE_S)
        for traced, logs in zip(cls.traced, (2, 1)):
            wait_for(lambda: len(traced.ask("nodes")["nodes"]) == logs, "all logs")
            traced.wait_drained([node["node_id"] for node in traced.ask("nodes")["nodes"]])

    def test_the_estimated_lead_is_the_real_one(self):
        events = [json.loads(line) for line in inspect("range", "0", "now", "--json", "--limit", 1000000, *self.recordings).splitlines()]
        self.assertGreaterEqual(len(events), 2 * PINGS * 6)
        apart = []
        for event in events:
            lead = event["clock_lead"]
            if lead["host"] != "vale":
                self.assertEqual((lead["lead"], lead["error"]), (0, 0))
                continue
            self.assertIsNotNone(lead["lead"])
            expected = self.SHIFT_NS + (ns_of(event) - self.begin_unix_ns) * self.PPM // 1_000_000
            off = lead["lead"] - expected
            self.assertLess(min(abs(off), abs(off - self.STEP_NS)), 100_000)
            apart.append(off > self.STEP_NS // 2)
        self.assertIn(True, apart)
        self.assertIn(False, apart)

    def test_no_answer_comes_before_its_question(self):
        rows = inspect("traces", "--json", "--limit", 2 * PINGS, *self.recordings).splitlines()
        self.assertEqual(len(rows), 2 * PINGS)
        for row in map(json.loads, rows):
            self.assertEqual(row["duration"], row["took"])  # the root contains everything, including the other machine's part
        trace = json.loads(rows[0])["trace_id"]
        said = inspect("trace", trace, "--graph", *self.recordings)
        self.assertRegex(said, r"bob's clock \(on vale\) is 1h59m behind hill's, ± [0-9.]+ us: its times are corrected")
        self.assertNotIn("!", said)

    def test_indices_are_corrected_as_events_are(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "one.p2rec"
            inspect("record", "-o", path, *self.recordings)
            self.assertEqual(differ(answers(*self.recordings), answers("--read", path, "--no-clock-correction")), [])

    def test_the_machines_are_reported(self):
        rows = [json.loads(line) for line in inspect("nodes", "--json", *self.recordings).splitlines()]
        self.assertEqual({(row["name"], row["host"]) for row in rows}, {("alice", "hill"), ("bob", "vale")})
        self.assertEqual(len({row["machine"] for row in rows}), 2)
        bob = next(row["clock_lead"] for row in rows if row["name"] == "bob")
        self.assertEqual((bob["reference"], bob["steps"]), ("hill", 1))
        alone = [json.loads(line) for line in inspect("nodes", "--json", *self.recordings[:2]).splitlines()]
        self.assertFalse(any("clock_lead" in row for row in alone))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
