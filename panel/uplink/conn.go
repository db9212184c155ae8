package uplink

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/telemetry"
)

const connectTimeout = 10 * time.Second

func dial(ctx context.Context, place endpoint, by func(ctx context.Context, network, address string) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	plain, err := by(ctx, "tcp", place.address)
	if err != nil {
		return nil, err
	}
	if place.tls == nil {
		return &boundedConn{Conn: plain}, nil
	}
	secured := tls.Client(plain, place.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		plain.Close()
		return nil, err
	}
	return &boundedConn{Conn: secured}, nil
}

// boundedConn follows the packets that it reads and fails at the header of one that is too large. Documents that are too large
// for us are still read and passed over.
type boundedConn struct {
	net.Conn
	once    sync.Once
	packets telemetry.Packets
}

func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if tooLarge := c.packets.Follow(p[:n]); tooLarge != nil {
		return 0, tooLarge
	}
	return n, err
}

// Close may be called by the client library and by the session that gives the connection up.
func (c *boundedConn) Close() error {
	var err error
	c.once.Do(func() { err = c.Conn.Close() })
	return err
}
