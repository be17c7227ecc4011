# SPDX-License-Identifier: MIT
"""Nodes, clients and traced start, end and are killed, for SOAK_SECONDS; at rest afterwards everything is as it was after the first
rounds: traced's memory and descriptors, the objects in the directory of rings, and the count of every node's events.

Every second traced is killed, after KILL_EVERY rounds.  The others are stopped, each after twice as many rounds as the previous one: a
slow leak shows in a long life.  Standard error has a line for each."""
import os
import pathlib
import random
import signal
import time
import unittest

import harness

SECONDS = float(os.environ.get("SOAK_SECONDS", "10"))
WARM_ROUNDS = 4  # by then one-time allocations have been made
KILL_EVERY = 8
GROWTH_KIB = 8192  # mostly for the 256 dead nodes that traced keeps; it does not grow after them

# The address sanitizer quarantines 256 MiB of freed memory, so memory grows with everything that was ever freed.
if os.environ.get("SANITIZED"):
    GROWTH_KIB *= 3  # memory per dead node, including the sanitizer's
    os.environ["ASAN_OPTIONS"] = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"),
                                                        "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"]))


class Soak(harness.ProtocolTest):
    def memory_kib(self):
        status = pathlib.Path(f"/proc/{self.place.traced.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.place.traced.pid}/fd"))

    def objects(self):
        return [name for name in os.listdir(self.place.directory) if name.startswith("p2ptrace.")]

    def nodes_round(self, random_):
        """Two nodes that emit; one closes its log and one is killed; each of their events is indexed or counted as lost."""
        expected = {}
        connection = self.place.connect()
        for name in ("ending", "killed"):
            node_id = f"{random_.getrandbits(256) | 1:064x}"
            node = self.place.node(name, node_id)
            expected[node_id] = random_.randrange(1, 3000)
            node.do("packets", expected[node_id])
            if name == "ending":
                node.close()
            else:
                node.kill()
            self.place.nodes.remove(node)
        harness.until(lambda: self.accounted(connection, expected), "all events of the nodes that ended")
        connection.close()
        self.place.connections.remove(connection)

    def accounted(self, connection, expected):
        rows = {row["node_id"]: row for row in connection.call("nodes")["nodes"]}
        for node_id, count in expected.items():
            row = rows.get(node_id)
            if not row or row["state"] == "live" or row["emitted"] != count:
                return False
            self.assertEqual(row["emitted"], row["indexed"] + row["lost"])
        return True

    def clients_round(self, random_):
        """Clients that ask, that subscribe and vanish, and that disconnect in the middle of a line."""
        for _ in range(5):
            client = harness.Connection(self.place.path)
            what = random_.randrange(3)
            if what == 0:
                client.call("query", limit=1000)
            elif what == 1:
                client.call("subscribe")
            else:
                client.send_raw(b'{"jsonrpc":"2.0","id":1,"meth')
            client.close()

    def one_round(self, random_):
        self.nodes_round(random_)
        self.clients_round(random_)

    def at_rest(self):
        """Memory and descriptors of an idle traced with one client."""
        connection = self.place.connect()
        harness.until(lambda: not self.objects(), "all rings to be removed")
        harness.until(lambda: connection.call("stats")["clients"]["connected"] == 1, "all other clients to be gone")
        found = self.memory_kib(), self.descriptors()
        connection.close()
        self.place.connections.remove(connection)
        return found

    def one_traced(self, random_, rounds, end):
        """Starts a traced and leaves it running."""
        self.place.start()
        begin = time.monotonic()
        for _ in range(WARM_ROUNDS):
            self.one_round(random_)
        base = self.at_rest()
        done = 0
        while done < rounds and (done == 0 or time.monotonic() < end):
            self.one_round(random_)
            done += 1
        memory, descriptors = self.at_rest()
        print(f"{WARM_ROUNDS} + {done} rounds in {time.monotonic() - begin:.0f} s: {base[0]} to {memory} KiB, "
              f"{base[1]} to {descriptors} descriptors, load {os.getloadavg()[0]:.1f}", flush=True)
        self.assertEqual(descriptors, base[1])
        self.assertLessEqual(memory, base[0] + GROWTH_KIB)

    def test_everything_comes_and_goes(self):
        seed = int(os.environ.get("SOAK_SEED", "1"))
        random_ = random.Random(seed)
        end = time.monotonic() + SECONDS
        lives, rounds = 0, KILL_EVERY
        while lives == 0 or time.monotonic() < end:
            self.one_traced(random_, rounds if lives % 2 else KILL_EVERY, end)
            lives += 1
            if lives % 2:
                code, log = self.place.stop(signal.SIGKILL)
                self.assertEqual(code, -signal.SIGKILL, log)
            else:
                rounds *= 2
                code, log = self.place.stop()
                self.assertEqual(code, 0, log)


if __name__ == "__main__":
    unittest.main()
