package uplink

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"
)

// packetLimit is the largest packet that is read, in bytes. Documents that are too large for us are still read and passed over, so
// that one of them does not cost the connection; but the client library would make room for 256 MiB at a broker's word.
const packetLimit = 1 << 20

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

// boundedConn follows the packets that it reads and fails at the header of one that is too large.
type boundedConn struct {
	net.Conn
	once  sync.Once
	skip  int  // bytes left of the current packet's body
	head  bool // within the length of a header
	shift uint
	size  int
}

func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if tooLarge := c.follow(p[:n]); tooLarge != nil {
		return 0, tooLarge
	}
	return n, err
}

func (c *boundedConn) follow(p []byte) error {
	for len(p) > 0 {
		switch {
		case c.skip > 0:
			n := min(c.skip, len(p))
			c.skip -= n
			p = p[n:]
		case !c.head:
			c.head, c.shift, c.size = true, 0, 0
			p = p[1:]
		default:
			c.size |= int(p[0]&0x7f) << c.shift
			c.shift += 7
			last := p[0]&0x80 == 0
			p = p[1:]
			if c.size > packetLimit || !last && c.shift >= 28 {
				return fmt.Errorf("the broker sent a packet of at least %d bytes, more than %d", c.size, packetLimit)
			}
			if last {
				c.head, c.skip = false, c.size
			}
		}
	}
	return nil
}

// Close may be called by the client library and by the session that gives the connection up.
func (c *boundedConn) Close() error {
	var err error
	c.once.Do(func() { err = c.Conn.Close() })
	return err
}
