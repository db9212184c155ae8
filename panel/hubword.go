package panel

import (
	"strconv"

	"github.com/doorpanel/doorpanel/panel/access"
)

// HubOrdered is an order of the panel's hub about licenses. The machine decides whether it is honored; whoever asked does it then.
type HubOrdered struct {
	Request string // names the Answer
	What    string // verb and object, for the journal
	Who     string
	Via     string // command
	Order   *Order
}

func (HubOrdered) event() {}

// LicenseAsk is a short code that was typed: the hub is asked which license it stands for.
type LicenseAsk struct {
	Digest string // of the code (license.ShortCode.Digest)
}

func (LicenseAsk) event() {}

// How a document of the hub was answered.
const (
	AnswerTaken   access.Why = "taken"
	AnswerAlready access.Why = "already"
	AnswerRefused access.Why = "refused"
)

func (s *step) hubOrdered(e HubOrdered) {
	if e.Order == nil {
		s.decline(e.Request, Entry{Who: e.Who, Detail: e.What}, notSigned)
		return
	}
	if why := s.orderFault(*e.Order); why != "" {
		s.decline(e.Request, Entry{Who: e.Who, Detail: e.What}, why)
		return
	}
	m := Memory{Key: orderKey + e.Order.Signer, Value: strconv.FormatUint(e.Order.Number, 10)}
	s.p.remember(m)
	s.record(Entry{Kind: LicenseOrdered, Who: e.Who, Why: e.Via, Detail: e.What}, m)
	s.do(Answer{Request: e.Request, Granted: true, Why: e.Via})
}

// licenseAsk says the same whatever the hub will answer: a code that nobody knows is not told apart from one that is.
func (s *step) licenseAsk(e LicenseAsk) {
	s.tell(Amber, ToneLicense, "Asking the hub")
	s.record(Entry{Kind: LicenseAsked, Digest: e.Digest, Detail: "keypad: the hub is asked for the license of a short code"})
}
