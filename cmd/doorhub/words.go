package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/notify"
	"github.com/doorpanel/doorpanel/hub/web"
)

// wordingsName is the name under which the store keeps the templates that were edited.
const wordingsName = "templates"

// wordings are the templates of messages: the built-in ones, and those that an administrator wrote.
type wordings struct {
	store settingStore
	apply func(notify.Templates)

	mu      sync.Mutex
	edited  []notify.Template
	edition fleet.Edition // from which they are edited: another hub may have done so
}

// load reads them, at the start. Those that cannot be used are told; the built-in ones stand in for them.
func (w *wordings) load() error {
	kept, err := w.store.Setting(wordingsName)
	if errors.Is(err, fleet.ErrUnknown) {
		return nil
	}
	if err == nil {
		w.edition = kept.Edition
		err = json.Unmarshal(kept.Value, &w.edited)
	}
	if err != nil {
		return fmt.Errorf("cannot read the templates: %w", err)
	}
	templates, err := notify.NewTemplates(w.edited)
	w.apply(templates)
	return err
}

// Templates implements web.Templates.
func (w *wordings) Templates() ([]web.Template, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []web.Template
	for _, kind := range notify.Kinds() {
		for _, language := range notify.Languages() {
			one, own := w.find(kind.Name, language)
			shipped := notify.Shipped(kind.Name, language)
			view := web.Template{Kind: kind.Name, Title: kind.About, Language: language, Names: kind.Placeholders}
			mail, short := view, view
			mail.Channel, mail.Subject, mail.Text, mail.Own = fleet.Email, one.Subject, one.Body, own && (one.Subject != shipped.Subject || one.Body != shipped.Body)
			short.Channel, short.Text, short.Own = fleet.SMS, one.Short, own && one.Short != shipped.Short
			list = append(list, mail, short)
		}
	}
	return list, nil
}

func (w *wordings) find(kind, language string) (t notify.Template, own bool) {
	for _, one := range w.edited {
		if one.Kind == kind && one.Language == language {
			return one, true
		}
	}
	return notify.Shipped(kind, language), false
}

// filled puts a channel's wording into the template that it is a part of.
func (w *wordings) filled(t web.Template) (notify.Template, error) {
	one, _ := w.find(t.Kind, t.Language)
	shipped := notify.Shipped(t.Kind, t.Language)
	one.Kind, one.Language = t.Kind, t.Language
	text := strings.ReplaceAll(t.Text, "\r\n", "\n")
	switch {
	case t.Channel == fleet.SMS && text == "":
		one.Short = shipped.Short
	case t.Channel == fleet.SMS:
		one.Short = text
	case t.Channel != fleet.Email:
		return one, fmt.Errorf("%w: messages to %s have no words of their own; there are %s and %s", web.ErrInvalid, t.Channel, fleet.Email, fleet.SMS)
	case t.Subject == "" && text == "":
		one.Subject, one.Body = shipped.Subject, shipped.Body
	default:
		one.Subject, one.Body = t.Subject, text
	}
	if err := one.Check(); err != nil {
		return one, fmt.Errorf("%w: %w", web.ErrInvalid, err)
	}
	return one, nil
}

// PutTemplate implements web.Templates.
func (w *wordings) PutTemplate(_ context.Context, t web.Template, change fleet.Change) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	one, err := w.filled(t)
	if err != nil {
		return err
	}
	edited := slices.DeleteFunc(slices.Clone(w.edited), func(old notify.Template) bool { return old.Kind == t.Kind && old.Language == t.Language })
	if one != notify.Shipped(t.Kind, t.Language) {
		edited = append(edited, one)
	}
	raw, err := json.Marshal(edited)
	if err != nil {
		return err
	}
	edition, err := w.store.PutSetting(wordingsName, raw, fleet.Edit{From: w.edition.Number, Change: change})
	if err != nil {
		return told(err)
	}
	w.edition = edition
	w.edited = edited
	templates, err := notify.NewTemplates(edited)
	w.apply(templates)
	return err
}

// Preview implements web.Templates.
func (w *wordings) Preview(t web.Template) (subject, text string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one, err := w.filled(t)
	if err != nil {
		return "", "", err
	}
	shown := one.Preview()
	if t.Channel == fleet.SMS {
		return "", shown.Short, nil
	}
	return shown.Subject, shown.Body, nil
}
