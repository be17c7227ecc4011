// SPDX-License-Identifier: MIT

//go:build notrace

// Package p2ptrace with the tag notrace: nothing.  No library is needed, no method does anything, and a message carries no context.
package p2ptrace

// ContextBytes is 0: a message carries nothing.
const ContextBytes = 0

// Log is nothing.
type Log struct{}

// Context is nothing.
type Context struct{}

// Open opens nothing; a nil *Log emits nothing.
func Open(name string, id NodeID, options Options) (*Log, error) { return nil, nil }

// Flush does nothing.
func (log *Log) Flush() {}

// Close does nothing.
func (log *Log) Close() {}

// Name is "".
func (log *Log) Name() string { return "" }

// RegisterApp does nothing.
func (log *Log) RegisterApp(appID, name string, commands map[uint16]string, fields []AppField) error {
	return nil
}

// NewContext is nothing.
func NewContext(flags uint8) Context { return Context{} }

// Child is nothing.
func (context *Context) Child() Context { return Context{} }

// With is the context.
func (context *Context) With(flags uint8) *Context { return context }

// Span is 0.
func (context *Context) Span() uint64 { return 0 }

// Encode writes nothing.
func (context *Context) Encode(out []byte) {}

// DecodeContext reads nothing.
func DecodeContext(data []byte) (Context, error) { return Context{}, nil }

// NodeIDFrom is the zero id.
func NodeIDFrom(identity []byte) NodeID { return NodeID{} }

// NodeIDOfAddress is the zero id.
func NodeIDOfAddress(address string) NodeID { return NodeID{} }

// RandomNodeID is the zero id.
func RandomNodeID() NodeID { return NodeID{} }
