package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
)

const (
	registrarPoll = 5 * time.Minute
	registrarBy   = "hub"
)

// Registrar keeps the license ledger's list of panels the same as the hub's: a panel that is enrolled in a site below a group is
// registered there (T-3), moves with its site, gives its place to the panel that replaces it, and goes when it is revoked. It is
// looked at as a whole each time, so that nothing is missed whatever happened in between.
type Registrar struct {
	directory Directory
	ledger    *Ledger
	log       *slog.Logger
	changed   chan struct{}
	said      map[string]string // what is wrong with a panel, so that it is said once
}

// NewRegistrar connects the parts; a nil logger is silent.
func NewRegistrar(directory Directory, book *Ledger, log *slog.Logger) (*Registrar, error) {
	if directory == nil || book == nil {
		return nil, errors.New("cannot register panels: the directory or the ledger is missing")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Registrar{directory: directory, ledger: book, log: log, changed: make(chan struct{}, 1), said: map[string]string{}}, nil
}

// Changed tells that sites or panels were added, changed or revoked.
func (r *Registrar) Changed() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Run keeps the lists the same until ctx ends.
func (r *Registrar) Run(ctx context.Context) {
	pause := time.NewTicker(registrarPoll)
	defer pause.Stop()
	for ctx.Err() == nil {
		if err := r.Review(); err != nil {
			r.log.Error("cannot register panels with the license ledger", "cause", err)
		}
		select {
		case <-ctx.Done():
		case <-r.changed:
		case <-pause.C:
		}
	}
}

// Review makes up for every difference. What the ledger refuses is said in the log, once, and tried again the next time.
func (r *Registrar) Review() error {
	sites, err := r.directory.Sites()
	if err != nil {
		return fmt.Errorf("cannot read the sites: %w", err)
	}
	panels, err := r.directory.Panels()
	if err != nil {
		return fmt.Errorf("cannot read the panels: %w", err)
	}
	groups := make(map[string]string, len(sites))
	for _, s := range sites {
		groups[s.ID] = s.Group
	}
	var faults []error
	for _, p := range panels {
		err := r.settle(p, groups[p.Site])
		var refusal *ledger.Refusal
		if errors.As(err, &refusal) {
			r.say(p.ID, refusal.Text)
			continue
		}
		delete(r.said, p.ID)
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func (r *Registrar) say(panel, what string) {
	if r.said[panel] != what {
		r.log.Warn("a panel is not registered with the license ledger", "panel", panel, "cause", what)
	}
	r.said[panel] = what
}

// settle brings one panel to where it belongs.
func (r *Registrar) settle(p fleet.Panel, group string) error {
	device, dead, counted, err := r.stored(p)
	if err != nil {
		return err
	}
	switch p.State() {
	case fleet.PanelEnrolled:
	case fleet.PanelRevoked:
		return r.remove(device)
	default: // not enrolled yet, or replaced: then it waits in the ledger for the panel that takes its place
		return nil
	}
	if group == "" {
		return r.remove(device)
	}
	if device.ID != "" && device.Group != group {
		if err := r.bring(device, group); err != nil {
			return err
		}
	} else if device.ID == "" && dead.ID != "" && !dead.Gone() && dead.Group != group {
		if err := r.bring(dead, group); err != nil {
			return err
		}
	}
	if p.Replaces != "" && device.Replaces == "" && dead.ID != "" && !dead.Gone() {
		err := r.decide(ledger.ReplaceDevice{Dead: dead.ID, Fresh: p.ID})
		if err == nil {
			return nil
		}
		// Too soon, or too often: it has what every panel has until the distributor approves, who is asked.
		return errors.Join(err, r.register(p.ID, group), r.ask(err, dead.ID, p.ID))
	}
	if device.ID == "" || !counted {
		return r.register(p.ID, group)
	}
	return nil
}

// bring moves a panel's registration. Nothing moves from one project to another (T-27): there it begins anew.
func (r *Registrar) bring(device ledger.Device, group string) error {
	err := r.register(device.ID, group)
	var refusal *ledger.Refusal
	if errors.As(err, &refusal) && refusal.Reason == ledger.OtherProject {
		if err := r.remove(device); err != nil {
			return err
		}
		return r.register(device.ID, group)
	}
	return err
}

// ask lets a replacement that was refused as one too many wait for the distributor.
func (r *Registrar) ask(err error, dead, fresh string) error {
	var refusal *ledger.Refusal
	if errors.As(err, &refusal) && refusal.Reason == ledger.TooOften {
		return r.decide(ledger.AskReplacement{Dead: dead, Fresh: fresh})
	}
	return nil
}

func (r *Registrar) register(panel, group string) error {
	return r.decide(ledger.RegisterDevice{ID: panel, Group: group, Found: true})
}

func (r *Registrar) remove(device ledger.Device) error {
	if device.ID == "" {
		return nil
	}
	return r.decide(ledger.RemoveDevice{ID: device.ID})
}

func (r *Registrar) decide(c ledger.Change) error {
	_, err := r.ledger.Decide(ledger.Request{Who: registrarBy}, c)
	return err
}

// stored is how the ledger knows a panel, and the one that it replaces; counted tells that the panel counts as one.
func (r *Registrar) stored(p fleet.Panel) (device, dead ledger.Device, counted bool, err error) {
	err = r.ledger.Look(func(book ledger.Book) error {
		if device, _, err = book.Device(p.ID); err != nil {
			return err
		}
		if _, counted, err = book.Use(ledger.PanelID(p.ID)); err != nil || p.Replaces == "" {
			return err
		}
		dead, _, err = book.Device(p.Replaces)
		return err
	})
	return device, dead, counted, err
}
