package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// journalOf makes the export of a panel's events, newest first, changed where a test wants it.
func journalOf(change func([]fleet.Received) []fleet.Received) string {
	var list []fleet.Received
	chain := func(seq uint64) string { return fmt.Sprintf("%032x", seq) }
	for seq := uint64(10); seq >= 3; seq-- { // what was before 3 retention took
		list = append(list, fleet.Received{Panel: "p", Event: telemetry.Event{Epoch: "e", Seq: seq, Prev: chain(seq - 1), Chain: chain(seq)}})
	}
	var b strings.Builder
	for _, r := range change(list) {
		raw, _ := json.Marshal(r)
		b.Write(append(raw, '\n'))
	}
	return b.String()
}

func TestAGapAChangeAndASecondCopyAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]fleet.Received) []fleet.Received
		want   string
	}{
		"whole":              {func(l []fleet.Received) []fleet.Received { return l }, ""},
		"one is missing":     {func(l []fleet.Received) []fleet.Received { return append(l[:3:3], l[4:]...) }, "entry 8 follows 6"},
		"one is twice":       {func(l []fleet.Received) []fleet.Received { return append(l[:4:4], l[3:]...) }, "entry 7 follows 7"},
		"the order is wrong": {func(l []fleet.Received) []fleet.Received { l[2], l[3] = l[3], l[2]; return l }, "follows"},
		"the chain is another": {func(l []fleet.Received) []fleet.Received {
			l[3].Event.Chain = strings.Repeat("f", 32)
			return l
		}, "entry 8 does not follow the chain of 7"},
		"another panel's": {func(l []fleet.Received) []fleet.Received { l[3].Panel = "q"; return l }, "entry 8 follows 6"},
		"the panel said so": {func(l []fleet.Received) []fleet.Received {
			l = append(l[:3:3], l[5:]...)
			l[2].Event.Gap = &telemetry.Gap{From: 6, To: 7, Count: 2}
			return l
		}, ""},
		"a chain that is not shown": {func(l []fleet.Received) []fleet.Received { l[3].Event.Chain, l[3].Event.Prev = "", ""; return l }, ""},
		"another epoch": {func(l []fleet.Received) []fleet.Received {
			for i := range l[:4] {
				l[i].Event.Epoch = "f"
			}
			return l
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var v verification
			if err := v.read(strings.NewReader(journalOf(c.change))); err != nil {
				t.Fatal(err)
			}
			if found := strings.Join(v.Faults, "; "); c.want == "" && found != "" || !strings.Contains(found, c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
			if name == "the panel said so" && v.Lost != 2 {
				t.Errorf("%d lost", v.Lost)
			}
		})
	}
	if err := new(verification).read(strings.NewReader("{")); err == nil {
		t.Error("half a line was taken")
	}
}
