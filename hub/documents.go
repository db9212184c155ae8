package hub

import (
	"context"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

const republishFor = 5 * time.Minute

// PutDocument keeps a signed document for a panel and publishes it, retained. Without a broker it is published later.
func (h *Hub) PutDocument(ctx context.Context, d fleet.Document) error {
	kind := telemetry.DocumentKind(d.Kind)
	if !kind.Known() || len(d.Bytes) == 0 || len(d.Bytes) > telemetry.DocumentLimit {
		return fmt.Errorf("cannot publish document %q of kind %q with %d bytes: a panel reads slice, delegation, revocation and grant with 1 to %d",
			d.ID, d.Kind, len(d.Bytes), telemetry.DocumentLimit)
	}
	if err := telemetry.CheckName(d.ID); err != nil {
		return err
	}
	p, known := h.enrolled(d.Panel)
	if !known {
		return fmt.Errorf("cannot publish a document to panel %.40q: %w", d.Panel, fleet.ErrUnknown)
	}
	d.Made, d.Published, d.Withdrawn, d.Answer, d.Acknowledged = h.o.Now(), time.Time{}, time.Time{}, nil, time.Time{}
	return h.keepDocument(ctx, p, d, "document.published")
}

// WithdrawDocument takes a document back from the broker. What a panel holds already it keeps, until a revocation says otherwise.
func (h *Hub) WithdrawDocument(ctx context.Context, panel, kind, id, by string) error {
	docs, err := h.o.Store.Documents(panel)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if d.Kind == kind && d.ID == id && d.Withdrawn.IsZero() {
			d.Withdrawn, d.Published, d.By = h.o.Now(), time.Time{}, by
			return h.keepDocument(ctx, h.recordOf(panel), d, "document.withdrawn")
		}
	}
	return fmt.Errorf("cannot withdraw document %s/%s of panel %.40q: %w", kind, id, panel, fleet.ErrUnknown)
}

func (h *Hub) keepDocument(ctx context.Context, p fleet.Panel, d fleet.Document, what string) error {
	if err := h.o.Store.PutDocument(d); err != nil {
		return err
	}
	if err := h.o.Store.Note(fleet.Change{At: h.o.Now(), Who: d.By, Via: "hub", What: what, Object: d.Panel, Site: p.Site, Detail: d.Kind + " " + d.ID}); err != nil {
		h.log.Error("cannot write a document into the audit", "panel", d.Panel, "cause", err)
	}
	if err := h.publish(ctx, p, d); err != nil {
		h.log.Warn("a document is published later", "panel", d.Panel, "kind", d.Kind, "id", d.ID, "cause", err)
	}
	return nil
}

// publish brings a document to the broker, or takes it off, and notes that the broker has heard it.
func (h *Hub) publish(ctx context.Context, p fleet.Panel, d fleet.Document) error {
	payload := d.Bytes
	if !d.Withdrawn.IsZero() {
		payload = nil
	}
	if err := h.o.Link.Publish(ctx, telemetry.DocumentTopic(p.Site, p.ID, telemetry.DocumentKind(d.Kind), d.ID), true, payload); err != nil {
		return err
	}
	if d.Published.IsZero() {
		d.Published = h.o.Now()
		return h.o.Store.PutDocument(d)
	}
	return nil
}

// republish brings all documents to a broker that may have forgotten them, and what it has not heard yet.
func (h *Hub) republish() {
	ctx, cancel := context.WithTimeout(context.Background(), republishFor)
	defer cancel()
	docs, err := h.o.Store.Documents("")
	if err != nil {
		h.log.Error("cannot publish documents again", "cause", err)
		return
	}
	for _, d := range docs {
		p, known := h.roll.Load().panels[d.Panel]
		if !known || !d.Withdrawn.IsZero() && !d.Published.IsZero() {
			continue
		}
		if err := h.publish(ctx, p, d); err != nil {
			h.log.Warn("cannot publish documents again", "cause", err)
			return
		}
	}
}
