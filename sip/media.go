package sip

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
)

const (
	frameTime    = 20 * time.Millisecond
	frameSamples = 160
	// lateFrames is how far behind the clock the sender may catch up by sending at once; later it skips, since a burst
	// of old sound helps nobody.
	lateFrames = 5
)

// Audio is the sound of one call, in frames of 20 ms of the call's codec (160 bytes). Both methods are called from the
// phone's goroutines every 20 ms and must not block; neither may keep the slice.
type Audio interface {
	// Speak fills frame with what the other side shall hear.
	Speak(frame []byte)
	// Hear takes a frame of what the other side said.
	Hear(frame []byte)
}

// media is the RTP of one call: it sends a frame every 20 ms and reads keys and sound, from the other side only.
type media struct {
	conn  *net.UDPConn
	local netip.AddrPort
	audio Audio
	key   func(rune)

	mu     sync.Mutex
	agreed stream
	peer   netip.Addr     // whom the call was answered by
	from   netip.AddrPort // where they really send from, latched with the first packet

	heard   atomic.Int64 // when the last packet came, Unix nanoseconds
	ssrc    uint32
	seq     uint16
	stamp   uint32
	first   bool
	packet  []byte
	started time.Time
	sent    int64
	stop    chan struct{}
	done    sync.WaitGroup
}

// openMedia binds a socket on the address that the other side will be told.
func openMedia(ip netip.Addr, key func(rune)) (*media, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		return nil, err
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return &media{
		conn: conn, local: netip.AddrPortFrom(ip, local.Port()), key: key,
		ssrc: rand.Uint32(), seq: uint16(rand.Uint32()), stamp: rand.Uint32(), first: true,
		packet: make([]byte, 12+frameSamples), stop: make(chan struct{}),
	}, nil
}

// agree settles where to send and what, and the peer that said so; also when it changes during the call.
func (m *media) agree(s stream, peer netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.addr != m.agreed.addr {
		m.from = netip.AddrPort{}
	}
	m.agreed, m.peer = s, peer
}

// begin sends the first frame at once; the other side hears the panel the moment it answers.
func (m *media) begin() {
	m.started = time.Now()
	m.heard.Store(m.started.UnixNano())
	m.sendFrame()
}

// run starts the two goroutines, which end with close.
func (m *media) run() {
	m.done.Go(m.speak)
	m.done.Go(m.listen)
}

func (m *media) close() {
	close(m.stop)
	m.conn.Close()
	m.done.Wait()
}

// quiet is how long nothing has come from the other side.
func (m *media) quiet(now time.Time) time.Duration {
	return now.Sub(time.Unix(0, m.heard.Load()))
}

func (m *media) speak() {
	timer := time.NewTimer(frameTime)
	defer timer.Stop()
	for {
		due := m.started.Add(time.Duration(m.sent) * frameTime)
		timer.Reset(time.Until(due))
		select {
		case <-m.stop:
			return
		case <-timer.C:
		}
		if late := int64(time.Since(due) / frameTime); late > lateFrames {
			m.sent += late
			m.stamp += uint32(late) * frameSamples
		}
		m.sendFrame()
	}
}

func (m *media) sendFrame() {
	m.mu.Lock()
	agreed := m.agreed
	m.mu.Unlock()
	m.sent++
	if agreed.send && agreed.addr.IsValid() {
		h := rtp.Header{Version: 2, Marker: m.first, PayloadType: uint8(agreed.codec), SequenceNumber: m.seq, Timestamp: m.stamp, SSRC: m.ssrc}
		n, err := h.MarshalTo(m.packet)
		if err == nil {
			frame := m.packet[n : n+frameSamples]
			for i := range frame {
				frame[i] = agreed.codec.silence()
			}
			if m.audio != nil {
				m.audio.Speak(frame)
			}
			// A lost frame is like a lost packet: the next is 20 ms away.
			_, _ = m.conn.WriteToUDPAddrPort(m.packet[:n+frameSamples], agreed.addr)
			m.seq++
			m.first = false
		}
	}
	m.stamp += frameSamples
}

func (m *media) listen() {
	buf := make([]byte, 2048)
	var press keyEvents
	var p rtp.Packet
	for {
		n, from, err := m.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		agreed, ok := m.accept(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		if !ok || p.Unmarshal(buf[:n]) != nil || p.Version != 2 {
			continue
		}
		m.heard.Store(time.Now().UnixNano())
		switch {
		case agreed.isEvent(p.PayloadType):
			if key, pressed := press.packet(p.SSRC, p.Timestamp, p.Marker, p.Payload); pressed {
				m.key(key)
			}
		case p.PayloadType == uint8(agreed.codec) && m.audio != nil && agreed.hear && len(p.Payload) == frameSamples:
			m.audio.Hear(p.Payload)
		}
	}
}

// accept admits only packets of the address that the other side named, or of the one it answered from: a telephone with
// two addresses names one and sends from the other. The first packet settles which, and the port.
func (m *media) accept(from netip.AddrPort) (stream, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if from.Addr() != m.agreed.addr.Addr() && from.Addr() != m.peer {
		return stream{}, false
	}
	if !m.from.IsValid() {
		m.from = from
	}
	return m.agreed, from == m.from
}
