package sip

import (
	"strings"
	"testing"
)

// event is one telephone-event packet.
type event struct {
	stamp    uint32
	code     byte
	marker   bool
	end      bool
	duration uint16
}

func TestEachPressIsOneKey(t *testing.T) {
	full := func(stamp uint32, code byte) []event {
		return []event{
			{stamp, code, true, false, 160}, {stamp, code, false, false, 320}, {stamp, code, false, false, 480},
			{stamp, code, false, true, 640}, {stamp, code, false, true, 640}, {stamp, code, false, true, 640},
		}
	}
	join := func(parts ...[]event) (all []event) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, c := range map[string]struct {
		in   []event
		want string
	}{
		"a press":                       {full(1000, 5), "5"},
		"two of the same key":           {join(full(1000, 5), full(4000, 5)), "55"},
		"only an end came through":      {full(1000, 5)[5:], "5"},
		"the start was lost":            {full(1000, 5)[2:], "5"},
		"all ends were lost":            {join(full(1000, 1)[:3], full(4000, 2)), "12"},
		"same key, ends lost, marker":   {join(full(1000, 1)[:3], full(4000, 1)), "11"},
		"a straggler of the one before": {join(full(1000, 1), full(4000, 2)[:1], full(1000, 1)[5:], full(4000, 2)[1:]), "12"},
		"a key held for long segments":  {[]event{{1000, 3, true, false, 160}, {1000, 3, false, false, 65535}, {66535, 3, false, false, 160}, {66535, 3, false, true, 800}}, "3"},
		"a stamp that wraps round":      {join(full(4294967000, 1), full(200, 2)), "12"},
		"the flash and unknown events":  {[]event{{1000, 16, true, true, 160}, {2000, 255, true, true, 160}}, ""},
		"all keys":                      {join(full(1, 10), full(9000, 11), full(18000, 12), full(27000, 15)), "*#AD"},
	} {
		var k keyEvents
		var got strings.Builder
		for _, e := range c.in {
			payload := []byte{e.code, 10, byte(e.duration >> 8), byte(e.duration)}
			if e.end {
				payload[1] |= 0x80
			}
			if key, pressed := k.packet(7, e.stamp, e.marker, payload); pressed {
				got.WriteRune(key)
			}
		}
		if got.String() != c.want {
			t.Errorf("%s: got %q, want %q", name, got.String(), c.want)
		}
	}
}

func TestInfoBodiesNameTheKey(t *testing.T) {
	for _, c := range []struct {
		kind, body string
		want       rune
	}{
		{"application/dtmf-relay", "Signal=5\r\nDuration=160", '5'},
		{"application/dtmf-relay", "Signal= 5\r\nDuration= 160\r\n", '5'},
		{"Application/DTMF-Relay;charset=x", "duration=1\nsignal=#", '#'},
		{"application/dtmf-relay", "Signal=10", '*'},
		{"application/dtmf-relay", "Signal=11", '#'},
		{"application/dtmf", "5", '5'},
		{"application/dtmf", " d\r\n", 'D'},
		{"application/dtmf", "12", 0},
		{"application/dtmf", "", 0},
		{"application/dtmf-relay", "5", 0},
		{"application/dtmf-relay", "Signal=", 0},
		{"application/dtmf-relay", "Signal=55", 0},
		{"text/plain", "5", 0},
		{"application/dtmf", strings.Repeat(" ", 300) + "5", 0},
	} {
		if got, ok := infoKey(c.kind, []byte(c.body)); got != c.want || ok != (c.want != 0) {
			t.Errorf("%s %q: got %q, want %q", c.kind, c.body, got, c.want)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, s := range []string{"sip:101@192.168.1.20", "sip:101@192.168.1.20:5062", "SIP:anna@phone.lan;transport=tcp", "sip:a@[fd00::7]:5060", "101", "*97", "+49-30.1", "sip:a@b;user=phone"} {
		if err := ParseTarget(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		"", " ", "sip:", "sip:101", "sip:192.168.1.20", "sip:@b", "sip:a@", "sip:a@b:0", "sip:a@b:65536", "sip:a@b:x", "sips:a@b", "sip:a@b;transport=tls", "sip:a@b;transport=ws",
		"sip:a@b;;", "sip:a@b?Subject=x", "sip:a:pw@b", "sip:a@b c", "sip:a@b\r\nX: y", "tel:101", "http://x", "sip:a@[1.2.3.4]", "sip:a@[fd00::7%eth0]", "sip:<a>@b", "anna@b", "sip:a@-b", "sip:a@b..c", "sip:é@b", "sip:" + strings.Repeat("a", 300) + "@b",
	} {
		err := ParseTarget(s)
		if err == nil {
			t.Errorf("%q is taken", s)
		} else if !strings.HasPrefix(err.Error(), "cannot use target ") {
			t.Errorf("%q: %v", s, err)
		}
	}
	if !NeedsAccount("101") || NeedsAccount("sip:101@b") || NeedsAccount("") {
		t.Error("NeedsAccount is wrong about who needs one")
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add("sip:101@192.168.1.20:5060;transport=tcp")
	f.Add("sip:a@[::1]")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := parseTarget(s)
		if err == nil && strings.ContainsAny(g.uri.String(), "\r\n <>\"") {
			t.Errorf("%q becomes %q", s, g.uri.String())
		}
	})
}

func FuzzInfoKey(f *testing.F) {
	f.Add("application/dtmf-relay", []byte("Signal=5\r\n"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		if key, ok := infoKey(kind, body); ok && !strings.ContainsRune(keys, key) {
			t.Errorf("%q is no key", key)
		}
	})
}

func FuzzReadStream(f *testing.F) {
	f.Add([]byte("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		theirs, s, err := readStream(body)
		if err != nil {
			return
		}
		if s.addr.IsValid() && (s.addr.Port() == 0 || s.addr.Addr().IsMulticast()) {
			t.Errorf("sound would go to %s", s.addr)
		}
		if _, err := describe(s.addr, 1, 1, theirs, s); err != nil {
			t.Errorf("no answer: %v", err)
		}
	})
}

func FuzzKeyEvents(f *testing.F) {
	f.Add([]byte{1, 10, 0, 160}, uint32(1), true)
	f.Fuzz(func(t *testing.T, payload []byte, stamp uint32, marker bool) {
		var k keyEvents
		k.packet(1, stamp, marker, payload)
		if _, again := k.packet(1, stamp, marker, payload); again {
			t.Error("one press came twice")
		}
	})
}
