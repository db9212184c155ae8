package license

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// malformedCBOR is what RFC 8949, appendix F, calls not well-formed.
var malformedCBOR = strings.Fields(`
18 19 1a 1b 1901 1a0102 1b01020304050607 38 58 78 98 9a01ff00 b8 d8 f8 f900 fa0000 fb000000
41 61 5affffffff00 5bffffffffffffffff010203 7affffffff00 7b7fffffffffffffff010203
81 818181818181818181 8200 a1 a20102 a100 a2000000 c0 5f4100 7f6100
9f 9f0102 bf bf01020102 819f 9f8000 9f9f9f9f9fffffffff 9f819f819f9fffffff
1c 1d 1e 3c 3d 3e 5c 5d 5e 7c 7d 7e 9c 9d 9e bc bd be dc dd de fc fd fe f800 f801 f818 f81f
5f00ff 5f21ff 5f6100ff 5f80ff 5fa0ff 5fc000ff 5fe0ff 7f4100ff 5f5f4100ffff 7f7f6100ffff
ff 81ff 8200ff a1ff a1ff00 a100ff a20000ff 9f81ff 9f829f819f9fffffffff bf00ff bf000000ff 1f 3f df`)

// wellFormedCBOR is RFC 8949, appendix A; empty where the shared test data are not here.
func wellFormedCBOR(t *testing.T) [][]byte {
	raw, err := os.ReadFile(filepath.Join("..", "..", "shared", "testdata", "cbor-rfc8949", "appendix_a.json"))
	if err != nil {
		t.Log("the items of appendix A left out: ../shared/testdata is absent")
		return nil
	}
	var items []struct{ CBOR string }
	if err := json.Unmarshal(raw, &items); err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, item := range items {
		b, err := base64.StdEncoding.DecodeString(item.CBOR)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// refusesPayload signs a payload with a good key, as every kind, and wants none of them to be read.
func refusesPayload(t *testing.T, name string, payload []byte) {
	t.Helper()
	ring := ringOf(t, nil, nil)
	for _, kind := range []envelope.Kind{
		envelope.License, envelope.Delegation, envelope.Revocation, envelope.Slice, envelope.Identity, envelope.Activation, envelope.Return, envelope.Release,
	} {
		raw, err := envelope.Sign(kind, rootKey.pub, rootKey.sign, payload)
		if err != nil {
			continue // not even an envelope
		}
		if v := Examine(envelope.Armor(kind, raw), ring, here, trusted("2026-12-01"), nil, ""); v.Result != Malformed || v.Sign != nil || v.Keep != nil {
			t.Errorf("%s as %s: %s %q", name, kind, v.Result, v.Message)
		}
	}
}

func TestSignedPublishedCBORIsNoPayload(t *testing.T) {
	for _, item := range malformedCBOR {
		raw, err := hex.DecodeString(item)
		if err != nil {
			t.Fatal(item, err)
		}
		refusesPayload(t, item, raw)
	}
	for _, item := range wellFormedCBOR(t) {
		refusesPayload(t, fmt.Sprintf("%x", item), item)
	}
}

// inOwnMap is the payload of a good license with one more label in our own map.
func inOwnMap(t *testing.T, label, value []byte) []byte {
	t.Helper()
	payload, err := encodeToken(ten(1))
	if err != nil {
		t.Fatal(err)
	}
	own, err := hex.DecodeString("a103a167627574746f6e730a")
	if err != nil || !bytes.HasSuffix(payload, own) {
		t.Fatalf("%x does not end in its grants", payload)
	}
	more := append(append([]byte{0xa2}, own[1:]...), append(bytes.Clone(label), value...)...)
	return append(bytes.TrimSuffix(payload, own), more...)
}

// A label that a later version adds may hold anything that is deterministic CBOR without tags; nothing else gets in by that door.
func TestALabelOfTheFutureHoldsDeterministicCBORAlone(t *testing.T) {
	ring := ringOf(t, nil, nil)
	label := []byte{0x18, 0x63}
	for _, item := range malformedCBOR {
		raw, _ := hex.DecodeString(item)
		refusesPayload(t, "label 99: "+item, inOwnMap(t, label, raw))
	}
	for _, item := range wellFormedCBOR(t) {
		var value any
		decoded := strict.Unmarshal(item, &value)
		again, err := encoder.Marshal(value)
		good := decoded == nil && err == nil && bytes.Equal(again, item)
		raw, err := envelope.Sign(envelope.License, rootKey.pub, rootKey.sign, inOwnMap(t, label, item))
		if err != nil {
			t.Fatal(err)
		}
		if v := Examine(envelope.Armor(envelope.License, raw), ring, here, trusted("2026-12-01"), nil, ""); (v.Result == Activated) != good {
			t.Errorf("label 99: %x: %s", item, v.Result)
		}
	}
}

// Every number and every length of a payload has one spelling: each longer one, and each string or collection without a length, is
// refused although it says the same.
func TestEveryOtherSpellingOfAPayloadIsRefused(t *testing.T) {
	token := access(1)
	token.Subject, token.NotBefore, token.Expires, token.Label = idOf(here), issued, issued.AddDate(3, 0, 0), "Villa Rosa"
	payload, err := encodeToken(token)
	if err != nil {
		t.Fatal(err)
	}
	var same any
	if err := cbor.Unmarshal(payload, &same); err != nil {
		t.Fatal(err)
	}
	heads, spelled := headsOf(t, payload), 0
	for _, head := range heads {
		for _, other := range longer(payload[head.at:head.at+head.size], head.argument) {
			again := append(append(bytes.Clone(payload[:head.at]), other...), payload[head.at+head.size:]...)
			refusesPayload(t, fmt.Sprintf("byte %d spelled %x", head.at, other), again)
			spelled++
		}
	}
	if len(heads) < 20 || spelled < 40 {
		t.Errorf("%d heads, %d spellings", len(heads), spelled)
	}
}

type head struct {
	at, size int
	argument uint64
}

// headsOf finds the head of every item of a payload that has maps, arrays, strings and integers alone.
func headsOf(t *testing.T, payload []byte) []head {
	t.Helper()
	var heads []head
	for at := 0; at < len(payload); {
		first := payload[at]
		h := head{at: at, size: 1, argument: uint64(first & 0x1f)}
		if n := first & 0x1f; n >= 24 {
			length := 1 << (n - 24)
			h.size, h.argument = 1+length, 0
			for _, b := range payload[at+1 : at+1+length] {
				h.argument = h.argument<<8 | uint64(b)
			}
		}
		heads = append(heads, h)
		at += h.size
		if major := first >> 5; major == 2 || major == 3 {
			at += int(h.argument)
		}
	}
	return heads
}

// longer spells a head with more bytes than it needs.
func longer(short []byte, argument uint64) [][]byte {
	var all [][]byte
	for i, length := range []int{1, 2, 4, 8} {
		if length < len(short) {
			continue
		}
		spelled := []byte{short[0]&0xe0 | byte(24+i)}
		for n := length - 1; n >= 0; n-- {
			spelled = append(spelled, byte(argument>>(8*n)))
		}
		all = append(all, spelled)
	}
	return all
}

// A health certificate is a COSE envelope in base45, too. None is taken for one of ours, and each says why: by its own prefix it is
// none of our codes, under ours it is damaged.
func TestHealthCertificatesAreRefusedForTheRightReason(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "shared", "testdata", "eu-dcc-qr", "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("foreign codes left out: ../shared/testdata is absent")
	}
	ring, clock := ringOf(t, nil, nil), Clock{Now: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), Trusted: true}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var record struct{ Prefix, Base45, COSE string }
		if err := json.Unmarshal(content, &record); err != nil {
			t.Fatal(file, err)
		}
		message := func(text string) string {
			v := Examine(text, ring, here, clock, nil, "")
			if v.Result != Malformed || v.Sign != nil || v.Keep != nil {
				t.Errorf("%s: %s %q", file, v.Result, v.Message)
			}
			return v.Message
		}
		if strings.HasPrefix(record.Prefix, "HC1:") {
			if got := message(record.Prefix); !strings.Contains(got, "not one of our codes") {
				t.Errorf("%s: %q", file, got)
			}
		}
		raw, err := hex.DecodeString(record.COSE)
		if err != nil || len(raw) == 0 {
			continue
		}
		for _, kind := range []envelope.Kind{envelope.License, envelope.Slice, envelope.Identity, envelope.Activation, envelope.Delegation, envelope.Revocation} {
			for _, cose := range [][]byte{raw, raw[1:]} { // with and without its tag
				if got := message(envelope.Armor(kind, cose)); !strings.Contains(strings.ToLower(got), "damaged") {
					t.Errorf("%s as %s: %q", file, kind, got)
				}
			}
		}
	}
}
