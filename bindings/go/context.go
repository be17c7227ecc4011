// SPDX-License-Identifier: MIT

//go:build !notrace

package p2ptrace

/*
#include <p2ptrace/shared.h>
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"net/netip"
	"unsafe"
)

// ContextBytes is the number of bytes of trace context in a message; 0 with the tag notrace.
const ContextBytes = 26

// Context is a position in a trace.  It has the layout of struct trace_context.
type Context struct {
	TraceID TraceID
	SpanID  uint64
	Flags   uint8
}

// The last member is at the same offset as in C.
var _ = [1]struct{}{}[unsafe.Offsetof(Context{}.Flags)-unsafe.Offsetof(C.struct_trace_context{}.flags)]

func fromC(context C.struct_trace_context) Context { return *(*Context)(unsafe.Pointer(&context)) }
func toC(context *Context) *C.struct_trace_context {
	return (*C.struct_trace_context)(unsafe.Pointer(context))
}

// NewContext begins a trace, with its first span.
func NewContext(flags uint8) Context { return fromC(C.trace_context_new(C.uint8_t(flags))) }

// Child begins a new span in the same trace, for our part of it.
func (context *Context) Child() Context { return fromC(C.trace_context_child(toC(context))) }

// With returns a context with more flags, for a single event: Retransmission, Expired, Probe.  A nil context is fine.
func (context *Context) With(flags uint8) *Context {
	var own Context
	if context != nil {
		own = *context
	}
	own.Flags |= flags
	return &own
}

// Span is the context's span: the parent of the next node's span.  Programs that are also built with notrace use this method.
func (context *Context) Span() uint64 { return context.SpanID }

// Encode writes ContextBytes bytes.
func (context *Context) Encode(out []byte) {
	_ = out[ContextBytes-1]
	C.trace_context_encode((*C.uint8_t)(unsafe.Pointer(&out[0])), toC(context))
}

// DecodeContext reads the caller's context from a message.
func DecodeContext(data []byte) (Context, error) {
	var context Context
	if len(data) < ContextBytes || C.trace_context_decode(toC(&context), (*C.uint8_t)(unsafe.Pointer(&data[0])), C.size_t(len(data))) != 0 {
		return context, errors.New("p2ptrace: no trace context")
	}
	return context, nil
}

// NodeIDFrom makes an id from a public key, or from an id of another length; the result is the same on every machine.
func NodeIDFrom(identity []byte) NodeID {
	var first *byte
	if len(identity) != 0 {
		first = &identity[0]
	}
	id := C.trace_node_id_from(unsafe.Pointer(first), C.size_t(len(identity)))
	return *(*NodeID)(unsafe.Pointer(&id))
}

// NodeIDOfAddress is the id of a peer of which only the address is known: "192.0.2.1:4001", "[2001:db8::1]:4001".  Alias later
// connects it with the peer's id.
func NodeIDOfAddress(address string) NodeID {
	text := C.CString(address)
	defer C.free(unsafe.Pointer(text))
	id := C.trace_node_id_of_address(text)
	return *(*NodeID)(unsafe.Pointer(&id))
}

// RandomNodeID is for a node that gets a new id each time it starts.
func RandomNodeID() NodeID {
	id := C.trace_node_id_random()
	return *(*NodeID)(unsafe.Pointer(&id))
}

// The generated methods write fields with these, in the machine's byte order.
func putUint16(out []byte, value uint16) { *(*uint16)(unsafe.Pointer(&out[0])) = value }
func putUint32(out []byte, value uint32) { *(*uint32)(unsafe.Pointer(&out[0])) = value }
func putUint64(out []byte, value uint64) { *(*uint64)(unsafe.Pointer(&out[0])) = value }

func putBool(out []byte, value bool) {
	if value {
		out[0] = 1
	}
}

func putSpan(out []byte, context *Context) {
	if context != nil {
		putUint64(out, context.SpanID)
	}
}

func putEndpoint(out []byte, endpoint netip.AddrPort) {
	address := endpoint.Addr().Unmap()
	switch {
	case address.Is4():
		raw := address.As4()
		copy(out, raw[:])
		out[18] = 4
	case address.Is6():
		raw := address.As16()
		copy(out, raw[:])
		out[18] = 6
	}
	putUint16(out[16:], endpoint.Port())
}
