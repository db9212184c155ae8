package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

const (
	companyName  = "Conti Property"
	companySites = 4 // so many get a building; a fleet of a thousand stays as quick as it was
	flatsEach    = 3
)

// drawn is an id of the license ledger that follows from a name, so that a second run makes nothing twice.
func drawn(name string) string {
	sum := sha256.Sum256([]byte("doorfleet/" + name))
	return hex.EncodeToString(sum[:10])
}

// blockOf is a license as the hub's API has it.
func blockOf(numbers, apps int, until string, features ...string) map[string]any {
	block := map[string]any{"counts": map[string]int{"sip_numbers": numbers, "apps": apps}, "features": features}
	if until != "" {
		block["until"] = until
	}
	return block
}

// company gives a hub something to look at in its license ledger, by its API, as somebody would click it together: a company with a
// package, a building for each of the first sites, flats, and residents who hold numbers and seats.
func (c *child) company(ctx context.Context, places []*place) error {
	root := drawn("company")
	group := func(id, parent, name, level string) error {
		return c.api.ask(ctx, http.MethodPost, "/groups", map[string]string{"id": id, "parent": parent, "name": name, "level": level, "manager": "Ines Conti"}, nil)
	}
	if err := group(root, "", companyName, "company"); err != nil {
		return fmt.Errorf("cannot make the company: %w", err)
	}
	text, ends, err := c.plus(root)
	if err != nil {
		return err
	}
	if err := c.api.ask(ctx, http.MethodPost, "/groups/"+root+"/packages", map[string]string{"text": text}, nil); err != nil {
		return fmt.Errorf("cannot enter the company's package: %w", err)
	}
	for n, p := range places[:min(companySites, len(places))] {
		building := drawn(p.id)
		if err := group(building, root, p.name, "building"); err != nil {
			return fmt.Errorf("cannot make the building of %s: %w", p.id, err)
		}
		if err := c.furnish(ctx, p, building, n, ends); err != nil {
			return fmt.Errorf("cannot furnish the building of %s: %w", p.id, err)
		}
	}
	return nil
}

// furnish gives the n-th building, from 0, its licenses, its site and its residents. The first one has just what it uses, so that a
// limit that is reached can be seen; the last has no restriction of its own.
func (c *child) furnish(ctx context.Context, p *place, building string, n int, ends string) error {
	if n < companySites-1 {
		limits := map[string]any{"restricted": true, "blocks": []any{blockOf(2*flatsEach+14*n, flatsEach+7*n, ends, "guests", "remote_open")}}
		if n == 1 {
			limits["reminder"] = map[string]any{"days": 30, "every": "weekly"}
		}
		if err := c.api.ask(ctx, http.MethodPut, "/groups/"+building+"/licenses", limits, nil); err != nil {
			return err
		}
	}
	if err := c.api.ask(ctx, http.MethodPut, "/sites/"+url.PathEscape(p.id)+"/group", map[string]string{"group": building}, nil); err != nil {
		return err
	}
	for i := range flatsEach {
		name := fmt.Sprintf("Flat %d", i+1)
		flat, person := drawn(p.id+name), drawn(p.id+name+"resident")
		if err := c.api.ask(ctx, http.MethodPost, "/groups", map[string]string{"id": flat, "parent": building, "name": name, "level": "apartments"}, nil); err != nil {
			return err
		}
		who := firstNames[(flatsEach*n+i)%len(firstNames)]
		if err := c.api.ask(ctx, http.MethodPost, "/groups/"+flat+"/people", map[string]string{"id": person, "name": who}, nil); err != nil {
			return err
		}
		for _, use := range []map[string]string{
			{"id": drawn(person + "number"), "resource": "sip_numbers", "label": fmt.Sprint(1000 + 10*n + i)}, {"id": drawn(person + "seat"), "resource": "apps", "label": who + "'s telephone"},
		} {
			if err := c.api.ask(ctx, http.MethodPost, "/people/"+person+"/uses", use, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// plus is a package for the company, of the issuer that only this hub knows, always the same one, and when it ends.
func (c *child) plus(root string) (text, ends string, err error) {
	year := time.Now().Year()
	until := time.Date(year+2, time.January, 1, 0, 0, 0, 0, time.UTC)
	token := license.Token{
		IssuedAt: time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC), Scope: license.ScopeGroup, Subject: []byte(root), Label: "Plus 100", Expires: until,
		Grants: []license.Grant{{Feature: "sip_numbers", Count: 100}, {Feature: "apps", Count: 50}, {Feature: "guests", Count: 1}, {Feature: "remote_open", Count: 1}, {Feature: "web_dialer", Count: 1}},
	}
	sum := sha256.Sum256(append([]byte("doorfleet/package"), c.issuer.Public().(ed25519.PublicKey)...))
	copy(token.ID[:], sum[:])
	raw, err := token.Sign(c.issuer.Public().(ed25519.PublicKey), signer(c.issuer))
	if err != nil {
		return "", "", err
	}
	return envelope.Armor(envelope.License, raw), until.Format(time.RFC3339), nil
}
