package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/panel/uplink/uplinktest"
	"github.com/doorpanel/doorpanel/telemetry"
)

const epoch = "e1"

// journal is an outbox in memory whose durable cursor is a file.
type journal struct {
	t      testing.TB
	cursor string

	lock    sync.Mutex
	last    uint64 // entries 1 to last exist
	read    uint64 // entries up to this have been read
	done    uint64
	fault   error
	ahead   uint64        // the most that was read and not done
	changed chan struct{} // closed and replaced at every change
}

func newJournal(t testing.TB, cursor string) *journal {
	j := &journal{t: t, cursor: cursor, changed: make(chan struct{})}
	if raw, err := os.ReadFile(cursor); err == nil {
		if j.done, err = strconv.ParseUint(string(raw), 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	j.read = j.done
	return j
}

func (j *journal) change(f func()) {
	j.lock.Lock()
	defer j.lock.Unlock()
	f()
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) add(count uint64) { j.change(func() { j.last += count }) }

func (j *journal) break_(err error) { j.change(func() { j.fault = err }) }

func (j *journal) Next(ctx context.Context) (telemetry.Event, error) {
	for {
		j.lock.Lock()
		changed, fault := j.changed, j.fault
		if fault == nil && j.read < j.last {
			j.read++
			seq := j.read
			if seq > j.done {
				j.ahead = max(j.ahead, seq-j.done)
			}
			j.lock.Unlock()
			return telemetry.Event{Epoch: epoch, Boot: "b1", Seq: seq, Kind: "door.opened", Door: "front"}, nil
		}
		j.lock.Unlock()
		if fault != nil {
			return telemetry.Event{}, fault
		}
		select {
		case <-ctx.Done():
			return telemetry.Event{}, ctx.Err()
		case <-changed:
		}
	}
}

func (j *journal) Done(seq uint64) error {
	if err := os.WriteFile(j.cursor, []byte(strconv.FormatUint(seq, 10)), 0o600); err != nil {
		return err
	}
	j.change(func() {
		if seq <= j.done || seq > j.last {
			j.t.Errorf("the cursor was moved from %d to %d of %d", j.done, seq, j.last)
		}
		j.done = seq
	})
	return nil
}

func (j *journal) Rewind(from uint64) error {
	j.change(func() { j.read = from - 1 })
	return nil
}

func (j *journal) state() (read, done uint64) {
	j.lock.Lock()
	defer j.lock.Unlock()
	return j.read, j.done
}

// awaitDone waits until everything up to seq is delivered.
func (j *journal) awaitDone(seq uint64) {
	j.t.Helper()
	limit := time.After(uplinktest.Deadline)
	for {
		j.lock.Lock()
		done, changed := j.done, j.changed
		j.lock.Unlock()
		if done >= seq {
			return
		}
		select {
		case <-changed:
		case <-limit:
			j.t.Errorf("delivered up to %d, not %d, within %s", done, seq, uplinktest.Deadline)
			return
		}
	}
}

// running is an uplink under test.
type running struct {
	*uplink.Uplink
	t         *testing.T
	stop      func() error
	states    chan state
	commands  chan command
	documents chan document
}

type state struct {
	connected bool
	cause     string
}

type command struct {
	raw      string
	retained bool
}

type document struct {
	kind        telemetry.DocumentKind
	id, payload string
}

// start runs an uplink with short times. change may alter its options.
func start(t *testing.T, broker string, outbox uplink.Outbox, change func(*uplink.Options)) *running {
	t.Helper()
	r := &running{t: t, states: make(chan state, 1024), commands: make(chan command, 1024), documents: make(chan document, 1024)}
	options := uplink.Options{
		Broker: broker, Site: "villa", Panel: "gate", Boot: "b1",
		Retry: 20 * time.Millisecond, RetryLimit: 200 * time.Millisecond,
		Status:  func() telemetry.Status { return telemetry.Status{Epoch: epoch, Version: "test"} },
		Command: func(raw []byte, retained bool) { r.commands <- command{string(raw), retained} },
		Document: func(kind telemetry.DocumentKind, id string, payload []byte) {
			r.documents <- document{kind, id, string(payload)}
		},
		State: func(connected bool, cause string) { r.states <- state{connected, cause} },
	}
	if change != nil {
		change(&options)
	}
	u, err := uplink.New(options, outbox)
	if err != nil {
		t.Fatal(err)
	}
	r.Uplink = u
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(uplinktest.Deadline):
			return errors.New("the uplink did not end")
		}
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil && !strings.Contains(err.Error(), "journal") {
			t.Error(err)
		}
	})
	return r
}

func (r *running) awaitState(connected bool, words string) state {
	r.t.Helper()
	limit := time.After(uplinktest.Deadline)
	var last state
	for {
		select {
		case last = <-r.states:
			if last.connected == connected && strings.Contains(last.cause, words) {
				return last
			}
		case <-limit:
			r.t.Fatalf("no state connected=%v with %q within %s; last: %+v", connected, words, uplinktest.Deadline, last)
		}
	}
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case value := <-c:
		return value
	case <-time.After(uplinktest.Deadline):
		t.Fatalf("no %T within %s", *new(T), uplinktest.Deadline)
		panic("unreachable")
	}
}

func cursorFile(t *testing.T) string { return filepath.Join(t.TempDir(), "cursor") }

var statusTopic = telemetry.StatusTopic("villa", "gate")

// isStatus fits a status payload by a part of its text.
func isStatus(part string) func(uplinktest.Message) bool {
	return func(m uplinktest.Message) bool {
		return m.Topic == statusTopic && strings.Contains(string(m.Payload), part)
	}
}

const (
	isOnline  = `"online":true`
	isLost    = `{"v":1,"online":false,"cause":"lost","boot":"b1"}`
	isStopped = `{"v":1,"online":false,"cause":"stopped","boot":"b1"}`
)

// order checks that events come in order, each at least once: one may come again, none may be left out.
type order struct{ highest uint64 }

// store takes an event as a hub does that was not there when the ones before it passed: it keeps nothing out of order, and has
// it sent again by not acknowledging it.
func (o *order) store(m uplinktest.Message) error {
	if event, err := telemetry.DecodeEvent(m.Payload); err == nil && event.Seq > o.highest+1 {
		return nil
	}
	return o.take(m)
}

func (o *order) take(m uplinktest.Message) error {
	event, err := telemetry.DecodeEvent(m.Payload)
	if err != nil {
		return err
	}
	if event.Seq > o.highest+1 {
		return fmt.Errorf("event %d came after %d", event.Seq, o.highest)
	}
	o.highest = max(o.highest, event.Seq)
	return nil
}

func (o *order) awaitAll(w *uplinktest.Watcher, t *testing.T, last uint64) {
	t.Helper()
	for o.highest < last {
		m := w.Await(func(m uplinktest.Message) bool { return m.Topic == telemetry.EventTopic("villa", "gate") })
		if err := o.take(m); err != nil {
			t.Fatal(err)
		}
	}
}
