package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// For is the refusal as an asker may read it: groups above his own are not named, and nothing is said of their figures.
func (r *Refusal) For(asker Asker) *Refusal {
	if !asker.hides(r.Binds) {
		return r
	}
	out := *r
	out.Binds, out.InTheWay = asker.binds(r.Binds), nil
	theirs := out.Binds[slices.IndexFunc(out.Binds, func(b Bind) bool { return b.Hidden })]
	switch r.Reason {
	case BeyondParent:
		out.Text = fmt.Sprintf("%d %s asked, %s has %d", r.Asked, inWords(r.Resource), theirs.Name, r.Most)
	case WindowBeyond:
		out.Text = "the license of " + theirs.Name + " does not reach that far"
	case NotGranted:
		out.Text = license.Describe(r.Feature).Title + " is not given by " + theirs.Name
	default:
		out.Text, out.At, out.Most = sentence(out.Binds), time.Time{}, 0
	}
	if r.Offer != nil {
		out.Offer = &Offer{Text: "cut down to what " + theirs.Name + " has", Blocks: r.Offer.Blocks}
	}
	return &out
}

// sees tells that a path lies in what the asker may see.
func (a Asker) sees(path []Place) bool {
	return a.All || a.Top != "" && slices.ContainsFunc(path, func(p Place) bool { return p.Group == a.Top })
}

// resident tells that the asker sees himself only.
func (a Asker) resident() bool { return !a.All && a.Top == "" }

func (a Asker) seesBind(b Bind) bool { return a.resident() && b.User != "" || a.sees(b.Path) }

func (a Asker) hides(binds []Bind) bool {
	return slices.ContainsFunc(binds, func(b Bind) bool { return !a.seesBind(b) })
}

func (a Asker) binds(binds []Bind) []Bind {
	var out []Bind
	for _, b := range binds {
		if a.seesBind(b) {
			b.Path = a.path(b.Path)
		} else {
			b = Bind{Place: Place{Name: "your " + lower(b.Level), Level: b.Level}, Manager: b.Manager, Hidden: true}
		}
		out = append(out, b)
	}
	return out
}

func lower(level string) string {
	if level == "" {
		return "group"
	}
	return strings.ToLower(level)
}

// path begins at the highest group that the asker may see; a resident sees himself.
func (a Asker) path(path []Place) []Place {
	if a.All {
		return path
	}
	at := slices.IndexFunc(path, func(p Place) bool { return a.Top != "" && p.Group == a.Top || a.resident() && p.User != "" })
	if at < 0 {
		return nil
	}
	return path[at:]
}

// sentence says that a limit is reached: "your building's limit is reached; ask Ms. Bianchi".
func sentence(binds []Bind) string {
	name, manager := "", ""
	for _, b := range binds {
		if b.Hidden && name == "" {
			name = b.Name
		}
		if b.Hidden && manager == "" {
			manager = b.Manager
		}
	}
	switch {
	case name == "":
		return ""
	case manager == "":
		return name + "'s limit is reached"
	}
	return name + "'s limit is reached; ask " + manager
}

// filter leaves of a state what the asker may see.
func (a Asker) filter(s State) State {
	if a.All {
		return s
	}
	s.Path = a.path(s.Path)
	s.Lines = slices.Clone(s.Lines)
	for i := range s.Lines {
		line := &s.Lines[i]
		line.Binds, line.bounds = a.binds(line.Binds), a.binds(line.bounds)
		if a.resident() && line.Maximum < Unlimited {
			line.Maximum, line.bounds = min(line.Maximum, line.Used+line.Available), nil
		}
		line.Text = line.words()
	}
	return s
}
