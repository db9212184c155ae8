package main

import (
	"bufio"
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
	"github.com/doorpanel/doorpanel/panel"
)

// place says which panel a command is for.
type place struct{ config, data string }

// flags adds the flags that say which panel is meant.
func (p *place) flags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&p.config, "config", os.Getenv("DOORPANEL_CONFIG"), "configuration `FILE` of the panel")
	cmd.PersistentFlags().StringVar(&p.data, "data", "", "the panel's data `DIR` (default: the configuration's, else ./data)")
}

func (p *place) load() (configs.Config, error) {
	config, problems, err := loadConfig(p.config)
	if err != nil {
		return config, err
	}
	if len(problems) > 0 {
		return config, problems
	}
	if p.data != "" && p.data != config.Data {
		if config.KeysDir == filepath.Join(config.Data, "keys") {
			config.KeysDir = filepath.Join(p.data, "keys")
		}
		config.Data = p.data
	}
	return config, nil
}

// api speaks the panel's API: to the daemon through its socket, or, when none runs, to the same pages on the opened store.
type api struct {
	client *http.Client
	close  func() error
	live   bool              // a daemon answers
	tell   func(panel.Entry) // writes into the journal; nil where a daemon does that itself
}

// openAPI connects to the panel.
func openAPI(ctx context.Context, p place, log *slog.Logger) (*api, error) {
	config, err := p.load()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(config.Data, socketName)
	if conn, err := daemon.DialSocket(ctx, config.Data, socketName); err == nil {
		_ = conn.Close()
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return daemon.DialSocket(ctx, config.Data, socketName)
		}}
		return &api{live: true, client: &http.Client{Transport: transport}, close: func() error {
			transport.CloseIdleConnections()
			return nil
		}}, nil
	} else if errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("cannot speak to the daemon through %s: only root and its own user may; use sudo", path)
	}
	return openOffline(ctx, config, log)
}

// openOffline opens the panel's store without its hardware and serves the same API from it, so that a command does the same
// and says the same whether a daemon runs or not.
func openOffline(ctx context.Context, config configs.Config, log *slog.Logger) (_ *api, err error) {
	restore, err := daemon.BecomeOwner(config.Data)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, restore())
		}
	}()
	config.Hardware, config.SIP.Listen = "", loopbackAnyPort
	h, err := build(config, log, "", "", extras{})
	if err != nil {
		return nil, err
	}
	loop := daemon.NewGroup(context.WithoutCancel(ctx))
	loop.Start(func(ctx context.Context) { _ = h.agent.Run(ctx) })
	h.running.Store(true)
	h.tellNotes()
	return &api{
		client: &http.Client{Transport: daemon.InProcess{Handler: h.administration()}}, tell: h.tell,
		close: func() error {
			loop.Stop()
			h.pages.Close()
			return errors.Join(h.close(), restore())
		},
	}, nil
}

// problemDetails is an error of the API (RFC 9457).
type problemDetails struct {
	Type   string   `json:"type"`
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Detail string   `json:"detail"`
	Causes []string `json:"causes"`
}

func (p problemDetails) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

const apiTimeout = 30 * time.Second

// call sends a request and reads a JSON answer into out, which may be nil. A problem comes back as problemDetails.
func (a *api) call(ctx context.Context, method, path, contentType string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", contentType)
	}
	response, err := a.client.Do(r)
	if err != nil {
		return fmt.Errorf("cannot ask the panel: %w", err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("cannot read the panel's answer: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		problem := problemDetails{Title: response.Status}
		_ = json.Unmarshal(content, &problem)
		return problem
	}
	if out == nil || len(content) == 0 {
		return nil
	}
	return json.Unmarshal(content, out)
}

func (a *api) callJSON(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return a.call(ctx, method, path, "application/json", body, out)
}

// lines sends a list and hands over each line of the answer as it comes. A problem comes back as problemDetails.
func (a *api) lines(ctx context.Context, path, contentType string, content []byte, take func([]byte) error) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost"+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", contentType)
	response, err := a.client.Do(r)
	if err != nil {
		return fmt.Errorf("cannot ask the panel: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return problemOf(response)
	}
	scanner := bufio.NewScanner(response.Body)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		if err := take(scanner.Bytes()); err != nil {
			return err
		}
	}
	return scanner.Err()
}

// copy writes an answer through as it comes.
func (a *api) copy(ctx context.Context, path string, to io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return err
	}
	response, err := a.client.Do(r)
	if err != nil {
		return fmt.Errorf("cannot ask the panel: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return problemOf(response)
	}
	if _, err := io.Copy(to, response.Body); err != nil {
		return fmt.Errorf("cannot read the panel's answer: %w", err)
	}
	return nil
}

func problemOf(response *http.Response) error {
	problem := problemDetails{Title: response.Status}
	content, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err == nil {
		_ = json.Unmarshal(content, &problem)
	}
	return problem
}

// withAPI runs one command against the panel.
func withAPI(cmd *cobra.Command, p place, do func(context.Context, *api) error) (err error) {
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
	a, err := openAPI(cmd.Context(), p, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	return do(cmd.Context(), a)
}
