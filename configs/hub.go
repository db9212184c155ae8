package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Hub is a checked configuration of a hub: what the machine needs. What people change while it runs (sites, panels, users,
// recipients, mail server, gateways, retention) is in its store. A value comes from DefaultHub, ParseHub or LoadHub and is
// never changed afterwards.
type Hub struct {
	Name    string   // what its pages, its messages and the panels call it; empty: as the store says
	Data    string   // directory of the store; relative to where the program was started
	KeysDir string   // directory of the hub's private keys, made with mode 0700
	Names   []string // names and addresses of this host by which panels and browsers reach it, the best first; empty: found out
	Web     Web      // TLS.SelfSigned: by the hub's own authority
	Enroll  Entrance
	MQTT    HubMQTT
	License License
	// What is given here is shown on the hub's page and cannot be changed there. What is not is as the page sets it.
	Mail      HubMail
	SMS       []HubSMS // in the order in which they are tried
	Hooks     []HubHook
	Retention []HubRetention
}

// Entrance is where panels come in.
type Entrance struct {
	Listen netip.AddrPort
	// Address is host:port as panels are told to call it, where that is not the first of Names and the port of Listen.
	Address string
}

// HubMQTT is the broker: the hub's own, or one that is there already.
type HubMQTT struct {
	Own      Entrance // of the hub's own broker; not used with Broker
	Broker   string   // mqtt://host:port or mqtts://host:port, always with its port; empty: the hub's own
	CA       string   // PEM file with the authorities that mqtts trusts besides the hub's own
	User     string   // empty: the hub shows the certificate of its own authority, with mqtts
	Password Secret
	// RevocationList is the file in which the hub keeps the list of revoked certificates for that broker; empty: revoked.pem in Data.
	RevocationList string
}

// HubMail is the server that takes the hub's e-mail.
type HubMail struct {
	Server   string // empty: not given
	Port     int
	TLS      string // starttls, tls or none
	User     string
	Password Secret
	From     string // the address that messages come from
	CA       string // PEM file with the authorities that sign its certificate, besides the system's; empty: the system's alone
}

// HubSMS is a service that takes short messages over HTTP.
type HubSMS struct {
	Name    string
	Kind    string // twilio or template
	URL     string
	Account string
	Secret  Secret
	From    string
	Body    string   // kind template: of the request, with {to}, {text} and {from} in it
	Type    string   // kind template: its content type
	Headers []string // kind template: "Name: value", with the placeholders of the body
	Receipt string   // kind template: where the answer's JSON has the service's name for the message, such as "messages.0.id"
}

// HubHook is another program that is told of events.
type HubHook struct {
	Name   string
	URL    string
	Secret Secret   // signs each request
	Events []string // kinds, or their beginnings with a dot at the end; empty: warnings alone
}

// HubRetention is how long events of a kind are kept.
type HubRetention struct {
	Kind string // a kind, or its beginning with a dot at the end; empty: all others
	Days int    // 0: for ever
}

// The ports that a hub takes when nothing else is written.
const (
	hubPage   = "127.0.0.1:8090"
	hubEnroll = "0.0.0.0:8884"
	hubMQTT   = "0.0.0.0:8883"
)

// DefaultHub is the configuration without a file: page at 127.0.0.1:8090, own broker at port 8883 of all addresses, panels
// enroll at port 8884, data in ./hub-data.
func DefaultHub() Hub {
	h, _ := ParseHub("", nil)
	return h
}

// ParseHub reads a hub's configuration; name is only for the problems. It opens no file, so the secrets of *_file keys are
// not in the result (LoadHub puts them there). Everything that is wrong has its default value.
func ParseHub(name string, text []byte) (Hub, Problems) {
	r := parseHub(name, text)
	return r.hub, r.d.sorted()
}

// LoadHub reads a hub's configuration file and the files of its secrets; relative paths count from where the program was
// started. The error is of type Problems when the file could be read but not used.
func LoadHub(path string) (Hub, error) {
	text, err := readBounded(path, maxFile)
	if err != nil {
		remedy := "name another file with --config, or leave it out for a hub on this host alone"
		if errors.Is(err, fs.ErrPermission) {
			remedy = "let the program's user read it"
		}
		return DefaultHub(), fmt.Errorf("cannot read configuration %s: %w; %s", path, plain(err), remedy)
	}
	r := parseHub(path, text)
	loadSecrets(r.secrets)
	if problems := r.d.sorted(); len(problems) > 0 {
		return r.hub, problems
	}
	return r.hub, nil
}

// WithData is the same hub with another data directory, and its keys in there unless they have a place of their own.
func (h Hub) WithData(dir string) Hub {
	if h.KeysDir == filepath.Join(h.Data, "keys") {
		h.KeysDir = filepath.Join(dir, "keys")
	}
	h.Data = dir
	return h
}

// WithBroker is the same hub at a broker that is there already. The error is a sentence with its remedy.
func (h Hub) WithBroker(address string) (Hub, error) {
	broker, _, cause, remedy := parseBroker(address)
	if cause != "" {
		if strings.Contains(address, "@") {
			address = "***"
		}
		return h, fmt.Errorf("cannot use broker %s: %s; %s", address, cause, remedy)
	}
	h.MQTT.Broker = broker
	return h, nil
}

// WithPage is the same hub with its page at another address; beyond loopback by HTTPS.
func (h Hub) WithPage(address string) (Hub, error) {
	listen, cause, remedy := parseListen(address, hubPage)
	if cause != "" {
		return h, fmt.Errorf("cannot listen on %s: %s; %s", address, cause, remedy)
	}
	h.Web.Listen = listen
	h.Web.TLS.SelfSigned = h.Web.TLS.SelfSigned || !listen.Addr().IsLoopback() && !h.Web.TLS.On()
	return h, nil
}

// hubReading is one file on its way to a Hub.
type hubReading struct {
	d       *document
	hub     Hub
	secrets []secretFile
	doors   []door
	known   map[string]bool
}

func parseHub(name string, text []byte) *hubReading {
	d := newDocument(name, text)
	r := &hubReading{d: d, known: map[string]bool{}}
	top := &section{d: d, t: d.tree(), there: true, asked: map[string]bool{}, known: r.known}
	r.hub.Name, _ = top.text("name", "")
	r.hub.Data = top.filePath("data", "./hub-data")
	r.hub.KeysDir = top.filePath("keys_dir", filepath.Join(r.hub.Data, "keys"))
	r.hub.Names = top.hosts("names")
	r.web(top.table("web"))
	enroll := top.table("enroll")
	r.hub.Enroll = r.entrance(enroll, hubEnroll)
	enroll.done()
	r.mqtt(top.table("mqtt"))
	license := top.table("license")
	r.hub.License.Roots = license.keys("roots")
	license.done()
	r.messages(top)
	r.apart()
	top.done()
	return r
}

func (r *hubReading) web(s *section) {
	c := &r.hub.Web
	var at place
	c.Listen, at = s.address("listen", hubPage)
	r.doors = append(r.doors, door{"web.listen", c.Listen, at})
	c.Hosts = s.hosts("hosts")
	c.TLS = s.tls()
	// The hub has an authority of its own, so nothing needs to be written for a page beyond this host.
	c.TLS.SelfSigned = c.TLS.SelfSigned || !c.Listen.Addr().IsLoopback() && !c.TLS.On()
	s.done()
}

func (r *hubReading) mqtt(s *section) {
	c := &r.hub.MQTT
	c.Own = r.entrance(s, hubMQTT)
	secure := false
	broker, at := s.text("broker", "")
	if at.given() {
		address, tls, cause, remedy := parseBroker(broker)
		if cause != "" {
			if strings.Contains(broker, "@") {
				at.v.text = "***"
			}
			at.report(cause, remedy)
		}
		c.Broker, secure = address, tls || cause != ""
	}
	var ca, user, list place
	c.CA, ca = s.text("ca", "")
	c.RevocationList, list = s.text("revocation_list", "")
	for _, p := range []place{ca, list} {
		if p.given() && c.Broker != "" && !secure {
			p.report("it is only for mqtts", `write broker = "mqtts://...", or delete the key`)
		}
	}
	c.User, user = s.text("user", "")
	c.Password = r.secret(s, "password", func(secret Secret) { r.hub.MQTT.Password = secret })
	if c.User == "" && (s.t.items["password"] != nil || s.t.items["password_file"] != nil) && !user.given() {
		s.missing("user", `write user = "..." with the password`)
	}
	if broker == "" && !r.d.broken {
		for _, p := range []place{ca, user, list} {
			if p.given() {
				p.report("it is for a broker that is there already, and none is given", `write broker = "mqtts://...", or delete the key`)
			}
		}
	}
	s.done()
}

// entrance reads where panels come in, and as what they know the place.
func (r *hubReading) entrance(s *section, otherwise string) (e Entrance) {
	var listen place
	e.Listen, listen = s.address("listen", otherwise)
	r.doors = append(r.doors, door{s.path + ".listen", e.Listen, listen})
	address, at := s.text("address", "")
	if !at.given() {
		return e
	}
	host, port, ok := cutPort(address)
	n, err := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil || n == 0 || !isHost(host) {
		at.report("not a host with a port", `write what panels are to call, such as "hub.example.org:8883"`)
		return e
	}
	e.Address = address
	return e
}

// door is one of the hub's listeners, with where it is written.
type door struct {
	key    string
	listen netip.AddrPort
	at     place
}

// apart reports two listeners at one port: the second would not come up.
func (r *hubReading) apart() {
	for i, second := range r.doors {
		for _, first := range r.doors[:i] {
			if first.listen.Port() != second.listen.Port() || second.listen.Port() == 0 {
				continue
			}
			if second.key == "mqtt.listen" && r.hub.MQTT.Broker != "" {
				continue
			}
			told, other := second, first
			if !told.at.given() {
				told, other = first, second
			}
			told.at.report("the port is that of "+other.key, "give each its own")
		}
	}
}
