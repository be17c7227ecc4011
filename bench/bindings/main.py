# SPDX-License-Identifier: MIT
"""For bench_bindings.py: main COUNT."""
import sys
import time

import p2ptrace


def emit(log, context, peer, count):
    for number in range(count):
        log.packet_sent(context, peer, number, 1200, 2)


def main():
    count = int(sys.argv[1])
    with p2ptrace.Log("python", required=True) as log:
        context, peer = p2ptrace.Context.new(), p2ptrace.node_id_random()
        emit(log, context, peer, 1000)
        start = time.perf_counter_ns()
        emit(log, context, peer, count)
        print((time.perf_counter_ns() - start) / count)


if __name__ == "__main__":
    main()
