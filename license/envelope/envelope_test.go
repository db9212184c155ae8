package envelope

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/veraison/go-cose"
	"pgregory.net/rapid"
)

func testKey(seed byte) (ed25519.PublicKey, func([]byte) ([]byte, error), func(KeyID) (ed25519.PublicKey, bool)) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	pub := private.Public().(ed25519.PublicKey)
	sign := func(message []byte) ([]byte, error) { return ed25519.Sign(private, message), nil }
	keys := func(kid KeyID) (ed25519.PublicKey, bool) { return pub, kid == IDOf(pub) }
	return pub, sign, keys
}

var kinds = []Kind{License, Slice, Pass, Identity, Delegation, Revocation, Command}

func TestWhatIsSignedOpens(t *testing.T) {
	pub, sign, keys := testKey(1)
	for _, kind := range kinds {
		raw, err := Sign(kind, pub, sign, []byte("payload"))
		if err != nil {
			t.Fatal(err)
		}
		payload, kid, err := Open(kind, raw, keys)
		if err != nil || string(payload) != "payload" || kid != IDOf(pub) {
			t.Errorf("%s: %q %v %v", kind, payload, kid, err)
		}
	}
}

func TestOneKindNeverOpensAsAnother(t *testing.T) {
	pub, sign, keys := testKey(1)
	for _, signed := range kinds {
		raw, err := Sign(signed, pub, sign, []byte("payload"))
		if err != nil {
			t.Fatal(err)
		}
		for _, read := range kinds {
			if _, _, err := Open(read, raw, keys); signed != read && !errors.Is(err, ErrForged) {
				t.Errorf("%s opened as %s: %v", signed, read, err)
			}
		}
	}
}

func TestEveryFlippedBitAndEveryCutIsRefused(t *testing.T) {
	pub, sign, keys := testKey(1)
	raw, err := Sign(License, pub, sign, []byte("a payload of some length"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			flipped := bytes.Clone(raw)
			flipped[i] ^= 1 << bit
			if _, _, err := Open(License, flipped, keys); err == nil {
				t.Errorf("opened with bit %d of byte %d flipped", bit, i)
			}
		}
		if _, _, err := Open(License, raw[:i], keys); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	if _, _, err := Open(License, append(bytes.Clone(raw), 0), keys); !errors.Is(err, ErrMalformed) {
		t.Errorf("with a byte more: %v", err)
	}
}

// The payload is signed, so whoever re-encodes the frame round it (longer length, tag, other headers) leaves the signature intact.
func TestOtherEncodingsOfAGoodSignatureAreRefused(t *testing.T) {
	pub, sign, keys := testKey(1)
	raw, err := Sign(License, pub, sign, []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"tagged":              append([]byte{0xd2}, raw...),
		"long array head":     append([]byte{0x98, 0x04}, raw[1:]...),
		"indefinite array":    append(append([]byte{0x9f}, raw[1:]...), 0xff),
		"long payload length": bytes.Replace(raw, []byte("\x47payload"), []byte("\x58\x07payload"), 1),
		"unprotected header":  bytes.Replace(raw, []byte("\xa0\x47payload"), []byte("\xa1\x18\x63\x01\x47payload"), 1),
		"detached payload":    bytes.Replace(raw, []byte("\x47payload"), []byte("\xf6"), 1),
	}
	for name, other := range cases {
		if bytes.Equal(other, raw) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, _, err := Open(License, other, keys); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOtherProtectedHeadersAreRefusedAlthoughTheSignatureHolds(t *testing.T) {
	pub, sign, keys := testKey(1)
	kid := IDOf(pub)
	cases := map[string]cose.ProtectedHeader{
		"no key id":        {cose.HeaderLabelAlgorithm: cose.AlgorithmEdDSA},
		"a long key id":    {cose.HeaderLabelAlgorithm: cose.AlgorithmEdDSA, cose.HeaderLabelKeyID: append(kid[:], 0)},
		"a content type":   {cose.HeaderLabelAlgorithm: cose.AlgorithmEdDSA, cose.HeaderLabelKeyID: kid[:], cose.HeaderLabelContentType: int64(60)},
		"an unknown label": {cose.HeaderLabelAlgorithm: cose.AlgorithmEdDSA, cose.HeaderLabelKeyID: kid[:], int64(99): int64(1)},
	}
	for name, protected := range cases {
		message := cose.UntaggedSign1Message{Headers: cose.Headers{Protected: protected}, Payload: []byte("payload")}
		if err := message.Sign(nil, License.external(), signer(sign)); err != nil {
			t.Fatal(err)
		}
		raw, err := message.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(License, raw, keys); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownAndWrongKeysAreToldApart(t *testing.T) {
	pub, sign, _ := testKey(1)
	other, _, _ := testKey(2)
	raw, err := Sign(License, pub, sign, []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	if _, kid, err := Open(License, raw, func(KeyID) (ed25519.PublicKey, bool) { return nil, false }); !errors.Is(err, ErrUnknownKey) || kid != IDOf(pub) {
		t.Error(kid, err)
	}
	if _, _, err := Open(License, raw, func(KeyID) (ed25519.PublicKey, bool) { return other, true }); !errors.Is(err, ErrForged) {
		t.Error(err)
	}
	if _, err := Sign(License, other, sign, []byte("payload")); err == nil {
		t.Error("signed with a private key that does not belong to the public one")
	}
}

// Under the neutral point, R = the neutral point and S = 0 satisfy the equation for every message.
func TestTheForgeryThatALowOrderKeyAllowsIsRefused(t *testing.T) {
	pub := make(ed25519.PublicKey, ed25519.PublicKeySize)
	pub[0] = 1
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1
	if !ed25519.Verify(pub, []byte("any message"), signature) {
		t.Fatal("this is no forgery")
	}
	raw := canonical(IDOf(pub), []byte("payload"), signature)
	if _, _, err := Open(License, raw, func(KeyID) (ed25519.PublicKey, bool) { return pub, true }); !errors.Is(err, ErrForged) {
		t.Error(err)
	}
}

func TestTooLargeIsRefusedAlthoughItIsSigned(t *testing.T) {
	pub, sign, keys := testKey(1)
	message := cose.UntaggedSign1Message{Headers: headers(IDOf(pub)), Payload: make([]byte, License.Limit())}
	if err := message.Sign(nil, License.external(), signer(sign)); err != nil {
		t.Fatal(err)
	}
	raw, err := message.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(License, raw, keys); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestTooLargeIsRefusedOnBothSides(t *testing.T) {
	pub, sign, keys := testKey(1)
	for _, kind := range kinds {
		if _, err := Sign(kind, pub, sign, make([]byte, kind.Limit())); err == nil {
			t.Errorf("%s: signed", kind)
		}
		if _, _, err := Open(kind, make([]byte, kind.Limit()+1), keys); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", kind, err)
		}
		if _, _, err := Unarmor(kind.prefix() + strings.Repeat("0", 2*kind.Limit())); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", kind, err)
		}
		if kind2, raw, err := Unarmor(Armor(kind, make([]byte, kind.Limit()))); err != nil || kind2 != kind || len(raw) != kind.Limit() {
			t.Errorf("%s: the largest does not pass: %v", kind, err)
		}
	}
}

func TestBase45MatchesRFC9285(t *testing.T) {
	for text, raw := range map[string]string{"BB8": "AB", "%69 VD92EX0": "Hello!!", "UJCLQE7W581": "base-45", "QED8WEX0": "ietf!", "": ""} {
		if got := base45([]byte(raw)); got != text {
			t.Errorf("%q: %q instead of %q", raw, got, text)
		}
		if got, ok := unbase45(text); !ok || string(got) != raw {
			t.Errorf("%q: %q %v instead of %q", text, got, ok, raw)
		}
	}
	for _, text := range []string{"GGW", ":::", "::", "A", "BB8A", "bb8", "B-_", "Ä00", "BB8\n"} {
		if raw, ok := unbase45(text); ok {
			t.Errorf("%q was read as %x", text, raw)
		}
	}
}

func TestTextRoundTripsAndWhiteSpaceAroundItIsDropped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "raw")
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		for _, text := range []string{Armor(kind, raw), " \t" + Armor(kind, raw) + " \r\n"} {
			gotKind, got, err := Unarmor(text)
			if err != nil || gotKind != kind || !bytes.Equal(got, raw) {
				t.Fatalf("%q: %s %x %v", text, gotKind, got, err)
			}
		}
	})
}

func TestForeignCodesAreNotOurs(t *testing.T) {
	for _, text := range []string{"", " ", "https://example.org/?DP1:", "HC1:NCFTW2H", "dp1:BB8", "DP2:BB8", "DP1 :BB8", "DP1", "WIFI:S:x;;"} {
		kind, _, err := Unarmor(text)
		if kind != "" || !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "not one of our codes") {
			t.Errorf("%q: %q %v", text, kind, err)
		}
	}
	for _, text := range []string{"DP1:", "DP1:A", "DP1:bb8", "DP1:BB8 BB8\x00"} {
		if kind, _, err := Unarmor(text); kind != License || !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %q %v", text, kind, err)
		}
	}
}

func TestPanelIDsAreTwentySixCharacters(t *testing.T) {
	pub, _, _ := testKey(1)
	name := NameOf(pub)
	back, err := ParseThumbprint(strings.ToUpper(name))
	if len(name) != 26 || name != strings.ToLower(name) || err != nil || back != ThumbprintOf(pub) {
		t.Error(name, back, err)
	}
	for _, text := range []string{"", "abc", name + "a", name[:25], name[:25] + "1", strings.Repeat("z", 26)} {
		if _, err := ParseThumbprint(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestPublicKeysHaveOneText(t *testing.T) {
	pub, _, _ := testKey(1)
	text := KeyText(pub)
	back, err := ParseKey(text)
	if err != nil || !back.Equal(pub) || len(text) != len("ed25519:")+43 {
		t.Error(text, back, err)
	}
	for _, text := range []string{"", text[8:], text + "=", strings.ToUpper(text), text[:50], text + "AA", "ed25519:" + strings.Repeat("A", 43)} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestKeysThatAnybodyCouldSignWithAreRefused(t *testing.T) {
	for _, digits := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // not the shortest encoding
		"0200000000000000000000000000000000000000000000000000000000000000", // not on the curve
	} {
		pub, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckKey(pub); err == nil {
			t.Errorf("%s was taken", digits)
		}
	}
	if err := CheckKey(nil); err == nil {
		t.Error("an empty key was taken")
	}
	for seed := range byte(64) {
		if pub, _, _ := testKey(seed); CheckKey(pub) != nil {
			t.Errorf("key %d was refused", seed)
		}
	}
}

// readShared reads the shared test data; a checkout without it leaves these comparisons out.
func readShared(t *testing.T, into any, path ...string) {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "testdata")
	if _, err := os.Stat(root); err != nil {
		t.Skip("comparison with published vectors left out: ../shared/testdata is absent")
	}
	raw, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func TestSignatureVerdictsMatchWycheproof(t *testing.T) {
	var set struct {
		TestGroups []struct {
			PublicKey struct{ PK string }
			Tests     []struct {
				TCID             int
				Msg, Sig, Result string
			}
		}
	}
	readShared(t, &set, "wycheproof", "ed25519_test.json")
	count := 0
	for _, group := range set.TestGroups {
		pub, err := hex.DecodeString(group.PublicKey.PK)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range group.Tests {
			message, _ := hex.DecodeString(test.Msg)
			signature, _ := hex.DecodeString(test.Sig)
			verifier, err := cose.NewVerifier(cose.AlgorithmEdDSA, ed25519.PublicKey(pub))
			if err != nil {
				t.Fatal(err)
			}
			if got := verifier.Verify(message, signature) == nil; got != (test.Result == "valid") {
				t.Errorf("case %d: %v instead of %s", test.TCID, got, test.Result)
			}
			count++
		}
	}
	if count < 50 {
		t.Errorf("only %d cases", count)
	}
}

func TestNoEnvelopeOpensUnderAPublishedLowOrderKey(t *testing.T) {
	var vectors []struct {
		Number   int
		Key, Sig string
		Flags    []string
	}
	readShared(t, &vectors, "ed25519-edge", "ed25519vectors.json")
	lows := 0
	for _, vector := range vectors {
		pub, _ := hex.DecodeString(vector.Key)
		signature, _ := hex.DecodeString(vector.Sig)
		low := false
		for _, flag := range vector.Flags {
			low = low || flag == "low_order_A"
		}
		message := cose.UntaggedSign1Message{Headers: headers(IDOf(pub)), Payload: []byte("payload"), Signature: signature}
		raw, err := message.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = Open(License, raw, func(KeyID) (ed25519.PublicKey, bool) { return pub, true })
		if err == nil {
			t.Errorf("vector %d opened", vector.Number)
		}
		if !low {
			continue
		}
		lows++
		if !lowOrder(pub) || CheckKey(pub) == nil || !strings.Contains(err.Error(), "cannot be used") {
			t.Errorf("vector %d: low-order key %s was taken: %v", vector.Number, vector.Key, err)
		}
	}
	if lows == 0 {
		t.Error("no low-order key among the vectors")
	}
}

func TestPublishedCOSEMessagesAreNoneOfOurs(t *testing.T) {
	_, _, keys := testKey(1)
	root := filepath.Join("..", "..", "..", "shared", "testdata")
	if _, err := os.Stat(root); err != nil {
		t.Skip("comparison with published vectors left out: ../shared/testdata is absent")
	}
	files, err := filepath.Glob(filepath.Join(root, "cose-examples", "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		var example struct{ Output struct{ CBOR string } }
		path, _ := filepath.Rel(root, file)
		readShared(t, &example, path)
		raw, err := hex.DecodeString(example.Output.CBOR)
		if err != nil || len(raw) == 0 {
			continue
		}
		for _, cut := range [][]byte{raw, raw[1:]} {
			for _, kind := range kinds {
				if _, _, err := Open(kind, cut, keys); !errors.Is(err, ErrMalformed) {
					t.Errorf("%s as %s: %v", path, kind, err)
				}
			}
		}
	}
}

func TestPublishedCBORItemsAreNoEnvelopes(t *testing.T) {
	_, _, keys := testKey(1)
	var items []struct{ CBOR string }
	readShared(t, &items, "cbor-rfc8949", "appendix_a.json")
	for _, item := range items {
		raw, err := base64.StdEncoding.DecodeString(item.CBOR)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(License, raw, keys); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", raw, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	pub, sign, keys := testKey(1)
	for _, kind := range kinds {
		raw, err := Sign(kind, pub, sign, []byte("p"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte{0x84, 0x40, 0xa0, 0x40, 0x40})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, kind := range kinds {
			payload, kid, err := Open(kind, raw, keys)
			if err != nil {
				continue
			}
			again, err := Sign(kind, pub, sign, payload)
			if err != nil || kid != IDOf(pub) || !bytes.Equal(again, raw) {
				t.Errorf("%x opened, but is not what signing makes", raw)
			}
		}
	})
}

func FuzzUnarmor(f *testing.F) {
	f.Add("DP1:BB8")
	f.Add(" DR1:%69 VD92EX0\n")
	f.Add("HC1:6BF")
	f.Fuzz(func(t *testing.T, text string) {
		kind, raw, err := Unarmor(text)
		if err == nil && Armor(kind, raw) != strings.TrimSpace(text) {
			t.Errorf("%q has a second text %q", text, Armor(kind, raw))
		}
	})
}
