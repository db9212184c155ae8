package panel

import (
	"strconv"
	"time"

	"github.com/doorpanel/doorpanel/panel/access"
)

// textFor is how long a text from upstream stays on the display.
const textFor = 30 * time.Second

// ToneText asks the people at the door to read.
const ToneText Tone = "text"

// fireShown is why a text is not shown: what the display says during a fire stays.
const fireShown access.Why = "fire"

// TextRequested asks to show a text to the people at the door, by a signed command. Text is bounded and printable.
type TextRequested struct {
	Request string // names the Answer
	Text    string
	Who     string
	Via     string // command
	Order   *Order // set exactly when it came from upstream
}

func (TextRequested) event() {}

func (s *step) textRequested(e TextRequested) {
	var remember []Memory
	if e.Order != nil {
		if why := s.orderFault(*e.Order); why != "" {
			s.decline(e.Request, Entry{Who: e.Who, Detail: "text"}, why)
			return
		}
		m := Memory{Key: orderKey + e.Order.Signer, Value: strconv.FormatUint(e.Order.Number, 10)}
		s.p.remember(m)
		remember = append(remember, m)
	}
	if s.p.fire {
		s.decline(e.Request, Entry{Who: e.Who, Detail: "text"}, fireShown, remember...)
		return
	}
	s.tell(Amber, ToneText, e.Text)
	s.p.clearAt = s.now.Mono + textFor
	s.record(Entry{Kind: TextShown, Who: e.Who, Why: e.Via, Detail: e.Text}, remember...)
	s.do(Answer{Request: e.Request, Granted: true, Why: e.Via})
}
