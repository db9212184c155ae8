package main

import (
	"context"
	"crypto/ed25519"

	"github.com/doorpanel/doorpanel/panel/uplink"
)

// openBroker lets panels in as one user of a broker, without enrollment.
type openBroker struct {
	url, user, password string
	ca                  []byte
	orders              []ed25519.PublicKey
	acknowledged        bool // somebody behind the broker acknowledges entries
}

func (b openBroker) admit(context.Context, *core) (func(*uplink.Options) error, []ed25519.PublicKey, error) {
	return func(o *uplink.Options) error {
		o.Broker, o.User, o.Password, o.CA, o.Hub = b.url, b.user, uplink.Secret(b.password), b.ca, b.acknowledged
		return nil
	}, b.orders, nil
}
