package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/storage"
)

const (
	sweepBytes     = 64 << 20 // of the log that one sweep reads
	maxCredentials = 10_000   // of one person
)

// Sweep deletes the oldest events while all of them take more room than they may, and those whose time is over by the rules.
// It does a bounded amount of work; when More is set, the next call goes on.
func (s *Store) Sweep(now time.Time, rules []fleet.Keep) (fleet.Swept, error) {
	if s.ReadOnly() {
		return fleet.Swept{}, fmt.Errorf("cannot delete old events: %w", storage.ErrReadOnly)
	}
	done, err := s.events.sweep(now, rules)
	if err != nil {
		return done, fmt.Errorf("cannot delete old events: %w", err)
	}
	return done, nil
}

func (l *eventLog) sweep(now time.Time, rules []fleet.Keep) (done fleet.Swept, err error) {
	l.sweeping.Lock()
	defer l.sweeping.Unlock()
	// What is deleted is not read again at the next start.
	if err := l.saveHeads(); err != nil {
		return done, err
	}
	if l.journal.Bytes() > l.bound {
		if done.Pushed, err = l.journal.Shrink(l.bound); err != nil {
			return done, err
		}
	}
	horizon, some := latest(now, rules)
	if oldest, ok := l.oldest(); some && ok && oldest.Before(horizon) {
		var next uint64
		done.Expired, next, err = l.journal.Thin(l.sweepAt, sweepBytes, func(_ uint64, open, _ []byte) bool {
			f, err := readFront(open)
			return err == nil && expired(&f, now, rules)
		})
		if err != nil {
			return done, err
		}
		l.sweepAt, done.More = next, next != 0
	}
	done.Since, _ = l.oldest()
	return done, nil
}

// oldest is the arrival of the oldest event.
func (l *eventLog) oldest() (time.Time, bool) {
	first, last := l.journal.Bounds()
	for after := first - 1; after < last; {
		frames, err := l.journal.Read(after, 64)
		if err != nil || len(frames) == 0 {
			return time.Time{}, false
		}
		for _, frame := range frames {
			after = frame.Seq
			if frame.Gap != nil {
				continue
			}
			if f, err := readFront(frame.Open); err == nil {
				return microTime(f.at), true
			}
		}
	}
	return time.Time{}, false
}

// latest is the arrival before which some rule may call an event expired.
func latest(now time.Time, rules []fleet.Keep) (horizon time.Time, some bool) {
	for _, k := range rules {
		if k.Days > 0 && (!some || now.AddDate(0, 0, -k.Days).After(horizon)) {
			horizon, some = now.AddDate(0, 0, -k.Days), true
		}
	}
	return horizon, some
}

func expired(f *front, now time.Time, rules []fleet.Keep) bool {
	k, ok := rule(string(f.site), string(f.kind), rules)
	return ok && k.Days > 0 && microTime(f.at).Before(now.AddDate(0, 0, -k.Days))
}

// rule finds the one that counts for an event: the longest fitting kind, and among equals that of its site.
func rule(site, kind string, rules []fleet.Keep) (best fleet.Keep, ok bool) {
	for _, k := range rules {
		fits := (k.Site == "" || k.Site == site) &&
			(k.Kind == "" || k.Kind == kind || strings.HasSuffix(k.Kind, ".") && strings.HasPrefix(kind, k.Kind))
		better := !ok || len(k.Kind) > len(best.Kind) || len(k.Kind) == len(best.Kind) && best.Site == "" && k.Site != ""
		if fits && better {
			best, ok = k, true
		}
	}
	return best, ok
}

// Erase takes out of every event what names exactly this person, also by a credential that was used under this name, and
// returns of how many. What remains are the event's place in its panel's journal, its chain and what names nobody.
func (s *Store) Erase(ctx context.Context, person string) (int, error) {
	if person == "" {
		return 0, fmt.Errorf("cannot erase a person without a name")
	}
	if s.ReadOnly() {
		return 0, fmt.Errorf("cannot erase a person: %w", storage.ErrReadOnly)
	}
	n, err := s.events.erase(ctx, person)
	if err != nil {
		return n, fmt.Errorf("cannot erase a person: %w", err)
	}
	return n, nil
}

func (l *eventLog) erase(ctx context.Context, person string) (int, error) {
	credentials := map[string]bool{}
	err := l.journal.Down(l.journal.Durable()+1, 0, func(f storage.Frame) bool {
		if who, credential := named(f.Personal); who == person && credential != "" && len(credentials) < maxCredentials {
			credentials[credential] = true
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	n, err := l.journal.Erase(func(_, personal []byte) bool {
		who, credential := named(personal)
		return who == person || who == "" && credentials[credential]
	})
	// Nothing of the person stays in memory either, also of one whose erasing ended half-way.
	l.summaries.forget()
	l.pokeSummarizer()
	return n, err
}

// named reads whom the personal part names.
func named(personal []byte) (who, credential string) {
	if len(personal) == 0 {
		return "", ""
	}
	r := reader{b: personal}
	return string(r.text()), string(r.text())
}
