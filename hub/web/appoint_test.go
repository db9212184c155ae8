package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/roles"
)

// T-5: a dealer, who sees no people, brings the management company in, once and never himself; the company makes its own roles (T-7).
func TestADealerAppointsTheFirstManagementCompanyAndNothingMore(t *testing.T) {
	f, s := twoBuildings(t)
	dealer, stranger := named(t, s, f, "left-dealer", roles.Dealer, "left"), named(t, s, f, "right-dealer", roles.Dealer, "right")
	distributor := named(t, s, f, "company-boss", roles.Distributor, "company")
	dealer.want(http.StatusForbidden, "POST", "/api/v1/users/left-dealer/roles", giveRequest{Role: roles.Management, Group: "left"})
	dealer.want(http.StatusForbidden, "POST", "/api/v1/users", newUserRequest{User: "puppet", Password: "four words are easy", Role: roles.Management, Groups: []string{"left"}})
	dealer.want(http.StatusUnprocessableEntity, "POST", "/api/v1/appointments", appointRequest{User: "palazzo", Group: "right"})
	dealer.want(http.StatusUnprocessableEntity, "POST", "/api/v1/appointments", appointRequest{User: "palazzo", Group: "nowhere"})

	var first, made appointed
	read := func(text string, into *appointed) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), into); err != nil || into.Code == "" || !strings.HasPrefix(into.User, "palazzo-") {
			t.Fatalf("%v: %s", err, text)
		}
	}
	read(dealer.want(http.StatusCreated, "POST", "/api/v1/appointments", appointRequest{User: "palazzo", Group: "left"}), &first)
	nobody := client{t, s.Handler(), ""}
	for _, word := range []string{"", first.Code, password} {
		nobody.want(http.StatusUnauthorized, "POST", "/api/v1/login", loginRequest{User: first.User, Password: word})
	}
	// The code was lost: it ends with the next one.
	read(dealer.want(http.StatusCreated, "POST", "/api/v1/appointments", appointRequest{User: "palazzo", Group: "left"}), &made)
	f.do(func() { f.time = f.time.Add(2 * time.Hour) }) // wrong tries are over
	nobody.want(http.StatusUnauthorized, "POST", "/api/v1/join", joinRequest{User: first.User, Code: first.Code, Password: "my own four words"})
	nobody.want(http.StatusUnauthorized, "POST", "/api/v1/join", joinRequest{User: made.User, Code: first.Code, Password: "my own four words"})
	if w := dealer.request("PUT", "/api/v1/users/"+made.User, userRequest{Password: "the dealer's own words"}); w.Code != http.StatusForbidden {
		t.Errorf("whoever appointed sets the password: %d", w.Code)
	}
	dealer = named(t, s, f, "left-dealer", roles.Dealer, "left") // two hours are not twelve, and the login is as good as new
	if page := dealer.want(http.StatusOK, "GET", "/settings/users", nil); !strings.Contains(page, "has not used its code yet") {
		t.Error("the page does not say that the code was not used")
	}
	typed := strings.ToLower(strings.ReplaceAll(made.Code, "-", " "))
	nobody.want(http.StatusSeeOther, "POST", "/join", url.Values{"user": {made.User}, "code": {typed}, "password": {"my own four words"}}.Encode())
	nobody.want(http.StatusUnauthorized, "POST", "/api/v1/join", joinRequest{User: made.User, Code: made.Code, Password: "somebody else's words"})

	var login loginAnswer
	if err := json.Unmarshal([]byte(nobody.want(http.StatusOK, "POST", "/api/v1/login", loginRequest{User: made.User, Password: "my own four words"})), &login); err != nil {
		t.Fatal(err)
	}
	company := client{t, s.Handler(), login.Token}
	for what, ask := range map[string]appointRequest{"beside it": {User: "other", Group: "left"}, "above it": {User: "other", Group: "company"}} {
		if w := distributor.request("POST", "/api/v1/appointments", ask); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "managed") {
			t.Errorf("a second one, %s: %d %s", what, w.Code, w.Body)
		}
	}
	for what, c := range map[string]client{"the distributor": distributor, "the company": company, "the dealer": dealer} {
		page := c.want(http.StatusOK, "GET", "/api/v1/audit", nil)
		if !strings.Contains(page, "management.appointed") || !strings.Contains(page, "user.joined") || strings.Contains(page, made.Code) {
			t.Errorf("%s is told: %s", what, page)
		}
	}
	if page := stranger.want(http.StatusOK, "GET", "/api/v1/audit", nil); strings.Contains(page, "palazzo") {
		t.Errorf("a dealer beside it is told: %s", page)
	}
	for what, w := range map[string]int{
		"ends its role":         dealer.request("POST", "/api/v1/users/"+made.User+"/roles/end", giveRequest{Role: roles.Management, Group: "left"}).Code,
		"removes it":            dealer.request("DELETE", "/api/v1/users/"+made.User, nil).Code,
		"sets its password now": dealer.request("PUT", "/api/v1/users/"+made.User, userRequest{Password: "the dealer's own words"}).Code,
	} {
		if w != http.StatusForbidden {
			t.Errorf("whoever appointed %s: %d", what, w)
		}
	}

	// T-7, by the forms of the page.
	company.want(http.StatusSeeOther, "POST", "/settings/roles", url.Values{"title": {"Night desk"}, "group": {"left"}, "rights": {"persons.see", "journals.persons", "doors.open"}}.Encode())
	role := f.roles[len(f.roles)-1]
	if role.Title != "Night desk" || role.Group != "left" || len(role.Rights) != 3 {
		t.Fatalf("the company's own role is %+v", role)
	}
	company.want(http.StatusSeeOther, "POST", "/settings/users", url.Values{"user": {"night"}, "password": {"four words are easy"}, "role": {role.ID}, "place": {"left"}}.Encode())
	company.want(http.StatusForbidden, "POST", "/settings/roles", url.Values{"title": {"Too much"}, "group": {"left"}, "rights": {"licenses.edit"}}.Encode())
	company.want(http.StatusForbidden, "POST", "/api/v1/appointments", appointRequest{User: "other", Group: "left"})
}

func TestACodeForAFirstPasswordIsGoodForTwoWeeksAndFewTries(t *testing.T) {
	f, s := twoBuildings(t)
	dealer, nobody := named(t, s, f, "left-dealer", roles.Dealer, "left"), client{t, s.Handler(), ""}
	appoint := func() (made appointed) {
		t.Helper()
		if err := json.Unmarshal([]byte(dealer.want(http.StatusCreated, "POST", "/api/v1/appointments", appointRequest{User: "palazzo", Group: "left"})), &made); err != nil {
			t.Fatal(err)
		}
		return made
	}
	made := appoint()
	for range 5 {
		nobody.want(http.StatusUnauthorized, "POST", "/api/v1/join", joinRequest{User: made.User, Code: "WRONG", Password: "my own four words"})
	}
	nobody.want(http.StatusTooManyRequests, "POST", "/api/v1/join", joinRequest{User: made.User, Code: made.Code, Password: "my own four words"})
	f.do(func() { f.time = f.time.Add(inviteTime) })
	nobody.want(http.StatusUnauthorized, "POST", "/api/v1/join", joinRequest{User: made.User, Code: made.Code, Password: "my own four words"})
	dealer = named(t, s, f, "left-dealer", roles.Dealer, "left")
	if page := dealer.want(http.StatusOK, "GET", "/settings/users", nil); !strings.Contains(page, "appoint anew") {
		t.Error("the page does not say that the code is too old")
	}
	made = appoint()
	f.do(func() { f.time = f.time.Add(inviteTime - time.Second) })
	nobody.want(http.StatusNoContent, "POST", "/api/v1/join", joinRequest{User: made.User, Code: made.Code, Password: "my own four words"})
	if nobody.request("GET", "/join?user="+made.User, nil).Code != http.StatusOK {
		t.Error("there is no page to choose a password on")
	}
}
