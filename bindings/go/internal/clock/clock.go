// SPDX-License-Identifier: MIT

// Package clock reads the clock of the machine's logs without a call into C, so that an event has the time at which it happened and not
// that at which its batch was handed over.
//
// It is a package of its own because one that uses cgo can have no assembler of Go's.
package clock

import "time"

// Clock is the time-stamp counter, or CLOCK_MONOTONIC as far as the process's own clock tells it.
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

// Ticks is now.
func (c *Clock) Ticks() uint64 {
	if c.useTSC {
		return tsc()
	}
	return c.base + uint64(time.Since(c.begin))
}
