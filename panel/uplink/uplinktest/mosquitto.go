// Package uplinktest runs a real mosquitto for tests, with password file and TLS of its own making, and watches topics on it.
// It is imported by tests only and asserts nothing about payloads.
package uplinktest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Deadline is how long the helpers wait before they fail the test.
const Deadline = 20 * time.Second

// Options of a broker. The zero value is open to all, without TLS, and forgets everything when it stops.
type Options struct {
	User, Password string // with a user, nobody else gets in
	TLS            bool   // with a CA and a certificate for localhost and 127.0.0.1, made for this test
	Persistent     bool   // sessions and retained messages outlive Restart
	Lines          []string
}

// Broker is a running mosquitto. It ends with the test.
type Broker struct {
	Addr   string // host:port
	CAFile string // with TLS
	CA     []byte // the same in PEM

	t        testing.TB
	options  Options
	config   string
	command  *exec.Cmd
	ended    chan struct{}
	watchers int
}

// StartMosquitto starts a broker on a free port of the loopback and waits until it listens.
func StartMosquitto(t testing.TB, options Options) *Broker {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
		if _, err := os.Stat(program); err != nil {
			t.Fatal("mosquitto is not installed: apt-get install mosquitto")
		}
	}
	dir := t.TempDir()
	b := &Broker{t: t, options: options, config: filepath.Join(dir, "mosquitto.conf")}
	lines := append([]string{"log_dest stderr", "log_type error", "log_type warning", "log_type notice", "log_type information", "max_queued_messages 0", "set_tcp_nodelay true"}, options.Lines...)
	if os.Geteuid() == 0 {
		lines = append(lines, "user root")
	}
	if options.User == "" {
		lines = append(lines, "allow_anonymous true")
	} else {
		passwords := filepath.Join(dir, "passwords")
		if out, err := exec.Command("mosquitto_passwd", "-b", "-c", passwords, options.User, options.Password).CombinedOutput(); err != nil {
			t.Fatalf("mosquitto_passwd: %v: %s", err, out)
		}
		lines = append(lines, "allow_anonymous false", "password_file "+passwords)
	}
	if options.Persistent {
		lines = append(lines, "persistence true", "autosave_interval 1", "persistence_location "+dir+"/")
	} else {
		lines = append(lines, "persistence false")
	}
	// Between finding a free port and its use somebody else may take it.
	for attempt := 1; ; attempt++ {
		b.Addr = freeAddress(t)
		listener := "listener " + b.Addr[strings.LastIndex(b.Addr, ":")+1:] + " 127.0.0.1"
		all := append([]string{listener}, lines...)
		if options.TLS {
			all = append(all, b.certificates(dir)...)
		}
		if err := os.WriteFile(b.config, []byte(strings.Join(all, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.start(program); err == nil {
			break
		} else if attempt == 3 {
			t.Fatal(err)
		}
	}
	t.Cleanup(b.Kill)
	return b
}

func freeAddress(t testing.TB) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (b *Broker) start(program string) error {
	b.command = exec.Command(program, "-c", b.config)
	b.ended = make(chan struct{})
	output, err := b.command.StderrPipe()
	if err != nil {
		return err
	}
	if err := b.command.Start(); err != nil {
		return err
	}
	running := make(chan error, 1)
	go func(command *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		var said strings.Builder
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if strings.HasSuffix(lines.Text(), " running") {
				running <- nil
				break
			}
			fmt.Fprintln(&said, lines.Text())
		}
		io.Copy(io.Discard, output)
		err := command.Wait()
		select {
		case running <- fmt.Errorf("mosquitto did not start: %v: %s", err, said.String()):
		default:
		}
	}(b.command, b.ended)
	select {
	case err := <-running:
		return err
	case <-time.After(Deadline):
		b.Kill()
		return fmt.Errorf("mosquitto did not say that it runs within %s", Deadline)
	}
}

// URL is the broker's address for a client.
func (b *Broker) URL() string {
	if b.options.TLS {
		return "mqtts://" + b.Addr
	}
	return "mqtt://" + b.Addr
}

// Stop ends the broker in good order: a persistent one writes its state.
func (b *Broker) Stop() { b.end(syscall.SIGTERM) }

// Kill ends it at once.
func (b *Broker) Kill() { b.end(syscall.SIGKILL) }

// Freeze stops it from doing anything while its sockets stay open, until Thaw.
func (b *Broker) Freeze() { b.command.Process.Signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (b *Broker) Thaw() { b.command.Process.Signal(syscall.SIGCONT) }

func (b *Broker) end(signal syscall.Signal) {
	b.command.Process.Signal(signal)
	select {
	case <-b.ended:
	case <-time.After(Deadline):
		b.command.Process.Kill()
		b.t.Errorf("mosquitto did not end within %s", Deadline)
	}
}

// Restart starts it again on the same port, after it has been ended with Kill when it still runs.
func (b *Broker) Restart() {
	b.t.Helper()
	b.Kill()
	if err := b.start(b.command.Path); err != nil {
		b.t.Fatal(err)
	}
}

// Message is what was published on a watched topic.
type Message struct {
	Topic    string
	Payload  []byte
	Retained bool
}

// Watcher is a client of the broker beside the one that is tested. It is connected again by hand: make a new one after Restart.
type Watcher struct {
	Messages <-chan Message

	t      testing.TB
	client mqtt.Client
}

// Watch connects a client that collects what is published below the filters, at QoS 1.
func (b *Broker) Watch(filters ...string) *Watcher {
	b.t.Helper()
	b.watchers++
	options := mqtt.NewClientOptions().
		AddBroker(map[bool]string{false: "tcp://", true: "tls://"}[b.options.TLS] + b.Addr).
		SetClientID(fmt.Sprintf("watcher-%d", b.watchers)).
		SetUsername(b.options.User).SetPassword(b.options.Password).
		SetProtocolVersion(4).SetAutoReconnect(false)
	if b.options.TLS {
		options.SetTLSConfig(b.tlsConfig())
	}
	w := &Watcher{t: b.t, client: mqtt.NewClient(options)}
	messages := make(chan Message, 1<<16)
	w.Messages = messages
	w.wait(w.client.Connect())
	for _, filter := range filters {
		w.wait(w.client.Subscribe(filter, 1, func(_ mqtt.Client, m mqtt.Message) {
			messages <- Message{m.Topic(), m.Payload(), m.Retained()}
		}))
	}
	b.t.Cleanup(func() { w.client.Disconnect(0) })
	return w
}

// Publish publishes at QoS 1 and waits for the broker's acknowledgment.
func (w *Watcher) Publish(topic string, payload []byte, retained bool) {
	w.t.Helper()
	w.wait(w.client.Publish(topic, 1, retained, payload))
}

func (w *Watcher) wait(token mqtt.Token) {
	w.t.Helper()
	if !token.WaitTimeout(Deadline) {
		w.t.Fatalf("the broker did not acknowledge within %s", Deadline)
	}
	if err := token.Error(); err != nil {
		w.t.Fatal(err)
	}
}

// Await returns the next message that fits, and drops those before it.
func (w *Watcher) Await(fits func(Message) bool) Message {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	var last Message
	for {
		select {
		case last = <-w.Messages:
			if fits(last) {
				return last
			}
		case <-ctx.Done():
			w.t.Fatalf("the message did not come within %s; last: %s %s", Deadline, last.Topic, last.Payload)
		}
	}
}

func (b *Broker) certificates(dir string) []string {
	caKey, caCertificate := newKey(b.t), &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	serverKey, server := newKey(b.t), &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test broker"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	b.CA = certify(b.t, caCertificate, caCertificate, caKey, caKey)
	b.CAFile = filepath.Join(dir, "ca.pem")
	key, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		b.t.Fatal(err)
	}
	files := map[string][]byte{
		b.CAFile:                         b.CA,
		filepath.Join(dir, "server.pem"): certify(b.t, server, caCertificate, serverKey, caKey),
		filepath.Join(dir, "server.key"): pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	}
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	return []string{"cafile " + b.CAFile, "certfile " + filepath.Join(dir, "server.pem"), "keyfile " + filepath.Join(dir, "server.key")}
}

func (b *Broker) tlsConfig() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b.CA)
	return &tls.Config{RootCAs: roots}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certify(t testing.TB, certificate, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, certificate, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
