package web

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/panel"
)

// night is a journal of one night: an entry every minute from 20:00 on.
func night(h *house) {
	for i, e := range []panel.Entry{
		{Kind: panel.AccessGranted, Door: "front", Who: "Ada Lovelace", Credential: "c1", Why: "card"},
		{Kind: panel.StrikeOn, Door: "front", Why: "card"},
		{Kind: panel.DoorOpen, Door: "front"},
		{Kind: panel.AccessRefused, Door: "gate", Why: "unknown"},
		{Kind: panel.DoorForced, Door: "gate"},
		{Kind: panel.AccessGranted, Door: "gate", Who: "=Mallory", Credential: "c2", Why: "code"},
	} {
		h.journal = append(h.journal, JournalEntry{Seq: uint64(i + 1), Time: time.Date(2026, 5, 4, 20, i, 0, 0, time.UTC), Trusted: true, Entry: e})
	}
}

func TestTheJournalIsSearched(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	token := h.login(Installer)
	h.journal = nil
	night(h)
	c := client{t: t, handler: s.Handler(), token: token}
	for _, test := range []struct{ query, want string }{
		{"kind=access.granted", "1 6"},
		{"kind=access.", "1 4 6"},
		{"kind=door.,strike.", "2 3 5"},
		{"kind=door", ""},
		{"door=gate", "4 5 6"},
		{"who=ada", "1"},
		{"who=LOVE", "1"},
		{"who=c2", "6"},
		{"since=2026-05-04T20:03:00Z", "4 5 6"},
		{"until=2026-05-04T20:03:00Z", "1 2 3"},
		{"since=2026-05-04", "1 2 3 4 5 6"},
		{"since=2026-05-05", ""},
		{"until=2026-05-04", ""},
		{"kind=access.&door=gate&who=mallory", "6"},
		{"kind=access.&after=1", "4 6"},
		{"kind=access.&before=6", "4 1"},
		{"kind=access.&limit=2", "1 4"},
	} {
		var page struct {
			Entries []JournalEntry `json:"entries"`
			Next    uint64         `json:"next"`
		}
		got := c.get("/api/v1/journal?" + test.query)
		if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != 200 {
			t.Fatalf("%s: %v %v", test.query, got, err)
		}
		var seqs []string
		for _, e := range page.Entries {
			seqs = append(seqs, fmt.Sprint(e.Seq))
		}
		if strings.Join(seqs, " ") != test.want {
			t.Errorf("%s: got %v, want %s", test.query, seqs, test.want)
		}
		if full := strings.Contains(test.query, "limit"); full != (page.Next != 0) {
			t.Errorf("%s: next is %d", test.query, page.Next)
		}
	}
	for _, query := range []string{"since=yesterday", "until=2026-13-01", "who=" + strings.Repeat("x", 200)} {
		if got := c.get("/api/v1/journal?" + query); got.status != 400 {
			t.Errorf("%s: %v", query, got)
		}
	}
}

func TestASearchThatFindsNothingSaysWhereToGoOn(t *testing.T) {
	looked := 0
	entries, next, err := JournalFilter{Door: "attic"}.search(func(from uint64, limit int) ([]JournalEntry, error) {
		page := make([]JournalEntry, limit)
		for i := range page {
			page[i].Seq = from + uint64(i) + 1
		}
		looked += limit
		return page, nil
	}, 0, 10)
	if err != nil || len(entries) != 0 || next != maxSearch || looked != maxSearch {
		t.Errorf("looked at %d of an endless journal, next is %d, %v", looked, next, err)
	}
}

func TestAnExportIsReadByATableProgramWithoutHarm(t *testing.T) {
	h := newHouse()
	s := newServer(t, h)
	token := h.login(Installer)
	h.journal = nil
	night(h)
	c := client{t: t, handler: s.Handler(), token: token}
	got := c.get("/api/v1/journal/export?format=csv&kind=access.")
	rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
	if err != nil || len(rows) != 4 || rows[0][3] != "kind" || rows[1][7] != "Ada Lovelace" || rows[3][7] != "'=Mallory" || rows[3][1] != "2026-05-04T20:05:00Z" {
		t.Errorf("%v %v", rows, err)
	}
	got = c.get("/api/v1/journal/export")
	if lines := strings.Split(strings.TrimSpace(got.body), "\n"); len(lines) != 6 || !strings.Contains(lines[5], `"who":"=Mallory"`) {
		t.Errorf("%v", got)
	}
	if got := c.get("/api/v1/journal/export?format=xml"); got.status != 400 {
		t.Error(got)
	}
	resident := client{t: t, handler: s.Handler(), token: h.login(Resident)}
	if got := resident.get("/api/v1/journal/export"); got.status != 403 {
		t.Error(got)
	}
}
