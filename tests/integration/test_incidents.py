# SPDX-License-Identifier: MIT
"""Incidents among real nodes: the first finding of `inspector analyze` names the node at fault, and no innocent node comes before it.

Durations differ from machine to machine, so a test only asserts consequences of what happened: who was stopped, who
lost packets, who asked how often.  Where a time matters, the test reads it from the same events.

usage: test_incidents.py TRACED INSPECTOR QUIC_NODE"""

import signal
import sys
import unittest

from daemon import wait_for
from network import Net, holds, steadily


def blamed(test, net, name):
    """The first finding and every severe one is about that node: as its node, or as an end of its link."""
    findings = net.findings()
    first = findings[0]
    test.assertEqual((first["severity"], net.ids.get(first["node_id"])), ("severe", name), first["says"])
    for finding in findings:
        ends = {net.ids.get(finding["node_id"]), net.ids.get(finding["peer_id"])}
        if finding["severity"] == "severe":
            test.assertIn(name, ends, finding["says"])
    holds(test, net, first)
    return findings


class ANodeThatRunsOnlyPartOfTheTime(unittest.TestCase):
    """dave is stopped several times, each time until all others have asked him and their transports have probed him."""

    ROUNDS = 12

    def happen(self):
        net = Net(ANodeThatRunsOnlyPartOfTheTime, names=["dave", "alice", "bob", "carol"], hub=True)
        dave, *others = net.nodes
        _, digest, *_ = dave.ask("store a chunk")
        for _ in range(self.ROUNDS):
            net.settle()
            stopped = max(event["timestamp"] for event in net.traced.query(limit=1, order="desc"))
            dave.hold()
            for node in others:
                node.send(f"get {digest}")

            def probed():
                sent = [[event["timestamp"] for event in net.traced.query(node_id=node.id, peer_id=dave.id, kind="packet_sent")
                         if event["timestamp"] > stopped] for node in others]
                return all(len(times) > 2 for times in sent)
            wait_for(probed, "the others to probe dave")
            dave.process.send_signal(signal.SIGCONT)
            for node in others:
                self.assertEqual(node.read().split()[0], "ok")
        net.settle()
        return net

    def test_the_node_is_named(self):
        steadily(self.happen(), self.happen, lambda net: blamed(self, net, "dave"))


class AFlood(unittest.TestCase):
    @staticmethod
    def happen():
        net = Net(AFlood)
        alice, *others = net.nodes
        for node in others:
            node.ask("put 1 100")
        _, digest, *_ = alice.ask("put 1 100")
        for _ in range(300):
            alice.ask(f"get {digest}")
        net.settle()
        return net

    def check(self, net):
        findings = blamed(self, net, "alice")
        self.assertEqual(findings[0]["finding"], "flood")
        self.assertEqual((findings[0]["count"], findings[0]["of"]), (301, 305))

    def test_the_node_is_named(self):
        steadily(self.happen(), self.happen, self.check)


class AFewSlowRequests(unittest.TestCase):
    """A few requests of one command need a slow node."""

    @staticmethod
    def happen():
        net = Net(AFewSlowRequests, lambda name, before: ["--think", "1500"] if name == "carol" else [], names=["alice", "bob", "carol"])
        alice = net.nodes[0]
        near, far = [alice.ask(f"put {hops} 100")[1] for hops in (1, 2)]
        for digest in [near] * 40 + [far]:
            alice.ask(f"get {digest}")
        net.settle()
        return net

    def check(self, net):
        took = sorted(trace["took"] for trace in net.traced.ask("traces", kind="request", limit=1000)["traces"]
                      if trace["command"] == "GET_CHUNK")
        median = took[len(took) // 2]
        outliers = [ns for ns in took if ns >= 100 * median and ns >= 10000000]
        found = [finding for finding in net.findings() if finding["finding"] == "latency_outliers"]
        self.assertEqual(len(took), 41)
        self.assertEqual([(finding["count"], finding["of"], finding["duration"], finding["usual_duration"]) for finding in found],
                         [(len(outliers), len(took), took[-1], median)] if outliers else [])
        blamed(self, net, "carol")

    def test_the_outliers_agree_with_the_history(self):
        steadily(self.happen(), self.happen, self.check)


class ALossyNode(unittest.TestCase):
    @staticmethod
    def happen():
        net = Net(ALossyNode, lambda name, before: ["--drop", "7"] if name == "carol" else [])
        net.use()
        net.settle()
        return net

    def check(self, net):
        findings = blamed(self, net, "carol")
        self.assertEqual(findings[0]["finding"], "lossy_node")
        self.assertNotIn("lossy_link", [finding["finding"] for finding in findings])

    def test_the_node_is_named_and_not_its_links(self):
        steadily(self.happen(), self.happen, self.check)


class ALossyNetwork(unittest.TestCase):
    @staticmethod
    def happen():
        net = Net(ALossyNetwork, lambda name, before: ["--drop", "7"])
        net.use()
        net.settle()
        return net

    def check(self, net):
        findings = net.findings()
        self.assertEqual((findings[0]["finding"], findings[0]["node_id"]), ("lossy_network", None), findings[0]["says"])
        self.assertEqual([finding["finding"] for finding in findings if finding["finding"] in ("lossy_node", "lossy_link")], [])

    def test_no_node_is_named(self):
        steadily(self.happen(), self.happen, self.check)


if __name__ == "__main__":
    Net.programs = sys.argv[1:4]
    unittest.main(argv=[sys.argv[0]] + sys.argv[4:], verbosity=2)
