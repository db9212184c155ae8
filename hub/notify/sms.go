package notify

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const maxMold = 8 << 10 // of a gateway's URL, header or body, in bytes

// SMS sends short messages over gateways, in the order given: what one surely did not send the next one is asked for.
type SMS struct {
	gateways []*gateway
}

// GatewayState is how a gateway does.
type GatewayState struct {
	Name    string
	Failing time.Time // since when it has failed; zero while it works, and before it is used
	Words   string    // what its last failure said
}

// NewSMS checks the options. It does not connect.
func NewSMS(options ...GatewayOptions) (*SMS, error) {
	if len(options) == 0 {
		return nil, errors.New("cannot send short messages: there is no gateway")
	}
	s := &SMS{}
	for _, o := range options {
		g, err := newGateway(o)
		if err != nil {
			return nil, fmt.Errorf("cannot use SMS gateway %q: %w", oneLine(o.Name, maxName), err)
		}
		s.gateways = append(s.gateways, g)
	}
	return s, nil
}

// Send hands one message over. committing is called before a gateway is told anything, and once more for the next gateway.
// The receipt names the gateway and what it calls the message.
func (s *SMS) Send(ctx context.Context, message Message, text Text, committing func() error) (receipt string, err error) {
	number, err := CheckNumber(message.To)
	if err != nil {
		return "", &Failure{Words: err.Error(), Forever: true}
	}
	message.To = number
	var failures []*Failure
	for _, g := range s.gateways {
		receipt, err := g.send(ctx, message, fitted(oneLine(text.Short, maxTemplate)), committing)
		if err == nil {
			return receipt, nil
		}
		var f *Failure
		if !errors.As(err, &f) {
			return "", err
		}
		failures = append(failures, f)
		if f.Ambiguous || ctx.Err() != nil {
			break
		}
	}
	return "", joined(failures)
}

// States lists the gateways in their order.
func (s *SMS) States() []GatewayState {
	var all []GatewayState
	for _, g := range s.gateways {
		g.mu.Lock()
		all = append(all, g.state)
		g.mu.Unlock()
	}
	return all
}

// joined is what several gateways' failures come to: the message is lost for good only if all say so.
func joined(failures []*Failure) error {
	whole := &Failure{Forever: true, Everybody: true}
	var words []string
	for _, f := range failures {
		words = append(words, f.Words)
		whole.Forever = whole.Forever && f.Forever
		whole.Everybody = whole.Everybody && f.Everybody
		whole.Ambiguous = whole.Ambiguous || f.Ambiguous
		if whole.Wait == 0 || f.Wait < whole.Wait {
			whole.Wait = f.Wait
		}
	}
	whole.Words = strings.Join(words, "; ")
	return whole
}

// gateway is one service that sends short messages.
type gateway struct {
	options GatewayOptions
	request mold
	http    exchange

	mu    sync.Mutex
	state GatewayState
}

func newGateway(o GatewayOptions) (*gateway, error) {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Twilio {
		if o.Account == "" || o.Token == "" || o.From == "" {
			return nil, errors.New("it asks for an account, a token and the number or name that messages come from")
		}
		o = twilio(o)
	}
	if o.Method == "" {
		o.Method = http.MethodPost
	}
	g := &gateway{options: o, state: GatewayState{Name: o.Name}}
	var err error
	if g.http.tls, err = trusting(o.CA); err != nil {
		return nil, err
	}
	g.http.timeout = o.Timeout
	if g.request, err = newMold(o); err != nil {
		return nil, err
	}
	return g, nil
}

// twilio fills in how the Messages resource of Twilio, and of those who took it over, is asked.
func twilio(o GatewayOptions) GatewayOptions {
	if o.URL == "" {
		o.URL = "https://api.twilio.com/2010-04-01"
	}
	if !strings.Contains(o.URL, "/Messages") {
		o.URL = strings.TrimRight(o.URL, "/") + "/Accounts/{account}/Messages.json"
	}
	o.Method = http.MethodPost
	o.Type = typeForm
	o.Body = "To={to}&From={from}&Body={text}"
	o.Headers = []Header{{"Authorization", "Basic {basic}"}}
	o.Status = []int{http.StatusCreated}
	o.Receipt = "sid"
	return o
}

func (g *gateway) send(ctx context.Context, message Message, text string, committing func() error) (string, error) {
	receipt, err := g.ask(ctx, message, text, committing)
	g.mu.Lock()
	defer g.mu.Unlock()
	var f *Failure
	switch {
	case err == nil:
		g.state.Failing = time.Time{}
	case errors.As(err, &f) && (f.Everybody || f.Ambiguous):
		if g.state.Failing.IsZero() {
			g.state.Failing = time.Now()
		}
		g.state.Words = f.Words
	}
	return receipt, err
}

func (g *gateway) ask(ctx context.Context, message Message, text string, committing func() error) (string, error) {
	request, body, err := g.request.cast(g.values(message, text))
	if err != nil {
		return "", &Failure{Words: fmt.Sprintf("cannot ask %s: %s", g.options.Name, plainly(err)), Everybody: true}
	}
	if g.options.Counts {
		committing = func() error { return nil }
	}
	answer, spoken, err := g.http.perform(ctx, request, body, committing)
	switch {
	case err == nil:
		return g.judge(answer)
	case spoken && !g.options.Counts:
		return "", &Failure{Words: fmt.Sprintf("%s was asked and did not say whether it sends: %s", g.options.Name, plainly(err)), Ambiguous: true}
	case spoken || isNetwork(err):
		return "", &Failure{Words: fmt.Sprintf("cannot reach %s: %s", g.options.Name, plainly(err)), Everybody: true}
	}
	return "", err
}

func (g *gateway) values(message Message, text string) func(string) string {
	o := g.options
	return func(name string) string {
		switch name {
		case "to":
			return message.To
		case "digits":
			return strings.TrimPrefix(message.To, "+")
		case "text":
			return text
		case "from":
			return o.From
		case "account":
			return o.Account
		case "token":
			return string(o.Token)
		case "basic":
			return base64.StdEncoding.EncodeToString([]byte(o.Account + ":" + string(o.Token)))
		case "id":
			return message.ID
		}
		return ""
	}
}

func moldNames() []string {
	return []string{"to", "digits", "text", "from", "account", "token", "basic", "id"}
}

// judge reads the gateway's answer.
func (g *gateway) judge(answer reply) (string, error) {
	o := g.options
	f := &Failure{Words: fmt.Sprintf("%s answers %d%s", o.Name, answer.status, g.said(answer.body)), Wait: answer.after}
	accepted := slices.Contains(o.Status, answer.status)
	if len(o.Status) == 0 {
		accepted = answer.status >= 200 && answer.status <= 204
	}
	switch {
	case accepted:
		return g.receipt(answer, f)
	case answer.status >= 200 && answer.status < 300:
		f.Words += "; whether it sends cannot be told from that"
		f.Ambiguous = !o.Counts
	case answer.status >= 300 && answer.status < 400:
		f.Words += ": it points elsewhere, and the message does not follow; write the address where it is taken"
		f.Everybody = true
	case slices.Contains([]int{401, 402, 403, 404, 405, 407}, answer.status):
		// The account, its money or the address: for whoever set it up, and not this message's fault.
		f.Everybody = true
	case slices.Contains([]int{408, 425, 429, 503}, answer.status):
		f.Everybody = true
	case answer.status == 502 || answer.status == 504:
		// Somebody in between speaks, and does not know what the one behind it did.
		f.Ambiguous = !o.Counts
	case answer.status >= 500:
		f.Everybody = true
	default:
		f.Forever = true
	}
	return "", f
}

func (g *gateway) receipt(answer reply, f *Failure) (string, error) {
	if g.options.Receipt == "" {
		return g.options.Name, nil
	}
	id, ok := reach(answer.body, g.options.Receipt)
	if !ok {
		f.Words += "; it names no " + g.options.Receipt + ", so whether it sends cannot be told"
		f.Ambiguous = !g.options.Counts
		return "", f
	}
	return g.options.Name + " " + oneLine(id, 100), nil
}

// said is the gateway's own words, without the secret in case it repeats it.
func (g *gateway) said(body []byte) string {
	text := ""
	for _, path := range []string{"message", "error.message", "error", "detail", "error_text"} {
		if words, ok := reach(body, path); ok {
			text = words
			break
		}
	}
	if text == "" && !bytes.ContainsAny(body, "<{") {
		text = string(body)
	}
	if g.options.Token != "" {
		text = strings.ReplaceAll(text, string(g.options.Token), "***")
	}
	if text = oneLine(text, 200); text == "" {
		return ""
	}
	return ": " + text
}

// reach follows a path such as messages.0.id into a JSON document, to a text or a number.
func reach(document []byte, path string) (string, bool) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var at any
	if decoder.Decode(&at) != nil {
		return "", false
	}
	for step := range strings.SplitSeq(path, ".") {
		switch here := at.(type) {
		case map[string]any:
			at = here[step]
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil || index < 0 || index >= len(here) {
				return "", false
			}
			at = here[index]
		default:
			return "", false
		}
	}
	switch found := at.(type) {
	case string:
		return found, found != ""
	case json.Number:
		return found.String(), true
	}
	return "", false
}

func isNetwork(err error) bool {
	var u *url.Error
	return errors.As(err, &u)
}

// The content types of a body that values can be put into.
const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
	typeXML  = "text/xml"
	typeText = "text/plain"
)

// mold is the form of a gateway's request. Each value is escaped for the place where it stands, so that no message can be
// more than a value there.
type mold struct {
	method  string
	address []piece // up to the question mark
	query   []piece
	headers []moldHeader
	kind    string
	body    []piece // of a form or text
	json    any     // of JSON: the document with placeholders in its strings
}

type moldHeader struct {
	name  string
	value []piece
}

func newMold(o GatewayOptions) (mold, error) {
	m := mold{method: o.Method, kind: o.Type}
	if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodGet}, o.Method) {
		return m, fmt.Errorf("unknown method %q; there are POST, PUT and GET", oneLine(o.Method, 20))
	}
	if err := m.takeURL(o.URL); err != nil {
		return m, err
	}
	asked := append(slices.Clone(m.address), m.query...)
	for _, h := range headersOf(o) {
		value, err := moldPieces("header "+oneLine(h.Name, 40), h.Value)
		if err != nil {
			return m, err
		}
		if !isToken(h.Name) {
			return m, fmt.Errorf("%q is not the name of a header", oneLine(h.Name, 40))
		}
		m.headers = append(m.headers, moldHeader{h.Name, value})
		asked = append(asked, value...)
	}
	inBody, err := m.takeBody(o)
	if err != nil {
		return m, err
	}
	asked = append(asked, inBody...)
	for _, needed := range []string{"text", "to"} {
		if !names(asked, needed) && (needed != "to" || !names(asked, "digits")) {
			return m, fmt.Errorf("it says nowhere {%s}; write {to} (or {digits}, without the +) and {text} where they belong", needed)
		}
	}
	return m, nil
}

// headersOf adds the authorization that nobody wrote: account and token, or the token alone.
func headersOf(o GatewayOptions) []Header {
	written := o.Token == "" || strings.Contains(o.URL+o.Body, "{token}")
	for _, h := range o.Headers {
		written = written || strings.EqualFold(h.Name, "Authorization") || strings.Contains(h.Value, "{token}") || strings.Contains(h.Value, "{basic}")
	}
	switch {
	case written:
		return o.Headers
	case o.Account != "" && !strings.Contains(o.URL+o.Body, "{account}"):
		return append(slices.Clone(o.Headers), Header{"Authorization", "Basic {basic}"})
	}
	return append(slices.Clone(o.Headers), Header{"Authorization", "Bearer {token}"})
}

func (m *mold) takeURL(text string) error {
	pieces, err := moldPieces("URL", text)
	if err != nil {
		return err
	}
	plain := fill(pieces, func(string) string { return "x" })
	if _, err := checkURL(plain); err != nil {
		return fmt.Errorf("the URL: %w", err)
	}
	start, query, asks := strings.Cut(text, "?")
	scheme, rest, _ := strings.Cut(start, "://")
	host, _, _ := strings.Cut(rest, "/")
	if strings.Contains(scheme+host, "{") {
		return errors.New("the URL: a placeholder cannot say which host is asked; write the host itself")
	}
	if m.address, err = moldPieces("URL", start); err != nil {
		return err
	}
	if asks {
		m.query, err = moldPieces("URL", query)
	}
	return err
}

func (m *mold) takeBody(o GatewayOptions) ([]piece, error) {
	if o.Body == "" {
		return nil, nil
	}
	if m.method == http.MethodGet {
		return nil, errors.New("GET has no body; write the values into the URL")
	}
	if m.kind == "" {
		m.kind = typeForm
		if strings.HasPrefix(strings.TrimSpace(o.Body), "{\"") || strings.HasPrefix(strings.TrimSpace(o.Body), "[") || json.Valid([]byte(o.Body)) {
			m.kind = typeJSON
		}
	}
	base, _, _ := strings.Cut(m.kind, ";")
	switch base = strings.ToLower(strings.TrimSpace(base)); base {
	case typeJSON:
		return m.takeJSON(o.Body)
	case typeForm, typeText, typeXML, "application/xml":
		pieces, err := moldPieces("body", o.Body)
		m.body = pieces
		return pieces, err
	}
	return nil, fmt.Errorf("unknown content type %q; there are %s, %s, %s and %s", oneLine(m.kind, 60), typeJSON, typeForm, typeXML, typeText)
}

func (m *mold) takeJSON(body string) ([]piece, error) {
	if len(body) > maxMold {
		return nil, fmt.Errorf("the body has %d bytes; %d are allowed", len(body), maxMold)
	}
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&m.json); err != nil {
		return nil, errors.New(`the body is not JSON: placeholders stand inside its strings, such as {"to": "{to}", "text": "{text}"}`)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the body is more than one JSON document")
	}
	var asked []piece
	_, err := within(m.json, func(text string) (string, error) {
		pieces, err := moldPieces("body", text)
		asked = append(asked, pieces...)
		return text, err
	})
	return asked, err
}

// within maps every string of a JSON document that is a value; the names of members stay.
func within(at any, change func(string) (string, error)) (any, error) {
	switch here := at.(type) {
	case string:
		return change(here)
	case []any:
		list := make([]any, len(here))
		for i, one := range here {
			changed, err := within(one, change)
			if err != nil {
				return nil, err
			}
			list[i] = changed
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(here))
		for name, one := range here {
			changed, err := within(one, change)
			if err != nil {
				return nil, err
			}
			object[name] = changed
		}
		return object, nil
	}
	return at, nil
}

// cast makes a request from the mold.
func (m mold) cast(value func(name string) string) (*http.Request, []byte, error) {
	address := fill(m.address, func(name string) string { return url.PathEscape(value(name)) })
	if m.query != nil {
		address += "?" + fill(m.query, func(name string) string { return url.QueryEscape(value(name)) })
	}
	request, err := http.NewRequest(m.method, address, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("User-Agent", "doorhub")
	if m.kind != "" {
		request.Header.Set("Content-Type", m.kind)
	}
	for _, h := range m.headers {
		request.Header.Set(h.name, headerValue(fill(h.value, value)))
	}
	body, err := m.fillBody(value)
	return request, body, err
}

func (m mold) fillBody(value func(name string) string) ([]byte, error) {
	if m.json != nil {
		document, err := within(m.json, func(text string) (string, error) {
			pieces, err := moldPieces("body", text)
			return fill(pieces, value), err
		})
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(document)
		return bytes.TrimRight(b.Bytes(), "\n"), err
	}
	escape := func(text string) string { return text }
	switch {
	case strings.HasPrefix(m.kind, typeForm):
		escape = url.QueryEscape
	case strings.Contains(m.kind, "xml"):
		escape = escapeXML
	}
	return []byte(fill(m.body, func(name string) string { return escape(value(name)) })), nil
}

func escapeXML(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// headerValue keeps a value on its line: what cannot stand in a header becomes a question mark.
func headerValue(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
}

func moldPieces(where, text string) ([]piece, error) {
	if len(text) > maxMold {
		return nil, fmt.Errorf("the %s has %d bytes; %d are allowed", where, len(text), maxMold)
	}
	pieces, err := split(text, "{", "}")
	if err != nil {
		return nil, fmt.Errorf("the %s: %w", where, err)
	}
	for _, p := range pieces {
		if p.name && !slices.Contains(moldNames(), p.text) {
			return nil, fmt.Errorf("the %s: unknown placeholder {%s}; there are {%s}", where, p.text, strings.Join(moldNames(), "}, {"))
		}
	}
	return pieces, nil
}

func names(pieces []piece, name string) bool {
	return slices.Contains(pieces, piece{name, true})
}

func isToken(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return name != "" && len(name) <= 100
}
