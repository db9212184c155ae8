package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// Codec is the coding of a call's sound, by its static RTP payload type (RFC 3551 section 6).
type Codec uint8

// The codings every telephone has: G.711, 8 kHz, one byte a sample.
const (
	PCMU Codec = 0
	PCMA Codec = 8
)

// silence is the code of a sample of no sound.
func (c Codec) silence() byte {
	if c == PCMU {
		return 0xff
	}
	return 0xd5
}

// eventType is the payload type we offer for telephone events.
const eventType = 101

// stream is what an offer or an answer of the other side settles about the sound.
type stream struct {
	addr   netip.AddrPort // where to send; not valid when nothing is to be sent
	codec  Codec
	events uint8 // their payload type of telephone events, 0 = none named
	send   bool  // the other side wants to hear us
	hear   bool  // the other side sends
}

var errNoAudio = errors.New("no sound in common: PCMA or PCMU over RTP/AVP is needed")

// describe writes our session description: an offer when theirs is nil, else the answer to theirs (RFC 3264), with
// every medium that we do not take refused.
func describe(local netip.AddrPort, session, version uint64, theirs *sdp.SessionDescription, agreed stream) ([]byte, error) {
	family := "IP4"
	if local.Addr().Is6() {
		family = "IP6"
	}
	d := sdp.SessionDescription{
		Origin: sdp.Origin{
			Username: "-", SessionID: session, SessionVersion: version,
			NetworkType: "IN", AddressType: family, UnicastAddress: local.Addr().String(),
		},
		SessionName:           "-",
		ConnectionInformation: &sdp.ConnectionInformation{NetworkType: "IN", AddressType: family, Address: &sdp.Address{Address: local.Addr().String()}},
		TimeDescriptions:      []sdp.TimeDescription{{}},
	}
	if theirs == nil {
		d.MediaDescriptions = []*sdp.MediaDescription{audio(local.Port(), []Codec{PCMA, PCMU}, eventType, "sendrecv")}
		return d.Marshal()
	}
	taken := false
	for _, m := range theirs.MediaDescriptions {
		if !taken && isAudio(m) {
			taken = true
			d.MediaDescriptions = append(d.MediaDescriptions, audio(local.Port(), []Codec{agreed.codec}, agreed.events, agreed.direction()))
			continue
		}
		d.MediaDescriptions = append(d.MediaDescriptions, &sdp.MediaDescription{
			MediaName: sdp.MediaName{Media: m.MediaName.Media, Protos: m.MediaName.Protos, Formats: m.MediaName.Formats},
		})
	}
	return d.Marshal()
}

// isEvent reports whether a payload type carries telephone events: the number we offered, or the one they named.
func (s stream) isEvent(payload uint8) bool {
	return payload == eventType || s.events != 0 && payload == s.events
}

// direction is ours in answer to theirs.
func (s stream) direction() string {
	switch {
	case s.send && s.hear:
		return "sendrecv"
	case s.send:
		return "sendonly"
	case s.hear:
		return "recvonly"
	}
	return "inactive"
}

func audio(port uint16, codecs []Codec, events uint8, direction string) *sdp.MediaDescription {
	m := &sdp.MediaDescription{MediaName: sdp.MediaName{Media: "audio", Port: sdp.RangedPort{Value: int(port)}, Protos: []string{"RTP", "AVP"}}}
	for _, c := range codecs {
		name := "PCMA/8000"
		if c == PCMU {
			name = "PCMU/8000"
		}
		m.MediaName.Formats = append(m.MediaName.Formats, strconv.Itoa(int(c)))
		m.Attributes = append(m.Attributes, sdp.NewAttribute("rtpmap", strconv.Itoa(int(c))+" "+name))
	}
	if events != 0 {
		n := strconv.Itoa(int(events))
		m.MediaName.Formats = append(m.MediaName.Formats, n)
		m.Attributes = append(m.Attributes, sdp.NewAttribute("rtpmap", n+" telephone-event/8000"), sdp.NewAttribute("fmtp", n+" 0-15"))
	}
	m.Attributes = append(m.Attributes, sdp.NewAttribute("ptime", "20"), sdp.NewPropertyAttribute(direction))
	return m
}

// readStream finds the sound in the other side's description.
func readStream(body []byte) (*sdp.SessionDescription, stream, error) {
	var d sdp.SessionDescription
	if err := d.Unmarshal(body); err != nil {
		return nil, stream{}, fmt.Errorf("cannot read the session description: %w", err)
	}
	for _, m := range d.MediaDescriptions {
		if !isAudio(m) {
			continue
		}
		s, err := readAudio(&d, m)
		return &d, s, err
	}
	return &d, stream{}, errNoAudio
}

func isAudio(m *sdp.MediaDescription) bool {
	return strings.EqualFold(m.MediaName.Media, "audio") && m.MediaName.Port.Value != 0 && strings.EqualFold(strings.Join(m.MediaName.Protos, "/"), "RTP/AVP")
}

func readAudio(d *sdp.SessionDescription, m *sdp.MediaDescription) (stream, error) {
	s := stream{send: true, hear: true}
	names := map[string]string{"0": "PCMU/8000", "8": "PCMA/8000"}
	for _, a := range m.Attributes {
		if a.Key != "rtpmap" {
			continue
		}
		if format, name, ok := strings.Cut(a.Value, " "); ok {
			names[format] = strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(name)), "/1")
		}
	}
	found := false
	for _, format := range m.MediaName.Formats {
		n, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			continue
		}
		switch names[format] {
		case "PCMA/8000", "PCMU/8000":
			if !found && (Codec(n) == PCMA || Codec(n) == PCMU) {
				s.codec, found = Codec(n), true
			}
		case "TELEPHONE-EVENT/8000":
			if s.events == 0 {
				s.events = uint8(n)
			}
		}
	}
	if !found {
		return stream{}, errNoAudio
	}
	s.addr = mediaAddr(d, m)
	switch direction(d, m) {
	case "sendonly":
		s.send = false
	case "recvonly":
		s.hear = false
	case "inactive":
		s.send, s.hear = false, false
	}
	// c=0.0.0.0 is the hold of RFC 2543, still in the field.
	if !s.addr.IsValid() || s.addr.Addr().IsUnspecified() {
		s.addr, s.send = netip.AddrPort{}, false
	}
	return s, nil
}

func mediaAddr(d *sdp.SessionDescription, m *sdp.MediaDescription) netip.AddrPort {
	c := m.ConnectionInformation
	if c == nil {
		c = d.ConnectionInformation
	}
	port := m.MediaName.Port.Value
	if c == nil || c.Address == nil || port < 1 || port > 65535 {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddr(c.Address.Address)
	if err != nil || a.IsMulticast() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port))
}

func direction(d *sdp.SessionDescription, m *sdp.MediaDescription) string {
	found := "sendrecv"
	for _, list := range [][]sdp.Attribute{d.Attributes, m.Attributes} {
		for _, a := range list {
			switch a.Key {
			case "sendrecv", "sendonly", "recvonly", "inactive":
				found = a.Key
			}
		}
	}
	return found
}
