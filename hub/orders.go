package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

const (
	// orderFor is how long a panel may honor an order, by its own clock; 30 s at most (docs/mqtt.md).
	orderFor = 20 * time.Second
	// orderWait is how long the answer is waited for: an order that was honored in the last moment takes a while to be answered.
	orderWait = 30 * time.Second
	// statusOld is the age beyond which a status says nothing about the panel's clock any more.
	statusOld = 10 * time.Minute
	// settleLimit bounds how many old orders are looked at when the hub starts.
	settleLimit = 1_000
)

// ErrOrder is wrapped by the error of an order that makes no sense: nothing was sent.
var ErrOrder = errors.New("cannot order this")

// answers knows who waits for a panel's answer.
type answers struct {
	mu      sync.Mutex
	waiting map[answerKey]chan telemetry.Reply
	over    sync.Mutex // held while an order is given up, and while a late answer corrects one
}

type answerKey struct {
	panel  string
	number uint64
}

func newAnswers() *answers { return &answers{waiting: map[answerKey]chan telemetry.Reply{}} }

func (a *answers) expect(key answerKey) chan telemetry.Reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := make(chan telemetry.Reply, 1)
	a.waiting[key] = c
	return c
}

// forget ends the waiting, and tells whether there was any.
func (a *answers) forget(key answerKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.waiting[key]
	delete(a.waiting, key)
	return ok
}

// take brings an answer to who waits for it, once.
func (a *answers) take(key answerKey, reply telemetry.Reply) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, ok := a.waiting[key]
	if ok {
		delete(a.waiting, key)
		c <- reply
	}
	return ok
}

func (h *Hub) readReply(p fleet.Panel, m Message) {
	if len(m.Payload) == 0 {
		m.Done()
		return
	}
	reply, err := telemetry.DecodeReply(m.Payload)
	switch {
	case err != nil:
		h.refuse(RefusedMalformed, m, err)
	case m.Retained || !h.answers.take(answerKey{p.ID, reply.Number}, reply) && !h.correct(p.ID, reply):
		h.refuse(RefusedReply, m, fmt.Errorf("answer %q to order %d", reply.Result, reply.Number))
	default:
		m.Done()
	}
}

// correct takes an answer to an order that was given up, once, and tells whether there is such an order: what the panel did
// counts, whenever it says so.
func (h *Hub) correct(panel string, reply telemetry.Reply) bool {
	h.answers.over.Lock()
	defer h.answers.over.Unlock()
	o, err := h.o.Store.Order(reply.Number)
	if err != nil || o.Panel != panel || o.State != fleet.OrderNotReached || o.Deadline.IsZero() {
		return false
	}
	o.Late = true
	h.settle(h.answered(o, reply))
	return true
}

// CheckOrder says why nobody can be asked for this, or nil.
func CheckOrder(verb, object string) error {
	switch verb {
	case telemetry.VerbOpen:
		if err := telemetry.CheckName(object); err != nil {
			return fmt.Errorf("%w: the door's name: %v", ErrOrder, err)
		}
	case telemetry.VerbLockdown:
		if object != "on" && object != "off" {
			return fmt.Errorf("%w: a lockdown is on or off, not %.20q", ErrOrder, object)
		}
	case telemetry.VerbText:
		if err := telemetry.CheckText(object); err != nil {
			return fmt.Errorf("%w: %v", ErrOrder, err)
		}
	case telemetry.VerbReturn, telemetry.VerbStops:
		if _, err := telemetry.ParseReturnOrder(object); err != nil {
			return fmt.Errorf("%w: %v", ErrOrder, err)
		}
	case telemetry.VerbTell:
		if object != telemetry.TellLicenses {
			return fmt.Errorf("%w: a panel tells of %s, not of %.20q", ErrOrder, telemetry.TellLicenses, object)
		}
	default:
		return fmt.Errorf("%w: a panel opens, locks down and shows text; it does not know %.20q", ErrOrder, verb)
	}
	return nil
}

// Order asks a panel to do something and returns what came of it, at the latest when its deadline has passed. It goes on when
// ctx ends: only the waiting ends, with ctx's error. An error besides says that nothing was sent.
func (h *Hub) Order(ctx context.Context, panel, verb, object, by string) (fleet.Order, error) {
	p, known := h.enrolled(panel)
	if !known {
		return fleet.Order{}, fmt.Errorf("cannot order panel %.40q: %w", panel, fleet.ErrUnknown)
	}
	if s := p.State(); s == fleet.PanelRevoked || s == fleet.PanelReplaced {
		return fleet.Order{}, fmt.Errorf("%w: panel %s was %s", ErrOrder, panel, s)
	}
	if err := CheckOrder(verb, object); err != nil {
		return fleet.Order{}, err
	}
	o, answer, err := h.send(ctx, fleet.Order{Panel: p.ID, Site: p.Site, Verb: verb, Object: object, By: by})
	if err != nil || o.State != fleet.OrderSent {
		return o, err
	}
	result := make(chan fleet.Order, 1)
	go func() { result <- h.await(o, answer) }()
	select {
	case o = <-result:
		return o, nil
	case <-ctx.Done():
		return o, ctx.Err()
	}
}

// send numbers an order durably, signs it and hands it to the broker. Orders to one panel go out in the order of their
// numbers: a panel honors none after a higher one.
func (h *Hub) send(ctx context.Context, o fleet.Order) (fleet.Order, chan telemetry.Reply, error) {
	h.mu.Lock()
	c := h.contactOf(o.Panel)
	h.mu.Unlock()
	select {
	case c.ordering <- struct{}{}:
		defer func() { <-c.ordering }()
	case <-ctx.Done():
		return o, nil, fmt.Errorf("cannot send the order: %w; nothing was sent", ctx.Err())
	}

	now := h.o.Now()
	number, err := h.o.Store.NextNumber(now)
	if err != nil {
		return o, nil, fmt.Errorf("cannot number the order: %w; nothing was sent", err)
	}
	o.Number, o.At, o.Deadline, o.State = number, now, now.Add(orderFor), fleet.OrderSent
	raw, why := h.sign(o, c, now)
	if why != "" {
		o.State, o.Why, o.Deadline = fleet.OrderNotReached, why, time.Time{}
	}
	if err := h.o.Store.PutOrder(o); err != nil {
		return o, nil, fmt.Errorf("cannot keep the order: %w; nothing was sent", err)
	}
	h.audit(o, "order.sent")
	if o.State != fleet.OrderSent {
		return o, nil, nil
	}
	answer := h.answers.expect(answerKey{o.Panel, o.Number})
	if err := h.o.Link.Send(telemetry.CommandTopic(o.Site, o.Panel), false, raw); err != nil {
		h.answers.forget(answerKey{o.Panel, o.Number})
		o.State, o.Why = fleet.OrderNotReached, err.Error()
		h.settle(o)
		return o, nil, nil
	}
	h.tellNews()
	return o, answer, nil
}

// sign makes the command, or says why the panel cannot be reached.
func (h *Hub) sign(o fleet.Order, c *contact, now time.Time) (raw []byte, why string) {
	h.mu.Lock()
	status, at := c.status, c.at
	h.mu.Unlock()
	age := now.Sub(at)
	switch {
	case at.IsZero():
		return nil, "the panel has not been heard since the hub was started"
	case age > statusOld:
		return nil, fmt.Sprintf("the panel was heard last %s ago", age.Round(time.Second))
	case !h.Linked():
		return nil, "the hub is not connected to the broker"
	}
	deadline := status.MonoMS + uint64(max(age, 0).Milliseconds()) + uint64(orderFor.Milliseconds())
	raw, err := telemetry.SignCommand(telemetry.Command{
		Panel: o.Panel, Boot: status.Boot, DeadlineMS: deadline, Number: o.Number, Verb: o.Verb, Object: o.Object,
	}, h.o.CommandKey, h.o.Sign)
	if err != nil {
		return nil, err.Error()
	}
	return raw, ""
}

// await waits for the answer, as long as one is waited for, and keeps what came.
func (h *Hub) await(o fleet.Order, answer chan telemetry.Reply) fleet.Order {
	limit := time.NewTimer(orderWait)
	defer limit.Stop()
	select {
	case reply := <-answer:
		o = h.answered(o, reply)
		h.settle(o)
		return o
	case <-limit.C:
	}
	h.answers.over.Lock() // an answer that comes from now on finds the order given up
	defer h.answers.over.Unlock()
	if h.answers.forget(answerKey{o.Panel, o.Number}) {
		o.State, o.Why = fleet.OrderNotReached, "no answer before the deadline"
	} else { // it came in the last moment
		o = h.answered(o, <-answer)
	}
	h.settle(o)
	return o
}

// answered is an order with what the panel said to it.
func (h *Hub) answered(o fleet.Order, reply telemetry.Reply) fleet.Order {
	o.Answered, o.Why = h.o.Now(), bounded(reply.Why)
	switch reply.Result {
	case telemetry.ResultDone:
		o.State = fleet.OrderDone
	case telemetry.ResultRefused:
		o.State = fleet.OrderRefused
	default:
		o.State = fleet.OrderFailed
	}
	return o
}

// wordsLimit is how many characters of a panel's words are kept: ten buttons with their labels fit.
const wordsLimit = 1000

// bounded makes a panel's words fit for pages and records.
func bounded(text string) string {
	clean := []rune{}
	for _, r := range text {
		if len(clean) == wordsLimit {
			break
		}
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		clean = append(clean, r)
	}
	return string(clean)
}

func (h *Hub) settle(o fleet.Order) {
	if err := h.o.Store.PutOrder(o); err != nil {
		h.log.Error("cannot keep what came of an order", "number", o.Number, "state", o.State, "cause", err)
	}
	h.audit(o, "order."+string(o.State))
	h.tellNews()
}

func (h *Hub) audit(o fleet.Order, what string) {
	who := o.By
	if what != "order.sent" {
		who = "hub"
	}
	after := o.Why
	if o.Late {
		after = strings.TrimSpace("answered late " + o.Why)
	}
	err := h.o.Store.Note(fleet.Change{
		At: h.o.Now(), Who: who, Via: "hub", What: what, Object: o.Panel, Site: o.Site,
		Detail: fmt.Sprintf("order %d: %s %s", o.Number, o.Verb, o.Object), After: after,
	})
	if err != nil {
		h.log.Error("cannot write an order into the audit", "number", o.Number, "cause", err)
	}
}

// settleOldOrders ends what was under way when the hub stopped: nobody knows what came of it.
func (h *Hub) settleOldOrders() error {
	orders, err := h.o.Store.Orders("", settleLimit)
	if err != nil {
		return err
	}
	now := h.o.Now()
	for _, o := range orders {
		if o.State == fleet.OrderSent && now.After(o.At) {
			o.State, o.Why = fleet.OrderNotReached, "the hub was stopped before an answer came; look at the panel's events"
			h.settle(o)
		}
	}
	return nil
}
