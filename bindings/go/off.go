// SPDX-License-Identifier: MIT

//go:build notrace

// Package p2ptrace with the tag notrace: no library is needed, methods do nothing, and messages carry no context.
package p2ptrace

// ContextBytes is 0: messages carry no context.
const ContextBytes = 0

// Log is empty.
type Log struct{}

// Context is empty.
type Context struct{}

// Open opens nothing; a nil *Log emits nothing.
func Open(name string, id NodeID, options Options) (*Log, error) { return nil, nil }

// Flush does nothing.
func (log *Log) Flush() {}

// Close does nothing.
func (log *Log) Close() {}

// Name returns "".
func (log *Log) Name() string { return "" }

// RegisterApp does nothing.
func (log *Log) RegisterApp(appID, name string, commands map[uint16]string, fields []AppField) error {
	return nil
}

// NewContext returns an empty context.
func NewContext(flags uint8) Context { return Context{} }

// Child returns an empty context.
func (context *Context) Child() Context { return Context{} }

// With returns the context.
func (context *Context) With(flags uint8) *Context { return context }

// Span returns 0.
func (context *Context) Span() uint64 { return 0 }

// Encode writes nothing.
func (context *Context) Encode(out []byte) {}

// DecodeContext reads nothing.
func DecodeContext(data []byte) (Context, error) { return Context{}, nil }

// NodeIDFrom returns the zero id.
func NodeIDFrom(identity []byte) NodeID { return NodeID{} }

// NodeIDOfAddress returns the zero id.
func NodeIDOfAddress(address string) NodeID { return NodeID{} }

// RandomNodeID returns the zero id.
func RandomNodeID() NodeID { return NodeID{} }
