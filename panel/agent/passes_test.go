package agent_test

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/agent"
)

func keyOf(letter string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(letter, ed25519.SeedSize)))
}

// signed makes a pass for two hours from now on, two uses, and its text.
func signed(t *testing.T, key ed25519.PrivateKey, doors ...string) (id, text string) {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	pass := license.Pass{
		Panel: key.Public().(ed25519.PublicKey), ID: license.TokenID{7}, NotBefore: now, Expires: now.Add(2 * time.Hour), Uses: 2, Doors: doors,
	}
	raw, err := pass.Sign(func(m []byte) ([]byte, error) { return ed25519.Sign(key, m), nil })
	if err != nil {
		t.Fatal(err)
	}
	return agent.PassID(pass), envelope.Armor(envelope.Pass, raw)
}

func TestAScannedPassOpensAsItWasSigned(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		id, text := signed(t, w.key, "front")
		_, forged := signed(t, keyOf("x"), "front")
		known := panel.Facts{Person: "guest of Bianchi", Rights: []access.Right{{}}, Credential: access.Credential{ID: id, Kind: access.Pass}}
		scan := func(reader, text, want string) {
			t.Helper()
			w.since()
			if !a.Scan(reader, text) {
				t.Fatalf("%.20s is not taken", text)
			}
			synctest.Wait()
			if did := w.sees("journal access."); len(did) == 0 || did[0] != want {
				t.Errorf("%v, want %s", did, want)
			}
			time.Sleep(20 * time.Second)
		}
		scan("front-in", text, "journal access.refused front unknown") // whoever gave it may have moved out
		w.set(func() { w.facts["pass "+id] = known })
		scan("front-in", forged, "journal access.refused front forged_pass")
		scan("front-in", text[:len(text)-1], "journal access.refused front forged_pass")
		scan("gate-in", text, "journal access.refused gate other_door")
		scan("front-in", " "+text+"\n", "journal access.granted front pass")
		withdrawn := known
		withdrawn.Credential.Revoked = true
		w.set(func() { w.facts["pass "+id] = withdrawn })
		scan("front-in", text, "journal access.refused front revoked")
		w.set(func() { w.facts["pass "+id] = known })
		scan("front-in", text, "journal access.granted front pass")
		scan("front-in", text, "journal access.refused front used_up")
		w.set(func() { w.facts["pass "+id] = panel.Facts{Credential: known.Credential} })
		time.Sleep(2 * time.Hour)
		scan("front-in", text, "journal access.refused front used_up")
	})
}

func TestAPassGivesNoMoreThanWhoeverGaveIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		id, text := signed(t, w.key)
		w.set(func() {
			w.facts["pass "+id] = panel.Facts{Rights: []access.Right{{Doors: []string{"front"}}}, Credential: access.Credential{ID: id, Kind: access.Pass}}
		})
		a.Scan("gate-in", text)
		synctest.Wait()
		if did := w.sees("journal access."); len(did) != 1 || did[0] != "journal access.refused gate other_door" {
			t.Error(did)
		}
	})
}

func TestAScannedCodeHasTenDigitsOrIsWrong(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.run()
		long := w.facts["code 1234"]
		w.set(func() { w.facts["code 0123456789"] = long })
		for code, want := range map[string]string{
			"0123456789": "journal access.granted front code", "1234": "journal access.refused front unknown", "9876543210": "journal access.refused front unknown",
		} {
			w.since()
			if !a.Scan("front-in", code) {
				t.Fatalf("%s is not taken", code)
			}
			synctest.Wait()
			if did := w.sees("journal access."); len(did) != 1 || did[0] != want {
				t.Errorf("%s: %v, want %s", code, did, want)
			}
		}
		for _, text := range []string{"", "hello", "https://example.org", "DP1:ABC", "12 34", "１２３４５６７８９０"} {
			if a.Scan("front-in", text) {
				t.Errorf("%q is taken", text)
			}
		}
	})
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{"DG1:", "DG1:ABC", "1234567890", "DP1:XYZ", "DG1:%E0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inBubble(t, func(t *testing.T, w *world) {
			a := w.run()
			a.Scan("front-in", text)
			synctest.Wait()
			if did := w.sees("strike"); len(did) > 0 {
				t.Errorf("%q opened: %v", text, did)
			}
		})
	})
}
