# SPDX-License-Identifier: MIT
"""A small simulated network for incidents: nodes that ask each other over links, and their trace events, as a scene.

    network = Network()
    network.work[BOB] = lambda time: 80 * MS              bob is slow
    network.loss[ALICE, BOB] = lambda time: 0.2           a link that loses
    network.requests(count=200, every=10 * MS)            everybody asks everybody
    network.write(path, "what is true")

Times are integers, in nanoseconds.  Everything follows from the seed, so a scene is the same each time."""
import random

US, MS, S = 1_000, 1_000_000, 1_000_000_000
NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "gina", "heidi", "ivan", "judy", "kim", "leo", "mia", "nina", "otto"]
ALICE, BOB, CAROL, DAVE, ERIN = range(5)
GET = 2  # a command


class Network:
    """The attributes may be changed before requests are made.

    work: {node: time -> ns}, how long a node works for an answer.  loss: {(from, to): time -> probability}.
    late: {(from, to): time -> ns}, the extra delay of a link.  stops: {node: [(from, to)]}, when a node does nothing.
    dead: {node: time}, when it ends.  timeout: how long an asker waits.  packets: are packets traced?"""

    def __init__(self, nodes=5, untraced=()):
        self.random = random.Random(1)
        self.nodes, self.untraced = nodes, set(untraced)
        self.work, self.loss, self.late, self.stops, self.dead = {}, {}, {}, {}, {}
        self.timeout, self.attempts, self.first_timeout, self.packets = 3 * S, 5, 100 * MS, True
        self.lines, self.sent, self.spans, self.traces = [], {}, 0x10, 0x5000

    # ---- what is traced

    def trace(self, time, node, text):
        """An event of a node, if it lives then and is traced."""
        if node not in self.untraced and time < self.dead.get(node, time + 1):
            self.lines.append((time, len(self.lines), text))

    def say(self, time, text):
        """A line of the scene that is not an event: crash N."""
        self.lines.append((time, len(self.lines), text))

    def span(self):
        self.spans += 1
        return self.spans

    # ---- links

    def awake(self, node, time):
        """The earliest time at which a node can act."""
        return next((end for begin, end in self.stops.get(node, ()) if begin <= time < end), time)

    def alive(self, node, time):
        return time < self.dead.get(node, time + 1)

    def send(self, time, sender, receiver, size, trace=0):
        """A packet.  Returns its number, and when it arrived, or None.  A node that has ended sends nothing."""
        number = self.sent[sender, receiver] = self.sent.get((sender, receiver), -1) + 1
        rest = f"{number} {size} 2" + (f" {trace:x}" if trace else "")
        if self.packets:
            self.trace(time, sender, f"sent {sender} {receiver} {rest}")
        if not self.alive(sender, time):
            return number, None
        loss, late = self.loss.get((sender, receiver)), self.late.get((sender, receiver))
        if loss and self.random.random() < loss(time):
            return number, None
        arrival = self.awake(receiver, time + 300 * US + int(self.random.random() * 60 * US) + (late(time) if late else 0))
        if not self.alive(receiver, arrival):
            return number, None
        if self.packets:
            self.trace(arrival, receiver, f"recv {receiver} {sender} {rest}")
        return number, arrival

    def deliver(self, time, sender, receiver, size, trace):
        """Sends until it arrives.  Returns when, or None."""
        wait = self.first_timeout
        for _ in range(self.attempts):
            number, arrival = self.send(time, sender, receiver, size, trace)
            if arrival is not None:
                return arrival
            time = self.awake(sender, time + wait)
            if self.packets:
                self.trace(time, sender, f"lost {sender} {receiver} {number} {size} 2 {trace:x}")
            time, wait = time + 5 * US, 2 * wait
        return None

    # ---- requests

    def answer(self, time, node, _trace, _span):
        """A node's work for an answer: when it is done, and whether it succeeded."""
        return time + (self.work[node](time) if node in self.work else 50 * US), True

    def ask(self, time, asker, asked, trace, parent, command=GET, answer=None, timeout=None):
        """One node asks another.  Returns when the asker continues, and whether it got an answer."""
        time, span = self.awake(asker, time), self.span()
        self.trace(time, asker, f"start {asker} {trace:x} {span:x} {parent:x} {asked} {command}")
        done, good = self.answered(time, asker, asked, trace, span, command, answer or self.answer)
        limit = time + (timeout or self.timeout)
        if done is None or done > limit:
            done, good = self.awake(asker, limit), False
        self.trace(done, asker, f"end {asker} {trace:x} {span:x} {int(good)} {asked} {command}")
        return done, good

    def answered(self, time, asker, asked, trace, span, command, answer):
        arrival = self.deliver(time + 10 * US, asker, asked, 600, trace)
        if arrival is None:
            return None, False
        inner = self.span()
        self.trace(arrival + 5 * US, asked, f"start {asked} {trace:x} {inner:x} {span:x} {asker} {command}")
        done, good = answer(arrival + 10 * US, asked, trace, inner)
        done = self.awake(asked, done)
        if not self.alive(asked, done):
            return None, False
        self.trace(done, asked, f"end {asked} {trace:x} {inner:x} {int(good)} {asker} {command}")
        arrival = self.deliver(done + 5 * US, asked, asker, 1200, trace)
        return (None, False) if arrival is None else (arrival + 5 * US, good)

    def request(self, time, node, steps, command=GET):
        """A request that a node begins.  steps(time, trace, root): when they are done, and whether all succeeded."""
        self.traces += 1
        time, trace, root = self.awake(node, time), self.traces, self.span()
        self.trace(time, node, f"start {node} {trace:x} {root:x} 0 -1 {command}")
        done, good = steps(time + 10 * US, trace, root)
        done = self.awake(node, done)
        self.trace(done, node, f"end {node} {trace:x} {root:x} {int(good)} -1 {command}")

    def requests(self, count, every, askers=None, asked=None, begin=0, **how):
        """Requests with one question each: the askers in turn, of the others in turn."""
        askers = askers or [node for node in range(self.nodes) if node not in self.untraced]
        for i in range(count):
            asker = askers[i % len(askers)]
            others = [node for node in asked or range(self.nodes) if node != asker]
            other = others[i // len(askers) % len(others)]
            options = {key: value(asker) if callable(value) else value for key, value in how.items()}
            self.request(begin + i * every + int(self.random.random() * 3 * every), asker,
                         lambda time, trace, root, pair=(asker, other), more=options: self.ask(time, *pair, trace, root, **more))

    def lose(self, node, windows):
        """traced could not read what a node emitted from one time to another."""
        for begin, end in windows:
            own = [line for line in self.lines if line[2].split()[1] == str(node) and not line[2].startswith(("step", "crash", "node"))]
            gone = {line for line in own if begin <= line[0] < end}
            later = [line[0] for line in own if line[0] >= end]
            if gone and later:
                self.lines = [line for line in self.lines if line not in gone]
                self.lines.append((min(later) - 1, -1, f"missing {node} {len(gone)}"))

    # ---- the scene

    def write(self, path, truth):
        lines = [f"# {truth}", "show analyze"]
        lines += [f"{'peer' if node in self.untraced else 'node'} {node} {0xa1 + node:x} {NAMES[node]}" for node in range(self.nodes)]
        now = 0
        for time, _, text in sorted(self.lines):
            wait_us = max(0, time - now) // US
            if wait_us:
                lines.append(f"us {wait_us}")
            lines.append(text)
            now += wait_us * US + 1  # an event takes a nanosecond
        path.write_text("\n".join(lines) + "\n", encoding="ascii")
