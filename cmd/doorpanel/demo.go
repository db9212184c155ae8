//go:build demo

package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/qr"
	"github.com/doorpanel/doorpanel/sip"
)

// demoPort is where the demonstration is looked for; another one is taken when it is in use.
const demoPort = "127.0.0.1:8080"

func demoCommands() []*cobra.Command { return []*cobra.Command{demoCommand()} }

func demoCommand() *cobra.Command {
	var listen, data string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a panel with simulated hardware, a broker, a phone and a license issuer",
		Long: "Everything on this host and in one process: a panel with simulated hardware, an MQTT broker, a telephone that the\n" +
			"panel calls over SIP, and an issuer whose keys are made at this moment and trusted by this demonstration alone.",
		Example: "  doorpanel demo\n  doorpanel demo --listen 127.0.0.1:0",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(io.Discard, nil))
			if verbose {
				queue := daemon.NewLogQueue(cmd.ErrOrStderr())
				defer queue.Close()
				log = newLogger(queue, true)
			}
			return runDemo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), log, listen, data)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "`ADDRESS` of the page (default "+demoPort+", or any free port)")
	cmd.Flags().StringVar(&data, "data", "", "keep everything in `DIR` (default: a directory that goes away)")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log what happens")
	return cmd
}

func runDemo(ctx context.Context, stdout, stderr io.Writer, log *slog.Logger, listen, data string) (err error) {
	if data == "" {
		if data, err = os.MkdirTemp("", "doorpanel-demo-"); err != nil {
			return fmt.Errorf("cannot make a directory for the demonstration: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	}
	if listen == "" {
		listen = freePort(demoPort)
	}
	broker, brokerAddress, err := startBroker(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broker.Close()) }()

	phone, err := sip.NewSoftphone("127.0.0.1:0", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, phone.Close()) }()

	issuer, err := newIssuer(filepath.Join(data, "demo-issuer.key"))
	if err != nil {
		return err
	}
	config, problems := configs.Parse("demo", demoConfig(listen, data, brokerAddress, phone.Addr(), issuer.root))
	if len(problems) > 0 {
		return problems
	}
	more := extras{
		state: func() map[string]any {
			return map[string]any{"phone": phone.State(), "broker": "mqtt://" + brokerAddress}
		},
		handlers: func(h *house) map[string]http.Handler {
			people := demoPeople(h.dir)
			return map[string]http.Handler{
				"POST /sim/phone":   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { phoneAction(phone, w, r) }),
				"GET /sim/licenses": serveJSON(func(*http.Request) any { return map[string]any{"licenses": issuer.samples(h)} }),
				"GET /sim/people":   serveJSON(func(*http.Request) any { return map[string]any{"people": people} }),
				"GET /sim/journal":  serveJSON(func(r *http.Request) any { return demoJournal(h, r) }),
			}
		},
	}
	return runPanel(ctx, config, announcing{stdout, stderr}, log, more)
}

// announcing puts a line for people beside the one for programs.
type announcing struct{ stdout, stderr io.Writer }

func (a announcing) Write(line []byte) (int, error) {
	var ready readyLine
	if err := json.Unmarshal(bytes.TrimSpace(line), &ready); err == nil && ready.Ready {
		fmt.Fprintf(a.stderr, "\n  The panel and its simulated hardware:  %s\n  Ctrl-C stops it.\n\n", ready.Web)
	}
	return a.stdout.Write(line)
}

// freePort returns the address, or the same host with any port where it is in use.
func freePort(address string) string {
	l, err := net.Listen("tcp", address)
	if err != nil {
		host, _, _ := net.SplitHostPort(address)
		return net.JoinHostPort(host, "0")
	}
	_ = l.Close()
	return address
}

func startBroker(log *slog.Logger) (*mqtt.Server, string, error) {
	server := mqtt.New(&mqtt.Options{Logger: log.With("part", "broker")})
	if err := server.AddHook(new(auth.AllowHook), nil); err != nil {
		return nil, "", fmt.Errorf("cannot set up broker: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("cannot start broker: %w", err)
	}
	if err := server.AddListener(listeners.NewNet("tcp", l)); err != nil {
		return nil, "", fmt.Errorf("cannot start broker: %w", err)
	}
	if err := server.Serve(); err != nil {
		return nil, "", fmt.Errorf("cannot start broker: %w", err)
	}
	return server, l.Addr().String(), nil
}

func demoConfig(listen, data, broker, phone string, root ed25519.PublicKey) []byte {
	return fmt.Appendf(nil, `hardware = "sim"
data = %q
[site]
name = "Via Roma 7"
timezone = %q
[web]
listen = %q
[sip]
listen = "127.0.0.1:0"
[[door]]
name = "front"
safe = "fail-secure"
pulse = "3s"
open_digit = "1"
[[button]]
number = 1
label = "Rossi"
target = "sip:rossi@%s"
[[button]]
number = 2
label = "Bianchi"
target = "sip:bianchi@%s"
[[button]]
number = 3
label = "Office"
target = "sip:office@%s"
[uplink]
broker = "mqtt://%s"
site = "demo"
[license]
roots = [%q]
`, data, localZone(), listen, phone, phone, phone, broker, envelope.KeyText(root))
}

// localZone is the zone of this host where it has a name that others know, else UTC.
func localZone() string {
	name := time.Local.String()
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return "UTC"
	}
	return name
}

// person is somebody of the demonstration, with what to present.
type person struct {
	Name string `json:"name"`
	Card string `json:"card,omitempty"`
	Code string `json:"code,omitempty"`
	What string `json:"what"`
}

// demoPeople makes the people of the demonstration, with codes drawn now.
func demoPeople(d *directory) []person {
	ctx, now := context.Background(), time.Now()
	office := access.Profile{Name: "Office hours", Slots: []access.Slot{{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "08:00", To: "18:00"}}}
	if err := d.PutSchedule(ctx, office, "demo"); err != nil {
		return nil
	}
	var people []person
	add := func(name, what string, n web.NewCredential, code bool) {
		n.Person, n.Kind = name, access.Card
		if _, _, err := d.AddCredential(ctx, n, "demo"); err != nil && !errors.Is(err, web.ErrConflict) {
			return
		}
		p := person{Name: name, Card: n.UID, What: what}
		if code {
			if _, drawn, err := d.AddCredential(ctx, web.NewCredential{Person: name, Kind: access.Code}, "demo"); err == nil {
				p.Code = drawn
			}
		}
		people = append(people, p)
	}
	add("Anna Rossi", "lives here: card and code, at any time", web.NewCredential{UID: "04A1B2C3D4E580"}, true)
	add("Marco Bianchi", "moved out: his card has expired", web.NewCredential{UID: "04C0FFEE112280", Until: now.Add(-24 * time.Hour)}, false)
	add("Lia Verdi", "cleans: Monday to Friday, 8 to 18", web.NewCredential{UID: "0455AA0911F380", Schedule: office.Name}, false)
	return append(people, person{Name: "A stranger", Card: "DEADBEEF", What: "a card nobody knows"})
}

// issuer signs licenses for the demonstration.
type issuer struct {
	root ed25519.PublicKey
	key  ed25519.PrivateKey
}

// newIssuer makes the issuer's key, or takes up the one that a kept demonstration has.
func newIssuer(path string) (*issuer, error) {
	seed, err := os.ReadFile(path)
	if err != nil || len(seed) != ed25519.SeedSize {
		seed = make([]byte, ed25519.SeedSize)
		rand.Read(seed)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("cannot keep the demonstration's key: %w", err)
		}
		if err := daemon.WriteDurably(path, seed, 0o600); err != nil {
			return nil, err
		}
	}
	key := ed25519.NewKeyFromSeed(seed)
	return &issuer{root: key.Public().(ed25519.PublicKey), key: key}, nil
}

// demoLicense is a license code to play with.
type demoLicense struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	Good    bool   `json:"good"`
	Text    string `json:"text"`
	Picture string `json:"picture"` // PNG as a data URL
}

// samples are the demonstration's license codes: good ones, and one for each way a code can be wrong. Their ids are drawn
// from the panel's id, so that asking twice gives the same licenses.
func (i *issuer) samples(h *house) []demoLicense {
	now := h.started.Truncate(time.Second)
	var list []demoLicense
	add := func(name, what string, good bool, key ed25519.PrivateKey, t license.Token) {
		copy(t.ID[:], fingerprint([]byte(name+h.id)))
		if t.IssuedAt.IsZero() {
			t.IssuedAt = now.Add(-time.Hour)
		}
		if t.Scope == "" {
			t.Scope = license.ScopePanel
		}
		raw, err := t.Sign(key.Public().(ed25519.PublicKey), func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil })
		if err != nil {
			h.log.Error("cannot sign demonstration license", "name", name, "cause", err)
			return
		}
		if name == "Forged" {
			raw[len(raw)-1] ^= 1
		}
		text := envelope.Armor(envelope.License, raw)
		s := demoLicense{Name: name, What: what, Good: good, Text: text}
		if png, err := qr.PNG(text, qr.Options{Scale: 4}); err == nil {
			s.Picture = "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)
		}
		list = append(list, s)
	}
	grant := func(feature string, count int) []license.Grant {
		return []license.Grant{{Feature: feature, Count: count}}
	}
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	add("2 more buttons", "Unlimited, for the panel that scans it first", true, i.key, license.Token{Grants: grant(license.Buttons, 2)})
	add("Access control", "Unlimited: cards and codes open the door", true, i.key, license.Token{Grants: grant(license.AccessBasic, 1)})
	add("SIP, one year", "Calls through a PBX or provider, from the day it is scanned", true, i.key,
		license.Token{Grants: grant(license.SIP, 1), Scope: license.ScopeSite, Term: license.Term{Years: 1}})
	add("For another panel", "Refused: it names another panel", false, i.key, license.Token{Grants: grant(license.Buttons, 5), Subject: bytes.Repeat([]byte{7}, 16)})
	add("Expired", "Refused: it ended yesterday", false, i.key, license.Token{Grants: grant(license.Buttons, 5), IssuedAt: now.Add(-48 * time.Hour), Expires: now.Add(-24 * time.Hour)})
	add("Not yet valid", "Refused: it begins tomorrow", false, i.key, license.Token{Grants: grant(license.Buttons, 5), NotBefore: now.Add(24 * time.Hour)})
	add("Forged", "Refused: one bit was changed", false, i.key, license.Token{Grants: grant(license.Buttons, 5)})
	add("Unknown issuer", "Refused: signed by somebody else", false, stranger, license.Token{Grants: grant(license.Buttons, 5)})
	return list
}

func phoneAction(phone *sip.Softphone, w http.ResponseWriter, r *http.Request) {
	var body struct{ Action, Digit string }
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		simProblem(w, fmt.Sprintf("cannot read request: %v", err))
		return
	}
	var err error
	switch {
	case body.Action == "answer":
		err = phone.Answer()
	case body.Action == "reject":
		err = phone.Reject()
	case body.Action == "busy":
		err = phone.Busy()
	case body.Action == "hangup":
		err = phone.HangUp()
	case body.Action == "digit" && len(body.Digit) == 1:
		err = phone.Digit(rune(body.Digit[0]))
	default:
		err = fmt.Errorf("cannot do %q with the phone: it knows answer, reject, busy, hangup, and digit with one digit", body.Action)
	}
	if err != nil {
		simProblem(w, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func simProblem(w http.ResponseWriter, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "title": "Bad Request", "status": http.StatusBadRequest, "detail": detail})
}

func serveJSON(answer func(*http.Request) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer(r))
	})
}

// demoJournal shows the journal without a login: everybody in it is made up.
func demoJournal(h *house, r *http.Request) any {
	port := journalPort{h.journal}
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		entries, _ := port.Before(0, 50)
		return map[string]any{"entries": entries}
	}
	entries, _ := port.After(after, 200)
	return map[string]any{"entries": entries}
}

// fingerprint names a signed document by its bytes.
func fingerprint(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}
