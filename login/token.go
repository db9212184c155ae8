package login

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
)

// Cookies are the names of one program's cookies, from the program's own name.
type Cookies string

// Secure is the name over TLS: a browser takes it only there, and for exactly this host.
func (c Cookies) Secure() string { return "__Host-" + string(c) }

// Name is the cookie's name for this request.
func (c Cookies) Name(r *http.Request) string {
	if r.TLS != nil {
		return c.Secure()
	}
	return string(c)
}

// Cookie carries the token to the browser; an empty token takes it away.
func (c Cookies) Cookie(r *http.Request, token string) *http.Cookie {
	made := &http.Cookie{Name: c.Name(r), Value: token, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
	if token == "" {
		made.MaxAge = -1
	}
	return made
}

// Token is what the caller logs in with: the Authorization header or else the cookie; empty when there is neither.
func (c Cookies) Token(r *http.Request) (token string, fromHeader bool) {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token), true
	}
	if sent, err := r.Cookie(c.Name(r)); err == nil {
		return sent.Value, false
	}
	return "", false
}

// NewToken draws 256 bits for a browser or a script; only their hash is stored.
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: documented to end the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// HashToken is what is stored of a token: SHA-256 in hexadecimal digits.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
