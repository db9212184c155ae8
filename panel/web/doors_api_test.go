package web

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

// lockdownFake is a lockdown without doors.
type lockdownFake struct {
	on   atomic.Bool
	by   atomic.Value
	fail error
}

func (l *lockdownFake) Lockdown() bool { return l.on.Load() }

func (l *lockdownFake) SetLockdown(_ context.Context, on bool, who, via string) error {
	if l.fail != nil {
		return l.fail
	}
	l.on.Store(on)
	l.by.Store(who + " via " + via)
	return nil
}

func TestAnInstallerLocksThePanelDownAndAResidentSeesIt(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	resident := client{t: t, handler: s.Handler(), token: h.login(Resident)}
	installer := client{t: t, handler: s.Handler(), token: h.login(Installer)}
	if got := resident.post("/api/v1/lockdown", `{"on":true}`); got.status != 403 || h.lockdown.on.Load() {
		t.Error(got)
	}
	if got := installer.post("/api/v1/lockdown", `{"on":true}`); got.status != 200 || got.body != `{"on":true}`+"\n" || h.lockdown.by.Load() != "installer via web" {
		t.Error(got, h.lockdown.by.Load())
	}
	if got := resident.get("/api/v1/lockdown"); got.body != `{"on":true}`+"\n" {
		t.Error(got)
	}
	for _, body := range []string{`{}`, `{"on":null}`, `{"on":"yes"}`, `[]`, ``} {
		if got := installer.post("/api/v1/lockdown", body); got.status < 400 || got.status > 499 || !h.lockdown.on.Load() {
			t.Errorf("%q: %v", body, got)
		}
	}
	if got := installer.post("/api/v1/lockdown", `{"on":false}`); got.status != 200 || h.lockdown.on.Load() {
		t.Error(got)
	}
	h.lockdown.fail = errors.New("no")
	if got := installer.post("/api/v1/lockdown", `{"on":true}`); got.status != 500 || strings.Contains(got.body, `"on":true`) {
		t.Error(got)
	}
}
