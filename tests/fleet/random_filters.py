# SPDX-License-Identifier: MIT
"""Random filters of events (docs/filter.md), with values that events have, from a seed: every field, every operator."""
import random
import time

NUMBERS = ["size", "packet_num", "rtt", "min_rtt", "cwnd", "in_flight", "code", "stream_id", "offset", "length", "category", "count", "first",
           "message_id", "cmd", "sequence", "lane", "kind_id"]
DURATIONS = {"rtt", "min_rtt", "metrics.rtt"}
DOTTED = ["packet_sent.size", "data.size", "metrics.rtt", "conn_closed.code", "custom.code", "stream_closed.code", "message_sent.size"]
BARE = ["fin", "sent", "by_remote", "ok", "sampled", "debug", "retransmission", "expired", "conn_init.by_remote", "unknown"]
ORDERED = ["<", "<=", ">", ">=", "==", "!="]
GLOBS = ["*", "?*", "*0*", "a*", "??", "*?", "5a*", "*a?", "\\**", "*e*", "?", "???*", "*\\?*", "a?*0", "DM*", "*CHUNK*", "1?2*", "*:*", "STORE*"]


class Filters:
    """events: as JSON, as `inspector export` writes them."""

    def __init__(self, seed, events):
        self.random = random.Random(seed)
        self.events = events
        self.kinds = sorted({event["kind"] for event in events})

    def one(self, values):
        return self.random.choice(values)

    def quote(self, text):
        return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'

    def seen(self, name):
        """A value that occurs in that data field, or None."""
        for _ in range(200):
            value = self.one(self.events)["data"].get(name.rsplit(".", 1)[-1])
            if value is not None:
                return value
        return None

    def number(self, name):
        top = {"sequence": "sequence", "lane": "lane", "kind_id": "kind_id"}.get(name)
        value = self.one(self.events).get(top, 7) if top else self.seen(name)
        value = int(value or 0)
        return max(0, value + self.one([0, 0, 0, 1, -1, 1000]))

    def numeric(self):
        name = self.one(NUMBERS + DOTTED)
        unit = "ns" if name in DURATIONS else ""
        if self.random.random() < 0.25:
            low = self.number(name)
            return f"{name} in {{{self.number(name)}{unit}, {low}{unit}..{low + self.one([0, 5, 1 << 20])}{unit}}}"
        return f"{name} {self.one(ORDERED)} {self.number(name)}{unit}"

    def prefix(self, text):
        return text[:self.one([1, 2, 3, 8, len(text)])]

    def identity(self):
        event = self.one(self.events)
        name = self.one(["node", "peer", "trace"])
        value = event[name + "_id"]
        words = [self.prefix(value)] if value else []
        words += {"node": ["node1", "node3"], "peer": ["node2", "null"], "trace": ["null"]}[name]
        how = self.random.random()
        if how < 0.2:
            return f"{name} ~ {self.quote(self.one(['a*', '*7*', 'node?', '??0*', '*', self.prefix(words[0]) + '*']))}"
        if how < 0.4:
            return f"{name} in {{{', '.join(self.random.sample(words, min(2, len(words))))}}}"
        return f"{name} {self.one(['==', '!='])} {self.one(words)}"

    def host(self):
        if self.random.random() < 0.3:
            return f"host ~ {self.quote(self.one(['h*', '*', '?*', 'v*', '*.example', '', 'x*']))}"
        hosts = ["hill", "valley", "valley.example", "null"]
        if self.random.random() < 0.3:
            return f"host in {{{', '.join(self.random.sample(hosts, 2))}}}"
        return f"host {self.one(['==', '!='])} {self.one(hosts)}"

    def text(self):
        name = self.one(["reason", "type", "app_id", "endpoint", "data", "span_id", "parent_id", "app", "command", "space", "cause", "transport", "kind", "flags"])
        value = self.seen(name)
        if name == "kind":
            value = self.one(self.kinds)
        if name == "flags":
            value = self.one(["sampled", "debug", "bit7", "future"])
        if name == "app":
            value = self.one(["DMAP", self.one(self.events).get("app") or "DMAP"])
        if name == "command":
            value = self.one(["1", "2", "3", self.one(self.events).get("command") or "1"])
        if value is None or self.random.random() < 0.25:
            return f"{name} ~ {self.quote(self.one(GLOBS))}"
        value = str(value)
        if name in ("endpoint", "command") and self.random.random() < 0.2:
            return f"{name} {self.one(['==', '!='])} null"
        if name == "endpoint" and self.random.random() < 0.5:
            value = value.rsplit(":", 1)[0]
        if name in ("span_id", "parent_id"):
            value = self.prefix(value)
        return f"{name} {self.one(['==', '!='])} {self.quote(value)}"

    def application(self):
        event = self.one([event for event in self.events if event.get("fields")])
        name, value = self.one(sorted(event["fields"].items()))
        prefix = self.one(["fields.", "DMAP."])
        if isinstance(value, int):
            return f"{prefix}{self.quoted_word(name)} {self.one(ORDERED)} {self.one([value, value + 1, 0, 2**64 - 1])}"
        how = self.random.random()
        if how < 0.3:
            return f"{prefix}{self.quoted_word(name)} ~ {self.quote(self.one(GLOBS + [value[:2] + '*']))}"
        return f"{prefix}{self.quoted_word(name)} {self.one(['==', '!='])} {self.quote(self.one([value, value[:4], '12', 'xyz']))}"

    def quoted_word(self, name):
        return name

    def time(self):
        """Also to the nanosecond of an event."""
        event = self.one(self.events)
        seconds, micros = divmod(event["timestamp"], 1_000_000)
        exact = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06}{event['ns']:03}Z"
        return f"time {self.one(ORDERED)} {self.one([str(event['timestamp']), self.quote(exact), '-20ms', '-1us'])}"

    def test(self):
        return self.one([self.numeric, self.numeric, self.identity, self.host, self.text, self.text, self.application, self.time,
                         lambda: self.one(BARE), lambda: self.one(self.kinds)])()

    def tree(self, depth):
        how = self.random.random()
        if depth == 0 or how < 0.35:
            return self.test()
        if how < 0.5:
            return f"not ({self.tree(depth - 1)})"
        return f"({self.tree(depth - 1)} {self.one(['and', 'or'])} {self.tree(depth - 1)})"
