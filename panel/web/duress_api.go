package web

import (
	"context"
	"net/http"
)

// SilentAlarm is the mark that a code under duress leaves for a recipient.
type SilentAlarm interface {
	// Recipient is to whose key grants are marked; empty: it is not switched on.
	Recipient() string
	// HubKey is the key of the hub that the panel belongs to; empty: there is none.
	HubKey() string
	// Waiting is to whose key a number was sealed that did not come back yet; empty: no test is running.
	Waiting() string
	// TestDuress seals a number to the recipient's key ("hub" is that of the panel's hub) and returns the message that carries it. It switches the silent alarm
	// off until the number comes back; an empty recipient only does that. ErrInvalid: not a key.
	TestDuress(ctx context.Context, recipient, by string) (message string, err error)
	// ConfirmDuress brings the number that the recipient found. ErrInvalid: not that one. ErrConflict: no test is running.
	ConfirmDuress(ctx context.Context, number, by string) error
}

// DuressCodes are the codes that raise the silent alarm.
type DuressCodes interface {
	// DrawDuressCode draws a code that opens as the code with this id does and raises the silent alarm; it is answered once.
	// ErrConflict: the silent alarm is not switched on.
	DrawDuressCode(ctx context.Context, credential, by string) (code string, err error)
	DropDuressCode(ctx context.Context, credential, by string) error
}

// Guesses is the budget of wrong tries.
type Guesses interface {
	// ForgiveGuesses ends a block of codes, and counts from nothing again.
	ForgiveGuesses(ctx context.Context, by string) error
}

type (
	duressState struct {
		On        bool   `json:"on"`
		Recipient string `json:"recipient,omitempty"`
		Waiting   string `json:"waiting,omitempty"` // whose test runs
		Hub       string `json:"hub,omitempty"`     // the key of the panel's hub, which may be the recipient
	}
	duressRecipient struct {
		Recipient string `json:"recipient"`
	}
	duressMessage struct {
		Message string `json:"message"`
	}
	duressCode struct {
		Code string `json:"code"`
	}
	duressNumber struct {
		Number string `json:"number"`
	}
)

var exampleRecipient = "x25519:Q2h5…"

// duressRoutes are the silent alarm and the budget of wrong tries.
func (s *Server) duressRoutes() []route {
	state := duressState{On: true, Recipient: exampleRecipient}
	return []route{
		{Method: "GET", Pattern: api + "/duress", Access: AsAdministrator, Handler: s.getDuress, Status: 200, Summary: "Whether the silent alarm is switched on, to whose key, and whose test waits for its number", Response: state},
		{Method: "POST", Pattern: api + "/duress/test", Access: AsAdministrator, Handler: s.testDuress, Status: 200,
			Summary: "Seal a number to the recipient of the silent alarm; it is off until the number comes back",
			Request: duressRecipient{exampleRecipient}, Response: duressMessage{"DT1:…"}},
		{Method: "POST", Pattern: api + "/duress/confirm", Access: AsAdministrator, Handler: s.confirmDuress, Status: 200,
			Summary: "Switch the silent alarm on with the number that its recipient found in the test", Request: duressNumber{"40718352"}, Response: state},
		{Method: "DELETE", Pattern: api + "/duress", Access: AsAdministrator, Handler: s.deleteDuress, Status: 204, Summary: "Switch the silent alarm off"},
		{Method: "POST", Pattern: api + "/credentials/{id}/duress", Access: AsAdministrator, Handler: s.drawDuressCode, Status: 201,
			Summary: "Draw a code that opens like this one and raises the silent alarm; it is answered once", Response: duressCode{"482059"}},
		{Method: "DELETE", Pattern: api + "/credentials/{id}/duress", Access: AsAdministrator, Handler: s.dropDuressCode, Status: 204, Summary: "Take the code under duress beside this one away"},
		{Method: "POST", Pattern: api + "/guesses/forgive", Access: AsAdministrator, Handler: s.forgiveGuesses, Status: 204, Summary: "End a block of codes, and count wrong tries from nothing again"},
	}
}

func (s *Server) duressState() duressState {
	recipient := s.o.SilentAlarm.Recipient()
	return duressState{On: recipient != "", Recipient: recipient, Waiting: s.o.SilentAlarm.Waiting(), Hub: s.o.SilentAlarm.HubKey()}
}

func (s *Server) getDuress(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, s.duressState())
}

func (s *Server) testDuress(w http.ResponseWriter, r *http.Request, c caller) error {
	var in duressRecipient
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Recipient == "" {
		return problem(http.StatusUnprocessableEntity, "not-valid", "recipient must be the public key of whoever is to get the silent alarm, like x25519: and 43 characters, or hub for the hub that the panel belongs to")
	}
	message, err := s.o.SilentAlarm.TestDuress(r.Context(), in.Recipient, c.User)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, duressMessage{message})
}

func (s *Server) confirmDuress(w http.ResponseWriter, r *http.Request, c caller) error {
	var in duressNumber
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := s.o.SilentAlarm.ConfirmDuress(r.Context(), in.Number, c.User); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.duressState())
}

func (s *Server) deleteDuress(w http.ResponseWriter, r *http.Request, c caller) error {
	if _, err := s.o.SilentAlarm.TestDuress(r.Context(), "", c.User); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) drawDuressCode(w http.ResponseWriter, r *http.Request, c caller) error {
	code, err := s.o.DuressCodes.DrawDuressCode(r.Context(), r.PathValue("id"), c.User)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, duressCode{code})
}

func (s *Server) dropDuressCode(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := s.o.DuressCodes.DropDuressCode(r.Context(), r.PathValue("id"), c.User); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) forgiveGuesses(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := s.o.Guesses.ForgiveGuesses(r.Context(), c.User); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
