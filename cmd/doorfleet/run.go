package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// order is what somebody asked for on the command line.
type order struct {
	panels, sites          int
	dir, story, json       string
	broker, user, ca       string
	passwordFile           string
	hubAway, brokerAway    string
	seed                   uint64
	rate, speed            float64
	daily, refused, quiet  bool
	verbose                bool
	company                bool
	length, ramp, patience time.Duration
	trouble                time.Duration
	past                   time.Duration
	pastEntries            int
	memory                 int
	heartbeat, keepAlive   time.Duration
	hub                    hubOrder
}

func runCommand() *cobra.Command {
	var o order
	cmd := &cobra.Command{
		Use: "run", Short: "run a fleet against a hub or a broker, and count at the end", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.panels, "panels", 12, "how many panels")
	flags.IntVar(&o.sites, "sites", 4, "on how many sites")
	flags.StringVar(&o.dir, "data", "", "where their keys and journals lie; empty: in a directory that is removed at the end")
	flags.Uint64Var(&o.seed, "seed", 1, "what the residents do follows from it")
	flags.Float64Var(&o.rate, "rate", 6, "entries a minute and panel, on average")
	flags.BoolVar(&o.daily, "daily", false, "more by day, less at night")
	flags.BoolVar(&o.refused, "refused", false, "only cards that nobody knows: one entry each, for load")
	flags.DurationVar(&o.length, "for", 0, "how long; 0: to the end of the story, or until interrupted")
	flags.DurationVar(&o.ramp, "ramp", 0, "over what time the panels are switched on; 0: ten milliseconds each")
	flags.DurationVar(&o.patience, "patience", 2*time.Minute, "how long to wait at the end for the last acknowledgment")
	flags.StringVar(&o.story, "story", "", "a file that tells what happens; see doorfleet story")
	flags.Float64Var(&o.speed, "speed", 1, "how much faster the story goes; panels, broker and hub keep real time")
	flags.DurationVar(&o.trouble, "trouble", 0, "make an outage every so often on average; 0: none but the story's")
	flags.DurationVar(&o.past, "past", 0, "let every panel live through so much time without a network before it is connected, by a clock that is moved by hand")
	flags.IntVar(&o.pastEntries, "past-entries", 0, "entries in the journals of all panels together from that time")
	flags.StringVar(&o.broker, "broker", "", "mqtt:// or mqtts:// address of a broker that lets panels in by user and password, instead of --hub")
	flags.StringVar(&o.user, "user", "", "user at that broker")
	flags.StringVar(&o.passwordFile, "password-file", "", "file with its password")
	flags.StringVar(&o.ca, "ca", "", "file with the certificate that the broker's leads to")
	flags.StringVar(&o.hubAway, "hub-away", "", "command that takes the hub away for the seconds that are its last argument")
	flags.StringVar(&o.brokerAway, "broker-away", "", "the same for the broker")
	flags.DurationVar(&o.heartbeat, "heartbeat", 30*time.Second, "the longest pause between two statuses")
	flags.DurationVar(&o.keepAlive, "keep-alive", 20*time.Second, "of MQTT")
	flags.StringVar(&o.json, "json", "", "write the report to this file, too")
	flags.BoolVar(&o.quiet, "quiet", false, "no line that moves")
	flags.BoolVar(&o.company, "company", false, "with --doorhub: a company with buildings, residents and licenses to look at")
	flags.BoolVar(&o.verbose, "verbose", false, "what the panels log, on stderr")
	flags.IntVar(&o.memory, "memory", 0, "MiB that the program should not grow beyond; 0: 1 MiB a panel and 256 MiB")
	o.hub.flags(flags)
	return cmd
}

func (o *order) check() error {
	switch {
	case o.panels < 1 || o.panels > maxPanels:
		return usageError{fmt.Errorf("cannot run %d panels: 1 to %d", o.panels, maxPanels)}
	case o.sites < 1 || o.sites > o.panels:
		return usageError{fmt.Errorf("cannot put %d panels on %d sites: 1 to %d", o.panels, o.sites, o.panels)}
	case o.ways() != 1:
		return usageError{errors.New("cannot run a fleet: give one of --hub, --doorhub, --pair and --broker")}
	case len(o.hub.codes) > 0 && len(o.hub.codes) != o.panels:
		return usageError{fmt.Errorf("cannot pair %d panels with %d codes: each code is for one panel", o.panels, len(o.hub.codes))}
	case o.rate < 0 || o.rate > maxRate:
		return usageError{fmt.Errorf("cannot make %g entries a minute: 0 to %d", o.rate, maxRate)}
	case o.past > 0 && o.pastEntries < 1:
		return usageError{errors.New("cannot live through the past without entries: give --past-entries")}
	}
	return checkFiles(o.panels)
}

// ways counts by how many ways the panels are to reach a hub.
func (o *order) ways() (n int) {
	for _, given := range []bool{o.broker != "", o.hub.where != "", o.hub.program != "", len(o.hub.codes) > 0} {
		if given {
			n++
		}
	}
	return n
}

const maxPanels = 20_000

// checkFiles says in time that there are too few file descriptors. A panel needs a socket and four files.
func checkFiles(panels int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // then it shows
	}
	if need := uint64(panels)*filesPerPanel + 100; limit.Cur < need {
		return fmt.Errorf("cannot run %d panels: they need %d open files, this shell allows %d; run ulimit -n %d first", panels, need, limit.Cur, need)
	}
	return nil
}

const filesPerPanel = 6

func (o *order) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	limit := int64(o.memory)
	if limit == 0 {
		limit = int64(o.panels) + 256
	}
	debug.SetMemoryLimit(limit << 20)
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "doorfleet-")
		if err != nil {
			return fmt.Errorf("cannot make a directory for the journals: %w", err)
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	var scenes []scene
	if o.story != "" {
		var err error
		if scenes, err = readStory(o.story); err != nil {
			return err
		}
	}
	screen := &screen{out: stderr, still: o.quiet}
	s, hub, err := o.setup(ctx)
	if err != nil {
		return err
	}
	s.said = screen.say
	if o.hub.child != nil {
		defer func() {
			if err := o.hub.child.close(); err != nil {
				fmt.Fprintln(stderr, "doorfleet:", err)
			}
		}()
		if err := o.hub.introduce(ctx, screen); err != nil {
			return err
		}
	}
	if o.verbose {
		s.log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	f, err := newFleet(s)
	if err != nil {
		return err
	}
	if err := f.check(scenes); err != nil {
		return err
	}
	r, err := o.drive(ctx, f, scenes, hub, screen)
	err = errors.Join(err, f.close(), f.removeCopies())
	screen.end()
	if err != nil {
		return err
	}
	r.print(stdout)
	if o.json != "" {
		if err := r.save(o.json); err != nil {
			return err
		}
	}
	if !r.whole() {
		return errNotWhole
	}
	return nil
}

func (o *order) setup(ctx context.Context) (setup, ledger, error) {
	s := setup{
		panels: o.panels, sites: o.sites, dir: o.dir, seed: o.seed, rate: o.rate, daily: o.daily, refused: o.refused, speed: o.speed,
		timing: timing{heartbeat: o.heartbeat, keepAlive: o.keepAlive}, servers: servers{hub: command(o.hubAway), broker: command(o.brokerAway)},
	}
	switch {
	case len(o.hub.codes) > 0:
		s.admission = &codes{left: o.hub.codes}
		return s, nil, nil
	case o.broker == "":
		h, err := o.hub.connect(ctx, filepath.Join(o.dir, "hub"))
		if err != nil {
			return s, nil, err
		}
		if c := o.hub.child; c != nil {
			s.servers.hub, s.servers.broker = c.away, c.away // its broker is inside of it
		}
		s.admission = h
		return s, h, nil
	}
	b := openBroker{url: o.broker, user: o.user}
	if o.passwordFile != "" {
		raw, err := os.ReadFile(o.passwordFile)
		if err != nil {
			return s, nil, fmt.Errorf("cannot read the password: %w", err)
		}
		b.password = strings.TrimRight(string(raw), "\r\n")
	}
	if o.ca != "" {
		raw, err := os.ReadFile(o.ca)
		if err != nil {
			return s, nil, fmt.Errorf("cannot read the broker's CA: %w", err)
		}
		b.ca = raw
	}
	s.admission = b
	return s, nil, nil
}

// command is a way to take a server away: a command of the shell that gets the seconds as its last argument.
func command(line string) func(context.Context, time.Duration) error {
	if line == "" {
		return nil
	}
	return func(ctx context.Context, away time.Duration) error {
		out, err := exec.CommandContext(ctx, "/bin/sh", "-c", fmt.Sprintf("%s %d", line, int(away/time.Second))).CombinedOutput()
		if err != nil {
			return fmt.Errorf("cannot run %q: %w: %.200s", line, err, out)
		}
		return nil
	}
}

// drive runs a fleet from its enrollment to the count.
func (o *order) drive(ctx context.Context, f *fleet, scenes []scene, hub ledger, screen *screen) (report, error) {
	n := len(f.cores)
	before := heapInUse()
	if err := f.admit(ctx, few, screen.bar("letting panels in", n)); err != nil {
		return report{}, err
	}
	if c := o.hub.child; c != nil && o.company {
		if err := c.company(ctx, f.places); err != nil {
			return report{}, err
		}
	}
	if o.past > 0 {
		made := screen.bar(fmt.Sprintf("living through %s", o.past), n)
		begin := time.Now().Add(-o.past)
		each := (o.pastEntries + n - 1) / n
		if err := eachAtOnce(f.cores, few, func(c *core) error {
			defer made()
			return c.livePast(ctx, f.habits[c.index-1], begin, o.past, each)
		}); err != nil {
			return report{}, err
		}
	}
	if o.ramp == 0 {
		o.ramp = time.Duration(n) * 10 * time.Millisecond
	}
	switched := time.Now()
	if err := f.powerOn(ctx, o.ramp, screen.bar("switching panels on", n)); err != nil {
		return report{}, err
	}
	began, ackedBefore := time.Now(), f.meter.acked.Load()
	living, stop := context.WithCancel(ctx)
	defer stop()
	f.play(scenes)
	if o.trouble > 0 {
		f.trouble(o.trouble)
	}
	var working sync.WaitGroup
	working.Go(func() { f.live(living) })
	o.watch(living, f, began, screen)
	ended := time.Now()
	after := heapInUse()
	memory := (after - min(before, after)) / uint64(n)
	files := openFiles()
	stop()
	working.Wait()
	acked := f.meter.acked.Load() - ackedBefore
	hubMemory := uint64(0)
	if c := o.hub.child; c != nil {
		hubMemory = c.memory()
	}

	// From here on an interrupt only cuts the waiting short.
	settling := context.WithoutCancel(ctx)
	waiting, err := f.settle(settling, o.patience, func(left uint64) {
		screen.line(fmt.Sprintf("waiting for the hub: %s entries are on their way", thousands(left)))
	})
	if err != nil {
		return report{}, err
	}
	none := [400]uint64{}
	r := report{
		Panels: n, Sites: len(f.places), Seed: o.seed, Began: began, Seconds: ended.Sub(began).Seconds(), Visits: f.meter.visits.Load(),
		Sent: f.meter.sent.Load(), SentAgain: f.meter.again.Load(), Acked: f.meter.acked.Load(), PerSecond: float64(acked) / ended.Sub(began).Seconds(),
		AckP50MS: milliseconds(f.meter.latency.quantile(.5, none)), AckP99MS: milliseconds(f.meter.latency.quantile(.99, none)), Waiting: waiting, SettledAfter: time.Since(switched).Seconds(),
		MostAtOnce: most(f.meter.connectsPerSecond(began.Add(time.Second), ended)), Memory: memory, HubMemory: hubMemory, Files: files, Faults: []string{},
	}
	list, more := f.meter.allFaults()
	r.Faults = append(r.Faults, list...)
	if more > 0 {
		r.Faults = append(r.Faults, fmt.Sprintf("and %d more", more))
	}
	err = o.tally(settling, f, hub, &r)
	return r, err
}

// tally asks the hub what it holds and what it told.
func (o *order) tally(ctx context.Context, f *fleet, hub ledger, r *report) error {
	var notices []notice
	var findings []finding
	if hub != nil {
		accounts, err := f.count(ctx, hub)
		if err != nil {
			return err
		}
		r.Counted, r.Totals, r.Accounts = true, total(accounts), worstFirst(accounts)
		all, err := hub.notices(ctx)
		if err != nil {
			return fmt.Errorf("cannot read what the hub told: %w", err)
		}
		for _, n := range all {
			if !n.At.Before(r.Began) {
				notices = append(notices, n)
			}
		}
		if findings, err = hub.found(ctx); err != nil {
			return fmt.Errorf("cannot read what the hub noticed: %w", err)
		}
		findings = slices.DeleteFunc(findings, func(f finding) bool { return f.At.Before(r.Began) })
	}
	if c := o.hub.child; c != nil {
		r.Messages, r.MessagesTwice = c.mailbox.messages()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.Outages = join(f.outages, findings, notices)
	return nil
}

// watch shows what goes on until the time is over, the story has ended, or somebody interrupts.
func (o *order) watch(ctx context.Context, f *fleet, began time.Time, screen *screen) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var end <-chan time.Time
	if o.length > 0 {
		timer := time.NewTimer(o.length)
		defer timer.Stop()
		end = timer.C
	}
	var acked uint64
	counts := f.meter.latency.snapshot()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end:
			return
		case <-f.over:
			return
		case now := <-ticker.C:
			total := f.meter.acked.Load()
			screen.line(fmt.Sprintf("%s %s %d/%d online  %s entries/s  ack p99 %.0f ms  %s waiting  %d connects/s",
				progress(now.Sub(began), o.length), now.Format(time.TimeOnly), f.meter.online.Load(), len(f.cores), thousands(total-acked),
				milliseconds(f.meter.latency.quantile(.99, counts)), thousands(f.waiting()),
				most(f.meter.connectsPerSecond(now.Add(-time.Second), now))))
			acked, counts = total, f.meter.latency.snapshot()
		}
	}
}

// progress draws how far a run is; nothing when its length is open.
func progress(done, of time.Duration) string {
	if of <= 0 {
		return ""
	}
	const width = 20
	n := min(int(width*done/of), width)
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", width-n) + "]"
}
