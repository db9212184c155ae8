package orders

import (
	"context"
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	// timeout bounds how long the core is waited for.
	timeout = 5 * time.Second
	// maxDeadlineMS keeps a deadline inside a Duration: some 290 years.
	maxDeadlineMS = 9_000_000_000_000
	// via says in the journal how the order came.
	via = "command"
)

// Core decides about an order and does what it asks for.
type Core interface {
	Open(context.Context, panel.OpenRequested) (panel.Answer, error)
	Lockdown(context.Context, panel.LockdownRequested) (panel.Answer, error)
	Show(context.Context, panel.TextRequested) (panel.Answer, error)
}

// Desk is where a panel's orders arrive. All fields are needed.
type Desk struct {
	Core Core
	// Keys are those of whoever may order, by their id.
	Keys map[envelope.KeyID]ed25519.PublicKey
	// Note writes an entry into the journal. It does not wait for it.
	Note func(panel.Noted)
	// Reply answers upstream. It does not wait.
	Reply func(telemetry.Reply)
	// Licenses brings an order about what the panel has from its hub before the core, does it and returns the answer; nil: such an
	// order is not known.
	Licenses func(ctx context.Context, c telemetry.Command, order *panel.Order, signer ed25519.PublicKey) telemetry.Reply
}

// Take brings an order before the core and answers it; retained is the message's flag. Only what cannot be read at all, or is
// not known, is refused here, and then there is nothing to decide on. It waits for the core, 5 s at most.
func (d Desk) Take(raw []byte, retained bool) {
	command, kid, err := telemetry.OpenCommand(raw, func(id envelope.KeyID) (ed25519.PublicKey, bool) {
		k, ok := d.Keys[id]
		return k, ok
	})
	switch {
	case errors.Is(err, envelope.ErrForged) || errors.Is(err, envelope.ErrUnknownKey):
		d.refuse(command, "not_signed", err.Error())
		return
	case err != nil:
		d.refuse(command, "malformed", err.Error())
		return
	case !d.understands(command):
		d.refuse(command, "unknown_command", command.Verb)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	order := &panel.Order{
		Signer: kid.String(), Panel: command.Panel, Boot: command.Boot, Number: command.Number,
		Deadline: time.Duration(min(command.DeadlineMS, maxDeadlineMS)) * time.Millisecond, Retained: retained,
	}
	if ofLicenses(command) {
		d.Reply(d.Licenses(ctx, command, order, d.Keys[kid]))
		return
	}
	answer, err := d.obey(ctx, command, order)
	reply := telemetry.Reply{Number: command.Number, Result: telemetry.ResultRefused, Why: answer.Why}
	switch {
	case err != nil:
		reply.Result, reply.Why = telemetry.ResultFailed, err.Error()
	case answer.Granted:
		reply.Result, reply.Why = telemetry.ResultDone, ""
	}
	d.Reply(reply)
}

// refuse answers only what was signed: the number of anything else is not known.
func (d Desk) refuse(c telemetry.Command, why, detail string) {
	d.Note(panel.Noted{Entry: panel.Entry{Kind: panel.AccessRefused, Why: why, Detail: "command: " + detail}})
	if c.Number > 0 {
		d.Reply(telemetry.Reply{Number: c.Number, Result: telemetry.ResultRefused, Why: why})
	}
}

// ofLicenses tells whether a command is a whole order about what the panel has from its hub.
func ofLicenses(c telemetry.Command) bool {
	switch c.Verb {
	case telemetry.VerbTell:
		return c.Object == telemetry.TellLicenses
	case telemetry.VerbReturn, telemetry.VerbStops:
		_, err := telemetry.ParseReturnOrder(c.Object)
		return err == nil
	}
	return false
}

func (d Desk) understands(c telemetry.Command) bool {
	if d.Licenses != nil && ofLicenses(c) {
		return true
	}
	switch c.Verb {
	case telemetry.VerbOpen, telemetry.VerbText:
		return true
	case telemetry.VerbLockdown:
		return c.Object == "on" || c.Object == "off"
	}
	return false
}

func (d Desk) obey(ctx context.Context, c telemetry.Command, order *panel.Order) (panel.Answer, error) {
	who := "key " + order.Signer
	switch c.Verb {
	case telemetry.VerbLockdown:
		return d.Core.Lockdown(ctx, panel.LockdownRequested{On: c.Object == "on", Who: who, Via: via, Order: order})
	case telemetry.VerbText:
		return d.Core.Show(ctx, panel.TextRequested{Text: c.Object, Who: who, Via: via, Order: order})
	}
	return d.Core.Open(ctx, panel.OpenRequested{Door: c.Object, Who: who, Via: via, Order: order})
}
