package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/broker"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/pools"
	"github.com/doorpanel/doorpanel/hub/store"
	"github.com/doorpanel/doorpanel/hub/web"
	"github.com/doorpanel/doorpanel/storage"
)

// house is one hub: every part, and how they hang together. It is built from top to bottom in build.
type house struct {
	config  configs.Hub
	log     *slog.Logger
	online  bool // it listens and speaks; else a command works on its store
	started time.Time
	notes   []string  // what was found at the start
	mark    time.Time // it is later than this, for sure

	store     *store.Store
	authority *authority.Authority
	settings  *settings
	post      *post
	words     *wordings

	webListener, enrollListener net.Listener   // nil offline
	broker                      *broker.Broker // nil offline, and with a broker that is there already
	hub                         *hub.Hub
	licenses                    *hub.Licenses
	ledger                      *hub.Ledger
	packages                    *hub.Packages
	registrar                   *hub.Registrar
	pools                       *pools.Pools
	enrollment                  *hub.Enrollment
	deliverer                   *hub.Deliverer
	revocations                 *revocations
	outcasts                    *outcasts // nil offline, and with its own broker
	pages                       *web.Server
	code                        func(code string) // shows the code of the first run

	closers []func() error // in the order of opening
}

// mode says what a hub is built for.
type mode struct {
	online bool
	code   func(code string) // shows the code of the first run; nil: nowhere
}

// offline is a hub whose store alone is used.
var offline = mode{}

// hubName is how a hub calls itself in its own store, from which another one takes over what it left.
const hubName = "hub"

// build makes every part and connects them; nothing moves before run. On an error everything opened is closed again.
func build(config configs.Hub, log *slog.Logger, m mode) (h *house, err error) {
	h = &house{config: config, log: log, online: m.online, started: time.Now(), code: m.code}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
			h = nil
		}
	}()

	// What it keeps. The store's lock comes first: of two hubs that start here, one goes on, and only that one makes keys.
	if err = h.openStore(); err != nil {
		return h, err
	}

	// Who this hub is.
	if err = os.MkdirAll(config.KeysDir, 0o700); err != nil {
		return h, fmt.Errorf("cannot make keys directory %s: %w", config.KeysDir, err)
	}
	key, err := loadHubKey(config.KeysDir)
	if err != nil {
		return h, err
	}
	sealing, err := loadSealingKey(config.KeysDir)
	if err != nil {
		return h, err
	}
	if h.authority, err = authority.Open(authority.Options{Dir: config.KeysDir, Hosts: h.hosts}); err != nil {
		return h, err
	}

	// How it reaches people.
	if err = h.openPost(); err != nil {
		return h, err
	}

	// Where it listens: before anything runs, so that a busy port is told at once.
	if h.online {
		if err = h.listen(); err != nil {
			return h, err
		}
	}

	// The loop, and what it is asked about.
	link, err := h.link()
	if err != nil {
		return h, err
	}
	if err = h.openLicenses(key); err != nil {
		return h, err
	}
	h.hub, err = hub.New(hub.Options{
		Name: hubName, Link: link, Store: h.store, CommandKey: key.Public().(ed25519.PublicKey), Sign: signer(key), Sealing: sealing.private, Licensed: h.licenses.Window,
		Learn: func(r fleet.Received) error { return h.pools.Learn(r) }, Known: func(r fleet.Received) { h.pools.Known(r) },
		Unwelcome: h.unwelcome, Logger: log.With("part", "hub"),
	})
	if err != nil {
		return h, err
	}

	// What panels have of the licenses that the hub holds.
	if err = h.openPools(key); err != nil {
		return h, err
	}

	// Who comes in.
	if err = h.openEnrollment(key.Public().(ed25519.PublicKey), sealing.public); err != nil {
		return h, err
	}

	// Who is kept out of a broker that is there already.
	h.revocations = newRevocations(config, h.store.Certificates, h.authority, log.With("part", "revocations"))
	if err = h.openOutcasts(); err != nil {
		return h, err
	}

	// What goes out.
	h.deliverer, err = hub.NewDeliverer(h.store, h.post, hub.DeliveryOptions{Name: hubName, Logger: log.With("part", "messages")})
	if err != nil {
		return h, err
	}

	// Who may hand out what.
	if err = h.openLedger(); err != nil {
		return h, err
	}

	// The pages.
	if err = h.openPages(); err != nil {
		return h, err
	}
	h.revocations.revise()
	return h, nil
}

// signer hands out the use of a key without the key.
func signer(key ed25519.PrivateKey) func([]byte) ([]byte, error) {
	return func(message []byte) ([]byte, error) { return key.Sign(nil, message, crypto.Hash(0)) }
}

func (h *house) openStore() error {
	s, notes, err := store.Open(store.Options{Dir: h.config.Data, Logger: h.log.With("part", "store")})
	if errors.Is(err, storage.ErrInUse) {
		return fmt.Errorf("cannot use %s: another hub runs on it; stop that one, or give this one a directory of its own with --data", h.config.Data)
	}
	if err != nil {
		return err
	}
	h.store = s
	h.readMark()
	h.closers = append(h.closers, s.Close)
	for _, n := range notes {
		where := ""
		if n.File != "" {
			where = "; set aside as " + filepath.Base(n.File)
		}
		h.notes = append(h.notes, n.What+": "+n.Cause+where)
		h.log.Warn("found at start", "what", n.What, "cause", n.Cause+where)
	}
	return nil
}

// hosts are the names in the hub's certificate: its own, and that of a broker which shows this certificate.
func (h *house) hosts() []string {
	hosts := slices.Clone(hostsOf(h.config))
	if u, err := url.Parse(h.config.MQTT.Broker); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	for _, e := range []configs.Entrance{h.config.Enroll, h.config.MQTT.Own} {
		if host, _, err := net.SplitHostPort(e.Address); err == nil {
			hosts = append(hosts, host)
		}
	}
	return append(hosts, h.config.Web.Hosts...)
}

// openPost sets up what sends messages, as the settings say. Settings that cannot be used are told and mended on the page:
// a hub that watches is better than one that does not start.
func (h *house) openPost() error {
	h.post = &post{mail: h.config.Mail}
	h.settings = &settings{
		store: h.store, file: h.config, addresses: h.addresses, check: h.post.check,
		apply: func(s web.HubSettings) {
			if err := h.post.apply(s); err != nil {
				h.log.Error("cannot use the settings", "cause", err)
			}
		},
	}
	if err := h.settings.load(); err != nil {
		return err
	}
	if err := h.post.apply(h.settings.current()); err != nil {
		h.notes = append(h.notes, "the settings: "+err.Error())
		h.log.Error("cannot use the settings", "cause", err)
	}
	h.words = &wordings{store: h.store, apply: h.post.reword}
	if err := h.words.load(); err != nil {
		h.notes = append(h.notes, "the templates: "+err.Error())
		h.log.Error("cannot use the templates", "cause", err)
	}
	return nil
}

// listen opens the listeners and the broker.
func (h *house) listen() (err error) {
	if h.webListener, err = daemon.Listen("the page", "[web] listen", h.config.Web.Listen.String()); err != nil {
		return err
	}
	h.closers = append(h.closers, closed(h.webListener))
	if h.enrollListener, err = daemon.Listen("panels that enroll", "[enroll] listen", h.config.Enroll.Listen.String()); err != nil {
		return err
	}
	h.closers = append(h.closers, closed(h.enrollListener))
	if h.config.MQTT.Broker != "" {
		return nil
	}
	listen := h.config.MQTT.Own.Listen.String()
	h.broker, err = broker.New(broker.Options{
		Listen: listen, Certificate: h.authority.ServerCertificate, Clients: h.authority.Pool(),
		Honor:  h.honor,
		Clone:  func(panel, detail string) { h.hub.Twin(panel, detail) },
		Logger: h.log.With("part", "broker"),
	})
	if err != nil {
		return daemon.ListenError("panels", "[mqtt] listen", listen, err)
	}
	h.closers = append(h.closers, h.broker.Close)
	return nil
}

// honor tells the broker whether a panel may come in. One with a certificate of this hub that nobody knows says that the hub was set back.
func (h *house) honor(panel, key string) (string, error) {
	site, err := h.enrollment.Honor(panel, key)
	var refusal *hub.Refusal
	if errors.As(err, &refusal) && refusal.Why == "unknown_panel" && key != "" {
		h.pools.Stranger(panel)
	}
	return site, err
}

// closed closes a listener that may have been closed with its server.
func closed(l net.Listener) func() error {
	return func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

// hubClient is the name under which the hub shows itself to a broker that is there already.
const hubClient = "doorpanel-hub"

// link is the way to the broker: within this process, over the network, or none.
func (h *house) link() (hub.Link, error) {
	switch {
	case !h.online:
		return unlinked{}, nil
	case h.broker != nil:
		return hub.NewLink(hub.LinkOptions{Dial: h.broker.Dial, ClientID: broker.HubClient, Logger: h.log.With("part", "link")})
	}
	c := h.config.MQTT
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	if config.RootCAs, err = h.brokerRoots(); err != nil {
		return nil, err
	}
	if c.User == "" {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificate, err := h.authority.ClientCertificate(hubClient)
			return &certificate, err
		}
	}
	return hub.NewLink(hub.LinkOptions{
		Broker: c.Broker, TLS: config, User: c.User, Password: c.Password.Reveal(), ClientID: hubClient, Logger: h.log.With("part", "link"),
	})
}

// brokerRoots are the authorities of a broker that is there already: the system's, the hub's own, and what the file names.
func (h *house) brokerRoots() (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(h.authority.CertificatePEM())
	more, err := h.brokerCA()
	if err != nil {
		return nil, err
	}
	roots.AppendCertsFromPEM(more)
	return roots, nil
}

// brokerCA is what [mqtt] ca holds.
func (h *house) brokerCA() ([]byte, error) {
	file := h.config.MQTT.CA
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the broker's authorities: %w; write the path of a PEM file as [mqtt] ca", err)
	}
	if block, _ := pem.Decode(content); block == nil {
		return nil, fmt.Errorf("cannot read the broker's authorities: %s is not a PEM file", file)
	}
	return content, nil
}

// unlinked is no way to a broker: a command works on the store.
type unlinked struct{}

var errOffline = errors.New("the hub does not run")

func (unlinked) Run(ctx context.Context, _ hub.Peer) error           { <-ctx.Done(); return nil }
func (unlinked) Send(string, bool, []byte) error                     { return errOffline }
func (unlinked) Publish(context.Context, string, bool, []byte) error { return errOffline }

// openLicenses takes up who may be warned. The hub states when a license came to a site under its own key, as a panel does.
func (h *house) openLicenses(key ed25519.PrivateKey) (err error) {
	var faults []error
	h.licenses, faults, err = hub.NewLicenses(hub.LicenseOptions{
		Roots: h.config.License.Roots, Shelf: h.store, Papers: h.store, Key: key.Public().(ed25519.PublicKey), Sign: signer(key),
		Clock: h.licenseClock, Site: h.site, Supply: h.monitoring, Logger: h.log.With("part", "licenses"),
	})
	for _, fault := range faults {
		h.notes = append(h.notes, "a stored license document: "+fault.Error())
		h.log.Error("cannot use a stored license document", "cause", fault)
	}
	return err
}

// site is the record of a site, for whoever only asks whether there is one.
func (h *house) site(id string) (fleet.Site, bool) {
	s, known, err := h.store.Site(id)
	return s, known && err == nil
}

func (h *house) openEnrollment(key ed25519.PublicKey, sealing string) error {
	trusted, err := h.brokerCA()
	if err != nil {
		return err
	}
	h.enrollment, err = hub.NewEnrollment(hub.EnrollOptions{
		Registry:     h.store,
		CheckRequest: checkRequest,
		Certify:      h.certify,
		CA:           slices.Concat(h.authority.CertificatePEM(), trusted),
		Fingerprint:  h.authority.Fingerprint(),
		Key:          key, Sealing: sealing,
		Name: h.settings.name, URL: h.enrollURL, Broker: h.brokerURL,
		Ended: func(panel, why string) {
			if h.broker != nil {
				h.broker.Kick(panel)
			}
			if h.outcasts != nil {
				h.outcasts.send(panel)
			}
			h.changed()
			h.log.Info("panel sent away", "panel", panel, "why", why)
		},
		Revised: func(context.Context) { h.revocations.revise() },
		Audit: func(_ context.Context, c fleet.Change) {
			if err := h.store.Note(c); err != nil {
				h.log.Error("cannot write into the audit", "what", c.What, "cause", err)
			}
			h.changed()
		},
	})
	return err
}

func checkRequest(csr []byte) (string, error) {
	print, err := authority.CheckRequest(csr)
	return hex.EncodeToString(print[:]), err
}

func (h *house) certify(csr []byte, panel string) (fleet.Certificate, error) {
	made, err := h.authority.Certify(csr, panel)
	if err != nil {
		return fleet.Certificate{}, err
	}
	return fleet.Certificate{
		Serial: made.Serial, Panel: panel, Key: hex.EncodeToString(made.Key[:]), PEM: string(made.PEM), Issued: made.From, Expires: made.Expires,
	}, nil
}

// enrollURL is where panels get in.
func (h *house) enrollURL() string {
	if h.enrollListener == nil {
		return ""
	}
	return "https://" + entrance(h.config.Enroll, h.enrollListener.Addr(), hostsOf(h.config))
}

// brokerURL is where panels connect once they are in.
func (h *house) brokerURL() string {
	if h.config.MQTT.Broker != "" {
		return h.config.MQTT.Broker
	}
	if h.broker == nil {
		return ""
	}
	bound, err := net.ResolveTCPAddr("tcp", h.broker.Addr())
	if err != nil {
		return ""
	}
	return "mqtts://" + entrance(h.config.MQTT.Own, bound, hostsOf(h.config))
}

// addresses are how panels call this hub, for people to see.
func (h *house) addresses() []string {
	var list []string
	for _, one := range []string{h.enrollURL(), h.brokerURL()} {
		if one != "" {
			list = append(list, one)
		}
	}
	return list
}

func (h *house) openPages() (err error) {
	a := adapter{h}
	h.pages, err = web.New(web.Options{
		Sites: a, Panels: a, Statuses: a, Watch: a, Pairing: pairing{h}, Orders: a, Events: h.store, Eraser: h.store, News: a, Outbox: h.store, Messenger: a,
		Templates: h.words, Licenses: a, Pools: h.pools, Settings: h.settings, Ledger: h.ledger, GroupNames: h.store, LedgerLog: h.store, Packages: a, Accounts: a, Roles: h.store, Arranger: a, Groups: a, Sessions: h.store, Tokens: h.store, Audit: h.store,
		Health: h.health, Alive: h.alive, Backup: h.backup, SpoolDir: h.config.Data, ShowSetupCode: h.code, Now: time.Now,
		Metrics: http.HandlerFunc(h.metrics), Hosts: slices.Concat(h.config.Web.Hosts, names(hostsOf(h.config))), Logger: h.log.With("part", "web"),
	})
	if err == nil {
		h.closers = append(h.closers, func() error { h.pages.Close(); return nil })
	}
	return err
}

// names are the hosts that are no addresses.
func names(hosts []string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(host string) bool { return net.ParseIP(host) != nil || strings.Contains(host, ":") })
}

// administration is what the socket serves.
func (h *house) administration() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", h.pages.SocketHandler())
	mux.Handle(localPrefix, h.localLedger())
	return mux
}

// close undoes build in reverse.
func (h *house) close() error {
	var faults []error
	for _, undo := range slices.Backward(h.closers) {
		faults = append(faults, undo())
	}
	h.closers = nil
	return errors.Join(faults...)
}
