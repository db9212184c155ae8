// Package notifytest runs Debian's exim for tests as a real mail server, with STARTTLS, AUTH and a mailbox of its own, and
// reads what arrived. It is imported by tests only.
package notifytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Deadline is how long the helpers wait before they fail the test.
const Deadline = 20 * time.Second

// User and Password are what the server asks of who sends.
const (
	User     = "doorhub@example.org"
	Password = "correct horse battery staple"
)

// Step is a moment at which the server can be told to refuse.
type Step string

// The moments.
const (
	AtRecipient Step = "recipient" // RCPT TO
	AtEnd       Step = "end"       // after the final dot
)

// Server is a running exim. It takes mail for every address at example.org and keeps it in one mailbox. It ends with the test.
type Server struct {
	Addr string // host:port with STARTTLS
	TLS  string // host:port with TLS from the first byte
	CA   []byte // PEM of the authority of its certificate

	t       testing.TB
	dir     string
	command *exec.Cmd
	ended   chan struct{}
}

// Start starts a mail server on free ports of the loopback and waits until it greets. It needs root, as exim changes to
// users of its own.
func Start(t testing.TB) *Server {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		t.Fatal("exim is not installed: apt-get install exim4-daemon-light")
	}
	s := &Server{t: t, dir: directory(t)}
	s.certificates()
	t.Cleanup(s.Stop)
	// Between finding a free port and its use somebody else may take it.
	for attempt := 1; ; attempt++ {
		s.Addr, s.TLS = freeAddress(t), freeAddress(t)
		s.write("exim.conf", s.config())
		err := s.start()
		if err == nil {
			return s
		}
		if attempt == 3 {
			t.Fatal(err)
		}
	}
}

const program = "/usr/sbin/exim4"

// directory makes a directory that exim's user can use, which t.TempDir is not below a parent of root's alone.
func directory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "notifytest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	owner, err := user.Lookup("Debian-exim")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	for _, name := range []string{"", "spool", "log", "mail"} {
		one := filepath.Join(dir, name)
		if err := os.MkdirAll(one, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(one, uid, gid); err != nil {
			t.Fatalf("%v: exim needs root", err)
		}
	}
	return dir
}

func (s *Server) config() string {
	_, port, _ := net.SplitHostPort(s.Addr)
	_, tlsPort, _ := net.SplitHostPort(s.TLS)
	return strings.NewReplacer("@DIR@", s.dir, "@PORT@", port, "@TLSPORT@", tlsPort, "@USER@", User, "@PASSWORD@", Password).Replace(`
primary_hostname = mail.example.org
spool_directory = @DIR@/spool
log_file_path = @DIR@/log/%slog
pid_file_path = @DIR@/spool/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = @PORT@ : @TLSPORT@
tls_on_connect_ports = @TLSPORT@
tls_advertise_hosts = *
tls_certificate = @DIR@/server.pem
tls_privatekey = @DIR@/server.key
domainlist local = example.org
keep_environment =
host_lookup =
rfc1413_hosts =
smtp_receive_timeout = 60s
smtp_accept_max = 50
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data

begin acl
check_rcpt:
  deny   !authenticated = *
         message = 5.7.0 Authentication required
  defer  condition = ${if exists{@DIR@/recipient.defer}}
         message = 4.7.1 Greylisted, come back later
  deny   local_parts = unknown
         message = 5.1.1 No such user here
  deny   condition = ${if exists{@DIR@/recipient.deny}}
         message = 5.7.1 Not taken here
  accept domains = +local
  deny   message = 5.7.1 Relaying denied
check_data:
  defer  condition = ${if exists{@DIR@/end.defer}}
         message = 4.3.1 Mailbox is busy
  deny   condition = ${if exists{@DIR@/end.deny}}
         message = 5.7.1 Looks like spam
  accept

begin routers
box:
  driver = accept
  transport = box

begin transports
box:
  driver = appendfile
  maildir_format
  directory = @DIR@/mail
  create_directory
  envelope_to_add
  return_path_add
  user = Debian-exim

begin retry
* * F,1h,1m

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${if def:tls_in_cipher}
  server_condition = ${if and{{eq{$auth2}{@USER@}}{eq{$auth3}{@PASSWORD@}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_advertise_condition = ${if def:tls_in_cipher}
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{@USER@}}{eq{$auth2}{@PASSWORD@}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_advertise_condition = ${if def:tls_in_cipher}
  server_secret = ${if eq{$auth1}{@USER@}{@PASSWORD@}fail}
  server_set_id = $auth1
`)
}

func (s *Server) start() error {
	s.command = exec.Command(program, "-C", filepath.Join(s.dir, "exim.conf"), "-bdf")
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	s.command.Stdout, s.command.Stderr = &said, &said
	if err := s.command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	go func() {
		_ = s.command.Wait()
		close(ended)
	}()
	until := time.Now().Add(Deadline)
	for {
		if greets(s.Addr) {
			return nil
		}
		select {
		case <-ended:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log", "paniclog"))
			return fmt.Errorf("exim ended: %s %s", said.String(), log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(until) {
			return fmt.Errorf("exim does not greet at %s", s.Addr)
		}
	}
}

func greets(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	greeting := make([]byte, 4)
	_, err = io.ReadFull(conn, greeting)
	_, _ = io.WriteString(conn, "QUIT\r\n")
	return err == nil && string(greeting) == "220 "
}

// Stop stops the server as a power cut would. The mailbox stays, and Resume starts it again.
func (s *Server) Stop() {
	if s.ended == nil {
		return
	}
	_ = syscall.Kill(-s.command.Process.Pid, syscall.SIGKILL)
	<-s.ended
	s.ended = nil
}

// Resume starts a server that was stopped, at the same addresses.
func (s *Server) Resume() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// Defer makes the server answer with 4xx at the step until Accept.
func (s *Server) Defer(at Step) { s.write(string(at)+".defer", "") }

// Deny makes the server answer with 5xx at the step until Accept.
func (s *Server) Deny(at Step) { s.write(string(at)+".deny", "") }

// Accept takes back Defer and Deny.
func (s *Server) Accept() {
	for _, at := range []Step{AtRecipient, AtEnd} {
		_ = os.Remove(filepath.Join(s.dir, string(at)+".defer"))
		_ = os.Remove(filepath.Join(s.dir, string(at)+".deny"))
	}
}

// Mail is a message in the mailbox.
type Mail struct {
	Header mail.Header
	Raw    []byte
}

// Messages returns what is in the mailbox now, the oldest first, once everything that the server is responsible for is
// there: it waits for an empty queue.
func (s *Server) Messages() []Mail {
	s.t.Helper()
	s.settle()
	names, err := filepath.Glob(filepath.Join(s.dir, "mail", "new", "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	sort.Strings(names)
	var all []Mail
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		message, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			s.t.Fatalf("%s: %v", name, err)
		}
		all = append(all, Mail{message.Header, raw})
	}
	return all
}

// settle waits until no message is in the spool: neither half received nor on its way to the mailbox.
func (s *Server) settle() {
	s.t.Helper()
	until := time.Now().Add(Deadline)
	for {
		left := 0
		_ = filepath.WalkDir(filepath.Join(s.dir, "spool", "input"), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				left++
			}
			return nil
		})
		if left == 0 {
			return
		}
		if time.Now().After(until) {
			s.t.Fatalf("exim still has %d files in its spool\n%s", left, s.Log())
		}
		<-time.After(10 * time.Millisecond)
	}
}

// Log returns what exim wrote about what it did.
func (s *Server) Log() string {
	log, _ := os.ReadFile(filepath.Join(s.dir, "log", "mainlog"))
	return string(log)
}

func (s *Server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// certificates makes an authority and a certificate for localhost and 127.0.0.1.
func (s *Server) certificates() {
	s.t.Helper()
	fail := func(err error) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mail.example.org"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	fail(err)
	der, err := x509.CreateCertificate(rand.Reader, server, ca, &key.PublicKey, caKey)
	fail(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	fail(err)
	s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	s.write("server.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	s.write("server.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
