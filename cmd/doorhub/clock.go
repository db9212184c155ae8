package main

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/doorpanel/doorpanel/license"
)

// licenseClock is the hub's time for licenses. The host's clock is the hub's; what was received before cannot lie ahead of it,
// so that setting the clock back brings no license back.
func (h *house) licenseClock() license.Clock {
	now := time.Now()
	if now.After(h.mark) {
		return license.Clock{Now: now, Mark: now, Trusted: true}
	}
	return license.Clock{Now: now, Mark: h.mark, Trusted: true}
}

// readMark looks at when the newest event arrived.
func (h *house) readMark() {
	last, err := h.store.Last()
	if err != nil || last == 0 {
		return
	}
	if events, err := h.store.After(last-1, 1); err == nil && len(events) == 1 {
		h.mark = events[0].At
	}
}

// kernelSynchronized reports whether the kernel says that its clock follows a time source (adjtimex(2), STA_UNSYNC).
func kernelSynchronized() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}
