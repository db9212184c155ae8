package broker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWritingToAPeerThatDoesNotReadNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe() // holds nothing back: a write waits for its reader
		defer far.Close()
		w := newWire(near, identity{}, 1<<10)
		began := time.Now()
		var err error
		for written := 0; err == nil && written < 1<<12; written += 100 {
			_, err = w.Write(make([]byte, 100))
		}
		if !errors.Is(err, errSlow) {
			t.Errorf("writing ended with %v", err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("it waited for %v", waited)
		}
		if _, err := w.Read(make([]byte, 1)); err == nil {
			t.Error("the connection goes on")
		}
		w.Close()
		synctest.Wait()
		time.Sleep(time.Minute) // of the bubble's time: the last attempt to write ends
	})
}

func TestTheLastWordIsWrittenBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		w := newWire(near, identity{}, 1<<10)
		if _, err := w.Write([]byte("refused, because")); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if _, err := w.Write([]byte("more")); err == nil {
			t.Error("a closed connection takes more")
		}
		heard, err := io.ReadAll(far)
		if string(heard) != "refused, because" {
			t.Errorf("heard %q, %v", heard, err)
		}
	})
}

func TestWhatIsWrittenArrivesInOrder(t *testing.T) {
	near, far := net.Pipe()
	w := newWire(near, identity{}, 1<<20)
	var want bytes.Buffer
	heard := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(far)
		heard <- all
	}()
	for i := range 2000 {
		part := []byte(strings.Repeat(string(rune('a'+i%26)), i%50))
		want.Write(part)
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if got := <-heard; !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d of %d bytes, or in another order", len(got), want.Len())
	}
}

func TestRoomLetsNoMoreInThanTheHubTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r room
		r.ready = sync.NewCond(&r.mu)
		var inflight, most, done atomic.Int64
		r.watch(func() int { return int(inflight.Load()) })
		for range 3 * hubAhead {
			go func() {
				r.enter()
				most.Store(max(most.Load(), inflight.Add(1)))
				r.leave()
				done.Add(1)
			}()
		}
		synctest.Wait()
		if done.Load() != hubAhead {
			t.Errorf("%d went in, not %d", done.Load(), hubAhead)
		}
		for range 2 * hubAhead {
			inflight.Add(-1)
			r.wake()
			synctest.Wait()
		}
		if done.Load() != 3*hubAhead || most.Load() > hubAhead {
			t.Errorf("%d went in, at most %d at once", done.Load(), most.Load())
		}
		go r.enter()
		synctest.Wait()
		r.open() // the hub went away: nobody waits for it
		synctest.Wait()
	})
}

func TestOnePanelThatIsStartedAgainIsNotTwo(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	type coming struct {
		boot  string
		alive bool
		after time.Duration
		told  bool
	}
	for name, comings := range map[string][]coming{
		"started again and again": {{"a", false, 0, false}, {"b", true, 1, false}, {"c", false, 2, false}, {"d", true, 3, false}},
		"lost its line now and then": {
			{"a", false, 0, false}, {"a", true, time.Minute, false}, {"a", true, time.Hour, false}, {"a", true, 2 * time.Hour, false},
			{"a", true, 3 * time.Hour, false}, {"a", true, 4 * time.Hour, false}, {"a", true, 5 * time.Hour, false},
		},
		"an old start comes back":        {{"a", false, 0, false}, {"b", true, 1, false}, {"a", true, 2, true}, {"b", true, 3, false}, {"a", true, cloneEvery + 3, true}},
		"two that show the same start":   {{"a", false, 0, false}, {"a", true, 1, false}, {"a", true, 2, false}, {"a", true, 3, false}, {"a", true, 4, false}, {"a", true, 5, true}},
		"the old connections were ended": {{"a", false, 0, false}, {"a", false, 1, false}, {"a", false, 2, false}, {"a", false, 3, false}, {"a", false, 4, false}, {"a", false, 5, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var c clones
			for i, come := range comings {
				if said := c.at("gate", come.boot, come.alive, start.Add(come.after)); (said != "") != come.told {
					t.Errorf("coming %d: %q", i, said)
				}
			}
		})
	}
}

func TestRefusalsAreFewHoweverMuchIsRefused(t *testing.T) {
	var c counters
	for i := range 10_000 {
		c.add(refuse("write", "%d %s", i, strings.Repeat("x", 4096)), time.Unix(int64(i), 0))
	}
	list := c.list()
	if len(list) != 1 || list[0].Count != 10_000 || len(list[0].Last) > detailLimit || !strings.HasPrefix(list[0].Last, "9999 ") || list[0].At.Unix() != 9999 {
		t.Errorf("%d reasons, %+v", len(list), list[0].Count)
	}
}
