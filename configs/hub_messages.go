package configs

import (
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// Bounds of what a hub's file lists.
const (
	maxGateways = 8
	maxHooks    = 16
)

// messages reads how people and other programs are reached, and how long what is kept.
func (r *hubReading) messages(top *section) {
	r.mail(top.table("mail"))
	seen := map[string]place{}
	for _, s := range top.tables("sms", maxGateways) {
		r.hub.SMS = append(r.hub.SMS, r.gateway(s, seen))
	}
	seen = map[string]place{}
	for _, s := range top.tables("hook", maxHooks) {
		r.hub.Hooks = append(r.hub.Hooks, r.hook(s, seen))
	}
	seen = map[string]place{}
	for _, s := range top.tables("retention", maxPeriods) {
		r.hub.Retention = append(r.hub.Retention, retention(s, seen))
	}
}

func (r *hubReading) mail(s *section) {
	c := &r.hub.Mail
	server, at := s.text("server", "")
	switch {
	case at.given() && !isHost(server):
		at.report("not a host name", `write it without a port, such as "mail.example.org"`)
	case at.given():
		c.Server = server
	case s.there && s.t.items["server"] == nil:
		s.missing("server", `write server = "mail.example.org"`)
	}
	var tls place
	c.TLS, tls = s.oneOf("tls", "starttls", "starttls", "tls", "none")
	if c.TLS == "none" && c.Server != "" && !isLoopbackHost(c.Server) {
		tls.report("without TLS everybody on the way reads the messages", `write "starttls" or "tls"; "none" is for a server on this host`)
		c.TLS = "starttls"
	}
	c.Port, _ = s.number("port", map[string]int{"starttls": 587, "tls": 465, "none": 25}[c.TLS], 1, 65535)
	c.User, _ = s.text("user", "")
	c.Password = r.secret(s, "password", func(secret Secret) { r.hub.Mail.Password = secret })
	c.CA, _ = s.text("ca", "")
	address, from := s.text("from", "")
	switch {
	case from.given() && !isMailAddress(address):
		from.report("not an e-mail address", `write it as "doors@example.org"`)
	case from.given():
		c.From = address
	case s.there && s.t.items["from"] == nil:
		s.missing("from", `write from = "doors@example.org"`)
	}
	s.done()
}

// secret reads a secret, or notes the file that it is in.
func (r *hubReading) secret(s *section, key string, set func(Secret)) Secret {
	secret, file := s.secret(key)
	if file.given() {
		r.secrets = append(r.secrets, secretFile{file, set})
	}
	return secret
}

func (r *hubReading) gateway(s *section, seen map[string]place) (g HubSMS) {
	g.Name = s.ownName(seen, "gateway")
	g.Kind, _ = s.oneOf("kind", "template", "twilio", "template")
	if g.Kind == "template" || s.t.items["url"] != nil {
		g.URL = s.webAddress("url", "https://sms.example.org/send")
	}
	s.item("url")
	g.Account, _ = s.text("account", "")
	i := len(r.hub.SMS)
	g.Secret = r.secret(s, "secret", func(secret Secret) { r.hub.SMS[i].Secret = secret })
	g.From, _ = s.text("from", "")
	var body, kind place
	g.Body, body = s.text("body", "")
	g.Type, kind = s.text("type", "")
	var headers []place
	g.Headers, headers = s.headers()
	var receipt place
	g.Receipt, receipt = s.text("receipt", "")
	if receipt.given() && !receiptPath.MatchString(g.Receipt) {
		receipt.report("not a place in JSON", `write names and numbers with dots between them, such as "messages.0.id"`)
	}
	switch {
	case g.Kind == "twilio":
		for _, p := range append([]place{body, kind, receipt}, headers...) {
			if p.given() {
				p.report("a Twilio-like service has its own form", `delete the key, or write kind = "template"`)
			}
		}
	case s.t.items["body"] == nil:
		s.missing("body", `write body = '{"to":"{to}","text":"{text}"}' as the service wants it`)
	case body.given() && (!strings.Contains(g.Body, "{to}") || !strings.Contains(g.Body, "{text}")):
		body.report("it does not say to whom, or what", "write {to} and {text} where number and message belong")
	}
	s.done()
	return g
}

// maxHeaders bounds the headers of a gateway's requests.
const maxHeaders = 8

var (
	headerLine  = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]+: ?[\x20-\x7e]+$`)
	receiptPath = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
)

// headers reads what is sent besides the body, each as one line of HTTP (RFC 9110, section 5).
func (s *section) headers() (lines []string, at []place) {
	at = s.texts("headers", maxHeaders)
	for _, p := range at {
		if !headerLine.MatchString(p.v.text) {
			p.v.text = "***" // a line that went wrong may be the secret itself
			p.report("not a header", `write it as "X-Api-Key: {token}"`)
			continue
		}
		lines = append(lines, p.v.text)
	}
	return lines, at
}

func (r *hubReading) hook(s *section, seen map[string]place) (h HubHook) {
	h.Name = s.ownName(seen, "hook")
	h.URL = s.webAddress("url", "https://example.org/doors")
	i := len(r.hub.Hooks)
	h.Secret = r.secret(s, "secret", func(secret Secret) { r.hub.Hooks[i].Secret = secret })
	for _, p := range s.texts("events", maxOneOfAll) {
		if !kindOrBeginning.MatchString(p.v.text) {
			p.report("not a kind of events", `write one of docs/journal-events.md, such as "door.forced", or "door." for all that begin so`)
			continue
		}
		h.Events = append(h.Events, p.v.text)
	}
	s.done()
	return h
}

var kindOrBeginning = regexp.MustCompile(`^[a-z]+\.([a-z_]+)?$`)

func retention(s *section, seen map[string]place) (c HubRetention) {
	kind, at := s.text("kind", "")
	key := at
	if !at.given() {
		key = place{s, "kind", value{at: s.at}}
	}
	switch first, twice := seen[kind]; {
	case at.given() && kind != "" && !kindOrBeginning.MatchString(kind):
		at.report("not a kind of events", `write one of docs/journal-events.md, such as "door.forced", or "access." for all that begin so`)
	case twice:
		key.report(fmt.Sprintf("this kind has a period already, on row %d", first.row()), "keep one")
	default:
		seen[kind] = key
		c.Kind = kind
	}
	c.Days, _ = s.number("days", 0, 0, maxDays)
	if s.t.items["days"] == nil {
		s.missing("days", "write days = 365, or 0 for ever")
	}
	s.done()
	return c
}

// webAddress reads an https address; http is for this host alone, because the messages are nobody else's.
func (s *section) webAddress(key, example string) string {
	text, p := s.text(key, "")
	if !p.given() {
		if s.t.items[key] == nil {
			s.missing(key, fmt.Sprintf("write %s = %q", key, example))
		}
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || !checkHostPort(u.Host):
		p.report("not a web address", fmt.Sprintf("write it as %q", example))
	case u.User != nil:
		p.v.text = "***"
		p.report("user and password do not belong into the address", `write account = "..." and secret_file = "..."`)
	case u.Scheme == "http" && !isLoopbackHost(u.Hostname()):
		p.report("without TLS everybody on the way reads it", "write https://; http is for a service on this host")
	default:
		return text
	}
	return ""
}

// isLoopbackHost tells whether a name or address is this host's own.
func isLoopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func isMailAddress(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Name == "" && a.Address == text && strings.Contains(text, "@")
}
