package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel/pairing"
	"github.com/doorpanel/doorpanel/panel/uplink"
	"github.com/doorpanel/doorpanel/telemetry"
)

// hubOrder says which hub is meant, and how it is spoken to.
type hubOrder struct {
	where, tokenFile string
	codes            []string
	program          string
	holdOff          time.Duration

	child *child // once it runs
}

func (o *hubOrder) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.where, "hub", "", "the hub: the directory of its data on this host, or the https:// address of its pages")
	flags.StringVar(&o.tokenFile, "hub-token-file", "", "file with a token of one of its administrators, for https://")
	flags.StringVar(&o.program, "doorhub", "", "start this doorhub for the fleet alone, with licenses and somebody to warn")
	flags.DurationVar(&o.holdOff, "hold-off", 0, "how long a panel may be away before that hub warns; 0: as hubs do")
	flags.StringArrayVar(&o.codes, "pair", nil, "pairing code DH1:..., once for each panel; then nothing is counted")
}

func (o *hubOrder) connect(ctx context.Context, dir string) (*hubAPI, error) {
	if o.program != "" {
		var err error
		if o.child, err = startChild(ctx, o.program, dir, o.holdOff); err != nil {
			return nil, err
		}
		return o.child.api, nil
	}
	token := ""
	if o.tokenFile != "" {
		raw, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the token: %w", err)
		}
		token = strings.TrimSpace(string(raw))
	}
	return hubAt(o.where, token)
}

// introduce tells people where to look.
func (o *hubOrder) introduce(ctx context.Context, screen *screen) error {
	user, password, err := o.child.administrator(ctx)
	if err != nil {
		return fmt.Errorf("cannot make an administrator: %w", err)
	}
	screen.say(fmt.Sprintf("the hub's pages: %s  user %s  password %s", o.child.web, user, password))
	return nil
}

// codes lets each panel in with a pairing code of its own.
type codes struct {
	mu   sync.Mutex
	left []string
}

func (p *codes) admit(ctx context.Context, c *core) (func(*uplink.Options) error, []ed25519.PublicKey, error) {
	p.mu.Lock()
	if len(p.left) == 0 {
		p.mu.Unlock()
		return nil, nil, errors.New("there is no pairing code left")
	}
	text := p.left[0]
	p.left = p.left[1:]
	p.mu.Unlock()
	code, err := telemetry.ParsePairing(text)
	if err != nil {
		return nil, nil, err
	}
	me, err := c.asks()
	if err != nil {
		return nil, nil, err
	}
	m, err := c.join(ctx, me, code)
	if err != nil {
		return nil, nil, err
	}
	return c.belongs(m, me)
}

// belongs is how a panel reaches the hub that took it in.
func (c *core) belongs(m pairing.Membership, me pairing.Me) (func(*uplink.Options) error, []ed25519.PublicKey, error) {
	key, err := envelope.ParseKey(m.Answer.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the hub's key: %w", err)
	}
	config, err := m.TLS(me)
	if err != nil {
		return nil, nil, err
	}
	return func(o *uplink.Options) error {
		o.Broker, o.Site, o.TLS, o.Hub = m.Answer.Broker, m.Answer.Site, config, true
		return nil
	}, []ed25519.PublicKey{key}, nil
}
