package gpio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

const (
	// maxEdges is how many unread edges a pin keeps; then the oldest are lost and counted.
	maxEdges = 256
	// resync is how often Watch looks at the level although no edge came: an interrupt that was lost somewhere below
	// must not hide a fire input for long.
	resync = time.Second
)

// Pin is one line. It implements gpio.PinIO of periph; the half of it that is not requested returns errors and never
// touches the line. Its methods may be called from any goroutine.
type Pin struct {
	chip   *Chip
	name   string
	offset int

	// setup serializes In and Close, which wait for the kernel's watcher and therefore must not hold mu.
	setup sync.Mutex

	mu      sync.Mutex
	config  config
	line    line // nil when closed, and while or when In could not open it again
	level   gpio.Level
	edges   []edge
	lastSeq uint32
	lost    uint64
	halted  bool
	closed  bool
	waits   uint64        // In ends the waits that began before it
	changed chan struct{} // closed and renewed at each change of the above
}

var _ gpio.PinIO = (*Pin)(nil)

// request asks for the line. The caller holds setup, or is alone.
func (p *Pin) request() error {
	p.mu.Lock()
	cfg := p.config
	p.lastSeq = 0
	p.mu.Unlock()
	l, err := p.chip.source.request(p.offset, cfg, p.take)
	if err != nil {
		return fmt.Errorf("cannot open line %s: %w", p.name, err)
	}
	p.mu.Lock()
	p.line = l
	p.mu.Unlock()
	return nil
}

// take is called by the watcher of the line for each edge.
func (p *Pin) take(e edge) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.seq != 0 {
		if gap := e.seq - p.lastSeq - 1; gap > 0 && gap < 1<<31 {
			p.lost += uint64(gap)
		}
		p.lastSeq = e.seq
	}
	if len(p.edges) == maxEdges {
		p.edges = p.edges[1:]
		p.lost++
	}
	p.edges = append(p.edges, e)
	p.wake()
}

// wake must be called with mu held.
func (p *Pin) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// In requests an input again with another pull and other edges. It drops the edges seen so far, ends a wait of
// another goroutine, and takes back a Halt.
func (p *Pin) In(pull gpio.Pull, e gpio.Edge) error {
	p.setup.Lock()
	defer p.setup.Unlock()
	p.mu.Lock()
	old := p.line
	switch {
	case p.config.output:
		p.mu.Unlock()
		return fmt.Errorf("cannot read line %s: %w", p.name, errOutput)
	case p.closed:
		p.mu.Unlock()
		return fmt.Errorf("cannot read line %s: %w", p.name, errClosed)
	}
	p.line = nil
	if pull != gpio.PullNoChange {
		p.config.pull = pull
	}
	p.config.edge = e
	p.mu.Unlock()
	if old != nil {
		// The kernel takes no new settings on a line that reports edges.
		if err := old.close(); err != nil {
			return fmt.Errorf("cannot release line %s: %w", p.name, err)
		}
	}
	p.mu.Lock()
	p.edges = nil
	p.halted = false
	p.waits++
	p.wake()
	p.mu.Unlock()
	return p.request()
}

// Read returns the level of an input, the level last driven of an output. When the kernel gives no answer it is the
// last known one.
func (p *Pin) Read() gpio.Level {
	level, _ := p.read()
	return level
}

func (p *Pin) read() (gpio.Level, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line == nil {
		return p.level, fmt.Errorf("cannot read line %s: %w", p.name, errClosed)
	}
	if p.config.output {
		return p.level, nil
	}
	level, err := p.line.value()
	if err != nil {
		return p.level, fmt.Errorf("cannot read line %s: %w", p.name, err)
	}
	p.level = level
	return level, nil
}

// WaitForEdge reports whether an edge came before or within the timeout: -1 waits without end, 0 only looks. After
// Halt it is false at once, until the next In.
func (p *Pin) WaitForEdge(timeout time.Duration) bool {
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	p.mu.Lock()
	waits := p.waits
	for {
		switch {
		case p.halted || p.waits != waits:
			p.mu.Unlock()
			return false
		case len(p.edges) > 0:
			p.edges = p.edges[1:]
			p.mu.Unlock()
			return true
		case timeout == 0:
			p.mu.Unlock()
			return false
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-expired:
			return false
		}
		p.mu.Lock()
	}
}

// Halt ends the wait for edges, the running one and those to come, until the next In. An output keeps its level.
func (p *Pin) Halt() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halted = true
	p.wake()
	return nil
}

// Out drives an output.
func (p *Pin) Out(level gpio.Level) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.config.output:
		return fmt.Errorf("cannot drive line %s: %w", p.name, errInput)
	case p.line == nil:
		return fmt.Errorf("cannot drive line %s: %w", p.name, errClosed)
	}
	if err := p.line.setValue(level); err != nil {
		return fmt.Errorf("cannot drive line %s: %w", p.name, err)
	}
	p.level = level
	return nil
}

// PWM is not offered by the kernel's GPIO device.
func (p *Pin) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("cannot modulate line %s: GPIO lines have no PWM", p.name)
}

// Close drives an output to its initial level, gives the line back and ends all waits for good.
func (p *Pin) Close() error {
	p.setup.Lock()
	defer p.setup.Unlock()
	p.mu.Lock()
	l := p.line
	p.line = nil
	p.halted, p.closed = true, true
	p.wake()
	output, initial := p.config.output, p.config.initial
	p.mu.Unlock()
	if l == nil {
		return nil
	}
	var err error
	if output {
		err = l.setValue(initial)
	}
	if err = errors.Join(err, l.close()); err != nil {
		return fmt.Errorf("cannot close line %s: %w", p.name, err)
	}
	return nil
}

// Lost counts the edges that the kernel or this pin had to drop since the line was opened.
func (p *Pin) Lost() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// Pull returns the pull that was asked for.
func (p *Pin) Pull() gpio.Pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config.pull
}

// DefaultPull is not known.
func (p *Pin) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// String names chip and line.
func (p *Pin) String() string { return p.name }

// Name is the same as String.
func (p *Pin) Name() string { return p.name }

// Number is the line's offset on its chip.
func (p *Pin) Number() int { return p.offset }

// Function is "Out" or "In", which never changes.
func (p *Pin) Function() string {
	if p.config.output {
		return string(gpio.OUT)
	}
	return string(gpio.IN)
}

// Watch reports the level of an input that was opened with gpio.BothEdges: at once, and at every change, in order,
// with the kernel's monotonic time. It re-reads the level whenever the edges that came were handled, so that a lost
// one leaves no wrong level behind. It returns nil when ctx ends, else the error of a line that cannot be read.
// It must not be mixed with WaitForEdge. Report must not block for long: edges are kept in bounded number.
func Watch(ctx context.Context, in *Pin, report func(level gpio.Level, at time.Duration)) error {
	again := time.NewTicker(resync)
	defer again.Stop()
	var last gpio.Level
	for first := true; ; {
		edges, changed := in.drain()
		for _, e := range edges {
			if first || e.level != last {
				first, last = false, e.level
				report(last, e.at)
			}
		}
		level, err := in.read()
		if err != nil {
			return err
		}
		if first || level != last {
			at, err := in.chip.source.now()
			if err != nil {
				return fmt.Errorf("cannot watch line %s: %w", in.name, err)
			}
			first, last = false, level
			report(last, at)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-again.C:
		}
	}
}

// drain takes all waiting edges, and the channel that tells of the next change.
func (p *Pin) drain() ([]edge, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	edges := p.edges
	p.edges = nil
	return edges, p.changed
}
