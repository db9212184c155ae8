package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// archive takes persons and old entries out of the journal. Its chain stays whole: storage keeps what binds each entry.
type archive struct {
	journal  *storage.Journal
	rules    configs.Journal
	clock    func() panel.Now
	snapshot func() uint64 // the last entry that is not needed to remember anything
	note     func(panel.Entry)
}

// ErasePerson takes a person out of every entry: wherever one of his credentials is named, and where his name stands alone.
func (a archive) ErasePerson(_ context.Context, id, name, by string) (entries int, err error) {
	entries, err = a.journal.Erase(func(open, personal []byte) bool {
		r, err := agent.Decode(open, personal)
		if err != nil {
			return false
		}
		owner, _ := splitCredentialID(r.Entry.Credential)
		return r.Entry.Credential != "" && owner == id || r.Entry.Credential == "" && name != "" && r.Entry.Who == name
	})
	if err != nil {
		return entries, err
	}
	a.note(panel.Entry{Kind: panel.JournalTidied, Who: by, Detail: fmt.Sprintf("person %s taken out of %d entries", id, entries)})
	return entries, nil
}

// Tidy does what the configuration says about old entries. A clock that is not trusted makes nothing old.
func (a archive) Tidy(_ context.Context, by string) (done web.JournalTidied, err error) {
	now := a.clock()
	if !now.Trusted {
		return done, fmt.Errorf("cannot tell what is old: the clock is not trusted: %w", web.ErrConflict)
	}
	if days := a.rules.EntriesDays; days > 0 {
		done.Deleted, err = a.deleteBefore(now.Wall.AddDate(0, 0, -days))
	}
	if err == nil && a.rules.ErasesPersons() {
		done.Erased, err = a.journal.Erase(a.old(now.Wall))
	}
	if done.Erased > 0 || done.Deleted > 0 {
		a.note(panel.Entry{Kind: panel.JournalTidied, Who: by, Detail: fmt.Sprintf("persons taken out of %d old entries, %d old entries deleted", done.Erased, done.Deleted)})
	}
	return done, err
}

// old chooses entries whose persons have been kept for long enough. What was written while the time was not known is as
// old as the entry with a trusted time before it.
func (a archive) old(now time.Time) func(open, personal []byte) bool {
	var last time.Time
	return func(open, personal []byte) bool {
		r, err := agent.Decode(open, personal)
		if err != nil {
			return false
		}
		if r.Now.Trusted {
			last = r.Now.Wall
		}
		days := a.rules.PersonsDays
		for _, k := range a.rules.Kinds {
			if slices.Contains(k.Kinds, string(r.Entry.Kind)) {
				days = k.PersonsDays
			}
		}
		return days > 0 && !last.IsZero() && last.Before(now.AddDate(0, 0, -days))
	}
}

// deleteBefore deletes whole segments of entries that are older, and never one that is needed at the next start.
func (a archive) deleteBefore(limit time.Time) (entries uint64, err error) {
	var last uint64
	for after := uint64(0); ; {
		frames, err := a.journal.Read(after, 1024)
		if err != nil {
			return 0, err
		}
		for _, f := range frames {
			after = f.Seq
			if f.Gap != nil {
				continue
			}
			r, err := agent.Decode(f.Open, f.Personal)
			if err != nil || !r.Now.Trusted {
				continue
			}
			if !r.Now.Wall.Before(limit) {
				return a.journal.Drop(min(last, a.snapshot()))
			}
			last = f.Seq
		}
		if len(frames) == 0 {
			return a.journal.Drop(min(last, a.snapshot()))
		}
	}
}

// tidyEvery is how often old entries are looked for, firstTidy how long after the start.
const (
	tidyEvery = 24 * time.Hour
	firstTidy = 15 * time.Minute
)

// keepTidy looks for old entries from time to time.
func (h *house) keepTidy(ctx context.Context) {
	timer := time.NewTimer(firstTidy)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if _, err := h.archive().Tidy(ctx, ""); err != nil && !errors.Is(err, web.ErrConflict) {
			h.log.Error("cannot tidy the journal", "cause", err)
		}
		timer.Reset(tidyEvery)
	}
}

func (h *house) archive() archive {
	return archive{journal: h.journal, rules: h.config.Journal, clock: h.clock.now, note: h.tell, snapshot: func() uint64 {
		s, found, err := h.memory.Get(snapshotKey)
		if err != nil || !found || s.Epoch != h.journal.Epoch() {
			return 0
		}
		return s.Seq
	}}
}
