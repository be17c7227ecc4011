#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the initial inputs for the targets that read text or rows.

    seeds_more.py DIRECTORY     makes DIRECTORY/corpus_NAME of each

The sources of the targets explain the bytes."""
import json
import pathlib
import struct
import sys

ID, TRACE = "aa01" + "00" * 30, "10" + "00" * 15


def event(kind="packet_sent", data=None, **more):
    return {"timestamp": 1700000000000000, "ns": 5, "node_id": ID, "lane": 0, "log": 1, "sequence": 3, "kind": kind, "flags": ["sampled"],
            "trace_id": TRACE, "data": {"packet_num": 1, "size": 1200, "space": "1rtt"} if data is None else data} | more


def request(method, **params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


NODE = {"node_id": ID, "name": "alice", "lane_events": 64, "log": 1, "apps": ["TEST"]}
APP = {"app_id": "TEST", "name": "a test", "commands": [{"cmd": 7, "name": "GO"}], "fields": [{"name": "size", "type": "unsigned", "offset": 8,
                                                                                               "length": 4}]}
SAID = {"id": "ab" * 32, "peer_id": "cd" * 32, "by": ID, "log": "0" * 16, "own": False, "transport": "udp", "label": "\u00e9" * 20,
        "since": {"timestamp": 1700000000000000, "ns": 5}}
WHO = [SAID, SAID | {"own": True}, SAID | {"id": ID}, SAID | {"peer_id": "ab" * 32}, SAID | {"id": "ab"}, SAID | {"since": 5},
       event(sequence=5, peer_id="cd" * 32, peer_as="ab" * 32), event(sequence=6, peer_id="cd" * 32, peer_as="ef" * 32)]
LINES = "".join(json.dumps(each) + "\n" for each in (NODE, APP, event(), event(sequence=4), {"missed": 3}))


def row(kind=3, texts=()):
    """A row with empty texts and the maximum number of numeric columns."""
    return struct.pack("<Q16sI", 1, b"t", 2) + b"\x0bpacket_sent" + struct.pack("<HBB32sB32sQ", kind, 1, 0, b"p", 0, b"n", 9) + b"\x04host" + b"\0" * 200


QLOG = (b'{"time":22,"name":"transport:packet_sent","data":{"frames":[{"frame_type":"stream","stream_id":0}],"header":{"packet_type":"1RTT",'
        b'"packet_number":2},"raw":{"length":31}}}')
LOST = b'{"time":23,"name":"recovery:packet_lost","data":{"header":{"packet_type":"1RTT","packet_number":31}}}'
PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

SEEDS = {
    "rpc": {
        "query": request("query", limit=5, explain=True, total=True),
        "filter": request("query", filter="size > 100 and node == alice", order="desc"),
        "count": request("count", group_by=["kind", "peer"], value="size", histogram=True),
        "times": request("count", group_by="time.10ms", **{"from": "-20ms"}),
        "traces": request("traces", order="slowest", limit=2, filter="events > 1"),
        "requests": request("requests", limit=3),
        "peers": request("peers", node_id="alice"),
        "nodes": request("nodes"),
        "apps": request("apps"),
        "cursor": request("query", cursor="00", limit=1),
        "batch": b"[" + request("nodes") + b"," + request("nothing") + b",7]",
        "result": b'{"jsonrpc":"2.0","id":1,"result":{"events":[]}}',
        "error": b'{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"no","data":{"param":"limit"}}}',
        "notification": b'{"jsonrpc":"2.0","method":"events","params":{"events":[]}}',
    },
    "event": {
        "json": b"\1" + json.dumps(event()).encode(),
        "spaces": b"\1" + json.dumps(event(), indent=3).encode(),
        "peer": b"\1" + json.dumps(event(peer_id=ID, flags=["has_peer", "debug"])).encode(),
        "unknown": b"\1" + json.dumps(event("unknown", {"bytes": "00"}, kind_id=999)).encode(),
        "lost": b"\1" + json.dumps(event("events_lost", {"count": 5, "first": "18446744073709551615", "cause": "overwritten"})).encode(),
        "custom": b"\1" + json.dumps(event("custom", {"code": 1, "payload": "0102"})).encode(),
        "application": b"\1" + json.dumps(event("app_command", {"app_id": "TEST", "cmd": 7}, app="a test", command="GO", fields={"size": 1})).encode(),
    } | {f"kind{kind:02}": struct.pack("<BQQ16s32s", 0, 1700000000000000000, kind << 32, bytes(range(16)), bytes(range(32)))[:1]
         + bytes((kind * 7 + i * 31) & 255 for i in range(128)) for kind in range(30)},
    "config": {
        "all": b"# a comment\n[filters]\nslow = rtt > 100ms or took > 1s\nown = @slow and not ok\n[options]\nutc\ncolor = never\n[options follow]\nlimit = 50\n\0@own or '@slow'",
        "circle": b"[filters]\na = @b\nb = @a\n\0@a",
        "unknown": b"[options nothing]\nlimit = 5\n",
        "no_section": b"utc\n",
        "value": b"[options]\nlimit = \nutc = no\npid = 7\n\0reason == @a and @nobody",
    },
    "context": {
        "wire": b"\0" + bytes(range(1, 26)),
        "no_trace": b"\0" + b"\0" * 16 + bytes(range(9)),
        "traceparent": PARENT,
        "later": b"cc" + PARENT[2:] + b"-what",
        "version_ff": b"ff" + PARENT[2:],
    },
    "saved": {
        "lines": LINES.encode(),
        "document": json.dumps({"events": [event()], "nodes": [NODE], "apps": [APP], "gaps": []}).encode(),
        "array": json.dumps([event(), event(sequence=9)]).encode(),
        "cut_line": (LINES[:200] + "\n" + LINES).encode(),
        "who": (LINES + "".join(json.dumps(each) + "\n" for each in WHO)).encode(),
        "document_of_who": json.dumps({"who": WHO[:6], "events": [event()], "nodes": [NODE]}).encode(),
        "junk": b"{\"a\":[1,{\"events\":[]}]}\nnothing\n" + LINES.encode(),
    },
    "fleet": {f"row{kind}": row(kind) for kind in (1, 3, 7, 12, 999)},
    "sql": {name: b"\0" + text for name, text in {
        "size": b"size > 100 and kind = 'packet_sent'",
        "trace": b"trace_id = '10000000000000000000000000000000'",
        "prefix": b"trace_id like '10%' or peer_id is null",
        "between": b"timestamp between 1700000000000000 and 1700000000050000",
        "in": b"kind in ('packet_sent','packet_lost', 7, null)",
        "node": b"node = 'alice' and lane = 0",
        "negative": b"size = -1 or size > 18446744073709551615 or size < 1e300",
        "texts": b"reason = 'a' collate nocase and sequence + 0 < 10",
        "blob": b"size = x'31' or kind = x'61' or node_id = ''",
    }.items()} | {"app": b"\1command = 'GO' or size = '7' or hash = 'aa'"},
    "scene": {
        "request": b"node 0 a1 alice\nnode 1 b1 bob\nstart 0 7401 11 0\nsent 0 1 30 1200 2 7401\nus 400\nrecv 1 0 30 1200 2 7401\nend 0 7401 11 1\n",
        "times": b"node 0 a1 alice\ntimes 3\nstart 0 7%01 11 0\nms 1\nend 0 7%01 11 1\ndone\nclose 0\nshow traces\n",
        "all": b"node 0 a1 a\npeer 1 b1 b\nlost 0 1 7 0 2 74\nsopen 0 1 4 74\nsdata 0 1 4 0 9 1 1 74\nsclose 0 1 4 0 74\nest 0 1 500\nmet 0 1 500\n"
               b"closed 0 1 7 no reason at all\ncustom 0 9\nmissing 0 5\ncrash 0\nnode 0 a1 a\n",
    },
    "qlog": {"sent": b"\0" + QLOG, "received": b"\0" + QLOG.replace(b"sent", b"received"), "lost": b"\1" + LOST, "lost_all": b"\0" + LOST,
             "cut_number": b"\0" + QLOG[:150]},
    "salvage": {
        "good": b"",
        "cut": struct.pack("<HB", 5, 0),
        "head_is_huge": struct.pack("<HBQ", 1024, 8, 2**63),
        "marks": b"".join(struct.pack("<HBI", 24576 + i * 128, 4, 70 - i) for i in range(40)),
        "sizes": struct.pack("<HBII", 28, 8, 16, 1 << 24),
        "time": b"".join(struct.pack("<HBQ", 24576 + i * 128, 8, 2**64 - 1 - i) for i in range(40)),
        "apps": b"".join(struct.pack("<HBI", 4096 + at, 4, 0xffffffff) for at in range(0, 1024, 64)) + struct.pack("<HBI", 4096, 4, 1),
    },
}


def main():
    for target, seeds in SEEDS.items():
        directory = pathlib.Path(sys.argv[1]) / f"corpus_{target}"
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            (directory / name).write_bytes(data)


if __name__ == "__main__":
    main()
