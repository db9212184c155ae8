package web

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// duressFake is a silent alarm whose test always carries 40718352.
type duressFake struct {
	candidate, recipient, forgiven, code atomic.Value

	asked atomic.Int32 // how many keys came for a test
}

func (d *duressFake) Recipient() string {
	recipient, _ := d.recipient.Load().(string)
	return recipient
}

func (d *duressFake) Waiting() string {
	candidate, _ := d.candidate.Load().(string)
	return candidate
}

func (d *duressFake) HubKey() string { return "" }

func (d *duressFake) TestDuress(_ context.Context, recipient, _ string) (string, error) {
	if recipient != "" {
		d.asked.Add(1)
	}
	if recipient != "" && !strings.HasPrefix(recipient, "x25519:") {
		return "", fmt.Errorf("cannot use recipient %q: %w", recipient, ErrInvalid)
	}
	d.recipient.Store("")
	d.candidate.Store(recipient)
	return "DT1:sealed", nil
}

func (d *duressFake) ConfirmDuress(_ context.Context, number, _ string) error {
	if number != "40718352" {
		return fmt.Errorf("cannot switch the silent alarm on: not the number in the test: %w", ErrInvalid)
	}
	d.recipient.Store(d.candidate.Load())
	d.candidate.Store("")
	return nil
}

func (d *duressFake) DrawDuressCode(_ context.Context, credential, _ string) (string, error) {
	if d.Recipient() == "" {
		return "", fmt.Errorf("cannot draw a duress code: %w", ErrConflict)
	}
	d.code.Store(credential)
	return "482059", nil
}

func (d *duressFake) DropDuressCode(_ context.Context, credential, _ string) error {
	d.code.Store("")
	return nil
}

func (d *duressFake) ForgiveGuesses(_ context.Context, by string) error {
	d.forgiven.Store(by)
	return nil
}

func TestTheSilentAlarmIsOnOnlyAfterItsNumberCameBack(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	admin := client{t: t, handler: s.Handler(), token: h.login(Administrator)}
	if got := admin.get("/api/v1/duress"); got.body != `{"on":false}`+"\n" {
		t.Error(got)
	}
	if got := admin.post("/api/v1/duress/test", `{"recipient":"x25519:abc"}`); got.status != 200 || got.body != `{"message":"DT1:sealed"}`+"\n" {
		t.Error(got)
	}
	if got := admin.get("/api/v1/duress"); got.body != `{"on":false,"waiting":"x25519:abc"}`+"\n" {
		t.Error(got)
	}
	for _, body := range []string{`{"recipient":"ed25519:abc"}`, `{"recipient":""}`, `{}`, `[]`} {
		if got := admin.post("/api/v1/duress/test", body); got.status < 400 || got.status > 499 {
			t.Errorf("%s: %v", body, got)
		}
	}
	if got := admin.post("/api/v1/duress/confirm", `{"number":"40718353"}`); got.status != 422 || h.duress.Recipient() != "" {
		t.Error(got)
	}
	if got := admin.post("/api/v1/duress/confirm", `{"number":"40718352"}`); got.status != 200 || got.body != `{"on":true,"recipient":"x25519:abc"}`+"\n" {
		t.Error(got)
	}
	if got := admin.post("/api/v1/credentials/p1-2/duress", ""); got.status != 201 || got.body != `{"code":"482059"}`+"\n" || h.duress.code.Load() != "p1-2" {
		t.Error(got)
	}
	if got := admin.do("DELETE", "/api/v1/credentials/p1-2/duress", "", ""); got.status != 204 || h.duress.code.Load() != "" {
		t.Error(got)
	}
	if got := admin.do("DELETE", "/api/v1/duress", "", ""); got.status != 204 || h.duress.Recipient() != "" {
		t.Error(got)
	}
	if got := (client{t: t, handler: s.Handler(), token: h.login(Installer)}).post("/api/v1/duress/test", `{"recipient":"x25519:abc"}`); got.status != 403 {
		t.Error(got)
	}
	if got := admin.post("/api/v1/credentials/p1-2/duress", ""); got.status != 409 {
		t.Error(got)
	}
	if got := admin.post("/api/v1/guesses/forgive", ""); got.status != 204 || h.duress.forgiven.Load() == nil {
		t.Error(got)
	}
}
