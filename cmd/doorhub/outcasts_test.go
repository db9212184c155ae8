package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/fleet"
)

// door counts who was sent away when, on a clock of its own.
type door struct {
	began   time.Time
	sent    []string
	honored bool
	fault   error
}

func (d *door) displace(_ context.Context, panel string) error {
	d.sent = append(d.sent, panel+" "+time.Since(d.began).String())
	return d.fault
}

// watched runs an outcasts for two minutes while happens does something, and returns who was sent away when.
func watched(t *testing.T, d *door, happens func(o *outcasts)) (sent []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(context.Background())
		defer end()
		d.began = time.Now()
		o := newOutcasts(d.displace, func(string) bool { return d.honored }, slog.New(slog.DiscardHandler))
		go o.run(ctx)
		happens(o)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		end()
		synctest.Wait()
		sent = d.sent
	})
	return sent
}

func TestAPanelThatIsOutIsSentAwayUntilTheBrokerKnows(t *testing.T) {
	all := []string{"a 0s", "a 2s", "a 5s", "a 15s", "a 30s", "a 50s"}
	for name, c := range map[string]struct {
		door    door
		happens func(o *outcasts)
		want    []string
	}{
		"revoked":                             {door{}, func(o *outcasts) { o.send("a") }, all},
		"heard":                               {door{}, func(o *outcasts) { o.heard("a") }, all},
		"heard while it is on its way out":    {door{}, func(o *outcasts) { o.send("a"); time.Sleep(time.Second); o.heard("a") }, all},
		"revoked again":                       {door{}, func(o *outcasts) { o.send("a"); time.Sleep(time.Second); o.send("a") }, []string{"a 0s", "a 1s", "a 3s", "a 6s", "a 16s", "a 31s", "a 51s"}},
		"enrolled anew: its old connection":   {door{honored: true}, func(o *outcasts) { o.send("a") }, all[:1]},
		"enrolled anew, broker away":          {door{honored: true, fault: errors.New("away")}, func(o *outcasts) { o.send("a") }, all[:1]},
		"the broker is away":                  {door{fault: errors.New("away")}, func(o *outcasts) { o.send("a") }, all},
		"the broker has read the list":        {door{}, func(o *outcasts) { o.send("a"); time.Sleep(7 * time.Second); o.now() }, []string{"a 0s", "a 2s", "a 5s", "a 7s", "a 22s", "a 42s"}},
		"nobody is to go when it has read it": {door{}, func(o *outcasts) { o.now() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if sent := watched(t, &c.door, c.happens); !slices.Equal(sent, c.want) {
				t.Errorf("sent away %q, want %q", sent, c.want)
			}
		})
	}
}

func TestManyPanelsThatAreOutAreBoundedAndNobodyWaits(t *testing.T) {
	d := &door{}
	sent := watched(t, d, func(o *outcasts) {
		for n := range 10 * outcastLimit {
			o.heard(strings.Repeat("x", 1+n%1000))
		}
	})
	if len(sent) == 0 || len(sent) > 2*outcastLimit*len(turns()) {
		t.Errorf("%d times somebody was sent away", len(sent))
	}
}

// archive is the list of revoked certificates with what it is made of.
type archive struct {
	*revocations
	t    *testing.T
	list []fleet.Certificate
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	dir := t.TempDir()
	ca, err := authority.Open(authority.Options{Dir: filepath.Join(dir, "keys")})
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{t: t}
	config := configs.Hub{Data: dir}
	a.revocations = newRevocations(config, func(string) ([]fleet.Certificate, error) { return a.list, nil }, ca, slog.New(slog.DiscardHandler))
	return a
}

func (a *archive) revoke(serial string) {
	a.list = append(a.list, fleet.Certificate{Serial: serial, Revoked: time.Now()})
	a.revise()
}

func (a *archive) content() string {
	a.t.Helper()
	raw, err := os.ReadFile(a.path)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(raw)
}

func (a *archive) is(state, says string) {
	a.t.Helper()
	if h := a.health(); h.State != state || !strings.Contains(h.Detail, says) {
		a.t.Errorf("it is %s (%s), want %s with %q", h.State, h.Detail, state, says)
	}
}

func TestTheListIsWrittenAnewWhenSomethingIsRevokedAndNotOtherwise(t *testing.T) {
	a := newArchive(t)
	a.revise()
	first := a.content()
	a.is(partOK, a.path)
	a.revise()
	if a.content() != first {
		t.Error("it is written anew although nothing was revoked")
	}
	a.revoke("ab")
	second := a.content()
	if second == first {
		t.Error("a certificate was revoked, and the list is the old one")
	}
	a.is(partOK, a.path)
	// The hub starts again.
	again := newRevocations(configs.Hub{Data: filepath.Dir(a.path)}, a.certificates, a.authority, a.log)
	again.revise()
	if a.content() != second || again.made.IsZero() || again.made.After(time.Now()) || time.Since(again.made) > time.Hour {
		t.Errorf("at a start a complete list is written anew, or its time is %v", again.made)
	}
	// Another hub's list is none, nor is garbage.
	for _, content := range []string{newArchive(t).other(), "garbage", ""} {
		if err := os.WriteFile(a.path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		a.is(partBad, "restart the hub")
		a.revise()
		a.is(partOK, a.path)
	}
}

// other is the list of another hub.
func (a *archive) other() string {
	a.revise()
	return a.content()
}

func TestAnOldListIsTold(t *testing.T) {
	a := newArchive(t)
	a.revise()
	old := a.content()
	a.revoke("ab")
	if err := os.WriteFile(a.path, []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	a.is(partBad, "is not the list that the hub made")
	if err := os.Remove(a.path); err != nil {
		t.Fatal(err)
	}
	a.is(partBad, "restart the hub")
}

func TestAListThatCannotBeWrittenIsTold(t *testing.T) {
	a := newArchive(t)
	a.path = filepath.Join(a.path, "not", "there")
	a.revise()
	a.is(partBad, "revocation_list")
}

func TestABrokerThatHonorsTheProbeHasNotReadTheList(t *testing.T) {
	a := newArchive(t)
	a.revise()
	made := a.made
	if !a.note(true, made) {
		t.Error("it is not asked again")
	}
	a.is(partWarn, "SIGHUP")
	a.revoke("ab")
	if !a.note(false, made) || a.probe == nil {
		t.Error("what the broker made of an older list counts for the present one")
	}
	if a.note(false, a.made) || a.probe != nil {
		t.Error("it is asked again although it has read the list")
	}
	a.is(partOK, a.path)
}

func TestNobodyKnowsWhatABrokerThatIsAwayHasRead(t *testing.T) {
	a := newArchive(t)
	b := &ownBroker{address: "127.0.0.1:1", config: &tls.Config{MinVersion: tls.VersionTLS12}, passing: a.authority.PassingCertificate}
	own, err := a.authority.PassingCertificate(probeName, probeTime)
	if err != nil {
		t.Fatal(err)
	}
	if honors, err := b.honors(t.Context(), own, probeName); err == nil || honors {
		t.Errorf("it honors it: %v, %v", honors, err)
	}
}
