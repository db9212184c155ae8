// Package uplink carries a panel's journal and status to an MQTT broker, and brings commands and signed documents back.
//
// It delivers, it does not decide: commands are handed over unread, documents unopened, and what the journal may delete is the
// journal's business. It keeps nothing on disk; what has not been acknowledged is read again from the Outbox.
package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/doorpanel/doorpanel/telemetry"
)

// Outbox is the journal as the uplink sees it. Its methods are called from one goroutine at a time, but for Next, which may be
// waiting in a second one while Done is called.
type Outbox interface {
	// Next waits for the next entry in order, at first the one after the durable cursor. It returns ctx's error when ctx ends.
	Next(ctx context.Context) (telemetry.Event, error)
	// Done moves the durable cursor: everything up to and with seq is delivered.
	Done(seq uint64) error
	// Rewind makes Next go on with the entry from, or the first after it that still exists. It leaves the durable cursor
	// where it is. It is never called while Next waits.
	Rewind(from uint64) error
}

// Secret is a text that prints as ***.
type Secret string

// String hides the secret from fmt.
func (Secret) String() string { return "***" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "***" }

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText hides the secret from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Options say where to connect, as whom, and who is told. The functions are called from the uplink's goroutines and should
// return soon: while Command or Document waits, what comes after it is queued and in the end dropped. Payloads belong to the
// function called.
type Options struct {
	Broker   string // mqtt://host[:1883] or mqtts://host[:8883]
	User     string
	Password Secret
	CAFile   string // certificates in PEM that the broker's must lead to; empty with an empty CA: those of the system
	CA       []byte // the same, already read
	// TLS is how a broker over mqtts is connected to instead, such as with a certificate of the panel's own; its server name is
	// the broker's host. CAFile and CA are not used with it.
	TLS      *tls.Config
	ClientID string // default doorpanel-<site>-<panel>; no two clients of a broker may share one

	Site, Panel string // the names in the topics
	Boot        string // this start of the daemon, as in the statuses
	Hub         bool   // an entry is delivered when the hub acknowledges it, not when the broker does

	Heartbeat   time.Duration // longest pause between two statuses; default 30 s
	KeepAlive   time.Duration // of MQTT, in whole seconds; the broker gives the panel up after one and a half; default 20 s
	Window      int           // events sent and not acknowledged; default 64
	AckTimeout  time.Duration // a broker that does not acknowledge for so long is given up; default 20 s
	ResendAfter time.Duration // a hub that does not acknowledge for so long gets the window again; doubles up to 10 min; default 60 s
	Retry       time.Duration // first pause before connecting again; doubles; default 1 s
	RetryLimit  time.Duration // last pause; default 60 s
	Spread      time.Duration // over which the panels of a broker that went away come back; default ten times Retry

	// Dial makes the connection below MQTT and TLS; nil: the system's TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Status   func() telemetry.Status                                      // asked for each publication
	Command  func(raw []byte, retained bool)                              // a retained one must be refused
	Document func(kind telemetry.DocumentKind, id string, payload []byte) // empty = withdrawn; each comes again at every connect
	State    func(connected bool, cause string)                           // on every change; cause is for people
	Logger   *slog.Logger
}

func (o *Options) complete() error {
	for _, name := range []struct{ key, value string }{{"site", o.Site}, {"panel", o.Panel}} {
		if err := telemetry.CheckName(name.value); err != nil {
			return fmt.Errorf("cannot set up uplink: %s: %w", name.key, err)
		}
	}
	switch {
	case o.Boot == "":
		return errors.New("cannot set up uplink: the boot id is missing")
	case o.Status == nil:
		return errors.New("cannot set up uplink: nobody tells the status")
	}
	if o.ClientID == "" {
		o.ClientID = "doorpanel-" + o.Site + "-" + o.Panel
	}
	for _, d := range []struct {
		value   *time.Duration
		initial time.Duration
	}{
		{&o.Heartbeat, 30 * time.Second}, {&o.KeepAlive, 20 * time.Second}, {&o.AckTimeout, 20 * time.Second},
		{&o.ResendAfter, time.Minute}, {&o.Retry, time.Second}, {&o.RetryLimit, time.Minute},
	} {
		if *d.value <= 0 {
			*d.value = d.initial
		}
	}
	if o.Spread <= 0 {
		o.Spread = 10 * o.Retry
	}
	if o.Window <= 0 {
		o.Window = 64
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Command == nil {
		o.Command = func([]byte, bool) {}
	}
	if o.Document == nil {
		o.Document = func(telemetry.DocumentKind, string, []byte) {}
	}
	if o.State == nil {
		o.State = func(bool, string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// endpoint is a broker's address taken apart.
type endpoint struct {
	name    string // scheme, host and port, for people
	address string
	tls     *tls.Config // nil = none
}

func (o Options) endpoint() (endpoint, error) {
	u, err := url.Parse(o.Broker)
	if err != nil {
		// The error of Parse repeats the address, and with it a password that somebody may have written there.
		return endpoint{}, errors.New("cannot read the broker's address: it is no URL; write mqtt://host:1883 or mqtts://host:8883")
	}
	if u.User != nil {
		return endpoint{}, fmt.Errorf("cannot use broker %s: user and password do not belong in the address; set user and password_file", u.Redacted())
	}
	ports := map[string]string{"mqtt": "1883", "mqtts": "8883"}
	port, known := ports[u.Scheme]
	if !known || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return endpoint{}, fmt.Errorf("cannot use broker %q: write mqtt://host:1883 or mqtts://host:8883", o.Broker)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	address := net.JoinHostPort(u.Hostname(), port)
	place := endpoint{name: u.Scheme + "://" + address, address: address}
	pem := o.CA
	if o.CAFile != "" {
		if pem, err = os.ReadFile(o.CAFile); err != nil {
			return endpoint{}, fmt.Errorf("cannot read the broker's CA: %w", err)
		}
	}
	if o.TLS != nil && u.Scheme == "mqtts" {
		place.tls = o.TLS.Clone()
		place.tls.ServerName = u.Hostname()
		return place, nil
	}
	if u.Scheme == "mqtt" {
		if len(pem) > 0 || o.TLS != nil {
			return endpoint{}, fmt.Errorf("cannot use broker %s with a CA: mqtt:// is not encrypted; write mqtts://", place.name)
		}
		return place, nil
	}
	place.tls = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	if len(pem) > 0 {
		place.tls.RootCAs = x509.NewCertPool()
		if !place.tls.RootCAs.AppendCertsFromPEM(pem) {
			return endpoint{}, fmt.Errorf("cannot use the broker's CA %s: there is no certificate in PEM in it", o.CAFile)
		}
	}
	return place, nil
}
