package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Socket is where the commands on this host find the daemon. Whoever may open it is root or the daemon's own user.
type Socket struct {
	server *http.Server
	path   string
}

// OpenSocket serves administrators on this host. The caller holds a lock that says that no other daemon lives in this
// directory, so a socket that is there is a dead one's and is replaced. The new one is made where nobody else may enter,
// whatever the umask is, and moved to its place when its mode is right.
func OpenSocket(data, name string, handler http.Handler, log *slog.Logger) (s *Socket, err error) {
	path := filepath.Join(data, name)
	private, err := os.MkdirTemp(data, ".socket-*")
	if err != nil {
		return nil, fmt.Errorf("cannot make %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(private)) }()
	dir, err := os.Open(private)
	if err != nil {
		return nil, fmt.Errorf("cannot make %s: %w", path, err)
	}
	defer dir.Close()
	// A path of a socket has room for 108 bytes: go by way of the open directory.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: within(dir, name)})
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	made := filepath.Join(private, name)
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make %s: %w", path, err), l.Close())
	}
	s = &Socket{server: HTTPServer(handler, log), path: path}
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

// DialSocket connects to the daemon that lives in a data directory.
func DialSocket(ctx context.Context, data, name string) (net.Conn, error) {
	dir, err := os.Open(data)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return (&net.Dialer{}).DialContext(ctx, "unix", within(dir, name))
}

func within(dir *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}

// Close lets what is being answered be answered: what was stored is to be confirmed.
func (s *Socket) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		_ = s.server.Close()
	}
	_ = os.Remove(s.path)
}
