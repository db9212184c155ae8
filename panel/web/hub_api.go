package web

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Hub is the hub that the panel belongs to.
type Hub interface {
	Hub() (HubView, error)
	// PairHub has the panel taken in by the hub of a code (DH1:...). ErrHubRefused: the hub's word, or that it was not reached;
	// ErrConflict: the panel has another hub, or a broker in its configuration; ErrInvalid: no such code.
	PairHub(ctx context.Context, code, by, via string) (HubView, error)
	// LeaveHub forgets the hub. ErrNotFound: there is none.
	LeaveHub(ctx context.Context, by, via string) error
}

// HubView is what the panel knows about its hub.
type HubView struct {
	Paired      bool      `json:"paired"`
	Configured  string    `json:"configured,omitempty"` // the broker that the configuration names: no hub can be joined then
	Hub         string    `json:"hub,omitempty"`        // its name
	Site        string    `json:"site,omitempty"`       // as the hub calls this panel's
	Address     string    `json:"address,omitempty"`    // where the panel was taken in
	Broker      string    `json:"broker,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"` // of the hub's authority, SHA-256
	Since       time.Time `json:"since,omitzero"`
	By          string    `json:"by,omitempty"`
	Until       time.Time `json:"certificate_until,omitzero"`
	State       string    `json:"state,omitempty"`  // of the connection: ok, starting, failed
	Detail      string    `json:"detail,omitempty"` // why it failed
}

type pairRequest struct {
	Code string `json:"code"`
}

var exampleHub = HubView{
	Paired: true, Hub: "Rossi Impianti", Site: "via-roma-12", Address: "https://hub.example.org:8444", Broker: "mqtts://hub.example.org:8883",
	Fingerprint: strings.Repeat("5e", 32), Since: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), By: "mario",
	Until: time.Date(2027, 11, 21, 12, 0, 0, 0, time.UTC), State: "ok",
}

// hubRoutes join the panel to a hub.
func (s *Server) hubRoutes() []route {
	if s.o.Hub == nil {
		return nil
	}
	return []route{
		{Method: "GET", Pattern: api + "/hub", Access: AsInstaller, Handler: s.getHub, Status: 200, Summary: "The hub that the panel belongs to", Response: exampleHub},
		{Method: "POST", Pattern: api + "/hub", Access: AsInstaller, Handler: s.postHub, Status: 200, Summary: "Join the hub of a pairing code",
			Request: pairRequest{Code: "DH1:..."}, Response: exampleHub},
		{Method: "DELETE", Pattern: api + "/hub", Access: AsInstaller, Handler: s.deleteHub, Status: http.StatusNoContent, Summary: "Leave the hub"},
	}
}

func (s *Server) getHub(w http.ResponseWriter, _ *http.Request, _ caller) error {
	view, err := s.o.Hub.Hub()
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, view)
}

func (s *Server) postHub(w http.ResponseWriter, r *http.Request, c caller) error {
	var in pairRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	view, err := s.o.Hub.PairHub(r.Context(), in.Code, c.User, c.Via)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, view)
}

func (s *Server) deleteHub(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := s.o.Hub.LeaveHub(r.Context(), c.User, c.Via); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
