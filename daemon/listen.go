package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Listen opens a TCP listener. What and key are for the error: what it is for, and where its address is written.
func Listen(what, key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, ListenError(what, key, address, err)
	}
	return l, nil
}

// ListenError says what to do about an address at which nobody can listen.
func ListenError(what, key, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen for %s on %s: the port is in use; stop the other program, or write another port as %s", what, address, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("cannot listen for %s on %s: this host has no such address; write 0.0.0.0 for all of them as %s", what, address, key)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen for %s on %s: ports below 1024 are root's; write another port as %s", what, address, key)
	}
	return fmt.Errorf("cannot listen for %s on %s: %w", what, address, err)
}

// HTTPServer is a server that a slow or greedy client does not hold up. Answers may take long: they may be streams.
func HTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
