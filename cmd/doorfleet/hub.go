package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/panel/pairing"
	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/telemetry"
)

// hubSocket is the name of the socket by which a hub's host speaks to it.
const hubSocket = "doorhub.sock"

// hubAPI is a hub as its administrator sees it, by its API. It adds sites, opens pairing windows, and tells at the end what the hub
// holds.
type hubAPI struct {
	client *http.Client
	base   string // http://localhost over the socket, or the address of the pages
	token  string // of the API; empty over the socket

	// ready is done with each site once it is there.
	ready func(ctx context.Context, site string) error

	mu    sync.Mutex
	sites map[string]error // those that were made ready, and what came of it
}

// dialHub speaks to the hub whose data lie in a directory of this host.
func dialHub(data string) *hubAPI {
	return &hubAPI{base: "http://localhost", sites: map[string]error{}, client: &http.Client{Transport: &http.Transport{
		MaxIdleConns: few, MaxIdleConnsPerHost: few,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return daemon.DialSocket(ctx, data, hubSocket)
		},
	}}}
}

// problem is an error of the API (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (p problem) Error() string { return cmp.Or(p.Detail, p.Title) }

const (
	askFor    = time.Minute
	askLimit  = 16 << 20 // bytes of an answer
	lineLimit = 1 << 20  // bytes of one event of an export
)

func (h *hubAPI) open(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, h.base+"/api/v1"+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if h.token != "" {
		r.Header.Set("Authorization", "Bearer "+h.token)
	}
	answer, err := h.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("cannot ask the hub: %w", err)
	}
	if answer.StatusCode < http.StatusBadRequest {
		return answer, nil
	}
	defer answer.Body.Close()
	p := problem{Title: answer.Status, Status: answer.StatusCode}
	if content, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10)); err == nil {
		_ = json.Unmarshal(content, &p) // what is no problem document has its status
	}
	p.Status = answer.StatusCode
	return nil, p
}

// ask sends a body, which may be nil, and reads the answer into out, which may be nil.
func (h *hubAPI) ask(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	answer, err := h.open(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, askLimit))
	if err != nil || out == nil || len(content) == 0 {
		return err
	}
	return json.Unmarshal(content, out)
}

func (h *hubAPI) prepare(ctx context.Context, p *place) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err, done := h.sites[p.id]; done {
		return err
	}
	err := h.ask(ctx, http.MethodPost, "/sites", map[string]string{"id": p.id, "name": p.name, "zone": p.zone.String(), "language": "en"}, nil)
	var refused problem
	if errors.As(err, &refused) && refused.Status == http.StatusConflict {
		err = nil // it is there from a run before
	}
	if err == nil && h.ready != nil {
		err = h.ready(ctx, p.id)
	}
	if err != nil {
		err = fmt.Errorf("cannot make site %s ready: %w", p.id, err)
	}
	h.sites[p.id] = err
	return err
}

// admit enrolls a panel as an installer does: a site, a pairing window, and the panel's own request with its code. A panel that was
// enrolled in a run before stays so.
func (h *hubAPI) admit(ctx context.Context, c *core) (func(*uplink.Options) error, []ed25519.PublicKey, error) {
	if err := h.prepare(ctx, c.site); err != nil {
		return nil, nil, err
	}
	me, err := c.asks()
	if err != nil {
		return nil, nil, err
	}
	m, err := c.membership(me)
	if errors.Is(err, fs.ErrNotExist) {
		m, err = h.enroll(ctx, c, me)
	}
	if err != nil {
		return nil, nil, err
	}
	return c.belongs(m, me)
}

func (h *hubAPI) enroll(ctx context.Context, c *core, me pairing.Me) (pairing.Membership, error) {
	var window struct {
		Code string `json:"code"`
	}
	if err := h.ask(ctx, http.MethodPost, "/pairing", map[string]string{"site": c.site.id, "name": c.name}, &window); err != nil {
		return pairing.Membership{}, err
	}
	code, err := telemetry.ParsePairing(window.Code)
	if err != nil {
		return pairing.Membership{}, err
	}
	return c.join(ctx, me, code)
}

// join enrolls the panel with a code and keeps what came of it.
func (c *core) join(ctx context.Context, me pairing.Me, code telemetry.Pairing) (pairing.Membership, error) {
	m, err := pairing.Enroll(ctx, me, code)
	if err != nil {
		return m, err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return m, err
	}
	return m, os.WriteFile(filepath.Join(c.dir, membershipFile), raw, 0o600)
}

const membershipFile = "hub.json"

func (c *core) membership(me pairing.Me) (pairing.Membership, error) {
	var m pairing.Membership
	raw, err := os.ReadFile(filepath.Join(c.dir, membershipFile))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("cannot read which hub the panel belongs to: %w", err)
	}
	return m, m.Check(me)
}

// asks is the panel as it speaks to a hub that it is not a member of yet.
func (c *core) asks() (pairing.Me, error) {
	path := filepath.Join(c.dir, "tls.key")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if raw, err = pairing.NewKey(); err == nil {
			err = os.WriteFile(path, raw, 0o600)
		}
	}
	if err != nil {
		return pairing.Me{}, fmt.Errorf("cannot keep the key for TLS: %w", err)
	}
	key, err := pairing.ParseKey(raw)
	if err != nil {
		return pairing.Me{}, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return pairing.Me{
		Panel: c.key.Public().(ed25519.PublicKey), Sign: signer(c.key), Name: c.name, Key: key, Dial: c.line.dial,
		Clock: func() (time.Time, bool) { return time.Now(), true },
	}, nil
}

// received is one line of the hub's export, as far as it is counted.
type received struct {
	Panel string `json:"panel"`
	Event struct {
		Epoch string `json:"epoch"`
		Seq   uint64 `json:"seq"`
		Chain string `json:"chain"`
		Kind  string `json:"kind"`
	} `json:"event"`
}

// each reads the whole export, which comes newest first, and gives it in the order of arrival.
func (h *hubAPI) each(ctx context.Context, take func(held) error) error {
	answer, err := h.open(ctx, http.MethodGet, "/events/export?format=jsonl", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	all, err := readExport(answer.Body)
	if err != nil {
		return err
	}
	for i := range all {
		if err := take(all[len(all)-1-i]); err != nil {
			return err
		}
	}
	return nil
}

func (h *hubAPI) faulty(ctx context.Context, panel string) (bool, error) {
	var answer struct {
		Faults []struct {
			Kind string `json:"kind"`
		} `json:"faults"`
	}
	err := h.ask(ctx, http.MethodGet, "/panels/"+url.PathEscape(panel), nil, &answer)
	return len(answer.Faults) > 0, err
}

// delivery is one message as the hub tells of it.
type delivery struct {
	Site      string    `json:"site"`
	Kind      string    `json:"kind"`
	Recipient string    `json:"recipient"`
	Made      time.Time `json:"made"`
	State     string    `json:"state"`
	Facts     []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"facts"`
}

func (d delivery) fact(name string) string {
	for _, f := range d.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func (h *hubAPI) notices(ctx context.Context) ([]notice, error) {
	var all []notice
	for before := ""; ; {
		var page struct {
			Deliveries []delivery `json:"deliveries"`
			Next       string     `json:"next"`
		}
		if err := h.ask(ctx, http.MethodGet, "/deliveries?limit=200&before="+url.QueryEscape(before), nil, &page); err != nil {
			return nil, err
		}
		for _, d := range page.Deliveries {
			all = append(all, notice{
				At: d.Made, Site: d.Site, Kind: d.Kind, Panels: d.fact("panels"), Since: d.fact("since"), Cause: d.fact("cause"), Recipient: d.Recipient, State: d.State,
			})
		}
		if page.Next == "" || page.Next == before {
			return all, nil
		}
		before = page.Next
	}
}

func (h *hubAPI) found(ctx context.Context) ([]finding, error) {
	var list struct {
		Outages []struct {
			Site    string    `json:"site"`
			Kind    string    `json:"kind"`
			Cause   string    `json:"cause"`
			Opened  time.Time `json:"opened"`
			Closed  time.Time `json:"closed"`
			Members []struct {
				Panel string `json:"panel"`
			} `json:"members"`
		} `json:"outages"`
	}
	if err := h.ask(ctx, http.MethodGet, "/outages?recent=1", nil, &list); err != nil {
		return nil, err
	}
	all := make([]finding, 0, len(list.Outages))
	for _, o := range list.Outages {
		f := finding{At: o.Opened, Site: o.Site, Kind: o.Kind, Cause: o.Cause, Over: o.Closed, Panels: []string{}}
		for _, m := range o.Members {
			f.Panels = append(f.Panels, m.Panel)
		}
		all = append(all, f)
	}
	return all, nil
}

// hubAt chooses how to speak to a hub: the address of its pages with a token, or its directory on this host.
func hubAt(where, token string) (*hubAPI, error) {
	if !strings.Contains(where, "://") {
		if _, err := os.Stat(filepath.Join(where, hubSocket)); err != nil {
			return nil, fmt.Errorf("cannot find a running hub in %s: %w; name its data directory, or https:// and a token", where, err)
		}
		return dialHub(where), nil
	}
	u, err := url.Parse(where)
	if err != nil || u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("cannot use hub %q: write https://host:port of its pages, or the directory of its data", where)
	}
	if token == "" {
		return nil, fmt.Errorf("cannot use hub %s without a token: make one on its page (Settings, Users) and give --hub-token-file", where)
	}
	return &hubAPI{base: u.Scheme + "://" + u.Host, token: token, client: &http.Client{}, sites: map[string]error{}}, nil
}
