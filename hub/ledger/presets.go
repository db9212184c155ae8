package ledger

import "time"

// Preset is one of the four usual configurations of a group (T-20 to T-23), to start a form with.
type Preset string

// The presets.
const (
	NoRestriction   Preset = "no-restriction"    // only what is used is counted (T-20)
	Quantity        Preset = "quantity"          // a number without an end: long projects, paid afterwards (T-21)
	QuantityAndTime Preset = "quantity-and-time" // prepaid (T-22)
	WithReminders   Preset = "with-reminders"    // prepaid, and people are told 30 days before, weekly (T-23)
)

// Presets lists them in the order of the configurations. The caller owns the slice.
func Presets() []Preset { return []Preset{NoRestriction, Quantity, QuantityAndTime, WithReminders} }

// Limits are the settings of a preset with one block. What the preset does not have is left out of the block.
func (p Preset) Limits(block Block) Limits {
	if p == NoRestriction {
		return Limits{}
	}
	if p == Quantity {
		block.From, block.Until = time.Time{}, time.Time{}
	}
	l := Limits{Restricted: true, Blocks: []Block{block}}
	if p == WithReminders {
		l.Reminder = &Reminder{Days: 30, Every: Weekly}
	}
	return l
}

// PresetOf is which of the configurations some settings are.
func PresetOf(l Limits) Preset {
	if !l.Restricted {
		return NoRestriction
	}
	found := Quantity
	for _, b := range l.Blocks {
		switch {
		case b.Until.IsZero():
		case reminderOf(&l, b) != nil:
			return WithReminders
		default:
			found = QuantityAndTime
		}
	}
	return found
}
