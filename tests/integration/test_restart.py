# SPDX-License-Identifier: MIT
"""traced is killed and started again, over and over, while nodes emit."""
import random
import unittest

from harness import ProtocolTest, hex_id, until

ROUNDS = 100
BURST = 200  # per node, twice in each round: all rounds together do not fill a ring
NAMES = ("alice", "bob")


class Restart(ProtocolTest):
    def watch(self, connection, seen, count):
        """Notifications of a subscription, until it has sent that many events; those of a lane in order, and none twice."""
        while sum(len(sequences) for sequences in seen.values()) < count:
            for event in connection.notification()["events"]:
                self.assertEqual(event["kind"], "packet_sent")
                sequences = seen.setdefault((event["node_id"], event["lane"]), [])
                self.assertTrue(not sequences or event["sequence"] == sequences[-1] + 1, (event, sequences[-1:]))
                sequences.append(event["sequence"])

    def test_killed_a_hundred_times_it_repeats_nothing_and_finds_everything_in_the_rings(self):
        chance = random.Random(1)
        nodes = [self.place.node(name, hex_id(number)) for number, name in enumerate(NAMES, 0xa1)]
        for finished in range(ROUNDS):
            for node in nodes:
                node.begin("packets", BURST)
            self.start()
            connection = self.place.connections[-1]
            connection.call("subscribe", recent=10000)
            for node in nodes:
                node.begin("packets", BURST)
            # The events of earlier rounds are in the rings; the second bursts come while these are sent.
            least = min(10000, finished * 2 * BURST * len(nodes))
            self.watch(connection, {}, chance.randrange(least // 2, least + BURST * len(nodes) + 1))
            self.place.traced.kill()
            self.place.finish()
            connection.close()
            self.place.connections.remove(connection)
            for node in nodes:
                node.finish()
                node.finish()
        client = self.start()
        for node in nodes:
            node.close()
        total = ROUNDS * 2 * BURST
        until(lambda: [node["state"] for node in client.call("nodes")["nodes"]] == ["exited"] * len(NAMES), "the nodes to be drained")  # and known
        self.assertEqual([(node["name"], node["emitted"], node["indexed"], node["lost"]) for node in client.call("nodes")["nodes"]],
                         [(name, total, total, 0) for name in NAMES])


if __name__ == "__main__":
    unittest.main(verbosity=2)
