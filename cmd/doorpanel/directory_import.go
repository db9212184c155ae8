package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/access"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// importBatch rows are brought in by one transaction. Each batch writes most of the index anew, whatever its size; while it is
// written, cards go on opening.
const importBatch = 2000

// plan is what one row of a list means for the people who are here.
type plan struct {
	id     string
	before *personRecord // nil: a new person
	after  personRecord  // without what is enrolled
	enroll []web.NewCredential
	how    []string
}

func (p plan) changes() bool { return p.before == nil || len(p.how) > 0 }

// ImportPeople compares a list with the people who are here, and brings it in unless only the difference is asked for.
func (d *directory) ImportPeople(ctx context.Context, content []byte, o web.ImportOptions, progress func(web.ImportProgress) error) (web.ImportResult, error) {
	if !d.importing.TryLock() {
		return web.ImportResult{}, fmt.Errorf("cannot import people: another list is being brought in; wait until it is done: %w", web.ErrBusy)
	}
	defer d.importing.Unlock()
	l, err := readList(content, o.JSON)
	if err != nil {
		return web.ImportResult{}, err
	}
	result, todo, err := d.compare(ctx, l, o)
	if err != nil || o.DryRun || result.MistakeCount > 0 {
		return result, err
	}
	l.cards, l.codes, l.people = nil, nil, nil
	done, err := d.bringIn(ctx, todo, progress)
	result.Added, result.Changed, result.Removed = done.Added, done.Changed, done.Removed
	result.Differences = nil
	if result.Stopped = done.Added+done.Changed+done.Unchanged < len(todo.rows) || done.Removed < len(todo.gone); result.Stopped && ctx.Err() != nil {
		err = nil
	}
	if done.Added+done.Changed+done.Removed > 0 {
		d.note(panel.Entry{Kind: panel.ConfigIs, Who: o.By, Detail: fmt.Sprintf("people imported: %d added, %d changed, %d removed", done.Added, done.Changed, done.Removed)})
	}
	return result, storeError(err)
}

// difference is what is left to do: the rows that change something, and the ids of who is not in the list.
type difference struct {
	rows []*row
	gone []string
}

// compare tells the whole difference that a list makes, with every mistake. Nothing is changed.
func (d *directory) compare(ctx context.Context, l *list, o web.ImportOptions) (result web.ImportResult, todo difference, err error) {
	result.Rows = len(l.rows)
	lapsed := d.enrolls()
	err = d.store.View(func(tx *storage.Tx) error {
		before, _, err := d.counts.GetTx(tx, countsKey)
		if err != nil {
			return err
		}
		settings, _, err := d.settings.GetTx(tx, settingsKey)
		if err != nil {
			return err
		}
		c := &change{d: d, tx: tx, counts: before}
		least := d.digitsFor(before.Codes+l.withCodes(), settings)
		kept := map[string]int{} // line of each person who is here and in the list
		for i := range l.rows {
			if i%importBatch == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			r := &l.rows[i]
			p, fault, err := c.plan(r)
			switch {
			case err != nil:
				return err
			case fault != "":
				l.mistake(r.line, "%s", fault)
			case lapsed != nil && len(p.enroll) > 0:
				return lapsed
			case p.id != "" && kept[p.id] != 0:
				l.mistake(r.line, "this is the person of line %d; give both lines the ids of two people, or delete one", kept[p.id])
			case l.codes[r.code] == r.line && len(r.code) < least:
				l.mistake(r.line, "the code is too short: so many people need codes of %d digits; write \"draw\" to have one drawn", least)
			}
			if p.id != "" {
				kept[p.id] = r.line
			}
			if differ(&result, p, r); p.changes() {
				todo.rows = append(todo.rows, r)
			}
		}
		if o.Replace {
			todo.gone = d.missingTx(tx, kept, &result)
		}
		return nil
	})
	slices.SortStableFunc(l.mistakes, func(a, b web.ImportMistake) int { return a.Line - b.Line })
	result.MistakeCount, result.Mistakes = l.count, l.mistakes
	return result, todo, err
}

// withCodes counts the rows that name a code.
func (l *list) withCodes() (n int) {
	for i := range l.rows {
		if l.rows[i].code != "" {
			n++
		}
	}
	return n
}

// differ counts a row and says what it changes.
func differ(result *web.ImportResult, p plan, r *row) {
	what := "changed"
	switch {
	case !p.changes():
		result.Unchanged++
		return
	case p.before == nil:
		what = "added"
		result.Added++
	default:
		result.Changed++
	}
	if len(result.Differences) < maxListed {
		result.Differences = append(result.Differences, web.ImportDifference{Line: r.line, Name: r.name, What: what, How: p.how})
	}
}

// missingTx finds who is here and not in the list.
func (d *directory) missingTx(tx *storage.Tx, kept map[string]int, result *web.ImportResult) (gone []string) {
	for key := range d.names.AllTx(tx) {
		_, id, _ := strings.Cut(key, "\x00")
		if kept[id] != 0 {
			continue
		}
		gone = append(gone, id)
		if result.Removed++; len(result.Differences) < maxListed {
			if p, found, err := d.people.GetTx(tx, id); err == nil && found {
				result.Differences = append(result.Differences, web.ImportDifference{Name: p.Name, What: "removed"})
			}
		}
	}
	return gone
}

// plan finds whom a row means and what it changes, or says in words why it cannot be.
func (c *change) plan(r *row) (p plan, fault string, err error) {
	if p.id, p.before, fault, err = c.meant(r); fault != "" || err != nil {
		return p, fault, err
	}
	p.after.Name = r.name
	if p.before != nil {
		p.after = *p.before
	} else if r.groups == nil && r.rights == nil {
		p.after.Rights = []access.Right{{}}
	}
	differs := func(changed bool, format string, args ...any) {
		if changed && p.before != nil {
			p.how = append(p.how, fmt.Sprintf(format, args...))
		}
	}
	differs(p.after.Name != r.name, "name: %s, was %s", r.name, p.after.Name)
	p.after.Name = r.name
	if r.note != nil {
		differs(p.after.Note != *r.note, "note: %s", *r.note)
		p.after.Note = *r.note
	}
	if r.flat != nil {
		differs(p.after.Flat != *r.flat, "flat: %s", *r.flat)
		p.after.Flat = *r.flat
	}
	if r.groups != nil {
		differs(!slices.Equal(p.after.Groups, r.groups), "groups: %s", strings.Join(r.groups, ", "))
		p.after.Groups = r.groups
	}
	if r.rights != nil {
		differs(!sameRights(p.after.Rights, r.rights), "rights")
		p.after.Rights = r.rights
	}
	if refused := errors.Join(c.d.checkGroupsTx(c.tx, r.groups), c.d.checkRightsTx(c.tx, r.rights)); errors.Is(refused, web.ErrInvalid) {
		return p, reason(refused), nil
	} else if refused != nil {
		return p, "", refused
	}
	fault, err = c.planCredentials(r, &p)
	return p, fault, err
}

// reason is a refusal without the word that it wraps.
func reason(err error) string {
	return strings.ReplaceAll(err.Error(), ": "+web.ErrInvalid.Error(), "")
}

func sameRights(a, b []access.Right) bool {
	return slices.EqualFunc(a, b, func(x, y access.Right) bool {
		return slices.Equal(x.Doors, y.Doors) && x.Profile == y.Profile && x.From.Equal(y.From) && x.Until.Equal(y.Until)
	})
}

// meant finds the person of a row: by id, else by name, and by flat where several have it.
func (c *change) meant(r *row) (id string, p *personRecord, fault string, err error) {
	if r.id != "" {
		stored, found, err := c.d.people.GetTx(c.tx, r.id)
		if err != nil || found {
			return r.id, &stored, "", err
		}
		return "", nil, fmt.Sprintf("there is no person with the id %.40q; leave the id empty to add one", r.id), nil
	}
	for _, each := range c.d.namedTx(c.tx, r.name) {
		stored, found, err := c.d.people.GetTx(c.tx, each)
		if err != nil {
			return "", nil, "", err
		}
		if !found || !strings.EqualFold(stored.Name, r.name) || r.flat != nil && stored.Flat != *r.flat {
			continue
		}
		if p != nil {
			return "", nil, fmt.Sprintf("there are several people named %q; give the id of the one you mean", r.name), nil
		}
		id, p = each, &stored
	}
	return id, p, "", nil
}

// planCredentials finds which cards and codes of a row are new.
func (c *change) planCredentials(r *row, p *plan) (fault string, err error) {
	for _, uid := range r.cards {
		owner, taken, err := c.owner(access.Card, uid)
		if err != nil {
			return "", err
		}
		switch {
		case !taken:
			p.enroll = append(p.enroll, web.NewCredential{Kind: access.Card, UID: uid})
			p.how = append(p.how, "a card")
		case owner != p.id:
			return fmt.Sprintf("card %s is somebody else's; withdraw it there first", uid), nil
		}
	}
	if r.code == "" {
		return "", nil
	}
	if r.code == "draw" {
		if p.before == nil || !slices.ContainsFunc(p.before.Held, func(h heldCredential) bool { return h.Kind == access.Code }) {
			p.enroll = append(p.enroll, web.NewCredential{Kind: access.Code})
			p.how = append(p.how, "a drawn code")
		}
		return "", nil
	}
	owner, taken, err := c.owner(access.Code, r.code)
	switch {
	case err != nil:
		return "", err
	case !taken:
		p.enroll = append(p.enroll, web.NewCredential{Kind: access.Code, Code: r.code})
		p.how = append(p.how, "a code")
	case owner != p.id:
		return "the code is in use already; write \"draw\" to have one drawn", nil
	}
	return "", nil
}

// owner is the person whose card or code this is.
func (c *change) owner(kind access.Kind, shown string) (person string, taken bool, err error) {
	id, taken, err := c.d.index.GetTx(c.tx, string(c.d.indexOf(kind, shown)))
	person, _ = splitCredentialID(string(id))
	return person, taken, err
}

// bringIn changes what the list changes, batch by batch. Each row is compared again: somebody else may have changed people
// meanwhile.
func (d *directory) bringIn(ctx context.Context, todo difference, progress func(web.ImportProgress) error) (done web.ImportResult, err error) {
	all, step := len(todo.rows)+len(todo.gone), 0
	tell := func(codes []web.DrawnCode, rows int) error {
		step += rows
		return progress(web.ImportProgress{Done: step, Of: all, Codes: codes})
	}
	for rows := range slices.Chunk(todo.rows, importBatch) {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		var batch web.ImportResult
		var codes []web.DrawnCode
		err := d.changePeople(func(c *change) error {
			for _, r := range rows {
				drawn, err := c.take(r, &batch)
				if err != nil {
					return err
				}
				codes = append(codes, drawn...)
			}
			return nil
		})
		if err != nil {
			return done, err
		}
		done.Added, done.Changed, done.Unchanged = done.Added+batch.Added, done.Changed+batch.Changed, done.Unchanged+batch.Unchanged
		if err := tell(codes, len(rows)); err != nil {
			return done, err
		}
	}
	for ids := range slices.Chunk(todo.gone, importBatch) {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		if err := d.changePeople(func(c *change) error { return c.erase(ids) }); err != nil {
			return done, err
		}
		done.Removed += len(ids)
		if err := tell(nil, len(ids)); err != nil {
			return done, err
		}
	}
	return done, nil
}

// erase removes people, but not who is gone already.
func (c *change) erase(ids []string) error {
	for _, id := range ids {
		p, found, err := c.d.people.GetTx(c.tx, id)
		if err != nil {
			return err
		}
		if found {
			if err := c.remove(id, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// take brings one row in.
func (c *change) take(r *row, batch *web.ImportResult) (drawn []web.DrawnCode, err error) {
	p, fault, err := c.plan(r)
	if err != nil {
		return nil, err
	}
	if fault != "" {
		return nil, invalid("cannot add %s (line %d): %s; the lines before it are in", r.name, r.line, fault)
	}
	differ(batch, p, r)
	batch.Differences = nil
	if !p.changes() {
		return nil, nil
	}
	if p.id == "" {
		p.id = c.newPerson()
	}
	for _, n := range p.enroll {
		_, code, err := c.enroll(p.id, &p.after, n)
		if err != nil {
			return nil, fmt.Errorf("cannot add %s (line %d): %w", r.name, r.line, err)
		}
		if code != "" {
			flat := p.after.Held[len(p.after.Held)-1].Flat
			drawn = append(drawn, web.DrawnCode{Line: r.line, Name: r.name, Flat: flat, Code: code})
		}
	}
	return drawn, c.put(p.id, p.before, p.after)
}

// ExportPeople hands out everybody by name. No transaction is held while a reader is slow.
func (d *directory) ExportPeople(ctx context.Context, take func(web.ExportedPerson) error) error {
	for key := range d.names.All() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		_, id, _ := strings.Cut(key, "\x00")
		p, found, err := d.people.Get(id)
		if err != nil {
			return err
		}
		if !found {
			continue // gone meanwhile
		}
		v := p.view(id)
		e := web.ExportedPerson{ID: id, Name: v.Name, Note: v.Note, Flat: v.Flat, Groups: v.Groups, Rights: v.Rights, Cards: v.Cards, Codes: v.Codes}
		if err := take(e); err != nil {
			return err
		}
	}
	return nil
}
