package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
)

type issueFlags struct {
	key                                keyFlags
	trust                              trustFlags
	scope, panel, account, site, group string
	grants                             []string
	notBefore, expires, updates        string
	annual                             bool
	days                               int
	label, out                         string
	count                              int
	newFeatures                        bool
	table, batch                       string
	asJSON                             bool
}

func issueCommand(d desk) *cobra.Command {
	var f issueFlags
	cmd := &cobra.Command{
		Use:   "issue --key FILE --grant FEATURE[=COUNT] ...",
		Short: "Sign a license, or thousands",
		Long: `Sign a license and print its text. Without --panel, --account, --site or --group it is a bearer license: it belongs to whoever
activates it first. Without --annual, --days or --expires it never ends.

An issuer's delegation is found with --delegation, or as FILE.delegation beside FILE.key (see doorlicense delegate --file): what goes beyond its ceilings
or dates, and what its root has revoked, is refused before anything is signed. It is verified with its root's key, from --root or that file.

More than one: --count N of the same, or --csv FILE with one order a line. They go into the file named by --batch, one JSON object a line, which is
worth what the licenses are worth: keep it like the key. A run that was stopped goes on when the same command is run again;
no license is issued twice. Print the file with doorlicense sheet.

Columns of a CSV file, each taking the place of the flag of its name: label, panel, account, site, group, scope, grant (several apart by
blanks), annual (yes or no), days, not-before, expires, updates-until, count. An empty cell leaves what the flag says.

Features: ` + featureList() + `.
A panel that does not know a feature keeps the license and ignores it; --new-feature allows names that this version does not know either.`,
		Example: `  doorlicense issue --key root.key --grant buttons=10 --label "Villa Rosa" --out villa.png
  doorlicense issue --key north.key --grant access_basic --annual --panel am4wegjdp522mtysv237hfzdvm
  doorlicense issue --key north.key --grant app_remote --account rossi --json
  doorlicense issue --key north.key --grant buttons=1 --count 10000 --batch stock.jsonl
  doorlicense issue --key north.key --csv flats.csv --grant app_remote --batch flats.jsonl`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			tokens, err := f.tokens(d)
			if err != nil {
				return err
			}
			for _, token := range tokens {
				if !token.Expires.IsZero() && !d.now().Before(token.Expires) {
					return usage("license %q would have ended on %s already: --expires is the first day on which it no longer holds", token.Label, token.Expires.Format(time.DateOnly))
				}
			}
			many := len(tokens) > 1 || f.table != "" || f.batch != ""
			switch {
			case many && f.batch == "":
				return usage("--batch is missing: name the file for %d licenses; a run that was stopped goes on from it", len(tokens))
			case many && f.out != "":
				return usage("--out draws one license; draw a batch with doorlicense sheet")
			}
			key, err := d.loadKey(f.key)
			if err != nil {
				return err
			}
			standing, err := f.trust.standingOf(d, key, f.key.file)
			if err != nil {
				return err
			}
			now := d.now().UTC().Truncate(time.Second)
			if many {
				return f.issueMany(cmd.Context(), d, tokens, key, standing, now)
			}
			token := tokens[0]
			token.IssuedAt = now
			if err := standing.check(token); err != nil {
				return err
			}
			if err := d.drawID(&token); err != nil {
				return err
			}
			raw, err := token.Sign(key.pub, key.sign)
			if err != nil {
				return err
			}
			return d.deliver(document{envelope.License, raw, token.ID, describe(token)}, f.out, f.asJSON)
		},
	}
	f.key.register(cmd, "a root or an issuer")
	f.trust.register(cmd)
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
	flags.IntVar(&f.count, "count", 1, "how many of the same")
	flags.BoolVar(&f.newFeatures, "new-feature", false, "allow features that this version does not know")
	flags.StringVar(&f.table, "csv", "", "table with one order a line")
	flags.StringVar(&f.batch, "batch", "", "file that keeps many licenses")
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

// tokens are the licenses that were ordered, without id and time of issue.
func (f issueFlags) tokens(d desk) ([]license.Token, error) {
	if f.table != "" {
		table, err := os.Open(f.table)
		if err != nil {
			return nil, fmt.Errorf("cannot read table: %w", err)
		}
		defer table.Close()
		tokens, err := tableOrder(table, f)
		if err != nil {
			return nil, fmt.Errorf("cannot order from %s, nothing was issued: %w", f.table, err)
		}
		return tokens, nil
	}
	if f.count < 1 || f.count > maxBatch {
		return nil, usage("cannot issue %d licenses: --count is from 1 to %d", f.count, maxBatch)
	}
	token, err := f.token()
	return slices.Repeat([]license.Token{token}, f.count), err
}

func (f issueFlags) issueMany(ctx context.Context, d desk, tokens []license.Token, key signingKey, standing standing, now time.Time) error {
	ordered, err := newOrder(tokens)
	if err != nil {
		return err
	}
	result, err := d.issueBatch(ctx, f.batch, ordered, key, standing, now)
	if err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(d.out, result)
	}
	_, err = fmt.Fprintf(d.out, "%s in %s, %d of them new\n", counted(result.Count, "license"), result.Batch, result.New)
	return err
}

func (f issueFlags) token() (license.Token, error) {
	token := license.Token{Label: f.label, Term: license.Term{Days: f.days}}
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
	if err := f.subject(&token); err != nil {
		return token, err
	}
	for _, grant := range token.Grants {
		if license.Describe(grant.Feature) == (license.Feature{Name: grant.Feature, Title: grant.Feature}) && !f.newFeatures {
			return token, usage("there is no feature %q; the features are %s. --new-feature allows it all the same", grant.Feature, featureList())
		}
	}
	return token, checkToken(token)
}

// checkToken finds what cannot be signed before the first license of an order is.
func checkToken(token license.Token) error {
	nobody := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	token.ID, token.IssuedAt = license.TokenID{1}, time.Unix(1, 0)
	_, err := token.Sign(nobody.Public().(ed25519.PublicKey), func(message []byte) ([]byte, error) { return ed25519.Sign(nobody, message), nil })
	return err
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
			if feature := license.Describe(name); count != 1 && !feature.Counted && feature.Title != name {
				return nil, usage("cannot read --%s %q: %s is on or off; write --%[1]s %[3]s", flag, text, name)
			}
		} else if license.Describe(name).Counted {
			return nil, usage("cannot read --%s %q: say how many, like %s=10", flag, text, name)
		}
		grants = append(grants, license.Grant{Feature: name, Count: count})
	}
	slices.SortStableFunc(grants, func(a, b license.Grant) int { return strings.Compare(a.Feature, b.Feature) })
	for i := range grants[1:] {
		if grants[i].Feature == grants[i+1].Feature {
			return nil, usage("--%s %s is there twice: keep one", flag, grants[i].Feature)
		}
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
