package uplink

import (
	"strings"
	"testing"
	"time"
)

// A hub that a thousand panels bring three days to takes a full window bit by bit, and slowly.
func TestABrokerIsGivenUpForSilenceNotForBeingSlow(t *testing.T) {
	long := time.Now().Add(-time.Minute)
	for _, test := range []struct {
		name         string
		since, heard time.Time
		gone         bool
	}{
		{"nothing was ever acknowledged", long, time.Time{}, true},
		{"the last acknowledgment was long ago", long, long.Add(time.Second), true},
		{"the oldest waits long, others come", long, time.Now(), false},
		{"nothing was acknowledged long, for there was nothing", time.Now(), long, false},
	} {
		s := session{Uplink: &Uplink{options: Options{AckTimeout: 20 * time.Second}}, heard: test.heard, unacked: []publication{{since: test.since, seq: 1}}}
		s.statusNext = time.Now().Add(time.Hour)
		err := s.due()
		if gone := err != nil && strings.Contains(err.Error(), "did not acknowledge"); gone != test.gone {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestPanelsThatLostTheirBrokerTogetherComeBackOneAfterTheOther(t *testing.T) {
	o := Options{Spread: 10 * time.Second}
	seconds := map[int]int{}
	for range 10_000 {
		wait := o.waitFor(time.Second, true)
		if wait < time.Second || wait > 11*time.Second {
			t.Fatalf("a panel waits %s", wait)
		}
		seconds[int(wait/time.Second)]++
		if wait := o.waitFor(time.Second, false); wait < time.Second || wait > 1500*time.Millisecond {
			t.Fatalf("after a failure a panel waits %s", wait)
		}
	}
	for second := 1; second <= 10; second++ {
		if n := seconds[second]; n < 500 || n > 1500 {
			t.Errorf("%d of 10000 panels come in second %d", n, second)
		}
	}
}
