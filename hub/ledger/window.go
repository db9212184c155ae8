package ledger

import (
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// holds tells that the block is active at an instant: [From, Until).
func (b Block) holds(t time.Time) bool {
	return (b.From.IsZero() || !t.Before(b.From)) && (b.Until.IsZero() || t.Before(b.Until))
}

// active are the blocks that count at an instant. A Trial counts only while nothing was bought: types do not add (R-11, T-26).
func (l *Limits) active(t time.Time) []Block {
	var bought, tried []Block
	for _, b := range l.Blocks {
		switch {
		case !b.holds(t):
		case b.Source == FromTrial:
			tried = append(tried, b)
		default:
			bought = append(bought, b)
		}
	}
	if len(bought) > 0 {
		return bought
	}
	return tried
}

// own is the limit of the node alone: what its active blocks add up to, Basic when there is none.
func (l *Limits) own(devices int, t time.Time) Amounts {
	if !l.Restricted {
		return unlimited()
	}
	active := l.active(t)
	if len(active) == 0 {
		return basic(devices)
	}
	var own Amounts
	for _, b := range active {
		own = own.plus(b.Counts)
	}
	if own[Panels] == 0 { // a panel is where limits hang, not what is sold: only a block that names panels bounds them
		own[Panels] = Unlimited
	}
	return own
}

// finite is what limits promise to those below: what is not limited is no promise.
func (a Amounts) finite() Amounts {
	for r := range a {
		if a[r] >= Unlimited {
			a[r] = 0
		}
	}
	return a
}

func unlimited() Amounts {
	var a Amounts
	for r := range a {
		a[r] = Unlimited
	}
	return a
}

// basic is 2 SIP numbers and 2 applications for each registered panel (T-3), however many there are.
func basic(devices int) Amounts {
	var a Amounts
	a[SIPNumbers], a[Apps], a[Panels] = 2*devices, 2*devices, Unlimited
	return a
}

// allows tells that an active block has a feature on, or that nothing is restricted.
func (l *Limits) allows(feature string, t time.Time) bool {
	return !l.Restricted || slices.ContainsFunc(l.active(t), func(b Block) bool { return slices.Contains(b.Features, feature) })
}

// kind is the type that the node stands on (T-1, T-26).
func (l *Limits) kind(devices int, t time.Time) Type {
	if !l.Restricted {
		return Inherited
	}
	active := l.active(t)
	switch {
	case len(active) > 0 && active[0].Source == FromTrial:
		return OnTrial
	case len(active) > 0:
		return Plus
	case devices > 0:
		return Basic
	}
	return Free
}

// instants are those at which the limits change by themselves, after t, in order, each once.
func (l *Limits) instants(t time.Time) []time.Time {
	var out []time.Time
	if l.Restricted {
		for _, b := range l.Blocks {
			out = append(out, b.From, b.Until)
		}
	}
	return inOrder(out, t)
}

// inOrder sorts instants, each once, and leaves out what is not after t.
func inOrder(instants []time.Time, t time.Time) []time.Time {
	instants = slices.DeleteFunc(instants, func(i time.Time) bool { return i.IsZero() || !i.After(t) })
	slices.SortFunc(instants, time.Time.Compare)
	return slices.CompactFunc(instants, time.Time.Equal)
}

// next is the first instant after t at which the limits change; zero = never.
func (l *Limits) next(t time.Time) time.Time {
	if all := l.instants(t); len(all) > 0 {
		return all[0]
	}
	return time.Time{}
}

// onOff are the names of the features that are on or off, in the order of license.Features.
func onOff() []license.Feature {
	return slices.DeleteFunc(license.Features(), func(f license.Feature) bool { return f.Counted })
}

func isOnOff(name string) bool {
	return slices.ContainsFunc(onOff(), func(f license.Feature) bool { return f.Name == name })
}
