package hub

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/license/envelope"
	"github.com/doorpanel/doorpanel/telemetry"
)

// applicant is a panel that asks, as far as its request has been proved: it has its own key, and the TLS key.
type applicant struct {
	telemetry.EnrollRequest
	id  string
	key string // fingerprint of its TLS key
}

// admission is what was decided.
type admission struct {
	certificate fleet.Certificate
	site        string
	ended       []string // panels whose connections are to be ended
	revised     bool     // certificates were revoked
	came        bool     // a window was used
	detail      string
}

// open checks all of a request that does not depend on what is stored.
func (e *Enrollment) open(raw []byte) (applicant, error) {
	request, err := telemetry.OpenEnrollRequest(raw)
	if err != nil {
		return applicant{}, refuse("malformed", "%v", err)
	}
	if subtle.ConstantTimeCompare(request.CA[:], e.o.Fingerprint[:]) != 1 {
		return applicant{}, refuse("other_hub", "this request was made for another hub")
	}
	key, err := e.o.CheckRequest(request.CSR)
	if err != nil {
		return applicant{}, refuse("malformed", "%v", err)
	}
	return applicant{EnrollRequest: request, id: envelope.NameOf(request.Panel), key: key}, nil
}

// enroll takes a panel in that proves a pairing secret.
func (e *Enrollment) enroll(ctx context.Context, raw []byte) (telemetry.EnrollAnswer, error) {
	who, err := e.open(raw)
	if err != nil {
		return telemetry.EnrollAnswer{}, err
	}
	if len(who.Proof) != sha256.Size {
		return telemetry.EnrollAnswer{}, refuse("malformed", "the request proves no pairing secret")
	}
	proof := hashOfProof([sha256.Size]byte(who.Proof))
	ids, err := e.concerned(ctx, who, proof)
	if err != nil {
		return telemetry.EnrollAnswer{}, err
	}
	var done admission
	var refused error // kept apart from failures: a wrong secret is counted durably, and then refused
	err = e.o.Registry.Enrolling(ctx, ids, func(all *fleet.Enrolling) error {
		done, refused = admission{}, nil
		w := windowOf(all.Windows, proof)
		if w == nil {
			refused = countWrong(all.Windows, e.o.Now())
			return nil
		}
		if w.Replaces != "" && !slices.Contains(ids, w.Replaces) {
			return fmt.Errorf("cannot enroll panel %s: its window changed meanwhile; try again", who.id)
		}
		refused = e.admit(all, w, who, &done)
		return refused
	})
	if err = cmp.Or(refused, err); err != nil {
		return telemetry.EnrollAnswer{}, err
	}
	answer := e.finish(ctx, done)
	if done.came {
		e.o.Audit(ctx, fleet.Change{At: e.o.Now(), Who: "hub", Via: "api", What: "panel.enrolled", Object: who.id, Site: done.site, Detail: done.detail})
	}
	return answer, nil
}

// concerned are the panels that a request may change: the one that asks, and the one whose place it takes.
func (e *Enrollment) concerned(ctx context.Context, who applicant, proof string) ([]string, error) {
	ids := []string{who.id}
	windows, err := e.Windows(ctx)
	if w := windowOf(windows, proof); w != nil && w.Replaces != "" {
		ids = append(ids, w.Replaces)
	}
	return ids, err
}

// windowOf finds the window to which a proof belongs, in the same time wherever it stands.
func windowOf(windows []fleet.Window, proof string) *fleet.Window {
	var found *fleet.Window
	for i := range windows {
		if subtle.ConstantTimeCompare([]byte(windows[i].Proof), []byte(proof)) == 1 {
			found = &windows[i]
		}
	}
	return found
}

// countWrong notes a secret that fits nowhere at every window that is open: nobody knows for which of them it was meant.
func countWrong(windows []fleet.Window, now time.Time) *Refusal {
	open := false
	for i := range windows {
		if !windows[i].Open(now) {
			continue
		}
		open = true
		if windows[i].Wrong++; windows[i].Wrong >= maxWrong {
			windows[i].Closed = fmt.Sprintf("%d wrong secrets", maxWrong)
		}
	}
	if !open {
		return refuse("no_window", "no pairing window is open; open one on the hub's page and use the code that it shows")
	}
	return refuse("wrong_secret", "this is not the code of a pairing window that is open; after %d wrong ones a window closes", maxWrong)
}

// admit decides about a panel that knows the secret of window w.
func (e *Enrollment) admit(all *fleet.Enrolling, w *fleet.Window, who applicant, done *admission) error {
	now := e.o.Now().UTC().Truncate(time.Second)
	known := all.Panels[who.id]
	if w.Enrolled == who.id && w.Key == who.key && known.State() == fleet.PanelEnrolled && known.TLSKey == who.key {
		return e.again(all, known, who, done) // the answer was lost
	}
	if err := checkWindow(*w, who, now); err != nil {
		return err
	}
	if state := known.State(); w.Panel != who.id && (state == fleet.PanelRevoked || state == fleet.PanelReplaced) {
		return refuse("revoked", "panel %s was revoked or replaced; to take it back open a window for this very panel, with its identity code", who.id)
	}
	if known.ID != "" && !bytes.Equal(known.Key, who.Panel) {
		return refuse("other_key", "another key is known of panel %s", who.id)
	}
	certificate, err := e.certificateFor(all, who, now)
	if err != nil {
		return err
	}
	p := known
	moved := p.State() == fleet.PanelEnrolled && (p.Site != w.Site || p.TLSKey != who.key)
	p.ID, p.Key, p.Site, p.Enrolled, p.Revoked, p.ReplacedBy = who.id, who.Panel, w.Site, now, time.Time{}, ""
	p.Name = cmp.Or(w.Name, p.Name, who.Name, who.id[:8])
	if p.Added.IsZero() {
		p.Added, p.AddedBy = now, w.By
	}
	done.revised = revoke(all, who.id, who.key, "the panel was enrolled again with another key", now)
	if w.Replaces != "" && w.Replaces != who.id {
		old := all.Panels[w.Replaces]
		old.ReplacedBy, p.Replaces = who.id, old.ID
		all.Panels[old.ID] = old
		done.revised = revoke(all, old.ID, "", "panel "+who.id+" took its place", now) || done.revised
		done.ended = append(done.ended, old.ID)
	}
	if moved {
		done.ended = append(done.ended, who.id)
	}
	inForce(&p, certificate)
	all.Panels[p.ID] = p
	w.Enrolled, w.Key = who.id, who.key
	done.certificate, done.site, done.came = certificate, p.Site, true
	done.detail = "by a window that " + w.By + " opened"
	if p.Replaces != "" && p.Replaces == w.Replaces {
		done.detail += ", in the place of panel " + p.Replaces
	}
	return nil
}

func checkWindow(w fleet.Window, who applicant, now time.Time) error {
	switch {
	case w.Closed != "":
		return refuse("window_closed", "the pairing window of this code was closed (%s); open another one on the hub's page", w.Closed)
	case w.Enrolled != "":
		return refuse("used", "this code was used already, by panel %s; open another window on the hub's page", w.Enrolled)
	case !w.Open(now):
		return refuse("window_over", "the time of this code is over; open another window on the hub's page")
	case w.Panel != "" && w.Panel != who.id:
		return refuse("other_panel", "this code is for panel %s, and this is panel %s", w.Panel, who.id)
	}
	return nil
}

func inForce(p *fleet.Panel, c fleet.Certificate) {
	p.Serial, p.Expires, p.TLSKey = c.Serial, c.Expires, c.Key
}

// certificateFor is one that the panel has for this key while it is fresh, else a new one.
func (e *Enrollment) certificateFor(all *fleet.Enrolling, who applicant, now time.Time) (fleet.Certificate, error) {
	for _, c := range slices.Backward(all.Certificates) {
		if c.Panel == who.id && c.Key == who.key && c.Revoked.IsZero() && now.Before(c.Issued.Add(c.Expires.Sub(c.Issued)*renewAfter/3)) {
			return c, nil
		}
	}
	c, err := e.o.Certify(who.CSR, who.id)
	if err != nil {
		return c, fmt.Errorf("cannot make a certificate for panel %s: %w", who.id, err)
	}
	c.Panel, c.Key = who.id, who.key
	all.Certificates = append(all.Certificates, c)
	return c, nil
}

// again gives a panel once more what it has. Nothing changes but a certificate that is due.
func (e *Enrollment) again(all *fleet.Enrolling, p fleet.Panel, who applicant, done *admission) error {
	certificate, err := e.certificateFor(all, who, e.o.Now())
	if err != nil {
		return err
	}
	inForce(&p, certificate)
	all.Panels[p.ID] = p
	done.certificate, done.site = certificate, p.Site
	return nil
}

// renew gives a panel another certificate for the key it has. shown is who the certificate said to be with which it came, and for which
// key: a certificate of this hub's authority, in its time.
func (e *Enrollment) renew(ctx context.Context, raw []byte, shown, key string) (telemetry.EnrollAnswer, error) {
	who, err := e.open(raw)
	switch {
	case err != nil:
		return telemetry.EnrollAnswer{}, err
	case who.id != shown || who.key != key:
		return telemetry.EnrollAnswer{}, refuse("other_panel", "the request is panel %s's, the certificate is panel %s's", who.id, shown)
	}
	var done admission
	err = e.o.Registry.Enrolling(ctx, []string{who.id}, func(all *fleet.Enrolling) error {
		done = admission{}
		p, known := all.Panels[who.id]
		if err := honored(p, known, who.id, who.key); err != nil {
			return err
		}
		return e.again(all, p, who, &done)
	})
	if err != nil {
		return telemetry.EnrollAnswer{}, err
	}
	return e.finish(ctx, done), nil
}

// finish does what follows from a decision that is kept, and puts the answer together.
func (e *Enrollment) finish(ctx context.Context, done admission) telemetry.EnrollAnswer {
	for _, id := range done.ended {
		e.o.Ended(id, "its rights have changed")
	}
	if done.revised {
		e.o.Revised(ctx)
	}
	return telemetry.EnrollAnswer{
		Site: done.site, Broker: e.o.Broker(), CA: string(e.o.CA), Certificate: done.certificate.PEM, Hub: e.o.Name(), Key: envelope.KeyText(e.o.Key), Sealing: e.o.Sealing,
	}
}
