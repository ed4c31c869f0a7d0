package demo

import (
	"sync/atomic"
	"time"
)

// begins is when the story does, whenever it is told: a Tuesday, in business hours. It is winter, so that Lisbon's clocks, which the policy
// means, show the same as those of UTC, in which the server tells times.
var begins = time.Date(2026, time.November, 17, 10, 0, 0, 0, time.UTC)

// clock is the demo's time, for the server and its GitHub alike. It goes as fast as everybody's, and can be set forward.
type clock struct {
	ahead atomic.Int64 // of everybody's, in nanoseconds
}

// newClock returns a clock that shows a time.
func newClock(at time.Time) *clock {
	c := new(clock)
	c.ahead.Store(int64(time.Until(at)))
	return c
}

// Now is for many goroutines.
func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())).UTC() }

func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// nextMinute sets the clock to the beginning of the next minute, so that what is told of it does not depend on how fast the machine is.
func (c *clock) nextMinute() {
	now := c.Now()
	c.forward(now.Truncate(time.Minute).Add(time.Minute).Sub(now))
}
