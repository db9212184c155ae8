package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
)

// result is one line of the table.
type result struct {
	Row     string  `json:"row"` // number in docs/performance.md
	What    string  `json:"what"`
	Ours    float64 `json:"ours"`
	Unit    string  `json:"unit"`
	Against string  `json:"against,omitempty"` // the peer or floor
	Other   float64 `json:"other,omitempty"`   // its figure
	NotRun  bool    `json:"not_run,omitempty"` // the peer's figure is an older one, not of this run
	Ratio   float64 `json:"ratio,omitempty"`   // ours to the other's; without one, ours itself is held to the target
	From    float64 `json:"from,omitempty"`    // the target: at least
	To      float64 `json:"to,omitempty"`      // and at most
	Met     *bool   `json:"met,omitempty"`     // nil where no target is set
}

// add appends a line. Both bounds at 0 mean that there is no target.
func (b *bench) add(r result) {
	if r.Other != 0 && r.Ratio == 0 {
		r.Ratio = r.Ours / r.Other
	}
	measured := r.Ours
	if r.Ratio != 0 {
		measured = r.Ratio
	}
	if r.From != 0 || r.To != 0 {
		met := measured >= r.From && (r.To == 0 || measured <= r.To)
		r.Met = &met
	}
	b.results = append(b.results, r)
}

func byRow(x, y result) int {
	number := func(r result) int {
		n, _ := strconv.Atoi(r.Row)
		return n
	}
	return cmp.Compare(number(x), number(y))
}

func table(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ROW\tWHAT\tOURS\tPEER OR FLOOR\tTHEIRS\tRATIO\tTARGET\t")
	for _, r := range results {
		other, ratio, target, met := "", "", "", ""
		if r.Other != 0 {
			other = figure(r.Other) + " " + r.Unit
			if r.NotRun {
				other += " (not run)"
			}
		}
		if r.Ratio != 0 {
			ratio = figure(r.Ratio)
		}
		switch {
		case r.From != 0 && r.To != 0 && r.From == r.To:
			target = "= " + figure(r.To)
		case r.From != 0 && r.To != 0:
			target = figure(r.From) + " to " + figure(r.To)
		case r.From != 0:
			target = ">= " + figure(r.From)
		case r.To != 0:
			target = "<= " + figure(r.To)
		}
		if r.Met != nil {
			met = "met"
			if !*r.Met {
				met = "NOT MET"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\t%s\t%s\t%s\n", r.Row, r.What, figure(r.Ours), r.Unit, r.Against, other, ratio, target, met)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s. Medians; ratios carry over to another machine, times do not. Nothing fails on a time.\n", host())
	return err
}

// figure keeps three digits.
func figure(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// host tells on what was measured.
func host() string {
	model := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load := "unknown"
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(raw), " ")
	}
	return fmt.Sprintf("%s/%s, %d cores, %s, %s, load %s at the end", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model, runtime.Version(), load)
}
