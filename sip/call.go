package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	stack "github.com/emiago/sipgo/sip"
)

const (
	// t1 and t2 bound the time between two repetitions (RFC 3261 section 17.1.1.1).
	t1, t2 = 500 * time.Millisecond, 4 * time.Second
	// lameDuck is how long an ended call still answers what is on its way (64*T1, RFC 3261 section 17).
	lameDuck = 32 * time.Second
	// byeTimeout bounds the wait for the answer to a request within a call.
	byeTimeout = 8 * time.Second
	// quietTime without a packet makes us ask whether the other side is still there.
	quietTime = 30 * time.Second
)

// call is one call that we placed, from Place to the last message about it.
type call struct {
	p                   *Phone
	id, target, account string
	callID, localTag    string
	hang                context.Context // done when the call is to end
	hangUp              context.CancelFunc
	bye                 chan struct{} // closed when the other side hangs up
	media               *media
	out                 outgoing
	user                string // ours
	login               *account
	session             uint64
	ringBy              time.Time

	answering sync.Mutex // held while an INFO is taken and answered

	mu       sync.Mutex
	over     bool // Failed or Ended was told
	rung     bool
	answered bool
	said     bool // BYE came
	localSeq uint32
	version  uint64
	leg      leg
	acks     map[string]*stack.Request // by the tag of the answer they confirm
	peers    []netip.Addr              // who may speak within the call
	theirSeq uint32
	way      keyWay
	turn     chan struct{}       // holds a token while a re-INVITE is dealt with
	pending  chan *stack.Request // the ACK of a re-INVITE that was answered
}

// leg is the other side of a dialog (RFC 3261 section 12). A forked call may have several, of which we keep one.
type leg struct {
	to     stack.ToHeader
	tag    string
	target stack.Uri
	routes []stack.Uri
	out    outgoing
}

// keyWay is how the other side sends keys. A telephone set to send both ways would press every key twice, so the first
// way that brings a key is the call's; a re-INVITE may bring another telephone and lets both in again.
type keyWay int

const (
	anyWay keyWay = iota
	byEvent
	byInfo
)

func newCall(p *Phone, id, target, account string) *call {
	c := &call{
		p: p, id: id, target: target, account: account,
		callID: stack.GenerateTagN(24), localTag: stack.GenerateTagN(16),
		bye: make(chan struct{}), turn: make(chan struct{}, 1), localSeq: 1 + rand.Uint32N(1<<15), session: rand.Uint64() >> 2, version: 1,
		acks: map[string]*stack.Request{}, user: "doorpanel", ringBy: time.Now().Add(p.opt.RingTimeout),
	}
	c.hang, c.hangUp = context.WithCancel(p.life)
	return c
}

// run is the call's goroutine.
func (c *call) run() {
	defer c.p.forgetLater(c)
	defer c.hangUp()
	if c.p.ready(c.hang) != nil {
		c.fail(Canceled, 0, "hung up")
		return
	}
	invite, reason, err := c.prepare()
	if c.media != nil {
		defer c.media.close()
	}
	if err != nil {
		c.fail(reason, 0, err.Error())
		return
	}
	if res := c.dial(invite); res != nil {
		c.pickedUp(res)
	}
}

// tell hands an event on, in order, and nothing after the last.
func (c *call) tell(e Event) {
	if c.over {
		return
	}
	c.over = e.Kind == Failed || e.Kind == Ended
	if c.over {
		c.p.over(c)
		c.p.log.Info("call over", "call", c.id, "target", c.target, "account", c.account, "answered", c.answered, "reason", e.Reason, "status", e.Status, "text", e.Text)
	}
	e.Call = c.id
	c.p.opt.Events(e)
}

func (c *call) fail(reason Reason, status int, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(Event{Kind: Failed, Reason: reason, Status: status, Text: text})
}

func (c *call) end(reason Reason, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(Event{Kind: Ended, Reason: reason, Text: text})
}

// key tells a key of the called party.
func (c *call) key(key rune, way keyWay) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.answered || c.way != anyWay && c.way != way {
		return
	}
	c.way = way
	c.tell(Event{Kind: Digit, Digit: key})
}

// prepare settles whom to call and how, opens the socket for the sound and writes the INVITE.
func (c *call) prepare() (*stack.Request, Reason, error) {
	t, err := parseTarget(c.target)
	if err != nil {
		return nil, UnknownTarget, err
	}
	hop := t
	if c.account != "" {
		if c.login = c.p.accounts[c.account]; c.login == nil {
			return nil, UnknownTarget, fmt.Errorf("cannot call %q: there is no SIP account %q", c.target, c.account)
		}
		hop, c.user = c.login.registrar, c.login.User
		if t.bare {
			t.uri.Host, t.uri.Port, t.uri.UriParams = hop.uri.Host, hop.uri.Port, hop.uri.UriParams
		}
	} else if t.bare {
		return nil, UnknownTarget, fmt.Errorf("cannot call %q: %w", c.target, errBare)
	}
	ctx, cancel := context.WithTimeout(c.hang, c.p.opt.ReplyTimeout)
	defer cancel()
	to, err := c.p.resolve(ctx, hop)
	if err != nil {
		return nil, Unreachable, err
	}
	local, err := c.p.localIP(to)
	if err != nil {
		return nil, Unreachable, fmt.Errorf("cannot reach %s: %w", to, err)
	}
	c.media, err = openMedia(local, func(key rune) { c.key(key, byEvent) })
	if err != nil {
		return nil, Unreachable, fmt.Errorf("cannot open a socket for the sound: %w", err)
	}
	offer, err := describe(c.media.local, c.session, c.version, nil, stream{})
	if err != nil {
		return nil, Unreachable, fmt.Errorf("cannot describe the sound: %w", err)
	}
	c.out = outgoing{local: local, to: to, transport: hop.transport}
	c.peers = []netip.Addr{to.Addr()}

	req := c.p.request(stack.INVITE, t.uri, c.out)
	if c.login != nil && !strings.EqualFold(t.uri.Host, hop.uri.Host) {
		route := hop.uri
		route.UriParams = append(slices.Clone(route.UriParams), stack.HeaderParams{{K: "lr"}}...)
		req.AppendHeader(&stack.RouteHeader{Address: route})
	}
	req.AppendHeader(c.from())
	dest := t.uri
	dest.UriParams, dest.Port = nil, 0
	req.AppendHeader(&stack.ToHeader{Address: dest})
	c.common(req, c.localSeq)
	req.AppendHeader(c.p.contact(c.user, c.out))
	req.AppendHeader(stack.NewHeader("Allow", allowed))
	req.AppendHeader(stack.NewHeader("User-Agent", c.p.opt.UserAgent))
	req.AppendHeader(stack.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(offer)
	return req, "", nil
}

func (c *call) from() *stack.FromHeader {
	host := hostText(c.out.local)
	if c.login != nil {
		host = c.login.registrar.uri.Host
	}
	from := &stack.FromHeader{DisplayName: c.p.opt.DisplayName, Address: stack.Uri{Scheme: "sip", User: c.user, Host: host}}
	from.Params.Add("tag", c.localTag)
	return from
}

// displayName makes a name fit for a quoted string; the stack writes it as it is.
func displayName(s string) string {
	return strings.NewReplacer(`\`, "", `"`, "'").Replace(plain(s))
}

func (c *call) common(req *stack.Request, seq uint32) {
	id := stack.CallIDHeader(c.callID)
	req.AppendHeader(&id)
	req.AppendHeader(&stack.CSeqHeader{SeqNo: seq, MethodName: req.Method})
}

// dial sends the INVITE, with a login if one is asked for, and returns the answer; nil when the call has failed.
func (c *call) dial(invite *stack.Request) *stack.Response {
	for try := 0; ; try++ {
		tx, err := c.p.send(c.hang, invite)
		if err != nil {
			if c.hang.Err() != nil {
				c.fail(Canceled, 0, "hung up")
			} else {
				c.fail(Unreachable, 0, fmt.Sprintf("cannot reach %s: %v", c.out.to, err))
			}
			return nil
		}
		res := c.await(tx, invite)
		switch {
		case res == nil:
			return nil
		case res.IsSuccess():
			// Repeated and forked answers come to answerAgain; a transaction kept for them would hold its connection.
			tx.Terminate()
			return res
		case (res.StatusCode == 401 || res.StatusCode == 407) && c.login != nil && try < 2:
			next := invite.Clone()
			next.RemoveHeader("Via")
			via := invite.Via().Clone()
			via.Params.Add("branch", stack.GenerateBranch())
			next.PrependHeader(via)
			c.localSeq++
			next.CSeq().SeqNo = c.localSeq
			stale, err := authorize(next, res, c.login.User, c.login.Password)
			if err != nil {
				c.fail(Refused, res.StatusCode, err.Error())
				return nil
			}
			if try == 0 || stale {
				invite = next
				continue
			}
			c.fail(Refused, res.StatusCode, fmt.Sprintf("the exchange does not accept user %q or its password", c.login.User))
			return nil
		}
		c.fail(reasonOf(res.StatusCode), res.StatusCode, plain(res.Reason))
		return nil
	}
}

func reasonOf(status int) Reason {
	switch status {
	case 486, 600:
		return Busy
	case 480, 408:
		return NoAnswer
	case 404, 410, 484, 485, 604:
		return UnknownTarget
	}
	if status >= 500 && status < 600 {
		return Unreachable
	}
	return Refused
}

// await follows an INVITE to its final answer. When the call is given up before, it goes on in silence until the other
// side has stopped ringing: an answer that crosses our CANCEL is confirmed and hung up at once.
func (c *call) await(tx *stack.ClientTx, invite *stack.Request) *stack.Response {
	ring, reply := time.NewTimer(time.Until(c.ringBy)), time.NewTimer(c.p.opt.ReplyTimeout)
	defer ring.Stop()
	defer reply.Stop()
	var late <-chan time.Time
	hang := c.hang.Done()
	heard, given := false, false
	giveUp := func(reason Reason, text string) {
		c.fail(reason, 0, text)
		given, hang = true, nil
		ring.Stop()
		reply.Stop()
		late = time.After(lameDuck)
		// CANCEL may follow only when the other side has shown that it has the INVITE (RFC 3261 section 9.1).
		if heard {
			c.cancel(invite)
		}
	}
	for {
		select {
		case res := <-tx.Responses():
			reply.Stop()
			switch {
			case res.IsProvisional():
				if given && !heard {
					c.cancel(invite)
				}
				heard = true
				if !given && (res.StatusCode == 180 || res.StatusCode == 183) {
					c.ringing(res)
				}
			case !given:
				return res
			default:
				if res.IsSuccess() {
					tx.Terminate()
					c.mu.Lock()
					l := c.confirm(res)
					c.mu.Unlock()
					c.sayBye(l)
				}
				return nil
			}
		case <-tx.Done():
			if !given {
				c.fail(Unreachable, 0, fmt.Sprintf("no answer from %s", c.out.to))
			}
			return nil
		case <-hang:
			giveUp(Canceled, "hung up")
		case <-ring.C:
			giveUp(NoAnswer, fmt.Sprintf("not answered in %v", c.p.opt.RingTimeout))
		case <-reply.C:
			giveUp(Unreachable, fmt.Sprintf("nothing heard from %s in %v", c.out.to, c.p.opt.ReplyTimeout))
		case <-late:
			tx.Terminate()
			return nil
		case <-c.p.life.Done():
			tx.Terminate()
			return nil
		}
	}
}

func (c *call) ringing(res *stack.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.rung {
		c.rung = true
		c.tell(Event{Kind: Ringing, Status: res.StatusCode, Text: plain(res.Reason)})
	}
}

// cancel takes the INVITE back (RFC 3261 section 9.1): same branch, same number.
func (c *call) cancel(invite *stack.Request) {
	req := stack.NewRequest(stack.CANCEL, invite.Recipient)
	req.SetTransport(invite.Transport())
	req.SetDestination(invite.Destination())
	req.Laddr = invite.Laddr
	req.AppendHeader(invite.Via().Clone())
	hops := stack.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	stack.CopyHeaders("Route", invite, req)
	stack.CopyHeaders("From", invite, req)
	stack.CopyHeaders("To", invite, req)
	c.common(req, invite.CSeq().SeqNo)
	req.SetBody(nil)
	c.p.work.Go(func() {
		ctx, cancel := context.WithTimeout(c.p.life, byeTimeout)
		defer cancel()
		if _, err := c.p.do(ctx, req); err != nil {
			c.p.log.Info("call taken back without an answer", "call", c.id, "error", err)
		}
	})
}

// confirm sends the ACK of an answer and returns its leg. A repeated answer gets the same ACK again. It holds mu.
func (c *call) confirm(res *stack.Response) leg {
	l := c.legOf(res)
	ack, again := c.acks[l.tag]
	if !again {
		ack = c.within(stack.ACK, l, res.CSeq().SeqNo)
		ack.SetBody(nil)
		c.acks[l.tag] = ack
	}
	err := c.p.connect(c.p.life, ack)
	if err == nil {
		err = c.p.wire.WriteMsg(ack)
	}
	if err != nil {
		c.p.log.Warn("answer not confirmed", "call", c.id, "to", ack.Destination(), "error", err)
	}
	return l
}

// maxLegs bounds the answers of a forked call that are dealt with.
const maxLegs = 8

// answerAgain takes a 200 that comes after the first: a repetition is confirmed again, the answer of another telephone
// (a forked call) is confirmed and hung up.
func (c *call) answerAgain(res *stack.Response) {
	tag := tagOf(res.To())
	c.mu.Lock()
	_, again := c.acks[tag]
	// Before the first answer is taken this may be its repetition: the next one will be dealt with.
	if len(c.acks) == 0 || !again && len(c.acks) >= maxLegs {
		c.mu.Unlock()
		return
	}
	l := c.confirm(res)
	c.mu.Unlock()
	if !again {
		c.p.background(func() { c.sayBye(l) })
	}
}

func tagOf(to *stack.ToHeader) string {
	if to == nil {
		return ""
	}
	tag, _ := to.Params.Get("tag")
	return tag
}

// legOf reads the dialog's state from the answer that made it (RFC 3261 section 12.1.2).
func (c *call) legOf(res *stack.Response) leg {
	l := leg{tag: tagOf(res.To()), out: c.out}
	if to := res.To(); to != nil {
		l.to = *to
	}
	l.target = stack.Uri{Scheme: "sip", Host: hostText(c.out.to.Addr()), Port: int(c.out.to.Port())}
	if contact := res.Contact(); contact != nil && strings.EqualFold(contact.Address.Scheme, "sip") && contact.Address.Host != "" {
		l.target = *contact.Address.Clone()
		l.target.Headers = nil
	}
	records := res.GetHeaders("Record-Route")
	for _, h := range slices.Backward(records) {
		if r, ok := h.(*stack.RecordRouteHeader); ok {
			l.routes = append(l.routes, r.Address)
		}
	}
	l.out = c.hopTo(l)
	return l
}

// hopTo is where requests of a leg go next: the first route, or the telephone itself. A name, or an address that asks
// for TLS, is reached by the way the INVITE went.
func (c *call) hopTo(l leg) outgoing {
	next := l.target
	if len(l.routes) > 0 {
		next = l.routes[0]
	}
	out := c.out
	host := strings.Trim(next.Host, "[]")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Unmap().Is4() != c.out.local.Is4() || next.Port < 0 || next.Port > 65535 || addr.IsUnspecified() || addr.IsMulticast() {
		return out
	}
	transport, _ := next.UriParams.Get("transport")
	switch strings.ToUpper(transport) {
	case "":
	case "UDP", "TCP":
		out.transport = strings.ToUpper(transport)
	default:
		return out
	}
	port := next.Port
	if port == 0 {
		port = 5060
	}
	out.to = netip.AddrPortFrom(addr.Unmap(), uint16(port))
	return out
}

// within begins a request of the dialog.
func (c *call) within(method stack.RequestMethod, l leg, seq uint32) *stack.Request {
	req := c.p.request(method, l.target, l.out)
	for _, r := range l.routes {
		req.AppendHeader(&stack.RouteHeader{Address: r})
	}
	req.AppendHeader(c.from())
	to := l.to
	req.AppendHeader(&to)
	c.common(req, seq)
	req.AppendHeader(stack.NewHeader("User-Agent", c.p.opt.UserAgent))
	return req
}

// ask sends a request within the dialog and waits for the answer.
func (c *call) ask(method stack.RequestMethod, l leg) (*stack.Response, error) {
	ctx, cancel := context.WithTimeout(c.p.life, byeTimeout)
	defer cancel()
	var challenge *stack.Response
	for try := 0; ; try++ {
		c.mu.Lock()
		c.localSeq++
		req := c.within(method, l, c.localSeq)
		c.mu.Unlock()
		if challenge != nil {
			if _, err := authorize(req, challenge, c.login.User, c.login.Password); err != nil {
				return nil, err
			}
		}
		req.SetBody(nil)
		res, err := c.p.do(ctx, req)
		if err != nil || try > 0 || c.login == nil || res.StatusCode != 401 && res.StatusCode != 407 {
			return res, err
		}
		challenge = res
	}
}

func (c *call) sayBye(l leg) {
	if _, err := c.ask(stack.BYE, l); err != nil && c.p.life.Err() == nil {
		c.p.log.Info("hung up without an answer", "call", c.id, "error", err)
	}
}

var errNoAnswerSDP = errors.New("the answer describes no sound")

// pickedUp takes the answer: ACK, first frame, event, in that order and at once.
func (c *call) pickedUp(res *stack.Response) {
	l, err := c.establish(res)
	if err != nil {
		c.fail(Refused, res.StatusCode, err.Error())
		c.sayBye(l)
		return
	}
	c.media.run()
	c.talk(l)
}

// establish makes the dialog. It holds mu throughout, so that a key which follows the ACK at once waits for the answer
// to be told instead of being turned away.
func (c *call) establish(res *stack.Response) (leg, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.confirm(res)
	if len(res.Body()) == 0 {
		return l, errNoAnswerSDP
	}
	_, agreed, err := readStream(res.Body())
	if err != nil {
		return l, err
	}
	if c.p.opt.Audio != nil {
		c.media.audio = c.p.opt.Audio(c.id, agreed.codec)
	}
	peer := sourceOf(res.Source())
	c.media.agree(agreed, peer)
	c.media.begin()
	c.leg = l
	c.peers = append(c.peers, l.out.to.Addr(), peer)
	c.answered = true
	c.tell(Event{Kind: Answered, Status: res.StatusCode})
	return l, nil
}

// talk waits for the end of the call.
func (c *call) talk(l leg) {
	check := time.NewTicker(quietTime)
	defer check.Stop()
	for {
		select {
		case <-c.bye:
			c.end("", "the other side hung up")
			return
		case <-c.hang.Done():
			c.end("", "hung up")
			c.answersSent()
			c.sayBye(l)
			return
		case <-check.C:
			if c.media.quiet(time.Now()) < quietTime {
				continue
			}
			res, err := c.ask(stack.OPTIONS, l)
			if err == nil && res.StatusCode != 481 && res.StatusCode != 408 {
				continue
			}
			if c.hang.Err() == nil {
				c.end(Unreachable, "the other side fell silent")
				c.sayBye(l)
				return
			}
		}
	}
}

// answersSent returns when the INFO that is being handled, if any, has its answer.
func (c *call) answersSent() {
	c.answering.Lock()
	defer c.answering.Unlock()
}

// take handles a request within the call; false when it does not belong to it.
func (c *call) take(req *stack.Request, tx *stack.ServerTx) bool {
	c.mu.Lock()
	if !c.belongs(req) {
		c.mu.Unlock()
		return false
	}
	seq := req.CSeq().SeqNo
	old, gone := seq <= c.theirSeq, c.over
	if req.Method != stack.ACK && !old {
		c.theirSeq = seq
	}
	pending := c.pending
	c.mu.Unlock()
	if req.Method == stack.ACK {
		if pending != nil {
			select {
			case pending <- req:
			default:
			}
		}
		return true
	}
	if old {
		c.p.respond(req, tx, 500, "Out Of Order")
		return true
	}
	if gone && req.Method != stack.BYE {
		return false
	}
	switch req.Method {
	case stack.BYE:
		c.p.respond(req, tx, 200, "OK")
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.said {
			c.said = true
			close(c.bye)
		}
	case stack.INFO:
		c.info(req, tx)
	case stack.INVITE:
		c.renegotiate(req, tx)
	case stack.OPTIONS:
		c.p.respond(req, tx, 200, "OK", stack.NewHeader("Accept", "application/sdp"))
	default:
		c.p.respond(req, tx, 405, "Method Not Allowed")
	}
	return true
}

// belongs reports whether a request is of this dialog: both tags, and from an address that is part of the call.
func (c *call) belongs(req *stack.Request) bool {
	if !c.answered || req.CSeq() == nil || req.From() == nil || req.To() == nil {
		return false
	}
	theirs, _ := req.From().Params.Get("tag")
	ours, _ := req.To().Params.Get("tag")
	from := sourceOf(req.Source())
	return from.IsValid() && theirs == c.leg.tag && ours == c.localTag && slices.Contains(c.peers, from)
}

// sourceOf is the address a message came from; the stack has it as text.
func sourceOf(source string) netip.Addr {
	from, err := netip.ParseAddrPort(source)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap()
}

// info takes a key sent as SIP INFO. The key is told before the answer is sent: a door waits for it. The BYE of who hangs
// up on that key waits for the answer: a request left without one is an error to some phones.
func (c *call) info(req *stack.Request, tx *stack.ServerTx) {
	c.answering.Lock()
	defer c.answering.Unlock()
	kind := ""
	if h := req.ContentType(); h != nil {
		kind = string(*h)
	}
	if key, ok := infoKey(kind, req.Body()); ok {
		c.key(key, byInfo)
	} else if len(req.Body()) > 0 {
		c.p.respond(req, tx, 415, "Unsupported Media Type", stack.NewHeader("Accept", "application/dtmf-relay, application/dtmf"))
		return
	}
	c.p.respond(req, tx, 200, "OK")
}

// renegotiate answers a re-INVITE: hold, resume, another address. It repeats the answer until the ACK comes.
func (c *call) renegotiate(req *stack.Request, tx *stack.ServerTx) {
	// The ACK of the one before may still be on its way through another goroutine.
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-time.After(t1):
		c.p.respond(req, tx, 491, "Request Pending")
		return
	}
	acked := make(chan *stack.Request, 1)
	c.mu.Lock()
	c.pending = acked
	c.version++
	version := c.version
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.pending = nil
		c.mu.Unlock()
	}()

	var body []byte
	var agreed stream
	var err error
	offered := len(req.Body()) > 0
	if offered {
		theirs, s, failed := readStream(req.Body())
		if failed != nil {
			c.p.respond(req, tx, 488, "Not Acceptable Here")
			return
		}
		agreed = s
		body, err = describe(c.media.local, c.session, version, theirs, agreed)
	} else {
		body, err = describe(c.media.local, c.session, version, nil, stream{})
	}
	if err != nil {
		c.p.respond(req, tx, 500, "Internal Error")
		return
	}
	c.retarget(req)
	res := stack.NewResponseFromRequest(req, 200, "OK", nil)
	res.AppendHeader(c.p.contact(c.user, c.out))
	res.AppendHeader(stack.NewHeader("Allow", allowed))
	res.AppendHeader(stack.NewHeader("Content-Type", "application/sdp"))
	res.SetBody(body)
	if offered {
		c.resound(agreed, req)
	}
	ack := c.confirmed(res, tx, acked)
	switch {
	case ack == nil:
		c.p.log.Info("re-negotiation not confirmed", "call", c.id)
		c.hangUp()
	case !offered:
		if _, s, err := readStream(ack.Body()); err == nil {
			c.resound(s, req)
		}
	}
}

// resound changes where the sound goes; another telephone may now be at the other end, with its own way of sending keys.
func (c *call) resound(s stream, req *stack.Request) {
	c.media.agree(s, sourceOf(req.Source()))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.way = anyWay
}

// retarget follows the other side to the address it names in a re-INVITE (RFC 3261 section 12.2.2).
func (c *call) retarget(req *stack.Request) {
	contact := req.Contact()
	if contact == nil || !strings.EqualFold(contact.Address.Scheme, "sip") || contact.Address.Host == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leg.target = *contact.Address.Clone()
	c.leg.target.Headers = nil
	c.leg.out = c.hopTo(c.leg)
}

// confirmed sends an answer, again and again, until its ACK comes (RFC 3261 section 13.3.1.4); nil when none does.
func (c *call) confirmed(res *stack.Response, tx *stack.ServerTx, acked <-chan *stack.Request) *stack.Request {
	wait := t1
	again := time.NewTimer(wait)
	defer again.Stop()
	limit := time.NewTimer(lameDuck)
	defer limit.Stop()
	if tx.Respond(res) != nil {
		return nil
	}
	for {
		select {
		case ack := <-acked:
			return ack
		case ack := <-tx.Acks():
			return ack
		case <-again.C:
			_ = tx.Respond(res)
			wait = min(2*wait, t2)
			again.Reset(wait)
		case <-limit.C:
			return nil
		case <-c.hang.Done():
			return nil
		}
	}
}
