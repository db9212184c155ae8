package broker

import (
	"bytes"
	"errors"
	"strings"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/doorpanel/doorpanel/telemetry"
)

// rules is what the broker's library asks at every turn.
type rules struct {
	mochi.HookBase
	b *Broker
}

func (*rules) ID() string { return "doorpanel" }

func (*rules) Provides(what byte) bool {
	return bytes.IndexByte([]byte{
		mochi.OnConnectAuthenticate, mochi.OnPacketRead, mochi.OnACLCheck, mochi.OnPublish, mochi.OnPacketProcessed, mochi.OnWill, mochi.OnWillSent, mochi.OnSessionEstablish,
		mochi.OnSessionEstablished, mochi.OnDisconnect, mochi.OnQosComplete, mochi.OnQosDropped,
	}, what) >= 0
}

func wireOf(cl *mochi.Client) *wire {
	w, _ := cl.Net.Conn.(*wire)
	return w
}

// OnConnectAuthenticate lets a client in, or answers that it is not authorized.
func (r *rules) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	w := wireOf(cl)
	if w == nil {
		return false
	}
	if refused := r.b.admit(w, pk); refused != nil {
		r.b.refused(refused)
		return false
	}
	return true
}

// OnPacketRead ends the connection of a client that publishes where it may not. The library would let some of it pass in silence.
func (r *rules) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	w := wireOf(cl)
	if pk.FixedHeader.Type != packets.Publish || w != nil && w.who.mayWrite(pk.TopicName) {
		return pk, nil
	}
	if w != nil && w.began {
		r.b.refused(refuse("write", "%s wants to write %.200q", w.who, pk.TopicName))
	}
	return pk, packets.ErrRejectPacket
}

// OnACLCheck is asked for every publication, every filter of a subscription, and every message before it is delivered.
func (r *rules) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	w := wireOf(cl)
	if w == nil {
		return true // a session without a connection: who had it subscribed to nothing that was not its own
	}
	if write && w.who.mayWrite(topic) || !write && w.who.mayRead(topic) {
		return true
	}
	why, verb := "read", "read"
	switch {
	case write:
		why, verb = "write", "write"
	case strings.ContainsAny(topic, "+#"):
		why = "wildcard"
	}
	r.b.refused(refuse(why, "%s wants to %s %.200q", w.who, verb, topic))
	return false
}

// OnPublish looks at a message that a client may publish. It waits while the hub has too many already.
func (r *rules) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	w := wireOf(cl)
	if w == nil || w.who.hub {
		return pk, nil
	}
	leaf := strings.TrimPrefix(pk.TopicName, w.who.own())
	limit := PayloadLimit
	if leaf == string(telemetry.LeafReply) {
		limit = telemetry.ReplyLimit
	}
	var refused *refusal
	switch {
	case pk.FixedHeader.Retain && leaf != string(telemetry.LeafStatus):
		refused = refuse("retained", "%s wants its %s to be retained", w.who, leaf)
	case len(pk.Payload) > limit:
		refused = refuse("too_large", "the %s of %s has %d bytes, at most %d are taken", leaf, w.who, len(pk.Payload), limit)
	}
	if refused != nil {
		r.b.refused(refused)
		cl.Stop(packets.ErrNotAuthorized)
		return pk, packets.ErrRejectPacket
	}
	r.b.room.enter()
	w.entered = true
	return pk, nil
}

// OnPacketProcessed is called when a message has been brought to its readers, or could not be.
func (r *rules) OnPacketProcessed(cl *mochi.Client, pk packets.Packet, _ error) {
	if w := wireOf(cl); w != nil && pk.FixedHeader.Type == packets.Publish && w.entered {
		w.entered = false
		r.b.room.leave()
	}
}

// nowhere is a topic that nobody may read: a will that must not be heard goes there. The library offers no other way.
const nowhere = "$doorpanel/unheard"

// OnWill holds back the will of a connection that another one of the same panel took over: the panel is there. It holds all of them
// back when the broker itself goes.
func (r *rules) OnWill(cl *mochi.Client, will mochi.Will) (mochi.Will, error) {
	w := wireOf(cl)
	if w == nil || w.displaced.Load() || r.b.closing.Load() {
		will.TopicName, will.Retain, will.Payload = nowhere, false, nil
		return will, nil
	}
	r.b.room.enter()
	w.entered = true
	return will, nil
}

// OnWillSent is called after it.
func (r *rules) OnWillSent(cl *mochi.Client, _ packets.Packet) {
	if w := wireOf(cl); w != nil && w.entered {
		w.entered = false
		r.b.room.leave()
	}
}

// OnSessionEstablish is called before a new connection takes the place of an older one.
func (r *rules) OnSessionEstablish(cl *mochi.Client, pk packets.Packet) {
	w := wireOf(cl)
	w.began = true
	old, known := r.b.server.Clients.Get(cl.ID)
	if known && !old.Closed() {
		if before := wireOf(old); before != nil {
			before.displaced.Store(true)
			r.b.takenOver(before, w)
		}
	}
	if w.who.hub {
		return
	}
	if detail := r.b.clones.connected(w.who.panel, bootOf(pk.Connect.WillPayload), known && !old.Closed()); detail != "" {
		r.b.o.Clone(w.who.panel, detail)
	}
}

// bootOf is which start of a panel's daemon connects, as its will says.
func bootOf(will []byte) string {
	s, err := telemetry.DecodeStatus(will)
	if err != nil {
		return ""
	}
	return s.Boot
}

// OnSessionEstablished asks once more whether the panel is honored: it may have been sent away since.
func (r *rules) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	w := wireOf(cl)
	if w.who.hub {
		r.b.room.watch(cl.State.Inflight.Len)
	}
	if w.who.hub || w.who.plain {
		return
	}
	if site, err := r.b.o.Honor(w.who.panel, w.who.key); err != nil || site != w.who.site {
		r.b.Kick(w.who.panel)
	}
}

// OnDisconnect counts connections that ended because of what was sent on them.
func (r *rules) OnDisconnect(cl *mochi.Client, err error, _ bool) {
	w := wireOf(cl)
	if w == nil {
		return
	}
	if w.who.hub && !w.displaced.Load() {
		r.b.room.open()
	}
	if why := malformedWhy(err); why != "" {
		r.b.refused(refuse(why, "%s: %v", w.who, err))
	}
}

// malformedWhy tells a packet that cannot be read from a connection that merely ended.
func malformedWhy(err error) string {
	var code packets.Code
	switch {
	case errors.Is(err, packets.ErrPacketTooLarge):
		return "too_large"
	case errors.Is(err, packets.ErrNotAuthorized), errors.Is(err, packets.ErrSessionTakenOver), errors.Is(err, packets.ErrServerShuttingDown),
		errors.Is(err, packets.ErrBadUsernameOrPassword):
		return "" // counted where it was decided
	case errors.As(err, &code) && code.Code >= packets.ErrUnspecifiedError.Code:
		return "malformed"
	}
	return ""
}

// OnQosComplete lets the next message to the hub through.
func (r *rules) OnQosComplete(cl *mochi.Client, _ packets.Packet) { r.hubTook(cl) }

// OnQosDropped does the same.
func (r *rules) OnQosDropped(cl *mochi.Client, _ packets.Packet) { r.hubTook(cl) }

func (r *rules) hubTook(cl *mochi.Client) {
	if w := wireOf(cl); w != nil && w.who.hub {
		r.b.room.wake()
	}
}
