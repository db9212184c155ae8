package panel

import (
	"crypto/subtle"

	"github.com/doorpanel/doorpanel/panel/access"
)

// duress is the silent alarm: to whose key grants are marked, and the test that has to be confirmed first.
type duress struct {
	recipient string // empty: it is not switched on
	candidate string // whose test runs
	number    string // that was sealed to the candidate
	tries     int
}

// waiting is whose test still waits for its number.
func (d duress) waiting() string {
	if d.number == "" || d.tries >= duressTries {
		return ""
	}
	return d.candidate
}

// The events of the silent alarm.
type (
	// DuressTested says that Number was sealed to Recipient's key and sent. What was switched on before is off from now on. Sealed
	// goes with the entry, so that the test takes the way of the alarm.
	DuressTested struct {
		Recipient, Number, Who string
		Sealed                 []byte
	}
	// DuressConfirmed brings the number that the recipient found in the test. Three wrong ones end the test.
	DuressConfirmed struct{ Request, Number, Who string }
	// DuressOff switches the silent alarm off.
	DuressOff struct{ Who string }
)

func (DuressTested) event()    {}
func (DuressConfirmed) event() {}
func (DuressOff) event()       {}

// Why a number does not switch the silent alarm on.
const (
	noTest      access.Why = "no_test"      // none is running, or too many wrong numbers ended it
	wrongNumber access.Why = "wrong_number" // not the one in the test
)

func (s *step) duressTested(e DuressTested) {
	s.p.duress = duress{candidate: e.Recipient, number: e.Number}
	s.record(Entry{Kind: DuressTest, Who: e.Who, Detail: "to " + e.Recipient, Sealed: e.Sealed}, Memory{Key: duressKey})
}

func (s *step) duressConfirmed(e DuressConfirmed) {
	d := &s.p.duress
	refuse := func(why access.Why) {
		s.record(Entry{Kind: DuressTest, Who: e.Who, Why: string(why)})
		s.do(Answer{Request: e.Request, Why: string(why)})
	}
	if d.waiting() == "" {
		refuse(noTest)
		return
	}
	if subtle.ConstantTimeCompare([]byte(d.number), []byte(e.Number)) != 1 {
		d.tries++
		refuse(wrongNumber)
		return
	}
	*d = duress{recipient: d.candidate}
	s.record(Entry{Kind: DuressIsOn, Who: e.Who, Detail: "to " + d.recipient}, Memory{Key: duressKey, Value: d.recipient})
	s.do(Answer{Request: e.Request, Granted: true})
}

func (s *step) duressOff(e DuressOff) {
	s.p.duress = duress{}
	s.record(Entry{Kind: DuressIsOff, Who: e.Who}, Memory{Key: duressKey})
}
