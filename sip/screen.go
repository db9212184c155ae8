package sip

import (
	"bytes"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The bounds of a message. Ours and every telephone's are under 2 KiB.
const (
	maxHead    = 16 << 10
	maxBody    = 16 << 10
	maxMessage = maxHead + maxBody
	maxLines   = 128
)

// allowed is what a telephone that only places calls understands.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO"

// rough is a SIP message cut into its lines, before anything in it is believed. Slices and strings are its own.
type rough struct {
	request bool
	method  string
	uri     string
	status  int
	lines   []header
	body    []byte
	size    int // bytes of the message, the rest of a stream begins there
}

type header struct {
	name  string // lower case, long form
	value string // unfolded, trimmed
}

// flaw is what is wrong with a message: the status to answer, 0 for none.
type flaw struct {
	status int
	reason string
}

func (f flaw) found() bool { return f.reason != "" }

// cut reads a message's start line, headers and length from data. complete is false when a stream has not brought all
// of it. A datagram's body ends with the datagram.
func cut(data []byte, stream bool) (m rough, complete bool, wrong flaw) {
	start := 0
	if stream {
		for bytes.HasPrefix(data[start:], []byte("\r\n")) {
			start += 2
		}
	}
	n := bytes.Index(data[start:], []byte("\r\n\r\n"))
	if n < 0 || n > maxHead {
		if stream && len(data) <= maxHead {
			return rough{}, false, flaw{}
		}
		return rough{}, true, flaw{reason: "no end of headers"}
	}
	head, rest := string(data[start:start+n]), data[start+n+4:]
	first, fields, _ := strings.Cut(head, "\r\n")
	m.size = start + n + 4
	wrong = m.startLine(first)
	if m.status == 0 && !m.request {
		return m, true, wrong
	}
	if !m.fields(fields) && !wrong.found() {
		wrong = flaw{400, "Bad Header Line"}
	}
	length, named := m.length()
	switch {
	case length < 0 || length > maxBody:
		if !wrong.found() {
			wrong = flaw{400, "Bad Content-Length"}
		}
		return m, true, wrong
	case stream && !named:
		if !wrong.found() {
			wrong = flaw{400, "Missing Content-Length"}
		}
		return m, true, wrong
	case !named:
		length = min(len(rest), maxBody)
	case length > len(rest):
		if stream {
			return m, false, flaw{}
		}
		if !wrong.found() {
			wrong = flaw{400, "Content-Length Beyond Message"}
		}
		return m, true, wrong
	}
	m.body = bytes.Clone(rest[:length])
	m.size += length
	if !wrong.found() {
		wrong = m.check()
	}
	return m, true, wrong
}

func (m *rough) startLine(line string) flaw {
	if version, rest, ok := strings.Cut(line, " "); ok && strings.HasPrefix(strings.ToUpper(version), "SIP/") {
		code, _, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(code)
		if err != nil || n < 100 || n > 699 || !strings.EqualFold(version, "SIP/2.0") {
			return flaw{0, "bad status line"}
		}
		m.status = n
		return flaw{}
	}
	method, rest, ok := strings.Cut(line, " ")
	end := strings.LastIndexByte(rest, ' ')
	if !ok || !isToken(method) || end < 0 {
		return flaw{0, "not a SIP message"}
	}
	version := rest[end+1:]
	if !strings.HasPrefix(strings.ToUpper(version), "SIP/") {
		if !strings.Contains(strings.ToUpper(rest), "SIP/") {
			return flaw{0, "not a SIP message"}
		}
		m.request, m.method, m.uri = true, method, rest
		return flaw{400, "Bad Request Line"}
	}
	m.request, m.method, m.uri = true, method, rest[:end]
	switch {
	case !strings.EqualFold(version, "SIP/2.0"):
		return flaw{505, "Version Not Supported"}
	case m.uri == "" || strings.ContainsAny(m.uri, " \t<>\""):
		return flaw{400, "Bad Request-URI"}
	}
	return flaw{}
}

// fields cuts the header lines; a line that begins with white space continues the one before (RFC 3261 section 7.3.1).
func (m *rough) fields(text string) bool {
	good := true
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(m.lines) > maxLines {
			return false
		}
		if strings.ContainsAny(line, "\r\n") {
			good = false
			continue
		}
		if line != "" && (line[0] == ' ' || line[0] == '\t') {
			if n := len(m.lines); n > 0 {
				m.lines[n-1].value = strings.TrimSpace(m.lines[n-1].value + " " + strings.TrimSpace(line))
			} else {
				good = false
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimRight(name, " \t"))
		if !ok || !isToken(name) {
			good = good && line == ""
			continue
		}
		m.lines = append(m.lines, header{longName(name), strings.TrimSpace(value)})
	}
	return good
}

// longName expands the compact forms of RFC 3261 section 7.3.3.
func longName(name string) string {
	switch name {
	case "v":
		return "via"
	case "f":
		return "from"
	case "t":
		return "to"
	case "i":
		return "call-id"
	case "m":
		return "contact"
	case "l":
		return "content-length"
	case "c":
		return "content-type"
	case "e":
		return "content-encoding"
	}
	return name
}

func (m *rough) get(name string) (value string, count int) {
	for _, h := range m.lines {
		if h.name == name {
			if count == 0 {
				value = h.value
			}
			count++
		}
	}
	return value, count
}

func (m *rough) length() (n int, named bool) {
	v, count := m.get("content-length")
	if count == 0 {
		return 0, false
	}
	n64, err := strconv.ParseUint(v, 10, 31)
	if err != nil || count > 1 {
		return -1, true
	}
	return int(n64), true
}

// check applies what RFC 3261 section 8.1.1 asks of every message, and refuses what two readers could read differently.
func (m *rough) check() flaw {
	for _, name := range []string{"call-id", "cseq", "from", "to", "via"} {
		v, n := m.get(name)
		if v == "" {
			return flaw{400, "Missing " + name}
		}
		if n > 1 && name != "via" {
			return flaw{400, "More Than One " + name}
		}
	}
	for _, name := range []string{"max-forwards", "content-type"} {
		if _, n := m.get(name); n > 1 {
			return flaw{400, "More Than One " + name}
		}
	}
	cseq, _ := m.get("cseq")
	number, method, _ := strings.Cut(strings.Join(strings.Fields(cseq), " "), " ")
	if n, err := strconv.ParseUint(number, 10, 32); err != nil || n >= 1<<31 || !isToken(method) {
		return flaw{400, "Bad CSeq"}
	}
	if m.request && method != m.method {
		return flaw{400, "CSeq Names Another Method"}
	}
	for _, h := range m.lines {
		if h.name != "via" {
			continue
		}
		packed := strings.ReplaceAll(h.value, " ", "") + ","
		if strings.Contains(packed, ";;") || strings.Contains(packed, ";,") || strings.Contains(packed, ",,") {
			return flaw{400, "Bad via"}
		}
	}
	for _, name := range []string{"from", "to"} {
		if v, _ := m.get(name); !isAddress(v) {
			return flaw{400, "Bad " + name}
		}
	}
	if v, n := m.get("max-forwards"); n == 1 {
		if hops, err := strconv.ParseUint(v, 10, 32); err != nil || hops > 255 {
			return flaw{400, "Bad Max-Forwards"}
		}
	}
	if v, _ := m.get("call-id"); strings.ContainsAny(v, " \t") {
		return flaw{400, "Bad call-id"}
	}
	return flaw{}
}

// isAddress takes name-addr and addr-spec (RFC 3261 section 25.1), as strictly as is needed to find a tag in it safely.
func isAddress(v string) bool {
	inQuotes, angle, angles := false, false, 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && inQuotes:
			i++
		case c == '"' && !angle:
			inQuotes = !inQuotes
		case inQuotes:
		case c == '<':
			if angle || angles > 0 {
				return false
			}
			angle, angles = true, 1
		case c == '>':
			if !angle {
				return false
			}
			angle = false
		}
	}
	return !inQuotes && !angle && strings.Contains(v, ":")
}

func (m *rough) tag(name string) string {
	v, _ := m.get(name)
	if i := strings.LastIndexByte(v, '>'); i >= 0 {
		v = v[i:]
	}
	for p := range strings.SplitSeq(v, ";") {
		n, value, ok := strings.Cut(p, "=")
		if ok && strings.EqualFold(strings.TrimSpace(n), "tag") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// strangerStatus decides what a request that belongs to no call of ours is told; 0 = nothing. The panel places calls
// and takes none: an INVITE is forbidden, not "unavailable", so that no exchange keeps trying.
func (m *rough) strangerStatus() (status int, reason string) {
	if m.method == "ACK" {
		return 0, ""
	}
	if scheme, _, ok := strings.Cut(m.uri, ":"); !ok {
		return 400, "Bad Request-URI"
	} else if !slices.Contains([]string{"sip", "sips"}, strings.ToLower(scheme)) {
		return 416, "Unsupported URI Scheme"
	}
	if v, n := m.get("require"); n > 0 && v != "" && m.method != "CANCEL" {
		return 420, "Bad Extension"
	}
	switch m.method {
	case "BYE", "CANCEL", "INFO", "PRACK", "UPDATE":
		return 481, "Call Does Not Exist"
	case "OPTIONS":
		return 200, "OK"
	case "INVITE":
		if m.tag("to") != "" {
			return 481, "Call Does Not Exist"
		}
		kind, _ := m.get("content-type")
		kind, _, _ = strings.Cut(kind, ";")
		if len(m.body) > 0 && !strings.EqualFold(strings.TrimSpace(kind), "application/sdp") && !strings.HasPrefix(strings.ToLower(kind), "multipart/") {
			return 415, "Unsupported Media Type"
		}
		return 403, "This Panel Takes No Calls"
	case "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH":
		return 405, "Method Not Allowed"
	}
	return 501, "Not Implemented"
}

// refusal writes the stateless answer to a stranger's request (RFC 3261 section 8.2.7): the same request always gets the
// same bytes, so that nothing has to be remembered of it.
func (m *rough) refusal(status int, reason string, from netip.AddrPort) []byte {
	var b bytes.Buffer
	b.WriteString("SIP/2.0 " + strconv.Itoa(status) + " " + reason + "\r\n")
	first := true
	hash := fnv.New64a()
	for _, h := range m.lines {
		switch h.name {
		case "via":
			v := h.value
			if first {
				v = received(v, from)
			}
			first = false
			b.WriteString("Via: " + v + "\r\n")
			hash.Write([]byte(h.value))
		case "from":
			b.WriteString("From: " + h.value + "\r\n")
		case "call-id":
			b.WriteString("Call-ID: " + h.value + "\r\n")
			hash.Write([]byte(h.value))
		case "cseq":
			b.WriteString("CSeq: " + h.value + "\r\n")
		}
	}
	if to, n := m.get("to"); n > 0 {
		b.WriteString("To: " + to)
		if m.tag("to") == "" {
			b.WriteString(";tag=" + strconv.FormatUint(hash.Sum64(), 36))
		}
		b.WriteString("\r\n")
	}
	switch status {
	case 200, 405, 501:
		b.WriteString("Allow: " + allowed + "\r\nAccept: application/sdp\r\n")
	case 415:
		b.WriteString("Accept: application/sdp\r\n")
	case 420:
		v, _ := m.get("require")
		b.WriteString("Unsupported: " + v + "\r\n")
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return b.Bytes()
}

// received notes the source in a Via that asks for it (RFC 3581 section 4).
func received(via string, from netip.AddrPort) string {
	top, more, several := strings.Cut(via, ",")
	parts := strings.Split(top, ";")
	for i, p := range parts {
		if strings.EqualFold(strings.TrimSpace(p), "rport") {
			parts[i] = "rport=" + strconv.Itoa(int(from.Port())) + ";received=" + from.Addr().String()
			break
		}
	}
	if top = strings.Join(parts, ";"); several {
		top += "," + more
	}
	return top
}

// replyTo is where the answer to a datagram goes: to its source, and to the port the Via names unless it asks for the
// source's (RFC 3261 section 18.2.2, RFC 3581 section 4).
func (m *rough) replyTo(from netip.AddrPort) netip.AddrPort {
	via, _ := m.get("via")
	via, _, _ = strings.Cut(via, ",")
	sentBy, params, _ := strings.Cut(via, ";")
	for p := range strings.SplitSeq(params, ";") {
		if name, _, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(name), "rport") {
			return from
		}
	}
	f := strings.Fields(strings.ReplaceAll(sentBy, " :", ":"))
	if len(f) == 0 {
		return from
	}
	host := f[len(f)-1]
	port := uint64(5060)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		n, err := strconv.ParseUint(strings.TrimSpace(host[i+1:]), 10, 16)
		if err != nil || n == 0 {
			return from
		}
		port = n
	}
	return netip.AddrPortFrom(from.Addr(), uint16(port))
}
