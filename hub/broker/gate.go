package broker

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/mochi-mqtt/server/v2/listeners"
)

// gate is a listener of the broker's library that finds out who connects before the library hears of it.
type gate struct {
	b        *Broker
	id       string
	listener net.Listener
	tls      *tls.Config // nil: a plain one, for development
}

func (g *gate) Init(*slog.Logger) error { return nil }
func (g *gate) ID() string              { return g.id }
func (g *gate) Address() string         { return g.listener.Addr().String() }
func (g *gate) Protocol() string        { return "tcp" }

// Close ends the connections of this listener.
func (g *gate) Close(end listeners.CloseFn) {
	_ = g.listener.Close()
	end(g.id)
}

// Serve takes connections until the listener is closed.
func (g *gate) Serve(listeners.EstablishFn) {
	pause := 5 * time.Millisecond
	for {
		conn, err := g.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of files, for instance
			g.b.log.Warn("cannot accept a connection", "cause", err)
			wait := time.NewTimer(pause)
			<-wait.C
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 5 * time.Millisecond
		g.b.counters.accepted.Add(1)
		if g.b.open.Load() >= int64(g.b.o.MaxClients)+handshakes {
			g.b.refused(refuse("full", "%s: %d connections are open already", conn.RemoteAddr(), g.b.open.Load()))
			_ = conn.Close()
			continue
		}
		g.b.open.Add(1)
		g.b.guests.Go(func() {
			defer g.b.open.Add(-1)
			g.receive(conn)
		})
	}
}

// receive lets a connection say who it is, and serves it until it ends.
func (g *gate) receive(conn net.Conn) {
	who := identity{plain: g.tls == nil, remote: conn.RemoteAddr().String()}
	_ = conn.SetDeadline(time.Now().Add(connectTime))
	if g.tls != nil {
		secured := tls.Server(conn, g.tls)
		if err := secured.HandshakeContext(context.Background()); err != nil {
			g.b.refused(refuse(tlsWhy(err), "%s: %v", who.remote, err))
			_ = conn.Close()
			return
		}
		leaf := secured.ConnectionState().PeerCertificates[0]
		sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
		who.panel, who.key = leaf.Subject.CommonName, hex.EncodeToString(sum[:])
		conn = secured
	}
	_ = conn.SetDeadline(time.Now().Add(connectTime)) // for the first packet
	g.b.establish(g.id, newWire(conn, who, panelBuffer))
}

// tlsWhy tells a certificate that is not honored from a peer that speaks something else.
func tlsWhy(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &unknown) || errors.As(err, &invalid) {
		return "certificate"
	}
	return "tls"
}

// establish serves a connection until it ends. A packet that the library stumbles over ends its connection and no other.
func (b *Broker) establish(id string, w *wire) {
	defer func() {
		if cause := recover(); cause != nil {
			b.log.Error("a packet broke the broker's library", "from", w.who.String(), "cause", cause, "stack", string(debug.Stack()))
			b.refused(refuse("broke", "%s: %v", w.who, cause))
		}
		if w.entered {
			w.entered = false
			b.room.leave()
		}
		_ = w.Close()
	}()
	if err := b.server.EstablishConnection(id, w); err != nil {
		b.log.Debug("a connection ended", "from", w.who.String(), "cause", err)
		// A session that began was counted where it ended.
		if why := malformedWhy(err); why != "" && !w.began {
			b.refused(refuse(why, "%s: %v", w.who, err))
		}
	}
}
