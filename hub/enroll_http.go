package hub

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// Handler serves telemetry.EnrollPath and telemetry.RenewPath. The server before it speaks TLS with the hub's certificate and its
// authority's behind it, and verifies a client's certificate, if there is one, against the authority
// (tls.VerifyClientCertIfGiven). logged is told of failures of the hub itself.
func (e *Enrollment) Handler(logged func(error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+telemetry.EnrollPath, e.serve(logged, func(r *http.Request, raw []byte) (telemetry.EnrollAnswer, error) {
		return e.enroll(r.Context(), raw)
	}))
	mux.HandleFunc("POST "+telemetry.RenewPath, e.serve(logged, func(r *http.Request, raw []byte) (telemetry.EnrollAnswer, error) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			return telemetry.EnrollAnswer{}, refuse("no_certificate", "a certificate is renewed by whoever shows it")
		}
		leaf := r.TLS.VerifiedChains[0][0]
		return e.renew(r.Context(), raw, leaf.Subject.CommonName, spkiOf(leaf))
	}))
	return mux
}

func spkiOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

func (e *Enrollment) serve(logged func(error), decide func(*http.Request, []byte) (telemetry.EnrollAnswer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		select {
		case e.busy <- struct{}{}:
			defer func() { <-e.busy }()
		default:
			w.Header().Set("Retry-After", "2")
			writeRefusal(w, http.StatusServiceUnavailable, refuse("busy", "the hub is busy with other panels; try again"))
			return
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/cose" {
			writeRefusal(w, http.StatusUnsupportedMediaType, refuse("malformed", "send %s", telemetry.EnrollType))
			return
		}
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(envelope.Enrollment.Limit())))
		if err != nil {
			writeRefusal(w, http.StatusRequestEntityTooLarge, refuse("malformed", "the request is larger than %d bytes, or broke off", envelope.Enrollment.Limit()))
			return
		}
		answer, err := decide(r, raw)
		var body []byte
		if err == nil {
			body, err = answer.Encode()
		}
		e.answer(w, body, err, logged)
	}
}

func (e *Enrollment) answer(w http.ResponseWriter, body []byte, err error, logged func(error)) {
	var refused *Refusal
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // a panel that went away asks again
	case errors.As(err, &refused):
		e.count(refused)
		status := http.StatusForbidden
		if refused.Why == "malformed" {
			status = http.StatusBadRequest
		}
		writeRefusal(w, status, refused)
	case errors.Is(err, context.Canceled):
	default:
		logged(err)
		writeRefusal(w, http.StatusInternalServerError, refuse("internal", "the hub could not do this; its log says why"))
	}
}

// writeRefusal answers with problem details (RFC 9457).
func writeRefusal(w http.ResponseWriter, status int, r *Refusal) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Why    string `json:"why"`
	}{"urn:doorpanel:problem:" + r.Why, http.StatusText(status), status, r.Detail, r.Why})
}
