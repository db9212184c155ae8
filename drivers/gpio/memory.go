package gpio

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Memory is a GPIO chip without wires, for tests: a program has one end of each line through Chip, the test the other
// through Drive, Level and Changes, whose levels are those of the wire, whatever active low says.
type Memory struct {
	label   string
	started time.Time

	mu    sync.Mutex
	lines []*memoryLine
}

type memoryLine struct {
	m         *Memory
	name      string
	wire      gpio.Level
	changes   []gpio.Level
	requested bool
	config    config
	edges     func(edge)
	seq       uint32
	settled   gpio.Level // the logical level that debouncing lets through
	settling  *time.Timer
}

// NewMemory makes a chip with the named lines, all low.
func NewMemory(label string, names ...string) *Memory {
	m := &Memory{label: label, started: time.Now()}
	for _, name := range names {
		m.lines = append(m.lines, &memoryLine{m: m, name: name})
	}
	return m
}

// Chip is the program's end.
func (m *Memory) Chip() *Chip { return &Chip{name: m.label, label: m.label, source: m} }

// Drive puts a level on the wire of an input.
func (m *Memory) Drive(name string, level gpio.Level) {
	l := m.line(name)
	m.mu.Lock()
	tell := l.move(level)
	m.mu.Unlock()
	tell()
}

// Level is the level on a wire.
func (m *Memory) Level(name string) gpio.Level {
	l := m.line(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	return l.wire
}

// Changes are the levels that a wire took since NewMemory, oldest first.
func (m *Memory) Changes(name string) []gpio.Level {
	l := m.line(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(l.changes)
}

func (m *Memory) line(name string) *memoryLine {
	i, err := m.find(name)
	if err != nil {
		panic(fmt.Sprintf("gpio: test asks for line %q of %s: %v", name, m.label, err))
	}
	return m.lines[i]
}

func (m *Memory) find(name string) (int, error) {
	i := slices.IndexFunc(m.lines, func(l *memoryLine) bool { return l.name == name })
	if i < 0 {
		return 0, errors.New("there is no line of that name")
	}
	return i, nil
}

func (m *Memory) request(offset int, c config, edges func(edge)) (line, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if offset >= len(m.lines) {
		return nil, fmt.Errorf("there are lines 0 to %d only", len(m.lines)-1)
	}
	l := m.lines[offset]
	if l.requested {
		return nil, errors.New("device or resource busy")
	}
	l.requested, l.config, l.edges, l.seq = true, c, edges, 0
	l.settled = l.logical()
	if c.output {
		l.move(c.initial != gpio.Level(c.activeLow)) // an output has no edges to tell
	}
	return l, nil
}

func (m *Memory) now() (time.Duration, error) { return time.Since(m.started), nil }

func (m *Memory) close() error { return nil }

// logical must be called with the chip's lock held, as the following ones.
func (l *memoryLine) logical() gpio.Level { return l.wire != gpio.Level(l.config.activeLow) }

// move returns what tells the program of an edge; it is to be called without the lock, as the kernel does it.
func (l *memoryLine) move(level gpio.Level) (tell func()) {
	nothing := func() {}
	if l.wire == level {
		return nothing
	}
	l.wire = level
	l.changes = append(l.changes, level)
	if !l.requested || l.config.output {
		return nothing
	}
	if l.config.debounce == 0 {
		return l.settle()
	}
	if l.settling != nil {
		l.settling.Stop()
	}
	l.settling = time.AfterFunc(l.config.debounce, func() {
		l.m.mu.Lock()
		tell := nothing
		if l.requested {
			tell = l.settle()
		}
		l.m.mu.Unlock()
		tell()
	})
	return nothing
}

func (l *memoryLine) settle() (tell func()) {
	level := l.logical()
	wanted := gpio.FallingEdge
	if level {
		wanted = gpio.RisingEdge
	}
	changed := level != l.settled
	l.settled = level
	if !changed || l.config.edge&wanted == 0 {
		return func() {}
	}
	l.seq++
	e := edge{level: level, at: time.Since(l.m.started), seq: l.seq}
	edges := l.edges
	return func() { edges(e) }
}

func (l *memoryLine) value() (gpio.Level, error) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.settled, nil
}

func (l *memoryLine) setValue(level gpio.Level) error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.move(level != gpio.Level(l.config.activeLow))
	return nil
}

func (l *memoryLine) close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.requested = false
	if l.settling != nil {
		l.settling.Stop()
	}
	return nil
}
