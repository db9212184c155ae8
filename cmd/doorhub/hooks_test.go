package main_test

import (
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/doorpanel/doorpanel/hub/notify"
)

// desk is a program that is told of events.
type desk struct {
	*httptest.Server
	mu     sync.Mutex
	told   map[string]int // by Idempotency-Key
	forged int
	texts  []string
}

const deskSecret = "sixteen letters and more"

func newDesk(t *testing.T) *desk {
	d := &desk{told: map[string]int{}}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		defer d.mu.Unlock()
		want := fmt.Sprintf("v1=%x", notify.Sign(deskSecret, r.Header.Get(notify.HeaderTimestamp), r.Header.Get(notify.HeaderKey), body))
		if !hmac.Equal([]byte(want), []byte(r.Header.Get(notify.HeaderSignature))) {
			d.forged++
		}
		d.told[r.Header.Get(notify.HeaderKey)]++
		d.texts = append(d.texts, string(body))
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *desk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.told)
}

func TestAProgramIsToldOfEachEventThatItAskedFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	h := startHub(t, hubSetting{more: fmt.Sprintf("[[hook]]\nname = \"desk\"\nurl = %q\nsecret = %q\nevents = [\"access.\"]\n", d.URL, deskSecret)})
	p := startPanel(t, "Gate", "")
	h.join(h.site("House"), p)
	p.badges(0, 5)
	h.refusals(p, 5)
	h.until("five events are told", func() bool { return d.count() == 5 })
	h.kill()
	p.badges(5, 8)
	h = h.restart()
	h.refusals(p, 8)
	h.until("eight events are told", func() bool { return d.count() == 8 })
	h.stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, times := range d.told {
		if times != 1 || !strings.HasPrefix(key, "hook-desk-") {
			t.Errorf("%s was told %d times", key, times)
		}
	}
	if d.forged > 0 {
		t.Errorf("%d requests were not signed", d.forged)
	}
	var one struct {
		Site  string
		Facts []struct{ Name, Value string }
	}
	if err := json.Unmarshal([]byte(d.texts[0]), &one); err != nil || one.Site != "house" || !strings.Contains(d.texts[0], "access.refused") {
		t.Errorf("%s, %v", d.texts[0], err)
	}
}
