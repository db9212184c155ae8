package main

import (
	"context"
	"crypto/ed25519"
	"errors"

	"github.com/spf13/pflag"

	"github.com/doorpanel/doorpanel/panel/uplink"
)

// hubOrder says which hub, and as whom.
type hubOrder struct{ url string }

func (o *hubOrder) flags(flags *pflag.FlagSet) {
	flags.StringVar(&o.url, "hub", "", "https:// address of the hub's pages")
}

type hubAPI struct{}

func (o *hubOrder) connect(context.Context) (*hubAPI, error) {
	return nil, errors.New("cannot use a hub yet; give --broker")
}

func (*hubAPI) admit(context.Context, *core) (func(*uplink.Options) error, []ed25519.PublicKey, error) {
	return nil, nil, errors.New("not yet")
}
func (*hubAPI) each(context.Context, func(held) error) error    { return nil }
func (*hubAPI) faulty(context.Context) (map[string]bool, error) { return nil, nil }
func (*hubAPI) notices(context.Context) ([]notice, error)       { return nil, nil }
