package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/storage"
)

// confirmed is what the panel has said yes to.
type confirmed struct {
	mu                    sync.Mutex
	licenses, credentials []string
	total                 int
	enough                int
	reached               chan struct{}
}

func (c *confirmed) add(list *[]string, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*list = append(*list, id)
	if c.total++; c.total == c.enough {
		close(c.reached)
	}
}

func TestNothingConfirmedIsLostHoweverThePanelIsKilled(t *testing.T) {
	t.Parallel()
	p, root := accessPanel(t, setting{})
	p.enroll(object{"person": "Anna", "kind": "card", "uid": "04A1B2C3"})
	kept := &confirmed{}
	card := uint32(0x04000000)
	journal := map[uint64]entry{}
	for range 6 {
		kept.reached, kept.enough = make(chan struct{}), kept.total+1+rand.IntN(40)
		// Three writers at once, until the line is cut under them.
		var writers sync.WaitGroup
		writers.Go(func() {
			for {
				k := token(grant(license.Buttons, 1))
				a, err := try(p.socket, "POST", "http://doorpanel/api/v1/licenses", object{"token": root.license(t, k)})
				if err != nil {
					return
				}
				if a.status == http.StatusCreated {
					kept.add(&kept.licenses, k.ID.String())
				}
			}
		})
		writers.Go(func() {
			for {
				card++
				a, err := try(p.socket, "POST", "http://doorpanel/api/v1/credentials", object{"person": "Anna", "kind": "card", "uid": fmt.Sprintf("%08X", card)})
				if err != nil {
					return
				}
				var made struct{ ID string }
				if a.into(t, &made); a.status == http.StatusCreated {
					kept.add(&kept.credentials, made.ID)
				}
			}
		})
		writers.Go(func() {
			for {
				if _, err := try(p.client, "POST", p.url+"/sim/badge", object{"reader": "front-in", "uid": "04A1B2C3"}); err != nil {
					return
				}
			}
		})
		<-kept.reached
		p.kill()
		writers.Wait()
		for _, e := range p.entries.all() {
			journal[e.Seq] = e
		}
		p = p.restart()
		checkKept(t, p, kept, journal)
	}
}

// checkKept looks for everything that was confirmed, and for a pulse at the start.
func checkKept(t *testing.T, p *panelProcess, kept *confirmed, journal map[uint64]entry) {
	t.Helper()
	licenses := string(p.must(http.StatusOK, "GET", "/licenses", nil).body)
	for _, id := range kept.licenses {
		if !strings.Contains(licenses, id) {
			t.Errorf("license %s was confirmed and is gone", id)
		}
	}
	if got := p.buttons(); got <= len(kept.licenses) {
		t.Errorf("%d buttons are usable, %d licenses for one each were confirmed", got, len(kept.licenses))
	}
	credentials := string(p.must(http.StatusOK, "GET", "/credentials?limit=1000", nil).body)
	for _, id := range kept.credentials {
		if !strings.Contains(credentials, id) {
			t.Errorf("credential %s was confirmed and is gone", id)
		}
	}
	written := map[uint64]entry{}
	next := uint64(1)
	for _, e := range p.journal() {
		if e.Seq != next {
			t.Fatalf("the journal goes from %d to %d", next-1, e.Seq)
		}
		next++
		written[e.Seq] = e
	}
	for seq, e := range journal {
		if written[seq].String() != e.String() {
			t.Fatalf("entry %d was read as %v and is now %v", seq, e, written[seq])
		}
	}
	if p.strikeMoved() {
		t.Error("a strike moved at the start")
	}
	if len(p.set()) > 0 {
		t.Errorf("a kill made the panel set something aside: %q", p.set())
	}
}

// set lists what lies in set-aside/.
func (p *panelProcess) set() []string {
	p.t.Helper()
	list, err := os.ReadDir(filepath.Join(p.data, "set-aside"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestNoPulseAfterAKillInTheMiddleOfOne(t *testing.T) {
	t.Parallel()
	phone := startRawPhone(t)
	p := startPanel(t, setting{
		doors:   "[[door]]\nname = \"front\"\nsafe = \"fail-secure\"\npulse = \"20s\"\nopen_digit = \"1\"\n",
		buttons: button(1, "Rossi", "sip:rossi@"+phone.addr()),
	})
	p.input("exit", true)
	p.waitFor("strike", "front", true)
	p.kill()
	p = p.restart()
	p.press(1)
	phone.answer()
	p.waitText("Rossi is on the line")
	if p.strikeMoved() {
		t.Error("a strike moved at the start")
	}
}

func TestDamagedFilesDoNotStopThePanel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		note   string // what the panel says of it
		damage func(t *testing.T, data string)
		empty  bool // nothing of the store is left
	}{
		{"store cut off", "store", func(t *testing.T, data string) {
			change(t, storeFile(data), func(b []byte) []byte { return b[:2*4096] })
		}, true},
		{"store of garbage", "store", func(t *testing.T, data string) {
			change(t, storeFile(data), func(b []byte) []byte { return bytes.Repeat([]byte("garbage!"), len(b)/8) })
		}, true},
		{"store without its first page", "", func(t *testing.T, data string) {
			change(t, storeFile(data), func(b []byte) []byte { clear(b[:4096]); return b })
		}, false},
		{"last entry of the journal torn", "was being written", func(t *testing.T, data string) {
			change(t, lastSegment(t, data), func(b []byte) []byte {
				end := len(bytes.TrimRight(b, "\x00"))
				clear(b[end-5:])
				return b
			})
		}, false},
		{"garbage after the journal", "", func(t *testing.T, data string) {
			change(t, lastSegment(t, data), func(b []byte) []byte {
				return append(bytes.TrimRight(b, "\x00"), bytes.Repeat([]byte{0xAA, 0x55}, 200)...)
			})
		}, false},
		{"one byte in the middle of the journal", "journal entr", func(t *testing.T, data string) {
			change(t, lastSegment(t, data), func(b []byte) []byte {
				b[len(bytes.TrimRight(b, "\x00"))/2] ^= 0x10
				return b
			})
		}, false},
		{"everything at once", "store", func(t *testing.T, data string) {
			change(t, storeFile(data), func([]byte) []byte { return []byte("x") })
			change(t, lastSegment(t, data), func(b []byte) []byte { return bytes.Repeat([]byte("y"), 5000) })
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			phone := startRawPhone(t)
			root := newSigner(t)
			p := startPanel(t, setting{roots: root.roots(), buttons: button(1, "Rossi", "sip:rossi@"+phone.addr())})
			p.activate(root.license(t, token(grant(license.Buttons, 4))))
			for range 10 {
				p.badge("front-in", "04DEADBEEF")
				p.waitEntry("access.refused", "")
			}
			p.stop()
			for _, copy := range []string{storeFile(p.data) + ".copy", storeFile(p.data) + ".copy.older"} {
				if err := os.Remove(copy); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			c.damage(t, p.data)
			p = p.restart()
			var status struct{ Notes []string }
			p.must(http.StatusOK, "GET", "/status", nil).into(t, &status)
			if said := strings.Join(status.Notes, "\n"); c.note != "" && !strings.Contains(said, c.note) {
				t.Errorf("the page says %q, nothing of %s", said, c.note)
			}
			for _, note := range status.Notes {
				p.entries.rewind()
				p.entries.await(t, "an entry with "+note, func(e entry) bool { return e.Kind == "system.set_aside" && strings.Contains(e.Detail, note[:20]) })
			}
			if got := p.buttons(); !c.empty && got != 5 {
				t.Errorf("%d buttons are usable, want 5", got)
			}
			// The first button calls, the digit opens, the exit opens.
			p.press(1)
			phone.answer()
			p.waitText("Rossi is on the line")
			pressKey(t, phone.media, phone.panelMedia, '1', 9)
			p.opens("front")
			p.input("exit", true)
			p.opens("front")
			p.stop()
			p = p.restart()
			p.press(1)
			p.waitText("Calling Rossi")
		})
	}
}

func storeFile(data string) string { return filepath.Join(data, "store.db") }

func lastSegment(t *testing.T, data string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(data, "journal", "*.seg"))
	if err != nil || len(list) == 0 {
		t.Fatalf("there is no journal: %v", err)
	}
	return list[len(list)-1]
}

func change(t *testing.T, file string, how func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, how(raw), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStoreOfANewerVersionIsReadOnlyAndTheDoorWorks(t *testing.T) {
	t.Parallel()
	p, root := accessPanel(t, setting{buttons: button(1, "Rossi", "sip:rossi@127.0.0.1:9")})
	p.enroll(object{"person": "Anna", "kind": "card", "uid": "04A1B2C3"})
	p.stop()
	newer, _, err := storage.Open(storage.Options{Dir: p.data, Schema: 99, CopyEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := newer.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(storeFile(p.data))
	if err != nil {
		t.Fatal(err)
	}
	p = p.restart()
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.input("exit", true)
	p.opens("front")
	p.press(1)
	p.waitText("Calling Rossi")
	var status struct {
		ReadOnly bool `json:"read_only"`
	}
	if p.must(http.StatusOK, "GET", "/status", nil).into(t, &status); !status.ReadOnly {
		t.Error("the status does not say that the store is read-only")
	}
	if a := p.page("GET", "/readyz", nil, ""); a.status != http.StatusServiceUnavailable || !strings.Contains(string(a.body), "newer version") {
		t.Errorf("/readyz: %d %s", a.status, a.body)
	}
	for path, body := range map[string]object{
		"/licenses":    {"token": root.license(t, token(grant(license.Buttons, 4)))},
		"/credentials": {"person": "Bea", "kind": "card", "uid": "0400000001"},
	} {
		a := p.api("POST", path, body)
		if slug, _, detail := a.problem(t); a.status != http.StatusServiceUnavailable || slug != "read-only" || !strings.Contains(detail, "newer version") {
			t.Errorf("POST %s: %d %s", path, a.status, a.body)
		}
	}
	if got := p.buttons(); got != 1 {
		t.Errorf("%d buttons are usable, want 1", got)
	}
	p.stop()
	if after, err := os.ReadFile(storeFile(p.data)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the store of the newer version was changed (%v)", err)
	}
}

func TestFullDiskChangesNothingAndTheDoorWorks(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("needs root, to mount a small tmpfs")
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "small")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	// After the panel, which has files open in it.
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	root := newSigner(t)
	p := startIn(t, setting{roots: root.roots()}, dir, data)
	p.activate(root.license(t, token(grant(license.AccessBasic, 1))))
	p.waitTone("license-accepted")
	p.enroll(object{"person": "Anna", "kind": "card", "uid": "04A1B2C3"})

	filler := filepath.Join(data, "filler")
	fill(t, filler)
	refused := false
	for range 200 {
		k := token(grant(license.Buttons, 1))
		before := p.buttons()
		a := p.api("POST", "/licenses", object{"token": root.license(t, k)})
		if a.status == http.StatusCreated {
			continue // there was room inside the store
		}
		refused = true
		if _, _, detail := a.problem(t); a.status != http.StatusServiceUnavailable || !strings.Contains(detail, "nothing was changed") || !strings.Contains(detail, "free space") {
			t.Errorf("%d %s", a.status, a.body)
		}
		if got := p.buttons(); got != before {
			t.Errorf("a refused license changed the buttons from %d to %d", before, got)
		}
		p.scan(root.license(t, k))
		p.told("scan-cannot_store", "Cannot record. Please try again")
		break
	}
	if !refused {
		t.Fatal("the disk was not full")
	}
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.input("exit", true)
	p.opens("front")
	if a := p.page("GET", "/healthz", nil, ""); a.status != http.StatusOK {
		t.Errorf("/healthz: %d %s", a.status, a.body)
	}
	before := p.buttons()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	p.activate(root.license(t, token(grant(license.Buttons, 1))))
	p.kill()
	p = p.restart()
	if got := p.buttons(); got != before+1 {
		t.Errorf("%d buttons are usable, want %d", got, before+1)
	}
	p.badge("front-in", "04A1B2C3")
	p.opens("front")
	p.stop()
}

// fill takes all the room there is.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 16; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}
