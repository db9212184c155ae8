package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// consumer is what the kernel shows as the user of our lines.
const consumer = "doorpanel"

// OpenChip opens a chip by its label, its name (gpiochip0) or its path (/dev/gpiochip0). Labels are the better
// choice: names change with the order in which the kernel finds the chips.
func OpenChip(name string) (*Chip, error) {
	c, err := openChip(name)
	if err != nil {
		return nil, fmt.Errorf("cannot open GPIO chip %q: %w", name, err)
	}
	return &Chip{name: c.Name, label: c.Label, source: kernel{c}}, nil
}

func openChip(name string) (*gpiocdev.Chip, error) {
	var found *gpiocdev.Chip
	var seen []string
	for _, n := range gpiocdev.Chips() {
		c, err := gpiocdev.NewChip(n, gpiocdev.WithConsumer(consumer))
		if err != nil {
			seen = append(seen, fmt.Sprintf("%s (%v)", n, err))
			continue
		}
		if name == c.Name || name == "/dev/"+c.Name || name == c.Label {
			if found != nil {
				return nil, errors.Join(fmt.Errorf("%s and %s have that label; write the name", found.Name, c.Name), found.Close(), c.Close())
			}
			found = c
			continue
		}
		seen = append(seen, fmt.Sprintf("%s (%s)", c.Name, c.Label))
		if err := c.Close(); err != nil {
			return nil, err
		}
	}
	if found != nil {
		return found, nil
	}
	if _, err := gpiocdev.NewChip(name); errors.Is(err, fs.ErrPermission) || errors.Is(err, gpiocdev.ErrPermissionDenied) {
		return nil, fmt.Errorf("%w; put the user into the group of the device, usually gpio", err)
	}
	if len(seen) == 0 {
		return nil, errors.New("there is no GPIO chip that this user may open; put the user into the group gpio")
	}
	return nil, fmt.Errorf("there is only %s", strings.Join(seen, ", "))
}

// kernel is a chip of the kernel.
type kernel struct{ chip *gpiocdev.Chip }

func (k kernel) find(name string) (int, error) {
	offset, err := k.chip.FindLine(name)
	if errors.Is(err, gpiocdev.ErrNotFound) {
		return 0, fmt.Errorf("there is no line of that name; gpioinfo lists them, a number from 0 to %d works too", k.chip.Lines()-1)
	}
	return offset, err
}

func (k kernel) request(offset int, c config, edges func(edge)) (line, error) {
	options := []gpiocdev.LineReqOption{gpiocdev.WithConsumer(consumer)}
	if c.activeLow {
		options = append(options, gpiocdev.AsActiveLow)
	}
	if c.output {
		options = append(options, gpiocdev.AsOutput(number(c.initial)))
	} else {
		options = append(options, gpiocdev.AsInput)
		switch c.pull {
		case gpio.Float:
			options = append(options, gpiocdev.WithBiasDisabled)
		case gpio.PullDown:
			options = append(options, gpiocdev.WithPullDown)
		case gpio.PullUp:
			options = append(options, gpiocdev.WithPullUp)
		}
		if c.debounce > 0 {
			options = append(options, gpiocdev.WithDebounce(c.debounce))
		}
		switch c.edge {
		case gpio.RisingEdge:
			options = append(options, gpiocdev.WithRisingEdge)
		case gpio.FallingEdge:
			options = append(options, gpiocdev.WithFallingEdge)
		case gpio.BothEdges:
			options = append(options, gpiocdev.WithBothEdges)
		}
		if c.edge != gpio.NoEdge {
			options = append(options, gpiocdev.WithEventHandler(func(e gpiocdev.LineEvent) {
				edges(edge{level: e.Type == gpiocdev.LineEventRisingEdge, at: e.Timestamp, seq: e.LineSeqno})
			}))
		}
	}
	l, err := k.chip.RequestLine(offset, options...)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%w: another program or the kernel holds it; gpioinfo names it", err)
	case errors.Is(err, gpiocdev.ErrInvalidOffset):
		return nil, fmt.Errorf("there are lines 0 to %d only", k.chip.Lines()-1)
	case err != nil:
		return nil, err
	}
	return kernelLine{l}, nil
}

func (k kernel) now() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

func (k kernel) close() error { return k.chip.Close() }

type kernelLine struct{ l *gpiocdev.Line }

func (k kernelLine) value() (gpio.Level, error) {
	v, err := k.l.Value()
	return v != 0, err
}

func (k kernelLine) setValue(level gpio.Level) error { return k.l.SetValue(number(level)) }

func (k kernelLine) close() error { return k.l.Close() }

func number(level gpio.Level) int {
	if level {
		return 1
	}
	return 0
}
