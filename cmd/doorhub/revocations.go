package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/doorpanel/doorpanel/configs"
	"github.com/doorpanel/doorpanel/daemon"
	"github.com/doorpanel/doorpanel/hub/authority"
	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/web"
)

// crlFile is the list of revoked certificates, for a broker that is there already, where the configuration names no other.
const crlFile = "revoked.pem"

// revocationList is where that list is kept.
func revocationList(c configs.Hub) string {
	return cmp.Or(c.MQTT.RevocationList, filepath.Join(c.Data, crlFile))
}

// revocations keeps the list of revoked certificates where a broker reads it, and looks whether the broker did. With each list it
// revokes a certificate of its own, the probe: a broker that still honors that one has not read the list.
type revocations struct {
	path         string
	certificates func(panel string) ([]fleet.Certificate, error)
	authority    *authority.Authority
	log          *slog.Logger
	broker       *ownBroker    // nil: nobody is asked
	read         func()        // is told when the broker has read a list; set with broker
	changed      chan struct{} // there is another list to be read

	mu    sync.Mutex
	kept  []byte // the list, as it was written or found
	made  time.Time
	fault error // why it could not be written
	probe *tls.Certificate
	stale time.Time // since when the broker is known to honor what the list of made revokes; zero: it does not, or nobody knows
}

// probeName is who the hub says it is when it looks whether a broker has read the list. It has no rights there.
const probeName = "doorpanel-probe"

// probeTime is for how long a probe is good.
const probeTime = 24 * time.Hour

func newRevocations(config configs.Hub, certificates func(string) ([]fleet.Certificate, error), a *authority.Authority, log *slog.Logger) *revocations {
	return &revocations{path: revocationList(config), certificates: certificates, authority: a, log: log, changed: make(chan struct{}, 1)}
}

// revise writes the list when something is revoked that is not in it, or when there is none.
func (r *revocations) revise() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = r.write()
	if r.fault != nil {
		r.log.Error("cannot write the list of revoked certificates", "cause", r.fault)
	}
}

func (r *revocations) write() error {
	revoked, err := r.revoked()
	if err != nil {
		return err
	}
	found, err := os.ReadFile(r.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read the list of revoked certificates: %w", err)
	}
	if made, complete := r.complete(found, revoked); complete {
		r.kept, r.made = found, made
		return nil
	}
	probe, err := r.authority.PassingCertificate(probeName, probeTime)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(probe.Certificate[0])
	if err != nil {
		return err
	}
	now := time.Now()
	list, err := r.authority.RevocationList(append(revoked, authority.Revoked{Serial: authority.SerialText(leaf.SerialNumber), At: now}))
	if err != nil {
		return err
	}
	if err := daemon.WriteDurably(r.path, list, 0o644); err != nil {
		return fmt.Errorf("%w; let the hub's user write there, or name another file as [mqtt] revocation_list", err)
	}
	r.kept, r.made, r.probe, r.stale = list, now, &probe, time.Time{}
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return nil
}

func (r *revocations) revoked() ([]authority.Revoked, error) {
	certificates, err := r.certificates("")
	if err != nil {
		return nil, err
	}
	var list []authority.Revoked
	for _, c := range certificates {
		if !c.Revoked.IsZero() {
			list = append(list, authority.Revoked{Serial: c.Serial, At: c.Revoked})
		}
	}
	return list, nil
}

// complete tells whether a list is this authority's and names all that is revoked, and when it was made.
func (r *revocations) complete(content []byte, revoked []authority.Revoked) (made time.Time, ok bool) {
	block, _ := pem.Decode(content)
	if block == nil {
		return made, false
	}
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil || !r.authority.Signed(list) {
		return made, false
	}
	named := make(map[string]bool, len(list.RevokedCertificateEntries))
	for _, e := range list.RevokedCertificateEntries {
		named[authority.SerialText(e.SerialNumber)] = true
	}
	return time.Unix(0, list.Number.Int64()), !slices.ContainsFunc(revoked, func(one authority.Revoked) bool { return !named[one.Serial] })
}

// probing are the pauses after which it is looked whether the broker has read a new list; the last one goes on.
func probing() []time.Duration {
	return []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}
}

// run looks whether the broker reads each new list, until ctx ends.
func (r *revocations) run(ctx context.Context) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for turn := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
			turn = 0
		case <-timer.C:
		}
		pause := idle
		if r.waiting(ctx, turn > 0) {
			pause = probing()[min(turn, len(probing())-1)]
			turn++
		}
		timer.Reset(pause)
	}
}

// waiting tells whether it is still to be looked for the broker to read the list, after looking when look is set.
func (r *revocations) waiting(ctx context.Context, look bool) bool {
	r.mu.Lock()
	probe, made := r.probe, r.made
	r.mu.Unlock()
	if probe == nil || r.broker == nil {
		return false
	}
	if !look {
		return true
	}
	honors, err := r.broker.honors(ctx, *probe, probeName)
	if err != nil || r.note(honors, made) {
		return true
	}
	r.read()
	return false
}

// note keeps what the broker made of the probe of a list, and tells whether it is to be asked again.
func (r *revocations) note(honors bool, made time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.made.Equal(made) {
		return true // there is another list already
	}
	switch {
	case !honors:
		r.probe, r.stale = nil, time.Time{}
	case r.stale.IsZero():
		r.stale = time.Now()
	}
	return honors
}

// health is how the list is.
func (r *revocations) health() web.PartHealth {
	r.mu.Lock()
	defer r.mu.Unlock()
	part := web.PartHealth{Name: "revocations", State: partOK, Detail: r.path}
	present, err := os.ReadFile(r.path)
	made := r.made.UTC().Format(time.DateTime)
	switch {
	case r.fault != nil:
		part.State, part.Detail = partBad, r.fault.Error()
	case err != nil:
		part.State, part.Detail = partBad, err.Error()+"; restart the hub, it writes the list anew"
	case !bytes.Equal(present, r.kept):
		part.State, part.Detail = partBad, fmt.Sprintf("%s is not the list that the hub made at %s UTC: an older copy, or somebody else's; restart the hub, it writes the list anew", r.path, made)
	case !r.stale.IsZero():
		part.State, part.Since = partWarn, r.stale
		part.Detail = fmt.Sprintf("the broker still honors what the list of %s UTC revokes: a panel that was revoked comes back; bring it %s and send it SIGHUP", made, r.path)
	}
	return part
}
