package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

type issueFlags struct {
	key                                keyFlags
	scope, panel, account, site, group string
	grants                             []string
	notBefore, expires, updates        string
	annual                             bool
	days                               int
	label, out                         string
	asJSON                             bool
}

func issueCommand(d desk) *cobra.Command {
	var f issueFlags
	cmd := &cobra.Command{
		Use:   "issue --key FILE --grant FEATURE[=COUNT] ...",
		Short: "Sign a license and print its text",
		Long: `Sign a license and print its text. Without --panel, --account, --site or --group it is a bearer license: it belongs to whoever
activates it first. Without --annual, --days or --expires it never ends.

Features: ` + featureList() + `.
Other names are taken too; a panel that does not know one keeps it and ignores it.`,
		Example: `  doorlicense issue --key root.key --grant buttons=10 --label "Villa Rosa" --out villa.png
  doorlicense issue --key north.key --grant access_basic --annual --panel am4wegjdp522mtysv237hfzdvm
  doorlicense issue --key north.key --grant app_remote --account rossi --json`,
		Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			token, err := f.token(d.now())
			if err != nil {
				return err
			}
			key, err := d.loadKey(f.key)
			if err != nil {
				return err
			}
			if _, err := io.ReadFull(d.random, token.ID[:]); err != nil {
				return fmt.Errorf("cannot draw a license id: %w", err)
			}
			raw, err := token.Sign(key.pub, key.sign)
			if err != nil {
				return err
			}
			return d.deliver(document{envelope.License, raw, token.ID.String(), describe(token)}, f.out, f.asJSON)
		},
	}
	f.key.register(cmd, "a root or an issuer")
	flags := cmd.Flags()
	flags.StringArrayVar(&f.grants, "grant", nil, "feature, or feature=count; may be repeated")
	flags.StringVar(&f.panel, "panel", "", "id of the panel it is for (26 characters)")
	flags.StringVar(&f.account, "account", "", "account it is for")
	flags.StringVar(&f.site, "site", "", "site it is for")
	flags.StringVar(&f.group, "group", "", "group it is for")
	flags.StringVar(&f.scope, "scope", "", "what a bearer license belongs to: panel (default), account, site or group")
	flags.StringVar(&f.notBefore, "not-before", "", "first day it holds")
	flags.StringVar(&f.expires, "expires", "", "first day it no longer holds")
	flags.BoolVar(&f.annual, "annual", false, "a calendar year from activation")
	flags.IntVar(&f.days, "days", 0, "days from activation")
	flags.StringVar(&f.updates, "updates-until", "", "first day without included updates (default: ten years from now)")
	flags.StringVar(&f.label, "label", "", "short text for people")
	flags.StringVar(&f.out, "out", "", "picture to draw, .png or .svg")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func featureList() string {
	var names []string
	for _, feature := range license.Features() {
		name := feature.Name
		if feature.Counted {
			name += "=COUNT"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func (f issueFlags) token(now time.Time) (license.Token, error) {
	token := license.Token{IssuedAt: now.UTC().Truncate(time.Second), Label: f.label, Term: license.Term{Days: f.days}}
	if f.annual {
		token.Term.Years = 1
	}
	var err error
	if token.Grants, err = parseGrants("grant", f.grants); err != nil {
		return token, err
	}
	if token.NotBefore, err = moment("not-before", f.notBefore); err != nil {
		return token, err
	}
	if token.Expires, err = moment("expires", f.expires); err != nil {
		return token, err
	}
	if token.Updates, err = moment("updates-until", f.updates); err != nil {
		return token, err
	}
	return token, f.subject(&token)
}

func (f issueFlags) subject(token *license.Token) error {
	bound := 0
	for _, named := range []struct {
		scope license.Scope
		name  string
	}{{license.ScopePanel, f.panel}, {license.ScopeAccount, f.account}, {license.ScopeSite, f.site}, {license.ScopeGroup, f.group}} {
		if named.name != "" {
			bound++
			token.Scope, token.Subject = named.scope, []byte(named.name)
		}
	}
	switch {
	case bound > 1 || bound == 1 && f.scope != "":
		return usage("a license is for one panel, account, site or group: keep one of --panel, --account, --site, --group, --scope")
	case bound == 0:
		token.Scope = license.ScopePanel
		if f.scope != "" {
			token.Scope = license.Scope(f.scope)
		}
	}
	if f.panel != "" {
		id, err := envelope.ParseThumbprint(f.panel)
		if err != nil {
			return usageError{err}
		}
		token.Subject = id[:]
	}
	return nil
}

func parseGrants(flag string, texts []string) ([]license.Grant, error) {
	if len(texts) == 0 {
		return nil, usage("--%s is missing: name a feature, like --%s buttons=10", flag, flag)
	}
	var grants []license.Grant
	for _, text := range texts {
		name, digits, counted := strings.Cut(text, "=")
		count := 1
		if counted {
			var err error
			if count, err = strconv.Atoi(digits); err != nil {
				return nil, usage("cannot read --%s %q: the count is not a number", flag, text)
			}
		} else if license.Describe(name).Counted {
			return nil, usage("cannot read --%s %q: say how many, like %s=10", flag, text, name)
		}
		grants = append(grants, license.Grant{Feature: name, Count: count})
	}
	return grants, nil
}

// describe says in one line what a license holds.
func describe(token license.Token) string {
	var parts []string
	for _, grant := range token.Grants {
		parts = append(parts, fmt.Sprintf("%s=%d", grant.Feature, grant.Count))
	}
	text := fmt.Sprintf("license %s: %s, for ", token.ID, strings.Join(parts, ", "))
	if name := token.For(); name != "" {
		text += string(token.Scope) + " " + name
	} else {
		text += "the " + string(token.Scope) + " that activates it first"
	}
	if token.Term.Years == 1 {
		text += ", a year"
	} else if token.Term.Years > 1 {
		text += fmt.Sprintf(", %d years", token.Term.Years)
	}
	if token.Term.Days > 0 {
		text += fmt.Sprintf(", %d days", token.Term.Days)
	}
	if !token.NotBefore.IsZero() {
		text += ", from " + token.NotBefore.Format(time.DateOnly)
	}
	if !token.Expires.IsZero() {
		text += ", until " + token.Expires.Format(time.DateOnly)
	}
	if token.Perpetual() {
		text += ", for ever"
	}
	return text
}
