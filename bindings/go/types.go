// SPDX-License-Identifier: MIT

package p2ptrace

// NodeID is a node's identity.
type NodeID [32]byte

// TraceID identifies one request on all nodes that take part in it.
type TraceID [16]byte

// Flags of a trace.
const (
	Sampled      = 1
	Debug        = 2
	AppInitiated = 4
	hasPeer      = 8
)

// Flags of a single event, in addition to those of its trace: see Context.With.
const (
	Retransmission = 32  // for a packet or message that was sent before, to the same peer under the same number or id
	Expired        = 64  // for an AppEnd that is not ok: it timed out
	Probe          = 128 // for a packet that probes the path's MTU, sent or lost: its loss does not count as loss
)

// Options for opening a log.
type Options struct {
	DiscardNewest bool   // drop the newest events when the ring is full, instead of the oldest
	Sample        uint32 // keep one trace in this many; 0 and 1: all
	LaneEvents    uint32 // events that the lane keeps, a power of two; 0: 65536
}

// How the bytes of an application's field are shown.
const (
	AppUnsigned = 1
	AppBytes    = 2
	AppHash     = 3
	AppText     = 4
)

// AppField is a field in the data of an application's events.
type AppField struct {
	Name                string
	Type, Offset, Bytes uint8
}
