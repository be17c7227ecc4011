# SPDX-License-Identifier: MIT
"""`inspector analyze` on five real nodes in a row: with a lossy link, with a slow node, and with neither.

It must name the culprit, and nothing else as severe; and its statements must agree with the events that traced has.

usage: test_analyze.py TRACED INSPECTOR QUIC_NODE SOURCE_ROOT"""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import unittest

from daemon import wait_for
from network import NAMES, ROUNDS, Net, holds, steadily
from nodes import PATIENCE_S

ROOT = None
THINK_MS = 60


class Verdicts(unittest.TestCase):
    """Verdicts about real networks; tests/inspector/scenes has exact tests, with given times."""

    @classmethod
    def setUpClass(cls):
        cls.begin()

    @classmethod
    def begin(cls):
        """Creates cls.net, and the events in it."""

    def steadily(self, check):
        def again():
            self.begin()
            return self.net
        return steadily(self.net, again, lambda _: check())


class ALinkThatLoses(Verdicts):
    @classmethod
    def begin(cls):
        cls.net = Net(cls, lambda name, before: ["--drop", "6", "--drop-to", before] if name == "carol" else [])
        cls.traces = cls.net.use()
        cls.net.settle()

    def test_the_link_is_named_and_nothing_else_is_severe(self):
        def check():
            severe = self.net.severe()
            self.assertIn(("lossy_link", "carol", "bob"), severe)
            # It may also report the cost for requests, about the same two nodes.
            self.assertEqual([found for found in severe if set(found[1:]) != {"bob", "carol"}], [], severe)
        self.steadily(check)

    def test_the_counts_agree_with_the_history(self):
        [finding] = [finding for finding in self.net.findings() if finding["finding"] == "lossy_link"]
        carol, bob = finding["node_id"], finding["peer_id"]
        sent, received = ({(event["trace_id"], event["data"]["packet_num"]) for event in
                           self.net.traced.query(node_id=node, peer_id=peer, kind=kind) if event["data"]["space"] == "1rtt"}
                          for node, peer, kind in ((carol, bob, "packet_sent"), (bob, carol, "packet_received")))
        self.assertLessEqual(finding["count"], len(sent - received))
        self.assertGreaterEqual(finding["count"], 5)
        self.assertAlmostEqual(finding["rate"], finding["count"] / finding["of"])
        holds(self, self.net, finding)

    def test_it_is_reported_only_for_the_node_and_the_peer(self):
        self.assertIn("lossy_link", [finding["finding"] for finding in self.net.findings("node", "carol")])
        self.assertIn("lossy_link", [finding["finding"] for finding in self.net.findings("peer", "bob")])
        self.steadily(lambda: self.assertEqual(self.net.severe("node", "erin") + self.net.severe("peer", "erin"), []))

    def test_a_graph_shows_the_losses_and_what_was_sent_again(self):
        lost = again = 0
        for trace in self.traces:
            messages = [json.loads(line) for line in self.net.run("trace", trace, "--graph", "--json").splitlines()]
            for message in (message for message in messages if message["message"] == "packet"):
                again += message["repeats"] is not None
                lost += message["state"] == "lost"
                if message["state"] == "lost":
                    self.assertEqual((self.net.ids[message["from"]], self.net.ids[message["to"]]), ("carol", "bob"))
                if message["state"] == "matched":
                    self.assertEqual(message["send"]["data"], message["receive"]["data"])
                    self.assertEqual((message["send"]["node_id"], message["receive"]["node_id"]), (message["from"], message["to"]))
                    self.assertEqual((message["send"]["peer_id"], message["receive"]["peer_id"]), (message["to"], message["from"]))
        self.assertGreater(lost, 0)
        self.assertGreater(again, 0)

    def test_a_graph_for_people_has_all_nodes_and_no_more_than_ascii_where_asked(self):
        shown = self.net.run("trace", self.traces[0], "--graph")
        title = next(line for line in shown.splitlines() if line.lstrip().startswith("since"))
        self.assertEqual(sorted(title.split()[2:-1]), NAMES)
        self.assertIn("►", shown)
        done = subprocess.run([self.net.inspector, "trace", self.traces[0], "--graph", "--socket", str(self.net.traced.socket_path)],
                              capture_output=True, timeout=PATIENCE_S, check=True, env=dict(os.environ, LC_ALL="C"))
        self.assertTrue(done.stdout.isascii())
        self.assertIn(b"->", done.stdout)

    def test_a_graph_fits_the_terminal_and_reports_what_does_not(self):
        for columns, left_out in ((100, None), (80, None), (40, "no column for 3 of 5 nodes")):
            with self.subTest(columns=columns):
                shown = self.net.run_in_terminal(columns, "trace", self.traces[0], "--graph")
                self.assertLessEqual(max(len(line) for line in shown.splitlines()), columns)
                self.assertNotIn("\x1b", shown)
                self.assertIn("►", shown)
                self.assertEqual(left_out is None, "no column for" not in shown, shown)
                self.assertIn((left_out or "packets: ")[:columns], shown)

    def test_a_limit_is_reported(self):
        self.assertIn("older events of this period were not read", self.net.run("analyze", "--limit", "100"))
        self.assertNotIn("older events of this period were not read", self.net.run("analyze"))

    def test_unknown_nodes_and_traces_are_refused(self):
        self.assertIn("usage: inspector analyze", self.net.run("analyze", "nonsense", code=2))
        self.assertIn("inspector:", self.net.run("analyze", "node", "nobody", code=1))
        self.assertIn("inspector:", self.net.run("analyze", "trace", "0123456789abcdef", code=1))


class ANodeThatIsSlow(Verdicts):
    @classmethod
    def begin(cls):
        cls.net = Net(cls, lambda name, before: ["--think", str(THINK_MS)] if name == "dave" else [])
        cls.traces = cls.net.use(5)
        cls.net.settle()

    def test_the_node_is_named_and_nothing_else_is_severe(self):
        self.steadily(lambda: self.assertEqual(set(self.net.severe()), {("slow_node", "dave", None)}))

    def test_its_duration_is_the_configured_wait(self):
        for finding in self.net.findings():
            if finding["finding"] != "slow_node" or self.net.ids[finding["node_id"]] != "dave":
                continue
            self.assertGreaterEqual(finding["duration"], THINK_MS * 1000000)
            holds(self, self.net, finding)

    def test_it_is_reported_for_a_single_trace_too(self):
        self.steadily(lambda: self.assertIn(("slow_node", "dave", None), self.net.severe("trace", self.traces[0][:12])))

    def test_of_a_period_with_a_part_of_a_request_it_says_where_the_rest_is(self):
        times = [event["timestamp"] for event in self.net.traced.query(trace_id=self.traces[0], kind=["app_start", "app_end"])]
        began, ended = min(times), max(times)
        part = ("--since", str(began + 1), "--until", str(ended))
        shown = self.net.run("analyze", *part)
        found = re.search(r"! 1 request was under way and is cut off: `inspector (.*)` has it whole", shown)
        self.assertTrue(found, shown)
        self.assertIn("(0 complete requests, 1 cut off)", shown)
        self.assertRegex(found[1], r"^analyze --since '20.* --until '20.* --socket ")
        whole = self.net.run(*shlex.split(found[1]))
        self.assertIn("(1 complete request)", whole)
        self.assertNotIn("cut off", whole)
        self.assertNotIn("cut off", self.net.run("analyze"))
        quiet = subprocess.run([self.net.inspector, "analyze", "--json", "--summary", "--exit-code", *part, "--limit", "3", "--socket",
                                str(self.net.traced.socket_path)], text=True, capture_output=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(quiet.returncode, 5, quiet.stderr)
        self.assertIn("1 request was under way and is cut off", quiet.stderr)
        self.assertEqual(json.loads(quiet.stdout.splitlines()[-1])["requests_cut"], 1)


class NoFault(Verdicts):
    @classmethod
    def begin(cls):
        cls.net = Net(cls)
        cls.net.use()
        cls.net.settle()

    def test_nothing_is_severe(self):
        self.steadily(lambda: self.assertEqual(self.net.severe(), []))

    def test_the_examined_amounts_are_reported(self):
        shown = self.net.run("analyze")
        self.assertRegex(shown, r"looked at: loss on 8 links \(8 had enough packets to judge\)")
        self.assertRegex(shown, rf"{2 * 2 * ROUNDS * 5} parts of requests \({2 * 2 * ROUNDS} complete requests\)")
        self.assertNotIn("looked at", self.net.run("analyze", "--no-header"))


class ANodeThatIsKilled(Verdicts):
    @classmethod
    def begin(cls):
        cls.net = Net(cls)
        cls.net.use(3)
        cls.net.nodes[-1].end(signal.SIGKILL)
        wait_for(lambda: any(node["state"] == "crashed" for node in cls.net.traced.ask("nodes")["nodes"]), "erin to be missed")

    def test_it_is_named_and_nothing_else_is_severe(self):
        self.steadily(lambda: self.assertEqual(self.net.severe(), [("node_crashed", "erin", None)]))


class ANodeThatStandsStill(unittest.TestCase):
    """dave is stopped while a request waits for him."""

    @classmethod
    def setUpClass(cls):
        cls.net = Net(cls)
        cls.dave = cls.net.nodes[3]
        cls.net.use(3)
        cls.net.settle()
        before = cls.net.traced.query(peer_id=cls.dave.id, kind="packet_sent")[-1]["timestamp"]
        cls.dave.process.send_signal(signal.SIGSTOP)
        cls.net.nodes[0].send("get " + "5a" * 32)

        def probed():  # this often means that more than a second must have passed
            sent = [event["timestamp"] for event in cls.net.traced.query(peer_id=cls.dave.id, kind="packet_sent")
                    if event["timestamp"] > before]
            return sent and sent[-1] - sent[0] > 1500000
        wait_for(probed, "carol to probe for long")

    @classmethod
    def go_on(cls):
        cls.dave.process.send_signal(signal.SIGCONT)
        cls.net.nodes[0].read()
        cls.net.settle()

    def test_it_is_named_first_even_after_it_works_again(self):
        self.go_on()
        severe = self.net.severe()
        self.assertEqual(severe[0], ("node_stalled", "dave", None), severe)
        [request] = [trace["trace_id"] for trace in self.net.traced.ask("traces", kind="request", order="slowest", limit=1)["traces"]]
        self.assertRegex(self.net.run("trace", request), r"! dave did not read its socket for [\d.]+ s, from")
        self.assertIn("time went to: dave ", self.net.run("trace", request))
        self.assertIn(("slow_node", "dave", None), self.net.severe("trace", request))


class ANodeThatIsKilledInMidRequest(unittest.TestCase):
    def test_it_is_named_before_its_askers(self):
        net = Net(ANodeThatIsKilledInMidRequest)
        dave = net.nodes[3]
        net.use(3)
        net.settle()
        sent = len(net.traced.query(peer_id=dave.id, kind="packet_sent"))
        dave.process.send_signal(signal.SIGSTOP)
        net.nodes[0].send("get " + "5a" * 32)
        wait_for(lambda: len(net.traced.query(peer_id=dave.id, kind="packet_sent")) > sent + 2, "carol to ask dave")
        dave.end(signal.SIGKILL)
        wait_for(lambda: any(node["state"] == "crashed" for node in net.traced.ask("nodes")["nodes"]), "dave to be missed")
        self.assertEqual(net.severe()[0], ("node_crashed", "dave", None), net.severe())


class AChunkThatNobodyHas(unittest.TestCase):
    def test_the_failed_requests_are_found(self):
        net = Net(AChunkThatNobodyHas)
        traces = net.use(5)
        for i in range(8):
            net.nodes[0].ask("get " + "%02x" % i * 32)
        net.settle()
        severe = net.severe()
        self.assertEqual(severe[0][0], "requests_failed", severe)
        [finding] = [finding for finding in net.findings() if finding["finding"] == "requests_failed"]
        self.assertEqual((finding["count"], finding["of"]), (8, 8 + len(traces) // 2))
        self.assertIn("GET_CHUNK failed in 8 of 18 requests (44.4 %), first at ", finding["says"])
        holds(self, net, finding)


class ThePage(unittest.TestCase):
    """docs/analyze.md agrees with the sources."""

    def setUp(self):
        self.page = pathlib.Path(ROOT, "docs/analyze.md").read_text(encoding="utf-8")

    def test_it_lists_every_finding(self):
        table = pathlib.Path(ROOT, "inspector/analyze/model/analyze.def").read_text(encoding="utf-8")
        names = re.findall(r'^FINDING\(\w+, "(\w+)"', table, re.M)
        self.assertGreater(len(names), 5)
        self.assertEqual(re.findall(r"^### `(\w+)`$", self.page, re.M), names)

    def test_each_incident_of_its_table_is_tested(self):
        [table] = re.findall(r"^\| incident \|.*\n\|[-|]*\n((?:\|.*\n)+)", self.page, re.M)
        findings = re.findall(r"^### `(\w+)`$", self.page, re.M)
        tests = "".join(pathlib.Path(ROOT, "tests/integration", name).read_text(encoding="utf-8")
                        for name in ("test_analyze.py", "test_incidents.py"))
        self.assertGreater(len(table.splitlines()), 15)
        for row in table.splitlines():
            _, incident, commands, finding, tested, _ = row.split("|")
            with self.subTest(incident=incident.strip()):
                names = re.findall(r"`(\w+)`", tested)
                self.assertTrue(names)
                for name in names:
                    if name[0].isupper():
                        self.assertIn(f"class {name}(", tests)
                        continue
                    scene, incident = (pathlib.Path(ROOT, "tests/inspector", folder, name + ".txt") for folder in ("scenes", "incidents"))
                    said = (scene if scene.exists() else incident).read_text(encoding="utf-8")
                    command = "analyze trace" if "analyze trace" in commands else "analyze"
                    first = re.findall(rf"^\$ inspector {command}.*\n(?:(?!severe|notable|note|\$).*\n)*(?:severe|notable|note) +(\w+)",
                                       said, re.M)
                    wanted = [word for word in re.findall(r"`(\w+)`", finding) if word in findings]
                    if wanted:
                        self.assertIn(wanted[0], first)
                    else:
                        self.assertIn("there is nothing to judge", said)

    def test_two_faults_are_found_in_the_order_of_its_table(self):
        [table] = re.findall(r"^\| two faults \|.*\n\|[-|]*\n((?:\|.*\n)+)", self.page, re.M)
        findings = re.findall(r"^### `(\w+)`$", self.page, re.M)
        self.assertGreater(len(table.splitlines()), 8)
        for row in table.splitlines():
            _, faults, finding, tested, _ = row.split("|")
            wanted = [word for word in re.findall(r"`(\w+)`", finding) if word in findings]
            self.assertTrue(wanted, faults)
            for name in re.findall(r"`(\w+)`", tested):
                with self.subTest(faults=faults.strip(), incident=name):
                    said = pathlib.Path(ROOT, "tests/inspector/incidents", name + ".txt").read_text(encoding="utf-8")
                    found = re.findall(r"^(?:severe|notable|note) +(\w+)", said, re.M)
                    rest = iter(found)
                    self.assertTrue(all(word in rest for word in wanted), found)

    def test_it_lists_every_threshold_with_its_value(self):
        header = pathlib.Path(ROOT, "inspector/analyze/model/analyze_thresholds.h").read_text(encoding="utf-8")
        values = dict(re.findall(r"^#define ([A-Z]+_[A-Z_]+) (?:\\\n +)?(?:UINT64_C\()?([\d.]+)\)?", header, re.M))
        self.assertGreater(len(values), 15)
        told = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) ", self.page, re.M))
        self.assertEqual(told, values)


if __name__ == "__main__":
    *Net.programs, ROOT = sys.argv[1:5]
    unittest.main(argv=[sys.argv[0]] + sys.argv[5:], verbosity=2)
