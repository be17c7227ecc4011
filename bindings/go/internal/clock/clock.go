// SPDX-License-Identifier: MIT

// Package clock reads the clock of the machine's logs without a call into C, so that an event has the time at which it happened, not
// the time at which its batch was handed over.
//
// It is a separate package because a package that uses cgo cannot contain Go assembly.
package clock

import "time"

// Clock is the time-stamp counter, or CLOCK_MONOTONIC derived from Go's own monotonic clock.
type Clock struct {
	useTSC bool
	base   uint64 // CLOCK_MONOTONIC at begin, in ns
	begin  time.Time
}

// New makes a clock.  monotonic reads CLOCK_MONOTONIC; it is used when useTSC is false.
func New(useTSC bool, monotonic func() uint64) Clock {
	if useTSC {
		return Clock{useTSC: true}
	}
	return Clock{base: monotonic(), begin: time.Now()}
}

// Ticks returns the current time.
func (c *Clock) Ticks() uint64 {
	if c.useTSC {
		return tsc()
	}
	return c.base + uint64(time.Since(c.begin))
}
