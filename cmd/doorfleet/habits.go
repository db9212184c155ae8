package main

import (
	"math"
	"math/rand/v2"
	"time"
)

// deed is one thing that somebody does at a panel, and what it calls for a moment later.
type deed struct {
	what   deedKind
	reader string
	door   string
	n      int // of a card or a button
}

type deedKind int

const (
	badge deedKind = iota
	press
	exit
	open
	shut
)

// visit is what somebody comes to do.
type visit struct {
	name    string
	weight  int     // how often, among all
	entries float64 // how many entries it leaves in the journal, on average
	steps   func(r *rand.Rand) []step
}

// step is a deed, so long after the visit began.
type step struct {
	after time.Duration
	deed  deed
}

// visits are what people do at a door. The numbers of entries are measured by a test.
var visits = [...]visit{
	{"a resident comes in", 52, 5, func(r *rand.Rand) []step {
		reader, door := frontIn, front
		if r.IntN(4) == 0 {
			reader, door = gateIn, gate
		}
		in := time.Duration(400+r.IntN(1500)) * time.Millisecond
		return []step{
			{0, deed{what: badge, reader: reader, n: r.IntN(lapsed)}},
			{in, deed{what: open, door: door}},
			{in + time.Duration(1500+r.IntN(4000))*time.Millisecond, deed{what: shut, door: door}},
		}
	}},
	{"a resident goes out", 20, 5, func(r *rand.Rand) []step {
		out := time.Duration(300+r.IntN(1200)) * time.Millisecond
		return []step{{0, deed{what: exit}}, {out, deed{what: open, door: front}}, {out + 3*time.Second, deed{what: shut, door: front}}}
	}},
	{"a visitor rings", 10, 2, func(r *rand.Rand) []step {
		return []step{{0, deed{what: press, n: 1 + r.IntN(buttons)}}}
	}},
	{"a card that nobody knows", 9, 1, func(r *rand.Rand) []step {
		return []step{{0, deed{what: badge, reader: frontIn, n: residents + r.IntN(1000)}}}
	}},
	{"a card that has expired", 5, 1, func(*rand.Rand) []step {
		return []step{{0, deed{what: badge, reader: frontIn, n: lapsed}}}
	}},
	{"a door is left open", 2, 8, func(r *rand.Rand) []step {
		return []step{
			{0, deed{what: badge, reader: gateIn, n: r.IntN(lapsed)}},
			{time.Second, deed{what: open, door: gate}},
			{heldAfter + time.Duration(10+r.IntN(30))*time.Second, deed{what: shut, door: gate}},
		}
	}},
	{"a door is forced", 2, 2, func(r *rand.Rand) []step {
		return []step{{0, deed{what: open, door: gate}}, {time.Duration(2+r.IntN(5)) * time.Second, deed{what: shut, door: gate}}}
	}},
}

// meanEntries is how many entries an average visit leaves.
func meanEntries() float64 {
	var entries, weights float64
	for _, v := range visits {
		entries += v.entries * float64(v.weight)
		weights += float64(v.weight)
	}
	return entries / weights
}

// habits decide who comes to one panel and when. The same seed gives the same life.
type habits struct {
	rand    *rand.Rand
	refused bool // only cards that nobody knows: one entry each, for load
}

func newHabits(seed uint64, panel int) *habits {
	return &habits{rand: rand.New(rand.NewPCG(seed, uint64(panel)))}
}

// next draws what happens next and how long from now, for so many entries a minute at this hour.
func (h *habits) next(perMinute float64) (after time.Duration, steps []step) {
	mean := meanEntries()
	if h.refused {
		mean = 1
	}
	after = time.Duration(h.rand.ExpFloat64() * mean / max(perMinute, 1e-6) * float64(time.Minute))
	return after, h.visit()
}

func (h *habits) visit() []step {
	if h.refused {
		return []step{{0, deed{what: badge, reader: frontIn, n: residents + h.rand.IntN(1000)}}}
	}
	total := 0
	for _, v := range visits {
		total += v.weight
	}
	at := h.rand.IntN(total)
	for _, v := range visits {
		if at -= v.weight; at < 0 {
			return v.steps(h.rand)
		}
	}
	return nil
}

// busy is how lively a house is at a time of day, 1 on average: little at night, two peaks when people leave and return.
func busy(at time.Time) float64 {
	hour := float64(at.Hour()) + float64(at.Minute())/60
	peak := func(center, width float64) float64 {
		return math.Exp(-(hour - center) * (hour - center) / (2 * width * width))
	}
	return (0.08 + 2.6*peak(8, 1.2) + 1.1*peak(13, 2) + 2.4*peak(18.5, 2)) * busyScale
}

// busyScale makes the average of a day 1; a test holds that.
const busyScale = 24 / (24*0.08 + 2.5066*(2.6*1.2+1.1*2+2.4*2))
