package agent

import (
	"crypto/ed25519"
	"encoding/hex"
	"strings"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
)

// Scan takes what a scanner read, and reports whether it is shown to open a door: a guest's pass, or a code of digits.
func (a *Agent) Scan(reader, text string) bool {
	text = strings.TrimSpace(text)
	kind, _, _ := envelope.Unarmor(text)
	if kind != envelope.Pass && !isCode(text) {
		return false
	}
	a.take(read{reader: reader, scanned: text})
	return true
}

func isCode(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// scanned looks up a pass or a code. What cannot be one is a wrong try all the same.
func (a *Agent) scanned(r read) {
	switch {
	case !isCode(r.scanned):
		a.present(r.reader, access.Pass, a.passFacts(r.scanned))
	case access.ScannedCodeFault(r.scanned) != "":
		a.present(r.reader, access.Code, panel.Facts{})
	default:
		a.lookUp(r.reader, access.Code, r.scanned)
	}
}

// passFacts is what a pass gives: its own limits as they were signed, withdrawn or not and within whose rights as the store
// knows. A pass that the store does not know any more opens nothing: whoever gave it may have moved out.
func (a *Agent) passFacts(text string) panel.Facts {
	pass, err := openPass(text, a.o.Key)
	if err != nil {
		a.log.Info("pass refused", "cause", err)
		return panel.Facts{Fault: access.ForgedPass}
	}
	id := PassID(pass)
	facts := a.facts(access.Pass, id)
	if facts.Failed || facts.Credential.ID == "" {
		return facts
	}
	facts.Credential = access.Credential{
		ID: id, Kind: access.Pass, Doors: pass.Doors, From: pass.NotBefore, Until: pass.Expires, Uses: pass.Uses, Revoked: facts.Credential.Revoked,
	}
	return facts
}

// PassID is by which name the store and the journal know a pass.
func PassID(pass license.Pass) string { return hex.EncodeToString(pass.ID[:]) }

func openPass(text string, key ed25519.PublicKey) (license.Pass, error) {
	_, raw, err := envelope.Unarmor(text)
	if err != nil {
		return license.Pass{}, err
	}
	return license.OpenPass(raw, key)
}
