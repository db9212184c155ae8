package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/web"
)

// settingsName is the name under which the store keeps what the settings page sets.
const settingsName = "hub"

// defaultName is what a hub is called until somebody gives it a name.
const defaultName = "Doorhub"

// settingStore keeps one JSON value for each name.
type settingStore interface {
	Setting(name string) (fleet.Setting, error)
	PutSetting(name string, value []byte, edit fleet.Edit) (fleet.Edition, error)
}

// settings brings together what the configuration file gives and what the settings page sets: the file wins.
type settings struct {
	store     settingStore
	file      configs.Hub
	addresses func() []string
	// check says what is wrong with settings that were given; apply puts them in force.
	check func(web.HubSettings) error
	apply func(web.HubSettings)

	mu      sync.Mutex
	now     web.HubSettings // with secrets
	edition fleet.Edition   // from which they are changed: another hub may have done so
}

// load reads them, at the start.
func (s *settings) load() error {
	kept, err := s.store.Setting(settingsName)
	var stored web.HubSettings
	switch {
	case errors.Is(err, fleet.ErrUnknown):
	case err != nil:
		return fmt.Errorf("cannot read the settings: %w", err)
	default:
		if err := json.Unmarshal(kept.Value, &stored); err != nil {
			return fmt.Errorf("cannot read the settings: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edition = kept.Edition
	s.now = s.withFile(stored)
	return nil
}

// withFile puts what the configuration file gives in the place of what was set.
func (s *settings) withFile(h web.HubSettings) web.HubSettings {
	h.Fixed = nil
	if s.file.Name != "" {
		h.Name, h.Fixed = s.file.Name, append(h.Fixed, "name")
	}
	if h.Name == "" {
		h.Name = defaultName
	}
	if m := s.file.Mail; m.Server != "" {
		h.Mail = web.Mail{Server: m.Server, Port: m.Port, TLS: m.TLS, User: m.User, Password: m.Password.Reveal(), From: m.From}
		h.Fixed = append(h.Fixed, "mail")
	}
	if len(s.file.SMS) > 0 {
		h.SMS, h.Fixed = nil, append(h.Fixed, "sms")
		for _, g := range s.file.SMS {
			h.SMS = append(h.SMS, web.SMSGateway{
				Name: g.Name, Kind: g.Kind, URL: g.URL, Account: g.Account, Secret: g.Secret.Reveal(), From: g.From, Body: g.Body, Type: g.Type,
				Headers: g.Headers, Receipt: g.Receipt,
			})
		}
	}
	if len(s.file.Hooks) > 0 {
		h.Hooks, h.Fixed = nil, append(h.Fixed, "hooks")
		for _, k := range s.file.Hooks {
			h.Hooks = append(h.Hooks, web.Hook{Name: k.Name, URL: k.URL, Secret: k.Secret.Reveal(), Events: strings.Join(k.Events, ",")})
		}
	}
	if len(s.file.Retention) > 0 {
		h.Keep, h.Fixed = nil, append(h.Fixed, "keep")
		for _, r := range s.file.Retention {
			h.Keep = append(h.Keep, fleet.Keep{Kind: r.Kind, Days: r.Days})
		}
	}
	return h
}

// current are the settings with their secrets.
func (s *settings) current() web.HubSettings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *settings) name() string { return s.current().Name }

// Settings implements web.Settings.
func (s *settings) Settings() (web.HubSettings, error) {
	h := s.current()
	h.Addrs = s.addresses()
	h.SMS, h.Hooks, h.Keep = slices.Clone(h.SMS), slices.Clone(h.Hooks), slices.Clone(h.Keep)
	hide(&h.Mail.Password)
	for i := range h.SMS {
		hide(&h.SMS[i].Secret)
	}
	for i := range h.Hooks {
		hide(&h.Hooks[i].Secret)
	}
	return h, nil
}

func hide(secret *string) {
	if *secret != "" {
		*secret = web.Hidden
	}
}

// PutSettings implements web.Settings.
func (s *settings) PutSettings(_ context.Context, h web.HubSettings, change fleet.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := reveal(&h, s.now); err != nil {
		return err
	}
	h.Addrs = nil
	h = s.withFile(h)
	if err := s.check(h); err != nil {
		return fmt.Errorf("%w: %w", web.ErrInvalid, err)
	}
	raw, err := json.Marshal(withoutFixed(h))
	if err != nil {
		return err
	}
	edition, err := s.store.PutSetting(settingsName, raw, fleet.Edit{From: s.edition.Number, Change: change})
	if err != nil {
		return told(err)
	}
	s.edition = edition
	s.now = h
	s.apply(h)
	return nil
}

// reveal puts a secret that was shown as *** back to what it was. A secret goes nowhere else than where it was given for: who
// may change the address, and not read the secret, would otherwise have it sent to himself.
func reveal(h *web.HubSettings, was web.HubSettings) error {
	if h.Mail.Password == web.Hidden {
		if h.Mail.Server != was.Mail.Server {
			return secretElsewhere("password of the mail server", was.Mail.Server)
		}
		h.Mail.Password = was.Mail.Password
	}
	for i, g := range h.SMS {
		old := slices.IndexFunc(was.SMS, func(old web.SMSGateway) bool { return old.Name == g.Name && old.URL == g.URL })
		switch {
		case g.Secret != web.Hidden:
		case old < 0:
			return secretElsewhere("secret of gateway "+g.Name, "another address")
		default:
			h.SMS[i].Secret = was.SMS[old].Secret
		}
	}
	for i, k := range h.Hooks {
		old := slices.IndexFunc(was.Hooks, func(old web.Hook) bool { return old.Name == k.Name && old.URL == k.URL })
		switch {
		case k.Secret != web.Hidden:
		case old < 0:
			return secretElsewhere("secret of hook "+k.Name, "another address")
		default:
			h.Hooks[i].Secret = was.Hooks[old].Secret
		}
	}
	return nil
}

func secretElsewhere(what, was string) error {
	return fmt.Errorf("%w: the %s was given for %s; write it again", web.ErrInvalid, what, cmp.Or(was, "no server"))
}

// withoutFixed is what the store keeps: secrets of the configuration file stay there.
func withoutFixed(h web.HubSettings) web.HubSettings {
	for _, section := range h.Fixed {
		switch section {
		case "name":
			h.Name = ""
		case "mail":
			h.Mail = web.Mail{}
		case "sms":
			h.SMS = nil
		case "hooks":
			h.Hooks = nil
		case "keep":
			h.Keep = nil
		}
	}
	h.Fixed = nil
	return h
}
