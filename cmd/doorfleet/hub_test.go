package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const exported = `{"serial":2,"site":"roma-1","panel":"p","event":{"epoch":"e","seq":2,"chain":"c2","kind":"door.closed"}}

{"serial":1,"site":"roma-1","panel":"p","event":{"epoch":"e","seq":1,"chain":"c1","kind":"door.opened"}}
`

func TestAHubIsAskedForWhatItHoldsAndTold(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/events/export", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, exported) })
	mux.HandleFunc("GET /api/v1/panels/{panel}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("panel") != "p" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"title":"Not Found","status":404,"detail":"there is no such panel"}`)
			return
		}
		fmt.Fprint(w, `{"faults":[{"kind":"rewritten"}]}`)
	})
	mux.HandleFunc("GET /api/v1/deliveries", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("before") == "" {
			fmt.Fprint(w, `{"deliveries":[{"site":"roma-1","kind":"back","made":"2026-03-01T08:05:00Z"}],"next":"x y"}`)
			return
		}
		fmt.Fprint(w, `{"deliveries":[{"site":"roma-1","kind":"line","made":"2026-03-01T08:00:00Z","state":"sent","facts":[{"name":"cause","value":"site"},{"name":"panels","value":"gate, yard"}]}],"next":""}`)
	})
	mux.HandleFunc("GET /api/v1/outages", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"outages":[{"site":"roma-1","kind":"line","opened":"2026-03-01T08:00:00Z","cause":"site","members":[{"panel":"p"}]}]}`)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	defer server.Close()
	h, err := hubAt(server.URL, "key")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = h.each(t.Context(), func(e held) error {
		got = append(got, fmt.Sprint(e.Panel, e.Epoch, e.Seq, e.Chain, e.Kind))
		return nil
	})
	if want := "[pe1c1door.opened pe2c2door.closed]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v %v, want %s", got, err, want)
	}
	if found, err := h.faulty(t.Context(), "p"); err != nil || !found {
		t.Errorf("%v %v", found, err)
	}
	if _, err := h.faulty(t.Context(), "q"); err == nil || err.Error() != "there is no such panel" {
		t.Errorf("%v", err)
	}
	outages, err := h.found(t.Context())
	if err != nil || len(outages) != 1 || outages[0].Kind != "line" || fmt.Sprint(outages[0].Panels) != "[p]" {
		t.Errorf("%+v %v", outages, err)
	}
	notices, err := h.notices(t.Context())
	if err != nil || len(notices) != 2 || notices[1].Cause != "site" || notices[1].Panels != "gate, yard" || notices[1].State != "sent" {
		t.Errorf("%+v %v", notices, err)
	}
	h.token = "other"
	if _, err := h.notices(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v", err)
	}
}

func TestAHubThatCannotBeMeantIsRefusedWithTheRemedy(t *testing.T) {
	for where, want := range map[string]string{
		"https://hub.example.org":       "--hub-token-file",
		"https://hub.example.org/pages": "https://host:port",
		filepath.Join(t.TempDir(), "x"): "name its data directory",
	} {
		if _, err := hubAt(where, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", where, err)
		}
	}
	if _, err := startChild(t.Context(), "no-such-hub", t.TempDir(), 0); err == nil {
		t.Error("a hub was started that is not there")
	}
	program := filepath.Join(t.TempDir(), "hub")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho '{\"ready\":false}'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := startChild(t.Context(), program, t.TempDir(), 0); err == nil || !strings.Contains(err.Error(), "hub.log") {
		t.Errorf("%v", err)
	}
}

func TestANoticeIsPutToTheOutageThatItTellsOf(t *testing.T) {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	outages := []outage{
		{What: string(losesLine), From: at, Sites: []string{"roma-1"}, Panels: []string{"r1", "r2"}},
		{What: string(storms), From: at.Add(time.Second), Sites: []string{"roma-1"}},
		{What: string(losesPower), From: at.Add(time.Minute), Sites: []string{"bari-1"}},
		{What: string(isAway), From: at.Add(time.Hour), Sites: []string{}},
	}
	all := join(outages, []finding{
		{At: at.Add(30 * time.Second), Site: "roma-1", Panels: []string{"r2"}},
		{At: at.Add(90 * time.Second), Site: "bari-1", Panels: []string{"other"}},
	}, []notice{
		{At: at.Add(5 * time.Minute), Site: "roma-1", Kind: "back"},
		{At: at.Add(2 * time.Minute), Site: "roma-1", Kind: "line"},
		{At: at.Add(2 * time.Minute), Site: "bari-1", Kind: "lost"},
		{At: at.Add(2 * time.Hour), Site: "roma-1", Kind: "broker"},
		{At: at.Add(-time.Hour), Site: "roma-1", Kind: "old"},
	})
	if len(all[0].Found) != 1 || len(all[2].Found) != 0 {
		t.Errorf("found %+v and %+v", all[0].Found, all[2].Found)
	}
	for i, want := range []string{"[line back]", "[]", "[lost]", "[broker]"} {
		kinds := []string{}
		for _, n := range all[i].Notices {
			kinds = append(kinds, n.Kind)
		}
		if fmt.Sprint(kinds) != want {
			t.Errorf("%s was told as %v, want %s", all[i].What, kinds, want)
		}
	}
}

func TestAMailboxCountsWhatCameTwice(t *testing.T) {
	m, err := openMailbox(0)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	for _, key := range []string{"a", "b", "a"} {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, m.url, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Idempotency-Key", key)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	if came, twice := m.messages(); came != 2 || twice != 1 {
		t.Errorf("%d came, %d twice", came, twice)
	}
}

func FuzzExport(f *testing.F) {
	f.Add(exported)
	f.Add(`{"panel":"p","event":{"epoch":"e","seq":-1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readExport(strings.NewReader(text))
		for _, h := range all {
			if err == nil && (h.Panel == "" || h.Epoch == "" || h.Seq == 0) {
				t.Errorf("%+v", h)
			}
		}
	})
}
