// Package gpio offers the lines of a GPIO chip through periph's conn/gpio contract, on the kernel's character device.
//
// It keeps that contract where periph's own chip driver does not: an output starts at its initial level without a
// pulse, reading never reconfigures a line, WaitForEdge(-1) waits forever and WaitForEdge(0) never, and Halt ends a
// wait also when it comes first. It does not know what hangs on a line, and it does not keep a strike safe when the
// process dies: that is the guard's work.
//
// Levels are logical: on a line that is active low, gpio.High means that the wire is low.
package gpio

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// OutputOptions say how an output line is requested.
type OutputOptions struct {
	Initial   gpio.Level // driven from the first moment, and again by Close
	ActiveLow bool
}

// InputOptions say how an input line is requested.
type InputOptions struct {
	Pull      gpio.Pull
	Edge      gpio.Edge // which edges WaitForEdge sees; Watch needs gpio.BothEdges
	ActiveLow bool
	Debounce  time.Duration // by the kernel; 0 = none
}

// Chip is an open GPIO chip. Lines stay open when it is closed.
type Chip struct {
	name, label string
	source      source
}

// source is where a chip's lines come from: the kernel, or memory.
type source interface {
	// find returns the offset of a line by its name.
	find(name string) (offset int, err error)
	request(offset int, c config, edges func(edge)) (line, error)
	// now is the clock of the edges.
	now() (time.Duration, error)
	close() error
}

// line is one requested line.
type line interface {
	value() (gpio.Level, error)
	setValue(gpio.Level) error
	close() error
}

type config struct {
	output    bool
	initial   gpio.Level
	activeLow bool
	pull      gpio.Pull
	edge      gpio.Edge
	debounce  time.Duration
}

// edge is one change that the kernel saw.
type edge struct {
	level gpio.Level
	at    time.Duration
	seq   uint32 // counted by the kernel from 1, so that a lost edge leaves a gap
}

var (
	errOutput = errors.New("the line is an output and stays one")
	errInput  = errors.New("the line is an input and stays one")
	errClosed = errors.New("the line is closed")
)

// Label is the chip's label, as the board names it.
func (c *Chip) Label() string { return c.label }

// Close gives the chip back; its open lines go on working.
func (c *Chip) Close() error { return c.source.close() }

// Output requests a line, by name or offset, as an output that is at its initial level from the first moment.
func (c *Chip) Output(name string, o OutputOptions) (*Pin, error) {
	return c.open(name, config{output: true, initial: o.Initial, activeLow: o.ActiveLow})
}

// Input requests a line, by name or offset, as an input.
func (c *Chip) Input(name string, o InputOptions) (*Pin, error) {
	if o.Debounce < 0 {
		return nil, fmt.Errorf("cannot open line %q of %s: debounce %s is negative", name, c.label, o.Debounce)
	}
	return c.open(name, config{activeLow: o.ActiveLow, pull: o.Pull, edge: o.Edge, debounce: o.Debounce})
}

func (c *Chip) open(name string, cfg config) (*Pin, error) {
	offset, err := c.offset(name)
	if err != nil {
		return nil, fmt.Errorf("cannot open line %q of %s: %w", name, c.label, err)
	}
	p := &Pin{chip: c, name: c.name + "/" + name, offset: offset, config: cfg, level: cfg.initial, changed: make(chan struct{})}
	if err := p.request(); err != nil {
		return nil, err
	}
	return p, nil
}

func (c *Chip) offset(name string) (int, error) {
	offset, err := c.source.find(name)
	if err == nil {
		return offset, nil
	}
	// A line without a name is meant by its number; a number that is also a name means the name.
	if n, numeric := strconv.Atoi(name); numeric == nil && n >= 0 && strings.TrimLeft(name, "+") == name {
		return n, nil
	}
	return 0, err
}
