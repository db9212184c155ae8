package hub

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/store"
	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/telemetry"
)

func TestABrokerKilledUnderLoadLosesNothingDoublesNothingAndKeepsTheOrder(t *testing.T) {
	const panels, entries = 10, 400
	for name, start := range brokers() {
		t.Run(name, func(t *testing.T) {
			where := start(t)
			s := openStore(t, t.TempDir(), panels)
			h, stop := run(t, s, where.hubLink(t, "doorpanel-hub"))
			c := begin(t, where, panels, entries/4, nil)
			moved := c.moved(t)
			for quarter := 1; quarter <= 4; quarter++ {
				if quarter > 1 {
					for i, d := range c.diaries {
						c.ledgers[i].append(d.write(entries / 4)...)
					}
					where.kill()
					where.restart()
				}
				await(t, "all panels are acknowledged", moved, c.delivered(uint64(quarter*entries/4)))
			}
			c.stop()
			stop()
			wantEach(t, s, panels, entries)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			t.Logf("%+v", h.Handled())
		})
	}
}

func TestABacklogIsDeliveredWholeAndInOrder(t *testing.T) {
	n := backlog(t)
	for name, start := range brokers() {
		t.Run(name, func(t *testing.T) {
			where := start(t)
			s := openStore(t, t.TempDir(), 1)
			_, stop := run(t, s, where.hubLink(t, "doorpanel-hub"))
			began := time.Now()
			c := begin(t, where, 1, n, nil)
			await(t, "the backlog is acknowledged", c.moved(t), c.delivered(uint64(n)))
			t.Logf("%d entries in %s", n, time.Since(began).Round(time.Millisecond))
			c.stop()
			stop()
			wantEach(t, s, 1, n)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMain lets this binary be the hub that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("DOORPANEL_TEST_HUB_DIR"); dir != "" {
		if err := childHub(dir, os.Getenv("DOORPANEL_TEST_HUB_BROKER")); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func childHub(dir, broker string) error {
	s, _, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		return err
	}
	l, err := NewLink(LinkOptions{Broker: broker, ClientID: "doorpanel-hub", Retry: 50 * time.Millisecond, RetryLimit: 200 * time.Millisecond})
	if err != nil {
		return err
	}
	h, err := hubOver(s, l)
	if err != nil {
		return err
	}
	return h.Run(context.Background())
}

func TestAHubKilledUnderLoadLosesNothingDoublesNothingAndKeepsTheOrder(t *testing.T) {
	const panels, entries, deaths = 10, 600, 4
	where := newMosquitto(t)
	dir := t.TempDir()
	if err := openStore(t, dir, panels).Close(); err != nil {
		t.Fatal(err)
	}
	c := begin(t, where, panels, entries, nil)
	moved := c.moved(t)
	for death := 1; death <= deaths; death++ {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "DOORPANEL_TEST_HUB_DIR="+dir, "DOORPANEL_TEST_HUB_BROKER="+where.url())
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		until := uint64(entries * death / (deaths + 1))
		await(t, "a part is acknowledged", moved, func() bool {
			return slices.ContainsFunc(c.ledgers, func(l *notebook) bool { return l.done.Load() >= until })
		})
		if err := child.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = child.Wait() // it was killed
	}
	s := openStore(t, dir, panels)
	_, stop := run(t, s, where.hubLink(t, "doorpanel-hub"))
	await(t, "all panels are acknowledged", moved, c.delivered(entries))
	c.stop()
	stop()
	wantEach(t, s, panels, entries)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnOrderReachesARealPanelAndItsAnswerComesBack(t *testing.T) {
	for name, start := range brokers() {
		t.Run(name, func(t *testing.T) {
			where := start(t)
			s := openStore(t, t.TempDir(), 1)
			defer s.Close()
			h, stop := run(t, s, where.hubLink(t, "doorpanel-hub"))
			defer stop()
			var c *crowd
			ready := make(chan struct{})
			c = begin(t, where, 1, 1, func(_ int, o *uplink.Options, _ *notebook) {
				o.Command = func(raw []byte, retained bool) {
					<-ready
					command, _, err := telemetry.OpenCommand(raw, ringOf(h))
					if err != nil || retained || command.Boot != "b0" || command.Panel != crowdID(0) {
						t.Errorf("%+v, retained %v, %v", command, retained, err)
					}
					c.links[0].Reply(telemetry.Reply{Number: command.Number, Result: telemetry.ResultDone})
				}
			})
			close(ready)
			await(t, "the panel is heard", news(t, h), func() bool { return len(h.Said()) == 1 })
			o, err := h.Order(t.Context(), crowdID(0), telemetry.VerbText, "Back at three", "anna")
			if err != nil || o.State != fleet.OrderDone {
				t.Errorf("%+v, %v", o, err)
			}
			c.stop()
			await(t, "the panel is known to have stopped", news(t, h), func() bool {
				site, ok := h.Situation(siteID)
				p, _ := site.Panel(crowdID(0))
				return ok && p.Presence == "stopped"
			})
		})
	}
}

func TestTheHubDoesNotTakeWhatIsNoAddressOfABroker(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:1883", "http://host", "mqtt://", "mqtt://user:secret@host", "mqtt://host/path", "::"} {
		if _, err := NewLink(LinkOptions{Broker: address, ClientID: "hub"}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := NewLink(LinkOptions{Broker: "mqtt://host"}); err == nil {
		t.Error("a link without a client id")
	}
}

func TestWithoutABrokerNothingIsSent(t *testing.T) {
	l, err := NewLink(LinkOptions{Broker: "mqtt://127.0.0.1:1", ClientID: "hub"})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Send("a", false, nil); !errors.Is(err, errNotConnected) {
		t.Error(err)
	}
	if err := l.Publish(t.Context(), "a", false, nil); !errors.Is(err, errNotConnected) {
		t.Error(err)
	}
}
