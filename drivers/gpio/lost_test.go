package gpio

import (
	"testing"

	"periph.io/x/conn/v3/gpio"
)

func TestAGapInTheKernelsNumbersIsCounted(t *testing.T) {
	p, err := NewMemory("panel", "IN").Chip().Input("IN", InputOptions{Edge: gpio.BothEdges})
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint32{1, 2, 5, 6, 10} {
		p.take(edge{seq: seq})
	}
	if p.Lost() != 5 {
		t.Errorf("%d lost, want 5", p.Lost())
	}
}
