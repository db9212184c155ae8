package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// doorPort lets the pages open doors and see how they are.
type doorPort struct {
	agent    *agent.Agent
	safe     map[string]string
	contacts map[string]bool
	parts    *parts
}

func (p doorPort) Open(ctx context.Context, door, who, via string) (bool, string, error) {
	if _, known := p.safe[door]; !known {
		names := slices.Sorted(maps.Keys(p.safe))
		return false, "", notFound("cannot open door %q: there is none; the doors are %s", door, strings.Join(names, ", "))
	}
	answer, err := p.agent.Open(ctx, panel.OpenRequested{Request: newID(8), Door: door, Who: who, Via: via})
	return answer.Granted, answer.Why, err
}

func (p doorPort) Doors() []web.DoorView {
	view := p.agent.View()
	var list []web.DoorView
	for _, d := range view.Doors {
		v := web.DoorView{Name: d.Name, Safe: p.safe[d.Name], Strike: "secured", Contact: contactOf(d, p.contacts[d.Name]), Alarm: alarmOf(d, view.Fire), Stands: string(d.Stands)}
		if d.Released {
			v.Strike, v.OpensMS = "released", d.Left.Milliseconds()
		}
		switch {
		case p.parts.state("strike", d.Name) == "failed":
			v.Strike = "failed"
		case d.Stray:
			v.Strike = "stray"
		}
		list = append(list, v)
	}
	return list
}

func contactOf(d panel.DoorView, wired bool) string {
	switch {
	case !wired:
		return "none"
	case d.Open:
		return "open"
	}
	return "closed"
}

func alarmOf(d panel.DoorView, fire bool) string {
	switch {
	case fire:
		return "fire"
	case d.Forced:
		return "forced"
	case d.Held:
		return "held"
	}
	return ""
}

// learnPort waits for a card.
type learnPort struct{ agent *agent.Agent }

func (p learnPort) Learn(ctx context.Context, reader string) (uid, seenAt string, err error) {
	uid, seenAt, err = p.agent.Learn(ctx, reader)
	if errors.Is(err, agent.ErrLearning) {
		err = fmt.Errorf("%w: %w", err, web.ErrBusy)
	}
	return uid, seenAt, err
}

// accountPort keeps who may log in, sessionPort who is logged in.
type accountPort struct{ users storage.Table[web.User] }

func (p accountPort) Users() ([]web.User, error) {
	var list []web.User
	for _, u := range p.users.All() {
		list = append(list, u)
	}
	return list, nil
}

func (p accountPort) PutUser(u web.User) error     { return storeError(p.users.Put(u.Name, u)) }
func (p accountPort) DeleteUser(name string) error { return storeError(p.users.Delete(name)) }

type sessionPort struct{ sessions storage.Table[web.Session] }

func (p sessionPort) Session(hash string) (web.Session, bool, error) { return p.sessions.Get(hash) }
func (p sessionPort) PutSession(hash string, s web.Session) error {
	return storeError(p.sessions.Put(hash, s))
}
func (p sessionPort) DeleteSession(hash string) error { return storeError(p.sessions.Delete(hash)) }

// dropOld forgets sessions that are over, at start.
func (p sessionPort) dropOld(now time.Time) error {
	for hash, s := range p.sessions.All() {
		if now.Sub(s.Seen) > web.SessionIdle {
			if err := p.sessions.Delete(hash); err != nil {
				return err
			}
		}
	}
	return nil
}

// facePort shows what stands on the display.
type facePort struct {
	agent *agent.Agent
	dir   *directory
}

func (p facePort) Face() web.FaceView {
	f := p.agent.Face()
	buttons := p.dir.Buttons()
	for i := range buttons {
		buttons[i].Target = "" // visitors see labels
	}
	return web.FaceView{Version: f.Version, Text: f.Text, Light: f.Light, Tone: f.Tone, Buttons: buttons}
}

func (p facePort) WaitFace(ctx context.Context, version uint64) error {
	return p.agent.WaitFace(ctx, version)
}

// touchPort is the glass of a panel whose display shows the face page.
type touchPort struct {
	agent  *agent.Agent
	reader string
}

func (p touchPort) Press(button int) error {
	p.agent.Press(button)
	return nil
}

func (p touchPort) Key(key rune) error {
	if p.reader == "" {
		return notFound("cannot take key: this panel has no keypad")
	}
	p.agent.Key(p.reader, key)
	return nil
}

// journalPort reads the journal for the pages, and for the uplink through outbox.
type journalPort struct{ journal *storage.Journal }

func (p journalPort) After(seq uint64, limit int) ([]web.JournalEntry, error) {
	frames, err := p.journal.Read(seq, limit)
	return entriesOf(frames), err
}

func (p journalPort) Before(seq uint64, limit int) ([]web.JournalEntry, error) {
	frames, err := p.journal.Before(seq, limit)
	return entriesOf(frames), err
}

func (p journalPort) Wait(ctx context.Context, after uint64) error { return p.journal.Wait(ctx, after) }

// entriesOf puts frames into the words of the pages. A gap is told by the entry after it, or by an entry of its own at the
// end; an entry that cannot be read is shown as such.
func entriesOf(frames []storage.Frame) []web.JournalEntry {
	entries := make([]web.JournalEntry, 0, len(frames))
	for _, f := range frames {
		e := web.JournalEntry{Seq: f.Seq}
		if f.Gap != nil {
			e.Gap = f.Gap.To - f.Gap.From + 1
			e.Kind, e.Detail = "journal.gap", fmt.Sprintf("entries %d to %d are gone", f.Gap.From, f.Gap.To)
			entries = append(entries, e)
			continue
		}
		r, err := agent.Decode(f.Open, f.Personal)
		if err != nil {
			e.Kind, e.Detail = "journal.unreadable", err.Error()
			entries = append(entries, e)
			continue
		}
		e.Time, e.Trusted, e.MonoMS, e.Boot, e.Entry = r.Now.Wall, r.Now.Trusted, r.Now.Mono.Milliseconds(), r.Boot, r.Entry
		entries = append(entries, e)
	}
	return entries
}

// parts is how the parts that may fail without the others are doing.
type parts struct {
	mu      sync.Mutex
	list    []part
	changed func()
}

type part struct {
	web.PartStatus
	try  int  // how often it was started
	said int  // the try in which it last said how it is
	dead bool // the core believes so
}

// notify names who is told of each change of a state.
func (p *parts) notify(changed func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed = changed
}

// change finds or makes a part, lets a function change it, and tells of a new state.
func (p *parts) change(kind, name string, how func(*part)) {
	p.mu.Lock()
	i := slices.IndexFunc(p.list, func(s part) bool { return s.Kind == kind && s.Name == name })
	if i < 0 {
		p.list = append(p.list, part{PartStatus: web.PartStatus{Kind: kind, Name: name}})
		i = len(p.list) - 1
	}
	before := p.list[i].State
	how(&p.list[i])
	changed := p.changed
	if p.list[i].State == before {
		changed = nil
	}
	p.mu.Unlock()
	if changed != nil {
		changed()
	}
}

// set shows a state that the core needs no word of.
func (p *parts) set(kind, name, state, detail string) {
	p.change(kind, name, func(s *part) { s.State, s.Detail, s.said = state, detail, s.try })
}

// begin takes note that a part is started, perhaps once more. One that failed goes on showing why until it works.
func (p *parts) begin(kind, name string) (try int) {
	p.change(kind, name, func(s *part) {
		s.try++
		try = s.try
		if s.State == "" {
			s.State = "starting"
		}
	})
	return try
}

// report shows whether a part works, and returns whether the core does not know that yet.
func (p *parts) report(kind, name string, cause error) (news bool) {
	p.change(kind, name, func(s *part) { news = s.report(cause) })
	return news
}

// settle says that a part works which has not said otherwise since it was started. A try that is over settles nothing.
func (p *parts) settle(kind, name string, try int) (news bool) {
	p.change(kind, name, func(s *part) {
		if s.try == try && s.said != try {
			news = s.report(nil)
		}
	})
	return news
}

func (s *part) report(cause error) (news bool) {
	s.State, s.Detail, s.said = "ok", "", s.try
	if cause != nil {
		s.State, s.Detail = "failed", cause.Error()
	}
	news = s.dead != (cause != nil)
	s.dead = cause != nil
	return news
}

func (p *parts) state(kind, name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.list {
		if s.Kind == kind && s.Name == name {
			return s.State
		}
	}
	return ""
}

// look returns how a part is, and why.
func (p *parts) look(kind, name string) (state, detail string) {
	for _, s := range p.all() {
		if s.Kind == kind && s.Name == name {
			return s.State, s.Detail
		}
	}
	return "", ""
}

// drop forgets a part that is no more.
func (p *parts) drop(kind, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = slices.DeleteFunc(p.list, func(s part) bool { return s.Kind == kind && s.Name == name })
}

func (p *parts) all() []web.PartStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]web.PartStatus, 0, len(p.list))
	for _, s := range p.list {
		list = append(list, s.PartStatus)
	}
	return list
}

func (p *parts) ofKind(kind string) map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	states := map[string]string{}
	for _, s := range p.list {
		if s.Kind == kind {
			states[s.Name] = s.State
		}
	}
	return states
}
