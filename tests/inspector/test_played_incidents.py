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
    """All nodes are idle, until one emits an event much later: none is more silent than the others."""
    network.requests(150, 10 * MS)
    network.trace(20 * S, ALICE, "custom 0 1")


def quorum(network):
    """alice takes the first two of three answers.  carol's comes late, but nobody waits for it: notable at most."""
    network.work[CAROL] = lambda _: 20 * MS
    for i in range(40):
        network.request(i * 40 * MS, ALICE, lambda time, trace, root: (
            sorted(network.ask(time + k * 5 * US, ALICE, other, trace, root)[0] for k, other in enumerate((BOB, CAROL, DAVE)))[1], True))


def client_ended(network):
    """alice is bob's only client, and ends: he is silent because he has nothing to do.  carol and dave go on."""
    network.requests(50, 10 * MS, askers=[ALICE], asked=[BOB])
    network.say(1 * S, "close 0")
    network.requests(300, 100 * MS, askers=[CAROL, DAVE], asked=[CAROL, DAVE, ERIN])


def closed_to(network):
    """The same, but alice says goodbye twice, and bob has no more to say."""
    client_ended(network)
    network.lines = [line for line in network.lines if line[2] != "close 0"]
    for _ in range(2):
        network.send(1 * S, ALICE, BOB, 60)
    network.say(2 * S, "close 0")


def hangs_in_work(network):
    """The same, but bob hangs in a request of alice, who gives up and ends.  Nobody else sends to him."""
    client_ended(network)
    network.lines = [line for line in network.lines if line[2] != "close 0"]
    network.request(600 * MS, ALICE, lambda time, trace, root: network.ask(
        time, ALICE, BOB, trace, root, timeout=300 * MS, answer=lambda at, *_: (at + 100 * S, True)))
    network.lines = [line for line in network.lines if line[0] < 60 * S]
    network.say(1 * S, "close 0")


def hangs(network):
    """bob hangs from the first second on, with nothing to do.  alice still sends to him."""
    network.requests(50, 10 * MS, askers=[ALICE], asked=[BOB])
    network.requests(100, 100 * MS, askers=[CAROL, DAVE], asked=[CAROL, DAVE, ERIN])
    network.stops[BOB] = [(1 * S, 100 * S)]
    for i in range(4):
        network.send(2 * S + i * S, ALICE, BOB, 300)
    network.lines = [line for line in network.lines if line[0] < 60 * S]


# ---- slow nodes

def slow_when_asked(network):
    """bob's disk is slow.  Half of his requests are his own, and quick."""
    network.work[BOB] = lambda _: 30 * MS
    network.requests(200, 10 * MS)


def slow_without_packets(network):
    """The same, but packets are not traced."""
    network.packets = False
    network.work[BOB] = lambda _: 30 * MS
    network.requests(200, 10 * MS)


def slow_by_nature(network):
    """All nodes take 100 ms for this command: no node stands out."""
    network.work = {node: lambda _: 100 * MS for node in range(5)}
    network.requests(100, 20 * MS)


def slow_sometimes(network):
    """bob takes 80 ms for a third of his answers; everywhere else an answer takes 3 ms."""
    answers = iter(range(10000))
    network.work = {node: lambda _: 3 * MS for node in range(5)}
    network.work[BOB] = lambda _: 80 * MS if next(answers) % 3 == 0 else 3 * MS
    network.requests(400, 10 * MS)


def unseen_pause(network):
    """Packets are not traced, and all nodes stand still at once for a second while a question is under way: no link is to blame."""
    network.packets = False
    network.stops = {node: [(7206 * MS, 8206 * MS)] for node in range(5)}
    network.requests(300, 40 * MS)
    network.request(7206 * MS - 100 * US, ALICE, lambda time, trace, root: network.ask(time, ALICE, BOB, trace, root))


def pause_of_two(network):
    """There are two nodes, and bob stands still for 400 ms: a quarter of the requests take that long, and there is nobody to compare with."""
    network.__init__(2)
    network.stops[BOB] = [(123 * MS, 523 * MS)]
    network.requests(300, 2 * MS)


def pauses(network):
    """carol stops for 300 ms every two seconds, as for a garbage collection.  No link is late."""
    network.stops[CAROL] = [(k * 2 * S + 500 * MS, k * 2 * S + 800 * MS) for k in range(4)]
    network.requests(500, 14 * MS)


def throttle(network, node, period, awake, until):
    """A node that runs for `awake` of each `period`."""
    network.stops[node] = [(k * period + awake, (k + 1) * period) for k in range(until // period)]


def throttled(network):
    """dave runs 40 % of the time, and each node sends him few packets: no link has enough to be judged."""
    throttle(network, DAVE, 100 * MS, 40 * MS, 20 * S)
    for i in range(60):
        network.send(i * 311 * MS, (ALICE, BOB, CAROL, ERIN)[i % 4], DAVE, 300)
        network.send(i * 311 * MS + 3 * MS, (ALICE, BOB, CAROL)[i % 3], (BOB, CAROL, ERIN)[i % 3], 300)


def little_to_do(network):
    """The same traffic, but dave runs whenever something arrives: nothing is wrong."""
    for i in range(60):
        network.send(i * 311 * MS, (ALICE, BOB, CAROL, ERIN)[i % 4], DAVE, 300)
        network.send(i * 311 * MS + 3 * MS, (ALICE, BOB, CAROL)[i % 3], (BOB, CAROL, ERIN)[i % 3], 300)


def throttled_machine(network):
    """All nodes run 40 % of the time, together: no node stands out."""
    for node in range(5):
        throttle(network, node, 100 * MS, 40 * MS, 20 * S)
    for i in range(60):
        network.send(i * 311 * MS, (ALICE, BOB, CAROL, ERIN)[i % 4], DAVE, 300)
        network.send(i * 311 * MS + 3 * MS, (ALICE, BOB, CAROL)[i % 3], (BOB, CAROL, ERIN)[i % 3], 300)


def congested_way(network):
    """Half of alice's packets to dave wait in a queue, but those of others do not: dave is not the cause."""
    network.late[ALICE, DAVE] = lambda time: 50 * MS if time // (400 * MS) % 2 else 0
    for i in range(160):
        network.send(i * 111 * MS, ALICE if i % 2 else (BOB, CAROL, ERIN)[i // 2 % 3], DAVE, 300)
        network.send(i * 111 * MS + 3 * MS, (ALICE, BOB, CAROL)[i % 3], (BOB, CAROL, ERIN)[i % 3], 300)


def gossip_of(network, message, time, origin, kind="HAVE"):
    """A message goes from its origin to all nodes, and each forwards it to two others."""
    for one in range(network.nodes):
        for other in (range(network.nodes) if one == origin else ((one + 1) % network.nodes, (one + 2) % network.nodes)):
            if other == one:
                continue
            start = time if one == origin else time + 1 * MS
            network.trace(start, one, f"msent {one} {other} {message} {kind}")
            network.trace(start + 300 * US, other, f"mrecv {other} {one} {message} {kind}")


def message_storm(network):
    """erin sends messages of one type hundreds of times, outside of any request."""
    for i in range(20):
        gossip_of(network, i, i * 50 * MS, i % 5)
    for i in range(300):
        for other in (ALICE, BOB, CAROL, DAVE):
            network.trace(i * 3 * MS, ERIN, f"msent {ERIN} {other} {1000 + i} HAVE")
            network.trace(i * 3 * MS + 300 * US, other, f"mrecv {other} {ERIN} {1000 + i} HAVE")


def partly_late(network, senders, count, is_late, by=35 * MS, usual=0, beside=60):
    """Packets to dave from some nodes in turn, some of them late; and other packets at the same time."""
    late = iter(is_late(i) for i in range(count))
    for one in senders:
        network.late[one, DAVE] = lambda _: usual + (by if next(late) else 0)
    for one, other in itertools.permutations((ALICE, BOB, CAROL, ERIN), 2):
        network.late[one, other] = lambda _: usual
    for i in range(max(count, beside)):
        if i < count:
            network.send(i * 111 * MS, senders[i % len(senders)], DAVE, 300)
        if i < beside:
            network.send(i * 111 * MS + 3 * MS, (ALICE, BOB, CAROL)[i % 3], (BOB, CAROL, ERIN)[i % 3], 300)


def late_few(network):
    """Most packets to dave are late, but they are too few to judge."""
    partly_late(network, (ALICE, BOB, CAROL, ERIN), 19, lambda i: i > 2)


def late_seldom(network):
    """Nine of 40 packets to dave are late, from all nodes: too few to judge."""
    partly_late(network, (ALICE, BOB, CAROL, ERIN), 40, lambda i: i < 9)


def late_sometimes(network):
    """A sixth of the packets to dave are late: too small a share.  Others take 8 ms."""
    partly_late(network, (ALICE, BOB, CAROL, ERIN), 120, lambda i: i % 24 < 4, by=60 * MS, usual=8 * MS, beside=120)


def late_from_one(network):
    """Only alice sends to dave, and two in five packets are late: the link may be the cause."""
    partly_late(network, (ALICE,), 60, lambda i: i % 5 < 2)


def late_from_half(network):
    """Packets to dave from two of four nodes are often late: their links may be the cause."""
    partly_late(network, (ALICE, BOB, CAROL, ERIN), 120, lambda i: i % 4 < 2 and i // 4 % 5 < 4 and i // 4 % 2, beside=120)


def late_everywhere(network):
    """A third of the packets to dave take 20 ms, others 8 ms: that is not long enough to be late."""
    partly_late(network, (ALICE, BOB, CAROL, ERIN), 60, lambda i: i // 4 % 3 == 0, by=12 * MS, usual=8 * MS)


def late_by_little(network):
    """A third of the packets to dave take 2 ms, six times as long as others, as on a busy machine."""
    partly_late(network, (ALICE, BOB, CAROL, ERIN), 60, lambda i: i // 4 % 3 == 0, by=1750 * US)


def late_alone(network):
    """Packets to dave are often late, but there are hardly any others to compare with."""
    partly_late(network, (ALICE, BOB, CAROL, ERIN), 60, lambda i: i // 4 % 3 == 0, beside=19)


def busy_for_a_while(network):
    """All packets are late for half a second, when most of those to dave are sent: neither dave nor a link to him is the cause."""
    for one, other in itertools.permutations(range(5), 2):
        network.late[one, other] = lambda time: 40 * MS if 5 * S < time < 5500 * MS else 0
    for i in range(200):
        network.send(i * 50 * MS, (ALICE, BOB, CAROL)[i % 3], (BOB, CAROL, ERIN)[i % 3], 300)
    for i in range(30):
        network.send(5 * S + i * 16 * MS, (ALICE, BOB, CAROL)[i % 3], DAVE, 300)


def busy_link_for_a_while(network):
    """The same, but only alice sends to dave."""
    busy_for_a_while(network)
    for i in range(30):
        network.send(5 * S + i * 16 * MS + 1 * MS, ALICE, DAVE, 300)


def ask_by_message(network, time, asker, asked, number, trace):
    """A question and its answer as messages, and no spans."""
    trace = f" {trace:x}" if trace else ""
    for at, node, other, kind in ((time, asker, asked, "ASK"), (time + 320 * US, asked, asker, "DATA")):
        network.trace(at, node, f"msent {node} {other} {number} {kind}{trace}")
        network.trace(at + 300 * US, other, f"mrecv {other} {node} {number} {kind}{trace}")


def much_asked(network, traces=True):
    """bob has what all others want, and answers them: that is no flood."""
    pairs = [(one, BOB) for _ in range(200) for one in (ALICE, CAROL, DAVE, ERIN)]
    pairs += [(one, other) for _ in range(6) for one, other in ((ALICE, CAROL), (CAROL, DAVE), (DAVE, ERIN), (ERIN, ALICE), (BOB, DAVE))]
    for i, (one, other) in enumerate(pairs):
        ask_by_message(network, i * 1 * MS, one, other, i, traces and 0x9000 + i)


def much_asked_untraced(network):
    """The same, with messages that belong to no trace."""
    much_asked(network, traces=False)


def acknowledged(network, time, sender, receiver, number):
    for at, one, other, kind in ((time, sender, receiver, "HAVE"), (time + 310 * US, receiver, sender, "ACK")):
        network.trace(at, one, f"msent {one} {other} {number} {kind}")
        network.trace(at + 300 * US, other, f"mrecv {other} {one} {number} {kind}")


def acknowledged_storm(network):
    """erin sends the same sort of message hundreds of times, outside of any trace, and each is acknowledged: that looks like questions and
    their answers, and so nothing is concluded."""
    for i in range(10):
        for k, (one, other) in enumerate(itertools.permutations(range(5), 2)):
            acknowledged(network, i * 50 * MS + k * MS, one, other, 20 * i + k)
    for i in range(300):
        for other in (ALICE, BOB, CAROL, DAVE):
            acknowledged(network, i * 3 * MS + other * 100 * US, ERIN, other, 1000 + 4 * i + other)


def tells_and_answers(network):
    """bob tells all others something, and then they ask him much, and get answers: that is not his flood."""
    for i in range(20):
        for other in (ALICE, CAROL, DAVE, ERIN):
            network.trace(i * 1 * MS, BOB, f"msent {BOB} {other} {10 * i + other} HAVE")
            network.trace(i * 1 * MS + 300 * US, other, f"mrecv {other} {BOB} {10 * i + other} HAVE")
    for i in range(200):
        for one in (ALICE, CAROL, DAVE, ERIN):
            ask_by_message(network, 1 * S + i * 4 * MS + one * MS, one, BOB, 1000 + 10 * i + one, 0)
    for i in range(6):
        for one, other in ((ALICE, CAROL), (CAROL, DAVE), (DAVE, ERIN), (ERIN, ALICE)):
            ask_by_message(network, 1 * S + i * 4 * MS, one, other, 9000 + 10 * i + one, 0)


def asks_much(network):
    """erin asks all others hundreds of times: she floods them; those who answer do not."""
    pairs = [(ERIN, one) for _ in range(300) for one in (DAVE, CAROL, BOB, ALICE)]
    pairs += [(one, other) for _ in range(6) for one, other in ((ALICE, CAROL), (CAROL, DAVE), (DAVE, BOB), (BOB, ALICE))]
    for i, (one, other) in enumerate(pairs):
        ask_by_message(network, i * 1 * MS, one, other, i, 0x9000 + i)


def send_messages(network, counts):
    """Messages of one type: counts = {(from, to): how many}."""
    for number, ((one, other), count) in enumerate(counts.items()):
        for i in range(count):
            network.trace(i * 3 * MS, one, f"msent {one} {other} {1000 * number + i} HAVE")
            network.trace(i * 3 * MS + 300 * US, other, f"mrecv {other} {one} {1000 * number + i} HAVE")


def some_messages(network):
    """erin sends twenty times as many messages as the others, but only 400."""
    send_messages(network, {(one, other): 100 if one == ERIN else 5 for one in range(5) for other in range(5) if other > one or one == ERIN != other})


def hub(network):
    """bob sends each of his eleven neighbours as much as the others send to their only neighbour."""
    network.__init__(12)
    send_messages(network, {(BOB, other): 60 for other in range(12) if other != BOB} | {(one, one + 1): 60 for one in range(2, 11)})


def one_neighbour(network):
    """dave sends much to erin, but as little as all to the others: he floods nobody else."""
    send_messages(network, {(one, other): 600 if (one, other) == (DAVE, ERIN) else 5 for one, other in itertools.combinations(range(5), 2)}
                  | {(DAVE, BOB): 5, (DAVE, ALICE): 5})


def two_sorts(network):
    """Each node sends its own type of message to the next one, some of them often: different types are not compared."""
    for one in range(5):
        for i in range(600 if one == BOB else 20):
            other = (one + 1) % 5
            network.trace(i * 3 * MS, one, f"msent {one} {other} {1000 * one + i} SORT{one}")
            network.trace(i * 3 * MS + 300 * US, other, f"mrecv {other} {one} {1000 * one + i} SORT{one}")


def gossip_burst(network):
    """alice publishes much at once, and all forward it, as they should.  bob is a hub with forty neighbours."""
    network.__init__(12)
    for i in range(100):
        gossip_of(network, i, i * 1 * MS, ALICE)
    for i in range(60):
        for other in range(12):
            if other == BOB:
                continue
            network.trace(i * 20 * MS, BOB, f"msent {BOB} {other} {5000 + i * 12 + other} PING")
            network.trace(i * 20 * MS + 300 * US, other, f"mrecv {other} {BOB} {5000 + i * 12 + other} PING")
            network.trace(i * 20 * MS + 310 * US, other, f"msent {other} {BOB} {9000 + i * 12 + other} PING")
            network.trace(i * 20 * MS + 600 * US, BOB, f"mrecv {BOB} {other} {9000 + i * 12 + other} PING")


def durations(network, *times):
    """Requests of alice that take so long at carol, in ms."""
    network.packets = False
    work = iter(times)
    network.work[CAROL] = lambda _: next(work) * MS
    network.requests(len(times), 700 * MS, askers=[ALICE], asked=[CAROL])


def slow_of_seven(network):
    """One request of seven takes half a second: too few to judge."""
    durations(network, *[20] * 6, 500)


def seven_times(network):
    """Two requests take seven times as long as the others: they do not stand apart enough."""
    durations(network, *[20] * 18, 150, 150)


def slow_but_short(network):
    """Two requests take twenty times as long as the others, but only 80 ms."""
    durations(network, *[4] * 18, 80, 80)


def graded(network):
    """Some requests take long, and others lie between: none stands apart."""
    durations(network, *[20] * 10, 30, 40, 60, 90, 130, 190, 280, 410, 600)


def third_slow(network):
    """A third of the requests take half a second: these are no outliers."""
    durations(network, *[20, 20, 500] * 6)


def three_slow(network):
    """Three requests of thirty take half a second at bob; the others take 20 ms everywhere."""
    network.work = {node: lambda _: 20 * MS for node in range(5)}
    calls = iter(range(1000))
    network.work[BOB] = lambda _: 500 * MS if next(calls) in (1, 3, 5) else 20 * MS
    network.requests(30, 40 * MS)


def three_slow_of_few(network):
    """The same with thirteen requests."""
    network.packets = False
    calls = iter(range(1000))
    network.work[BOB] = lambda _: 500 * MS if next(calls) >= 1 else 20 * MS
    for i in range(13):
        network.request(i * 700 * MS, ALICE, lambda time, trace, root, other=BOB if i % 4 == 0 else CAROL: network.ask(
            time, ALICE, other, trace, root))


def over_hops(network, time, hops):
    """A request of alice that each of these nodes passes on to the next; without any, she answers it."""
    def pass_on(at, node, trace, span):
        rest = hops[hops.index(node) + 1:]
        return network.ask(at, node, rest[0], trace, span, answer=pass_on) if rest else network.answer(at, node, trace, span)
    network.request(time, ALICE, lambda at, trace, root: (
        network.ask(at, ALICE, hops[0], trace, root, answer=pass_on) if hops else (at + 50 * US, True)))


def hits_and_misses(network):
    """alice answers most requests from her cache, and asks the others for the rest, which takes 100 times as long: these are no outliers."""
    network.work = {node: lambda _: 20 * MS for node in range(5)}
    for i in range(100):
        over_hops(network, i * 30 * MS, [] if i % 8 else [1 + i // 8 % 4])


def hops_of_three(network):
    """One request of twelve goes over three nodes, always others, which takes 100 times as long: these are no outliers."""
    ways = list(itertools.permutations((BOB, CAROL, DAVE, ERIN), 3))
    for node in (BOB, CAROL, DAVE, ERIN):
        network.late[ALICE, node] = lambda _: 20 * MS
    for i in range(120):
        over_hops(network, i * 30 * MS, [] if i % 12 else ways[i // 12 * 5 % 24])


def one_miss_of_many(network):
    """The same as with hits and misses, but one miss takes two seconds at dave: only this one is an outlier."""
    calls = iter(range(100))
    network.work = {node: lambda _: 20 * MS for node in range(5)}
    network.work[DAVE] = lambda _: 2 * S if next(calls) == 3 else 20 * MS
    for i in range(200):
        over_hops(network, i * 30 * MS, [] if i % 8 else [1 + i // 8 % 4])


def asked_for_much(network):
    """Three requests of a hundred ask bob for two hundred parts, the others for one: these are no outliers."""
    def parts(time, trace, root, count):
        for _ in range(count):
            time, good = network.ask(time, ALICE, BOB, trace, root)
        return time, good
    for i in range(100):
        network.request(i * 200 * MS, ALICE, lambda time, trace, root, count=200 if i % 40 == 7 else 1: parts(time, trace, root, count))


def another_in_its_place(network):
    """bob does not answer three of two hundred requests within a second; carol then does: these are outliers."""
    network.timeout = 1 * S
    calls = iter(range(1000))
    network.work[BOB] = lambda _: 2 * S if next(calls) % 40 == 20 else 50 * US

    def ask_two(time, trace, root):
        done, good = network.ask(time, ALICE, BOB, trace, root)
        return (done, good) if good else network.ask(done, ALICE, CAROL, trace, root)
    for i in range(140):
        network.request(i * 20 * MS, ALICE, ask_two)


def uniformly_slow(network):
    """Each request takes about half a second, some a little more, at all nodes alike: no node and no request stands out."""
    network.work = {node: lambda time: 400 * MS + time % (300 * MS) for node in range(5)}
    network.requests(40, 100 * MS)


def retry(network, first, then, time, trace, root, asker=ALICE, works=lambda: False):
    """Asks one node, which fails at once, and then another one."""
    good = works()
    time, answered = network.ask(time, asker, first, trace, root, answer=lambda at, node, *_: (at + 1 * MS, good))
    if answered:
        return time, True
    return network.ask(time + 50 * US, asker, then, trace, root)


def hidden_failures(network):
    """bob fails every question.  The askers ask another node at once, and all requests succeed."""
    for i in range(100):
        asker, first = (ALICE, CAROL, DAVE)[i % 3], (BOB, ERIN)[i // 3 % 2]
        network.request(i * 10 * MS, asker, lambda time, trace, root, asker=asker, first=first: retry(
            network, first, ERIN, time, trace, root, asker, works=lambda: first != BOB))


def hidden_below(network):
    """carol fails when she needs dave, who fails.  The askers then ask erin."""
    def below(time, node, trace, span):
        time, _ = network.ask(time + 10 * US, node, DAVE, trace, span, 3, answer=lambda at, *_: (at + 1 * MS, False))
        return time, False

    def steps(time, trace, root):
        time, good = network.ask(time, ALICE, CAROL, trace, root, answer=below)
        return (time, good) if good else network.ask(time + 50 * US, ALICE, ERIN, trace, root)

    for i in range(60):
        network.request(i * 10 * MS, ALICE, steps)
    network.requests(60, 10 * MS, begin=700 * MS, asked=[BOB, CAROL, ERIN])


def hidden_below_sometimes(network):
    """The same, but dave fails only three times in ten."""
    def below(i, time, node, trace, span):
        return network.ask(time + 10 * US, node, DAVE, trace, span, 3, answer=lambda at, *_: (at + 1 * MS, i % 10 > 2))

    def steps(i, time, trace, root):
        time, good = network.ask(time, ALICE, CAROL, trace, root, answer=lambda *what: below(i, *what))
        return (time, good) if good else network.ask(time + 50 * US, ALICE, ERIN, trace, root)

    for i in range(60):
        network.request(i * 10 * MS, ALICE, lambda time, trace, root, i=i: steps(i, time, trace, root))


def lossy_retry(network):
    """alice -> bob loses packets, and alice then asks carol.  bob answers the others."""
    network.loss[ALICE, BOB], network.timeout = lambda _: 0.9, 30 * MS

    def steps(time, trace, root, asker, first, then):
        time, good = network.ask(time, asker, first, trace, root)
        return (time, good) if good else network.ask(time + 50 * US, asker, then, trace, root)

    for i in range(120):
        asker, pair = (ALICE, DAVE, ERIN)[i % 3], ((BOB, CAROL), (CAROL, BOB))[i // 3 % 2]
        network.request(i * 10 * MS, asker, lambda time, trace, root, asker=asker, pair=pair: steps(time, trace, root, asker, *pair))


def refused(network):
    """bob refuses to answer alice, who asks him first, but answers dave and erin: alice or bob is at fault."""
    for i in range(120):
        asker = (ALICE, DAVE, ERIN)[i % 3]
        network.request(i * 10 * MS, asker, lambda time, trace, root, asker=asker: retry(
            network, BOB, BOB, time, trace, root, asker, works=lambda: asker != ALICE))


def fails_seldom(network):
    """bob fails a tenth of his questions: too few to be named."""
    for i in range(120):
        network.request(i * 10 * MS, ALICE, lambda time, trace, root, i=i: retry(
            network, BOB, CAROL, time, trace, root, works=lambda: i % 10 != 0))


def asked_twice(network):
    """bob fails, and fails again, in each of 20 requests; then alice asks carol."""
    def steps(time, trace, root):
        time, _ = network.ask(time, ALICE, BOB, trace, root, answer=lambda at, *_: (at + 1 * MS, False))
        return retry(network, BOB, CAROL, time + 50 * US, trace, root)

    for i in range(40):
        network.request(i * 10 * MS, ALICE, steps if i % 2 else lambda time, trace, root: network.ask(time, ALICE, CAROL, trace, root))


def nobody_else_answers(network):
    """bob and carol fail, and alice does without them: no other answer replaced theirs."""
    def steps(time, trace, root):
        time, _ = network.ask(time, ALICE, DAVE, trace, root)
        for other in (BOB, CAROL):
            time, _ = network.ask(time + 50 * US, ALICE, other, trace, root, answer=lambda at, *_: (at + 1 * MS, False))
        return time, True

    for i in range(40):
        network.request(i * 10 * MS, ALICE, steps)


def own_copy(network):
    """bob fails, and alice uses her own copy: she asks nobody again."""
    def steps(time, trace, root):
        time, _ = network.ask(time, ALICE, BOB, trace, root, answer=lambda at, *_: (at + 1 * MS, False))
        span = network.span()
        network.trace(time + 20 * US, ALICE, f"start 0 {trace:x} {span:x} {root:x} -1 3")
        network.trace(time + 90 * US, ALICE, f"end 0 {trace:x} {span:x} 1 -1 3")
        return time + 100 * US, True

    for i in range(40):
        network.request(i * 10 * MS, ALICE, steps)


def asked_at_once(network):
    """alice asks bob and carol at once, and carol's answer is enough: nobody asks again because bob fails."""
    def steps(time, trace, root):
        failed, _ = network.ask(time, ALICE, BOB, trace, root, answer=lambda at, *_: (at + 1 * MS, False))
        done, _ = network.ask(time + 5 * US, ALICE, CAROL, trace, root, answer=lambda at, *_: (at + 2 * MS, True))
        return max(failed, done), True

    for i in range(40):
        network.request(i * 10 * MS, ALICE, steps)


def search(network):
    """Nodes are asked in turn for something that one of them has: the others are not at fault."""
    def steps(i, time, trace, root):
        holder = 1 + i * 7 % 4
        for k in range(4):
            other = 1 + (i + k) % 4
            time, good = network.ask(time + 20 * US, ALICE, other, trace, root,
                                     answer=lambda at, node, *_: (at + 200 * US, node == holder))
            if good:
                return time, True
        return time, False

    for i in range(80):
        network.request(i * 10 * MS, ALICE, lambda time, trace, root, i=i: steps(i, time, trace, root))


def hedged(network):
    """If bob has not answered for 10 ms, alice also asks carol, and cancels the slower question.  That is no failure."""
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


def dead_ends(network):
    """Each request of alice waits for one of four dead peers: it fails at alice, and not at the peers."""
    network.__init__(5, untraced=(BOB, CAROL, DAVE, ERIN))
    network.dead, network.attempts, network.timeout = {peer: 0 for peer in (BOB, CAROL, DAVE, ERIN)}, 2, 1 * S
    for i in range(40):
        network.request(i * 200 * MS, ALICE, lambda time, trace, root, peer=1 + i % 4: network.ask(time, ALICE, peer, trace, root))


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
    """Nobody accepts bob's certificate: there is one cause, whoever asks."""
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


def answers(network, count, good):
    """Everybody asks everybody; good(asker, asked) says whether it is answered."""
    for i in range(count):
        asker = i % 5
        other = [node for node in range(5) if node != asker][i // 5 % 4]
        network.request(i * 10 * MS, asker, lambda time, trace, root, pair=(asker, other): network.ask(
            time, *pair, trace, root, answer=lambda at, *_: (at + 200 * US, good(*pair))))


def banned(network):
    """Every node refuses what erin asks, and answers the others: she is what these failures have in common."""
    answers(network, 200, lambda asker, asked: asker != ERIN)


def banned_by_two(network):
    """bob and carol refuse what erin asks; dave and alice answer her."""
    answers(network, 200, lambda asker, asked: asker != ERIN or asked not in (BOB, CAROL))


def banned_by_one(network):
    """bob refuses what erin asks: one of them is at fault."""
    answers(network, 200, lambda asker, asked: (asker, asked) != (ERIN, BOB))


def refuses_two(network):
    """bob refuses what dave and erin ask, and answers the others: it is not one asker."""
    answers(network, 200, lambda asker, asked: asked != BOB or asker not in (DAVE, ERIN))


def refused_twice(network):
    """bob refuses erin twice, and answered the others: that may be chance."""
    refusals = iter((False, False))
    answers(network, 40, lambda asker, asked: (asker, asked) != (ERIN, BOB) or next(refusals, True))


def refused_sometimes(network):
    """bob refuses erin every second time: what she asks may not be there."""
    turns = itertools.count()
    answers(network, 200, lambda asker, asked: (asker, asked) != (ERIN, BOB) or next(turns) % 2 == 0)


def banned_behind(network, banned_node=ALICE, askers=(ALICE, ERIN)):
    """All goes through bob.  carol and dave refuse what he asks for alice, and answer what he asks for erin."""
    for i in range(200):
        asker, other = askers[i % 2], (CAROL, DAVE)[i // 2 % 2]

        def answer(at, _node, trace, span, asker=asker, other=other):
            return network.ask(at + 20 * US, BOB, other, trace, span,
                               answer=lambda at, *_: (at + 100 * US, banned_node not in (asker, BOB)))
        network.request(i * 10 * MS, asker, lambda time, trace, root, asker=asker, answer=answer: network.ask(
            time, asker, BOB, trace, root, answer=answer))


def banned_relay(network):
    """carol and dave refuse what bob, a relay, asks, and answer erin, who asks them herself."""
    banned_behind(network, BOB)
    for i in range(40):
        network.request(i * 10 * MS, ERIN, lambda time, trace, root, other=(CAROL, DAVE)[i % 2]: network.ask(time, ERIN, other, trace, root))


def untraced_refuses(network):
    """bob, who is not traced, refuses a fifth of the questions: it is not his askers who fail."""
    network.__init__(5, untraced=[BOB])
    turns = iter(range(1000))
    network.requests(100, 10 * MS, asked=[BOB, CAROL, DAVE], answer=lambda asker: lambda time, node, *_: (
        time + 50 * US, node != BOB or next(turns) % 5 != 0))


def dead_behind_untraced(network):
    """alice is killed.  bob then fails whomever he asks: alice, or carol, who is not traced and asks alice.  He is not at fault."""
    network.__init__(3, untraced=[CAROL])
    network.timeout = 1 * S
    network.dead[ALICE] = 3 * S
    network.say(3 * S, f"crash {ALICE}")
    def through_carol(time, node, trace, inner):
        return network.ask(time + 50 * US, node, ALICE, trace, inner, timeout=3 * S)
    for i in range(100):
        other = (ALICE, CAROL)[i % 2]
        network.request(i * 60 * MS, BOB, lambda time, trace, root, other=other: network.ask(
            time, BOB, other, trace, root, answer=through_carol if other == CAROL else None))
        network.request(i * 60 * MS, ALICE, lambda time, trace, root: network.ask(time, ALICE, CAROL, trace, root))
    network.lines = [line for line in network.lines if line[0] < 9 * S]


def impatient(network):
    """alice gives up after a millisecond.  The others wait, and get their answers from the same nodes."""
    network.work = {node: lambda _: 3 * MS for node in range(5)}
    network.requests(200, 10 * MS, timeout=lambda asker: 1 * MS if asker == ALICE else 3 * S)


def only_one_asks(network):
    """bob and carol are dead, and only alice asks them: she is not at fault."""
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


def untraced_node(network):
    """frank, who is not traced, takes 50 ms for each answer; the others take no time."""
    network.__init__(6, untraced=(5,))
    network.work[5] = lambda _: 50 * MS
    network.requests(200, 10 * MS)


def chunk_nobody_has(network):
    """A third of the requests are for something that no node has: carol, who would have it, says so."""
    network.requests(100, 10 * MS)
    for i in range(40):
        network.request(i * 25 * MS, (ALICE, BOB)[i % 2], lambda time, trace, root, asker=(ALICE, BOB)[i % 2]: network.ask(
            time, asker, CAROL, trace, root, answer=lambda at, *_: (at + 300 * US, False)))


def flood(network):
    """erin begins a hundred times as many requests as the others."""
    network.requests(20, 40 * MS, askers=[ALICE, BOB, CAROL, DAVE])
    network.requests(500, 2 * MS, askers=[ERIN])


def client_unread(network):
    """alice and bob are the only clients.  The nodes that bob asks have no events of him for a while: they began nothing."""
    network.requests(600, 4 * MS, askers=[ALICE, BOB], asked=[CAROL, DAVE, ERIN])
    network.lose(BOB, [(300 * MS, 700 * MS)])


def flood_of_both(network):
    """erin begins many more requests than the others, each with a message: that is one flood."""
    def steps(time, trace, root, asker, asked):
        ask_by_message(network, time, asker, asked, trace, trace)
        return time + 650 * US, True

    for i in range(600):
        network.request(i * 2 * MS, ERIN, lambda time, trace, root, i=i: steps(time, trace, root, ERIN, i % 4))
    for i in range(60):
        network.request(i * 20 * MS + 1 * MS, i % 4, lambda time, trace, root, i=i: steps(time, trace, root, i % 4, (i + 1) % 4))


# ---- links

def one_way_hole(network):
    """After a second nothing reaches dave any longer, but what he sends arrives: a NAT has forgotten him."""
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
    """Hardly anything reaches dave, though few packets were sent: most links lose, so the cause is not one link."""
    send_few(network, range(5))


def lossy_link_of_few(network):
    """Only erin's packets to dave are lost.  The others sent fewer, but these arrived, so the cause is the link."""
    send_few(network, [ERIN])


def few_packets(network):
    """Hardly anything reaches dave, but no link had enough packets to be judged: no finding."""
    for node in range(5):
        network.loss[node, DAVE] = lambda _: 0.8
    for i in range(20):
        for one, other in itertools.permutations(range(5), 2):
            network.send(i * 10 * MS, one, other, 300)


def lossy_link_beside_dead_peers(network):
    """alice -> bob loses nine packets in ten.  alice also sends a few packets each to dead peers: these prove nothing about her."""
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
    """dave is not traced, and dead.  He does not answer; no node or link loses packets."""
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
    """For two seconds alice and bob cannot reach the others, nor the others them: no node is at fault."""
    for one in (ALICE, BOB):
        for other in (CAROL, DAVE, ERIN):
            network.loss[one, other] = network.loss[other, one] = lambda time: 1 * S < time < 3 * S
    network.timeout = 700 * MS
    network.requests(500, 8 * MS)


def late_link(network):
    """alice -> bob has a queue of 60 ms; bob -> alice has none."""
    network.late[ALICE, BOB] = lambda _: 60 * MS
    network.requests(200, 10 * MS)


# ---- mixed

def chain(network, hops, work, asker=ALICE):
    """Returns the steps of a request that passes from node to node; the last one works."""
    def step(time, node, trace, span, rest):
        if not rest:
            return time + work(time), True
        return network.ask(time + 20 * US, node, rest[0], trace, span,
                           answer=lambda at, it, a_trace, inner: step(at, it, a_trace, inner, rest[1:]))
    return lambda time, trace, root: step(time, asker, trace, root, hops)


def slow_and_lossy(network):
    """bob is slow, and carol -> dave loses a fifth: two faults, and nobody else is named."""
    network.work[BOB] = lambda _: 40 * MS
    network.loss[CAROL, DAVE] = lambda _: 0.2
    network.requests(500, 10 * MS)


def slow_behind_losses(network):
    """alice -> bob loses a fifth, and bob is slow, too."""
    network.work[BOB] = lambda _: 40 * MS
    network.loss[ALICE, BOB] = lambda _: 0.2
    network.requests(500, 10 * MS)


def slow_behind_relay(network):
    """bob, a relay, is not traced; dave, behind him, takes 60 ms."""
    network.__init__(5, untraced=(BOB,))
    for i in range(60):
        network.request(i * 80 * MS, ALICE, chain(network, [BOB, DAVE], lambda _: 60 * MS))


def slow_behind_hub(network):
    """All requests go through bob to the others; dave is slow, and bob waits for him."""
    network.work[DAVE] = lambda _: 50 * MS
    for i in range(120):
        other = (CAROL, DAVE, ERIN)[i % 3]
        network.request(i * 20 * MS, ALICE, chain(network, [BOB, other], lambda _, other=other: 50 * MS if other == DAVE else 200 * US))


def lossy_ring_of_relay(network):
    """carol takes 60 ms; many events of bob, who asks her for alice, are missing."""
    for i in range(60):
        network.request(i * 80 * MS, ALICE, chain(network, [BOB, CAROL], lambda _: 60 * MS))
    network.lose(BOB, [(i * 80 * MS + (i * 7 % 40) * MS, i * 80 * MS + (i * 7 % 40 + 50) * MS) for i in range(0, 60, 2)])


def lossy_ring_of_asker(network):
    """bob takes 50 ms; many events of alice, who asks him, are missing."""
    network.work[BOB] = lambda _: 50 * MS
    network.requests(200, 10 * MS)
    network.lose(ALICE, [(i * 100 * MS, i * 100 * MS + 30 * MS) for i in range(20)])


def lossy_ring_of_slow(network):
    """bob takes 50 ms, and many of his events are missing: he is traced, and may have waited for another."""
    network.work[BOB] = lambda _: 50 * MS
    network.requests(200, 10 * MS)
    network.lose(BOB, [(i * 100 * MS, i * 100 * MS + 70 * MS) for i in range(30)])


def lossy_rings(network):
    """Events of all nodes are missing, but nothing is wrong with the network."""
    for i in range(100):
        network.request(i * 10 * MS, (ALICE, ERIN)[i % 2], chain(network, [BOB, CAROL, DAVE], lambda _: 1 * MS, (ALICE, ERIN)[i % 2]))
    for node in range(5):
        network.lose(node, [(i * 50 * MS + node * 11 * MS, i * 50 * MS + node * 11 * MS + 9 * MS) for i in range(20)])


def lossy_rings_and_slow(network):
    """The same, but dave takes 40 ms."""
    for i in range(100):
        network.request(i * 50 * MS, (ALICE, ERIN)[i % 2], chain(network, [BOB, CAROL, DAVE], lambda _: 40 * MS, (ALICE, ERIN)[i % 2]))
    for node in range(5):
        network.lose(node, [(i * 250 * MS + node * 51 * MS, i * 250 * MS + node * 51 * MS + 30 * MS) for i in range(20)])


def fan_out(network):
    """alice asks all others at once; erin answers last, after 80 ms."""
    network.work[ERIN] = lambda _: 80 * MS
    for i in range(40):
        network.request(i * 100 * MS, ALICE, lambda time, trace, root: (
            max(network.ask(time + k * 5 * US, ALICE, other, trace, root)[0] for k, other in enumerate((BOB, CAROL, DAVE, ERIN))), True))


def fan_out_loss(network):
    """alice asks all others at once; erin's answers are often lost."""
    network.loss[ERIN, ALICE] = lambda _: 0.3
    for i in range(100):
        network.request(i * 100 * MS, ALICE, lambda time, trace, root: (
            max(network.ask(time + k * 5 * US, ALICE, other, trace, root)[0] for k, other in enumerate((BOB, CAROL, DAVE, ERIN))), True))


def full_uplink(network):
    """alice's packets wait 40 ms in her uplink; she works as fast as ever."""
    for node in range(5):
        network.late[ALICE, node] = lambda _: 40 * MS
    network.requests(200, 10 * MS)


def overload(network):
    """Each of bob's answers takes longer than the one before."""
    answers = iter(range(10000))
    network.work[BOB] = lambda _: next(answers) * 1 * MS
    network.requests(200, 10 * MS)


def two_crashes(network):
    """bob and dave crash, one after the other; the askers then ask erin."""
    network.timeout, network.attempts, network.dead = 300 * MS, 2, {BOB: 400 * MS, DAVE: 700 * MS}

    def steps(time, trace, root, other):
        time, good = network.ask(time, ALICE, other, trace, root)
        return (time, good) if good else network.ask(time + 50 * US, ALICE, ERIN, trace, root)

    for i in range(100):
        network.request(i * 15 * MS, ALICE, lambda time, trace, root, other=(BOB, CAROL, DAVE)[i % 3]: steps(time, trace, root, other))
    network.say(401 * MS, "crash 1")
    network.say(701 * MS, "crash 3")


def address_forgotten(network):
    """A NAT forgets dave's address for half a second; his connections end and are opened again."""
    for node in (ALICE, BOB, CAROL, ERIN):
        network.loss[node, DAVE] = lambda time: 1 * S < time < 1500 * MS
        network.trace(1400 * MS + node * MS, node, f"closed {node} {DAVE} 0 idle timeout")
        network.trace(1500 * MS + node * MS, node, f"est {node} {DAVE} 600000")
    network.timeout = 400 * MS
    network.requests(400, 10 * MS)


def patience(network):
    """erin takes 200 ms, and nobody waits longer than 100 ms."""
    network.work[ERIN] = lambda _: 200 * MS
    network.timeout = 100 * MS
    network.requests(200, 10 * MS)


def throttled_asked(network):
    """dave runs 40 % of the time, and few requests reach him."""
    throttle(network, DAVE, 100 * MS, 40 * MS, 20 * S)
    network.requests(150, 37 * MS)


def throttled_and_dead(network):
    """dave runs 40 % of the time; frank, who is not traced, is dead."""
    network.__init__(6, untraced=(5,))
    throttle(network, DAVE, 100 * MS, 40 * MS, 20 * S)
    network.dead, network.timeout, network.attempts = {5: 0}, 500 * MS, 2
    network.requests(300, 17 * MS)


def paused_hub(network):
    """bob, through whom all requests go, stops for half a second, three times."""
    network.stops[BOB] = [(k * S, k * S + 500 * MS) for k in (1, 2, 3)]
    for i in range(300):
        asker, other = (ALICE, DAVE)[i % 2], (CAROL, ERIN)[i // 2 % 2]
        network.request(i * 15 * MS, asker, chain(network, [BOB, other], lambda _: 200 * US, asker))


def one_way_late(network):
    """One-way messages to carol arrive 50 ms late, those to the others at once."""
    network.late[ALICE, CAROL] = lambda _: 50 * MS

    def steps(time, trace, root, other):
        arrival = network.deliver(time + 5 * US, ALICE, other, 300, trace)
        span = network.span()
        network.trace(arrival, other, f"start {other} {trace:x} {span:x} {root:x} 0 5")
        network.trace(arrival + 20 * US, other, f"end {other} {trace:x} {span:x} 1 0 5")
        return time + 10 * US, True

    for i in range(90):
        network.request(i * 10 * MS, ALICE, lambda time, trace, root, other=(BOB, CAROL, DAVE)[i % 3]: steps(time, trace, root, other), command=5)


def drops_half(network):
    """bob answers only every other question; alice asks him again after 200 ms, and all requests succeed."""
    network.timeout = 200 * MS
    answers = iter(range(1000))

    def answer(at, node, *_):
        return at + (50 * US if node != BOB or next(answers) % 2 else 10 * S), True

    def steps(time, trace, root, other):
        time, good = network.ask(time, ALICE, other, trace, root, answer=answer)
        return (time, good) if good else network.ask(time + 50 * US, ALICE, other, trace, root, answer=answer)

    for i in range(80):
        network.request(i * 30 * MS, ALICE, lambda time, trace, root, other=(BOB, CAROL)[i % 2]: steps(time, trace, root, other))


def slow_and_crash(network):
    """bob is slow, and dave crashes: two faults."""
    network.work[BOB] = lambda _: 40 * MS
    network.dead, network.timeout, network.attempts = {DAVE: 1 * S}, 400 * MS, 2
    network.requests(200, 10 * MS)
    network.say(1001 * MS, "crash 3")


def stalled_and_slow(network):
    """carol stands still for two seconds, and bob is slow.  Those that gave up waited for her."""
    network.stops[CAROL] = [(1 * S, 3 * S)]
    network.work[BOB], network.timeout = lambda _: 40 * MS, 1 * S
    network.requests(400, 10 * MS)


def slow_and_stopped_once(network):
    """carol is slow, and once she stands still for two seconds: in most requests she does read her socket."""
    network.stops[CAROL] = [(1100 * MS, 3100 * MS)]
    network.work[CAROL] = lambda _: 60 * MS
    network.requests(60, 200 * MS, askers=[ALICE, BOB], asked=[CAROL])


def flood_and_loss(network):
    """erin floods, and alice -> bob loses a fifth."""
    network.loss[ALICE, BOB] = lambda _: 0.2
    network.requests(60, 40 * MS, askers=[ALICE, BOB, CAROL, DAVE])
    network.requests(700, 2 * MS, askers=[ERIN])
    for i in range(200):
        network.send(i * 10 * MS, ALICE, BOB, 300)


def two_slow(network):
    """bob and dave are slow, and the others are not."""
    network.work[BOB] = network.work[DAVE] = lambda _: 40 * MS
    network.requests(300, 10 * MS)


def untraced_slow_and_loss(network):
    """frank, who is not traced, is slow; carol -> dave loses a fifth."""
    network.__init__(6, untraced=(5,))
    network.work[5], network.loss[CAROL, DAVE] = lambda _: 60 * MS, lambda _: 0.2
    network.requests(400, 10 * MS)


# ---- what a tired developer meets

def address_lost(network):
    """bob's NAT gives him another address every two seconds: for 300 ms nothing comes or goes.  His links have few packets each."""
    for other in (ALICE, CAROL, DAVE, ERIN):
        network.loss[BOB, other] = network.loss[other, BOB] = lambda time: time % (2 * S) < 300 * MS
    network.requests(400, 20 * MS)


def seldom_lost(network):
    """Links of all nodes lose a packet now and then: no node is what they have in common."""
    drops = itertools.count()
    for one, other in itertools.permutations(range(5), 2):
        network.loss[one, other] = lambda _: next(drops) % 97 == 0
    network.requests(400, 20 * MS)


def lost_in_star(network):
    """Everybody asks bob, and packets are lost now and then: that he is an end of all links says nothing about him."""
    for node in (ALICE, CAROL, DAVE, ERIN):
        network.loss[BOB, node] = network.loss[node, BOB] = lambda _: 0.06
    network.requests(150, 20 * MS, askers=[ALICE, CAROL, DAVE, ERIN], asked=[BOB])


def lost_in_star_and_elsewhere(network):
    """All links lose equally.  Nearly all traffic is with bob, so nearly all losses are, too: that says nothing about him."""
    for one, other in itertools.permutations(range(5), 2):
        network.loss[one, other] = lambda _: 0.06
    network.requests(150, 20 * MS, askers=[ALICE, CAROL, DAVE, ERIN], asked=[BOB])
    network.requests(20, 100 * MS, askers=[ALICE, CAROL, DAVE, ERIN], asked=[ALICE, CAROL, DAVE, ERIN])


def outage_while_erin_asks(network):
    """From 1 to 2 s every node fails what it is asked.  Only erin asks then: that the others were answered before and after says nothing
    about her."""
    others = [ALICE, BOB, CAROL, DAVE]

    def ask(begin, asker, other):
        network.request(begin, asker, lambda time, trace, root: network.ask(
            time, asker, other, trace, root, answer=lambda at, *_: (at + 200 * US, not 1 * S <= at < 2 * S)))

    for i in range(150):
        for begin in (0, 2100 * MS):
            ask(begin + i * 6 * MS, others[i % 4], others[(i + 1 + i // 4 % 3) % 4])
    for i in range(60):
        ask(1 * S + 20 * MS + i * 15 * MS, ERIN, others[i % 4])


def forwarded_messages(network):
    """alice asks bob six hundred times by messages, and he forwards each question to carol in its trace.  He begins nothing."""
    for i in range(600):
        trace, at = 0x7000 + i, i * 5 * MS
        for time, words in ((0, f"msent {ALICE} {BOB} {3 * i} GET"), (100 * US, f"mrecv {BOB} {ALICE} {3 * i} GET"),
                            (120 * US, f"msent {BOB} {CAROL} {3 * i + 1} GET"), (220 * US, f"mrecv {CAROL} {BOB} {3 * i + 1} GET")):
            network.trace(at + time, int(words.split()[1]), f"{words} {trace:x}")
    for i in range(50):
        for one, other in ((CAROL, DAVE), (DAVE, ERIN), (ERIN, CAROL)):
            network.trace(i * 50 * MS, one, f"msent {one} {other} {100000 + 10 * i + one} GET")
            network.trace(i * 50 * MS + 100 * US, other, f"mrecv {other} {one} {100000 + 10 * i + one} GET")


def overloaded_relay(network):
    """carol relays what alice and dave ask, and needs 30 ms before she asks on."""
    def steps(asker, other):
        return lambda time, trace, root: network.ask(
            time, asker, CAROL, trace, root, answer=lambda at, _, a_trace, span: network.ask(at + 30 * MS, CAROL, other, a_trace, span))

    for i in range(150):
        network.request(i * 20 * MS, (ALICE, DAVE)[i % 2], steps((ALICE, DAVE)[i % 2], (BOB, ERIN)[i // 2 % 2]))


def partial_partition(network):
    """alice and erin do not reach each other; all others do."""
    network.loss[ALICE, ERIN] = network.loss[ERIN, ALICE] = lambda _: 1
    network.timeout = 500 * MS
    network.requests(300, 10 * MS)


def slow_disk(network):
    """Each eighth answer of dave takes 400 ms: his disk."""
    answers = itertools.count()
    network.work[DAVE] = lambda _: 400 * MS if next(answers) % 8 == 0 else 100 * US
    network.requests(300, 10 * MS)


def retries_hide_dead(network):
    """erin has crashed; her askers go on to bob after 200 ms, and all requests succeed."""
    network.dead, network.timeout, network.attempts = {ERIN: 1 * S}, 200 * MS, 2

    def steps(time, trace, root, asker, other):
        time, good = network.ask(time, asker, other, trace, root)
        return (time, good) if good else network.ask(time + 50 * US, asker, BOB, trace, root)

    for i in range(300):
        asker, other = (ALICE, CAROL, DAVE)[i % 3], (ERIN, BOB)[i // 3 % 2]
        network.request(i * 15 * MS, asker, lambda time, trace, root, pair=(asker, other): steps(time, trace, root, *pair))
    network.say(1001 * MS, "crash 4")


def one_at_a_time(network):
    """bob answers one question after the other, 30 ms each."""
    free = [0]

    def work(time):
        free[0] = max(time, free[0]) + 30 * MS
        return free[0] - time

    network.work[BOB] = work
    network.requests(250, 8 * MS)


def bob_gives_half(network, handed_over):
    """bob's askers get a part of each answer, and give up after a second.  handed_over: he reports his ends, right after it."""
    def steps(time, trace, root, asker, other):
        span, inner = network.span(), network.span()
        network.trace(time, asker, f"start {asker} {trace:x} {span:x} {root:x} {other} {GET}")
        arrival = network.deliver(time + 10 * US, asker, other, 600, trace)
        network.trace(arrival, other, f"start {other} {trace:x} {inner:x} {span:x} {asker} {GET}")
        done = network.deliver(arrival + 50 * US, other, asker, 1200, trace)
        good = other != BOB
        if good or handed_over:
            network.trace(arrival + 60 * US if handed_over else done, other, f"end {other} {trace:x} {inner:x} 1 {asker} {GET}")
        done = done + 5 * US if good else time + 1 * S
        network.trace(done, asker, f"end {asker} {trace:x} {span:x} {int(good)} {other} {GET}")
        return done, good

    for i in range(120):
        asker = i % 5
        other = [node for node in range(5) if node != asker][i // 5 % 4]
        network.request(i * 15 * MS, asker, lambda time, trace, root, pair=(asker, other): steps(time, trace, root, *pair))


def half_an_answer(network):
    """bob sends a part of each answer, and never the rest; his askers give up after a second."""
    bob_gives_half(network, False)


def stuck_answer(network):
    """bob hands over his answers, and a part of each never leaves his transport; his askers give up after a second."""
    bob_gives_half(network, True)


def all_pause(network):
    """Each node stands still for 150 ms in each second, one after the other: nobody stands out."""
    for node in range(5):
        network.stops[node] = [(k * S + node * 190 * MS, k * S + node * 190 * MS + 150 * MS) for k in range(5)]
    network.requests(400, 10 * MS)


def slow_resolver(network):
    """alice takes 200 ms before she asks anybody."""
    for i in range(200):
        asker = i % 5
        other = [node for node in range(5) if node != asker][i // 5 % 4]
        network.request(i * 10 * MS, asker, lambda time, trace, root, pair=(asker, other): network.ask(
            time + (200 * MS if pair[0] == ALICE else 0), *pair, trace, root))


def flapping_link(network):
    """Nothing gets through between alice and bob for 100 ms of each second."""
    network.loss[ALICE, BOB] = network.loss[BOB, ALICE] = lambda time: time % S < 100 * MS
    network.requests(600, 10 * MS)


# ---- connections that are closed while a node stands still

def talk(network, begin, end, nodes, every=45 * MS):
    """These nodes send packets to each other, and report no requests."""
    for time in range(begin, end, every):
        for one, other in itertools.permutations(nodes, 2):
            network.send(time + one * 5 * MS + other * MS, one, other, 300)


def probe(network, begin, end, sender, receiver):
    """A transport that gets no acknowledgement sends again and again, at growing intervals."""
    time, wait = begin, 300 * MS
    while time < end:
        for _ in range(2):
            network.send(time, sender, receiver, 300)
        time, wait = time + wait, wait * 13 // 10


def close_all(network, time, node, peers):
    for peer in peers:
        network.trace(time, node, f"closed {node} {peer} 0 idle timeout")


def stopped_closed(network, active=False):
    """bob stands still for 40 s, and the others close their connections after ten; he closes his when he resumes.  What was sent on them is
    lost by no link.  erin sent him something, too, and he reads it then."""
    stop, resume, others = 3 * S, 43 * S, (ALICE, CAROL, DAVE)
    talk(network, 0, stop, range(4))
    network.send(stop - 50 * MS, ERIN, BOB, 300)
    for one in others:
        network.loss[one, BOB] = network.loss[BOB, one] = lambda time: stop <= time < resume + 50 * MS
    if not active:
        network.stops[BOB] = [(stop, resume)]
    talk(network, stop, resume, others, every=200 * MS)
    for one in others:
        probe(network, stop + one * MS, stop + 10 * S, one, BOB)
        close_all(network, stop + 10 * S + one * MS, one, [BOB])
    network.send(stop + 200 * MS, ERIN, BOB, 300)
    for i in range(24):
        network.send(resume + 1 * MS + i * 10 * US, BOB, others[i % 3], 300)
    close_all(network, resume + 5 * MS, BOB, others)
    for one in others:
        network.trace(resume + 100 * MS, one, f"est {one} {BOB} 300000")
    talk(network, resume + 200 * MS, resume + 3 * S, range(4))


def cut_off_closed(network):
    """The same, but bob goes on and talks to erin: nothing gets through between him and the others."""
    stopped_closed(network, active=True)
    talk(network, 3 * S, 43 * S, (BOB, ERIN), every=200 * MS)


def stopped_asked(network):
    """bob stands still for 40 s.  The others ask him something when he does, give up after three seconds, and close their connections: no link
    is why their requests failed."""
    stopped_closed(network)
    network.lines = [line for line in network.lines if line[0] < 3 * S or line[0] > 12 * S or f" {BOB} " not in f"{line[2]} "]
    network.send(3200 * MS, ERIN, BOB, 300)
    network.requests(12, 5 * MS, askers=[ALICE, CAROL, DAVE], asked=[BOB], begin=3 * S)
    network.requests(200, 10 * MS, askers=[ALICE, CAROL, DAVE], asked=[ALICE, CAROL, DAVE])


MIXED = [slow_and_lossy, slow_behind_losses, slow_behind_relay, slow_behind_hub, lossy_ring_of_relay, lossy_ring_of_asker, lossy_ring_of_slow, lossy_rings,
         lossy_rings_and_slow, fan_out, fan_out_loss, full_uplink, overload, two_crashes, address_forgotten, patience, throttled_asked,
         throttled_and_dead, paused_hub, one_way_late, drops_half, slow_and_crash, stalled_and_slow, flood_and_loss, two_slow,
         untraced_slow_and_loss]

TIRED = [address_lost, seldom_lost, lost_in_star, lost_in_star_and_elsewhere, outage_while_erin_asks, forwarded_messages, slow_and_stopped_once, overloaded_relay, partial_partition, slow_disk, retries_hide_dead, one_at_a_time,
         half_an_answer, stuck_answer, all_pause, slow_resolver, flapping_link, stopped_closed, cut_off_closed, stopped_asked]


# ---- the same when the clock is set meanwhile

def stepped(incident, *steps):
    """An incident during which the clock is set: (when, by how many ms)."""
    def play(network):
        incident(network)
        for time, by in steps:
            network.say(time, f"step {by}")
    play.__name__ = f"step_{incident.__name__}"
    play.__doc__ = f"{incident.__doc__}  The clock is set meanwhile."
    return play


STEPPED = [stepped(throttled, (7 * S, -60000), (14 * S, 60000)), stepped(chunk_nobody_has, (500 * MS, -3600000)),
           stepped(flood, (300 * MS, 86400000), (700 * MS, -1500)), stepped(untraced_node, (900 * MS, -200)),
           stepped(dead_peers, (1 * S, -60000)), stepped(pauses, (3 * S, -1)), stepped(split, (2 * S, 600)),
           stepped(message_storm, (400 * MS, -5000)), stepped(hidden_failures, (400 * MS, -5000)), stepped(healthy, (1 * S, -86400000))]


INCIDENTS = [untraced_node, chunk_nobody_has, flood, flood_of_both, client_unread, healthy, idle_network, quorum, slow_when_asked, slow_without_packets, slow_by_nature, slow_sometimes, unseen_pause, pause_of_two, pauses, throttled, little_to_do,
             throttled_machine, congested_way, busy_for_a_while, busy_link_for_a_while, late_few, late_seldom, late_sometimes,
             late_from_one, late_from_half, late_everywhere, late_by_little, late_alone, message_storm, acknowledged_storm, tells_and_answers, much_asked, much_asked_untraced,
             asks_much, some_messages, hub, one_neighbour, two_sorts, gossip_burst, slow_of_seven, seven_times, slow_but_short, graded, third_slow,
             client_ended, closed_to, hangs_in_work, hangs, three_slow, three_slow_of_few, hits_and_misses, hops_of_three, one_miss_of_many, asked_for_much, another_in_its_place, uniformly_slow, hidden_failures, dead_ends,
             hidden_below, hidden_below_sometimes, lossy_retry, refused, fails_seldom, asked_twice, nobody_else_answers, own_copy, asked_at_once, search, hedged, dead_peers,
             bootstrap, bad_certificate, banned, banned_by_two, banned_by_one, refuses_two, refused_twice, refused_sometimes, banned_behind, banned_relay, untraced_refuses, dead_behind_untraced, impatient, only_one_asks, crash_below, one_way_hole, one_way_hole_early, lossy_link_of_few,
             few_packets, lossy_link_beside_dead_peers, lossy_sender, dead_peer_asked, mute_node, split, late_link] + MIXED + TIRED + STEPPED


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
