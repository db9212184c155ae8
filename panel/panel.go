package panel

import (
	"fmt"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel/access"
)

// Panel is the machine. It is a plain value of one owner: nothing in it is safe for two goroutines.
type Panel struct {
	rules        Rules
	entitlements license.Entitlements
	doors        []door
	call         call
	calls        uint64
	tickets      uint64
	pending      []pending
	guess        guess
	fire         bool
	tamper       bool
	tamperUntil  time.Duration
	lockdown     bool
	holdLook     time.Duration // when the schedules of the doors are looked at again; 0: none has one
	orders       []Memory      // highest number used, by signer
	timetable    access.Timetable
	policies     []access.DoorPolicy
	firsts       []first
	uses         map[string]counted  // by id of the credential
	inside       map[string]Presence // by id of the person, or pass: and that of the pass
	moves        map[string][]*moved // by the same name: those that may be undone, and what came after them
	emptyAt      time.Duration       // when the list of those inside is emptied; 0: nobody is
	duress       duress
	accountsOn   bool
	setupCode    string
	clearAt      time.Duration // when the display goes idle again; 0: it is, or a call holds it
}

type door struct {
	rules     DoorRules
	on        bool
	until     time.Duration // end of the pulse; 0: none runs
	securedAt time.Duration // when the strike was last secured; meaningful once everOn
	everOn    bool
	open      bool // by its contact
	warnAt    time.Duration
	heldAt    time.Duration
	held      bool
	forced    bool
	passing   []*moved      // who was let in by the release that runs, until the contact shows the door open
	passAt    time.Duration // when they did not go through; 0: nobody is on the way
	hangUp    string        // the call that is over once this door is secured again
	exitUntil time.Duration // end of the pulse that serves somebody on the way out; 0: none
	toggled   time.Duration // until when it stands open by a grant; 0: it does not
	hold      hold
	readBack  readBack
}

type callState int

const (
	noCall callState = iota
	placing
	answered
	ending
)

type call struct {
	id     string
	button int
	label  string
	state  callState
	until  time.Duration
}

// pending is a decision that waits for its record.
type pending struct {
	duress   bool
	used     []string // credentials whose use was counted
	moved    *moved   // what was noted of who goes through
	ticket   uint64
	deadline time.Duration
	once     bool // opens only when durable
	grant    bool // otherwise a refusal, told only once the wrong try cannot be forgotten
	urgent   bool // opens during a lockdown too
	door     int
	why      access.Why // of a refusal
	entry    Entry
	request  string
	call     string
}

// New makes a machine in the state of a panel that has just started: strikes secured, nobody calling, what Remember
// wrote before brought back. An unreadable memory counts as the stricter: a block in full, an order number used up.
// Durations of the rules that are not positive take their default.
func New(rules Rules, entitlements license.Entitlements, memory []Memory, now Now) *Panel {
	rules.RingFor, rules.TalkFor = positive(rules.RingFor, defaultRing), positive(rules.TalkFor, defaultTalk)
	p := &Panel{rules: rules, entitlements: entitlements, uses: map[string]counted{}, inside: map[string]Presence{}, moves: map[string][]*moved{}}
	for _, d := range rules.Doors {
		d.Pulse = positive(d.Pulse, defaultPulse) // without an end a release would be for good
		d.ToggleFor = positive(d.ToggleFor, defaultToggle)
		p.doors = append(p.doors, door{rules: d})
	}
	for _, m := range memory {
		p.restore(m, now)
	}
	return p
}

// Start returns what a panel does first. No strike moves at a start, whatever was remembered.
func (p *Panel) Start(now Now) []Action {
	s := step{p: p, now: now}
	s.idle()
	s.accounts()
	s.record(Entry{Kind: SystemStarted})
	s.clockOfPresence()
	return s.actions
}

// Next is the monotonic time of the next deadline, or 0 when there is none. Waking earlier does no harm.
func (p *Panel) Next() time.Duration {
	var next time.Duration
	at := func(t time.Duration) {
		if t > 0 && (next == 0 || t < next) {
			next = t
		}
	}
	at(p.clearAt)
	at(p.call.until)
	at(p.guess.until)
	at(p.tamperUntil)
	at(p.emptyAt)
	at(p.holdLook)
	for _, w := range p.pending {
		at(w.deadline)
	}
	for i := range p.doors {
		at(p.doors[i].until)
		at(p.doors[i].warnAt)
		at(p.doors[i].heldAt)
		at(p.doors[i].passAt)
		at(p.doors[i].toggled)
		at(p.doors[i].readBack.faultAt)
	}
	return next
}

// Step makes the machine take note of one event and returns what is to be done, in order. It never waits.
func (p *Panel) Step(now Now, event Event) []Action {
	s := step{p: p, now: now}
	s.take(event)
	s.settle()
	return s.actions
}

func (s *step) take(event Event) {
	p, now := s.p, s.now
	switch e := event.(type) {
	case ExitRequested:
		s.exit(e)
		s.due()
		return
	case FireAlarm:
		s.fireAlarm()
		s.due()
		return
	}
	s.due()
	switch e := event.(type) {
	case Recorded:
		s.recorded(e)
	case CallButtonPressed:
		s.pressed(e)
	case KeyPressed:
		s.do(Signal{Tone: ToneKey})
	case CredentialPresented:
		s.present(e)
	case OpenRequested:
		s.openRequested(e)
	case LockdownRequested:
		s.lockdownRequested(e)
	case TextRequested:
		s.textRequested(e)
	case HubOrdered:
		s.hubOrdered(e)
	case LicenseAsk:
		s.licenseAsk(e)
	case StrikeReadBack:
		s.strikeReadBack(e)
	case DigitPressed:
		s.digit(e)
	case CallRinging:
		if s.current(e.Call, placing) {
			s.do(Signal{Tone: ToneRinging})
		}
	case CallAnswered:
		s.callAnswered(e)
	case CallFailed:
		s.callFailed(e)
	case CallEnded:
		s.callEnded(e)
	case DoorOpened:
		s.doorOpened(e)
	case DoorClosed:
		s.doorClosed(e)
	case Tampered:
		s.tampered()
	case Cleared:
		s.cleared(e)
	case PoliciesChanged:
		p.timetable, p.policies = e.Timetable, e.Doors
	case BudgetReset:
		s.budgetReset(e)
	case WrongTry:
		s.wrongTry(e)
	case Removed:
		s.removed(e)
	case PresenceReset:
		s.presenceReset(e)
	case DuressTested:
		s.duressTested(e)
	case DuressConfirmed:
		s.duressConfirmed(e)
	case DuressOff:
		s.duressOff(e)
	case LicensePresented:
		s.license(e)
	case HubJoined:
		s.tell(Green, "scan-paired", fmt.Sprintf(s.p.rules.Words.Paired, e.Hub))
	case CodeRejected:
		s.codeRejected(e)
	case EntitlementsChanged:
		s.entitlements(e)
	case AccountChanged:
		s.record(Entry{Kind: AccountIs, Who: e.Account, Why: e.State, Detail: e.Detail})
	case SetupCodeChanged:
		p.setupCode = e.Code
		s.refresh()
	case ClockChanged:
		s.record(Entry{Kind: ClockIs, Why: trust(now.Trusted), Detail: fmt.Sprintf("moved by %v", e.Jump.Round(time.Second))})
		s.clockOfPresence()
	case DeviceChanged:
		s.device(e)
	case Noted:
		s.record(e.Entry, e.Remember...)
	case Tick:
	}
}

// step collects the actions of one step.
type step struct {
	p       *Panel
	now     Now
	actions []Action
}

func (s *step) do(a ...Action) { s.actions = append(s.actions, a...) }

func (s *step) record(e Entry, remember ...Memory) { s.do(Record{Entry: e, Remember: remember}) }

// tell shows a message for a while.
func (s *step) tell(light Light, tone Tone, text string) {
	s.do(Signal{Light: light, Tone: tone, Text: text})
	s.p.clearAt = s.now.Mono + messageFor
}

// idle brings the display back to what stands there when nothing happens.
func (s *step) idle() {
	s.p.clearAt = 0
	signal := Signal{Light: Off, Clear: true}
	if s.allStandOpen() {
		signal.Light = Green
	}
	if s.p.tamper {
		signal.Light = Amber
	}
	for i := range s.p.doors {
		if s.p.doors[i].forced || s.p.doors[i].held {
			signal.Light = Amber
		}
	}
	switch {
	case s.p.fire:
		signal = Signal{Light: Amber, Text: s.fireText()}
	case s.p.lockdown:
		signal = Signal{Light: Amber, Text: s.p.rules.Words.Lockdown}
	case s.p.setupCode != "":
		signal.Clear, signal.Text = false, fmt.Sprintf(s.p.rules.Words.SetupCode, s.p.setupCode)
	}
	s.do(signal)
}

// due lets every deadline that has passed take effect, the doors first.
func (s *step) due() {
	p, now := s.p, s.now.Mono
	for i := range p.doors {
		if d := &p.doors[i]; d.until > 0 && d.until <= now {
			s.pulseOver(i)
		}
	}
	for i := 0; i < len(p.pending); {
		if w := p.pending[i]; w.deadline <= now {
			p.pending = slices.Delete(p.pending, i, i+1)
			s.overdue(w)
			continue
		}
		i++
	}
	for i := range p.doors {
		d := &p.doors[i]
		if d.toggled > 0 && d.toggled <= now {
			s.toggleOver(i)
		}
		if d.warnAt > 0 && d.warnAt <= now {
			s.heldSoon(i)
		}
		if d.heldAt > 0 && d.heldAt <= now {
			s.heldOpen(i)
		}
		if d.readBack.faultAt > 0 && d.readBack.faultAt <= now {
			s.strikeStrays(i)
		}
	}
	if p.guess.until > 0 && p.guess.until <= now {
		p.guess.until = 0
		s.record(Entry{Kind: GuessFree}, p.guess.memory(s.now))
	}
	if p.tamperUntil > 0 && p.tamperUntil <= now {
		p.tamperUntil = 0
		s.record(Entry{Kind: TamperFree}, tamperMemory(s.now, 0))
	}
	for i := range p.doors {
		if d := &p.doors[i]; d.passAt > 0 && d.passAt <= now {
			s.notEntered(i)
		}
	}
	if p.emptyAt > 0 && p.emptyAt <= now {
		s.emptyPresence()
	}
	if p.call.until > 0 && p.call.until <= now {
		s.callTimeout()
	}
	if p.clearAt > 0 && p.clearAt <= now {
		s.afterMessage()
	}
}

// settle brings in line what may have changed with any event.
func (s *step) settle() {
	s.followSchedules()
	s.compare()
}

// refresh shows a change of what stands on the idle display, unless a message or a call covers it.
func (s *step) refresh() {
	if s.p.clearAt == 0 && s.p.call.state == noCall {
		s.idle()
	}
}

// afterMessage shows again what a message covered.
func (s *step) afterMessage() {
	s.p.clearAt = 0
	w := s.p.rules.Words
	switch s.p.call.state {
	case placing:
		s.do(Signal{Light: Blue, Text: fmt.Sprintf(w.Calling, s.p.call.label)})
	case answered:
		s.do(Signal{Light: Blue, Text: fmt.Sprintf(w.Connected, s.p.call.label)})
	default:
		s.idle()
	}
}

func (s *step) doorNamed(name string) int {
	return slices.IndexFunc(s.p.doors, func(d door) bool { return d.rules.Name == name })
}

// doorOf is the door at which something was shown, and the way through it.
func (s *step) doorOf(e CredentialPresented) (index int, name string, way Direction) {
	if e.Reader == "" {
		return s.doorNamed(e.Door), e.Door, ""
	}
	for _, r := range s.p.rules.Readers {
		if r.Name == e.Reader {
			return s.doorNamed(r.Door), r.Door, r.Direction
		}
	}
	return -1, "", ""
}

func positive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func trust(trusted bool) string {
	if trusted {
		return string(clockTrusted)
	}
	return string(clockNotTrusted)
}

// What a changed clock is from now on.
const (
	clockTrusted    access.Why = "trusted"
	clockNotTrusted access.Why = "not_trusted"
)
