package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/web"
)

// readyLine is what the daemon prints, once, when it works.
type readyLine struct {
	Ready    bool   `json:"ready"`
	Web      string `json:"web"`
	SIP      string `json:"sip,omitempty"`
	Panel    string `json:"panel,omitempty"`
	Problems int    `json:"problems,omitempty"`
}

// runPanel runs a panel until ctx ends: the pages first, then everything else, and back in reverse.
func runPanel(ctx context.Context, config configs.Config, stdout io.Writer, log *slog.Logger, more extras) (err error) {
	front, err := openFront(config.Web, config.KeysDir, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, front.close()) }()
	defer func() {
		if errors.Is(err, errReset) {
			err = errors.Join(err, finishReset(config, log))
		}
	}()

	h, err := build(config, log, front.url, front.fingerprint, more)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()

	// The store's lock says that no other daemon lives in this directory.
	socket, err := daemon.OpenSocket(config.Data, socketName, h.administration(), log)
	if err != nil {
		return err
	}
	defer socket.Close()

	return h.run(ctx, front, stdout)
}

// run starts the parts in the order in which they need each other, and stops them in the order a person at the door would
// choose: strikes safe, hang up, goodbye upstream.
func (h *house) run(ctx context.Context, front *front, stdout io.Writer) error {
	core := daemon.NewGroup(context.WithoutCancel(ctx))      // the loop and its eyes
	telephone := daemon.NewGroup(context.WithoutCancel(ctx)) // calls
	broker := daemon.NewGroup(context.WithoutCancel(ctx))    // the uplink

	failed := make(chan error, 2) // nobody reads the second one
	core.Start(func(ctx context.Context) {
		if err := h.agent.Run(ctx); err != nil {
			failed <- fmt.Errorf("the panel's loop ended: %w", err)
		}
	})
	h.running.Store(true)
	h.tellNotes()
	for _, p := range h.parts.all() {
		if p.State == "failed" { // before there was anybody to tell
			h.agent.Post(panel.DeviceChanged{Device: p.Kind + " " + p.Name, Dead: true, Cause: p.Detail})
		}
	}
	core.Start(func(ctx context.Context) { _ = h.licenses.Watch(ctx, h.agent) })
	core.Start(func(ctx context.Context) { h.presentScans(ctx, h.scans) })
	for _, d := range h.hardware.devices {
		core.Start(func(ctx context.Context) { h.supervise(ctx, d.kind, d.name, settled, d.run) })
	}
	core.Start(func(ctx context.Context) { h.keepMemory(ctx) })
	core.Start(func(ctx context.Context) { h.keepTidy(ctx) })
	core.Start(func(ctx context.Context) { h.keepTime(ctx) })
	telephone.Start(func(ctx context.Context) {
		if err := h.phone.Run(ctx); err != nil {
			failed <- fmt.Errorf("the telephone ended: %w", err)
		}
	})
	broker.Start(h.runUplink)
	core.Start(h.keepCertificate)
	front.show(h.pages.Handler())
	core.Start(func(ctx context.Context) { daemon.Watchdog(ctx, h.agent.Alive) })

	ready, err := json.Marshal(readyLine{Ready: true, Web: front.url, SIP: h.phone.Addr(), Panel: h.id})
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, string(ready))
	daemon.Ready("")
	h.log.Info("ready", "web", front.url, "sip", h.phone.Addr(), "panel", h.id)

	select {
	case <-ctx.Done():
		h.log.Info("stopping")
	case <-h.reset:
		h.log.Info("stopping for the reset")
		err = errReset
	case err = <-failed:
		h.log.Error("stopping", "cause", err)
	}
	daemon.Stopping()
	core.Stop()
	telephone.Stop()
	saving, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if saved := h.saveMemory(saving); saved != nil {
		h.log.Warn("cannot shorten the next start", "cause", saved)
	}
	broker.Stop()
	h.pages.Close()
	front.say("The panel is stopping.")
	return err
}

// settled is how long a device must run before it counts as working, unless it says itself how it is.
const settled = 5 * time.Second

// supervise runs a part again and again, with growing pauses, and shows its state: a part that fails at each try has
// failed once. A part that always says itself how it is has settle 0. It returns when ctx ends.
func (h *house) supervise(ctx context.Context, kind, name string, settle time.Duration, run func(context.Context) error) {
	const first, last = time.Second, time.Minute
	for pause := first; ; pause = min(2*pause, last) {
		try := h.parts.begin(kind, name)
		started := time.Now()
		working := time.AfterFunc(settle, func() {
			if settle > 0 && h.parts.settle(kind, name, try) {
				h.agent.Post(panel.DeviceChanged{Device: kind + " " + name})
			}
		})
		err := run(ctx)
		working.Stop()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it ended")
		}
		h.report(kind, name, err)
		if time.Since(started) > last {
			pause = first
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// tellNotes writes down what was found at the start.
func (h *house) tellNotes() {
	for _, note := range h.notes {
		h.tell(panel.Entry{Kind: panel.SystemAside, Detail: note})
	}
	for _, note := range h.later {
		h.write(note)
	}
}

// report shows how a part is, and tells the core what is news to it.
func (h *house) report(kind, name string, cause error) {
	if !h.parts.report(kind, name, cause) {
		return
	}
	changed := panel.DeviceChanged{Device: kind + " " + name}
	if cause != nil {
		changed.Dead, changed.Cause = true, cause.Error()
		h.log.Error("part failed", "kind", kind, "name", name, "cause", cause)
	}
	h.agent.Post(changed)
}

// keepMemory saves what the machine remembers from time to time, so that a start need not read the whole journal.
func (h *house) keepMemory(ctx context.Context) {
	ticker := time.NewTicker(10 * time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := h.saveMemory(ctx); err != nil && ctx.Err() == nil {
				h.log.Warn("cannot save what is remembered", "cause", err)
			}
		}
	}
}

// front is the page's listener, which is there before the panel is and stays when the panel cannot be built.
type front struct {
	url, fingerprint string
	server           *http.Server
	handler          atomic.Pointer[http.Handler]
}

func openFront(c configs.Web, keysDir string, log *slog.Logger) (*front, error) {
	l, err := daemon.Listen("web", "[web] listen", c.Listen.String())
	if err != nil {
		return nil, err
	}
	f := &front{url: urlOf(l.Addr(), c.TLS.On())}
	l = web.Limit(l, web.MaxConnections)
	if c.TLS.On() {
		cert, err := f.certificate(c, keysDir)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	f.say("The panel is starting.")
	f.server = web.HTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*f.handler.Load()).ServeHTTP(w, r)
	}), log)
	go func() {
		if err := f.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the pages ended", "cause", err)
		}
	}()
	return f, nil
}

func (f *front) certificate(c configs.Web, keysDir string) (tls.Certificate, error) {
	if !c.TLS.SelfSigned {
		cert, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
		if err != nil {
			return cert, fmt.Errorf("cannot use certificate %s: %w", c.TLS.Certificate, err)
		}
		return cert, nil
	}
	if err := os.MkdirAll(keysDir, 0o700); err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot make keys directory %s: %w", keysDir, err)
	}
	cert, print, err := web.SelfSigned(keysDir, c.Hosts)
	f.fingerprint = print
	return cert, err
}

func (f *front) show(h http.Handler) { f.handler.Store(&h) }

// say answers everything with one line, while there is nobody behind the pages.
func (f *front) say(what string) {
	f.show(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, what, http.StatusServiceUnavailable)
	}))
}

func (f *front) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		return f.server.Close()
	}
	return nil
}

// socketName is where the commands on this host find the daemon.
const socketName = "doorpanel.sock"

// backupPath is where the store's image is read through the socket. It is not part of the API: a network never sees it.
const backupPath = "/backup"

// administration is what the socket serves: the API, and the image for a backup.
func (h *house) administration() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", h.pages.SocketHandler())
	mux.HandleFunc("GET "+backupPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		if _, err := h.store.WriteTo(w); err != nil {
			h.log.Error("cannot write the backup", "cause", err)
			panic(http.ErrAbortHandler) // the client must not take half an image for a whole one
		}
	})
	return mux
}

// runBroken keeps a page up that shows what is wrong with the configuration, until ctx ends. For whoever started it that is
// a panel that runs: starting it again would mend nothing.
func runBroken(ctx context.Context, path string, config configs.Config, problems configs.Problems, stdout, stderr io.Writer, log *slog.Logger) error {
	var mistakes []web.Mistake
	for _, p := range problems {
		mistakes = append(mistakes, web.Mistake{Row: p.Row, Column: p.Column, Key: p.Key, Value: p.Value, Cause: p.Cause, Remedy: p.Remedy})
	}
	page, err := web.Broken(path, mistakes)
	if err != nil {
		return err
	}
	listen := configs.Default().Web
	if l := config.Web.Listen; l.IsValid() && (l.Addr().IsLoopback() || config.Web.TLS.On()) {
		listen = config.Web
	}
	keys := config.KeysDir
	if keys == "" {
		keys = configs.Default().KeysDir
	}
	front, err := openFront(listen, keys, log)
	if err != nil {
		return errors.Join(problems, err)
	}
	front.show(page)
	line, err := json.Marshal(readyLine{Web: front.url, Problems: len(problems)})
	if err != nil {
		return errors.Join(err, front.close())
	}
	fmt.Fprintln(stderr, "doorpanel:", strings.TrimSpace(problems.Error()))
	fmt.Fprintln(stderr, "The page", front.url, "shows them, too. Nothing else runs until they are mended.")
	fmt.Fprintln(stdout, string(line)) // last: who waits for it may then read the mistakes
	daemon.Ready("the configuration has mistakes; no door works")
	daemon.Watchdog(ctx, func(context.Context) error { return nil })
	<-ctx.Done()
	return front.close()
}
