package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is what a run brought.
type report struct {
	Panels    int       `json:"panels"`
	Sites     int       `json:"sites"`
	Seed      uint64    `json:"seed"`
	Began     time.Time `json:"began"`
	Seconds   float64   `json:"seconds"`
	Visits    uint64    `json:"visits"`
	Sent      uint64    `json:"sent"`
	SentAgain uint64    `json:"sent_again"` // how often a window was sent once more
	Acked     uint64    `json:"acked"`
	PerSecond float64   `json:"acked_per_second"`
	AckP50MS  float64   `json:"ack_p50_ms"`
	AckP99MS  float64   `json:"ack_p99_ms"`
	Waiting   uint64    `json:"waiting"` // not acknowledged when patience ended
	// SettledAfter is from switching the first panel on until the last acknowledgment.
	SettledAfter float64 `json:"settled_after_s"`
	MostAtOnce   uint32  `json:"connects_per_second_max"`
	Memory       uint64  `json:"memory_per_panel_bytes"`
	HubMemory    uint64  `json:"hub_resident_bytes,omitempty"` // of a hub that runs for the fleet alone
	Files        int     `json:"open_files"`
	// Messages are what a hub of its own told the fleet's keeper; twice: more than once.
	Messages      int       `json:"messages"`
	MessagesTwice int       `json:"messages_twice"`
	Faults        []string  `json:"faults"`
	Counted       bool      `json:"counted"`
	Totals        totals    `json:"totals"`
	Accounts      []account `json:"accounts,omitempty"`
	Outages       []told    `json:"outages"`
}

// told is one outage, what the hub noticed of it, and what it said.
type told struct {
	outage
	Found   []finding `json:"found"`
	Notices []notice  `json:"notices"`
}

// whole tells whether nothing is lost, doubled or left.
func (r report) whole() bool { return (!r.Counted || len(r.Totals.Bad) == 0) && r.Waiting == 0 }

// join puts what the hub found, and each of its notices, to the outage that it most likely tells of.
func join(outages []outage, findings []finding, notices []notice) []told {
	all := make([]told, len(outages))
	for i, o := range outages {
		all[i] = told{outage: o, Found: []finding{}, Notices: []notice{}}
	}
	slices.SortStableFunc(findings, func(a, b finding) int { return a.At.Compare(b.At) })
	for _, f := range findings {
		if i := latest(outages, f.At, f.Site, f.Panels); i >= 0 {
			all[i].Found = append(all[i].Found, f)
		}
	}
	slices.SortStableFunc(notices, func(a, b notice) int { return a.At.Compare(b.At) })
	for _, n := range notices {
		if i := latest(outages, n.At, n.Site, nil); i >= 0 {
			all[i].Notices = append(all[i].Notices, n)
		}
	}
	return all
}

// latest is the outage of a site, and of one of the panels where some are named, that began last before a time; -1: none did. The hub
// tells times in whole seconds.
func latest(outages []outage, at time.Time, site string, panels []string) int {
	best := -1
	for i, o := range outages {
		touches := len(o.Sites) == 0 || slices.Contains(o.Sites, site) &&
			(len(panels) == 0 || slices.ContainsFunc(panels, func(p string) bool { return slices.Contains(o.Panels, p) }))
		if touches && !o.From.After(at.Add(time.Second)) && disturbs(o.What) && (best < 0 || !o.From.Before(outages[best].From)) {
			best = i
		}
	}
	return best
}

// disturbs tells whether what happened can make a hub warn somebody.
func disturbs(what string) bool {
	switch happening(what) {
	case losesLine, losesPower, stops, flaps, isAway, restored, twinned, garbage:
		return true
	}
	return false
}

func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%d panels on %d sites, %.0f s, seed %d\n", r.Panels, r.Sites, r.Seconds, r.Seed)
	fmt.Fprintf(w, "  visits %s, entries acknowledged %s (%.0f/s), windows sent again %d\n", thousands(r.Visits), thousands(r.Acked), r.PerSecond, r.SentAgain)
	fmt.Fprintf(w, "  all acknowledged %.0f s after the first panel was switched on\n", r.SettledAfter)
	fmt.Fprintf(w, "  durable acknowledgment p50 %.0f ms, p99 %.0f ms; at most %d connects in a second\n", r.AckP50MS, r.AckP99MS, r.MostAtOnce)
	fmt.Fprintf(w, "  memory %.0f KiB a panel, open files %d\n", float64(r.Memory)/1024, r.Files)
	if r.HubMemory > 0 {
		fmt.Fprintf(w, "  the hub: %.0f MiB resident, %.0f KiB a panel; %d messages to its keeper, %d of them more than once\n",
			float64(r.HubMemory)/(1<<20), float64(r.HubMemory)/1024/float64(r.Panels), r.Messages, r.MessagesTwice)
	}
	for _, f := range r.Faults {
		fmt.Fprintln(w, "  fault:", f)
	}
	if len(r.Outages) > 0 {
		fmt.Fprintln(w, "\nwhat was cut, and what was told")
		for _, o := range r.Outages {
			fmt.Fprintf(w, "  %s  %-9s %s %s\n", o.From.Format(time.TimeOnly), lasted(o.outage), o.Whom, o.What)
			for _, g := range o.Found {
				fmt.Fprintf(w, "              +%-7s noticed: %s, cause %s, %s\n", g.At.Sub(o.From).Round(time.Second), g.Kind, cmp.Or(g.Cause, "unknown"), counted(len(g.Panels), "panel"))
			}
			for _, n := range o.Notices {
				fmt.Fprintf(w, "              +%-7s told: %s %s %s (%s)\n", n.At.Sub(o.From).Round(time.Second), n.Kind, n.Cause, n.Panels, n.State)
			}
		}
	}
	if !r.Counted {
		fmt.Fprintf(w, "\nnot counted: without a hub there is nobody to ask (--hub); %d entries were not acknowledged\n", r.Waiting)
		return
	}
	t := r.Totals
	fmt.Fprintf(w, "\n%-36s %9s %9s %6s %6s %6s %6s %7s\n", "", "written", "held", "lost", "twice", "order", "other", "strange")
	row := func(name string, a account) {
		fmt.Fprintf(w, "%-36s %9d %9d %6d %6d %6d %6d %7d  %s\n", name, a.Written, a.Held, a.Lost, a.Twice, a.Disordered, a.Other, a.Strange, a.First)
	}
	for _, a := range t.Bad[:min(len(t.Bad), 30)] {
		row(fmt.Sprintf("%d %s %s %s", a.Panel, a.Site, a.Name, a.Odd), a)
	}
	if n := len(t.Bad); n > 30 {
		fmt.Fprintf(w, "  and %d more\n", n-30)
	}
	for _, a := range t.Odd {
		found := "nothing differs"
		if a.Fault {
			found = "the hub found it"
		}
		row(fmt.Sprintf("%d %s: %s, %s", a.Panel, a.Site, a.Odd, found), a)
	}
	row(fmt.Sprintf("all %d panels", t.Panels), account{
		Written: t.Written, Held: t.Held, Lost: t.Lost, Twice: t.Twice, Disordered: t.Disordered, Other: t.Other, Strange: t.Strange,
	})
	switch {
	case r.Waiting > 0:
		fmt.Fprintf(w, "NOT WHOLE: %d entries were not acknowledged in time\n", r.Waiting)
	case len(t.Bad) > 0:
		fmt.Fprintf(w, "NOT WHOLE: %s\n", counted(len(t.Bad), "panel"))
	default:
		fmt.Fprintln(w, "whole: every entry is there, once, in order")
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func lasted(o outage) string {
	if o.Until.IsZero() {
		return "to the end"
	}
	return o.Until.Sub(o.From).Round(time.Second).String()
}

func thousands(n uint64) string {
	text := strconv.FormatUint(n, 10)
	var parts []string
	for len(text) > 3 {
		parts = append(parts, text[len(text)-3:])
		text = text[:len(text)-3]
	}
	parts = append(parts, text)
	slices.Reverse(parts)
	return strings.Join(parts, " ")
}

func (r report) save(path string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	return nil
}

// residentMemory is what the kernel counts for a process, in bytes; 0 when it does not say.
func residentMemory(pid int) uint64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// heapInUse is what the program needs after a collection, stacks included, in bytes.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// openFiles counts the file descriptors of this process; -1 when the system does not tell.
func openFiles() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(list)
}

func most(counts []uint32) (n uint32) {
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// worstFirst orders accounts for a list of all.
func worstFirst(accounts []account) []account {
	list := slices.Clone(accounts)
	slices.SortStableFunc(list, func(a, b account) int { return cmp.Compare(b.Lost+b.Twice+b.Other, a.Lost+a.Twice+a.Other) })
	return list
}
