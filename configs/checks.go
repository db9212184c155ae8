package configs

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Every check returns an empty cause for a good value.

func checkText(text string) (cause, remedy string) {
	const most = 200
	switch {
	case strings.TrimSpace(text) == "" && text != "":
		return "only blanks", "write a text, or delete the key"
	case utf8.RuneCountInString(text) > most:
		return "too long", "write at most " + strconv.Itoa(most) + " characters"
	case strings.ContainsFunc(text, unicode.IsControl):
		return "has a control character in it", "write one line of text"
	}
	return "", ""
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)

// checkName checks what stands in addresses, topics and journal entries.
func checkName(name string) (cause, remedy string) {
	if !namePattern.MatchString(name) {
		return "not a name", "write 1 to 32 letters, digits, - or _, such as front-door"
	}
	return "", ""
}

// parseListen reads an address to listen at: an IP address or localhost, and a port. Nothing before the colon means all
// addresses of this host.
func parseListen(text, example string) (a netip.AddrPort, cause, remedy string) {
	remedy = "write an address and a port, such as " + strconv.Quote(example)
	host, port, ok := cutPort(text)
	if !ok {
		return a, "not an address with a port", remedy
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return a, "not a port", "write a port from 0 to 65535; 0 takes a free one"
	}
	switch host {
	case "":
		host = "0.0.0.0"
	case "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return a, "not an IP address of this host", remedy
	}
	return netip.AddrPortFrom(ip, uint16(n)), "", ""
}

// cutPort splits host:port or [v6]:port; the brackets are taken off.
func cutPort(text string) (host, port string, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", "", false
	}
	host, port = text[:i], text[i+1:]
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1], port, true
	}
	return host, port, !strings.ContainsAny(host, ":[]")
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?$`)

func isHost(text string) bool {
	if hostPattern.MatchString(text) && len(text) <= 253 {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return err == nil
}

// checkHostPort takes host, host:port, [v6] and [v6]:port.
func checkHostPort(text string) bool {
	if isHost(text) && (!strings.Contains(text, ":") || strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]")) {
		return true
	}
	host, port, ok := cutPort(text)
	if !ok || !isHost(host) {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// checkRegistrar takes sip:host[:port][;transport=udp|tcp|tls].
func checkRegistrar(text string) (cause, remedy string) {
	remedy = `write "sip:pbx.example.org", with :port and ;transport=udp, tcp or tls where needed`
	rest, ok := strings.CutPrefix(text, "sip:")
	if !ok {
		if strings.HasPrefix(text, "sips:") {
			return "sips is written in another way here", `write "sip:host;transport=tls"`
		}
		return "not a SIP address", remedy
	}
	if strings.Contains(rest, "@") {
		return "a registrar has no user", `write the user as user = "..." and the password as password_file = "..."`
	}
	host, parameter, has := strings.Cut(rest, ";")
	if has && parameter != "transport=udp" && parameter != "transport=tcp" && parameter != "transport=tls" {
		return "has a parameter that is not known", remedy
	}
	if !checkHostPort(host) {
		return "not a SIP address", remedy
	}
	return "", ""
}

// checkTarget takes what a button calls. The telephone checks the address itself more closely when it dials.
func checkTarget(text string, account bool) (cause, remedy string) {
	remedy = `write "sip:user@host", with :port and ;transport=udp or tcp where needed`
	rest, ok := strings.CutPrefix(text, "sip:")
	if !ok {
		switch {
		case strings.HasPrefix(text, "sips:"):
			return "sips is written in another way here", `write "sip:user@host;transport=tls"`
		case !account:
			return "not a SIP address", remedy + `; a number alone needs account = "..."`
		case strings.ContainsAny(text, " \"<>@;,"):
			return "not a number", "write what the account dials, such as 101 or +390612345"
		}
		return "", ""
	}
	rest, _, _ = strings.Cut(rest, ";")
	user, host, at := strings.Cut(rest, "@")
	if !at {
		host = user
		user = "-"
	}
	if user == "" || strings.ContainsAny(rest, " \"<>,") || !checkHostPort(host) {
		return "not a SIP address", remedy
	}
	return "", ""
}

// parseBroker returns a broker's address with its port.
func parseBroker(text string) (address string, secure bool, cause, remedy string) {
	remedy = `write "mqtt://host:1883" or "mqtts://host:8883"`
	u, err := url.Parse(text)
	if err != nil {
		return "", false, "not an address", remedy
	}
	if u.User != nil {
		return "", false, "user and password do not belong into the address", `write user = "..." and password_file = "..."`
	}
	port := ""
	switch u.Scheme {
	case "mqtt":
		port = "1883"
	case "mqtts":
		port, secure = "8883", true
	default:
		return "", false, "not an MQTT address", remedy
	}
	if !isHost(u.Hostname()) || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", false, "not an MQTT address", remedy
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return "", false, "not a port", "write a port from 1 to 65535"
		}
		port = p
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host + ":" + port, secure, "", ""
}

// parseKey reads the text form of a public key; whether its point is a good one is for whoever uses it to judge.
func parseKey(text string) (k ed25519.PublicKey, cause, remedy string) {
	rest, ok := strings.CutPrefix(text, "ed25519:")
	if !ok {
		return nil, "not a public key", `write "ed25519:" and the 43 characters that doorlicense keygen printed`
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) != ed25519.PublicKeySize || strings.ContainsAny(rest, "\r\n") {
		return nil, "not a whole public key", "copy it again: 43 letters, digits, - and _ after ed25519:"
	}
	return b, "", ""
}

var linePattern = regexp.MustCompile(`^gpio:([^/,\s]+)/([^/,\s]+)((?:,[a-z-]+)*)$`)

// parseLine reads gpio:<chip>/<line>[,active-low][,pull-up|pull-down|pull-off].
func parseLine(text string, input bool) (l Line, cause, remedy string) {
	remedy = `write "gpio:<chip>/<line>", such as "gpio:pinctrl-bcm2835/17,active-low"`
	m := linePattern.FindStringSubmatch(text)
	if m == nil {
		return l, "not a GPIO line", remedy
	}
	l = Line{Chip: m[1], Line: m[2]}
	for _, option := range strings.Split(m[3], ",")[1:] {
		switch {
		case option == "active-low" && !l.ActiveLow:
			l.ActiveLow = true
		case !input && strings.HasPrefix(option, "pull-"):
			return Line{}, "an output has no pull resistor", "delete ," + option
		case (option == string(PullUp) || option == string(PullDown) || option == string(PullOff)) && l.Bias == AsIs:
			l.Bias = Bias(option)
		default:
			return Line{}, "has the option " + option + " that is not known, or given twice", "use active-low, and one of pull-up, pull-down, pull-off"
		}
	}
	return l, "", ""
}

var sizePattern = regexp.MustCompile(`^([1-9][0-9]{0,6})(KiB|MiB|GiB)$`)

// parseSize returns bytes.
func parseSize(text string) (int64, bool) {
	m := sizePattern.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, false
	}
	return n << map[string]int{"KiB": 10, "MiB": 20, "GiB": 30}[m[2]], true
}
