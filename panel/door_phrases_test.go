package panel_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// doorHas reads one part of a door's description.
func doorHas(w *world, door *panel.DoorRules, part string) bool {
	toggle, toggles := strings.CutPrefix(part, "toggles for ")
	warning, warns := strings.CutPrefix(part, "warned before by ")
	group, grouped := strings.CutPrefix(part, "interlocked in ")
	switch {
	case toggles:
		door.Toggle, door.ToggleFor = true, w.length(toggle)
	case warns:
		door.HeldWarning = w.length(warning)
	case grouped:
		door.Interlock = group
	case part == "with a contact":
		door.Contact = true
	case part == "ignores fire":
		door.Fire = panel.FireIgnores
	case part == "stands open":
		door.StandsOpen = "hours of " + door.Name
	case part == "stands open after the first card":
		door.StandsOpen, door.OpenAfterGrant = "hours of "+door.Name, true
	default:
		return false
	}
	return true
}

// doorPhrases are what can happen at doors with more than a pulse.
func doorPhrases() []phrase {
	return []phrase{
		{`(\S+) is to stand open on (\S+) (\d\d:\d\d) to (\d\d:\d\d)`, func(w *world, m []string) {
			days := []string{"mon", "tue", "wed", "thu", "fri"}
			if m[1] != "weekdays" {
				days = strings.Split(m[1], "+")
			}
			w.policies.Timetable.Profiles = []access.Profile{{Name: "hours of " + m[0], Slots: []access.Slot{{Days: days, From: m[2], To: m[3]}}}}
			w.step(w.policies)
		}},
		{`the schedule of (\S+) is gone`, func(w *world, _ []string) {
			w.policies.Timetable.Profiles = nil
			w.step(w.policies)
		}},
		{`(\S+) locks the panel down from the (web|cli)`, func(w *world, m []string) {
			w.asked++
			w.step(panel.LockdownRequested{Request: fmt.Sprintf("%s-%d", m[1], w.asked), On: true, Who: m[0], Via: m[1]})
		}},
		{`(\S+) ends the lockdown from the (web|cli)`, func(w *world, m []string) {
			w.asked++
			w.step(panel.LockdownRequested{Request: fmt.Sprintf("%s-%d", m[1], w.asked), Who: m[0], Via: m[1]})
		}},
		{`order (\d+) of (\S+) to (lock down|end the lockdown)`, func(w *world, m []string) {
			number, _ := strconv.ParseUint(m[0], 10, 64)
			w.step(panel.LockdownRequested{
				Request: "order-" + m[0], On: m[2] == "lock down", Who: m[1], Via: "command",
				Order: &panel.Order{Signer: m[1], Panel: w.rules.ID, Boot: w.rules.Boot, Number: number, Deadline: w.mono() + 20e9},
			})
		}},
		{`order (\d+) of (\S+) to show "(.*)"`, func(w *world, m []string) {
			number, _ := strconv.ParseUint(m[0], 10, 64)
			w.step(panel.TextRequested{
				Request: "order-" + m[0], Text: m[2], Who: m[1], Via: "command",
				Order: &panel.Order{Signer: m[1], Panel: w.rules.ID, Boot: w.rules.Boot, Number: number, Deadline: w.mono() + 20e9},
			})
		}},
		{`strike (\S+) reads (released|locked)`, func(w *world, m []string) {
			w.step(panel.StrikeReadBack{Door: m[0], On: m[1] == "released"})
		}},
	}
}
