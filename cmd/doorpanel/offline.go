package main

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
)

var loopbackAnyPort = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)

// noHardware is a panel whose store alone is open: a command works on it while no daemon runs.
func noHardware(clock configs.Clock) *hardware {
	return &hardware{
		out: unplugged{}, wall: hostClock(clock),
		contacts: map[string]bool{}, setupCode: func(string) {}, close: func() error { return nil },
	}
}

// unplugged is hardware that is not there.
type unplugged struct{}

func (unplugged) SetStrike(string, bool, time.Duration) error { return nil }
func (unplugged) Signal(panel.Signal)                         {}

// hostClock is this machine's clock, and who vouches for it.
func hostClock(c configs.Clock) func() (time.Time, license.TimeSource) {
	return func() (time.Time, license.TimeSource) {
		now := time.Now()
		switch {
		case c.Kernel && kernelSynchronized():
			return now, license.Synchronized
		case c.RTC:
			return now, license.Battery
		}
		return now, license.Unknown
	}
}

// kernelSynchronized reports whether the kernel says that its clock follows a time source (adjtimex(2), STA_UNSYNC).
func kernelSynchronized() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}
