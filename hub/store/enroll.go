package store

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

const enrollment = "enrollment" // who changed a panel, for those who edit it at the same time

// Enrolling reads the windows, the panels of these ids and their certificates, lets change alter them, and keeps all of it in
// one transaction. When change fails nothing is kept and its error is returned. change must be quick: no other write
// runs meanwhile.
func (s *Store) Enrolling(ctx context.Context, panels []string, change func(*fleet.Enrolling) error) error {
	return s.update(func(tx *storage.Tx) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		was, err := s.enrollingTx(tx, panels)
		if err != nil {
			return err
		}
		is, err := s.enrollingTx(tx, panels)
		if err != nil {
			return err
		}
		if err := change(&is); err != nil {
			return err
		}
		return s.enrolledTx(tx, was, is)
	})
}

func (s *Store) enrollingTx(tx *storage.Tx, panels []string) (fleet.Enrolling, error) {
	all := fleet.Enrolling{Panels: map[string]fleet.Panel{}}
	for _, w := range s.windows.AllTx(tx) {
		all.Windows = append(all.Windows, w)
	}
	for _, id := range panels {
		r, known, err := s.panels.table.GetTx(tx, id)
		if err != nil {
			return all, err
		}
		if _, twice := all.Panels[id]; !known || twice {
			continue
		}
		all.Panels[id] = r.Value
		all.Certificates = append(all.Certificates, s.certificatesTx(tx, id)...)
	}
	return all, nil
}

func (s *Store) certificatesTx(tx *storage.Tx, panel string) []fleet.Certificate {
	var out []fleet.Certificate
	for _, c := range s.certs.FromTx(tx, panel+"\x00") {
		if c.Panel != panel {
			break
		}
		out = append(out, c)
	}
	return out
}

// enrolledTx writes what was changed.
func (s *Store) enrolledTx(tx *storage.Tx, was, is fleet.Enrolling) error {
	left := map[string]bool{}
	for _, w := range is.Windows {
		left[windowKey(w)] = true
		if err := s.windows.PutTx(tx, windowKey(w), w); err != nil {
			return err
		}
	}
	for _, w := range was.Windows {
		if !left[windowKey(w)] {
			if err := s.windows.DeleteTx(tx, windowKey(w)); err != nil {
				return err
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(is.Panels)) {
		p := is.Panels[id]
		if before, known := was.Panels[id]; known && reflect.DeepEqual(before, p) {
			continue
		}
		if err := s.knowsSite(tx, p.Site); err != nil {
			return err
		}
		edit := fleet.Edit{From: fleet.AnyEdition, Change: editorOf(is.Changes)}
		if _, err := s.panels.putTx(tx, id, p, edit); err != nil {
			return err
		}
	}
	for _, c := range is.Certificates {
		if err := s.certs.PutTx(tx, certificateKey(c), c); err != nil {
			return err
		}
	}
	return s.changesTx(tx, is.Changes)
}

// editorOf is who changed the panels, for those who edit them at the same time: the audit has it in words of its own.
func editorOf(changes []fleet.Change) fleet.Change {
	if len(changes) > 0 {
		return fleet.Change{Who: changes[0].Who, At: changes[0].At}
	}
	return fleet.Change{Who: enrollment, At: time.Now().UTC()}
}

func windowKey(w fleet.Window) string { return timeKey(w.Opened) + "/" + w.ID }

func certificateKey(c fleet.Certificate) string {
	return c.Panel + "\x00" + timeKey(c.Issued) + "/" + c.Serial
}

// Certificates lists those of one panel, or of all when panel is empty, oldest first, revoked and expired ones too.
func (s *Store) Certificates(panel string) (out []fleet.Certificate, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		if panel != "" {
			out = s.certificatesTx(tx, panel)
			return nil
		}
		for _, c := range s.certs.AllTx(tx) {
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// Windows lists the pairing windows that are kept, oldest first.
func (s *Store) Windows() (out []fleet.Window, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for _, w := range s.windows.AllTx(tx) {
			out = append(out, w)
		}
		return nil
	})
	return out, err
}
