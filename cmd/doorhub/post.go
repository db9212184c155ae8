package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/notify"
	"github.com/doorpanel/doorpanel/hub/web"
)

// post hands deliveries to the channels as the settings say. Other programs are told only where an administrator wrote their
// address down, each under its own key.
type post struct {
	channels notify.Post
	mail     configs.HubMail // of the file, for its authorities

	mu    sync.RWMutex
	hooks map[string]*notify.Webhook // by address
}

// channelsOf makes what sends out of settings, or says what is wrong with them.
func (p *post) channelsOf(h web.HubSettings) (notify.Settings, map[string]*notify.Webhook, error) {
	var s notify.Settings
	var err error
	if h.Mail.Server != "" {
		if s.Mail, err = p.mailOf(h.Mail); err != nil {
			return s, nil, err
		}
	}
	if len(h.SMS) > 0 {
		var gateways []notify.GatewayOptions
		for _, g := range h.SMS {
			gateways = append(gateways, gatewayOf(g))
		}
		if s.SMS, err = notify.NewSMS(gateways...); err != nil {
			return s, nil, err
		}
	}
	hooks := map[string]*notify.Webhook{}
	for _, k := range h.Hooks {
		if err := notify.CheckWebhook(k.URL); err != nil {
			return s, nil, err
		}
		if hooks[k.URL] != nil {
			return s, nil, fmt.Errorf("two hooks have the address %s; keep one", k.URL)
		}
		if hooks[k.URL], err = notify.NewWebhook(notify.WebhookOptions{Key: notify.Secret(k.Secret)}); err != nil {
			return s, nil, fmt.Errorf("hook %s: %w", k.Name, err)
		}
	}
	return s, hooks, nil
}

func (p *post) mailOf(m web.Mail) (*notify.Mail, error) {
	o := notify.MailOptions{
		Server: mailServer(m), Security: notify.Security(m.TLS), User: m.User, Password: notify.Secret(m.Password), From: m.From,
	}
	if m.TLS == "none" {
		o.Security = notify.Plain
	}
	if p.mail.CA != "" {
		var err error
		if o.CA, err = os.ReadFile(p.mail.CA); err != nil {
			return nil, fmt.Errorf("cannot read the mail server's authorities: %w", err)
		}
	}
	return notify.NewMail(o)
}

// mailServer is host:port.
func mailServer(m web.Mail) string {
	if m.Port == 0 {
		return m.Server
	}
	host := strings.Trim(m.Server, "[]")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(m.Port)
}

func gatewayOf(g web.SMSGateway) notify.GatewayOptions {
	var headers []notify.Header
	for _, line := range g.Headers {
		name, value, _ := strings.Cut(line, ":")
		headers = append(headers, notify.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	return notify.GatewayOptions{
		Headers: headers, Receipt: g.Receipt,
		Name: g.Name, Twilio: g.Kind == "twilio", URL: g.URL, Account: g.Account, Token: notify.Secret(g.Secret), From: g.From, Body: g.Body, Type: g.Type,
	}
}

// check says what is wrong with settings.
func (p *post) check(h web.HubSettings) error {
	_, _, err := p.channelsOf(h)
	return err
}

// apply puts settings in force from the next message on.
func (p *post) apply(h web.HubSettings) error {
	s, hooks, err := p.channelsOf(h)
	s.Templates = p.channels.Settings().Templates
	p.channels.Set(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hooks = hooks
	return err
}

// reword puts other templates in force.
func (p *post) reword(t notify.Templates) {
	s := p.channels.Settings()
	s.Templates = t
	p.channels.Set(s)
}

// Send implements hub.Sender.
func (p *post) Send(ctx context.Context, d fleet.Delivery, committing func() error) (string, error) {
	m := messageOf(d)
	if d.Channel != fleet.Webhook {
		return p.channels.Send(ctx, string(d.Channel), m, committing)
	}
	p.mu.RLock()
	hook, known := p.hooks[d.Address]
	p.mu.RUnlock()
	if !known {
		return "", &notify.Failure{Words: "no hook of the settings has this address; other programs are told only where an administrator wrote them down", Forever: true}
	}
	return hook.Send(ctx, m, p.channels.Settings().Templates.Render(m))
}

func messageOf(d fleet.Delivery) notify.Message {
	m := notify.Message{ID: d.ID, Site: d.Site, Incident: d.Incident, Kind: d.Kind, Language: d.Language, To: d.Address, Made: d.Made}
	for _, f := range d.Facts {
		m.Facts = append(m.Facts, notify.Fact{Name: f.Name, Value: f.Value})
	}
	return m
}
