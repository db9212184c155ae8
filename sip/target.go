package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	stack "github.com/emiago/sipgo/sip"
)

// maxTarget bounds a target: a longer one is a mistake or an attack, and would not fit a datagram with its headers.
const maxTarget = 256

var (
	errTLS       = errors.New("TLS is not supported, and the call must not leave in clear; write sip: with transport=udp or transport=tcp")
	errBare      = errors.New("a number alone needs an account at an exchange; write sip:user@host[:port]")
	errWriteUser = errors.New("write sip:user@host[:port]")
)

// target is a checked answer to "whom to call".
type target struct {
	uri       stack.Uri
	host      string // without brackets
	port      int
	transport string // "UDP" or "TCP"
	bare      bool   // only a number: the account's exchange supplies the host
}

// ParseTarget reports whether a call can be placed to target: "sip:user@host[:port]", with ";transport=tcp" where the
// phone wants it, or a number alone ("101") for calls through an account. The error names the target and the remedy.
func ParseTarget(target string) error {
	_, err := parseTarget(target)
	return err
}

// NeedsAccount reports whether target is a number alone, which only an account's exchange can complete.
func NeedsAccount(target string) bool {
	t, err := parseTarget(target)
	return err == nil && t.bare
}

func parseTarget(s string) (target, error) {
	t, err := readTarget(s)
	if err != nil {
		shown := s
		if len(shown) > maxTarget {
			shown = shown[:maxTarget] + "..."
		}
		return target{}, fmt.Errorf("cannot use target %q: %w", shown, err)
	}
	return t, nil
}

func readTarget(s string) (target, error) {
	if s == "" {
		return target{}, fmt.Errorf("it is empty; %w", errWriteUser)
	}
	if len(s) > maxTarget {
		return target{}, fmt.Errorf("it is %d characters long, at most %d are taken", len(s), maxTarget)
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		if !isNumber(s) {
			return target{}, errWriteUser
		}
		return target{bare: true, uri: stack.Uri{Scheme: "sip", User: s}}, nil
	}
	switch strings.ToLower(scheme) {
	case "sip":
	case "sips":
		return target{}, errTLS
	default:
		return target{}, fmt.Errorf("scheme %q is not a telephone's; %w", scheme, errWriteUser)
	}
	user, hostPart, ok := strings.Cut(rest, "@")
	if !ok || user == "" {
		return target{}, fmt.Errorf("the user is missing; %w", errWriteUser)
	}
	if !isUser(user) {
		return target{}, fmt.Errorf("user %q has a character that is not allowed; %w", user, errWriteUser)
	}
	hostPort, params, _ := strings.Cut(hostPart, ";")
	t, err := readHostPort(hostPort)
	if err != nil {
		return target{}, err
	}
	t.uri.User = user
	t.transport, t.uri.UriParams, err = readParams(params)
	return t, err
}

// readRegistrar reads an exchange's address, "sip:host[:port][;transport=tcp]".
func readRegistrar(s string) (target, error) {
	const remedy = "write sip:host[:port]"
	scheme, rest, ok := strings.Cut(s, ":")
	if strings.EqualFold(scheme, "sips") {
		return target{}, errTLS
	}
	if !ok || !strings.EqualFold(scheme, "sip") || strings.Contains(rest, "@") || len(s) > maxTarget {
		return target{}, errors.New(remedy)
	}
	hostPort, params, _ := strings.Cut(rest, ";")
	t, err := readHostPort(hostPort)
	if err != nil {
		return target{}, err
	}
	t.transport, t.uri.UriParams, err = readParams(params)
	return t, err
}

func readHostPort(s string) (target, error) {
	host, port := s, 0
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		n, err := strconv.ParseUint(s[i+1:], 10, 16)
		if err != nil || n == 0 {
			return target{}, fmt.Errorf("port %q is not a number from 1 to 65535", s[i+1:])
		}
		host, port = s[:i], int(n)
	}
	plain := host
	if strings.HasPrefix(host, "[") {
		plain = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		if a, err := netip.ParseAddr(plain); err != nil || !a.Is6() || a.Zone() != "" || !strings.HasSuffix(host, "]") {
			return target{}, fmt.Errorf("host %q is not an IPv6 address", host)
		}
	} else if !isHost(host) {
		return target{}, fmt.Errorf("host %q is neither a name nor an address; %w", host, errWriteUser)
	}
	t := target{host: plain, port: port, uri: stack.Uri{Scheme: "sip", Host: host, Port: port}}
	if t.port == 0 {
		t.port = 5060
	}
	return t, nil
}

func readParams(s string) (transport string, params stack.HeaderParams, err error) {
	transport = "UDP"
	if s == "" {
		return transport, nil, nil
	}
	for p := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(p, "=")
		if name == "" || !isToken(name) || (value != "" && !isToken(value)) {
			return "", nil, fmt.Errorf("parameter %q is not well formed", p)
		}
		if strings.EqualFold(name, "transport") {
			switch strings.ToLower(value) {
			case "udp":
			case "tcp":
				transport = "TCP"
			case "tls":
				return "", nil, errTLS
			default:
				return "", nil, fmt.Errorf("transport %q is not spoken; use udp or tcp", value)
			}
		}
		params.Add(name, value)
	}
	return transport, params, nil
}

// isUser follows RFC 3261 section 25.1 (user), without the password that must never be written in an address.
func isUser(s string) bool {
	return only(s, "-_.!~*'()&=+$,;?/%#")
}

func isNumber(s string) bool { return only(s, "-_.*#+") && len(s) <= 64 }

func isToken(s string) bool { return only(s, "-.!%*_+`'~[]:") }

func isHost(s string) bool {
	return only(s, "-.") && !strings.HasPrefix(s, ".") && !strings.HasPrefix(s, "-") && !strings.Contains(s, "..")
}

// only reports whether s is not empty and holds nothing but ASCII letters, digits and the extra characters.
func only(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return s != ""
}
