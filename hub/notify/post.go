package notify

import (
	"context"
	"sync"
)

// Post is all channels of a hub. Its settings can be changed while it sends; a message under way keeps the ones it began
// with. The zero value has no channel and the shipped texts.
type Post struct {
	mu  sync.RWMutex
	set Settings
}

// Settings of a Post. A channel that is nil is not set up.
type Settings struct {
	Mail      *Mail
	SMS       *SMS
	Webhook   *Webhook
	Templates Templates
}

// Set changes what is used from the next message on.
func (p *Post) Set(s Settings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set = s
}

// Settings returns what is used now.
func (p *Post) Settings() Settings {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.set
}

// Send puts a message into words and hands it to the server of a channel: "email", "sms" or "webhook". committing is called
// before the server becomes responsible, and for a webhook not at all; without its consent nothing is sent. Every error is a
// *Failure but the one of committing, which comes back as it is.
func (p *Post) Send(ctx context.Context, channel string, message Message, committing func() error) (receipt string, err error) {
	s := p.Settings()
	text := s.Templates.Render(message)
	switch {
	case channel == "email" && s.Mail != nil:
		return s.Mail.Send(ctx, message, text, committing)
	case channel == "sms" && s.SMS != nil:
		return s.SMS.Send(ctx, message, text, committing)
	case channel == "webhook" && s.Webhook != nil:
		return s.Webhook.Send(ctx, message, text)
	}
	return "", &Failure{Words: "the channel " + oneLine(channel, 20) + " is not set up; do that on the settings page", Everybody: true}
}

// CheckAddress tells what is wrong with an address before it is kept, and brings it into the form in which it is kept.
func CheckAddress(channel, address string) (string, error) {
	switch channel {
	case "sms":
		return CheckNumber(address)
	case "webhook":
		return address, CheckWebhook(address)
	}
	return address, CheckMailbox(address)
}
