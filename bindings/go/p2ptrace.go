// SPDX-License-Identifier: MIT

//go:build !notrace

// Package p2ptrace is p2ptrace for Go: a node's log, its events and contexts.
//
//	log, err := p2ptrace.Open("alice", p2ptrace.NodeIDFrom(publicKey), p2ptrace.Options{})
//	if err != nil { ... }             // a nil *Log emits nothing: the node runs on, untraced
//	defer log.Close()
//	log.PacketSent(&context, &peer, number, size, p2ptrace.Space1RTT)
//
// A Log has a method for each kind of events.def except events_lost.  It takes the context and the peer (nil for none), then the kind's
// fields in order, without span_id, which comes from the context.
//
// A call into C costs more than an event.  So events are collected, each with the time at which it happened, and handed over together: when
// there are 256, after 2 ms at most, and by Flush.  If the process is killed, or ends without Close, events not handed over yet are lost
// and not counted.  One thread, with one lane, hands events over; in bursts that are too fast for it, the goroutines
// do so themselves.
//
// With the build tag notrace only empty methods remain, which the compiler removes, and no library is needed.
package p2ptrace

/*
#cgo pkg-config: p2ptrace-shared
#include <p2ptrace/shared.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The strings belong to Go and are valid during the call.
static int open_log(struct trace_log **ret_log, void *id, char *name, uint32_t policy, uint64_t control, uint32_t lane_events) {
    struct trace_log_options options = {.node_name = name, .policy = (enum trace_policy)policy, .control = control};
    memcpy(&options.node_id, id, sizeof options.node_id);
    return trace_shared_log_open(ret_log, &options, sizeof options, lane_events);
}
static void emit_events(struct trace_log *log, void *events, size_t count) { trace_shared_emit_events(log, (struct trace_event *)events, count); }
static uint64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
*/
import "C"

import (
	"errors"
	"runtime"
	"sort"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"p2ptrace/internal/clock"
)

const (
	batch      = 256
	shardCount = 8
	queued     = 32 // batches that may wait: 1 MiB
	flushAfter = 2 * time.Millisecond
)

// event is struct trace_event.
type event struct {
	timestamp uint64
	traceID   TraceID
	sequence  uint32
	kind      uint16
	flags     uint8
	reserved  uint8
	peerID    NodeID
	data      [64]byte
}

// Does not compile unless both sides see the same 128 bytes.
var _ = [1]struct{}{}[unsafe.Sizeof(event{})-uintptr(C.sizeof_struct_trace_event)]
var _ = [1]struct{}{}[unsafe.Offsetof(event{}.data)-64]

// A shard of collected events.  Goroutines that run at the same time mostly find different shards.
type shard struct {
	mutex  sync.Mutex
	count  int
	events []event
	_      [64]byte // puts the next shard's lock on another cache line
}

// Log is one node's log.  A nil *Log emits nothing.  Any goroutine may use it; nobody may emit while it is closed.
type Log struct {
	log    *C.struct_trace_log
	clock  clock.Clock
	shards [shardCount]shard
	full   chan []event // to the thread that hands events over
	empty  chan []event
	wake   chan chan struct{}
	ended  chan struct{}
}

// Open opens a log; see Options.  The node id must not be all zero.
func Open(name string, id NodeID, options Options) (*Log, error) {
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	sample, policy := uint64(options.Sample), C.uint32_t(0)
	if sample == 0 {
		sample = 1
	}
	if options.DiscardNewest {
		policy = 1
	}
	log := &Log{full: make(chan []event, queued), empty: make(chan []event, queued+shardCount), wake: make(chan chan struct{}), ended: make(chan struct{})}
	control := C.uint64_t(((1<<32)/sample-1)<<32 | 0xffffffff)
	opened := make(chan C.int)
	go log.handOver(opened, func() C.int {
		return C.open_log(&log.log, unsafe.Pointer(&id), cname, policy, control, C.uint32_t(options.LaneEvents))
	})
	if result := <-opened; result != 0 {
		return nil, syscall.Errno(-result)
	}
	return log, nil
}

// The goroutine that has the log's lane.  It is locked to its thread, because lanes belong to threads.
func (log *Log) handOver(opened chan C.int, open func() C.int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	result := open()
	if result == 0 {
		log.clock = clock.New(C.trace_shared_clock_source() == C.TRACE_CLOCK_TSC, func() uint64 { return uint64(C.monotonic_ns()) })
		for i := range log.shards {
			log.shards[i].events = make([]event, batch)
		}
	}
	opened <- result
	if result != 0 {
		return
	}
	ticker := time.NewTicker(flushAfter)
	defer ticker.Stop()
	for {
		select {
		case events := <-log.full:
			log.write(events)
			log.giveBack(events)
		case <-ticker.C:
			log.collect()
		case done := <-log.wake:
			if done == nil {
				log.collect()
				C.trace_log_close(log.log)
				close(log.ended)
				return
			}
			log.collect()
			close(done)
		}
	}
}

func (log *Log) write(events []event) {
	if len(events) != 0 {
		C.emit_events(log.log, unsafe.Pointer(&events[0]), C.size_t(len(events)))
	}
}

func (log *Log) giveBack(events []event) {
	select {
	case log.empty <- events[:batch]:
	default:
	}
}

// Hands over all collected events: full batches first, because they are older.
func (log *Log) collect() {
	for more := true; more; {
		select {
		case events := <-log.full:
			log.write(events)
			log.giveBack(events)
		default:
			more = false
		}
	}
	for i := range log.shards {
		shard := &log.shards[i]
		shard.mutex.Lock()
		log.write(shard.events[:shard.count])
		shard.count = 0
		shard.mutex.Unlock()
	}
}

// Flush hands over everything emitted before, and waits until that is done.
func (log *Log) Flush() {
	if log == nil {
		return
	}
	done := make(chan struct{})
	log.wake <- done
	<-done
}

// Close hands over the rest, and closes the log.  Call it once.
func (log *Log) Close() {
	if log == nil {
		return
	}
	log.wake <- nil
	<-log.ended
}

// Name is the name of the log's shared-memory object; "" for a nil log.
func (log *Log) Name() string {
	if log == nil {
		return ""
	}
	return C.GoString(C.trace_log_name(log.log))
}

// begin reserves a place for an event and takes the shard's lock, which commit releases.
func (log *Log) begin(kind uint16, context *Context, peer *NodeID) (*shard, *event) {
	if log == nil {
		return nil, nil
	}
	var here byte
	at := uint(uintptr(unsafe.Pointer(&here))>>13) % shardCount // the address of a stack differs between goroutines
	shard := &log.shards[at]
	for i := uint(1); !shard.mutex.TryLock(); i++ {
		shard = &log.shards[(at+i)%shardCount]
		if i == shardCount {
			shard.mutex.Lock()
			break
		}
	}
	event := &shard.events[shard.count]
	event.kind, event.flags = kind, 0
	event.data = [64]byte{}
	if context != nil {
		event.traceID, event.flags = context.TraceID, context.Flags&^hasPeer
	} else {
		event.traceID = TraceID{}
	}
	if peer != nil {
		event.peerID = *peer
		event.flags |= hasPeer
	}
	event.timestamp = log.clock.Ticks()
	return shard, event
}

// A full batch goes to the thread that hands events over.  We never wait for it: if it is behind, the batch is handed over here.
func (log *Log) commit(shard *shard) {
	shard.count++
	if shard.count == batch {
		log.passOn(shard)
	}
	shard.mutex.Unlock()
}

func (log *Log) passOn(shard *shard) {
	var next []event
	select {
	case next = <-log.empty:
	default:
		next = make([]event, batch)
	}
	select {
	case log.full <- shard.events:
		shard.events = next
	default:
		log.write(shard.events)
		log.giveBack(next)
	}
	shard.count = 0
}

// RegisterApp names an application's commands and the fields of its data.  Names that are too long are cut.
func (log *Log) RegisterApp(appID, name string, commands map[uint16]string, fields []AppField) error {
	if log == nil {
		return nil
	}
	if len(appID) != 4 {
		return errors.New("p2ptrace: an app id has 4 characters")
	}
	cid, cname := C.CString(appID), C.CString(name)
	defer C.free(unsafe.Pointer(cid))
	defer C.free(unsafe.Pointer(cname))
	ccommands, cfields := make([]C.struct_trace_app_command_name, 0, len(commands)+1), make([]C.struct_trace_app_field, 0, len(fields)+1)
	numbers := make([]int, 0, len(commands))
	for number := range commands {
		numbers = append(numbers, int(number))
	}
	sort.Ints(numbers) // registering the same again has no further effect
	for _, number := range numbers {
		command := C.struct_trace_app_command_name{cmd: C.uint16_t(number)}
		cut(command.name[:], commands[uint16(number)])
		ccommands = append(ccommands, command)
	}
	for _, field := range fields {
		cfield := C.struct_trace_app_field{_type: C.uint8_t(field.Type), offset: C.uint8_t(field.Offset), bytes: C.uint8_t(field.Bytes)}
		cut(cfield.name[:], field.Name)
		cfields = append(cfields, cfield)
	}
	result := C.trace_shared_register_app(log.log, cid, cname, &ccommands[:1][0], C.size_t(len(ccommands)),
		&cfields[:1][0], C.size_t(len(cfields)))
	if result != 0 {
		return syscall.Errno(-result)
	}
	return nil
}

func cut(out []C.char, text string) {
	for i := 0; i < len(text) && i < len(out); i++ {
		out[i] = C.char(text[i])
	}
}
