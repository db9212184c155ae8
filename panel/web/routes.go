package web

import (
	"net/http"

	"github.com/doorpanel/doorpanel/panel/access"
)

// route is one address of the API or the pages. The routes are one table, from which the mux and openapi.json are made.
type route struct {
	Method  string
	Pattern string
	Access  Access
	Handler func(w http.ResponseWriter, r *http.Request, c caller) error
	Summary string
	// Status, Request and Response describe a success for openapi.json by example; nil bodies are none.
	Status            int
	Request, Response any
	Query             []string
}

// object is a JSON object whose names are written out where it is made.
type object = map[string]any

func (s *Server) table() []route {
	const api = "/api/v1"
	paged := []string{"after", "limit"}
	routes := []route{
		{Method: "GET", Pattern: api + "/openapi.json", Access: Public, Handler: s.getOpenAPI, Status: 200, Summary: "This description"},

		{Method: "GET", Pattern: api + "/setup", Access: Public, Handler: s.getSetup, Status: 200, Summary: "Whether the panel still needs its first administrator",
			Response: setupState{Needed: true, Open: true, Seconds: 540}},
		{Method: "POST", Pattern: api + "/setup", Access: Public, Handler: s.postSetup, Status: 201, Summary: "Make the first administrator with the code on the display",
			Request: setupRequest{Code: "01234567", Password: "four words are easy"}, Response: account{User: defaultAdministrator, Role: Administrator}},
		{Method: "POST", Pattern: api + "/login", Access: Public, Handler: s.postLogin, Status: 200, Summary: "Log in: the token is for an Authorization: Bearer header, the cookie for browsers",
			Request: loginRequest{User: defaultAdministrator, Password: "four words are easy"}, Response: loginAnswer{Token: "…", account: account{User: defaultAdministrator, Role: Administrator}, IdleSeconds: 43200}},
		{Method: "POST", Pattern: api + "/logout", Access: AsResident, Handler: s.postLogout, Status: 204, Summary: "End this session"},
		{Method: "GET", Pattern: api + "/session", Access: AsResident, Handler: s.getSession, Status: 200, Summary: "Who is logged in",
			Response: account{User: defaultAdministrator, Role: Administrator}},
		{Method: "PUT", Pattern: api + "/session/password", Access: AsResident, Handler: s.putPassword, Status: 204, Summary: "Change one's own password; other sessions end",
			Request: passwordRequest{Old: "four words are easy", New: "four other words are"}},

		{Method: "GET", Pattern: api + "/users", Access: AsAdministrator, Handler: s.getUsers, Status: 200, Summary: "Who may log in",
			Response: object{"users": []account{{User: defaultAdministrator, Role: Administrator}}}},
		{Method: "PUT", Pattern: api + "/users/{name}", Access: AsAdministrator, Handler: s.putUser, Status: 200, Summary: "Make a user, or change role or password",
			Request: userRequest{Role: Installer, Password: "four words are easy"}, Response: account{User: "ines", Role: Installer}},
		{Method: "DELETE", Pattern: api + "/users/{name}", Access: AsAdministrator, Handler: s.deleteUser, Status: 204, Summary: "Remove a user; the last administrator stays"},

		{Method: "GET", Pattern: api + "/licenses", Access: AsInstaller, Handler: s.getLicenses, Status: 200, Summary: "The licenses stored in this panel",
			Response: object{"licenses": []LicenseView{{ID: "8d0c…", Grants: map[string]int{"buttons": 10}, Scope: "panel", Status: "active"}}}},
		{Method: "POST", Pattern: api + "/licenses", Access: AsInstaller, Handler: s.postLicense, Status: 201, Summary: "Activate a license from its text, or from a picture (image/png, image/jpeg, multipart)",
			Request: licenseRequest{Token: "DP1:…"}, Response: licenseAnswer{Result: "activated", Message: "10 buttons added", Entitlements: entitlementsView{Buttons: 11, Features: map[string]featureView{"buttons": {Status: "active", Count: 10}}}}},
		{Method: "GET", Pattern: api + "/entitlements", Access: AsInstaller, Handler: s.getEntitlements, Status: 200, Summary: "What the licenses give",
			Response: entitlementsView{Buttons: 11, Features: map[string]featureView{"buttons": {Status: "active", Count: 10}}}},

		{Method: "GET", Pattern: api + "/people", Access: AsInstaller, Handler: s.getPeople, Status: 200, Query: paged, Summary: "Persons, by id",
			Response: object{"people": []Person{{ID: "p7", Name: "Ada Lovelace", Note: "Flat 4"}}, "next": ""}},
		{Method: "POST", Pattern: api + "/people", Access: AsInstaller, Handler: s.postPerson, Status: 201, Summary: "Add a person",
			Request: personRequest{Name: "Ada Lovelace", Note: "Flat 4"}, Response: Person{ID: "p7", Name: "Ada Lovelace", Note: "Flat 4"}},
		{Method: "PUT", Pattern: api + "/people/{id}", Access: AsInstaller, Handler: s.putPerson, Status: 200, Summary: "Change a person",
			Request: personRequest{Name: "Ada King"}, Response: Person{ID: "p7", Name: "Ada King"}},
		{Method: "DELETE", Pattern: api + "/people/{id}", Access: AsInstaller, Handler: s.deletePerson, Status: 204, Summary: "Erase a person with every card and code"},

		{Method: "GET", Pattern: api + "/credentials", Access: AsInstaller, Handler: s.getCredentials, Status: 200, Query: paged, Summary: "Cards and codes, by id; what is shown to a reader is not stored",
			Response: object{"credentials": []object{{"id": "c3", "person": "p7", "kind": "card"}}, "next": ""}},
		{Method: "POST", Pattern: api + "/credentials", Access: AsInstaller, Handler: s.postCredential, Status: 201, Summary: "Add a card or a code; a code that was drawn is answered once",
			Request: NewCredential{Person: "Ada Lovelace", Kind: "card", UID: "04A1B2C3"}, Response: object{"id": "c3", "person": "p7", "kind": "code", "code": "483920"}},
		{Method: "DELETE", Pattern: api + "/credentials/{id}", Access: AsInstaller, Handler: s.deleteCredential, Status: 204, Summary: "Withdraw a card or a code"},
		{Method: "POST", Pattern: api + "/learn", Access: AsInstaller, Handler: s.postLearn, Status: 200, Summary: "Wait up to 30 s for the next card at a reader",
			Request: learnRequest{Reader: "front-in"}, Response: learnAnswer{UID: "04A1B2C3", Reader: "front-in"}},

		{Method: "GET", Pattern: api + "/schedules", Access: AsInstaller, Handler: s.getSchedules, Status: 200, Summary: "Weekly schedules",
			Response: object{"schedules": []scheduleRequest{exampleSchedule}}},
		{Method: "PUT", Pattern: api + "/schedules/{name}", Access: AsInstaller, Handler: s.putSchedule, Status: 200, Summary: "Make or change a schedule",
			Request: scheduleRequest{Slots: exampleSchedule.Slots}, Response: exampleSchedule},
		{Method: "DELETE", Pattern: api + "/schedules/{name}", Access: AsInstaller, Handler: s.deleteSchedule, Status: 204, Summary: "Remove a schedule that no credential uses"},

		{Method: "GET", Pattern: api + "/doors", Access: AsResident, Handler: s.getDoors, Status: 200, Summary: "Doors and their state",
			Response: object{"doors": []DoorView{{Name: "front", Safe: "fail-secure", Strike: "secured", Contact: "closed"}}}},
		{Method: "POST", Pattern: api + "/doors/{name}/open", Access: AsResident, Handler: s.postOpen, Status: 200, Summary: "Open a door",
			Response: object{"result": "granted"}},

		{Method: "GET", Pattern: api + "/buttons", Access: AsInstaller, Handler: s.getButtons, Status: 200, Summary: "Call buttons and whom they call",
			Response: object{"buttons": []ButtonView{exampleButton}}},
		{Method: "PUT", Pattern: api + "/buttons/{number}", Access: AsInstaller, Handler: s.putButton, Status: 200, Summary: "Label a button and say whom it calls",
			Request: buttonRequest{Label: exampleButton.Label, Target: exampleButton.Target}, Response: exampleButton},
		{Method: "DELETE", Pattern: api + "/buttons/{number}", Access: AsInstaller, Handler: s.deleteButton, Status: 204, Summary: "Clear a button"},

		{Method: "GET", Pattern: api + "/journal", Access: AsInstaller, Handler: s.getJournal, Status: 200, Query: []string{"after", "before", "limit"}, Summary: "Entries younger than after, oldest first; or older than before, newest first",
			Response: object{"entries": []JournalEntry{}}},
		{Method: "GET", Pattern: api + "/journal/events", Access: AsInstaller, Handler: s.journalEvents, Status: 200, Query: []string{"after"}, Summary: "New entries as they are written (server-sent events, id = seq)"},
		{Method: "GET", Pattern: api + "/status", Access: AsInstaller, Handler: s.getStatus, Status: 200, Summary: "The panel's health",
			Response: Status{Version: "0.1.0", Roots: []string{}, Parts: []PartStatus{{Kind: "account", Name: "pbx", State: "ok"}}}},

		{Method: "GET", Pattern: api + "/face", Access: Public, Handler: s.getFace, Status: 200, Summary: "What a visitor sees",
			Response: FaceView{Site: "12 Mill Lane", Light: "off", Buttons: []ButtonView{{Number: 1, Label: "Reception", Active: true}}}},
		{Method: "GET", Pattern: api + "/face/events", Access: Public, Handler: s.faceEvents, Status: 200, Summary: "The same whenever it changes (server-sent events)"},
		{Method: "POST", Pattern: api + "/face/press", Access: Loopback, Handler: s.postPress, Status: 204, Summary: "Press a call button on the panel's own display",
			Request: pressRequest{Button: 1}},
		{Method: "POST", Pattern: api + "/face/key", Access: Loopback, Handler: s.postKey, Status: 204, Summary: "Press a key of the keypad on the panel's own display",
			Request: keyRequest{Key: "5"}},

		{Method: "GET", Pattern: "/healthz", Access: Public, Handler: s.healthz, Status: 200, Summary: "200 when the panel's loop answers", Response: object{"alive": true}},
		{Method: "GET", Pattern: "/readyz", Access: Public, Handler: s.readyz, Status: 200, Summary: "503 with the causes while the panel cannot do its job", Response: object{"ready": true}},
		{Method: "GET", Pattern: "/assets/", Access: Public, Handler: s.pages.serve, Status: 200, Summary: "Parts of the pages"},
	}
	for _, page := range []struct{ path, file, what string }{
		{"/{$}", "face.html", "The panel's face"}, {"/admin", "admin.html", "The installer's and administrator's page"}, {"/app", "app.html", "The residents' page"},
	} {
		routes = append(routes, route{Method: "GET", Pattern: page.path, Access: Public, Handler: s.pages.page(page.file), Status: 200, Summary: page.what})
	}
	if s.o.Metrics != nil {
		routes = append(routes, route{Method: "GET", Pattern: "/metrics", Access: Local, Status: 200, Summary: "Counters for a monitoring system",
			Handler: func(w http.ResponseWriter, r *http.Request, _ caller) error {
				s.o.Metrics.ServeHTTP(w, r)
				return nil
			}})
	}
	if s.o.Sim != nil {
		for _, method := range []string{"GET", "POST"} {
			routes = append(routes, route{Method: method, Pattern: "/sim/", Access: Loopback, Status: 200, Summary: "The simulated hardware",
				Handler: func(w http.ResponseWriter, r *http.Request, _ caller) error {
					s.o.Sim.ServeHTTP(w, r)
					return nil
				}})
		}
	}
	return routes
}

var (
	exampleButton   = ButtonView{Number: 2, Label: "Office", Target: "sip:201@192.168.1.20", Active: true}
	exampleSchedule = scheduleRequest{Name: "office hours", Slots: []access.Slot{{Days: []string{"mon", "fri"}, From: "08:00", To: "18:00"}}}
)
