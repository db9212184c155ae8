// Command bench measures the panel beside its peers and floors: ours and theirs in turns in one run, three rounds or more,
// and tells the ratio of the medians. It judges nothing by a time: a row that misses its target is a row in a table.
//
//	bench [-rows 1,2,...] [-rounds N] [-idle 60s] [-small] [-json]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	dir    string // of everything that is built and written; gone afterwards
	rounds int
	idle   time.Duration
	small  bool // without the million of credentials

	panel string // the panel's program
	data  string // a data directory with 10,000 credentials

	results []result
}

const credentials = 10_000

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	b := &bench{}
	var only string
	var asJSON bool
	flags.StringVar(&only, "rows", "1,2,3,4,5,9,10,11,12,14,15", "the rows to measure")
	flags.IntVar(&b.rounds, "rounds", 5, "rounds of each")
	flags.DurationVar(&b.idle, "idle", time.Minute, "how long to watch what does nothing")
	flags.BoolVar(&b.small, "small", false, "at most 100,000 credentials")
	flags.BoolVar(&asJSON, "json", false, "print the results as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	rows := strings.Split(only, ",")
	if b.dir, err = os.MkdirTemp("", "doorpanel-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()

	steps := []struct {
		rows []string
		what string
		do   func(context.Context) error
	}{
		{[]string{"4"}, "size of the program", b.size},
		{[]string{"1", "2", "3", "5"}, fmt.Sprintf("a panel with %d credentials, as people import makes it", credentials), b.prepare},
		{[]string{"1"}, "cold start", b.coldStart},
		{[]string{"2", "3"}, fmt.Sprintf("doing nothing for %v", b.idle), b.doNothing},
		{[]string{"5"}, "press to INVITE, from outside", b.press},
		{[]string{"5"}, "press to INVITE, inside", b.pressInside},
		{[]string{"9"}, "badge to relay", b.badge},
		{[]string{"10"}, "codes", b.pin},
		{[]string{"11"}, "durable events", b.events},
		{[]string{"12"}, "event burst", b.burst},
		{[]string{"14"}, "a license, from its text to the disk", b.license},
		{[]string{"15"}, "420 photographs of codes", b.photographs},
	}
	began := time.Now()
	for _, s := range steps {
		if !slices.ContainsFunc(s.rows, func(r string) bool { return slices.Contains(rows, r) }) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%5.0fs  %s\n", time.Since(began).Seconds(), s.what)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	fmt.Fprintf(os.Stderr, "%5.0fs  done\n", time.Since(began).Seconds())
	b.results = slices.DeleteFunc(b.results, func(r result) bool { return !slices.Contains(rows, r.Row) })
	slices.SortStableFunc(b.results, byRow)
	if asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"host": host(), "results": b.results})
	}
	return table(os.Stdout, b.results)
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }
