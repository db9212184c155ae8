package main

import (
	"context"
	"crypto/ed25519"
	"strings"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/agent"
	"github.com/doorpanel/doorpanel/telemetry"
)

// membershipOf is the hub as licenses know it; zero without one that can be used.
func (h *house) membershipOf() license.Membership {
	if h.config.Uplink.Broker != "" {
		return license.Membership{}
	}
	record, _, found, err := h.hub.current()
	if !found {
		return license.Membership{}
	}
	key, bad := envelope.ParseKey(record.Answer.Key)
	if err != nil || bad != nil {
		h.log.Warn("the hub's licenses do not count: its record cannot be read", "cause", firstError(err, bad))
		return license.Membership{}
	}
	return license.Membership{Key: key, Site: record.Answer.Site, Since: record.At}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// joinHub lets the licenses know which hub the panel belongs to now.
func (h *house) joinHub() {
	ctx, cancel := context.WithTimeout(context.Background(), orderTimeout)
	defer cancel()
	if err := h.licenses.Join(ctx, h.membershipOf(), h.agent.Do); err != nil {
		h.log.Error("cannot apply what the hub's membership changes", "cause", err)
	}
}

// document presents a signed document from upstream the way a scanned code is presented, and tells the hub what came of it.
func (h *house) document(kind telemetry.DocumentKind, id string, payload []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), orderTimeout)
	defer cancel()
	name := string(kind) + "/" + id
	hub := h.licenses.Hub().Key
	if len(payload) == 0 {
		h.withdrawn(ctx, name, hub)
		return
	}
	present := func() (license.Verdict, error) { return h.presentDocument(ctx, kind, payload) }
	if err := h.licenses.AnswerTo(ctx, name, payload, present, h.agent.Do); err != nil {
		h.log.Error("a document of the hub is not taken and answered", "document", name, "cause", err)
	}
}

// presentDocument decides about one document. An empty verdict: it is of a kind that this version does not know.
func (h *house) presentDocument(ctx context.Context, kind telemetry.DocumentKind, payload []byte) (license.Verdict, error) {
	as := map[telemetry.DocumentKind]envelope.Kind{
		telemetry.DocumentGrant: envelope.License, telemetry.DocumentDelegation: envelope.Delegation,
		telemetry.DocumentRevocation: envelope.Revocation, telemetry.DocumentSlice: envelope.Slice,
	}[kind]
	if as == "" {
		return license.Verdict{}, nil
	}
	port := h.licensePort()
	if kind == telemetry.DocumentGrant {
		if _, err := license.OpenHubWord(payload); err == nil {
			return port.wordQuietly(ctx, payload)
		}
	}
	return port.presentQuietly(ctx, envelope.Armor(as, payload))
}

// withdrawn forgets what the hub gave by its own word. Licenses and shares are kept until a revocation says otherwise.
func (h *house) withdrawn(ctx context.Context, name string, hub ed25519.PublicKey) {
	if hub == nil {
		return
	}
	if err := h.licenses.Withdraw(ctx, name, license.BasicPlace(hub), h.agent.Do); err != nil {
		h.log.Error("cannot forget a document that the hub took back", "document", name, "cause", err)
	}
}

func (p licensePort) wordQuietly(ctx context.Context, raw []byte) (license.Verdict, error) {
	v, err := p.licenses.PresentWord(ctx, raw, p.quietly)
	return v, storeError(err)
}

// hearHub does what the panel's hub asks about licenses, once the machine honors the order. Another key that commands the panel has no
// say in what the hub gave.
func (h *house) hearHub(ctx context.Context, c telemetry.Command, order *panel.Order, signer ed25519.PublicKey) telemetry.Reply {
	reply := telemetry.Reply{Number: c.Number, Result: telemetry.ResultRefused}
	hub := h.licenses.Hub().Key
	if hub == nil || !hub.Equal(signer) {
		reply.Why = "not_this_hub"
		return reply
	}
	answer, err := h.agent.Hear(ctx, panel.HubOrdered{What: c.Verb + " " + c.Object, Who: "key " + order.Signer, Via: "command", Order: order})
	if err == nil && !answer.Granted {
		reply.Why = answer.Why
		return reply
	}
	if err == nil {
		reply.Result, reply.Why, err = h.obeyHub(ctx, c, hub)
	}
	if err != nil {
		reply.Result, reply.Why = telemetry.ResultFailed, err.Error()
	}
	reply.Why = shortened(reply.Why, replyWords)
	return reply
}

// replyWords bounds the words of a reply, in bytes.
const replyWords = 3000

func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func (h *house) obeyHub(ctx context.Context, c telemetry.Command, hub ed25519.PublicKey) (telemetry.Result, string, error) {
	if c.Verb == telemetry.VerbTell {
		return telemetry.ResultDone, "", h.licenses.Tell(ctx, hub, c.Number, h.agent.Do)
	}
	o, err := telemetry.ParseReturnOrder(c.Object)
	if err != nil {
		return telemetry.ResultRefused, err.Error(), nil
	}
	id, err := license.ParseTokenID(o.License)
	if err != nil {
		return telemetry.ResultRefused, err.Error(), nil
	}
	back := license.BackOrder{License: id, Feature: o.Feature, Total: o.Total, To: hub}
	before, after, v := h.licenses.Stops(back)
	words := h.licensePort().stopsIn(before, after, o.Feature)
	if c.Verb == telemetry.VerbStops || v.Result.Refused() {
		if v.Result.Refused() {
			return telemetry.ResultRefused, string(v.Result) + ": " + v.Message, nil
		}
		return telemetry.ResultDone, words, nil
	}
	out, err := h.licenses.GiveBack(ctx, back, agent.Asker{By: "hub", Via: "command", Inform: h.agent.Do})
	switch {
	case err != nil:
		return telemetry.ResultFailed, "", err
	case out.Result.Refused():
		return telemetry.ResultRefused, string(out.Result) + ": " + out.Message, nil
	case out.Result == license.AlreadyActive:
		// It was given back before, and the hub does not know: the word about it was lost.
		return telemetry.ResultDone, words, h.licenses.Tell(ctx, hub, c.Number, h.agent.Do)
	}
	return telemetry.ResultDone, words, nil
}

// stopsIn names the buttons with a label that would not call any more.
func (p licensePort) stopsIn(before, after license.Entitlements, feature string) string {
	if feature != license.Buttons {
		return ""
	}
	w := &wanted{buttons: p.dir.Buttons}
	stops := w.stops(agent.Outcome{Before: before, After: after})
	if len(stops) == 0 {
		return ""
	}
	return stopping(stops)
}
