package agent

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/fxamacker/cbor/v2"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
)

// Record is one entry of the journal with the moment at which it was made. docs/journal-events.md describes its bytes.
type Record struct {
	Boot     string // 16 hexadecimal digits
	Now      panel.Now
	Entry    panel.Entry
	Remember []panel.Memory
}

// openPart is what stays for good. Small integer keys keep an entry under 200 bytes.
type openPart struct {
	Boot     []byte     `cbor:"1,keyasint"`
	Wall     int64      `cbor:"2,keyasint"` // milliseconds since 1970
	Mono     int64      `cbor:"3,keyasint"` // milliseconds since the boot
	Trusted  bool       `cbor:"4,keyasint,omitempty"`
	Kind     string     `cbor:"5,keyasint"`
	Door     string     `cbor:"6,keyasint,omitempty"`
	Why      string     `cbor:"7,keyasint,omitempty"`
	Reader   string     `cbor:"8,keyasint,omitempty"`
	Call     string     `cbor:"9,keyasint,omitempty"`
	Button   int        `cbor:"10,keyasint,omitempty"`
	Detail   string     `cbor:"11,keyasint,omitempty"`
	Remember [][]string `cbor:"12,keyasint,omitempty"` // pairs of key and value
	Sealed   []byte     `cbor:"13,keyasint,omitempty"`
	ByHand   bool       `cbor:"15,keyasint,omitempty"`
	Document string     `cbor:"16,keyasint,omitempty"`
	Digest   string     `cbor:"17,keyasint,omitempty"`
}

// personalPart names somebody. It can be erased.
type personalPart struct {
	Who        string     `cbor:"1,keyasint,omitempty"`
	Credential string     `cbor:"2,keyasint,omitempty"`
	Remember   [][]string `cbor:"3,keyasint,omitempty"` // pairs of key and value
}

// maxText bounds each text of an entry, in bytes: what people and networks send ends up here.
const maxText = 256

// Encode returns the two parts of the entry. The personal part is empty when nobody is named.
func (r Record) Encode() (open, personal []byte) {
	boot, err := hex.DecodeString(r.Boot)
	if err != nil {
		boot = []byte(r.Boot)
	}
	e := r.Entry
	part := openPart{
		Boot: boot, Wall: r.Now.Wall.UnixMilli(), Mono: r.Now.Mono.Milliseconds(), Trusted: r.Now.Trusted, Kind: string(e.Kind),
		Door: plain(e.Door), Why: plain(e.Why), Reader: plain(e.Reader), Call: plain(e.Call), Button: e.Button, Detail: plain(e.Detail),
		Sealed: e.Sealed, Document: plain(e.Document), Digest: plain(e.Digest),
		ByHand: r.Now.ByHand,
	}
	named := personalPart{Who: plain(e.Who), Credential: plain(e.Credential)}
	for _, m := range r.Remember {
		pair := []string{m.Key, m.Value}
		if m.Personal() {
			named.Remember = append(named.Remember, pair)
		} else {
			part.Remember = append(part.Remember, pair)
		}
	}
	open = mustCBOR(part)
	if named.Who != "" || named.Credential != "" || len(named.Remember) > 0 {
		personal = mustCBOR(named)
	}
	return open, personal
}

// Decode reads the two parts of an entry. A personal part that was erased is empty.
func Decode(open, personal []byte) (Record, error) {
	var part openPart
	if err := cbor.Unmarshal(open, &part); err != nil {
		return Record{}, fmt.Errorf("cannot read journal entry: %w", err)
	}
	var named personalPart
	if len(personal) > 0 {
		if err := cbor.Unmarshal(personal, &named); err != nil {
			return Record{}, fmt.Errorf("cannot read the personal part of a journal entry: %w", err)
		}
	}
	r := Record{
		Boot: hex.EncodeToString(part.Boot),
		Now: panel.Now{
			Mono: time.Duration(part.Mono) * time.Millisecond, Wall: time.UnixMilli(part.Wall).UTC(), Trusted: part.Trusted,
			ByHand: part.ByHand,
		},
		Entry: panel.Entry{
			Kind: panel.Kind(part.Kind), Door: part.Door, Why: part.Why, Reader: part.Reader, Call: part.Call, Button: part.Button,
			Detail: part.Detail, Who: named.Who, Credential: named.Credential, Sealed: part.Sealed, Document: part.Document, Digest: part.Digest,
		},
	}
	for _, pair := range slices.Concat(part.Remember, named.Remember) {
		if len(pair) != 2 {
			return Record{}, fmt.Errorf("cannot read journal entry: a memory has %d parts, not 2", len(pair))
		}
		r.Remember = append(r.Remember, panel.Memory{Key: pair[0], Value: pair[1]})
	}
	return r, nil
}

// mustCBOR encodes structs of plain fields: only a programming error can fail.
func mustCBOR(v any) []byte {
	b, err := cbor.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// plain cuts a text to size and takes out what controls a terminal or turns the direction of writing: logs and terminals show the journal.
func plain(text string) string {
	clean := func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}
	text = strings.Map(clean, strings.ToValidUTF8(text, ""))
	for len(text) > maxText {
		text = text[:maxText]
		text = strings.ToValidUTF8(text, "")
	}
	return text
}

// Replay gathers what the entries of a journal say must be remembered. The zero value has seen nothing.
type Replay struct {
	Time   license.Timekeeping // what is known about the time
	memory map[string]string
	boot   string        // of the entry before
	mono   time.Duration // of the entry before
}

// Restore starts from a snapshot.
func (r *Replay) Restore(memory []panel.Memory, keeping license.Timekeeping) {
	r.Time = keeping
	for _, m := range memory {
		r.set(m)
	}
}

// Add takes note of one entry, in the order of the journal.
func (r *Replay) Add(record Record) {
	for _, m := range record.Remember {
		r.set(m)
	}
	r.look(record.Boot, record.Now)
}

// look takes note of the time that an entry was made at.
func (r *Replay) look(boot string, now panel.Now) {
	reading := license.Reading{Wall: now.Wall, Source: license.Unknown}
	if boot == r.boot {
		reading.Elapsed = now.Mono - r.mono
	}
	switch {
	case now.ByHand:
		reading.Source = license.Administrator
	case now.Trusted:
		// A battery clock was compared with the mark when it was read.
		reading.Source = license.Synchronized
	}
	r.boot, r.mono = boot, now.Mono
	r.Time = r.Time.Observe(reading)
}

func (r *Replay) set(m panel.Memory) {
	if r.memory == nil {
		r.memory = map[string]string{}
	}
	panel.Keep(r.memory, m)
}

// Memory returns everything remembered, by key.
func (r *Replay) Memory() []panel.Memory {
	var all []panel.Memory
	for k, v := range r.memory {
		all = append(all, panel.Memory{Key: k, Value: v})
	}
	slices.SortFunc(all, func(a, b panel.Memory) int { return strings.Compare(a.Key, b.Key) })
	return all
}
