// Package scanner reads the texts of a code scanner: one that types like a keyboard, or one on a serial line.
//
// A text ends with a carriage return or a line feed. Nothing is known about what a text means, and no picture is
// read: such a scanner does that itself.
package scanner

import (
	"errors"
	"fmt"
	"time"
)

const (
	// MaxText is the longest text in bytes; a longer one is dropped as a whole.
	MaxText = 4096
	// stale is how long a text may pause; what was there before belongs to a scan that broke off.
	stale = 2 * time.Second
)

// Options say who hears of scans.
type Options struct {
	// Text gets each text, without its end and without control characters; never an empty one. It must not block.
	Text func(text string)
	// Failed is told of a text that was dropped, and why. It must not block; may be nil.
	Failed func(cause error)
}

// Lines puts the characters of a scanner together. The zero value has no one to tell.
type Lines struct {
	o    Options
	text []byte
	long bool // dropping until the end of the line
	last time.Time
}

// NewLines makes an empty one.
func NewLines(o Options) *Lines { return &Lines{o: o} }

// Add takes the next character, which came at the given (monotonic) time.
func (l *Lines) Add(c byte, now time.Time) {
	if now.Sub(l.last) > stale {
		l.text, l.long = l.text[:0], false
	}
	l.last = now
	switch {
	case c == '\r' || c == '\n':
		if l.long {
			l.fail(fmt.Errorf("cannot read code: it is longer than %d bytes", MaxText))
		} else if len(l.text) > 0 && l.o.Text != nil {
			l.o.Text(string(l.text))
		}
		l.text, l.long = l.text[:0], false
	case c < ' ' || c == 0x7F:
		// Some scanners frame a text with STX and ETX.
	case len(l.text) == MaxText:
		l.long = true
	default:
		l.text = append(l.text, c)
	}
}

// Lost drops the text that has begun, because characters of it are missing.
func (l *Lines) Lost() {
	if len(l.text) > 0 || l.long {
		l.fail(errors.New("cannot read code: characters were lost; scan it again"))
	}
	l.text, l.long = l.text[:0], false
}

func (l *Lines) fail(cause error) {
	if l.o.Failed != nil {
		l.o.Failed(cause)
	}
}
