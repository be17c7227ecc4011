// SPDX-License-Identifier: MIT

// For bench_bindings.py: main COUNT.  The figure includes handing over the last events.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"p2ptrace"
)

func emit(log *p2ptrace.Log, context *p2ptrace.Context, peer *p2ptrace.NodeID, count uint64) {
	for i := uint64(0); i < count; i++ {
		log.PacketSent(context, peer, i, 1200, p2ptrace.Space1RTT)
	}
	log.Flush()
}

func main() {
	count, _ := strconv.ParseUint(os.Args[1], 10, 64)
	log, err := p2ptrace.Open("go", p2ptrace.RandomNodeID(), p2ptrace.Options{})
	if err != nil {
		panic(err)
	}
	context, peer := p2ptrace.NewContext(p2ptrace.Sampled), p2ptrace.RandomNodeID()
	emit(log, &context, &peer, 65536)
	start := time.Now()
	emit(log, &context, &peer, count)
	fmt.Printf("%.3f\n", float64(time.Since(start).Nanoseconds())/float64(count))
	log.Close()
}
