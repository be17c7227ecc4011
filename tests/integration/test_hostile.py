# SPDX-License-Identifier: MIT
"""An adversary beside traced: rings that were made by hand, names in their directory, and what traced does about them.  What holds beside each
of them: good nodes are read whole, traced answers, and it ends when it is asked to.

environment: TRACED, INSPECTOR, TEST_NODE"""
import os
import struct
import time
import unittest

from harness import ProtocolTest, hex_id, until

LANES, EVENT_BYTES, LANES_AT = 24576, 128, 1024
OWNED = 1
MARKS = 1 << 31


class Ring:
    """A ring object, written by hand.  Nobody holds its lock: its node is dead."""

    def __init__(self, place, name, lanes=1, events=64):
        self.events = events
        self.path = os.path.join(place.directory, "p2ptrace.%d.1.%s" % (os.geteuid(), name))
        self.file = open(self.path, "w+b", buffering=0)
        self.bytes = LANES + lanes * events * EVENT_BYTES
        self.file.truncate(self.bytes)
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        head = struct.pack("<2I Q 4I iI 3Q 32s 32s Q", 1, LANES, self.bytes, EVENT_BYTES, lanes, events, 0, 1, 2, now, now,
                           time.time_ns(), name.encode(), name.encode(), 2**64 - 1)
        self.put(8, head)
        self.put(192, struct.pack("<Q", 2**64 - 1))
        self.put(256, struct.pack("<I", 1))

    def put(self, at, data):
        os.pwrite(self.file.fileno(), data, at)

    def lane(self, index, head=0, discarded=0, contended=0, state=OWNED):
        self.put(LANES_AT + 192 * index, struct.pack("<3Q", head, discarded, contended))
        self.put(LANES_AT + 192 * index + 64, struct.pack("<I", state))

    def slot(self, position, mark=None, kind=12, ticks=None):
        """A packet_lost event, or whatever the kind says."""
        ticks = time.clock_gettime_ns(time.CLOCK_MONOTONIC) if ticks is None else ticks
        mark = (position if mark is None else mark) + 1
        self.put(LANES + position % self.events * EVENT_BYTES, struct.pack("<Q16xIHBB", ticks, mark % MARKS, kind, 0, 0).ljust(128, b"\0"))

    def ready(self):
        self.put(0, struct.pack("<Q", 0x3145434152543250))

    def allocated(self):
        return os.fstat(self.file.fileno()).st_blocks * 512

    def close(self):
        self.file.close()


class HostileTest(ProtocolTest):
    def ring(self, *args, **kwargs):
        ring = Ring(self.place, *args, **kwargs)
        self.addCleanup(ring.close)
        return ring

    def ends(self):
        """traced ends in a time that has nothing to do with the adversary."""
        code, log = self.place.stop()
        self.assertEqual(code, 0, log)
        return log

    def nodes(self, connection):
        return {node["name"]: node for node in connection.call("nodes")["nodes"]}

    def wait_for_state(self, connection, name, *states):
        return until(lambda: (node := self.nodes(connection).get(name)) and node["state"] in states and node, name)

    def test_a_dead_ring_of_holes_gets_no_memory_and_goes(self):
        ring = self.ring("sparse", lanes=16, events=1 << 16)
        for lane in range(16):
            ring.lane(lane, head=1 << 15)
        ring.ready()
        had = ring.allocated()
        connection = self.start()
        self.wait_for_state(connection, "sparse", "crashed")
        until(lambda: not os.path.exists(ring.path), "the ring to go")
        self.assertLessEqual(ring.allocated(), had)

    def test_a_ring_whose_marks_lie_is_let_go_and_costs_nobody_anything(self):
        connection = self.start()
        good = self.place.node("good", hex_id(7))
        good.do("packets", 100)
        for n in range(8):
            ring = self.ring("liar%d" % n)
            for slot in range(64):
                ring.slot(slot, mark=slot + (1 << 29))
            ring.lane(0, head=64)
            ring.ready()
        for n in range(8):
            node = self.wait_for_state(connection, "liar%d" % n, "rejected", "crashed")
            self.assertEqual((node["state"], node["reason"]), ("rejected", "what it says of its events contradicts itself"))
            self.assertLessEqual(node["lost"], 64)
        good.do("packets", 100)
        until(lambda: self.nodes(connection)["good"]["indexed"] == 200, "the good node's events")
        self.assertEqual(self.nodes(connection)["good"]["lost"], 0)
        self.assertLessEqual(connection.call("stats")["history"]["events"], 200 + 8 * 64)
        self.assertEqual(connection.call("stats")["ingest"]["rejected"], {"bad_marks": 8})
        self.ends()

    def test_marks_that_lie_while_traced_stops(self):
        self.start()
        for n in range(8):
            ring = self.ring("liar%d" % n)
            for slot in range(64):
                ring.slot(slot, mark=slot + (1 << 29))
            ring.lane(0, head=64)
            ring.ready()
        self.ends()


if __name__ == "__main__":
    unittest.main()
