package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/web"
)

// Programs are told of events by way of the outbox: each event that fits becomes one delivery, whose name follows from hook
// and event, so that a hub that dies in between makes it once. The cursor of a hook says up to where it was looked.
const (
	hookCursor = "hook/"
	hookBatch  = 500
	hookPause  = 5 * time.Second // after a failure, and for hooks that were changed meanwhile
)

// tellHooks makes deliveries of events for the hooks that ask for them, until ctx ends.
func (h *house) tellHooks(ctx context.Context) {
	for ctx.Err() == nil {
		seen, err := h.store.Last()
		if err == nil {
			err = h.lookForHooks(ctx, seen)
		}
		if err != nil && ctx.Err() == nil {
			h.log.Error("cannot tell the hooks of events", "cause", err)
		}
		waiting, cancel := context.WithTimeout(ctx, hookPause)
		_ = h.store.Wait(waiting, seen)
		cancel()
	}
}

// lookForHooks looks at the events up to last for each hook. A hook that is new begins with what comes after them; one that is
// gone, or asks for no events any more, is forgotten.
func (h *house) lookForHooks(ctx context.Context, last uint64) error {
	known, err := h.store.Cursors()
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, hook := range h.settings.current().Hooks {
		kinds := kindsOf(hook.Events)
		if len(kinds) == 0 {
			continue
		}
		name := hookCursor + hook.Name
		wanted[name] = true
		if !slices.Contains(known, name) {
			err = h.store.SetCursor(name, last)
		} else {
			err = h.tellHook(ctx, hook, kinds, last)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range known {
		if strings.HasPrefix(name, hookCursor) && !wanted[name] {
			if err := h.store.DeleteCursor(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellHook makes the deliveries of one hook.
func (h *house) tellHook(ctx context.Context, hook web.Hook, kinds []string, last uint64) error {
	name := hookCursor + hook.Name
	at, err := h.store.Cursor(name)
	if err != nil {
		return err
	}
	for at < last && ctx.Err() == nil {
		events, err := h.store.After(at, hookBatch)
		if err != nil || len(events) == 0 {
			return err
		}
		var deliveries []fleet.Delivery
		for _, e := range events {
			if fitsKind(e.Event.Kind, kinds) {
				deliveries = append(deliveries, h.hookDelivery(hook, e))
			}
		}
		if len(deliveries) > 0 {
			if _, err := h.store.AddDeliveries(deliveries); err != nil {
				return err
			}
			h.deliverer.Wake()
		}
		at = events[len(events)-1].Serial
		if err := h.store.SetCursor(name, at); err != nil {
			return err
		}
	}
	return nil
}

func kindsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func fitsKind(kind string, kinds []string) bool {
	for _, k := range kinds {
		if k == kind || strings.HasSuffix(k, ".") && strings.HasPrefix(kind, k) {
			return true
		}
	}
	return false
}

func (h *house) hookDelivery(hook web.Hook, r fleet.Received) fleet.Delivery {
	site, _ := adapter{h}.siteWords(r.Site)
	facts := []fleet.Fact{{Name: "site", Value: site}, {Name: "panel", Value: r.Panel}}
	for _, f := range []fleet.Fact{
		{Name: "event", Value: r.Event.Kind}, {Name: "at", Value: r.Event.Time.UTC().Format(time.RFC3339)}, {Name: "door", Value: r.Event.Door}, {Name: "who", Value: r.Event.Who},
		{Name: "why", Value: r.Event.Why}, {Name: "reader", Value: r.Event.Reader}, {Name: "detail", Value: r.Event.Detail}, {Name: "epoch", Value: r.Event.Epoch},
		{Name: "seq", Value: fmt.Sprint(r.Event.Seq)},
	} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	return fleet.Delivery{
		ID: fmt.Sprintf("hook-%s-%d", hook.Name, r.Serial), Site: r.Site, Kind: "event", Recipient: hook.Name, Channel: fleet.Webhook, Address: hook.URL, Language: "en",
		Facts: facts, Made: r.At, Due: r.At, State: fleet.Waiting,
	}
}
