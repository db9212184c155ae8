package configs

import (
	"fmt"
	"log/slog"
	"strings"
)

// Problem is one mistake in a configuration file, told so that it can be mended without a manual.
type Problem struct {
	File   string // as it was named to Parse or Load
	Row    int    // from 1
	Column int    // from 1, in characters
	Key    string // the whole key, such as door.pulse; empty where none could be made out
	Value  string // as it is written, shortened; a secret as ***; empty where nothing is written
	Cause  string // what is wrong
	Remedy string // what to write in its place
}

// String is one line: doorpanel.toml:12:9: door.pulse = "3": not a duration; write "3s".
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Row, p.Column)
	b.WriteString(p.Key)
	if p.Key != "" && p.Value != "" {
		b.WriteString(" = ")
	}
	b.WriteString(p.Value)
	if p.Key != "" || p.Value != "" {
		b.WriteString(": ")
	}
	b.WriteString(p.Cause)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Problems are all mistakes of one file, in the order of their places. It is an error when there is at least one.
type Problems []Problem

// Error names the file and the number of mistakes, and lists each on a line of its own.
func (p Problems) Error() string {
	if len(p) == 0 {
		return "no mistakes"
	}
	var b strings.Builder
	if len(p) == 1 {
		fmt.Fprintf(&b, "cannot use %s: 1 mistake:", p[0].File)
	} else {
		fmt.Fprintf(&b, "cannot use %s: %d mistakes:", p[0].File, len(p))
	}
	for _, one := range p {
		b.WriteString("\n" + one.String())
	}
	return b.String()
}

// Secret is a password or the like. Every way of printing it gives ***; the zero value is no secret.
type Secret struct{ text string }

// NewSecret keeps text from being printed by accident.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself, for the one place that must send it.
func (s Secret) Reveal() string { return s.text }

// IsSet tells whether there is a secret at all.
func (s Secret) IsSet() bool { return s.text != "" }

// String returns ***, or nothing where there is no secret.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return "***"
}

// GoString is String, so that %#v tells no more.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// Format is String for every verb: %x of a struct would otherwise print the bytes of its fields.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'q' || verb == 'v' && f.Flag('#') {
		_, _ = fmt.Fprint(f, s.GoString())
		return
	}
	_, _ = fmt.Fprint(f, s.String())
}

// MarshalText is String, for JSON, TOML and XML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
