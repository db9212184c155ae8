package main_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// stairs starts panels of one house: Stairs A, Stairs B, ...
func stairs(t *testing.T, root signer, count int) []*panelProcess {
	t.Helper()
	var panels []*panelProcess
	for i := range count {
		s := setting{roots: root.roots(), site: fmt.Sprintf("panel = \"Stairs %c\"\n", 'A'+i)}
		panels = append(panels, startPanel(t, s))
	}
	return panels
}

// identity is the code by which other panels know this one.
func (p *panelProcess) identity() string {
	p.t.Helper()
	var who struct{ Panel, Name, Text string }
	p.must(http.StatusOK, "GET", "/identity", nil).into(p.t, &who)
	if who.Panel != p.id || !strings.HasPrefix(who.Text, "DI1:") {
		p.t.Fatalf("the identity is %+v", who)
	}
	return who.Text
}

// moved is what came of giving or giving back.
type moved struct {
	Result, Message string
	Before, After   int
	Stops           []struct {
		Number int
		Label  string
	}
	Code, Name string
}

func (p *panelProcess) give(id string, to *panelProcess, count int) moved {
	p.t.Helper()
	var m moved
	p.must(http.StatusOK, "POST", "/licenses/"+id+"/give", object{"to": to.identity(), "count": count}).into(p.t, &m)
	return m
}

func (p *panelProcess) giveBack(id string, count int) moved {
	p.t.Helper()
	var m moved
	p.must(http.StatusOK, "POST", "/licenses/"+id+"/return", object{"count": count}).into(p.t, &m)
	return m
}

// refused asks for what must be refused, and returns the words.
func (p *panelProcess) refused(slug, path string, body object) (detail string) {
	p.t.Helper()
	a := p.api("POST", path, body)
	got, _, detail := a.problem(p.t)
	if a.status != http.StatusUnprocessableEntity || got != slug {
		p.t.Errorf("%s %v: %d %s, want %s", path, body, a.status, a.body, slug)
	}
	return detail
}

// poolCode is a code that a panel shows again.
type poolCode struct {
	Kind, Code, Panel, Name string
	Count                   int
}

func (p *panelProcess) codes() []poolCode {
	p.t.Helper()
	var list struct{ Codes []poolCode }
	p.must(http.StatusOK, "GET", "/licenses/codes", nil).into(p.t, &list)
	return list.Codes
}

// codeFor is the code of a kind for another panel.
func (p *panelProcess) codeFor(kind string, to *panelProcess) poolCode {
	p.t.Helper()
	for _, c := range p.codes() {
		if c.Kind == kind && (to == nil || c.Panel == to.id) {
			return c
		}
	}
	p.t.Fatalf("there is no code of kind %s: %+v", kind, p.codes())
	return poolCode{}
}

// accept shows a code that must be taken.
func (p *panelProcess) accept(text string) {
	p.t.Helper()
	if a := p.api("POST", "/licenses", object{"token": text}); a.status != http.StatusCreated && a.status != http.StatusOK {
		p.t.Fatalf("%.8s…: %d %s", text, a.status, a.body)
	}
}

// usable compares how many buttons each panel can use, the free one left out.
func usable(t *testing.T, when string, want map[*panelProcess]int) {
	t.Helper()
	for p, n := range want {
		if got := p.buttons() - 1; got != n {
			t.Errorf("%s: %s can use %d licensed buttons, want %d", when, p.setting.site, got, n)
		}
	}
}

func TestStory3TenAreSixAndFour(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	panels := stairs(t, root, 2)
	a, b := panels[0], panels[1]
	pool := token(grant(license.Buttons, 10))
	id := pool.ID.String()
	a.activate(root.license(t, pool))

	// B shows who it is at A's scanner; A knows it by its name from then on, and after a restart.
	a.scan(b.identity())
	a.waitText("Panel recognized")
	if e := a.waitEntry("license.panel", ""); !strings.Contains(e.Detail, "house Stairs B") {
		t.Errorf("written as %v", e)
	}
	a.kill()
	a = a.restart()
	var known struct {
		Panels []struct{ Panel, Name string }
	}
	a.must(http.StatusOK, "GET", "/panels", nil).into(t, &known)
	if len(known.Panels) != 1 || known.Panels[0].Panel != b.id || known.Panels[0].Name != "house Stairs B" {
		t.Fatalf("known are %+v", known)
	}

	// A knows B: its id is enough. What A gives is gone here before B has it.
	var m moved
	a.must(http.StatusOK, "POST", "/licenses/"+id+"/give", object{"to": b.id, "count": 4}).into(t, &m)
	if m.Before != 11 || m.After != 7 || !strings.Contains(m.Message, "6 stay here + 1 free") || m.Name != "house Stairs B" {
		t.Errorf("%+v", m)
	}
	if e := a.waitEntry("license.given", "activated"); e.Who != "root" || !strings.Contains(e.Detail, "4 buttons given to panel house Stairs B") {
		t.Errorf("written as %v", e)
	}
	usable(t, "before B has seen the code", map[*panelProcess]int{a: 6, b: 0})

	// The code was lost with the light: A shows it again, and B takes it from its scanner, once.
	a.kill()
	a = a.restart()
	again := a.codeFor("slice", b)
	if again.Code != m.Code || again.Count != 4 {
		t.Errorf("shown again is %+v", again)
	}
	b.scan(again.Code)
	b.waitText("License activated")
	b.waitEntry("license.taken", "activated")
	usable(t, "when B has it", map[*panelProcess]int{a: 6, b: 4})
	b.scan(again.Code)
	b.waitText("Already active")
	b.kill()
	b = b.restart()
	usable(t, "after B was killed", map[*panelProcess]int{a: 6, b: 4})

	// Nobody else can use it, and B cannot hand it on.
	c := stairs(t, root, 1)[0]
	c.refused("other-panel", "/licenses", object{"token": again.Code})
	b.refused("not-possible", "/licenses/"+id+"/give", object{"to": c.identity(), "count": 1})
	usable(t, "in the end", map[*panelProcess]int{a: 6, b: 4, c: 0})
}

func TestStory3EightyAreFiftyAndThirtyAndWhatIsLoweredIsNeverUsedTwice(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	flats := button(1, "Reception", "")
	for n := 42; n <= 51; n++ {
		flats += button(n, fmt.Sprintf("Flat %d", n), "sip:flat@127.0.0.1:9")
	}
	a := startPanel(t, setting{roots: root.roots(), site: "panel = \"Stairs A\"\n", buttons: flats})
	panels := stairs(t, root, 3)
	b, c := panels[1], panels[2]
	pool := token(grant(license.Buttons, 80))
	id := pool.ID.String()
	a.activate(root.license(t, pool))
	b.accept(a.give(id, b, 30).Code)
	usable(t, "shared out", map[*panelProcess]int{a: 50, b: 30})
	detail := a.refused("pool-exhausted", "/licenses/"+id+"/give", object{"to": c.identity(), "count": 51})
	if !strings.Contains(detail, "80 of 80, 1 too many") || !strings.Contains(detail, "30 given to panel house Stairs B") {
		t.Errorf("51 more are refused with %q", detail)
	}

	// Ten buttons of A are named before they stop; without a yes to these ten nothing happens.
	order := object{"to": b.identity(), "count": 10, "preview": true}
	var preview moved
	a.must(http.StatusOK, "POST", "/licenses/"+id+"/give", order).into(t, &preview)
	if preview.Code != "" || preview.Before != 51 || preview.After != 41 || len(preview.Stops) != 10 || preview.Stops[0].Label != "Flat 42" {
		t.Errorf("the preview is %+v", preview)
	}
	delete(order, "preview")
	var numbers []int
	for _, stop := range preview.Stops {
		numbers = append(numbers, stop.Number)
	}
	for _, confirm := range [][]int{nil, numbers[1:]} {
		order["confirm"] = confirm
		if x := a.api("POST", "/licenses/"+id+"/give", order); x.status != http.StatusConflict || !strings.Contains(string(x.body), "Flat 51") {
			t.Errorf("confirming %v: %d %s", confirm, x.status, x.body)
		}
	}
	usable(t, "nothing confirmed", map[*panelProcess]int{a: 50, b: 30})
	order["confirm"] = numbers
	a.must(http.StatusOK, "POST", "/licenses/"+id+"/give", order)
	a.press(51)
	a.waitTone("refused-not_licensed")
	usable(t, "B is not there yet", map[*panelProcess]int{a: 40, b: 30})
	b.accept(a.codeFor("slice", b).Code)
	usable(t, "lowered to 40", map[*panelProcess]int{a: 40, b: 40})

	// Back again: B's word comes first, A counts it only when it has seen it, however often it is killed.
	detail = b.refused("pool-exhausted", "/licenses/"+id+"/return", object{"count": 41})
	if !strings.Contains(detail, "1 too many") {
		t.Errorf("41 of 40 are refused with %q", detail)
	}
	back := b.giveBack(id, 10)
	if back.After != 31 || back.Code == "" {
		t.Errorf("%+v", back)
	}
	b.waitEntry("license.gave_back", "activated")
	b.kill()
	usable(t, "A has not heard of it", map[*panelProcess]int{a: 40})
	b = b.restart()
	if again := b.codeFor("return", a); again.Code != back.Code {
		t.Errorf("shown again is %+v", again)
	}
	a.scan(back.Code)
	a.waitEntry("license.returned", "activated")
	a.kill()
	a = a.restart()
	usable(t, "given back", map[*panelProcess]int{a: 50, b: 30})
	a.accept(back.Code)
	b.accept(a.codeFor("slice", b).Code)
	usable(t, "shown once more", map[*panelProcess]int{a: 50, b: 30})
	a.press(51)
	a.waitText("Calling Flat 51")
}

// The line is cut at a random moment of giving and taking; whatever was lost is shown again, and in the end all ten are there.
func TestStory3NoKillDoublesOrLosesAButton(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	panels := stairs(t, root, 2)
	a, b := panels[0], panels[1]
	pool := token(grant(license.Buttons, 10))
	id := pool.ID.String()
	a.activate(root.license(t, pool))
	to, total := b.identity(), 0
	for range 5 {
		killedMeanwhile(a, "/licenses/"+id+"/give", object{"to": to, "count": 1})
		a = a.restart()
		given := 0
		for _, c := range a.codes() {
			given = c.Count
		}
		if given < total || given > total+1 {
			t.Fatalf("%d are given, before it were %d", given, total)
		}
		if total = given; a.buttons()-1 != 10-total {
			t.Fatalf("%d are given and %d are here", total, a.buttons()-1)
		}
		if total == 0 {
			continue
		}
		killedMeanwhile(b, "/licenses", object{"token": a.codeFor("slice", b).Code})
		b = b.restart()
		if got := b.buttons() - 1; got > total {
			t.Fatalf("B uses %d, %d are given", got, total)
		}
		b.accept(a.codeFor("slice", b).Code)
		usable(t, "after a kill", map[*panelProcess]int{a: 10 - total, b: total})
	}
	if total == 0 { // every one was killed before it was stored
		b.accept(a.give(id, b, 3).Code)
	}
	for left := b.buttons() - 1; left > 0; left = b.buttons() - 1 {
		killedMeanwhile(b, "/licenses/"+id+"/return", object{"count": left})
		b = b.restart()
	}
	a.accept(b.codeFor("return", a).Code)
	usable(t, "all came back", map[*panelProcess]int{a: 10, b: 0})
}

// killedMeanwhile asks for something and kills the panel while it is at it: before it is stored, after, or after the answer.
func killedMeanwhile(p *panelProcess, path string, body object) {
	p.t.Helper()
	begun, answered := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(answered)
		close(begun)
		_, _ = try(p.socket, "POST", "http://doorpanel/api/v1"+path, body) // it may be cut off
	}()
	<-begun
	select {
	case <-answered:
	case <-time.After(time.Duration(rand.IntN(6000)) * time.Microsecond):
	}
	p.kill()
	<-answered
}

func TestStory5AStoreFromYesterdayDoesNotBringBackWhatWasGiven(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	panels := stairs(t, root, 2)
	a, b := panels[0], panels[1]
	pool := token(grant(license.Buttons, 10))
	id := pool.ID.String()
	a.activate(root.license(t, pool))
	backup := filepath.Join(t.TempDir(), "panel.tar.gz")
	a.cliMust("backup", backup)
	a.stop()
	yesterday := filepath.Join(t.TempDir(), "yesterday")
	copyTree(t, a.data, yesterday)
	a = a.restart()
	b.accept(a.give(id, b, 4).Code)
	a.stop()
	usable(t, "today", map[*panelProcess]int{b: 4})

	// The store alone is set back: the journal knows better.
	putBack(t, yesterday, a.data, "store.db")
	a = a.restart()
	usable(t, "the store of yesterday", map[*panelProcess]int{a: 6})
	a.waitEntry("license.restored", "")
	a.stop()
	a.cliMust("restore", backup)
	a = a.restart()
	usable(t, "the backup of yesterday", map[*panelProcess]int{a: 6})
	a.stop()

	// The journal is lost, too: the backup is merged with the store that was there.
	if err := os.RemoveAll(filepath.Join(a.data, "journal")); err != nil {
		t.Fatal(err)
	}
	a.cliMust("restore", backup)
	a = a.restart()
	usable(t, "the backup of yesterday without a journal", map[*panelProcess]int{a: 6})
	a.stop()

	// Everything is set back: this panel alone cannot know. At the next contact with what B has, it learns.
	if err := os.RemoveAll(a.data); err != nil {
		t.Fatal(err)
	}
	copyTree(t, yesterday, a.data)
	a = a.restart()
	usable(t, "everything of yesterday", map[*panelProcess]int{a: 10, b: 4})
	learned := b.codeFor("slice", a)
	a.scan(learned.Code)
	a.waitText("Shares brought up to date")
	a.kill()
	a = a.restart()
	usable(t, "after the contact", map[*panelProcess]int{a: 6, b: 4})
}

// copyTree copies a data directory; what is open in it is left out.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, relative), 0o700)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func putBack(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStory5AStoreOnAnotherBoardGivesNothing(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	a := stairs(t, root, 1)[0]
	pool := root.license(t, token(grant(license.Buttons, 10)))
	a.activate(pool)
	a.stop()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	copyTree(t, a.data, data)
	if err := os.RemoveAll(filepath.Join(data, "keys")); err != nil {
		t.Fatal(err)
	}
	clone := startIn(t, setting{roots: root.roots()}, dir, data)
	a = a.restart()
	usable(t, "copied", map[*panelProcess]int{a: 10, clone: 0})
	if said := string(clone.must(http.StatusOK, "GET", "/licenses", nil).body); !strings.Contains(said, "this store was copied") || !strings.Contains(said, a.id) {
		t.Errorf("the clone says %s", said)
	}
	// The paper is scanned again there: two panels claim it now, and as soon as they meet the first one keeps it.
	clone.clock(time.Now().Add(time.Hour), true)
	clone.accept(pool)
	usable(t, "claimed twice", map[*panelProcess]int{a: 10, clone: 10})
	b := stairs(t, root, 2)[1]
	var list struct{ Licenses []struct{ ID, Status string } }
	a.must(http.StatusOK, "GET", "/licenses", nil).into(t, &list)
	code := a.give(list.Licenses[0].ID, b, 4).Code
	clone.refused("used-elsewhere", "/licenses", object{"token": code})
	clone.kill()
	clone = clone.restart()
	usable(t, "after they met", map[*panelProcess]int{a: 6, clone: 0})
	clone.refused("used-elsewhere", "/licenses", object{"token": pool})
}

func TestStory17AnActivationOnTheWrongPanelIsUndone(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	panels := stairs(t, root, 2)
	van, house := panels[0], panels[1]
	paid := token(grant(license.Buttons, 10))
	paid.Term = license.Term{Years: 1}
	paper, id := root.license(t, paid), paid.ID.String()
	van.activate(paper)
	var released moved
	van.must(http.StatusOK, "POST", "/licenses/"+id+"/release", object{}).into(t, &released)
	if released.Before != 11 || released.After != 1 || !strings.HasPrefix(released.Code, "DF1:") {
		t.Fatalf("%+v", released)
	}
	van.waitEntry("license.released", "activated")
	van.kill()
	van = van.restart()
	usable(t, "released", map[*panelProcess]int{van: 0, house: 0})
	if detail := van.refused("used-elsewhere", "/licenses", object{"token": paper}); !strings.Contains(detail, "released from this panel") {
		t.Errorf("the paper again: %q", detail)
	}
	house.scan(van.codeFor("release", nil).Code)
	house.waitText("License activated")
	house.kill()
	house = house.restart()
	usable(t, "in the right place", map[*panelProcess]int{van: 0, house: 10})

	// After a week it is final.
	house.clock(time.Now().AddDate(0, 0, 8), true)
	house.clock(time.Now().AddDate(0, 0, 8), true)
	if detail := house.refused("not-possible", "/licenses/"+id+"/release", object{}); !strings.Contains(detail, "7 days") {
		t.Errorf("after a week: %q", detail)
	}
}

func TestStory2AnAccountsLicenseWaitsUntilItIsKnownForWhom(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	p.setup()
	for _, user := range []string{"ines", "marco"} {
		p.must(http.StatusOK, "PUT", "/users/"+user, object{"role": "resident", "password": password})
	}
	seat := token(grant("app_remote", 1))
	seat.Scope = license.ScopeAccount
	p.activate(root.license(t, seat))
	status := func(want, account string) {
		t.Helper()
		var list struct {
			Licenses []struct{ Status, Account string }
		}
		p.must(http.StatusOK, "GET", "/licenses", nil).into(t, &list)
		if len(list.Licenses) != 1 || list.Licenses[0].Status != want || list.Licenses[0].Account != account {
			t.Errorf("%+v, want %s for %q", list.Licenses, want, account)
		}
	}
	status("waiting", "")
	p.must(http.StatusOK, "PUT", "/licenses/"+seat.ID.String()+"/account", object{"account": "ines"})
	p.waitEntry("license.assigned", "activated")
	p.kill()
	p = p.restart()
	status("active", "ines")
	p.must(http.StatusOK, "PUT", "/licenses/"+seat.ID.String()+"/account", object{"account": "marco"})
	status("active", "marco")
}

func TestStory21APanelWithoutAHubSaysThirtyDaysAheadThatItsYearEnds(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	p := startPanel(t, setting{roots: root.roots()})
	year := token(grant(license.AccessBasic, 1))
	year.Term = license.Term{Years: 1}
	p.activate(root.license(t, year))
	type overviewLine struct {
		Feature, Why string
		Status       license.Status
	}
	line := func() overviewLine {
		t.Helper()
		var all struct{ Overview []overviewLine }
		p.must(http.StatusOK, "GET", "/entitlements", nil).into(t, &all)
		i := slices.IndexFunc(all.Overview, func(l overviewLine) bool { return l.Feature == license.AccessBasic })
		if i < 0 {
			t.Fatal("there is no line for access control")
		}
		return all.Overview[i]
	}
	if l := line(); l.Status != license.Active {
		t.Errorf("at the beginning: %+v", l)
	}
	for day := 1; day <= 340; day += 23 { // the mark follows the clock a day at a time
		p.clock(time.Now().AddDate(0, 0, day), true)
	}
	p.clock(time.Now().AddDate(0, 0, 340), true)
	// Rights follow a clock that was set on their own, right after it.
	l, patience := line(), time.Now().Add(10*time.Second)
	for l.Status != license.Ending && time.Now().Before(patience) {
		l = line()
	}
	if l.Status != license.Ending || !strings.Contains(l.Why, "nds on") {
		t.Errorf("25 days before its end: %+v", l)
	}
}

func TestStory3OnTheCommandLineWithAndWithoutADaemon(t *testing.T) {
	t.Parallel()
	root := newSigner(t)
	flats := button(1, "Reception", "") + button(8, "Studio Verdi", "sip:verdi@127.0.0.1:9")
	a := startPanel(t, setting{roots: root.roots(), site: "panel = \"Stairs A\"\n", buttons: flats})
	b := stairs(t, root, 2)[1]
	pool, other := token(grant(license.Buttons, 10)), token(grant(license.SIP, 1))
	pool.Label = "Villa Rosa"
	for _, k := range []license.Token{pool, other} {
		a.activate(root.license(t, k))
	}
	identity := saved(t, "b.txt", []byte(b.cliMust("license", "identity")))
	for n, way := range []string{"daemon", "no daemon"} {
		if way == "no daemon" {
			a.stop()
			b.stop()
		}
		preview := a.cli("license", "slice", "4", "--to", "@"+identity, "--preview")
		if preview.code != 0 || preview.out != "" || !strings.Contains(preview.stderr, "4 buttons given to panel house Stairs B") {
			t.Errorf("%s: %v", way, preview)
		}
		switch n {
		case 0: // button 8 stops with the fourth one that goes
			a.cliFails("Buttons 8 Studio Verdi would stop; nothing was changed", "license", "slice", "4", "--to", "@"+identity)
		default:
			a.cliFails("pool-exhausted", "license", "slice", pool.ID.String()[:8], "7", "--to", b.id, "--yes")
		}
		picture := filepath.Join(t.TempDir(), "slice.png")
		code := strings.TrimSpace(a.cliMust("license", "slice", "4", "--to", "@"+identity, "--yes", "--out", picture))
		if !strings.Contains(a.cliMust("license", "codes"), code) {
			t.Errorf("%s: the code is not shown again", way)
		}
		if out := b.cliMust("license", "add", picture); !strings.HasPrefix(out, "activated: 4 buttons added") {
			t.Errorf("%s: %s", way, out)
		}
		table := a.cliMust("license", "list")
		for _, want := range []string{"FEATURE", "Villa Rosa", fmt.Sprint(10 - 4*(n+1)), pool.ID.String()} {
			if !strings.Contains(table, want) {
				t.Errorf("%s: the list says nothing of %q:\n%s", way, want, table)
			}
		}
	}
	b.cliFails("1 too many", "license", "return", "9")
	back := strings.TrimSpace(b.cliMust("license", "return", "8"))
	if out := a.cliMust("license", "add", back); !strings.HasPrefix(out, "activated: 8 buttons came back") {
		t.Error(out)
	}
	a.cliFails("cannot find a license", "license", "release", "zz")
	a.cliFails("there is no user", "license", "assign", other.ID.String()[:6], "root")
	if out := a.cliMust("license", "release", other.ID.String()[:6]); !strings.HasPrefix(out, "DF1:") {
		t.Error(out)
	}
	a, b = a.restart(), b.restart()
	usable(t, "in the end", map[*panelProcess]int{a: 10, b: 0})
}
