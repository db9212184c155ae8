package sip

import "strings"

// keys are the telephone keys in the order of their event codes (RFC 4733 section 3.2).
const keys = "0123456789*#ABCD"

// keyEvents turns the packets of RFC 4733 telephone events into presses: one for each key pressed, however often its
// packets are repeated, and also when the first of them is lost. A press is known by its RTP time stamp.
type keyEvents struct {
	seen     bool
	ended    bool
	ssrc     uint32
	stamp    uint32
	code     byte
	duration uint16
}

// sameKeyGap is the time, in 8 kHz ticks, within which an event of the same key that was never seen to end, and that
// comes without the marker of a new press, continues it: a key held longer than 65535 ticks is reported in segments
// (RFC 4733 section 2.5.1.3), and some telephones advance the stamp while a key is down.
const sameKeyGap = 1600

// packet takes one telephone-event payload and reports the key when it begins a new press.
func (k *keyEvents) packet(ssrc, stamp uint32, marker bool, payload []byte) (key rune, pressed bool) {
	if len(payload) < 4 || int(payload[0]) >= len(keys) {
		return 0, false
	}
	code, end := payload[0], payload[1]&0x80 != 0
	duration := uint16(payload[2])<<8 | uint16(payload[3])
	if k.seen && ssrc == k.ssrc {
		ahead := int32(stamp - k.stamp)
		if ahead < 0 {
			return 0, false // a straggler of an earlier press
		}
		if ahead == 0 {
			k.ended = k.ended || end
			k.duration = max(k.duration, duration)
			return 0, false
		}
		if code == k.code && !k.ended && !marker && ahead <= int32(k.duration)+sameKeyGap {
			k.stamp, k.duration, k.ended = stamp, duration, end
			return 0, false
		}
	}
	*k = keyEvents{seen: true, ended: end, ssrc: ssrc, stamp: stamp, code: code, duration: duration}
	return rune(keys[code]), true
}

// infoKey reads the key from the body of a SIP INFO request: "Signal=5" lines (application/dtmf-relay) or the key
// alone (application/dtmf). Some telephones send the event's number, 10 for * and 11 for #.
func infoKey(contentType string, body []byte) (rune, bool) {
	if len(body) > 256 {
		return 0, false
	}
	kind, _, _ := strings.Cut(contentType, ";")
	text := strings.TrimSpace(string(body))
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/dtmf-relay":
		for line := range strings.SplitSeq(text, "\n") {
			name, value, ok := strings.Cut(line, "=")
			if ok && strings.EqualFold(strings.TrimSpace(name), "signal") {
				return keyNamed(strings.TrimSpace(value))
			}
		}
	case "application/dtmf":
		return keyNamed(text)
	}
	return 0, false
}

func keyNamed(s string) (rune, bool) {
	switch s = strings.ToUpper(s); s {
	case "10":
		return '*', true
	case "11":
		return '#', true
	}
	if len(s) == 1 && strings.Contains(keys, s) {
		return rune(s[0]), true
	}
	return 0, false
}
