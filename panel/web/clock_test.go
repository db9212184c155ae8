package web

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel"
)

func (h *house) Time() ClockView {
	now := h.clock()
	return ClockView{Now: now.Wall, Source: "administrator", Trusted: now.Trusted, Mark: now.Wall}
}

func (h *house) SetTime(_ context.Context, now time.Time, confirmed bool, by string) (ClockView, error) {
	if now.Year() > 2030 && !confirmed {
		return ClockView{}, fmt.Errorf("far ahead; %w", ErrFarAhead)
	}
	h.mu.Lock()
	h.now.Wall = now
	h.record(panel.Entry{Kind: panel.ClockSet, Who: by})
	h.mu.Unlock()
	return h.Time(), nil
}

func TestAnAdministratorSetsTheClock(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	// A browser far in the future stays logged in: each step is one more of the same session.
	c := client{t: t, handler: s.Handler(), token: h.login(Administrator)}
	for _, step := range []struct {
		name, body string
		status     int
		kind       string
	}{
		{"a time", `{"now":"2026-05-04T12:00:00+02:00"}`, http.StatusOK, ""},
		{"far ahead", `{"now":"2040-05-04T12:00:00Z"}`, http.StatusConflict, "far-ahead"},
		{"far ahead and confirmed", `{"now":"2040-05-04T12:00:00Z","confirm":true}`, http.StatusOK, ""},
		{"before computers", `{"now":"1969-12-31T23:59:59Z"}`, http.StatusUnprocessableEntity, "not-valid"},
		{"nothing", `{}`, http.StatusUnprocessableEntity, "not-valid"},
		{"no time", `{"now":"noon"}`, http.StatusBadRequest, ""},
	} {
		got := c.do("POST", "/api/v1/clock", "application/json", step.body)
		if got.status != step.status || step.kind != "" && problemKind(got.body) != step.kind {
			t.Errorf("%s: %d %s", step.name, got.status, got.body)
		}
	}
	if want := time.Date(2040, 5, 4, 12, 0, 0, 0, time.UTC); !h.clock().Wall.Equal(want) {
		t.Errorf("the clock shows %v", h.clock().Wall)
	}
	if last := h.journal[len(h.journal)-1]; last.Kind != panel.ClockSet || last.Who == "" {
		t.Errorf("the journal says %+v", last)
	}
}
