package main_test

import (
	"crypto/ed25519"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorpanel/doorpanel/license/envelope"
)

// dealership is a root and a dealer at the vendor's desk, and panels that trust them.
type dealership struct {
	vendorDesk
	root       ed25519.PublicKey
	delegation string
}

func newDealership(t *testing.T) dealership {
	t.Helper()
	desk := newVendorDesk(t)
	root, err := envelope.ParseKey(desk.must(nil, "keygen", "root", "--unencrypted"))
	if err != nil {
		t.Fatal(err)
	}
	issuer := desk.must(nil, "keygen", "issuer", "--out", "north.key", "--unencrypted")
	delegation := desk.must(nil, "delegate", "--key", "root.key", "--issuer", issuer, "--name", "Dealer North", "--ceiling", "buttons=80", "--ceiling", "access_basic", "--file", "north.delegation")
	return dealership{desk, root, delegation}
}

// panel is one that has heard of the dealer.
func (d dealership) panel(t *testing.T) *panelProcess {
	t.Helper()
	p := startPanel(t, setting{roots: []ed25519.PublicKey{d.root}})
	p.activate(d.delegation)
	p.waitEntry("license.activated", "activated")
	return p
}

type soldPaper struct {
	ID, Text string
	picture  string
}

// sell issues a license of the dealer's and prints it.
func (d dealership) sell(name string, args ...string) (sold soldPaper) {
	d.t.Helper()
	d.must(&sold, append([]string{"issue", "--key", "north.key", "--json", "--out", name + ".png"}, args...)...)
	sold.picture = filepath.Join(d.dir, name+".png")
	return sold
}

type replacement struct {
	Old, New, Text, Holds string
	Forced                bool
	List                  uint64
	ListText              string `json:"list_text"`
}

// features is what a panel may do, as its API says it.
func (p *panelProcess) features() map[string]int {
	p.t.Helper()
	var e struct {
		Features map[string]struct{ Count int }
	}
	p.must(http.StatusOK, "GET", "/entitlements", nil).into(p.t, &e)
	counts := map[string]int{}
	for name, feature := range e.Features {
		counts[name] = feature.Count
	}
	return counts
}

// refuses presents a code that must be refused with this result, and these words.
func (p *panelProcess) refuses(text, result, words string) {
	p.t.Helper()
	a := p.api("POST", "/licenses", object{"token": text})
	if slug, _, detail := a.problem(p.t); a.status != http.StatusUnprocessableEntity || slug != result || !strings.Contains(detail, words) {
		p.t.Errorf("want %s and %q, got %d %s", result, words, a.status, a.body)
	}
}

// released undoes an activation and gives the code that proves it.
func (p *panelProcess) released(id string) string {
	p.t.Helper()
	var order struct{ Code string }
	p.must(http.StatusOK, "POST", "/licenses/"+id+"/release", object{}).into(p.t, &order)
	if !strings.HasPrefix(order.Code, "DF1:") {
		p.t.Fatalf("no release: %+v", order)
	}
	return order.Code
}

// baseline is what no license decides about: the first button, the exit.
func (p *panelProcess) baseline(name string) {
	p.t.Helper()
	if got := p.buttons(); got != 1 {
		p.t.Errorf("%s: %d buttons instead of the free one", name, got)
	}
	p.input("exit", true)
	p.opens("front")
	p.input("exit", false)
}

func TestStory4AReplacedPanelWakesUpAndFindsItselfReleased(t *testing.T) {
	t.Parallel()
	dealer := newDealership(t)
	dead, fresh := dealer.panel(t), dealer.panel(t)
	sold := dealer.sell("villa", "--grant", "access_basic", "--grant", "buttons=3", "--annual", "--panel", dead.id, "--label", "Villa Rosa")
	dead.cliMust("license", "add", sold.picture)
	if dead.buttons() != 4 || dead.features()["access_basic"] != 1 {
		t.Fatalf("%d buttons, %v", dead.buttons(), dead.features())
	}
	dead.kill()
	fresh.refuses(sold.Text, "other-panel", "for panel "+dead.id)

	today := dead.entriesDay(t)
	var again replacement
	dealer.must(&again, "release", "villa.png", "--reason", "dead", "--activated", today, "--key", "north.key", "--root-key", "root.key", "--history", "revoked.txt",
		"--to", fresh.id, "--out", "again.png", "--json")
	if !again.Forced || again.List == 0 || again.Old != sold.ID {
		t.Errorf("%+v", again)
	}
	fresh.cliMust("license", "add", filepath.Join(dealer.dir, "again.png"))
	fresh.activate(again.ListText)
	if fresh.buttons() != 4 || fresh.features()["access_basic"] != 1 {
		t.Errorf("the new panel: %d buttons, %v", fresh.buttons(), fresh.features())
	}

	// The old board was not as dead as it looked: until it hears of the list it goes on, which nobody can prevent without a hub.
	woken := dead.restart()
	if woken.buttons() != 4 {
		t.Errorf("without the list: %d buttons", woken.buttons())
	}
	woken.refuses(again.Text, "other-panel", "for panel "+fresh.id)
	woken.activate(again.ListText)
	woken.baseline("the old panel")
	if got := woken.features(); got["buttons"] != 0 {
		t.Errorf("the old panel still has %v", got)
	}
	woken.refuses(sold.Text, "revoked", "")
	woken.stop()
	woken = woken.restart()
	woken.baseline("the old panel, started again")
}

func TestStory16ADeadBoardsPaperBringsTheLicenseToANewOneAndItsStoreDoesNot(t *testing.T) {
	t.Parallel()
	dealer := newDealership(t)
	dead := dealer.panel(t)
	sold := dealer.sell("villa", "--grant", "buttons=5")
	dead.cliMust("license", "add", sold.picture)
	dead.stop()

	// Somebody puts the dead board's store into another one, without its key.
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := os.ReadFile(filepath.Join(dead.data, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "store.db"), store, 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := startIn(t, setting{roots: []ed25519.PublicKey{dealer.root}}, dir, data)
	if fresh.id == dead.id {
		t.Fatal("the key came along with the store")
	}
	fresh.baseline("a copied store")
	if out := fresh.cliMust("license", "list"); !strings.Contains(out, "copied") {
		t.Errorf("the copy does not explain itself:\n%s", out)
	}
	// The paper does what the store cannot.
	fresh.scanImage(pictureOf(t, sold.picture))
	fresh.waitEntry("license.activated", "activated")
	if got := fresh.buttons(); got != 6 {
		t.Errorf("%d buttons with the paper", got)
	}
	fresh.stop()
	if got := fresh.restart().buttons(); got != 6 {
		t.Errorf("%d buttons after a restart", got)
	}
}

func TestStory17TheWrongPanelInTheVanGivesTheLicenseBack(t *testing.T) {
	t.Parallel()
	dealer := newDealership(t)
	van, right := dealer.panel(t), dealer.panel(t)
	paper := dealer.sell("paper", "--grant", "buttons=5")
	bound := dealer.sell("bound", "--grant", "access_basic", "--annual", "--panel", van.id)
	van.cliMust("license", "add", paper.picture)
	van.cliMust("license", "add", bound.picture)

	// Bound to nobody: the paper and the panel's release do it, at the scanner.
	proof := van.released(paper.ID)
	if got := van.buttons(); got != 1 {
		t.Errorf("the wrong panel still has %d buttons", got)
	}
	van.refuses(paper.Text, "used-elsewhere", "released from this panel")
	var nothing replacement
	dealer.must(&nothing, "release", "paper.png", "--reason", "wrong", "--key", "north.key", "--panel", van.id, "--proof", proof, "--json")
	if nothing.New != "" {
		t.Errorf("%+v", nothing)
	}
	right.scan(proof)
	right.waitEntry("license.activated", "activated")
	if got := right.buttons(); got != 6 {
		t.Errorf("the right panel has %d buttons", got)
	}

	// Issued for the wrong panel: the dealer issues one for the right panel against its release, and nothing is revoked.
	proof = van.released(bound.ID)
	right.refuses(proof, "other-panel", "")
	var moved replacement
	dealer.must(&moved, "release", "bound.png", "--reason", "wrong", "--key", "north.key", "--proof", proof, "--to", right.id, "--json")
	if moved.Forced || moved.List != 0 || !strings.Contains(moved.Holds, "until ") {
		t.Errorf("%+v", moved)
	}
	right.activate(moved.Text)
	if right.features()["access_basic"] != 1 || van.features()["access_basic"] != 0 {
		t.Errorf("right %v, van %v", right.features(), van.features())
	}
	van.refuses(bound.Text, "used-elsewhere", "released from this panel")
	van.stop()
	van = van.restart()
	van.baseline("the wrong panel")

	// A code that was photographed in the warehouse, and is in use at somebody's already: revoked and issued anew, and its panel says so.
	stolen := dealer.sell("stolen", "--grant", "buttons=2", "--label", "Warehouse")
	van.activate(stolen.Text)
	var fresh replacement
	dealer.must(&fresh, "release", stolen.ID, "--sold", stolen.file(t, dealer), "--reason", "wrong", "--key", "north.key", "--root-key", "root.key", "--history", "revoked.txt", "--to", right.id, "--json")
	van.activate(fresh.ListText)
	right.activate(fresh.ListText)
	right.activate(fresh.Text)
	if van.buttons() != 1 || right.buttons() != 8 {
		t.Errorf("%d buttons at the thief's, %d at the owner's", van.buttons(), right.buttons())
	}
	if out := van.cliMust("license", "list"); !strings.Contains(strings.ToLower(out), "revoked") {
		t.Errorf("nobody says why:\n%s", out)
	}
}

// file is a text with the license, as a vendor keeps what was sold.
func (s soldPaper) file(t *testing.T, d dealership) string {
	t.Helper()
	path := filepath.Join(d.dir, s.ID+".txt")
	if err := os.WriteFile(path, []byte(s.Text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pictureOf is a printed code for the camera.
func pictureOf(t *testing.T, path string) (kind string, raw []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return "image/png", raw
}

// entriesDay is the day on which the panel runs, as the installer wrote it down.
func (p *panelProcess) entriesDay(t *testing.T) string {
	t.Helper()
	list := p.entries.all()
	if len(list) == 0 {
		t.Fatal("the journal is empty")
	}
	return list[len(list)-1].Time.UTC().Format("2006-01-02")
}
