package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// fakeHub takes the panel in for one code.
type fakeHub struct {
	view HubView
	by   string
}

func (f *fakeHub) Hub() (HubView, error) { return f.view, nil }

func (f *fakeHub) PairHub(_ context.Context, code, by, via string) (HubView, error) {
	switch code {
	case "DH1:GOOD":
		f.view, f.by = HubView{Paired: true, Hub: "Rossi", State: "starting"}, by+" "+via
		return f.view, nil
	case "DH1:USED":
		return HubView{}, fmt.Errorf("this code was used already: %w", ErrHubRefused)
	case "DH1:OTHER":
		return HubView{}, fmt.Errorf("this panel belongs to hub Rossi already: %w", ErrConflict)
	}
	return HubView{}, fmt.Errorf("cannot read pairing code: %w", ErrInvalid)
}

func (f *fakeHub) LeaveHub(context.Context, string, string) error {
	if !f.view.Paired {
		return fmt.Errorf("this panel belongs to no hub: %w", ErrNotFound)
	}
	f.view = HubView{}
	return nil
}

func TestInstallersJoinAHubAndLeaveIt(t *testing.T) {
	h, hub := newHouse(), &fakeHub{}
	o := h.options()
	o.Hub = hub
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	as := func(r Role) client { return client{t: t, handler: s.Handler(), token: h.login(r)} }
	for _, c := range []struct {
		who          client
		method, body string
		status       int
		kind         string
	}{
		{client{t: t, handler: s.Handler()}, "GET", "", http.StatusUnauthorized, ""},
		{as(Resident), "GET", "", http.StatusForbidden, ""},
		{as(Resident), "POST", `{"code":"DH1:GOOD"}`, http.StatusForbidden, ""},
		{as(Resident), "DELETE", "", http.StatusForbidden, ""},
		{as(Installer), "GET", "", http.StatusOK, ""},
		{as(Installer), "DELETE", "", http.StatusNotFound, "not-found"},
		{as(Installer), "POST", `{"code":""}`, http.StatusUnprocessableEntity, "not-valid"},
		{as(Installer), "POST", `{"code":"DH1:USED"}`, http.StatusConflict, "hub-refused"},
		{as(Installer), "POST", `{"code":"DH1:OTHER"}`, http.StatusConflict, "conflict"},
		{as(Installer), "POST", `{"code":"DH1:GOOD","more":1}`, http.StatusBadRequest, ""},
		{as(Installer), "POST", `{"code":"DH1:GOOD"}`, http.StatusOK, ""},
		{as(Installer), "DELETE", "", http.StatusNoContent, ""},
	} {
		got := c.who.do(c.method, "/api/v1/hub", "application/json", c.body)
		if got.status != c.status || c.kind != "" && problemKind(got.body) != c.kind {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.body, got.status, got.body, c.status, c.kind)
		}
	}
	if !strings.HasSuffix(hub.by, " web") || hub.view.Paired {
		t.Errorf("joined by %q; %+v", hub.by, hub.view)
	}
}

func TestPanelWithoutAHubToJoinSaysSo(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	c := client{t: t, handler: s.Handler(), token: h.login(Administrator)}
	if got := c.do("GET", "/api/v1/hub", "", ""); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}
