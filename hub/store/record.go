package store

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/telemetry"
)

// The bytes of an event are described in docs/hub-store.md. All of it that a question can ask for stands at the front, so
// that an event which does not fit is passed over without being read whole.
const (
	recordVersion = 1

	recTrusted = 1 << 0
	recErased  = 1 << 1 // by the panel, before it was sent
	recGap     = 1 << 2

	recordFront = 2 + 8 + 8 // version, flags, the event's time, its arrival
)

var errRecord = errors.New("cannot read a stored event: its bytes end early or are of a newer version")

// encodeEvent returns the open part and the personal one, which names somebody and can be erased.
func encodeEvent(r *fleet.Received) (open, personal []byte) {
	e := &r.Event
	flags := byte(0)
	if e.Trusted {
		flags |= recTrusted
	}
	if e.Erased {
		flags |= recErased
	}
	if e.Gap != nil {
		flags |= recGap
	}
	b := make([]byte, 0, 224+len(e.Detail)+len(e.Sealed))
	b = append(b, recordVersion, flags)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixMicro()))
	for _, text := range []string{r.Site, r.Panel, e.Kind, e.Door} {
		b = appendText(b, text)
	}
	b = appendHex(b, e.Epoch)
	b = binary.AppendUvarint(b, e.Seq)
	b = appendHex(b, e.Prev)
	b = appendHex(b, e.Chain)
	b = appendHex(b, e.Boot)
	b = binary.AppendUvarint(b, e.MonoMS)
	for _, text := range []string{e.Why, e.Reader, e.Call} {
		b = appendText(b, text)
	}
	b = binary.AppendVarint(b, int64(e.Button))
	b = appendText(b, string(e.Sealed))
	if g := e.Gap; g != nil {
		b = binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(b, g.From), g.To), g.Count)
	}
	if e.Who == "" && e.Credential == "" {
		return appendText(b, e.Detail), nil
	}
	// A sentence about somebody may name that person, and so goes with the name.
	personal = make([]byte, 0, 3+len(e.Who)+len(e.Credential)+len(e.Detail)+6)
	for _, text := range []string{e.Who, e.Credential, e.Detail} {
		personal = appendText(personal, text)
	}
	return appendText(b, ""), personal
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendHex halves what consists of hexadecimal digits in lower case: a byte 0x80 and more says how many bytes follow.
func appendHex(b []byte, text string) []byte {
	if n := len(text) / 2; n > 0 && n < 0x80 && len(text)%2 == 0 {
		start := len(b)
		b = append(b, 0x80|byte(n))
		for i := 0; i < len(text); i += 2 {
			hi, lo := digit(text[i]), digit(text[i+1])
			if hi < 0 || lo < 0 {
				return appendPlain(b[:start], text)
			}
			b = append(b, byte(hi<<4|lo))
		}
		return b
	}
	return appendPlain(b, text)
}

func appendPlain(b []byte, text string) []byte {
	// 0x7f and the length as a number of its own, when it does not fit seven bits.
	if len(text) < 0x7f {
		return append(append(b, byte(len(text))), text...)
	}
	return appendText(append(b, 0x7f), text)
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c - 'a' + 10)
	}
	return -1
}

// front is the beginning of a stored event; its slices point into it.
type front struct {
	flags                   byte
	time, at                int64 // microseconds since 1970
	site, panel, kind, door []byte
	rest                    []byte
}

// when is the time that a question about time means: the panel's own when it could be relied on, else the arrival.
func (f *front) when() int64 {
	if f.flags&recTrusted != 0 {
		return f.time
	}
	return f.at
}

func readFront(open []byte) (f front, err error) {
	if len(open) < recordFront || open[0] != recordVersion {
		return f, errRecord
	}
	f.flags = open[1]
	f.time = int64(binary.BigEndian.Uint64(open[2:]))
	f.at = int64(binary.BigEndian.Uint64(open[10:]))
	r := reader{b: open[recordFront:]}
	f.site, f.panel, f.kind, f.door = r.text(), r.text(), r.text(), r.text()
	f.rest = r.b
	return f, r.err
}

// reader takes a stored event apart. After the first thing that does not fit, everything is empty.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.b)) {
		r.err = errRecord
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if r.err != nil || size <= 0 {
		r.err = errRecord
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) signed() int64 {
	n := r.number()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *reader) text() []byte { return r.take(r.number()) }

func (r *reader) hex() string {
	head := r.take(1)
	switch {
	case len(head) == 0:
		return ""
	case head[0]&0x80 != 0:
		return hex.EncodeToString(r.take(uint64(head[0] & 0x7f)))
	case head[0] == 0x7f:
		return string(r.text())
	}
	return string(r.take(uint64(head[0])))
}

func (r *reader) passHex() {
	if head := r.take(1); len(head) == 1 {
		switch {
		case head[0]&0x80 != 0:
			r.take(uint64(head[0] & 0x7f))
		case head[0] == 0x7f:
			r.text()
		default:
			r.take(uint64(head[0]))
		}
	}
}

// decodeEvent reads both parts. A personal part that was erased is empty.
func decodeEvent(serial uint64, open, personal []byte, erased bool) (fleet.Received, error) {
	f, err := readFront(open)
	if err != nil {
		return fleet.Received{}, fmt.Errorf("%w (event %d)", err, serial)
	}
	out := fleet.Received{
		Serial: serial, At: time.UnixMicro(f.at).UTC(), Site: string(f.site), Panel: string(f.panel),
		Event: telemetry.Event{
			V: telemetry.Version, Time: time.UnixMicro(f.time).UTC(), Trusted: f.flags&recTrusted != 0, Kind: string(f.kind), Door: string(f.door),
			Erased: erased || f.flags&recErased != 0,
		},
	}
	r, e := reader{b: f.rest}, &out.Event
	e.Epoch, e.Seq = r.hex(), r.number()
	e.Prev, e.Chain, e.Boot = r.hex(), r.hex(), r.hex()
	e.MonoMS = r.number()
	e.Why, e.Reader, e.Call = string(r.text()), string(r.text()), string(r.text())
	e.Button = int(r.signed())
	if sealed := r.text(); len(sealed) > 0 {
		e.Sealed = append([]byte(nil), sealed...)
	}
	if f.flags&recGap != 0 {
		e.Gap = &telemetry.Gap{From: r.number(), To: r.number(), Count: r.number()}
	}
	e.Detail = string(r.text())
	if len(personal) > 0 && r.err == nil {
		p := reader{b: personal}
		e.Who, e.Credential, e.Detail = string(p.text()), string(p.text()), string(p.text())
		r.err = p.err
	}
	if r.err != nil {
		return fleet.Received{}, fmt.Errorf("%w (event %d)", r.err, serial)
	}
	return out, nil
}

// position is what the rules about order need of a stored event.
type position struct {
	epoch       string
	seq         uint64
	prev, chain string
}

func readPosition(f *front) (p position, err error) {
	r := reader{b: f.rest}
	p.epoch, p.seq, p.prev, p.chain = r.hex(), r.number(), r.hex(), r.hex()
	return p, r.err
}
