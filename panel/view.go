package panel

import "time"

// View is what pages and the status upstream show of the machine. It shares nothing with it.
type View struct {
	Doors        []DoorView
	Call         CallView
	Fire, Tamper bool
	Lockdown     bool
	CodesBlocked time.Duration // how long codes are still refused; 0: they are not
	Inside       int           // how many people are inside; Panel.Inside lists them
	Duress       string        // to whose key the silent alarm goes; empty: it is not switched on
	// DuressTested is whose test of the silent alarm waits for its number; empty: none does.
	DuressTested string
	Setup        string
}

// DoorView is one door.
type DoorView struct {
	Name         string
	Released     bool
	Left         time.Duration // of the pulse that runs; 0: none does
	Open         bool
	Held, Forced bool
	Stands       Standing
	Stray        bool // its strike does not do what it was told
}

// CallView is the call that is going on; the zero value says none is.
type CallView struct {
	ID, Label string
	Button    int
	Answered  bool
}

// View describes the machine at this moment.
func (p *Panel) View(now Now) View {
	v := View{Fire: p.fire, Tamper: p.tamper, Lockdown: p.lockdown, CodesBlocked: max(p.guess.until-now.Mono, 0), Setup: p.setupCode, Inside: len(p.inside), Duress: p.duress.recipient, DuressTested: p.duress.waiting()}
	for i := range p.doors {
		d := &p.doors[i]
		v.Doors = append(v.Doors, DoorView{
			Name: d.rules.Name, Released: d.on, Left: max(d.until-now.Mono, 0), Open: d.open, Held: d.held, Forced: d.forced,
			Stands: p.standing(d), Stray: d.readBack.stray,
		})
	}
	if p.call.state != noCall {
		v.Call = CallView{ID: p.call.id, Label: p.call.label, Button: p.call.button, Answered: p.call.state == answered}
	}
	return v
}
