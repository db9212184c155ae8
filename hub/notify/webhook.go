package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The headers of a webhook's request.
const (
	HeaderKey       = "Idempotency-Key"     // the delivery's ID, the same whenever it comes again
	HeaderTimestamp = "Doorhub-Timestamp"   // seconds since 1970, of this attempt
	HeaderSignature = "Doorhub-Signature"   // v1= and the hexadecimal digits of Sign
	minKey          = 16                    // of a signature's key, in bytes
	maxURL          = 2000                  // of a webhook, in bytes
	jsonUTF8        = "application/json"    // JSON is UTF-8 by itself (RFC 8259, section 8.1)
	hookVersion     = 1                     // of the document
	hookName        = "the webhook of host" // in words for people: a path may hold a secret
)

// Webhook posts messages to programs. A program may get a message more than once, always under the same Idempotency-Key, as
// a lost answer is met with trying again.
type Webhook struct {
	options WebhookOptions
	http    exchange
}

// hook is the document that is posted.
type hook struct {
	Version  int       `json:"v"`
	ID       string    `json:"id"`
	Site     string    `json:"site"`
	Incident string    `json:"incident,omitempty"`
	Kind     string    `json:"kind"`
	Made     time.Time `json:"made"`
	Language string    `json:"language"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text"`
	Facts    []Fact    `json:"facts"`
}

// NewWebhook checks the options. It does not connect.
func NewWebhook(options WebhookOptions) (*Webhook, error) {
	if len(options.Key) < minKey {
		return nil, fmt.Errorf("cannot use webhooks: the key of their signature has %d characters; give at least %d, drawn at random", len(options.Key), minKey)
	}
	if options.Timeout <= 0 {
		options.Timeout = 15 * time.Second
	}
	config, err := trusting(options.CA)
	if err != nil {
		return nil, fmt.Errorf("cannot use webhooks: %w", err)
	}
	return &Webhook{options, exchange{config, options.Timeout}}, nil
}

// CheckWebhook tells what is wrong with an address to post to.
func CheckWebhook(address string) error {
	if len(address) > maxURL {
		return fmt.Errorf("cannot post to an address of %d bytes; %d are allowed", len(address), maxURL)
	}
	if _, err := checkURL(address); err != nil {
		return fmt.Errorf("cannot post to the webhook: %w", err)
	}
	return nil
}

// Sign is the signature of a request: HMAC-SHA256, under the key, of timestamp, dot, idempotency key, dot and body.
func Sign(key Secret, timestamp, id string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(timestamp + "." + id + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// Send posts one message. It never asks for consent to commit: who gets it knows by its key whether it came before.
func (w *Webhook) Send(ctx context.Context, message Message, text Text) (receipt string, err error) {
	if err := CheckWebhook(message.To); err != nil {
		return "", &Failure{Words: err.Error(), Forever: true}
	}
	body, err := json.Marshal(hook{hookVersion, message.ID, message.Site, message.Incident, message.Kind, message.Made.UTC(), message.Language, text.Subject, text.Body, clean(message.Facts)})
	if err != nil {
		return "", &Failure{Words: "cannot write the message as JSON: " + oneLine(err.Error(), 200), Forever: true}
	}
	request, err := http.NewRequest(http.MethodPost, message.To, nil)
	if err != nil {
		return "", &Failure{Words: "cannot post to the webhook: " + plainly(err), Forever: true}
	}
	id := headerValue(message.ID)
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", jsonUTF8)
	request.Header.Set("User-Agent", "doorhub")
	request.Header.Set(HeaderKey, id)
	request.Header.Set(HeaderTimestamp, timestamp)
	request.Header.Set(HeaderSignature, "v1="+hex.EncodeToString(Sign(w.options.Key, timestamp, id, body)))
	answer, _, err := w.http.perform(ctx, request, body, func() error { return nil })
	who := hookName + " " + request.URL.Host
	if err != nil {
		return "", &Failure{Words: fmt.Sprintf("cannot reach %s: %s", who, plainly(err))}
	}
	return judgeHook(who, answer)
}

// judgeHook reads a program's answer. Each address is a server of its own, so that none speaks for the channel.
func judgeHook(who string, answer reply) (string, error) {
	f := &Failure{Words: fmt.Sprintf("%s answers %d", who, answer.status), Wait: answer.after}
	switch {
	case answer.status >= 200 && answer.status < 300:
		return strconv.Itoa(answer.status), nil
	case answer.status >= 300 && answer.status < 400:
		f.Words += ": it points elsewhere, and the message does not follow; write the address where it is taken"
		f.Forever = true
	case answer.status == http.StatusRequestTimeout || answer.status == http.StatusTooEarly || answer.status == http.StatusTooManyRequests:
	case answer.status >= 400 && answer.status < 500:
		f.Forever = true
	}
	return "", f
}

// clean keeps a program from having to think of what a name may hold.
func clean(facts []Fact) []Fact {
	all := []Fact{}
	for _, f := range facts[:min(len(facts), maxFacts)] {
		all = append(all, Fact{oneLine(f.Name, maxName), oneLine(f.Value, maxFact)})
	}
	return all
}
