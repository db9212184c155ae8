package notify

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	netmail "net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

const (
	maxAnswers = 256 << 10        // that a server may say in one session, in bytes, TLS and all
	hurry      = 10 * time.Second // what is left for the answer to the final dot when the hub stops
)

// Mail sends mail over one server. It keeps no connection: each message has its own.
type Mail struct {
	options MailOptions
	host    string
	address string
	from    *netmail.Address
	tls     *tls.Config
}

// NewMail checks the options. It does not connect.
func NewMail(options MailOptions) (*Mail, error) {
	m := &Mail{options: options}
	if err := m.complete(); err != nil {
		return nil, fmt.Errorf("cannot use mail server %s: %w", oneLine(options.Server, 100), err)
	}
	return m, nil
}

func (m *Mail) complete() error {
	o := &m.options
	if o.Security == "" {
		o.Security = StartTLS
	}
	port, ok := map[Security]string{StartTLS: "587", TLS: "465", Plain: "25"}[o.Security]
	if !ok {
		return fmt.Errorf("unknown security %q; there are %s, %s and %s", o.Security, StartTLS, TLS, Plain)
	}
	m.host = strings.TrimSuffix(strings.TrimPrefix(o.Server, "["), "]")
	if host, given, err := net.SplitHostPort(o.Server); err == nil {
		m.host, port = host, given
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || m.host == "" || strings.ContainsAny(m.host, " \t\r\n/@") {
		return errors.New("it is not a host, or a host and a port; write it as mail.example.org:587")
	}
	m.address = net.JoinHostPort(m.host, port)
	if o.Security == Plain && !isLoopback(m.host) {
		return errors.New("without TLS everybody on the way could read the messages and the password; plain is for this host alone")
	}
	var err error
	if m.from, err = netmail.ParseAddress(o.From); err != nil || CheckMailbox(m.from.Address) != nil {
		return fmt.Errorf("the sender %q is not a mailbox; write it as doors@example.org", oneLine(o.From, 100))
	}
	m.from.Name = oneLine(m.from.Name, maxName)
	if o.Hello == "" {
		_, o.Hello, _ = strings.Cut(m.from.Address, "@")
	}
	if o.Auth != "" && !slices.Contains(mechanisms(), o.Auth) {
		return fmt.Errorf("unknown way of AUTH %q; there are %s", oneLine(o.Auth, 40), strings.Join(mechanisms(), ", "))
	}
	if m.tls, err = trusting(o.CA); err != nil {
		return err
	}
	m.tls.ServerName = m.host
	if o.Step <= 0 {
		o.Step = 30 * time.Second
	}
	if o.Final <= 0 {
		o.Final = 2 * time.Minute
	}
	return nil
}

// CheckMailbox tells whether an address can be written in a header and an envelope. Only the simple form is taken, without
// quotes and comments, in ASCII: what else the standards know reaches few people and breaks many programs.
func CheckMailbox(address string) error {
	local, domain, ok := strings.Cut(address, "@")
	bad := func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>[]:;@\,"`, r)
	}
	if !ok || local == "" || domain == "" || len(local) > 64 || len(domain) > 253 || strings.ContainsFunc(local, bad) || strings.ContainsFunc(domain, bad) {
		return fmt.Errorf("cannot use %q as a mailbox; write it as anna@example.org", oneLine(address, 100))
	}
	if _, err := netmail.ParseAddress(address); err != nil {
		return fmt.Errorf("cannot use %q as a mailbox; write it as anna@example.org", oneLine(address, 100))
	}
	return nil
}

// Send hands one message over. committing is called right before the final dot, and without its consent the dot is not sent
// and the connection is cut, so that the server throws away what it has. The receipt is what the server says to the dot.
func (m *Mail) Send(ctx context.Context, message Message, text Text, committing func() error) (receipt string, err error) {
	if err := CheckMailbox(message.To); err != nil {
		return "", &Failure{Words: err.Error(), Forever: true}
	}
	composed, err := m.compose(message, text)
	if err != nil {
		return "", &Failure{Words: "cannot compose the mail: " + oneLine(err.Error(), 200), Forever: true}
	}
	s, err := m.open(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	return s.deliver(composed, m.from.Address, message.To, committing)
}

// Try connects, secures the connection, authenticates and says goodbye, so that settings can be tried without a mail.
func (m *Mail) Try(ctx context.Context) error {
	s, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	s.goodbye()
	return nil
}

func (m *Mail) compose(message Message, text Text) (*mail.Msg, error) {
	composed := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP), mail.WithCharset(mail.CharsetUTF8))
	composed.FromMailAddress(m.from)
	if err := composed.To(message.To); err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(m.from.Address, "@")
	composed.Subject(oneLine(text.Subject, maxSubject))
	composed.SetDate()
	composed.SetMessageIDWithValue(messageID(message.ID, domain))
	composed.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834, section 5
	composed.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
	body := lines(text.Body, maxBody)
	composed.SetBodyString(mail.TypeTextPlain, body)
	composed.AddAlternativeString(mail.TypeTextHTML, asHTML(text.Subject, body))
	return composed, nil
}

// messageID is the delivery's own ID where that can stand in a header, so that two copies could be seen to be one.
func messageID(id, domain string) string {
	fits := id != "" && len(id) <= 200 && !strings.HasPrefix(id, ".") && !strings.HasSuffix(id, ".") && !strings.Contains(id, "..")
	for _, r := range id {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-+=/", r) {
			fits = false
		}
	}
	if !fits {
		id = fmt.Sprintf("%x", sha256.Sum256([]byte(id)))
	}
	return id + "@" + domain
}

// asHTML shows the plain text, and nothing else: no picture, no link, nothing that is loaded.
func asHTML(subject, body string) string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>" + html.EscapeString(oneLine(subject, maxSubject)) + "</title></head>\n")
	b.WriteString("<body style=\"font-family: sans-serif; line-height: 1.4\">\n")
	for paragraph := range strings.SplitSeq(body, "\n\n") {
		b.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(paragraph), "\n", "<br>\n") + "</p>\n")
	}
	b.WriteString("</body></html>\n")
	return b.String()
}

// session is one conversation with a mail server. It uses the smtp package below go-mail's client, which has no place
// between the last byte of the text and the final dot at which a durable note could be made.
type session struct {
	mail   *Mail
	ctx    context.Context
	conn   net.Conn
	client *smtp.Client
	stop   func() bool
}

func (m *Mail) open(ctx context.Context) (*session, error) {
	dialer := net.Dialer{Timeout: m.options.Step}
	raw, err := dialer.DialContext(ctx, "tcp", m.address)
	if err != nil {
		return nil, &Failure{Words: fmt.Sprintf("cannot connect to %s: %s", m.address, plainly(err)), Everybody: true}
	}
	s := &session{mail: m, ctx: ctx, conn: &bounded{raw, maxAnswers}}
	s.stop = context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	if err := s.begin(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// begin greets, secures and authenticates. Whatever goes wrong here concerns all mail and not one recipient.
func (s *session) begin() error {
	s.patience(s.mail.options.Step)
	conn := s.conn
	if s.mail.options.Security == TLS {
		secured := tls.Client(conn, s.mail.tls)
		if err := secured.HandshakeContext(s.ctx); err != nil {
			return s.down("cannot secure the connection to", err)
		}
		conn = secured
	}
	var err error
	if s.client, err = smtp.NewClient(conn, s.mail.host); err != nil {
		return s.down("no greeting from", err)
	}
	s.client.SkipSMTPUTF8(true)
	if err := s.client.Hello(s.mail.options.Hello); err != nil {
		return s.down("cannot say hello to", err)
	}
	if s.mail.options.Security == StartTLS {
		if offered, _ := s.client.Extension("STARTTLS"); !offered {
			return s.down("cannot secure the connection to", errors.New("it does not offer STARTTLS, and the messages are not for everybody on the way; ask for its port with STARTTLS, or use security tls"))
		}
		s.patience(s.mail.options.Step)
		if err := s.client.StartTLS(s.mail.tls); err != nil {
			return s.down("cannot secure the connection to", err)
		}
	}
	return s.authenticate()
}

func (s *session) authenticate() error {
	o := s.mail.options
	if o.User == "" {
		return nil
	}
	_, offered := s.client.Extension("AUTH")
	auth, err := choose(strings.Fields(strings.ToUpper(offered)), o, s.mail.host)
	if err != nil {
		return s.down("cannot log in at", err)
	}
	s.patience(o.Step)
	if err := s.client.Auth(auth); err != nil {
		return s.down("cannot log in as "+oneLine(o.User, maxName)+" at", err)
	}
	return nil
}

// mechanisms are the ways of AUTH, the best first. CRAM-MD5 stands last: a server that keeps passwords hashed offers it at
// times and can never say yes.
func mechanisms() []string {
	return []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5"}
}

func choose(offered []string, o MailOptions, host string) (smtp.Auth, error) {
	for _, mechanism := range mechanisms() {
		if !slices.Contains(offered, mechanism) || o.Auth != "" && o.Auth != mechanism {
			continue
		}
		// Without TLS the server is this host: NewMail has seen to it.
		inClear := o.Security == Plain
		switch mechanism {
		case "SCRAM-SHA-256":
			return smtp.ScramSHA256Auth(o.User, string(o.Password)), nil
		case "SCRAM-SHA-1":
			return smtp.ScramSHA1Auth(o.User, string(o.Password)), nil
		case "PLAIN":
			return smtp.PlainAuth("", o.User, string(o.Password), host, inClear), nil
		case "LOGIN":
			return smtp.LoginAuth(o.User, string(o.Password), host, inClear), nil
		case "CRAM-MD5":
			return smtp.CRAMMD5Auth(o.User, string(o.Password)), nil
		}
	}
	if len(offered) == 0 {
		return nil, errors.New("it does not offer AUTH; leave out the user if it needs none")
	}
	return nil, fmt.Errorf("it offers AUTH by %s, and we know %s", oneLine(strings.Join(offered, ", "), 100), strings.Join(mechanisms(), ", "))
}

func (s *session) deliver(composed *mail.Msg, from, to string, committing func() error) (string, error) {
	s.patience(s.mail.options.Step)
	if err := s.client.Mail("<" + from + ">"); err != nil {
		return "", s.down("cannot send mail from "+from+" over", err)
	}
	s.patience(s.mail.options.Step)
	if err := s.client.Rcpt("<" + to + ">"); err != nil {
		return "", s.refusal("refuses mail for "+to, err)
	}
	s.patience(s.mail.options.Step)
	data, err := s.client.Data()
	if err != nil {
		return "", s.refusal("refuses the text", err)
	}
	if _, err := composed.WriteTo(data); err != nil {
		return "", s.down("cannot send the text to", err)
	}
	if err := committing(); err != nil {
		return "", err
	}
	return s.finish(data)
}

// finish sends the final dot. From here on the hub's end alone does not cut the connection: the answer is worth waiting for.
func (s *session) finish(data io.WriteCloser) (string, error) {
	if !s.stop() {
		return "", s.down("cannot send the text to", s.ctx.Err())
	}
	final := s.mail.options.Final
	_ = s.conn.SetDeadline(time.Now().Add(final))
	s.stop = context.AfterFunc(s.ctx, func() { _ = s.conn.SetDeadline(time.Now().Add(min(hurry, final))) })
	err := data.Close()
	var answer *textproto.Error
	switch {
	case errors.As(err, &answer):
		return "", s.refusal("refuses the mail", err)
	case err != nil:
		return "", &Failure{Words: fmt.Sprintf("%s took the whole mail and did not say whether it has it: %s", s.mail.host, plainly(err)), Ambiguous: true}
	}
	said := ""
	if closer, ok := data.(*smtp.DataCloser); ok {
		said = oneLine(closer.ServerResponse(), 200)
	}
	s.goodbye()
	return said, nil
}

// goodbye is a courtesy: the mail is delivered, whatever comes back.
func (s *session) goodbye() {
	s.patience(min(5*time.Second, s.mail.options.Step))
	_ = s.client.Quit()
}

// close cuts the connection. It says nothing: a command within the text would end the text.
func (s *session) close() {
	s.stop()
	_ = s.conn.Close()
}

// patience bounds what is waited for next. It does not outlive the context.
func (s *session) patience(d time.Duration) {
	_ = s.conn.SetDeadline(time.Now().Add(d))
	if s.ctx.Err() != nil {
		_ = s.conn.SetDeadline(time.Unix(1, 0))
	}
}

// down is a failure that everybody's mail would meet.
func (s *session) down(what string, err error) error {
	return &Failure{Words: fmt.Sprintf("%s %s: %s", what, s.mail.address, s.words(err)), Everybody: true}
}

// refusal is a server's no to this mail. What it says with 5yz it will say again; 421 is the end
// of its service for now and 530 asks for a login, which is for whoever sets the hub up.
func (s *session) refusal(what string, err error) error {
	f := &Failure{Words: fmt.Sprintf("%s %s: %s", s.mail.host, what, s.words(err))}
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		f.Everybody = true
		return f
	}
	f.Everybody = answer.Code == 421 || answer.Code == 530
	f.Forever = answer.Code >= 500 && answer.Code <= 599 && !f.Everybody
	return f
}

func (s *session) words(err error) string {
	var answer *textproto.Error
	switch {
	case errors.As(err, &answer):
		return fmt.Sprintf("%d %s", answer.Code, oneLine(answer.Msg, 300))
	case s.ctx.Err() != nil:
		return "the time for it is over"
	}
	return plainly(err)
}
