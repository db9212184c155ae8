package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/storage"
	"github.com/doorpanel/doorpanel/telemetry"
)

// Sites lists all of them by their ids, archived ones too.
func (s *Store) Sites() ([]fleet.Site, error) { return s.sites.all() }

// Site returns the site with this id.
func (s *Store) Site(id string) (site fleet.Site, known bool, err error) { return s.sites.find(id) }

// SiteToEdit returns a site and the edition that an edit is made from, or fleet.ErrUnknown.
func (s *Store) SiteToEdit(id string) (fleet.Site, fleet.Edition, error) { return s.sites.get(id) }

// PutSite makes or changes a site.
func (s *Store) PutSite(site fleet.Site, edit fleet.Edit) (fleet.Edition, error) {
	if err := telemetry.CheckName(site.ID); err != nil {
		return fleet.Edition{}, fmt.Errorf("cannot store site: %w", err)
	}
	if err := roles.CheckSiteGroup(site.Group); err != nil {
		return fleet.Edition{}, fmt.Errorf("cannot store site %s: %w", site.ID, err)
	}
	return s.sites.put(site.ID, site, edit, nil)
}

// Panels lists all of them by their ids, revoked and replaced ones too.
func (s *Store) Panels() ([]fleet.Panel, error) { return s.panels.all() }

// Panel returns the panel with this id.
func (s *Store) Panel(id string) (p fleet.Panel, known bool, err error) { return s.panels.find(id) }

// PanelToEdit returns a panel and the edition that an edit is made from, or fleet.ErrUnknown.
func (s *Store) PanelToEdit(id string) (fleet.Panel, fleet.Edition, error) { return s.panels.get(id) }

// PutPanel makes or changes a panel. Its site must be known.
func (s *Store) PutPanel(p fleet.Panel, edit fleet.Edit) (fleet.Edition, error) {
	if p.ID == "" {
		return fleet.Edition{}, errors.New("cannot store panel: it has no id")
	}
	return s.panels.put(p.ID, p, edit, func(tx *storage.Tx) error { return s.knowsSite(tx, p.Site) })
}

func (s *Store) knowsSite(tx *storage.Tx, id string) error {
	_, known, err := s.sites.table.GetTx(tx, id)
	if err == nil && !known {
		err = fmt.Errorf("cannot find site %q: %w", id, fleet.ErrUnknown)
	}
	return err
}

// Settings lists the settings whose names begin with prefix, by their names.
func (s *Store) Settings(prefix string) ([]fleet.Setting, error) {
	var out []fleet.Setting
	err := s.db.View(func(tx *storage.Tx) error {
		for name, r := range s.settings.table.FromTx(tx, prefix) {
			if !strings.HasPrefix(name, prefix) {
				break
			}
			out = append(out, fleet.Setting{Name: name, Value: r.Value, Edition: r.Edition})
		}
		return nil
	})
	return out, err
}

// Setting returns one setting, or fleet.ErrUnknown.
func (s *Store) Setting(name string) (fleet.Setting, error) {
	value, edition, err := s.settings.get(name)
	return fleet.Setting{Name: name, Value: value, Edition: edition}, err
}

// PutSetting stores a JSON value under a name.
func (s *Store) PutSetting(name string, value []byte, edit fleet.Edit) (fleet.Edition, error) {
	return s.settings.put(name, rawJSON(value), edit, nil)
}

// DeleteSetting removes a setting.
func (s *Store) DeleteSetting(name string, edit fleet.Edit) error {
	return s.settings.remove(name, edit)
}

// PutDocument stores a document of a panel in the place of the one with the same kind and id.
func (s *Store) PutDocument(d fleet.Document) error {
	if d.Panel == "" || d.Kind == "" || d.ID == "" {
		return fmt.Errorf("cannot store document %q of kind %q for panel %q: all three are needed", d.ID, d.Kind, d.Panel)
	}
	return s.update(func(tx *storage.Tx) error {
		key := documentKey(d.Panel, d.Kind, d.ID)
		was, known, err := s.documents.GetTx(tx, key)
		if err != nil {
			return err
		}
		// Whoever notes that it was published may have read it before the panel answered.
		if known && d.Answer == nil && was.Answer != nil && bytes.Equal(was.Bytes, d.Bytes) && was.Withdrawn.IsZero() && d.Withdrawn.IsZero() {
			d.Answer, d.Acknowledged = was.Answer, was.Acknowledged
		}
		return s.documents.PutTx(tx, key, d)
	})
}

// Documents lists those of one panel, or of all when panel is empty, withdrawn ones too.
func (s *Store) Documents(panel string) ([]fleet.Document, error) {
	var out []fleet.Document
	err := s.db.View(func(tx *storage.Tx) error {
		for _, d := range s.documents.FromTx(tx, panel) {
			if panel != "" && d.Panel != panel {
				break
			}
			out = append(out, d)
		}
		return nil
	})
	return out, err
}

// DeleteDocument removes a document; a missing one is no error.
func (s *Store) DeleteDocument(panel, kind, id string) error {
	return s.documents.Delete(documentKey(panel, kind, id))
}

func documentKey(panel, kind, id string) string { return panel + "\x00" + kind + "\x00" + id }

// PutLicense stores a monitoring license in the place of the one with the same id. Its site must be known; one that is another
// site's, also as a license that its panels have (KeepDeeds), is refused with fleet.ErrTaken.
func (s *Store) PutLicense(l fleet.License, change fleet.Change) error {
	return s.update(func(tx *storage.Tx) error {
		if err := s.knowsSite(tx, l.Site); err != nil {
			return err
		}
		was, known, err := s.licenses.GetTx(tx, l.ID)
		switch {
		case err != nil:
			return err
		case known && was.Site != l.Site:
			return takenAt(l.ID, l.Site, was.Site)
		case !known:
			if err := s.panelsHave(tx, l.ID, l.Site); err != nil {
				return err
			}
		}
		if err := s.licenses.PutTx(tx, l.ID, l); err != nil {
			return err
		}
		return s.auditTx(tx, change)
	})
}

// Licenses lists those of one site, or of all when site is empty, withdrawn ones too.
func (s *Store) Licenses(site string) ([]fleet.License, error) {
	var out []fleet.License
	err := s.db.View(func(tx *storage.Tx) error {
		for _, l := range s.licenses.AllTx(tx) {
			if site == "" || l.Site == site {
				out = append(out, l)
			}
		}
		return nil
	})
	return out, err
}
