package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
)

// place says which hub a command is for.
type place struct{ config, data string }

// flags adds the flags that say which hub is meant.
func (p *place) flags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&p.config, "config", os.Getenv("DOORHUB_CONFIG"), "configuration `FILE` of the hub")
	cmd.PersistentFlags().StringVar(&p.data, "data", "", "the hub's data `DIR` (default: the configuration's, else ./hub-data)")
}

func (p *place) load() (configs.Hub, error) {
	config := configs.DefaultHub()
	if p.config != "" {
		var err error
		if config, err = configs.LoadHub(p.config); err != nil {
			return config, err
		}
	}
	if p.data != "" {
		config = config.WithData(p.data)
	}
	return config, nil
}

// socketName is where the commands on this host find the daemon.
const socketName = "doorhub.sock"

// api speaks the hub's API: to the daemon through its socket, or, when none runs, to the same pages on the opened store.
type api struct {
	client *http.Client
	close  func() error
	live   bool // a daemon answers
}

// openAPI connects to the hub.
func openAPI(ctx context.Context, p place, log *slog.Logger) (*api, error) {
	config, err := p.load()
	if err != nil {
		return nil, err
	}
	conn, err := daemon.DialSocket(ctx, config.Data, socketName)
	if err == nil {
		_ = conn.Close()
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return daemon.DialSocket(ctx, config.Data, socketName)
		}}
		return &api{live: true, client: &http.Client{Transport: transport}, close: func() error {
			transport.CloseIdleConnections()
			return nil
		}}, nil
	}
	if errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("cannot speak to the hub through %s: only root and its own user may; use sudo", filepath.Join(config.Data, socketName))
	}
	return openOffline(config, log)
}

// openOffline opens the hub's store without broker and network and serves the same API from it, so that a command does the
// same and says the same whether a daemon runs or not.
func openOffline(config configs.Hub, log *slog.Logger) (_ *api, err error) {
	restore, err := daemon.BecomeOwner(config.Data)
	if err != nil {
		return nil, err
	}
	h, err := build(config, log, offline)
	if err != nil {
		return nil, errors.Join(err, restore())
	}
	return &api{
		client: &http.Client{Transport: daemon.InProcess{Handler: h.administration()}},
		close:  func() error { return errors.Join(h.close(), restore()) },
	}, nil
}

// problemDetails is an error of the API (RFC 9457).
type problemDetails struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (p problemDetails) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

// apiTimeout is more than an order's deadline.
const apiTimeout = 45 * time.Second

// call sends a request with a JSON body, which may be nil, and reads a JSON answer into out, which may be nil. A problem
// comes back as problemDetails.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := a.client.Do(r)
	if err != nil {
		return fmt.Errorf("cannot ask the hub: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return problemOf(response)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("cannot read the hub's answer: %w", err)
	}
	if out == nil || len(content) == 0 {
		return nil
	}
	if err := json.Unmarshal(content, out); err != nil {
		return fmt.Errorf("cannot read the hub's answer: %w", err)
	}
	return nil
}

// copy writes an answer through as it comes.
func (a *api) copy(ctx context.Context, path string, to io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return err
	}
	response, err := a.client.Do(r)
	if err != nil {
		return fmt.Errorf("cannot ask the hub: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return problemOf(response)
	}
	if _, err := io.Copy(to, response.Body); err != nil {
		return fmt.Errorf("cannot read the hub's answer: %w", err)
	}
	return nil
}

func problemOf(response *http.Response) error {
	problem := problemDetails{Title: response.Status}
	if content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20)); err == nil {
		_ = json.Unmarshal(content, &problem)
	}
	return problem
}

// withAPI runs one command against the hub.
func withAPI(cmd *cobra.Command, p place, do func(context.Context, *api) error) (err error) {
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
	a, err := openAPI(cmd.Context(), p, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	return do(cmd.Context(), a)
}
