package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const maxAnswer = 16 << 10 // of an HTTP server's answer, in bytes

// exchange is one request over HTTP and its answer.
type exchange struct {
	tls     *tls.Config
	timeout time.Duration
}

// reply is what came back.
type reply struct {
	status int
	after  time.Duration // Retry-After
	body   []byte        // the first maxAnswer bytes
}

// perform sends a request on a connection of its own. committing is called when the connection stands and before anything of
// the body is sent, and without its consent nothing of the body is: a server does not act on half a request. spoken tells
// whether committing was called and agreed, so that the server may have acted whatever err says.
//
// The end of ctx cuts what is not committed. Afterwards the answer is waited for until the timeout, or as long as hurry says.
func (e exchange) perform(ctx context.Context, request *http.Request, body []byte, committing func() error) (r reply, spoken bool, err error) {
	agreed := &consent{reader: bytes.NewReader(body), ask: committing}
	if len(body) == 0 {
		// Without a body there is no later moment than now.
		if err := agreed.give(); err != nil {
			return reply{}, false, err
		}
		request.Body = http.NoBody
	} else {
		request.Body = agreed
	}
	request.ContentLength = int64(len(body))
	request.GetBody = nil

	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if !agreed.given() {
			cancel()
			return
		}
		time.AfterFunc(hurry, cancel)
	})
	defer stop()
	answer, err := e.client().Do(request.WithContext(own))
	given, refused := agreed.end()
	if refused != nil {
		err = refused
	}
	if err != nil {
		if answer != nil {
			_ = answer.Body.Close()
		}
		return reply{}, given, err
	}
	defer answer.Body.Close()
	r.status = answer.StatusCode
	r.after = retryAfter(answer.Header.Get("Retry-After"))
	r.body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		// The status came, and it is what counts.
		r.body = nil
	}
	return r, given, nil
}

// client makes a connection for one request. A kept one could be closed by the server while a request is on its way, and the
// library would send it a second time.
func (e exchange) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: e.timeout}).DialContext,
			TLSClientConfig:        e.tls,
			TLSHandshakeTimeout:    e.timeout,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// consent is a request's body that asks before its first byte leaves.
type consent struct {
	reader io.Reader
	ask    func() error

	mu      sync.Mutex
	asked   bool
	refused error
}

func (c *consent) give() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked {
		c.asked = true
		c.refused = c.ask()
	}
	return c.refused
}

// end tells what came of it, and lets nobody ask any more.
func (c *consent) end() (given bool, refused error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked {
		c.asked = true
		c.refused = errors.New("the request is over")
		return false, nil
	}
	return c.refused == nil, c.refused
}

func (c *consent) given() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked && c.refused == nil
}

func (c *consent) Read(p []byte) (int, error) {
	if err := c.give(); err != nil {
		return 0, err
	}
	return c.reader.Read(p)
}

func (c *consent) Close() error { return nil }

// retryAfter reads the header's seconds. A date is passed over: clocks differ.
func retryAfter(text string) time.Duration {
	seconds, err := strconv.ParseUint(text, 10, 20)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
