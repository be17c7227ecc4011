#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `analyze` says about invented incidents: each function here describes the truth, and incidents/NAME.txt has the sentences.

    test_played_incidents.py TEST_SCENES

The network is that of network_model.py; test_scenes plays what it traced.  INSPECTOR_GOLDEN_UPDATE=1 rewrites the sentences."""
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from network_model import ALICE, BOB, CAROL, DAVE, ERIN, GET, MS, S, US, Network  # noqa: E402

EXPECTED = pathlib.Path(__file__).parent / "incidents"
TEST_SCENES = sys.argv.pop(1)


# ---- no fault

def healthy(network):
    """Nothing is wrong."""
    network.requests(200, 10 * MS)


def idle_network(network):
    """All nodes are idle; one emits an event much later.  No node is silent alone."""
    network.requests(150, 10 * MS)
    network.trace(20 * S, ALICE, "custom 0 1")


def quorum(network):
    """alice takes the first two of three answers.  carol's comes late, and nobody waits for it: notable at most."""
    network.work[CAROL] = lambda _: 20 * MS
    for i in range(40):
        network.request(i * 40 * MS, ALICE, lambda time, trace, root: (
            sorted(network.ask(time + k * 5 * US, ALICE, other, trace, root)[0] for k, other in enumerate((BOB, CAROL, DAVE)))[1], True))


# ---- slow nodes

def slow_when_asked(network):
    """bob's disk is slow.  Half of his requests are his own, and quick."""
    network.work[BOB] = lambda _: 30 * MS
    network.requests(200, 10 * MS)


def slow_without_packets(network):
    """The same where packets are not traced."""
    network.packets = False
    network.work[BOB] = lambda _: 30 * MS
    network.requests(200, 10 * MS)


def slow_by_nature(network):
    """All nodes take 100 ms for this command: no node stands out."""
    network.work = {node: lambda _: 100 * MS for node in range(5)}
    network.requests(100, 20 * MS)


def slow_sometimes(network):
    """bob takes 80 ms for a third of his answers; 3 ms are usual everywhere."""
    answers = iter(range(10000))
    network.work = {node: lambda _: 3 * MS for node in range(5)}
    network.work[BOB] = lambda _: 80 * MS if next(answers) % 3 == 0 else 3 * MS
    network.requests(400, 10 * MS)


def pauses(network):
    """carol stands still for 300 ms every two seconds, as for a garbage collector.  No link is late."""
    network.stops[CAROL] = [(k * 2 * S + 500 * MS, k * 2 * S + 800 * MS) for k in range(4)]
    network.requests(500, 14 * MS)


def hedged(network):
    """alice asks carol, too, when bob has not answered for 10 ms, and cancels the slower one.  That is no failure."""
    network.work[BOB] = lambda _: 30 * MS

    def steps(time, trace, root):
        span, inner = network.span(), network.span()
        network.trace(time, ALICE, f"start 0 {trace:x} {span:x} {root:x} 1 {GET}")
        arrival = network.deliver(time + 5 * US, ALICE, BOB, 600, trace)
        network.trace(arrival, BOB, f"start 1 {trace:x} {inner:x} {span:x} 0 {GET}")
        done, good = network.ask(time + 10 * MS, ALICE, CAROL, trace, root)
        network.trace(done + 5 * US, ALICE, f"end 0 {trace:x} {span:x} 0 1 {GET}")
        arrival = network.deliver(done + 10 * US, ALICE, BOB, 60, trace)
        network.trace(arrival, BOB, f"end 1 {trace:x} {inner:x} 0 0 {GET}")
        return done + 20 * US, good

    for i in range(40):
        network.request(i * 50 * MS, ALICE, steps)


# ---- peers and failures

def dead_peers(network):
    """A lookup meets seven peers that are not traced and no longer exist."""
    network.__init__(14, untraced=range(7, 14))
    network.dead = {peer: 0 for peer in range(7, 14)}
    network.timeout, network.attempts = 700 * MS, 2

    def steps(i, time, trace, root):
        for k in range(4):
            time, _ = network.ask(time + 10 * US, ALICE, 1 + (i * 3 + k * 5) % 13, trace, root)
        return time, True

    for i in range(20):
        network.request(i * 100 * MS, ALICE, lambda time, trace, root, i=i: steps(i, time, trace, root))


def bootstrap(network):
    """alice asks three peers to join the network; none answers."""
    network.__init__(5, untraced=(CAROL, DAVE, ERIN))
    network.dead, network.attempts = {CAROL: 0, DAVE: 0, ERIN: 0}, 2

    def steps(time, trace, root):
        for peer in (CAROL, DAVE, ERIN):
            time, _ = network.ask(time + 1 * MS, ALICE, peer, trace, root)
        return time, False

    network.request(0, ALICE, steps)


def bad_certificate(network):
    """Nobody accepts bob's certificate: one cause, whoever asks."""
    def steps(asker, time, trace, root):
        span = network.span()
        network.trace(time, asker, f"start {asker} {trace:x} {span:x} {root:x} 1 {GET}")
        network.trace(time + 2 * MS, asker, f"closed {asker} 1 298 bad certificate")
        network.trace(time + 2 * MS + 10 * US, asker, f"end {asker} {trace:x} {span:x} 0 1 {GET}")
        return time + 2 * MS + 20 * US, False

    for i in range(60):
        asker = (ALICE, CAROL, DAVE, ERIN)[i % 4]
        network.request(i * 20 * MS, asker, lambda time, trace, root, asker=asker: steps(asker, time, trace, root))
    network.requests(100, 12 * MS, askers=[ALICE, CAROL, DAVE, ERIN], asked=[ALICE, CAROL, DAVE, ERIN])


def impatient(network):
    """alice gives up after a millisecond.  The others wait, and get their answers from the same nodes."""
    network.work = {node: lambda _: 3 * MS for node in range(5)}
    network.requests(200, 10 * MS, timeout=lambda asker: 1 * MS if asker == ALICE else 3 * S)


def only_one_asks(network):
    """bob and carol are dead, and only alice asks them: that she fails does not speak against her."""
    network.__init__(3, untraced=(BOB, CAROL))
    network.dead, network.timeout, network.packets = {BOB: 0, CAROL: 0}, 500 * MS, False
    network.requests(40, 20 * MS, askers=[ALICE])


def crash_below(network):
    """bob crashes, and carol needs him for each of her answers."""
    network.timeout, network.dead = 300 * MS, {BOB: 800 * MS}
    for i in range(90):
        network.request(i * 15 * MS, (ALICE, DAVE, ERIN)[i % 3], lambda time, trace, root, asker=(ALICE, DAVE, ERIN)[i % 3]: network.ask(
            time, asker, CAROL, trace, root, answer=lambda time, node, trace, span: network.ask(time + 10 * US, CAROL, BOB, trace, span, 3)))
    network.say(801 * MS, "crash 1")


# ---- links

def one_way_hole(network):
    """After a second nothing reaches dave any longer; what dave sends arrives: a NAT has forgotten him."""
    for node in range(5):
        network.loss[node, DAVE] = lambda time: time > 1 * S
    network.timeout = 1 * S
    network.requests(300, 10 * MS)
    for i in range(450):
        network.send(i * 10 * MS, DAVE, i % 3, 60)
        network.send(i * 10 * MS + 5 * MS, ALICE + i % 3, (i + 1) % 3, 60)


def send_few(network, lossy):
    """Of the links to dave, only erin's has enough packets to be judged; of those from `lossy`, nine in ten packets are lost."""
    for node in lossy:
        network.loss[node, DAVE] = lambda _: 0.9
    for i in range(80):
        network.send(i * 10 * MS, ERIN, DAVE, 300)
        for one in (ALICE, BOB, CAROL) if i % 2 else ():
            network.send(i * 10 * MS + 1 * MS, one, DAVE, 300)
        for one, other in itertools.permutations((ALICE, BOB, CAROL), 2):
            network.send(i * 10 * MS + 2 * MS, one, other, 300)
        network.send(i * 10 * MS + 5 * MS, DAVE, i % 3, 60)


def one_way_hole_early(network):
    """Hardly anything reaches dave, but few packets were sent: that most links lose shows that it is no link."""
    send_few(network, range(5))


def lossy_link_of_few(network):
    """Only erin's packets to dave are lost: that the fewer ones of the others arrived shows that it is the link."""
    send_few(network, [ERIN])


def few_packets(network):
    """Hardly anything reaches dave, but no link had enough packets to be judged: no finding."""
    for node in range(5):
        network.loss[node, DAVE] = lambda _: 0.8
    for i in range(20):
        for one, other in itertools.permutations(range(5), 2):
            network.send(i * 10 * MS, one, other, 300)


def lossy_link_beside_dead_peers(network):
    """alice -> bob loses nine packets in ten.  alice also sends to peers that are dead, a few packets each: these say nothing about her."""
    network.__init__(10, untraced=range(5, 10))
    network.dead = {peer: 0 for peer in range(5, 10)}
    network.loss[ALICE, BOB] = lambda _: 0.9
    for i in range(80):
        for one, other in itertools.permutations(range(5), 2):
            network.send(i * 10 * MS, one, other, 300)
        if i >= 20:
            continue
        for peer in range(5, 10):
            number, _ = network.send(i * 10 * MS, ALICE, peer, 300)
            network.trace(i * 10 * MS + 5 * MS, ALICE, f"lost {ALICE} {peer} {number} 300 2")


def lossy_sender(network):
    """A fifth of what dave sends is lost.  The delays on each of his links are reported."""
    for node in range(5):
        network.loss[DAVE, node] = lambda _: 0.2
    network.requests(500, 10 * MS)


def dead_peer_asked(network):
    """dave is not traced, and dead.  It is he who does not answer, and no node or link loses."""
    network.__init__(5, untraced=(DAVE,))
    network.dead, network.timeout = {DAVE: 0}, 1 * S
    network.requests(300, 10 * MS)


def mute_node(network):
    """Nothing that dave sends arrives.  The others are innocent."""
    for node in range(5):
        network.loss[DAVE, node] = lambda _: 1
    network.timeout = 600 * MS
    network.requests(200, 10 * MS)


def split(network):
    """alice and bob do not reach the others for two seconds, nor are they reached: no node is at fault."""
    for one in (ALICE, BOB):
        for other in (CAROL, DAVE, ERIN):
            network.loss[one, other] = network.loss[other, one] = lambda time: 1 * S < time < 3 * S
    network.timeout = 700 * MS
    network.requests(500, 8 * MS)


def late_link(network):
    """alice -> bob has a queue of 60 ms; the way back has none."""
    network.late[ALICE, BOB] = lambda _: 60 * MS
    network.requests(200, 10 * MS)


INCIDENTS = [healthy, idle_network, quorum, slow_when_asked, slow_without_packets, slow_by_nature, slow_sometimes, pauses, hedged, dead_peers,
             bootstrap, bad_certificate, impatient, only_one_asks, crash_below, one_way_hole, one_way_hole_early, lossy_link_of_few,
             few_packets, lossy_link_beside_dead_peers, lossy_sender, dead_peer_asked, mute_node, split, late_link]


class PlayedIncidents(unittest.TestCase):
    def play(self, incident):
        """Writes the incident as a scene beside its sentences, and lets test_scenes compare them."""
        name = incident.__name__
        with tempfile.TemporaryDirectory(prefix="p2ptrace-incident-") as place:
            network = Network()
            incident(network)
            network.write(pathlib.Path(place, f"{name}.scene"), " ".join(incident.__doc__.split()))
            if (EXPECTED / f"{name}.txt").exists():
                shutil.copy(EXPECTED / f"{name}.txt", place)
            done = subprocess.run([TEST_SCENES, place], capture_output=True, text=True, check=False, timeout=300,
                                  env=os.environ | {"CK_DEFAULT_TIMEOUT": "100"})
            if "INSPECTOR_GOLDEN_UPDATE" in os.environ:
                shutil.copy(f"{place}/{name}.txt", EXPECTED)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_file_of_sentences_is_that_of_an_incident(self):
        self.assertEqual(sorted(path.name for path in EXPECTED.iterdir()), sorted(f"{incident.__name__}.txt" for incident in INCIDENTS))


for each in INCIDENTS:
    setattr(PlayedIncidents, f"test_{each.__name__}", lambda self, incident=each: self.play(incident))

if __name__ == "__main__":
    unittest.main()
