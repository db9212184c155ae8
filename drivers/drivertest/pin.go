package drivertest

import (
	"slices"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
)

const (
	// soon is how long the suite waits for what must happen.
	soon = 10 * time.Second
	// quiet is how long it waits for what must not.
	quiet = 150 * time.Millisecond
)

// Pin is a line under test; Close gives it back.
type Pin interface {
	gpio.PinIO
	Close() error
}

// Input says how the suite wants an input line.
type Input struct {
	Edge      gpio.Edge
	ActiveLow bool
	Debounce  time.Duration
}

// PinBench is a chip with two free lines: one that the suite opens as an output and one as an input, and the far ends
// of both wires. Levels at the far ends are those of the wire. The wire of the input starts low.
type PinBench struct {
	Output func(t *testing.T, initial gpio.Level, activeLow bool) Pin
	Input  func(t *testing.T, o Input) Pin
	// Drive puts a level on the input's wire.
	Drive func(t *testing.T, level gpio.Level)
	// Level is the level on the output's wire.
	Level func(t *testing.T) gpio.Level
	// Changes are the levels that the output's wire was driven to since the bench was made, oldest first, without
	// repetitions. A wire that rests low before the first request and is then driven low shows no change.
	Changes func(t *testing.T) []gpio.Level
}

// TestPin checks an implementation of periph's gpio.PinIO. Each test gets a bench of its own.
func TestPin(t *testing.T, bench func(t *testing.T) *PinBench) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, b *PinBench)
	}{
		{"OutputStartsAtItsInitialLevelWithoutAPulse", outputStarts},
		{"ActiveLowOutputStartsWithoutAPulse", activeLowOutputStarts},
		{"ReadingAnOutputLeavesItAlone", readingOutput},
		{"OutDrivesTheWire", outDrives},
		{"CloseReturnsToTheInitialLevel", closeReturns},
		{"AnOutputNeverBecomesAnInput", outputStaysOutput},
		{"AnInputNeverBecomesAnOutput", inputStaysInput},
		{"ReadFollowsTheWire", readFollows},
		{"ActiveLowInputIsInverted", activeLowInput},
		{"WaitForEdgeZeroOnlyLooks", waitZero},
		{"WaitForEdgeTimesOut", waitTimesOut},
		{"WaitForEdgeMinusOneWaitsForTheEdge", waitForever},
		{"OnlyTheWantedEdgeIsSeen", wantedEdge},
		{"HaltEndsAWait", haltDuring},
		{"HaltBeforeAWaitEndsIt", haltBefore},
		{"InTakesBackAHalt", inAfterHalt},
		{"InEndsAWait", inDuring},
		{"InDropsOldEdges", inDrops},
		{"CloseEndsAWait", closeDuring},
		{"ABouncingContactIsOneEdge", debounce},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, bench(t)) })
	}
}

func closing(t *testing.T, p Pin) Pin {
	t.Helper()
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("cannot close %s: %v", p, err)
		}
	})
	return p
}

func (b *PinBench) output(t *testing.T, initial gpio.Level, activeLow bool) Pin {
	return closing(t, b.Output(t, initial, activeLow))
}

func (b *PinBench) input(t *testing.T, o Input) Pin { return closing(t, b.Input(t, o)) }

func (b *PinBench) expect(t *testing.T, want ...gpio.Level) {
	t.Helper()
	if got := b.Changes(t); !slices.Equal(got, want) {
		t.Errorf("the wire went %v, want %v", got, want)
	}
}

func outputStarts(t *testing.T, b *PinBench) {
	b.output(t, gpio.Low, false)
	b.expect(t)
}

func activeLowOutputStarts(t *testing.T, b *PinBench) {
	b.output(t, gpio.Low, true)
	// Off means high here. A low first would release a door whose relay is active low.
	b.expect(t, gpio.High)
}

func readingOutput(t *testing.T, b *PinBench) {
	p := b.output(t, gpio.High, false)
	for range 3 {
		if p.Read() != gpio.High {
			t.Error("an output at high reads low")
		}
		_, _ = p.String(), p.Name()
	}
	if b.Level(t) != gpio.High {
		t.Error("the wire fell")
	}
	b.expect(t, gpio.High)
}

func outDrives(t *testing.T, b *PinBench) {
	p := b.output(t, gpio.Low, false)
	for _, level := range []gpio.Level{gpio.High, gpio.High, gpio.Low, gpio.High} {
		if err := p.Out(level); err != nil {
			t.Fatal(err)
		}
		if p.Read() != level || b.Level(t) != level {
			t.Errorf("after Out(%s) the line reads %s, the wire is %s", level, p.Read(), b.Level(t))
		}
	}
	b.expect(t, gpio.High, gpio.Low, gpio.High)
}

func closeReturns(t *testing.T, b *PinBench) {
	p := b.Output(t, gpio.Low, true)
	if err := p.Out(gpio.High); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	b.expect(t, gpio.High, gpio.Low, gpio.High)
	if err := p.Out(gpio.High); err == nil {
		t.Error("a closed line can be driven")
	}
	if err := p.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

func outputStaysOutput(t *testing.T, b *PinBench) {
	p := b.output(t, gpio.High, false)
	if err := p.In(gpio.PullUp, gpio.BothEdges); err == nil {
		t.Error("In of an output was taken")
	}
	if p.WaitForEdge(0) {
		t.Error("an output had an edge")
	}
	b.expect(t, gpio.High)
}

func inputStaysInput(t *testing.T, b *PinBench) {
	p := b.input(t, Input{})
	if err := p.Out(gpio.High); err == nil {
		t.Error("Out of an input was taken")
	}
	if err := p.PWM(gpio.DutyHalf, 0); err == nil {
		t.Error("PWM of an input was taken")
	}
	if p.Read() != gpio.Low {
		t.Error("the input moved")
	}
}

func readFollows(t *testing.T, b *PinBench) {
	p := b.input(t, Input{})
	for _, level := range []gpio.Level{gpio.High, gpio.Low, gpio.High} {
		b.Drive(t, level)
		if p.Read() != level {
			t.Errorf("the wire is %s, the line reads %s", level, p.Read())
		}
	}
}

func activeLowInput(t *testing.T, b *PinBench) {
	p := b.input(t, Input{ActiveLow: true, Edge: gpio.FallingEdge})
	if p.Read() != gpio.High {
		t.Error("a low wire reads low")
	}
	b.Drive(t, gpio.High)
	if !p.WaitForEdge(soon) {
		t.Error("a rising wire is no falling edge")
	}
	if p.Read() != gpio.Low {
		t.Error("a high wire reads high")
	}
}

func waitZero(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.BothEdges})
	if p.WaitForEdge(0) {
		t.Error("an edge before any")
	}
	b.Drive(t, gpio.High)
	if !p.WaitForEdge(soon) {
		t.Error("no edge")
	}
	if p.WaitForEdge(0) {
		t.Error("the same edge twice")
	}
}

func waitTimesOut(t *testing.T, b *PinBench) {
	if p := b.input(t, Input{Edge: gpio.BothEdges}); p.WaitForEdge(time.Millisecond) {
		t.Error("an edge without any")
	}
}

// waiting starts WaitForEdge(-1) and makes sure that it waits.
func waiting(t *testing.T, p Pin) <-chan bool {
	t.Helper()
	result := make(chan bool, 1)
	go func() { result <- p.WaitForEdge(-1) }()
	select {
	case r := <-result:
		t.Fatalf("WaitForEdge(-1) returned %t at once", r)
	case <-time.After(quiet):
	}
	return result
}

func expectResult(t *testing.T, result <-chan bool, want bool) {
	t.Helper()
	select {
	case got := <-result:
		if got != want {
			t.Errorf("WaitForEdge(-1) = %t, want %t", got, want)
		}
	case <-time.After(soon):
		t.Fatal("WaitForEdge(-1) did not return")
	}
}

func waitForever(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.RisingEdge})
	result := waiting(t, p)
	b.Drive(t, gpio.High)
	expectResult(t, result, true)
}

func wantedEdge(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.FallingEdge})
	b.Drive(t, gpio.High)
	if p.WaitForEdge(quiet) {
		t.Error("a rising edge was seen")
	}
	b.Drive(t, gpio.Low)
	if !p.WaitForEdge(soon) {
		t.Error("a falling edge was not seen")
	}
}

func haltDuring(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.BothEdges})
	result := waiting(t, p)
	if err := p.Halt(); err != nil {
		t.Fatal(err)
	}
	expectResult(t, result, false)
}

func haltBefore(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.BothEdges})
	if err := p.Halt(); err != nil {
		t.Fatal(err)
	}
	result := make(chan bool, 1)
	go func() { result <- p.WaitForEdge(-1) }()
	expectResult(t, result, false)
}

func inAfterHalt(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.BothEdges})
	if err := p.Halt(); err != nil {
		t.Fatal(err)
	}
	if err := p.In(gpio.PullNoChange, gpio.BothEdges); err != nil {
		t.Fatal(err)
	}
	result := waiting(t, p)
	b.Drive(t, gpio.High)
	expectResult(t, result, true)
}

func inDuring(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.BothEdges})
	result := waiting(t, p)
	if err := p.In(gpio.PullNoChange, gpio.RisingEdge); err != nil {
		t.Fatal(err)
	}
	expectResult(t, result, false)
}

func inDrops(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.BothEdges})
	b.Drive(t, gpio.High)
	b.Drive(t, gpio.Low)
	if !p.WaitForEdge(soon) {
		t.Fatal("no edge")
	}
	if err := p.In(gpio.PullNoChange, gpio.BothEdges); err != nil {
		t.Fatal(err)
	}
	if p.WaitForEdge(quiet) {
		t.Error("an edge from before In was seen")
	}
}

func closeDuring(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.BothEdges})
	result := waiting(t, p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	expectResult(t, result, false)
	if err := p.In(gpio.PullNoChange, gpio.BothEdges); err == nil {
		t.Error("a closed line was opened again")
	}
}

func debounce(t *testing.T, b *PinBench) {
	p := b.input(t, Input{Edge: gpio.BothEdges, Debounce: 50 * time.Millisecond})
	for i := range 11 {
		b.Drive(t, i%2 == 0)
	}
	if !p.WaitForEdge(soon) {
		t.Fatal("a bouncing press was not seen")
	}
	if p.Read() != gpio.High {
		t.Error("after the press the line reads low")
	}
	if p.WaitForEdge(quiet) {
		t.Error("a bouncing press was seen twice")
	}
}
