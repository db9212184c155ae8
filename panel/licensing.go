package panel

import (
	"fmt"
	"strings"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel/access"
)

// license tells what came of a license code: its own words and its own tone for each answer.
func (s *step) license(e LicensePresented) {
	entry := Entry{Kind: acceptedKind(e.Document), Why: string(e.Result), Detail: strings.TrimSpace(e.Via + ": " + e.Message), Who: e.By}
	light, tone := Green, ToneLicense
	switch {
	case e.Result == license.AlreadyActive:
		entry.Kind = LicenseSeen
	case !e.Accepted:
		entry.Kind = LicenseNo
		light, tone = Red, Tone("license-"+string(e.Result))
	}
	s.tell(light, tone, e.Title)
	s.record(entry, e.Remember...)
}

// acceptedKind is what an accepted code is in the journal.
func acceptedKind(document envelope.Kind) Kind {
	switch document {
	case envelope.Slice:
		return LicenseTaken
	case envelope.Return:
		return LicenseReturned
	case envelope.Identity:
		return LicensePanel
	}
	return LicenseOn
}

func (s *step) codeRejected(e CodeRejected) {
	w := s.p.rules.Words
	why, text := notOurs, w.NotOurCode
	switch access.Why(e.Why) {
	case noCode:
		why, text = noCode, w.NoCodeSeen
	case cannotStore:
		why, text = cannotStore, w.CannotRecord
	case pairingClosed:
		why, text = pairingClosed, w.PairingClosed
	case pairingFailed:
		why, text = pairingFailed, w.PairingFailed
	}
	s.tell(Red, Tone("scan-"+string(why)), text)
	s.record(Entry{Kind: CodeUnread, Reader: e.Reader, Why: string(why)})
}

// Why a scan led to nothing.
const (
	notOurs     access.Why = "not_ours"     // some other code
	noCode      access.Why = "no_code"      // a picture without one
	cannotStore access.Why = "cannot_store" // a good license that could not be kept
	// A hub's code that is shown to the panel's own scanner.
	pairingClosed access.Why = "pairing_closed" // not within ten minutes after the service input
	pairingFailed access.Why = "pairing_failed" // the hub did not take the panel in
)

// entitlements takes over what the licenses now give. Calls in progress finish.
func (s *step) entitlements(e EntitlementsChanged) {
	s.p.entitlements = e.Entitlements
	s.accounts()
	s.record(Entry{Kind: Entitled, Detail: fmt.Sprintf("buttons %d, access control %s, sip %s",
		e.Entitlements.Buttons(), onOff(e.Entitlements.Allows("access_basic")), onOff(e.Entitlements.Allows("sip")))})
}

// accounts registers at servers exactly while a sip license allows it.
func (s *step) accounts() {
	if on := s.p.entitlements.Allows("sip"); on != s.p.accountsOn {
		s.p.accountsOn = on
		s.do(SetAccount{On: on})
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
