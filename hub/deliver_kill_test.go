package hub_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/notify"
	"github.com/doorpanel/doorpanel/hub/notify/notifytest"
	"github.com/doorpanel/doorpanel/hub/store"
)

// childEnv holds what a hub in a process of its own is to do, as JSON of job.
const childEnv = "DOORHUB_TEST_DELIVER"

// job is what a hub in a process of its own does: it delivers what is in the store, and dies at a step.
type job struct {
	Dir      string
	Mail     string
	Security notify.Security
	CA       []byte
	User     string
	Gateway  string
	DieAt    int // the step before which it kills itself; each Move has one before it and one behind it; 0: never
}

// TestTheHubInAProcessOfItsOwn is the child of the tests below, and nothing without their environment.
func TestTheHubInAProcessOfItsOwn(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		return
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	s, _, err := store.Open(store.Options{Dir: j.Dir})
	if err != nil {
		t.Fatal(err)
	}
	outbox := &mortal{Store: s, dieAt: int64(j.DieAt), over: make(chan struct{})}
	outbox.look()
	d, err := hub.NewDeliverer(outbox, &channels{j.post(t)}, hub.DeliveryOptions{Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), notifytest.Deadline)
	defer cancel()
	go func() {
		<-outbox.over
		cancel()
	}()
	d.Run(ctx)
	if !outbox.done {
		t.Fatal("not everything is over")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func (j job) post(t *testing.T) *notify.Post {
	t.Helper()
	mail, err := notify.NewMail(notify.MailOptions{Server: j.Mail, Security: j.Security, CA: j.CA, User: j.User, Password: notifytest.Password, From: "doorhub@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	sms, err := notify.NewSMS(notify.GatewayOptions{Name: "G", URL: j.Gateway, Body: `{"to":"{to}","text":"{text}","id":"{id}"}`})
	if err != nil {
		t.Fatal(err)
	}
	p := &notify.Post{}
	p.Set(notify.Settings{Mail: mail, SMS: sms})
	return p
}

// mortal is a store that kills its process before or behind a Move.
type mortal struct {
	*store.Store
	dieAt int64
	steps atomic.Int64
	over  chan struct{}
	done  bool
}

func (m *mortal) step() {
	if m.steps.Add(1) == m.dieAt {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (m *mortal) Move(from, to fleet.Delivery, more ...fleet.Delivery) error {
	m.step()
	err := m.Store.Move(from, to, more...)
	m.step()
	m.look()
	return err
}

// look ends the process once nothing is left to do.
func (m *mortal) look() {
	_, next, err := m.Due(time.Time{}, 1)
	if err == nil && next.IsZero() && !m.done {
		m.done = true
		close(m.over)
	}
}

// channels is what cmd/doorhub does between the records of the hub and those of the channels.
type channels struct{ post *notify.Post }

func (c *channels) Send(ctx context.Context, d fleet.Delivery, committing func() error) (string, error) {
	m := notify.Message{ID: d.ID, Kind: d.Kind, Language: d.Language, To: d.Address, Made: d.Made}
	for _, f := range d.Facts {
		m.Facts = append(m.Facts, notify.Fact(f))
	}
	return c.post.Send(ctx, string(d.Channel), m, committing)
}

// work runs a hub in a process of its own and tells whether it came to its end, or killed itself.
func work(t *testing.T, j job) (ended bool) {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheHubInAProcessOfItsOwn$")
	command.Env = append(os.Environ(), childEnv+"="+string(text))
	out, err := command.CombinedOutput()
	if err == nil {
		return true
	}
	if status, ok := command.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the hub failed: %v\n%s", err, out)
	}
	return false
}

// fill puts deliveries into a new store.
func fill(t *testing.T, dir string, deliveries ...fleet.Delivery) {
	t.Helper()
	s, _, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddDeliveries(deliveries); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// states reads what became of all deliveries.
func states(t *testing.T, dir string) map[string]fleet.Delivery {
	t.Helper()
	s, _, err := store.Open(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	page, err := s.Deliveries(fleet.DeliveryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]fleet.Delivery{}
	for _, d := range page.Deliveries {
		all[d.ID] = d
	}
	return all
}

// telephone is an SMS gateway that counts what it is asked, by the message's id.
type telephone struct {
	URL string
	mu  sync.Mutex
	got map[string]int
}

func startTelephone(t *testing.T) *telephone {
	t.Helper()
	p := &telephone{got: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var asked struct{ ID string }
		if json.NewDecoder(r.Body).Decode(&asked) != nil {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.got[asked.ID]++
	}))
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

func (p *telephone) count(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got[id]
}

// mailed counts the mails of the mailbox by their delivery.
func mailed(s *notifytest.Server) map[string]int {
	count := map[string]int{}
	for _, m := range s.Messages() {
		id, _, _ := strings.Cut(strings.Trim(m.Header.Get("Message-Id"), "<>"), "@")
		count[id]++
	}
	return count
}

func twoMessages(round string) []fleet.Delivery {
	now := time.Now()
	facts := []fleet.Fact{{Name: "site", Value: "North"}, {Name: "panels", Value: "Gate"}}
	return []fleet.Delivery{
		{ID: round + ".mail", Kind: "lost", Language: "en", Recipient: "anna", Channel: fleet.Email, Address: "anna@example.org", Facts: facts, Made: now, Due: now,
			State: fleet.Waiting, Fallback: &fleet.Target{Channel: fleet.SMS, Address: "+393471234567"}},
		{ID: round + ".sms", Kind: "lost", Language: "en", Recipient: "ugo", Channel: fleet.SMS, Address: "+393477654321", Facts: facts, Made: now, Due: now, State: fleet.Waiting},
	}
}

// TestAHubKilledAtAnyStepNeverSendsTwice kills a hub with SIGKILL before and behind each durable step, starts it again, and
// looks into the mailbox of a real mail server.
func TestAHubKilledAtAnyStepNeverSendsTwice(t *testing.T) {
	exim, phone := notifytest.Start(t), startTelephone(t)
	uncertain, kills := 0, 0
	for step := 1; ; step++ {
		round := fmt.Sprintf("k%d", step)
		j := job{Dir: t.TempDir(), Mail: exim.Addr, Security: notify.StartTLS, CA: exim.CA, User: notifytest.User, Gateway: phone.URL, DieAt: step}
		fill(t, j.Dir, twoMessages(round)...)
		if work(t, j) {
			break
		}
		kills++
		j.DieAt = 0
		if !work(t, j) {
			t.Fatal("the second hub killed itself")
		}
		uncertain += checkRound(t, round, states(t, j.Dir), mailed(exim), phone)
	}
	// Three steps for each of two messages, with a moment before and behind each.
	if kills != 12 {
		t.Errorf("killed %d times, want 12", kills)
	}
	// The window is from the note before the last byte to the note behind the answer: both moments between them, for each.
	if uncertain != 4 {
		t.Errorf("%d messages are uncertain, want 4", uncertain)
	}
}

// checkRound holds what must be so after a hub was killed and started again. It returns how many messages are uncertain.
func checkRound(t *testing.T, round string, all map[string]fleet.Delivery, mails map[string]int, phone *telephone) (uncertain int) {
	t.Helper()
	for id, arrived := range map[string]int{round + ".mail": mails[round+".mail"], round + ".sms": phone.count(round + ".sms")} {
		d := all[id]
		switch {
		case arrived > 1:
			t.Errorf("%s arrived %d times", id, arrived)
		case d.State == fleet.Sent && arrived != 1:
			t.Errorf("%s is sent and arrived %d times", id, arrived)
		case d.State == fleet.Uncertain:
			uncertain++
			if !strings.Contains(d.Last, "may have arrived") {
				t.Errorf("%s says %q", id, d.Last)
			}
		case d.State != fleet.Sent:
			t.Errorf("%s is %s: %s", id, d.State, d.Last)
		}
	}
	stood := phone.count(round + ".mail+sms")
	if want := all[round+".mail"].State == fleet.Uncertain; want != (stood == 1) || stood > 1 {
		t.Errorf("%s.mail is %s, and its fall-back was sent %d times", round, all[round+".mail"].State, stood)
	}
	return uncertain
}

// TestAHubKilledAtTheFinalDotLeavesOneMailAtMost kills a hub while the final dot is on its way: the server gets it, or not.
func TestAHubKilledAtTheFinalDotLeavesOneMailAtMost(t *testing.T) {
	exim, phone := notifytest.Start(t), startTelephone(t)
	for _, forward := range []bool{true, false} {
		t.Run(fmt.Sprintf("the server gets the dot: %v", forward), func(t *testing.T) {
			round := fmt.Sprintf("dot-%v", forward)
			j := job{Dir: t.TempDir(), Security: notify.Plain, Gateway: phone.URL}
			process := make(chan int, 1)
			passed := make(chan struct{}, 1)
			j.Mail = between(t, exim, func() bool {
				_ = syscall.Kill(<-process, syscall.SIGKILL)
				return forward
			}, passed)
			fill(t, j.Dir, twoMessages(round)[0])
			kill(t, j, process)
			<-passed
			if !work(t, j) {
				t.Fatal("the second hub was killed")
			}
			d, arrived := states(t, j.Dir)[round+".mail"], mailed(exim)[round+".mail"]
			if want := map[bool]int{true: 1, false: 0}[forward]; d.State != fleet.Uncertain || arrived != want {
				t.Errorf("%d mails, the delivery is %s: %s", arrived, d.State, d.Last)
			}
			if n := phone.count(round + ".mail+sms"); n != 1 {
				t.Errorf("the fall-back was sent %d times", n)
			}
		})
	}
}

// kill runs a hub that is killed from outside; process hears its id.
func kill(t *testing.T, j job, process chan<- int) {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheHubInAProcessOfItsOwn$")
	command.Env = append(os.Environ(), childEnv+"="+string(text))
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	process <- command.Process.Pid
	if err := command.Wait(); err == nil {
		t.Fatal("the hub came to its end; it was to be killed")
	}
}

// between stands between a hub and exim: plain on the hub's side, with TLS and AUTH on the other. atDot is called when the
// hub has sent the final dot and tells whether exim gets it; passed hears when that is over.
func between(t *testing.T, exim *notifytest.Server, atDot func() bool, passed chan<- struct{}) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if err := relay(conn, exim, atDot, passed); err != nil {
					t.Logf("relay: %v", err)
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func relay(near net.Conn, exim *notifytest.Server, atDot func() bool, passed chan<- struct{}) error {
	far, err := authenticated(exim)
	if err != nil {
		return err
	}
	defer far.Close()
	nearLines, farLines := bufio.NewReader(near), bufio.NewReader(far)
	if _, err := io.WriteString(near, "220 between\r\n"); err != nil {
		return err
	}
	text := false
	for {
		line, err := nearLines.ReadString('\n')
		if err != nil {
			return nil
		}
		if text && line != ".\r\n" {
			_, _ = io.WriteString(far, line)
			continue
		}
		if text {
			forward := atDot()
			if forward {
				_, _ = io.WriteString(far, line)
				_, err = answer(farLines)
			}
			passed <- struct{}{}
			return err
		}
		if _, err := io.WriteString(far, line); err != nil {
			return err
		}
		said, err := answer(farLines)
		if err != nil {
			return err
		}
		_, _ = io.WriteString(near, said)
		text = strings.HasPrefix(said, "354")
	}
}

// authenticated is a connection to exim behind TLS and AUTH.
func authenticated(exim *notifytest.Server) (net.Conn, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(exim.CA)
	far, err := tls.Dial("tcp", exim.TLS, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err != nil {
		return nil, err
	}
	lines := bufio.NewReader(far)
	login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+notifytest.User+"\x00"+notifytest.Password))
	for _, line := range []string{"", "EHLO between.example.org\r\n", login + "\r\n"} {
		if _, err := io.WriteString(far, line); err != nil {
			return nil, err
		}
		if said, err := answer(lines); err != nil || said[0] != '2' {
			return nil, fmt.Errorf("%q, %w", said, err)
		}
	}
	return far, nil
}

// answer reads one answer of a mail server, of one line or several.
func answer(lines *bufio.Reader) (string, error) {
	var all strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		all.WriteString(line)
		if len(line) < 4 || line[3] != '-' {
			return all.String(), nil
		}
	}
}
