package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/hub/web"
)

// readyLine is what the daemon prints, once, when it works.
type readyLine struct {
	Ready  bool   `json:"ready"`
	Web    string `json:"web"`
	MQTT   string `json:"mqtt"`
	Enroll string `json:"enroll"`
}

// runHub runs a hub until ctx ends.
func runHub(ctx context.Context, config configs.Hub, stdout, stderr io.Writer, log *slog.Logger) (err error) {
	h, err := build(config, log, mode{online: true, code: codeTo(stderr)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	socket, err := daemon.OpenSocket(config.Data, socketName, h.administration(), log)
	if err != nil {
		return err
	}
	defer socket.Close()
	return h.run(ctx, stdout)
}

// codeTo prints the code of the first run where whoever started the hub reads it.
func codeTo(stderr io.Writer) func(string) {
	return func(code string) {
		if len(code) == 8 {
			fmt.Fprintf(stderr, "\n  Code for the first login, good for ten minutes:  %s %s\n\n", code[:4], code[4:])
		}
	}
}

// run starts the parts in the order in which they need each other, and stops them in reverse: nobody new comes in, what is
// under way is finished, then the store closes.
func (h *house) run(ctx context.Context, stdout io.Writer) error {
	failed := make(chan error, 4) // nobody reads the second one
	pages, err := h.serve(failed)
	if err != nil {
		return err
	}
	if h.broker != nil {
		if err := h.broker.Start(); err != nil {
			return errors.Join(err, pages.close())
		}
	}
	core := daemon.NewGroup(context.WithoutCancel(ctx))
	core.Start(func(ctx context.Context) {
		if err := h.hub.Run(ctx); err != nil {
			failed <- fmt.Errorf("the hub's loop ended: %w", err)
		}
	})
	messages := daemon.NewGroup(context.WithoutCancel(ctx))
	messages.Start(h.deliver)
	messages.Start(h.tellHooks)
	core.Start(h.pools.Run)
	core.Start(h.keepTidy)
	core.Start(h.keepLedger)
	core.Start(h.registrar.Run)
	core.Start(h.revocations.run)
	if h.outcasts != nil {
		core.Start(h.outcasts.run)
	}
	core.Start(func(ctx context.Context) { daemon.Watchdog(ctx, h.alive) })

	line, err := json.Marshal(readyLine{Ready: true, Web: urlOf(h.webListener.Addr(), h.config.Web.TLS.On()), MQTT: h.brokerURL(), Enroll: h.enrollURL()})
	if err == nil {
		fmt.Fprintln(stdout, string(line))
		daemon.Ready("")
		h.log.Info("ready", "web", urlOf(h.webListener.Addr(), h.config.Web.TLS.On()), "mqtt", h.brokerURL(), "enroll", h.enrollURL())
		select {
		case <-ctx.Done():
			h.log.Info("stopping")
		case err = <-failed:
			h.log.Error("stopping", "cause", err)
		}
	}
	daemon.Stopping()
	h.pages.Close()
	err = errors.Join(err, pages.close())
	messages.Stop()
	core.Stop()
	return err
}

// servers are the HTTP servers for people and for panels that enroll.
type servers []*http.Server

// serve starts the pages and the entrance of panels.
func (h *house) serve(failed chan<- error) (servers, error) {
	people := web.Limit(h.webListener, web.MaxConnections)
	if h.config.Web.TLS.On() {
		certificate, err := h.pageCertificate()
		if err != nil {
			return nil, err
		}
		people = tls.NewListener(people, &tls.Config{GetCertificate: certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	panels := tls.NewListener(web.Limit(h.enrollListener, web.MaxConnections), &tls.Config{
		GetCertificate: h.authority.ServerCertificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: h.authority.Pool(),
	})
	entry := h.enrollment.Handler(func(err error) { h.log.Error("cannot enroll a panel", "cause", err) })
	var all servers
	for _, one := range []struct {
		what    string
		l       net.Listener
		handler http.Handler
	}{{"pages", people, h.pages.Handler()}, {"entrance of panels", panels, entry}} {
		server := daemon.HTTPServer(one.handler, h.log)
		all = append(all, server)
		go func() {
			if err := server.Serve(one.l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("the %s ended: %w", one.what, err)
			}
		}()
	}
	return all, nil
}

// close lets what is being answered be answered.
func (s servers) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var faults []error
	for _, server := range s {
		if err := server.Shutdown(ctx); err != nil {
			faults = append(faults, server.Close())
		}
	}
	return errors.Join(faults...)
}

// pageCertificate shows the certificate that the file names, read again when it is renewed, or the hub's own.
func (h *house) pageCertificate() (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	c := h.config.Web.TLS
	if c.Certificate == "" {
		return h.authority.ServerCertificate, nil
	}
	pair := &filePair{certificate: c.Certificate, key: c.Key}
	_, err := pair.get(nil)
	return pair.get, err
}

// keepTidy forgets what is old: events by their periods, deliveries and sessions that nobody looks at any more.
func (h *house) keepTidy(ctx context.Context) {
	const first, pause = 2 * time.Minute, time.Hour
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := h.tidy(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("cannot forget what is old", "cause", err)
		}
		timer.Reset(pause)
	}
}

const (
	deliveriesKept = 400 * 24 * time.Hour
	sessionsKept   = 30 * 24 * time.Hour
)

func (h *house) tidy(ctx context.Context) error {
	now := time.Now()
	for more := true; more && ctx.Err() == nil; {
		swept, err := h.store.Sweep(now, h.settings.current().Keep)
		if err != nil {
			return err
		}
		more = swept.More
		if n := swept.Expired + swept.Pushed; n > 0 {
			h.log.Info("forgot old events", "expired", swept.Expired, "for_room", swept.Pushed)
		}
	}
	_, err := h.store.ForgetDeliveries(now.Add(-deliveriesKept), 10_000)
	_, forgetting := h.store.ForgetSessions(now.Add(-sessionsKept), now)
	return errors.Join(err, forgetting)
}

// deliver sends messages until ctx ends. Whatever is new in the hub may be a message.
func (h *house) deliver(ctx context.Context) {
	var waking sync.WaitGroup
	waking.Go(func() {
		pause := time.NewTicker(wakePause)
		defer pause.Stop()
		for seen := uint64(0); ; {
			var err error
			if seen, err = h.hub.Wait(ctx, seen); err != nil {
				return
			}
			h.deliverer.Wake()
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
		}
	})
	h.deliverer.Run(ctx)
	waking.Wait()
}

// wakePause bounds how often the outbox is looked at while much is new.
const wakePause = 100 * time.Millisecond
