package configs

import (
	"fmt"
	"strings"
	"time"
)

const (
	defaultWarning = 10 * time.Second
	defaultToggle  = 12 * time.Hour
)

// doorModes reads what a door does beside the pulse of a grant.
func (r *reading) doorModes(s *section, d *Door) {
	warning := defaultWarning
	if d.HeldOpenAfter <= defaultWarning {
		warning = 0
	}
	var at place
	d.HeldWarning, at = s.duration("held_warning", warning, time.Second, time.Hour, true)
	if at.given() && d.HeldWarning > 0 && d.HeldWarning >= d.HeldOpenAfter {
		at.report("the warning does not come before the alarm", fmt.Sprintf("write less than held_open_after, which is %q", d.HeldOpenAfter))
	}
	mode, _ := s.oneOf("mode", "pulse", "pulse", "toggle")
	d.Toggle = mode == "toggle"
	d.ToggleFor, at = s.duration("toggle_for", defaultToggle, time.Minute, 24*time.Hour, false)
	if at.given() && !d.Toggle {
		at.report("this door is not toggled", `write mode = "toggle", or delete the key`)
	}
	d.StandsOpen, at = s.text("stands_open", "")
	if len(d.StandsOpen) > 64 {
		at.report("too long for a schedule", "write the name of the schedule as the page shows it")
	}
	d.OpenAfterGrant, at = s.truth("stands_open_after_card", false)
	if at.given() && d.OpenAfterGrant && d.StandsOpen == "" {
		at.report("this door has no schedule to stand open by", `write stands_open = "..." as well`)
	}
	d.Feedback = r.line(s, "feedback", true)
	escape, _ := s.oneOf("escape", "", "hardware")
	d.EscapeWired = escape == "hardware"
	r.interlock(s, d)
	fire, _ := s.oneOf("fire", string(FireReleases), string(FireReleases), string(FireIgnores))
	d.Fire = FireReaction(fire)
}

func (r *reading) interlock(s *section, d *Door) {
	group, at := s.text("interlock", "")
	if !at.given() {
		return
	}
	if cause, remedy := checkName(group); cause != "" {
		at.report(cause, remedy)
		return
	}
	d.Interlock = group
	switch {
	case d.Toggle:
		at.report("a door that is toggled stands open, and keeps the others of its group shut", `write mode = "pulse", or delete interlock`)
	case d.StandsOpen != "":
		at.report("a door that stands open by a schedule keeps the others of its group shut", "delete stands_open, or interlock")
	case r.board() && s.t.items["contact"] == nil:
		at.report("without its contact nobody knows when this door is shut", `write contact = "gpio:..." as well`)
	}
}

// doorsTogether checks what only the doors and the inputs together can tell.
func (r *reading) doorsTogether() {
	groups := map[string]int{}
	for _, d := range r.config.Doors {
		groups[d.Interlock]++
	}
	for i, s := range r.doorsAt {
		group := r.config.Doors[i].Interlock
		if it := s.t.items["interlock"]; group != "" && groups[group] == 1 {
			place{s, "interlock", it.value}.report("no other door is in this group", "write the same name at the other door")
		}
		if r.config.Inputs.Fire.Wired() && s.t.items["fire"] == nil {
			s.missing("fire", `write fire = "release" or fire = "ignore": what the fire input does to this door`)
		}
	}
}

// Notes are what an installer should know of a configuration that is right.
func (c Config) Notes() []string {
	var doors []string
	for _, d := range c.Doors {
		byFire := c.Inputs.Fire.Wired() && d.Fire == FireReleases
		if (byFire || d.Exit.Wired()) && !d.EscapeWired {
			doors = append(doors, d.Name)
		}
	}
	if len(doors) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("door %s: an exit button or fire input that is read by software is a convenience. Who must get out needs a "+
		"release in the hardware: a lever or panic bar, or a contact that cuts a magnet's current. Where it is there, write escape = \"hardware\".",
		strings.Join(doors, ", "))}
}
