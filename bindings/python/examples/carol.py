#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A node in Python that answers requests of a node in C over UDP, each with its trace context.

    carol.py PORT_FILE COUNT

Writes its port to PORT_FILE, answers COUNT datagrams and ends.  A request is 26 bytes of context, the asker's node id (32 bytes) and a key;
the answer is the key, backwards."""
import pathlib
import socket
import sys

import p2ptrace

GET = 2


def answer(log, server):
    message, address = server.recvfrom(2048)
    caller = p2ptrace.Context.decode(message[:p2ptrace.CONTEXT_BYTES])
    peer, key = message[26:58], message[58:]
    context = caller.child()
    log.app_start(context, peer, parent_id=caller.span_id, app_id="DMAP", cmd=GET)
    log.app_command(context, peer, app_id="DMAP", cmd=GET, data=key)
    log.app_end(context, peer, app_id="DMAP", cmd=GET, ok=True)  # before the answer: the request may end right after it
    server.sendto(key[::-1], address)


def main():
    port_file, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    with p2ptrace.Log("carol", p2ptrace.node_id_from("carol")) as log, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        log.register_app("DMAP", "DataMap", {1: "STORE", GET: "GET"}, [("key", "text", 0, len("chunk-0"))])
        server.bind(("127.0.0.1", 0))
        partial = port_file.with_suffix(".new")
        partial.write_text(str(server.getsockname()[1]), encoding="ascii")
        partial.rename(port_file)
        for _ in range(count):
            answer(log, server)


if __name__ == "__main__":
    main()
