package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
)

const (
	maxGateways = 8
	maxHooks    = 16
	maxKeep     = 32
	// testSite stands where a test message belongs to no site.
	testSite = ""
)

type (
	nameSetting struct {
		Name string `json:"name"`
	}
	smsSetting struct {
		Gateways []SMSGateway `json:"gateways"`
	}
	hookSetting struct {
		Hooks []Hook `json:"hooks"`
	}
	keepRow struct {
		Site string `json:"site,omitempty"`
		Kind string `json:"kind,omitempty"`
		Days int    `json:"days"`
		Used bool   `json:"used,omitempty"` // forms: an empty row is none
	}
	keepSetting struct {
		Keep []keepRow `json:"keep"`
	}
	testRequest struct {
		Channel  fleet.Channel `json:"channel"`
		Address  string        `json:"address"`
		Language string        `json:"language,omitempty"`
	}
	// settingsView is what the page of settings shows.
	settingsView struct {
		now      time.Time
		settings HubSettings
		tests    []fleet.Delivery
		certs    []Certificate
		backup   bool
		caller   caller
	}
)

// edition is the state of a section.
func (p settingsView) edition(section string) string {
	return strconv.Itoa(p.settings.Editions[section])
}

func (s *Server) settingsRoutes() []route {
	routes := slices.Concat(
		[]route{
			{Method: "GET", Pattern: api + "/settings", Access: roles.ManageHub, Handler: s.getSettings, Status: 200, Summary: "Mail, SMS, webhooks, retention; secrets are ***",
				Response: HubSettings{Name: "Doorhub", Mail: Mail{Server: "mail.example.org", Port: 587, TLS: "starttls", From: "doors@example.org", User: "doors", Password: Hidden}}},
			{Method: "GET", Pattern: "/settings", Access: roles.ManageHub, Handler: s.pageSettings, Page: true, Status: 200, Summary: "Settings"},
		},
		deed[nameSetting]{Method: "PUT", API: "/settings/name", Page: "/settings/name", Access: roles.ManageHub, Status: 204, Summary: "The hub's name", Request: nameSetting{"Doorhub"}, Do: s.doName}.routes(),
		deed[Mail]{Method: "PUT", API: "/settings/mail", Page: "/settings/mail", Access: roles.ManageHub, Status: 204, Summary: "The server that takes e-mail; a password of *** stays",
			Request: Mail{Server: "mail.example.org", Port: 587, TLS: "starttls", From: "doors@example.org", User: "doors", Password: "…"}, Do: s.doMail}.routes(),
		deed[smsSetting]{Method: "PUT", API: "/settings/sms", Page: "/settings/sms", Access: roles.ManageHub, Status: 204, Summary: "SMS gateways, in the order in which they are tried; a secret of *** stays",
			Request: smsSetting{[]SMSGateway{{Name: "first", Kind: "template", URL: "https://sms.example.org/send", Body: `{"to":"{to}","text":"{text}"}`, Type: "application/json"}}}, Do: s.doSMS}.routes(),
		deed[hookSetting]{Method: "PUT", API: "/settings/hooks", Page: "/settings/hooks", Access: roles.ManageHub, Status: 204, Summary: "Programs that are told of warnings and events",
			Request: hookSetting{[]Hook{{Name: "desk", URL: "https://desk.example.org/doors", Secret: "…", Events: "access.refused,door."}}}, Do: s.doHooks}.routes(),
		deed[keepSetting]{Method: "PUT", API: "/settings/keep", Page: "/settings/keep", Access: roles.ManageHub, Status: 204, Summary: "How long events are kept, by kind; 0 days: for ever",
			Request: keepSetting{[]keepRow{{Kind: "access.", Days: 90}, {Days: 365}}}, Do: s.doKeep}.routes(),
		deed[testRequest]{Method: "POST", API: "/settings/test", Page: "/settings/test", Access: roles.ManageHub, Status: 201, Summary: "Send a test message",
			Request: testRequest{Channel: fleet.Email, Address: "ines@example.org"}, Response: fleet.Delivery{ID: "…", State: fleet.Waiting}, Do: s.doTest}.routes(),
	)
	if s.o.Backup != nil {
		routes = append(routes, route{Method: "GET", Pattern: api + "/backup", Access: roles.ManageHub, Handler: s.getBackup, Status: 200, Media: "application/octet-stream",
			Summary: "Everything the hub keeps, as one file: who has it can read every event and act as the hub"})
	}
	return routes
}

func (s *Server) getSettings(v *visit) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	return writeJSON(v.w, http.StatusOK, settings)
}

// settings are those of the port, with every secret hidden once more: none leaves by mistake.
func (s *Server) settings() (HubSettings, error) {
	settings, err := s.o.Settings.Settings()
	if err != nil {
		return HubSettings{}, err
	}
	settings.SMS, settings.Hooks, settings.Keep = slices.Clone(list(settings.SMS)), slices.Clone(list(settings.Hooks)), list(settings.Keep)
	hideSecrets(&settings)
	return settings, nil
}

// hideSecrets overwrites what must not be shown; the lists are the caller's own.
func hideSecrets(h *HubSettings) {
	hide := func(secret *string) {
		if *secret != "" {
			*secret = Hidden
		}
	}
	hide(&h.Mail.Password)
	for i := range h.SMS {
		hide(&h.SMS[i].Secret)
	}
	for i := range h.Hooks {
		hide(&h.Hooks[i].Secret)
	}
}

func (s *Server) pageSettings(v *visit) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	p := settingsView{now: s.o.Now(), settings: settings, certs: s.o.Health().Certs, backup: s.o.Backup != nil, caller: v.caller}
	if p.tests, err = v.tests(testSite); err != nil {
		return err
	}
	return v.show("Settings", "settings", settingsPage(p))
}

// edit changes one section as one step.
func (s *Server) edit(v *visit, section string, change func(*HubSettings) error) (outcome, error) {
	s.edits.Lock()
	defer s.edits.Unlock()
	settings, err := s.settings()
	if err != nil {
		return outcome{}, err
	}
	if slices.Contains(settings.Fixed, section) {
		return outcome{}, problem(http.StatusConflict, "conflict", "this is given by the hub's configuration file; change it there")
	}
	if err := v.fresh("this section", strconv.Itoa(settings.Editions[section]), fleet.Edition{}); err != nil {
		return outcome{}, err
	}
	before := settings
	if err := change(&settings); err != nil {
		return outcome{}, err
	}
	settings.Editions = maps.Clone(settings.Editions)
	if settings.Editions == nil {
		settings.Editions = map[string]int{}
	}
	settings.Editions[section]++
	noted := sectionDiffers(v.change("settings.changed", section, "", "settings of "+section+" changed"), section, before, settings)
	if err := s.o.Settings.PutSettings(v.r.Context(), settings, noted); err != nil {
		return outcome{}, err
	}
	return outcome{Said: "Saved.", Back: "/settings#" + section}, nil
}

// sectionDiffers says what a section was and is, with a secret that was entered shown as *** as one that was there.
func sectionDiffers(c fleet.Change, section string, before, after HubSettings) fleet.Change {
	shown := func(h HubSettings) HubSettings {
		h.Editions, h.SMS, h.Hooks = nil, slices.Clone(h.SMS), slices.Clone(h.Hooks)
		hideSecrets(&h)
		return h
	}
	was, is := fieldsOf(shown(before)), fieldsOf(shown(after))
	c.Before, c.After = short(was[section]), short(is[section])
	return c
}

func (s *Server) doName(v *visit, in nameSetting) (outcome, error) {
	in.Name = strings.TrimSpace(in.Name)
	if err := checkName("the hub's name", in.Name, true); err != nil {
		return outcome{}, err
	}
	return s.edit(v, "name", func(h *HubSettings) error {
		h.Name = in.Name
		return nil
	})
}

// kept refuses to give a secret that is not shown to another server than the one that it was entered for.
func kept(what, secret, was, is string) error {
	if secret == Hidden && was != is {
		return notValid("enter the " + what + " again: it would be told to another server")
	}
	return nil
}

func (s *Server) doMail(v *visit, in Mail) (outcome, error) {
	in.Server, in.User, in.From = strings.TrimSpace(in.Server), strings.TrimSpace(in.User), strings.TrimSpace(in.From)
	return s.edit(v, "mail", func(h *HubSettings) error {
		if in.Server == "" {
			h.Mail = Mail{}
			return nil
		}
		switch {
		case strings.ContainsAny(in.Server, " /@") || len(in.Server) > 253:
			return notValid(`the mail server is a name or address without a port, such as "mail.example.org"`)
		case in.TLS != "starttls" && in.TLS != "tls" && in.TLS != "none":
			return notValid("the protection is starttls, tls or none")
		case in.TLS == "none" && !isLoopback(in.Server):
			return notValid("without TLS everybody on the way reads the messages: only a server on this host is taken so")
		case in.Port < 0 || in.Port > 65535:
			return notValid("the port is a number up to 65535")
		}
		if in.Port == 0 {
			in.Port = map[string]int{"starttls": 587, "tls": 465, "none": 25}[in.TLS]
		}
		if a, err := mail.ParseAddress(in.From); err != nil || a.Address != in.From {
			return notValid("the sender is an e-mail address such as doors@example.org")
		}
		if len(in.User) > 320 || len(in.Password) > 1024 {
			return notValid("user or password is too long")
		}
		if err := kept("password", in.Password, h.Mail.Server, in.Server); err != nil {
			return err
		}
		h.Mail = in
		return nil
	})
}

func (s *Server) doSMS(v *visit, in smsSetting) (outcome, error) {
	gateways := slices.DeleteFunc(in.Gateways, func(g SMSGateway) bool { return strings.TrimSpace(g.Name) == "" && strings.TrimSpace(g.URL) == "" })
	return s.edit(v, "sms", func(h *HubSettings) error {
		if len(gateways) > maxGateways {
			return notValid(fmt.Sprintf("at most %d gateways", maxGateways))
		}
		for i := range gateways {
			g := &gateways[i]
			if err := checkGateway(g); err != nil {
				return err
			}
			if slices.ContainsFunc(gateways[:i], func(other SMSGateway) bool { return other.Name == g.Name }) {
				return notValid("two gateways have the name " + g.Name)
			}
			before := ""
			for _, old := range h.SMS {
				if old.Name == g.Name {
					before = old.URL
				}
			}
			if err := kept("secret of "+g.Name, g.Secret, before, g.URL); err != nil {
				return err
			}
		}
		h.SMS = gateways
		return nil
	})
}

func checkGateway(g *SMSGateway) error {
	g.Name, g.URL, g.From = strings.TrimSpace(g.Name), strings.TrimSpace(g.URL), strings.TrimSpace(g.From)
	if err := checkName("the gateway's name", g.Name, true); err != nil {
		return err
	}
	if err := checkURL(g.Name, g.URL); err != nil {
		return err
	}
	if len(g.Account) > 512 || len(g.Secret) > 1024 || len(g.From) > 64 || len(g.Body) > 4096 || len(g.Type) > 128 || len(g.Receipt) > 256 || len(g.Headers) > 8 {
		return notValid("a field of " + g.Name + " is too long")
	}
	switch g.Kind {
	case "twilio":
		g.Body, g.Type, g.Headers, g.Receipt = "", "", nil, ""
	case "template":
		if !strings.Contains(g.Body, "{to}") || !strings.Contains(g.Body, "{text}") {
			return notValid("the body for " + g.Name + " needs {to} and {text} where number and message belong")
		}
		for _, line := range g.Headers {
			if name, value, ok := strings.Cut(line, ":"); !ok || strings.TrimSpace(name) == "" || strings.TrimSpace(value) == "" || len(line) > 512 || strings.ContainsFunc(line, unicode.IsControl) {
				return notValid("a header for " + g.Name + ` is a line such as "X-Api-Key: {token}"`)
			}
		}
	default:
		return notValid("the kind of a gateway is twilio or template")
	}
	return nil
}

func checkURL(name, address string) error {
	u, err := url.Parse(address)
	if err != nil || len(address) > 1024 || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return notValid("the address of " + name + " is not one that can be called; write it as https://example.org/send, without a user or password in it")
	}
	return nil
}

func (s *Server) doHooks(v *visit, in hookSetting) (outcome, error) {
	hooks := slices.DeleteFunc(in.Hooks, func(h Hook) bool { return strings.TrimSpace(h.Name) == "" && strings.TrimSpace(h.URL) == "" })
	return s.edit(v, "hooks", func(settings *HubSettings) error {
		if len(hooks) > maxHooks {
			return notValid(fmt.Sprintf("at most %d webhooks", maxHooks))
		}
		for i := range hooks {
			h := &hooks[i]
			h.Name, h.URL, h.Events = strings.TrimSpace(h.Name), strings.TrimSpace(h.URL), strings.Join(strings.Fields(strings.ReplaceAll(h.Events, ",", " ")), ",")
			if err := checkName("the webhook's name", h.Name, true); err != nil {
				return err
			}
			if err := checkURL(h.Name, h.URL); err != nil {
				return err
			}
			if h.Secret != Hidden && h.Secret != "" && len(h.Secret) < 16 || len(h.Secret) > 256 {
				return notValid("the secret of " + h.Name + " has at least 16 characters")
			}
			if len(h.Events) > 1024 {
				return notValid("too many kinds for " + h.Name)
			}
			if slices.ContainsFunc(hooks[:i], func(other Hook) bool { return other.Name == h.Name }) {
				return notValid("two webhooks have the name " + h.Name)
			}
			before := ""
			for _, old := range settings.Hooks {
				if old.Name == h.Name {
					before = old.URL
				}
			}
			if err := kept("secret of "+h.Name, h.Secret, before, h.URL); err != nil {
				return err
			}
		}
		settings.Hooks = hooks
		return nil
	})
}

func (s *Server) doKeep(v *visit, in keepSetting) (outcome, error) {
	return s.edit(v, "keep", func(h *HubSettings) error {
		var rules []fleet.Keep
		for _, row := range in.Keep {
			row.Kind = strings.TrimSpace(row.Kind)
			if v.isPage() && !row.Used {
				continue
			}
			if row.Days < 0 || row.Days > 36500 {
				return notValid("events are kept for 1 to 36500 days, or with 0 for ever")
			}
			if len(row.Kind) > 64 || strings.ContainsFunc(row.Kind, func(r rune) bool { return (r < 'a' || r > 'z') && r != '.' && r != '_' }) {
				return notValid(`a kind is such as "access.granted", or its beginning with a dot at the end: "access."`)
			}
			if row.Site != "" {
				if err := s.checkSites([]string{row.Site}); err != nil {
					return err
				}
			}
			if slices.ContainsFunc(rules, func(other fleet.Keep) bool { return other.Kind == row.Kind && other.Site == row.Site }) {
				return notValid("there are two rules for the same kind and site")
			}
			rules = append(rules, fleet.Keep{Site: row.Site, Kind: row.Kind, Days: row.Days})
		}
		if len(rules) > maxKeep {
			return notValid(fmt.Sprintf("at most %d rules", maxKeep))
		}
		h.Keep = rules
		return nil
	})
}

func (s *Server) doTest(v *visit, in testRequest) (outcome, error) {
	in.Address = strings.TrimSpace(in.Address)
	if err := checkAddress(in.Channel, in.Address); err != nil {
		return outcome{}, err
	}
	if in.Language == "" {
		in.Language = "en"
	}
	if !slices.Contains(languages(), in.Language) {
		return outcome{}, notValid("the language is one of " + strings.Join(languages(), ", "))
	}
	d, err := s.o.Messenger.Test(v.r.Context(), fleet.Delivery{Site: testSite, Kind: TestKind, Recipient: v.caller.User, Channel: in.Channel, Address: in.Address, Language: in.Language},
		v.change("settings.tested", string(in.Channel), "", "test message sent"))
	if err != nil {
		return outcome{}, err
	}
	return outcome{Body: d, Said: "A test message is on its way; see below what becomes of it.", Back: "/settings#tests"}, nil
}

// getBackup streams the backup. What was begun cannot be answered with a problem any more: the connection is cut instead, so
// that a part is not taken for the whole.
func (s *Server) getBackup(v *visit) error {
	leave, err := s.spooling() // the store copies itself before it is sent
	if err != nil {
		return err
	}
	defer leave()
	v.note("backup.taken", "", "", "backup downloaded")
	if err := v.record(); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/octet-stream")
	v.w.Header().Set("Content-Disposition", `attachment; filename="doorhub-`+s.o.Now().UTC().Format("20060102-150405")+`.backup"`)
	w := &slowly{v.w, http.NewResponseController(v.w)}
	if err := s.o.Backup(v.r.Context(), w); err != nil {
		s.log.Warn("backup ended early", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// slowly gives each piece its own time: a large file over a slow line takes long.
type slowly struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func (s *slowly) Write(b []byte) (int, error) {
	_ = s.c.SetWriteDeadline(time.Now().Add(writeTime)) // recorders in tests know no deadlines
	return s.w.Write(b)
}
