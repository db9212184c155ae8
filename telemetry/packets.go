package telemetry

import "fmt"

// PacketLimit is the largest MQTT packet that a panel or a hub reads, in bytes. What is too large for a payload is still read
// and passed over, so that it does not cost the connection.
const PacketLimit = 1 << 20

// Packets follows the bytes that arrive from a broker (MQTT 3.1.1, section 2.2) and finds a packet beyond PacketLimit by its
// header: a client library would make room for 256 MiB at a broker's word. The zero value stands before the first packet.
type Packets struct {
	skip  int  // bytes left of the current packet's body
	head  bool // within the length of a header
	shift uint
	size  int
}

// Follow takes the next bytes. An error says that the connection is to be given up.
func (c *Packets) Follow(p []byte) error {
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
			if c.size > PacketLimit || !last && c.shift >= 28 {
				return fmt.Errorf("the broker sent a packet of at least %d bytes, more than %d", c.size, PacketLimit)
			}
			if last {
				c.head, c.skip = false, c.size
			}
		}
	}
	return nil
}
