package telemetry

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// What a command may ask for.
const (
	VerbOpen     = "open"     // the door that Object names
	VerbLockdown = "lockdown" // Object is "on" or "off"
	VerbText     = "text"     // Object is shown to the people at the door for a while
	VerbReturn   = "return"   // Object is a ReturnOrder: give a part of a share back to the hub
	VerbStops    = "stops"    // Object is a ReturnOrder: say what would stop, and do nothing
	VerbTell     = "tell"     // Object is "licenses": say again what the panel has from its hub
)

// TellLicenses is the object of VerbTell.
const TellLicenses = "licenses"

// ReturnOrder says until how many of a feature, counted from the beginning, a panel is to give back of a license. The number only
// grows, so that an order which comes twice does nothing twice.
type ReturnOrder struct {
	License string // 32 hexadecimal digits
	Feature string
	Total   int
}

// String is the order as the object of a command.
func (o ReturnOrder) String() string { return fmt.Sprintf("%s %s %d", o.License, o.Feature, o.Total) }

// ParseReturnOrder reads what String makes, and nothing else.
func ParseReturnOrder(text string) (ReturnOrder, error) {
	parts := strings.Split(text, " ")
	if len(parts) != 3 {
		return ReturnOrder{}, fmt.Errorf("cannot read return order %.100q: it has license, feature and number", text)
	}
	total, err := strconv.Atoi(parts[2])
	o := ReturnOrder{License: parts[0], Feature: parts[1], Total: total}
	switch {
	case err != nil || total < 1 || total > maxReturn || o.String() != text:
		return ReturnOrder{}, fmt.Errorf("cannot read return order %.100q: the number is none from 1 to %d", text, maxReturn)
	case len(o.License) != 32 || strings.Trim(o.License, "0123456789abcdef") != "":
		return ReturnOrder{}, fmt.Errorf("cannot read return order %.100q: the license is not named by 32 hexadecimal digits", text)
	case o.Feature == "" || len(o.Feature) > 32 || strings.Trim(o.Feature, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return ReturnOrder{}, fmt.Errorf("cannot read return order %.100q: the feature is none", text)
	}
	return o, nil
}

const maxReturn = 1_000_000_000

// TextLimit is how many characters a text for the display may have.
const TextLimit = 160

// CheckText tells why text cannot be shown on a panel's display: empty, longer than TextLimit characters, not UTF-8, or with
// characters that are not printed (line breaks and marks that turn the direction of writing among them).
func CheckText(text string) error {
	n := utf8.RuneCountInString(text)
	switch {
	case !utf8.ValidString(text):
		return errors.New("cannot show text: not valid UTF-8")
	case strings.TrimSpace(text) == "":
		return errors.New("cannot show an empty text")
	case n > TextLimit:
		return fmt.Errorf("cannot show text of %d characters: at most %d; shorten it", n, TextLimit)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("cannot show text with the character %q: leave it out", r)
		}
	}
	return nil
}

// Command is what somebody with a command key asks of one panel. That its signature is good says nothing about who may ask
// what: the panel compares Panel, Boot, DeadlineMS and Number with its own, and refuses a verb that it does not know.
type Command struct {
	Panel      string // the panel's id, not its name in the topic
	Boot       string // of the panel, from its last status
	DeadlineMS uint64 // on the panel's monotonic clock of that boot, in milliseconds
	Number     uint64 // greater than 0, used once per key and boot
	Verb       string // one of the verbs above
	Object     string
}

// commandWire is the payload of the envelope. Its labels are for ever.
type commandWire struct {
	Panel      string            `cbor:"1,keyasint"`
	Boot       string            `cbor:"2,keyasint"`
	DeadlineMS uint64            `cbor:"3,keyasint"`
	Number     uint64            `cbor:"4,keyasint"`
	What       map[string]string `cbor:"5,keyasint"`
}

func (c Command) check() error {
	for _, text := range []struct{ name, value string }{{"panel", c.Panel}, {"boot", c.Boot}, {"verb", c.Verb}, {"object", c.Object}} {
		limit := nameLimit
		if text.name == "object" && c.Verb == VerbText {
			limit = utf8.UTFMax * TextLimit
		}
		if text.value == "" || len(text.value) > limit {
			return fmt.Errorf("%s has %d bytes, not 1 to %d", text.name, len(text.value), limit)
		}
	}
	if c.Number == 0 {
		return errors.New("the number is 0")
	}
	if c.Verb == VerbText {
		return CheckText(c.Object)
	}
	return nil
}

func (c Command) encode() ([]byte, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(commandWire{c.Panel, c.Boot, c.DeadlineMS, c.Number, map[string]string{c.Verb: c.Object}})
}

// SignCommand returns the payload of the command topic: the command in deterministic CBOR (RFC 8949, section 4.2.1) inside an
// envelope of kind Command, signed by the owner of pub.
func SignCommand(command Command, pub ed25519.PublicKey, sign func(message []byte) ([]byte, error)) ([]byte, error) {
	if err := command.check(); err != nil {
		return nil, fmt.Errorf("cannot sign command %d: %w", command.Number, err)
	}
	payload, err := command.encode()
	if err != nil {
		return nil, fmt.Errorf("cannot sign command %d: %w", command.Number, err)
	}
	return envelope.Sign(envelope.Command, pub, sign, payload)
}

// OpenCommand verifies raw with the key that keys finds and reads the command in it. Errors of the envelope are passed on
// (envelope.ErrMalformed, ErrUnknownKey, ErrForged); a payload that is not exactly what SignCommand makes wraps
// envelope.ErrMalformed.
func OpenCommand(raw []byte, keys func(envelope.KeyID) (ed25519.PublicKey, bool)) (Command, envelope.KeyID, error) {
	payload, kid, err := envelope.Open(envelope.Command, raw, keys)
	if err != nil {
		return Command{}, kid, err
	}
	command, err := decodeCommand(payload)
	if err != nil {
		return Command{}, kid, fmt.Errorf("cannot read command: %w: %v", envelope.ErrMalformed, err)
	}
	return command, kid, nil
}

func decodeCommand(payload []byte) (Command, error) {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8RejectInvalid,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   4,
		MaxMapPairs:       16,
		MaxArrayElements:  16,
	}.DecMode()
	if err != nil {
		return Command{}, err
	}
	var wire commandWire
	if err := mode.Unmarshal(payload, &wire); err != nil {
		return Command{}, err
	}
	if len(wire.What) != 1 {
		return Command{}, fmt.Errorf("it asks for %d things, not for one", len(wire.What))
	}
	command := Command{Panel: wire.Panel, Boot: wire.Boot, DeadlineMS: wire.DeadlineMS, Number: wire.Number}
	for verb, object := range wire.What {
		command.Verb, command.Object = verb, object
	}
	if err := command.check(); err != nil {
		return Command{}, err
	}
	canonical, err := command.encode()
	if err != nil {
		return Command{}, err
	}
	if !bytes.Equal(canonical, payload) {
		return Command{}, errors.New("not in the one encoding that is accepted")
	}
	return command, nil
}
