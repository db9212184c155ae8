package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	stack "github.com/emiago/sipgo/sip"
)

const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	// maxRetryAfter bounds what an exchange may ask us to wait.
	maxRetryAfter = time.Hour
	shortestLife  = 20 * time.Second
)

// account keeps one registration alive.
type account struct {
	Account
	registrar target
	callID    string
	tag       string
	kick      chan struct{} // holds one token when want has changed

	mu    sync.Mutex
	want  bool
	abort context.CancelFunc // ends the request that is under way

	// The rest belongs to the goroutine in keep.
	seq   uint32
	state AccountState
	text  string
	life  time.Duration // asked for
	out   outgoing
}

func newAccount(a Account) (*account, error) {
	t, err := readRegistrar(a.Registrar)
	if err != nil {
		return nil, fmt.Errorf("cannot use registrar %q of SIP account %q: %w", a.Registrar, a.Name, err)
	}
	if a.Name == "" {
		return nil, fmt.Errorf("cannot use the SIP account at %q: it has no name", a.Registrar)
	}
	if !isUser(a.User) {
		return nil, fmt.Errorf("cannot use user %q of SIP account %q: it is empty or has a character that is not allowed", a.User, a.Name)
	}
	if a.Expires <= 0 {
		a.Expires = time.Hour
	}
	return &account{
		Account: a, registrar: t, callID: stack.GenerateTagN(24), tag: stack.GenerateTagN(16),
		kick: make(chan struct{}, 1), seq: 1 + rand.Uint32N(1<<15), state: Off, life: max(a.Expires, shortestLife),
	}, nil
}

func (a *account) set(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.want == on {
		return
	}
	a.want = on
	if a.abort != nil {
		a.abort()
	}
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// begin opens a request that set can break off; wanted is what it is to bring about.
func (a *account) begin(ctx context.Context, limit time.Duration) (reqCtx context.Context, wanted bool, end func()) {
	reqCtx, cancel := context.WithTimeout(ctx, limit)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.abort = cancel
	return reqCtx, a.want, func() {
		a.mu.Lock()
		a.abort = nil
		a.mu.Unlock()
		cancel()
	}
}

// keep is the account's goroutine: it sleeps while the account is off, and between two refreshes.
func (p *Phone) keep(ctx context.Context, a *account) {
	if p.ready(ctx) != nil {
		return
	}
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	var refresh time.Time // when to register again
	tries := 0
	for {
		pinged := false
		select {
		case <-ctx.Done():
			if a.state == Registered {
				bye, cancel := context.WithTimeout(p.life, goodbye)
				_, _ = p.register(bye, a, 0)
				cancel()
				p.account(a, Off, 0, "")
			}
			return
		case <-a.kick:
		case <-timer.C:
			pinged = a.state == Registered && time.Now().Before(refresh)
		}
		timer.Stop()
		reqCtx, on, end := a.begin(ctx, p.opt.ReplyTimeout)
		switch {
		case !on:
			if a.state == Registered || a.state == Registering {
				_, _ = p.register(reqCtx, a, 0)
			}
			tries = 0
			p.account(a, Off, 0, "")
		case pinged:
			if err := p.ping(reqCtx, a); err != nil && reqCtx.Err() != context.Canceled {
				p.account(a, Unavailable, 0, "the exchange does not answer any more: "+err.Error())
				timer.Reset(backOff(tries))
				tries++
			} else {
				timer.Reset(p.nextLook(refresh))
			}
		default:
			if a.state != Registered {
				p.account(a, Registering, 0, "")
			}
			life, err := p.register(reqCtx, a, a.life)
			var no *refusedError
			switch {
			case err == nil:
				tries = 0
				refresh = time.Now().Add(life * 85 / 100)
				p.account(a, Registered, 200, "")
				timer.Reset(p.nextLook(refresh))
			case reqCtx.Err() == context.Canceled: // switched off, or going down
			case errors.As(err, &no):
				p.account(a, Unavailable, no.status, no.text)
				timer.Reset(max(no.after, backOff(tries)))
				tries++
			default:
				p.account(a, Unavailable, 0, "no answer from the exchange: "+err.Error())
				timer.Reset(backOff(tries))
				tries++
			}
		}
		end()
	}
}

func (p *Phone) nextLook(refresh time.Time) time.Duration {
	d := time.Until(refresh)
	if p.opt.KeepAlive > 0 {
		d = min(d, p.opt.KeepAlive)
	}
	return max(d, time.Second)
}

// backOff doubles from 1 s to 5 min, the upper half of each step by chance, so that the panels of a building do not come
// back all at once after a power cut.
func backOff(tries int) time.Duration {
	step := lastRetry
	if tries < 9 {
		step = min(lastRetry, firstRetry<<tries)
	}
	return step/2 + rand.N(step/2+1)
}

// account tells a change of state.
func (p *Phone) account(a *account, state AccountState, status int, text string) {
	if a.state == state && a.text == text {
		return
	}
	a.state, a.text = state, text
	p.log.Info("account", "account", a.Name, "state", state, "status", status, "text", text)
	p.opt.Events(Event{Kind: AccountChanged, Account: a.Name, State: state, Status: status, Text: text})
}

// refusedError is an exchange's no; after is the earliest time to ask again.
type refusedError struct {
	status int
	text   string
	after  time.Duration
}

func (e *refusedError) Error() string { return strconv.Itoa(e.status) + " " + e.text }

// register asks for a registration of the given life, 0 to take it back, and returns the life that was granted.
func (p *Phone) register(ctx context.Context, a *account, life time.Duration) (time.Duration, error) {
	to, err := p.resolve(ctx, a.registrar)
	if err != nil {
		return 0, err
	}
	local, err := p.localIP(to)
	if err != nil {
		return 0, err
	}
	a.out = outgoing{local: local, to: to, transport: a.registrar.transport}
	var challenge *stack.Response
	for try := 0; ; try++ {
		req := p.registration(a, life)
		if challenge != nil {
			stale, err := authorize(req, challenge, a.User, a.Password)
			if err != nil {
				return 0, &refusedError{status: challenge.StatusCode, text: err.Error(), after: lastRetry}
			}
			if try > 1 && !stale {
				// Asking on with a wrong password gets a panel locked out at many exchanges.
				return 0, &refusedError{status: challenge.StatusCode, text: fmt.Sprintf("user %q or its password is not accepted", a.User), after: lastRetry}
			}
		}
		res, err := p.do(ctx, req)
		if err != nil {
			return 0, err
		}
		switch {
		case res.IsSuccess():
			return granted(res, req, life), nil
		case (res.StatusCode == 401 || res.StatusCode == 407) && try < 3:
			challenge = res
		case res.StatusCode == 423 && life > 0 && try < 3:
			least, ok := seconds(res, "Min-Expires")
			if !ok || least <= life || least > 24*time.Hour {
				return 0, &refusedError{status: 423, text: plain(res.Reason), after: lastRetry}
			}
			a.life, life = least, least
		default:
			no := &refusedError{status: res.StatusCode, text: plain(res.Reason)}
			if after, ok := seconds(res, "Retry-After"); ok {
				no.after = min(after, maxRetryAfter)
			} else if res.StatusCode == 403 {
				no.after = lastRetry
			}
			return 0, no
		}
	}
}

func (p *Phone) registration(a *account, life time.Duration) *stack.Request {
	uri := a.registrar.uri
	req := p.request(stack.REGISTER, uri, a.out)
	aor := stack.Uri{Scheme: "sip", User: a.User, Host: uri.Host}
	from := &stack.FromHeader{DisplayName: p.opt.DisplayName, Address: aor}
	from.Params.Add("tag", a.tag)
	req.AppendHeader(from)
	req.AppendHeader(&stack.ToHeader{Address: aor})
	id := stack.CallIDHeader(a.callID)
	req.AppendHeader(&id)
	a.seq++
	req.AppendHeader(&stack.CSeqHeader{SeqNo: a.seq, MethodName: stack.REGISTER})
	req.AppendHeader(p.contact(a.User, a.out))
	expires := stack.ExpiresHeader(life / time.Second)
	req.AppendHeader(&expires)
	req.AppendHeader(stack.NewHeader("Allow", allowed))
	req.AppendHeader(stack.NewHeader("User-Agent", p.opt.UserAgent))
	req.SetBody(nil)
	return req
}

// granted reads the life of our own binding from the answer (RFC 3261 section 10.2.4), which lists those of others too.
func granted(res *stack.Response, req *stack.Request, asked time.Duration) time.Duration {
	life := asked
	if d, ok := seconds(res, "Expires"); ok {
		life = d
	}
	ours := req.Contact().Address
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*stack.ContactHeader)
		if !ok || c.Address.User != ours.User || !strings.EqualFold(c.Address.Host, ours.Host) || c.Address.Port != ours.Port {
			continue
		}
		if v, ok := c.Params.Get("expires"); ok {
			if n, err := strconv.ParseUint(v, 10, 31); err == nil {
				life = time.Duration(n) * time.Second
			}
		}
	}
	return min(max(life, 2*time.Second), 24*time.Hour)
}

func seconds(res *stack.Response, name string) (time.Duration, bool) {
	h := res.GetHeader(name)
	if h == nil {
		return 0, false
	}
	// Retry-After may go on with a comment or parameters.
	v := strings.TrimSpace(h.Value())
	if i := strings.IndexAny(v, " ;("); i >= 0 {
		v = v[:i]
	}
	n, err := strconv.ParseUint(v, 10, 31)
	return time.Duration(n) * time.Second, err == nil
}

// ping asks the exchange for a sign of life; any answer is one. It keeps the way open through a router, too.
func (p *Phone) ping(ctx context.Context, a *account) error {
	req := p.request(stack.OPTIONS, a.registrar.uri, a.out)
	aor := stack.Uri{Scheme: "sip", User: a.User, Host: a.registrar.uri.Host}
	from := &stack.FromHeader{Address: aor}
	from.Params.Add("tag", a.tag)
	req.AppendHeader(from)
	req.AppendHeader(&stack.ToHeader{Address: a.registrar.uri})
	id := stack.CallIDHeader(a.callID)
	req.AppendHeader(&id)
	a.seq++
	req.AppendHeader(&stack.CSeqHeader{SeqNo: a.seq, MethodName: stack.OPTIONS})
	req.SetBody(nil)
	_, err := p.do(ctx, req)
	return err
}
