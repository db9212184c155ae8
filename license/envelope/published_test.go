package envelope

import (
	"crypto/ed25519"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/veraison/go-cose"
)

// Whoever verifies our envelopes must decide as we do at the edges of Ed25519: cofactorless, with canonical encodings alone, under
// keys that CheckKey takes.
func TestEdgesOfEd25519AreDecidedAsWritten(t *testing.T) {
	var vectors []struct {
		Number        int
		Key, Sig, Msg string
		Flags         []string
	}
	readShared(t, &vectors, "ed25519-edge", "ed25519vectors.json")
	taken := 0
	for _, vector := range vectors {
		pub, _ := hex.DecodeString(vector.Key)
		signature, _ := hex.DecodeString(vector.Sig)
		has := func(flag string) bool { return slices.Contains(vector.Flags, flag) }
		good := CheckKey(pub) == nil
		if good != (!has("low_order_A") && !has("non_canonical_A")) {
			t.Errorf("vector %d: key taken %v, it has %v", vector.Number, good, vector.Flags)
		}
		if !good {
			continue
		}
		verifier, err := cose.NewVerifier(cose.AlgorithmEdDSA, ed25519.PublicKey(pub))
		if err != nil {
			t.Fatal(err)
		}
		verified := verifier.Verify([]byte(vector.Msg), signature) == nil
		if verified != (!has("low_order_residue") && !has("non_canonical_R")) {
			t.Errorf("vector %d: verified %v, it has %v", vector.Number, verified, vector.Flags)
		}
		if verified {
			taken++
		}
	}
	if taken < 10 {
		t.Errorf("only %d vectors that verify", taken)
	}
}

func TestPublishedKeysOfWycheproofAreGoodKeys(t *testing.T) {
	var set struct {
		TestGroups []struct {
			PublicKey struct{ PK string }
		}
	}
	readShared(t, &set, "wycheproof", "ed25519_test.json")
	for i, group := range set.TestGroups {
		pub, err := hex.DecodeString(group.PublicKey.PK)
		if err != nil || CheckKey(pub) != nil {
			t.Errorf("group %d: %v, %v", i, err, CheckKey(pub))
		}
	}
}
