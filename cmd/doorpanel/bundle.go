package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/web"
)

// A support bundle is what somebody far away needs to find out what is wrong: how the panel is set up and how it is doing.
// It is to be sent by mail, so it names nobody and opens nothing.

const (
	bundleEntries = 1000
	hidden        = "***"
)

func bundleCommand() *cobra.Command {
	var p place
	var file string
	cmd := &cobra.Command{
		Use:   "bundle --out FILE.zip",
		Short: "Write what support needs to know into one file, without secrets and without names",
		Long: "Write the configuration without its secrets, the panel's state, doctor's findings, the last lines of the log, the last\n" +
			"entries of the journal without persons, and what the licenses give into FILE.zip. No name of a person, no code, no card,\n" +
			"no key and no license is in it.",
		Example: "  doorpanel bundle --out panel-2026-11-21.zip",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{errors.New("cannot make bundle: name the file with --out FILE.zip")}
			}
			var archive bytes.Buffer
			err := withAPI(cmd, p, func(ctx context.Context, a *api) error { return a.copy(ctx, "/api/v1/bundle", &archive) })
			if err != nil {
				return fmt.Errorf("cannot make bundle: %w", err)
			}
			if err := daemon.WriteDurably(file, archive.Bytes(), 0o600); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d KiB, without secrets and names\n", file, (archive.Len()+1023)/1024)
			return nil
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&file, "out", "", "the `FILE` to write")
	return cmd
}

// bundle makes the support bundle, and writes down who took it.
func (h *house) bundle(_ context.Context, by string) ([]byte, error) {
	veil := h.veil()
	entries, err := h.bareEntries(veil)
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal for the bundle: %w", err)
	}
	var archive bytes.Buffer
	out := zip.NewWriter(&archive)
	add := func(name string, content []byte) {
		file, createErr := out.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: h.clock.now().Wall})
		if createErr != nil {
			err = errors.Join(err, createErr)
			return
		}
		_, writeErr := file.Write(content)
		err = errors.Join(err, writeErr)
	}
	for _, part := range []struct {
		name  string
		value any
	}{
		{"configuration.json", plainConfig(h.config)}, {"status.json", veil.status(h.webStatus())}, {"doctor.json", veil.findings(h.examineItself())},
		{"versions.json", versions()}, {"licenses.json", bareLicenses(h.licensePort())},
	} {
		text, marshalErr := json.MarshalIndent(part.value, "", "  ")
		err = errors.Join(err, marshalErr)
		add(part.name, append(text, '\n'))
	}
	add("journal.jsonl", entries)
	add("log.txt", []byte(veil.log(h.logged())))
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, fmt.Errorf("cannot make the bundle: %w", err)
	}
	h.tell(panel.Entry{Kind: panel.ConfigIs, Who: by, Detail: "support bundle made"})
	return archive.Bytes(), nil
}

func versions() map[string]string {
	return map[string]string{"doorpanel": version(), "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH}
}

// impersonal are the subjects of entries whose detail speaks of the panel and of nobody.
var impersonal = []string{"device.", "system.", "clock.", "strike.", "door.", "fire.", "tamper.", "account."}

// bareEntries is the end of the journal, oldest first: what happened and why, without who, with which card, and whom they called.
func (h *house) bareEntries(veil *veil) ([]byte, error) {
	entries, err := journalPort{h.journal}.Before(math.MaxUint64, bundleEntries)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	for _, e := range slices.Backward(entries) {
		e.Who, e.Credential, e.Sealed = "", "", nil
		detail := veil.hide(e.Detail)
		if e.Detail = ""; slices.ContainsFunc(impersonal, func(subject string) bool { return strings.HasPrefix(string(e.Kind), subject) }) {
			e.Detail = detail
		}
		if err := out.Encode(e); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// bareLicense is a stored license without anything that could be entered somewhere, and without whom it is for.
type bareLicense struct {
	ID     string         `json:"id"`
	Grants map[string]int `json:"grants"`
	Scope  string         `json:"scope"`
	Status string         `json:"status"`
	From   time.Time      `json:"from,omitzero"`
	Until  time.Time      `json:"until,omitzero"`
	Issuer string         `json:"issuer"`
	Root   string         `json:"root"`
}

// bareLine is what there is of one feature.
type bareLine struct {
	Feature string         `json:"feature"`
	Status  license.Status `json:"status"`
	Until   time.Time      `json:"until,omitzero"`
	Maximum int            `json:"maximum"`
	Used    int            `json:"used"`
}

func bareLicenses(port licensePort) map[string]any {
	lines, held := []bareLine{}, []bareLicense{}
	for _, l := range port.Overview() {
		lines = append(lines, bareLine{l.Feature, l.Status, l.Until, l.Maximum, l.Used})
	}
	for _, l := range port.Held() {
		held = append(held, bareLicense{l.ID, l.Grants, l.Scope, l.Status, l.From, l.Until, l.Issuer, l.Root})
	}
	return map[string]any{"features": lines, "licenses": held}
}

// private are the fields of a configuration that are nobody's business but the site's: who lives behind a button, and with which
// name the panel logs in.
var private = []string{"Label", "Target", "User"}

// plainConfig is a configuration as maps and texts, with *** in place of secrets and of what is private.
func plainConfig(c configs.Config) any { return plainValue(reflect.ValueOf(c)) }

func plainValue(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case configs.Secret:
		return x.String()
	case time.Duration:
		return x.String()
	case *time.Location:
		return fmt.Sprint(x)
	case netip.AddrPort:
		return x.String()
	case ed25519.PublicKey:
		return envelope.KeyText(x)
	case rune:
		if x == 0 {
			return ""
		}
		return string(x)
	}
	switch v.Kind() {
	case reflect.Struct:
		fields := map[string]any{}
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			fields[field.Name] = plainValue(v.Field(i))
			if slices.Contains(private, field.Name) && !v.Field(i).IsZero() {
				fields[field.Name] = hidden
			}
		}
		return fields
	case reflect.Slice:
		items := []any{}
		for i := range v.Len() {
			items = append(items, plainValue(v.Index(i)))
		}
		return items
	}
	return v.Interface()
}

// veil takes out of texts made for the panel's owner what nobody else is to read.
type veil struct{ known *strings.Replacer }

// leastKnown is how long a text must be to be looked for: a shorter one stands everywhere.
const leastKnown = 3

// veil knows the secrets of the configuration, and whom the buttons call.
func (h *house) veil() *veil {
	words := []string{h.config.Uplink.Password.Reveal(), h.config.Uplink.User}
	for _, a := range h.config.SIP.Accounts {
		words = append(words, a.Password.Reveal(), a.User)
	}
	for _, b := range h.config.Buttons {
		words = append(words, b.Label, b.Target)
	}
	for _, b := range h.dir.Buttons() {
		words = append(words, b.Label, b.Target)
	}
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) }) // of two that begin alike the longer one
	var pairs []string
	for _, w := range words {
		if len(w) >= leastKnown {
			pairs = append(pairs, w, hidden)
		}
	}
	return &veil{strings.NewReplacer(pairs...)}
}

var (
	armored   = regexp.MustCompile(`\b[A-Z]{2}[0-9]:[0-9A-Z $%*+\-./:]+`)     // licenses, passes, identities: base45
	addressed = regexp.MustCompile(`(?i)\b(sips?|tel|mailto):[^\s"'\\<>,;]+`) // telephones and mail
	mailed    = regexp.MustCompile(`[^\s"'\\<>,;:=]+@[^\s"'\\<>,;:]+`)
	quoted    = regexp.MustCompile(`\\?"[^"\\]*\\?"`) // errors put names between quotation marks
)

// hide makes a sentence fit for strangers.
func (v *veil) hide(text string) string {
	text = armored.ReplaceAllString(text, hidden)
	text = addressed.ReplaceAllString(text, hidden)
	text = mailed.ReplaceAllString(text, hidden)
	text = quoted.ReplaceAllString(text, hidden)
	return v.known.Replace(text)
}

func (v *veil) status(s web.Status) web.Status {
	s.Parts, s.Notes = slices.Clone(s.Parts), slices.Clone(s.Notes)
	for i := range s.Parts {
		s.Parts[i].Detail = v.hide(s.Parts[i].Detail)
	}
	for i := range s.Notes {
		s.Notes[i] = v.hide(s.Notes[i])
	}
	return s
}

func (v *veil) findings(list []finding) []finding {
	for i := range list {
		list[i].What, list[i].Remedy = v.hide(list[i].What), v.hide(list[i].Remedy)
	}
	return list
}

// A line of the log is pairs of key and value. What stands behind a key that is not listed is hidden; sentences are read through.
var (
	logPair      = regexp.MustCompile(`([A-Za-z_.]+)=("(?:\\.|[^"\\])*"|\S*)`)
	plainKeys    = []string{"time", "level", "part", "seq", "kind", "door", "why", "status", "state", "what", "on", "from", "after", "number", "bytes", "waiting", "first", "last", "entries", "schema", "ours", "epoch", "file", "panel", "answered", "reason", "method"}
	sentenceKeys = []string{"msg", "cause", "err", "error", "detail"}
)

func (v *veil) log(lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		pairs := logPair.FindAllStringSubmatch(line, -1)
		for i, pair := range pairs {
			key, value := pair[1], pair[2]
			switch {
			case slices.Contains(sentenceKeys, key):
				value = `"` + v.hide(strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`)) + `"`
			case !slices.Contains(plainKeys, key):
				value = hidden
			}
			if i > 0 {
				text.WriteByte(' ')
			}
			text.WriteString(key + "=" + value)
		}
		text.WriteByte('\n')
	}
	return text.String()
}
