package notify

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Security is how a connection to a mail server is protected.
type Security string

// The ways. Plain is refused to any server beyond this host.
const (
	StartTLS Security = "starttls" // asked for and insisted on; port 587 unless one is given
	TLS      Security = "tls"      // from the first byte; port 465 unless one is given
	Plain    Security = "plain"    // port 25 unless one is given
)

// MailOptions say how mail is sent.
type MailOptions struct {
	Server   string        // host, or host:port
	Security Security      // empty: StartTLS
	User     string        // empty: without AUTH
	Password Secret        // with User
	Auth     string        // insist on one of SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN, CRAM-MD5; empty: the first of these that is offered
	From     string        // mailbox that the mail comes from, with or without a name: "Doors <doors@example.org>"
	Hello    string        // name of this host for EHLO; empty: the domain of From
	CA       []byte        // PEM of authorities trusted beside the system's; nil: the system's alone
	Step     time.Duration // waiting for the connection, and for each answer; 30 s
	Final    time.Duration // waiting for the answer to the final dot; 2 min
}

// GatewayOptions say how an SMS gateway is asked over HTTP. URL, Headers and Body may have placeholders: {to} (the number
// with its +), {digits} (without it), {text}, {from}, {account}, {token}, {basic} (account:token in base64) and {id}. Each is
// escaped for where it stands.
type GatewayOptions struct {
	Name    string // for people: "Example SMS"
	Account string
	Token   Secret
	From    string // number or name that the message comes from

	// Twilio asks the way of Twilio's Messages resource: a form with To, From and Body, basic authorization with account and
	// token, 201 with "sid". URL may be empty then, or end before /Accounts, and nothing from Method to Receipt is looked at.
	Twilio bool

	URL     string   // https, or http to this host
	Method  string   // POST unless said otherwise; or PUT, GET
	Headers []Header // without an authorization among them, account and token are sent as Basic, a token alone as Bearer
	Body    string   // {"to": "{to}", "text": "{text}"} or to={to}&text={text}
	Type    string   // of the body: application/json, application/x-www-form-urlencoded, text/xml or text/plain; empty: as the body looks
	Status  []int    // that mean it is accepted; none: 200 to 204
	Receipt string   // where the answer's JSON has the gateway's name for the message: "messages.0.id"; empty: it has none
	Counts  bool     // the gateway sends messages with the same {id} once, so that an unclear one may be repeated

	CA      []byte        // PEM of authorities trusted beside the system's
	Timeout time.Duration // of a whole request; 30 s
}

// Header is one header of a request.
type Header struct {
	Name  string
	Value string
}

// WebhookOptions say how messages are posted to programs.
type WebhookOptions struct {
	Key     Secret        // of the signature, at least 16 bytes
	CA      []byte        // PEM of authorities trusted beside the system's
	Timeout time.Duration // of a whole request; 15 s
}

// Format prints *** whatever is asked for.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// String returns ***, or nothing for no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// LogValue is what a log shows.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what JSON and the like show.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
