package uplink

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/doorpanel/doorpanel/telemetry"
)

func TestWindowMovesTheCursorOnlyOverWhatWasSent(t *testing.T) {
	type step struct {
		send, ack uint64
		restart   bool
		cursor    uint64 // what ack gives
		waiting   []uint64
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"in order", []step{{send: 5, waiting: []uint64{5}}, {send: 6, waiting: []uint64{5, 6}}, {ack: 5, cursor: 5, waiting: []uint64{6}}, {ack: 6, cursor: 6}}},
		{"several at once", []step{{send: 5, waiting: []uint64{5}}, {send: 6, waiting: []uint64{5, 6}}, {ack: 6, cursor: 6}}},
		{"before anything was sent", []step{{ack: 9}}},
		{"more than was sent", []step{{send: 5, waiting: []uint64{5}}, {ack: 900, cursor: 5}, {send: 6, waiting: []uint64{6}}, {ack: 6, cursor: 6}}},
		{"twice and late", []step{{send: 5, waiting: []uint64{5}}, {ack: 5, cursor: 5}, {ack: 5}, {ack: 3}}},
		{"before the first", []step{{send: 5, waiting: []uint64{5}}, {ack: 4, waiting: []uint64{5}}}},
		{"over a gap", []step{{send: 5, waiting: []uint64{5}}, {send: 90, waiting: []uint64{5, 90}}, {ack: 50, cursor: 50, waiting: []uint64{90}}, {ack: 90, cursor: 90}}},
		{"sent again below the cursor", []step{
			{send: 5, waiting: []uint64{5}}, {ack: 5, cursor: 5}, {restart: true}, {send: 2, waiting: []uint64{2}}, {ack: 2}, {send: 5, waiting: []uint64{5}}, {ack: 5},
		}},
		{"sent again above the cursor", []step{
			{send: 5, waiting: []uint64{5}}, {send: 6, waiting: []uint64{5, 6}}, {restart: true}, {ack: 6, cursor: 6}, {send: 6, waiting: []uint64{6}}, {ack: 6},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := window{limit: 64}
			for i, s := range test.steps {
				var cursor uint64
				switch {
				case s.send != 0:
					w.sent(s.send, "e1")
				case s.restart:
					w.restart()
				default:
					cursor = w.delivered(s.ack)
				}
				if cursor != s.cursor || !slices.Equal(w.waiting, s.waiting) {
					t.Errorf("step %d: cursor %d, waiting %v, want %d and %v", i, cursor, w.waiting, s.cursor, s.waiting)
				}
			}
		})
	}
}

func TestWindowIsFullAtItsLimit(t *testing.T) {
	w := window{limit: 2}
	w.sent(1, "e1")
	if w.full() {
		t.Error("full with one of two")
	}
	w.sent(2, "e1")
	if !w.full() {
		t.Error("not full with two of two")
	}
}

// brokenToken is a message that the library gave up.
type brokenToken struct{ mqtt.DummyToken }

func (*brokenToken) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (*brokenToken) Error() error { return errors.New("connection lost before Publish completed") }

// noOutbox has no method that may be called.
type noOutbox struct{ Outbox }

func TestMessageThatWasGivenUpIsNotDelivered(t *testing.T) {
	s := session{Uplink: &Uplink{outbox: noOutbox{}, window: window{limit: 64}}, lost: make(chan error, 1)}
	s.window.sent(1, "e1")
	s.unacked = []publication{{token: &brokenToken{}, seq: 1}}
	s.lost <- errors.New("the cable")
	if err := s.takeAcknowledged(); err == nil || !strings.Contains(err.Error(), "the cable") {
		t.Errorf("got %v", err)
	}
	if len(s.window.waiting) != 1 || s.window.resume != 1 {
		t.Errorf("%d wait, delivery is at %d", len(s.window.waiting), s.window.resume)
	}
}

// oneEntry gives out its only entry once.
type oneEntry struct {
	Outbox
	asked chan struct{}
}

func (o oneEntry) Next(ctx context.Context) (telemetry.Event, error) {
	select {
	case o.asked <- struct{}{}:
		return telemetry.Event{Epoch: "e1", Seq: 5}, nil
	default:
		<-ctx.Done()
		return telemetry.Event{}, ctx.Err()
	}
}

func TestEntryThatWasReadButNotSentIsReadAgain(t *testing.T) {
	outbox := oneEntry{asked: make(chan struct{}, 1)}
	s := session{Uplink: &Uplink{outbox: outbox, window: window{limit: 64}}}
	s.startReader()
	for len(outbox.asked) == 0 {
		runtime.Gosched()
	}
	s.stopReader()
	if s.window.resume != 5 {
		t.Errorf("delivery goes on at %d", s.window.resume)
	}
}

func TestRequestsToSendAgainAreServedTogetherAndNotTooOften(t *testing.T) {
	w := window{limit: 64}
	for seq := uint64(1); seq <= 20; seq++ {
		w.sent(seq, "e1")
	}
	now := time.Unix(1000, 0)
	for _, from := range []uint64{9, 7, 12} {
		w.wanted(from)
	}
	w.wanted(21) // not sent yet: it comes by itself
	if from, due := w.dueAgain(now); !due || from != 7 {
		t.Errorf("back to %d, %v", from, due)
	}
	w.wanted(8)
	if from, due := w.dueAgain(now.Add(againPause / 2)); due {
		t.Errorf("back to %d too soon", from)
	}
	if from, due := w.dueAgain(now.Add(againPause)); !due || from != 8 {
		t.Errorf("back to %d, %v", from, due)
	}
	if _, due := w.dueAgain(now.Add(time.Hour)); due {
		t.Error("nothing is asked for")
	}
}

func TestPacketTooLargeIsRefusedAtItsHeader(t *testing.T) {
	body := bytes.Repeat([]byte{0xff}, 1000)
	good := append([]byte{0x30, 0xe8, 0x07}, body...)
	for _, test := range []struct {
		name  string
		bytes []byte
		fails bool
	}{
		{"small", []byte{0x20, 0x02, 0, 0, 0xd0, 0}, false},
		{"two", append(bytes.Clone(good), good...), false},
		{"largest", []byte{0x30, 0x80, 0x80, 0x40}, false},
		{"one more", []byte{0x30, 0x81, 0x80, 0x40}, true},
		{"256 MiB", []byte{0x30, 0xff, 0xff, 0xff, 0x7f}, true},
		{"a length without an end", []byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x01}, true},
		{"after a good one", append(bytes.Clone(good), 0x30, 0xff, 0xff, 0xff, 0x7f), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, piece := range []int{1, 2, 7, len(test.bytes)} {
				var c telemetry.Packets
				var err error
				for part := range slices.Chunk(test.bytes, piece) {
					if err = c.Follow(part); err != nil {
						break
					}
				}
				if (err != nil) != test.fails {
					t.Errorf("in pieces of %d: %v", piece, err)
				}
			}
		})
	}
}

func FuzzPacketHeaders(f *testing.F) {
	f.Add([]byte{0x20, 0x02, 0, 0}, 1)
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f}, 2)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		if piece < 1 {
			return
		}
		var whole, parts telemetry.Packets
		errWhole := whole.Follow(stream)
		var errParts error
		for part := range slices.Chunk(stream, piece) {
			if errParts = parts.Follow(part); errParts != nil {
				break
			}
		}
		if (errWhole == nil) != (errParts == nil) || errWhole == nil && whole != parts {
			t.Errorf("whole: %v, in pieces of %d: %v", errWhole, piece, errParts)
		}
	})
}
