// Command soak keeps the demonstration panel busy for a long time, with everything a crowd at a door does, and watches that
// it goes on working and does not grow. It drives the panel from outside only, through /sim and its pages.
//
//	soak -program bin/doorpanel-demo -for 10m
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

const (
	// patience is how long anything that must happen may take.
	patience = 15 * time.Second
	// The panel may grow by a quarter and this much between the second quarter of the time and the last.
	slackKiB = 8 << 10
	slackFDs = 16
	burst    = 100 // of each thing in one cycle
)

type soak struct {
	web     string
	command *exec.Cmd
	ended   chan error
	client  *http.Client
	done    int // requests
}

// size is how big the process is.
type size struct{ rssKiB, fds int }

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	program := flags.String("program", "bin/doorpanel-demo", "doorpanel with the demonstration in it")
	length := flags.Duration("for", 10*time.Minute, "how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s := &soak{client: &http.Client{Timeout: patience}}
	if err := s.start(*program); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	var codes struct {
		Licenses []struct{ Text string }
	}
	var people struct {
		People []struct{ Card, Code string }
	}
	if err := errors.Join(s.get("/sim/licenses", &codes), s.get("/sim/people", &people)); err != nil {
		return err
	}
	if len(codes.Licenses) == 0 || len(people.People) == 0 {
		return errors.New("the demonstration has no licenses or no people")
	}
	var texts []string
	for _, l := range codes.Licenses {
		texts = append(texts, l.Text)
	}
	var sizes []size
	began, told := time.Now(), time.Now()
	for time.Since(began) < *length && ctx.Err() == nil {
		if err := s.cycle(texts, people.People[0].Card); err != nil {
			return fmt.Errorf("after %v and %d requests: %w", time.Since(began).Round(time.Second), s.done, err)
		}
		now, err := s.size()
		if err != nil {
			return err
		}
		sizes = append(sizes, now)
		if time.Since(told) > 30*time.Second {
			told = time.Now()
			fmt.Printf("%6v of %v: %d requests, %d KiB, %d open files\n", time.Since(began).Round(time.Second), *length, s.done, now.rssKiB, now.fds)
		}
	}
	return judge(sizes)
}

// judge compares the largest of the last quarter with the largest of the second.
func judge(sizes []size) error {
	if len(sizes) < 8 {
		return fmt.Errorf("only %d cycles: too short to say anything", len(sizes))
	}
	quarter := len(sizes) / 4
	largest := func(part []size) (m size) {
		for _, s := range part {
			m.rssKiB, m.fds = max(m.rssKiB, s.rssKiB), max(m.fds, s.fds)
		}
		return m
	}
	early, late := largest(sizes[quarter:2*quarter]), largest(sizes[len(sizes)-quarter:])
	fmt.Printf("%d cycles: from %d to %d KiB, from %d to %d open files\n", len(sizes), early.rssKiB, late.rssKiB, early.fds, late.fds)
	if late.rssKiB > early.rssKiB*5/4+slackKiB || late.fds > early.fds+slackFDs {
		return errors.New("the panel grows")
	}
	return nil
}

func (s *soak) start(program string) error {
	s.command = exec.Command(program, "demo", "--listen", "127.0.0.1:0")
	s.command.Stderr = os.Stderr
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w; make run builds it", program, err)
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadBytes('\n')
	var line struct {
		Ready bool
		Web   string
	}
	if err != nil || json.Unmarshal(first, &line) != nil || !line.Ready {
		_ = s.command.Process.Kill()
		return fmt.Errorf("the panel is not ready: %q, %w", first, errors.Join(err, s.command.Wait()))
	}
	s.web, s.ended = line.Web, make(chan error, 1)
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		s.ended <- s.command.Wait()
	}()
	return nil
}

func (s *soak) stop() error {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		if err != nil {
			return fmt.Errorf("the panel did not end well: %w", err)
		}
		return nil
	case <-time.After(patience):
		return errors.Join(errors.New("the panel did not end"), s.command.Process.Kill())
	}
}

func (s *soak) get(path string, into any) error {
	s.done++
	answer, err := s.client.Get(s.web + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// post moves the hardware. That it is busy is an answer; that it fails is not.
func (s *soak) post(path, kind, body string) error {
	s.done++
	answer, err := s.client.Post(s.web+path, kind, strings.NewReader(body))
	if err != nil {
		return err
	}
	answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusNoContent, http.StatusOK, http.StatusConflict, http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return nil
	case http.StatusBadRequest:
		if path == "/sim/phone" {
			return nil // there was no call to do that with
		}
	}
	return fmt.Errorf("%s %.80s: %s", path, body, answer.Status)
}

type state struct {
	Strikes map[string]struct{ On bool }
	Phone   struct{ State string }
}

func (s *soak) until(what string, ok func(state) bool) error {
	for late := time.Now().Add(patience); ; {
		var now state
		if err := s.get("/sim/state", &now); err != nil {
			return err
		}
		if ok(now) {
			return nil
		}
		if time.Now().After(late) {
			return fmt.Errorf("%s did not come within %v: %+v", what, patience, now)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cycle is a minute at a busy door, made short: everything at once, then one call and one badge that must do what they do.
func (s *soak) cycle(licenses []string, card string) error {
	const asJSON = "application/json"
	type step struct{ path, kind, body string }
	var steps []step
	for i := range burst {
		steps = append(steps,
			step{"/sim/badge", asJSON, fmt.Sprintf(`{"reader":"front-in","uid":"08%06X"}`, i)},
			step{"/sim/badge", asJSON, fmt.Sprintf(`{"reader":"front-out","uid":%q}`, card)},
			step{"/sim/keys", asJSON, fmt.Sprintf(`{"reader":"front-in","keys":"%04d#"}`, i)},
			step{"/sim/contact", asJSON, fmt.Sprintf(`{"door":"front","open":%v}`, i%2 == 0)},
			step{"/sim/input", asJSON, fmt.Sprintf(`{"input":"exit","on":%v}`, i%2 == 0)},
			step{"/sim/scan", "text/plain", licenses[i%len(licenses)]},
			step{"/sim/scan", "text/plain", "https://example.org/not-a-license"},
			step{"/sim/press", asJSON, fmt.Sprintf(`{"button":%d}`, i%8+1)},
			step{"/sim/phone", asJSON, fmt.Sprintf(`{"action":%q}`, []string{"reject", "busy", "answer", "hangup"}[i%4])},
		)
	}
	for _, step := range steps {
		if err := s.post(step.path, step.kind, step.body); err != nil {
			return err
		}
	}
	for _, page := range []string{"/", "/sim/journal", "/healthz", "/metrics"} {
		if err := s.get(page, nil); err != nil {
			return err
		}
	}
	// Whatever the burst left behind comes to its end by itself, the strike within its pulse.
	err := s.until("a quiet phone and a secured door", func(now state) bool {
		if now.Phone.State == "ringing" || now.Phone.State == "in_call" {
			_ = s.post("/sim/phone", asJSON, `{"action":"hangup"}`)
		}
		return now.Phone.State == "idle" && !now.Strikes["front"].On
	})
	if err != nil {
		return err
	}
	err = s.until("a call", func(now state) bool {
		if now.Phone.State == "idle" {
			_ = s.post("/sim/press", asJSON, `{"button":1}`)
		}
		return now.Phone.State == "ringing"
	})
	if err != nil {
		return err
	}
	if err := s.post("/sim/phone", asJSON, `{"action":"answer"}`); err != nil {
		return err
	}
	if err := s.until("an answered call", func(now state) bool { return now.Phone.State == "in_call" }); err != nil {
		return err
	}
	if err := s.post("/sim/phone", asJSON, `{"action":"digit","digit":"1"}`); err != nil {
		return err
	}
	if err := s.until("the strike after the digit", func(now state) bool { return now.Strikes["front"].On }); err != nil {
		return err
	}
	if err := s.until("the end of the pulse", func(now state) bool { return !now.Strikes["front"].On }); err != nil {
		return err
	}
	if err := s.post("/sim/badge", asJSON, fmt.Sprintf(`{"reader":"front-in","uid":%q}`, card)); err != nil {
		return err
	}
	return s.until("the strike after a card", func(now state) bool { return now.Strikes["front"].On })
}

func (s *soak) size() (size, error) {
	select {
	case err := <-s.ended:
		s.ended <- err
		return size{}, fmt.Errorf("the panel ended: %w", err)
	default:
	}
	proc := filepath.Join("/proc", strconv.Itoa(s.command.Process.Pid))
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return size{}, err
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return size{}, err
	}
	words := strings.Fields(string(status))
	at := slices.Index(words, "VmRSS:")
	if at < 0 || at+1 >= len(words) {
		return size{}, errors.New("the kernel does not tell the size of the panel")
	}
	rss, err := strconv.Atoi(words[at+1])
	return size{rssKiB: rss, fds: len(files)}, err
}
