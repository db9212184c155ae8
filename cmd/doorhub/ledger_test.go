package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/license"
)

// tree asks a hub about its license ledger, as one user.
type tree struct {
	t      *testing.T
	url    string
	client *http.Client
	token  string
}

// tree is the hub's ledger as an administrator of its host has it.
func (h *hubProcess) tree() tree {
	return tree{t: h.t, url: "http://localhost/api/v1", client: h.socket}
}

const treePassword = "four words are easy"

// treeAs makes a user with a role at a group and is the ledger as he has it, over the network.
func (h *hubProcess) treeAs(user, role, group string) tree {
	h.t.Helper()
	h.must(http.StatusCreated, "POST", "/users", object{"user": user, "password": treePassword, "role": role, "groups": []string{group}})
	return h.login(user)
}

func (h *hubProcess) login(user string) tree {
	h.t.Helper()
	one := tree{t: h.t, url: h.web + "/api/v1", client: h.client}
	var session struct{ Token string }
	one.must(http.StatusOK, "POST", "/login", object{"user": user, "password": treePassword}).into(h.t, &session)
	one.token = session.Token
	return one
}

func (r tree) ask(method, path string, body any, change ...func(*http.Request)) answer {
	r.t.Helper()
	return do(r.t, r.client, method, r.url+path, body, append(change, func(q *http.Request) {
		if r.token != "" {
			q.Header.Set("Authorization", "Bearer "+r.token)
		}
	})...)
}

func (r tree) must(status int, method, path string, body any) answer {
	r.t.Helper()
	a := r.ask(method, path, body)
	if a.status != status {
		r.t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
	}
	return a
}

// refusal is a problem with what the ledger says besides.
type refusal struct {
	Type, Detail, Resource string
	Asked, Most            int
	Binds                  []ledger.Bind
	Offer                  *struct{ Text string }
}

// refused is a request that must be refused for a reason.
func (r tree) refused(reason ledger.Reason, method, path string, body any) refusal {
	r.t.Helper()
	var said refusal
	r.must(http.StatusConflict, method, path, body).into(r.t, &said)
	if !strings.HasSuffix(said.Type, ":"+string(reason)) {
		r.t.Fatalf("%s %s is refused with %s, %q, want %s", method, path, said.Type, said.Detail, reason)
	}
	return said
}

// group makes a group and returns its id.
func (r tree) group(parent, name, level string) string {
	r.t.Helper()
	var made struct{ ID string }
	r.must(http.StatusCreated, "POST", "/groups", object{"parent": parent, "name": name, "level": level}).into(r.t, &made)
	return made.ID
}

// block is a license of SIP numbers and applications.
func block(numbers, apps int) object {
	return object{"counts": object{"sip_numbers": numbers, "apps": apps}}
}

// restrict gives a group licenses and nothing besides.
func (r tree) restrict(group string, blocks ...object) {
	r.t.Helper()
	r.must(http.StatusOK, "PUT", "/groups/"+group+"/licenses", object{"restricted": true, "blocks": blocks})
}

// person makes a user.
func (r tree) person(group, name string, more ...string) string {
	r.t.Helper()
	var made struct{ Person struct{ ID string } }
	r.must(http.StatusCreated, "POST", "/groups/"+group+"/people", object{"name": name, "groups": more}).into(r.t, &made)
	return made.Person.ID
}

// give gives a user something and returns the use.
func (r tree) give(person, resource, label string) string {
	r.t.Helper()
	var made struct{ ID string }
	r.must(http.StatusCreated, "POST", "/people/"+person+"/uses", object{"resource": resource, "label": label}).into(r.t, &made)
	return made.ID
}

func (r tree) state(path string) ledger.State {
	r.t.Helper()
	var s ledger.State
	r.must(http.StatusOK, "GET", path+"/state", nil).into(r.t, &s)
	return s
}

// stands holds a line of a state to its numbers, which a property manager reads as "maximum, used, available".
func (r tree) stands(path, resource string, maximum, used, available int) ledger.Line {
	r.t.Helper()
	line := r.state(path).Line(resource)
	if line.Maximum != maximum || line.Used != used || line.Available != available {
		r.t.Errorf("%s: %s maximum %d, used %d, available %d; want %d, %d, %d", path, resource, line.Maximum, line.Used, line.Available, maximum, used, available)
	}
	return line
}

// company is a company of fifty with a building and apartments, as story 12 has it.
type company struct {
	id, building, floor, a1, a2, a3 string
}

func (r tree) company(name string) company {
	r.t.Helper()
	c := company{id: r.group("", name, "company")}
	c.building = r.group(c.id, "Building A", "building")
	c.floor = r.group(c.building, "First floor", "floors")
	c.a1, c.a2, c.a3 = r.group(c.floor, "A1", "apartments"), r.group(c.floor, "A2", "apartments"), r.group(c.floor, "A3", "apartments")
	r.restrict(c.id, block(50, 20))
	r.restrict(c.building, block(50, 20))
	r.restrict(c.a1, block(50, 20))
	r.restrict(c.a2, block(2, 2))
	return c
}

// Story 12, and with it B-15, B-19 and B-20.
func TestADealerDistributesLicensesAsTheStoryTells(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	admin := h.tree()
	c := admin.company("Residenza")
	dealer := h.treeAs("dealer", "dealer", c.building)

	tenant := dealer.person(c.a3, "Ada Rossi")
	dealer.give(tenant, "sip_numbers", "1001")
	dealer.stands("/groups/"+c.building, "sip_numbers", 50, 1, 49)
	dealer.stands("/groups/"+c.a1, "sip_numbers", 50, 0, 49)
	if line := dealer.stands("/groups/"+c.a2, "sip_numbers", 2, 0, 2); !line.On || !line.Until.IsZero() {
		t.Errorf("A2 has %+v, want it on without a time limit", line)
	}
	if binds := dealer.state("/groups/" + c.a1).Line("sip_numbers").Binds; len(binds) == 0 || !binds[0].Hidden || binds[0].Name != "your company" || binds[0].Limit != 0 || binds[len(binds)-1].Name != "Building A" {
		t.Errorf("what binds A1 is told the dealer as %+v", binds)
	}
	if binds := admin.state("/groups/" + c.a1).Line("sip_numbers").Binds; len(binds) != 2 || binds[0].Name != "Residenza" || binds[1].Used != 1 || binds[1].Limit != 50 {
		t.Errorf("what binds A1 is told an administrator as %+v", binds)
	}

	// Everything on until 1 December of a later year, as B-19 has it.
	dealer.must(http.StatusOK, "PUT", "/groups/"+c.a1+"/licenses", object{"restricted": true, "blocks": []object{{"counts": object{"sip_numbers": 50, "apps": 20}, "until": "2044-12-01"}}})
	if line := dealer.stands("/groups/"+c.a1, "sip_numbers", 50, 0, 49); !line.Until.Equal(time.Date(2044, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("A1 ends %v", line.Until)
	}

	said := dealer.refused(ledger.TooFewSIP, "PUT", "/groups/"+c.a1+"/licenses", object{"restricted": true, "blocks": []object{block(9, 10)}})
	if said.Detail != "applications 10 need SIP numbers 10, 9 given" {
		t.Errorf("10 applications with 9 SIP numbers: %q", said.Detail)
	}
	said = dealer.refused(ledger.BeyondParent, "PUT", "/groups/"+c.a2+"/licenses", object{"restricted": true, "blocks": []object{block(51, 2)}})
	if said.Resource != "sip_numbers" || said.Asked != 51 || said.Most != 50 || said.Offer == nil {
		t.Errorf("51 below 50: %+v", said)
	}

	// A user in two groups, of 3 and of 5.
	three, five := dealer.group(c.building, "Staff", "units"), dealer.group(c.building, "Pool", "units")
	dealer.restrict(three, block(3, 3))
	dealer.restrict(five, block(5, 5))
	guard := dealer.person(three, "Bruno Guard", five)
	dealer.stands("/people/"+guard, "sip_numbers", 3, 0, 3)

	// A child's dates past its parent's.
	admin.must(http.StatusOK, "PUT", "/groups/"+c.building+"/licenses", object{"restricted": true, "blocks": []object{{"counts": object{"sip_numbers": 50, "apps": 20}, "until": "2044-01-01"}}})
	longer := object{"restricted": true, "blocks": []object{{"counts": object{"sip_numbers": 2, "apps": 2}, "until": "2044-06-01"}}}
	said = dealer.refused(ledger.WindowBeyond, "PUT", "/groups/"+c.a3+"/licenses", longer)
	if !strings.Contains(said.Detail, "2044-01-01 with Building A") || said.Offer == nil || !strings.Contains(said.Offer.Text, "2044-01-01") {
		t.Errorf("dates past the parent's: %q, offer %+v", said.Detail, said.Offer)
	}
	longer["clip"] = true
	dealer.must(http.StatusOK, "PUT", "/groups/"+c.a3+"/licenses", longer)
	if line := dealer.state("/groups/" + c.a3).Line("sip_numbers"); !line.Until.Equal(time.Date(2044, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("A3 was cut down to %v", line.Until)
	}

	// A floor that is not restricted is bounded by the fifty of its building.
	dealer.stands("/groups/"+c.floor, "sip_numbers", 50, 1, 49)
	if s := dealer.state("/groups/" + c.floor); s.Restricted || s.Type != ledger.Inherited {
		t.Errorf("the floor is %+v", s)
	}
	// Kill -9 in between: nothing is lost.
	before := h.must(http.StatusOK, "GET", "/ledger/export", nil).body
	h.kill()
	h = h.restart()
	if after := h.must(http.StatusOK, "GET", "/ledger/export", nil).body; !bytes.Equal(before, after) {
		t.Errorf("the ledger had %d bytes, and after kill -9 %d", len(before), len(after))
	}
	h.tree().stands("/groups/"+c.building, "sip_numbers", 50, 1, 49)
}

// Story 12: a thousand at once, with one of fifty in use.
func TestOfAThousandParallelRequestsExactlyFortyNineSucceed(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	admin := h.tree()
	c := admin.company("Residenza")
	admin.must(http.StatusCreated, "POST", "/groups/"+c.a3+"/uses", object{"resource": "sip_numbers", "label": "concierge"})
	const parallel = 1000
	answers := make([]answer, parallel)
	var wait sync.WaitGroup
	for i := range answers {
		wait.Go(func() {
			answers[i] = admin.ask("POST", "/groups/"+c.a1+"/uses", object{"id": fmt.Sprintf("parallel-request-%04d", i), "resource": "sip_numbers"})
		})
	}
	wait.Wait()
	made, refused := 0, 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusCreated:
			made++
		case a.status == http.StatusConflict && strings.Contains(string(a.body), "limit-reached") && strings.Contains(string(a.body), "50 of 50 used"):
			refused++
		default:
			t.Errorf("answered with %d %s", a.status, a.body)
		}
	}
	if made != 49 || refused != 951 {
		t.Errorf("%d were given and %d refused, want 49 and 951", made, refused)
	}
	admin.stands("/groups/"+c.building, "sip_numbers", 50, 50, 0)
	// The answers were lost and all ask once more: nobody gets anything twice.
	h.kill()
	h = h.restart()
	admin = h.tree()
	again := 0
	for i := range answers {
		if a := admin.ask("POST", "/groups/"+c.a1+"/uses", object{"id": fmt.Sprintf("parallel-request-%04d", i), "resource": "sip_numbers"}); a.status == http.StatusCreated {
			if again++; answers[i].status != http.StatusCreated {
				t.Errorf("request %d was refused, and is given now", i)
			}
		}
	}
	if again != 49 {
		t.Errorf("%d of the 49 were told again that they have theirs", again)
	}
	admin.stands("/groups/"+c.building, "sip_numbers", 50, 50, 0)
}

// Story 13 as far as a real clock lets it be played: a package that ends in seconds. Its days and reminders are played on a clock of
// their own in package hub.
func TestAPackageEndsAtItsInstantAndItsRenewalBringsTheSameOnesBack(t *testing.T) {
	t.Parallel()
	r := newRoot(t)
	h := startHub(t, hubSetting{root: r.pub})
	admin := h.tree()
	company := admin.group("", "Residenza", "company")
	flat := admin.group(company, "A1", "apartments")
	plus := func(until time.Time) string {
		return r.license(t, license.Token{Scope: license.ScopeGroup, Subject: []byte(company), Expires: until, Label: "Plus",
			Grants: []license.Grant{{Feature: "sip_numbers", Count: 10}, {Feature: "apps", Count: 10}}})
	}
	ends := time.Now().Add(8 * time.Second).Truncate(time.Second)
	code := plus(ends)
	admin.must(http.StatusCreated, "POST", "/groups/"+company+"/packages", object{"text": code})
	admin.must(http.StatusCreated, "POST", "/groups/"+company+"/packages", object{"text": code}) // again changes nothing
	tenant := admin.person(flat, "Ada Rossi")
	var held []string
	for n := range 4 {
		held = append(held, admin.give(tenant, "sip_numbers", fmt.Sprint(1000+n)))
	}
	admin.must(http.StatusOK, "PUT", "/uses/"+held[3], object{"pinned": true})
	working := func() (on []string) {
		for _, id := range held {
			var use struct{ Active int }
			admin.must(http.StatusOK, "GET", "/uses/"+id, nil).into(t, &use)
			if use.Active == 1 {
				on = append(on, id)
			}
		}
		return on
	}
	if on := working(); len(on) != 4 {
		t.Fatalf("%d of 4 numbers work", len(on))
	}
	h.kill() // and it is down when the package ends
	until(t, "the package has ended", nil, func() bool { return time.Now().After(ends) })
	h = h.restart()
	admin = h.tree()
	h.until("the numbers stop", func() bool { return len(working()) == 0 })
	if s := admin.state("/groups/" + company); s.Type != ledger.Free || s.Line("sip_numbers").Over != 4 || s.Line("sip_numbers").Available != 0 {
		t.Errorf("after the end the company stands on %s with %+v", s.Type, s.Line("sip_numbers"))
	}
	admin.must(http.StatusCreated, "POST", "/groups/"+company+"/packages", object{"text": plus(ends.Add(time.Hour))})
	if on := working(); !slices.Equal(on, held) {
		t.Errorf("after the renewal %v work, want %v", on, held)
	}
	// The Trial is had once, whatever is done with panels and companies.
	admin.must(http.StatusNoContent, "POST", "/groups/"+company+"/trial", object{"registration": "R-1"})
	other := admin.group("", "Another", "company")
	admin.refused(ledger.OnlyOnce, "POST", "/groups/"+other+"/trial", object{"registration": "R-1"})
	if a := admin.ask("POST", "/groups/"+other+"/packages", object{"text": plus(ends.Add(time.Hour))}); a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), "for group "+company) {
		t.Errorf("another company's package: %d %s", a.status, a.body)
	}
}

// Stories 15 and 18: a seat moves at login, a tenant moves out in one action.
func TestASeatMovesAndATenantsThingsGoBackInOneAction(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	admin := h.tree()
	c := admin.company("Residenza")
	tenant := admin.person(c.a1, "Ada Rossi")
	seat := admin.give(tenant, "apps", "old telephone")
	admin.give(tenant, "sip_numbers", "1001")
	admin.must(http.StatusCreated, "POST", "/people/"+tenant+"/uses", object{"resource": "sip_numbers", "label": "1002"})
	admin.stands("/groups/"+c.building, "sip_numbers", 50, 3, 47) // the application needs a number too
	admin.must(http.StatusOK, "PUT", "/uses/"+seat, object{"label": "new telephone"})
	admin.stands("/groups/"+c.building, "apps", 20, 1, 19)
	var use struct{ Label string }
	admin.must(http.StatusOK, "GET", "/uses/"+seat, nil).into(t, &use)
	if use.Label != "new telephone" {
		t.Errorf("the seat is on %q", use.Label)
	}
	var gone struct{ Released []struct{ ID string } }
	admin.must(http.StatusOK, "DELETE", "/people/"+tenant, nil).into(t, &gone)
	if len(gone.Released) != 3 {
		t.Errorf("%d things went back, want 3", len(gone.Released))
	}
	admin.stands("/groups/"+c.building, "sip_numbers", 50, 0, 50)
	admin.stands("/groups/"+c.building, "apps", 20, 0, 20)
	admin.must(http.StatusNotFound, "GET", "/people/"+tenant, nil)
	if export := string(h.must(http.StatusOK, "GET", "/ledger/export", nil).body); strings.Contains(export, "Ada") || strings.Contains(export, "telephone") {
		t.Error("the ledger names whoever moved out")
	}
	var verified struct {
		Whole   bool
		Entries int
	}
	h.must(http.StatusOK, "GET", "/ledger/verify", nil).into(t, &verified)
	if !verified.Whole || verified.Entries == 0 {
		t.Errorf("%+v", verified)
	}
	if out := h.works("ledger", "verify"); !strings.Contains(out, fmt.Sprintf("%d entries fit", verified.Entries)) {
		t.Errorf("doorhub ledger verify says %q", out)
	}
}

// Story 15: whoever takes an entry out of the hub's file, or another's words into it, is found.
func TestAnEntryThatIsGoneOrChangedInTheFileIsFound(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(entries *bbolt.Bucket, first, second []byte) error{
		"gone": func(entries *bbolt.Bucket, _, second []byte) error { return entries.Delete(second) },
		"the newest gone": func(entries *bbolt.Bucket, _, _ []byte) error {
			newest, _ := entries.Cursor().Last()
			return entries.Delete(newest)
		},
		"another's": func(entries *bbolt.Bucket, first, second []byte) error {
			return entries.Put(second, bytes.Clone(entries.Get(first)))
		},
		"damaged": func(entries *bbolt.Bucket, _, second []byte) error {
			return entries.Put(second, bytes.Replace(entries.Get(second), []byte("group.created"), []byte("group.forgery"), 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHub(t, hubSetting{})
			h.tree().company("Residenza")
			h.works("ledger", "verify")
			h.stop()
			files, err := filepath.Glob(filepath.Join(h.data, "*.db"))
			if err != nil || len(files) != 1 {
				t.Fatalf("the hub's file: %v, %v", files, err)
			}
			db, err := bbolt.Open(files[0], 0o600, &bbolt.Options{Timeout: patience})
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bbolt.Tx) error {
				entries := tx.Bucket([]byte("ledger_entries"))
				if entries == nil {
					return errors.New("there is no bucket of entries")
				}
				c := entries.Cursor()
				first, _ := c.First()
				second, _ := c.Next()
				return tamper(entries, bytes.Clone(first), bytes.Clone(second))
			})
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			h = h.restart()
			if code, stdout, stderr := h.command("", "ledger", "verify"); code == 0 {
				t.Errorf("doorhub ledger verify finds nothing: %s%s", stdout, stderr)
			}
		})
	}
}

// Story 23: the owner hands the site to another dealer; the old access dies, nothing is lost.
func TestAnotherDealerHasAllAndTheOldOneNothing(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	admin := h.tree()
	c := admin.company("Residenza")
	old, next, owner := h.treeAs("old-dealer", "dealer", c.building), h.treeAs("new-dealer", "dealer", admin.group(c.id, "Building B", "building")), h.treeAs("owner", "management", c.building)
	tenant := old.person(c.a1, "Ada Rossi")
	use := old.give(tenant, "sip_numbers", "1001")
	next.must(http.StatusNotFound, "GET", "/groups/"+c.building, nil)
	before := old.state("/groups/" + c.building)
	h.must(http.StatusCreated, "POST", "/handovers", object{"group": c.building, "from": []string{"old-dealer"}, "to": "new-dealer", "role": "dealer"})
	var list struct{ Handovers []struct{ ID string } }
	owner.must(http.StatusOK, "GET", "/handovers", nil).into(t, &list)
	if len(list.Handovers) != 1 {
		t.Fatalf("the owner is asked %d times", len(list.Handovers))
	}
	h.kill()
	h = h.restart()
	owner, old, next = h.login("owner"), h.login("old-dealer"), h.login("new-dealer")
	owner.must(http.StatusOK, "POST", "/handovers/"+list.Handovers[0].ID+"/consent", object{"note": "letter of 3 May"})
	old.must(http.StatusUnauthorized, "GET", "/groups/"+c.building, nil) // what he was logged in with has ended
	old = h.login("old-dealer")
	for _, path := range []string{"/groups/" + c.building, "/groups/" + c.a1 + "/state", "/people/" + tenant, "/uses/" + use} {
		if a := old.ask("GET", path, nil); a.status != http.StatusNotFound {
			t.Errorf("the old dealer still has %s: %d %s", path, a.status, a.body)
		}
		next.must(http.StatusOK, "GET", path, nil)
	}
	if after := next.state("/groups/" + c.building); after.Line("sip_numbers").Used != before.Line("sip_numbers").Used || len(after.Blocks) != len(before.Blocks) {
		t.Errorf("the building had %+v and has %+v", before, after)
	}
	next.give(tenant, "sip_numbers", "1002")
}

// strangers are the ids that nobody beside them may learn of, and ids of the same shape that there are not.
type strangers struct{ group, person, use, panel string }

func (s strangers) fill(text string) string {
	return strings.NewReplacer("{group}", s.group, "{person}", s.person, "{use}", s.use, "{panel}", s.panel, "{package}", "4f0c9a2b7d11e84f0c9a2b7d11e84f0c").Replace(text)
}

// Whatever somebody asks about what lies beside or above him is answered, byte for byte, as what does not exist is.
func TestNobodyLearnsOfWhatLiesBesideHim(t *testing.T) {
	t.Parallel()
	h := startHub(t, hubSetting{})
	admin := h.tree()
	theirs, ours := admin.company("Palazzo Segreto"), admin.company("Residenza")
	foreign := strangers{group: theirs.a1, person: admin.person(theirs.a1, "Carla Segreta"), panel: strings.Repeat("a", 26)}
	foreign.use = admin.give(foreign.person, "sip_numbers", "9001")
	nothing := strangers{group: strings.Repeat("0", len(foreign.group)), person: strings.Repeat("0", len(foreign.person)), use: strings.Repeat("0", len(foreign.use)), panel: strings.Repeat("b", 26)}
	var described struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Example object }
			}
		}
	}
	h.must(http.StatusOK, "GET", "/openapi.json", nil).into(t, &described)
	askers := []tree{}
	for _, role := range []string{"distributor", "dealer", "management", "concierge", "technician", "resident", "operator", "viewer"} {
		askers = append(askers, h.treeAs("a-"+role, role, ours.building))
	}
	before := h.must(http.StatusOK, "GET", "/ledger/export", nil).body
	asked := 0
	same := func(asker tree, method, path string, one, other object, who, nobody strangers) {
		a, b := asker.ask(method, who.fill(path), one), asker.ask(method, nobody.fill(path), other)
		if asked++; a.status != b.status || !bytes.Equal(a.body, b.body) || a.status < 400 || strings.Contains(string(a.body), "Segret") {
			t.Errorf("%s %s tells a stranger from nobody: %d %s, and %d %s", method, path, a.status, a.body, b.status, b.body)
		}
	}
	for path, methods := range described.Paths {
		path = strings.TrimPrefix(path, "/api/v1")
		if !strings.HasPrefix(path, "/groups/{") && !strings.HasPrefix(path, "/people/{") && !strings.HasPrefix(path, "/uses/{") {
			continue
		}
		for method, operation := range methods {
			body := operation.RequestBody.Content["application/json"].Example
			for _, asker := range askers {
				same(asker, strings.ToUpper(method), path, body, body, foreign, nothing)
			}
		}
	}
	for _, asker := range askers {
		// Named in a body or a query instead of the address, beside what is one's own.
		own := strangers{group: ours.a1}
		for _, c := range []struct {
			method, path string
			body         func(s strangers) object
		}{
			{"POST", "/groups", func(s strangers) object { return object{"parent": s.group, "name": "x", "level": "apartments"} }},
			{"POST", "/groups/{group}/move", func(s strangers) object { return object{"to": s.group} }},
			{"POST", "/groups/{group}/people", func(s strangers) object { return object{"name": "x", "groups": []string{s.group}} }},
			{"POST", "/groups/{group}/uses", func(s strangers) object { return object{"resource": "sip_numbers", "panel": s.panel} }},
			{"POST", "/groups/{group}/panels", func(s strangers) object { return object{"panel": s.panel} }},
		} {
			same(asker, c.method, c.path, c.body(foreign), c.body(nothing), own, own)
		}
		a, b := asker.ask("GET", "/groups?parent="+foreign.group, nil), asker.ask("GET", "/groups?parent="+nothing.group, nil)
		if a.status != http.StatusNotFound || !bytes.Equal(a.body, b.body) {
			t.Errorf("a stranger's children: %d %s, and nobody's %d %s", a.status, a.body, b.status, b.body)
		}
		for _, path := range []string{"/groups", "/groups?q=Palazzo", "/groups/" + ours.building + "/ledger", "/groups/" + ours.building + "/usage"} {
			// The id of one's own company stands in entries; it opens nothing.
			if a := asker.ask("GET", path, nil); strings.Contains(string(a.body), "Segret") || strings.Contains(string(a.body), theirs.id) || strings.Contains(string(a.body), "Residenza") {
				t.Errorf("GET %s tells of what is beside or above: %s", path, a.body)
			}
		}
	}
	if asked < 200 {
		t.Errorf("only %d questions were asked", asked)
	}
	if after := h.must(http.StatusOK, "GET", "/ledger/export", nil).body; !bytes.Equal(before, after) {
		t.Error("something was changed by whoever had no right to it")
	}
}
