package ledger_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doorpanel/doorpanel/hub/ledger"
)

// histories runs a property over random histories: as many as -rapid.checks says, else so many.
func histories(t *testing.T, number int, property func(*rapid.T)) {
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if asked {
		rapid.Check(t, property)
		return
	}
	for i := range (number + 99) / 100 {
		t.Run(fmt.Sprint(i), func(t *testing.T) { rapid.Check(t, property) })
	}
}

// recount is everything that the records keep as sums, counted anew from the records without sums, slowly.
type recount struct {
	m      *memory
	at     time.Time
	counts map[string]*ledger.Counters // by "g/" or "u/" and the id
	active map[string]int              // by use
}

func (c *recount) path(group string) (path []string) {
	for id := group; id != ""; id = c.m.groups[id].Parent {
		path = append(path, id)
	}
	return path // lowest first
}

func (c *recount) of(key string) *ledger.Counters {
	if c.counts[key] == nil {
		c.counts[key] = &ledger.Counters{}
	}
	return c.counts[key]
}

func (c *recount) own(l ledger.Limits, devices int) ledger.Amounts { return naiveOwn(l, devices, c.at) }

// naiveOwn is and T-26 once more.
func naiveOwn(l ledger.Limits, devices int, at time.Time) (own ledger.Amounts) {
	if !l.Restricted {
		for r := range own {
			own[r] = ledger.Unlimited
		}
		return own
	}
	for _, trial := range []bool{false, true} {
		found := false
		for _, b := range l.Blocks {
			if (b.Source == ledger.FromTrial) != trial || at.Before(b.From) || !b.Until.IsZero() && !at.Before(b.Until) {
				continue
			}
			found = true
			for r := range own {
				own[r] = min(own[r]+b.Counts[r], ledger.Unlimited)
			}
		}
		if found {
			if own[ledger.Panels] == 0 {
				own[ledger.Panels] = ledger.Unlimited
			}
			return own
		}
	}
	own[ledger.SIPNumbers], own[ledger.Apps], own[ledger.Panels] = 2*devices, 2*devices, ledger.Unlimited
	return own
}

// ways are the keys of the nodes above a use or user, each once, and for each the restricted nodes strictly below it on some way.
func (c *recount) ways(groups []string, user string) (keys []string, cut map[string]bool) {
	cut = map[string]bool{}
	for _, g := range groups {
		below := user != "" && c.m.users[user].Restricted
		for _, id := range c.path(g) {
			if !slices.Contains(keys, "g/"+id) {
				keys = append(keys, "g/"+id)
			}
			cut["g/"+id] = cut["g/"+id] || below
			below = below || c.m.groups[id].Restricted
		}
	}
	if user != "" {
		keys = append(keys, "u/"+user)
	}
	return keys, cut
}

func count(m *memory, at time.Time) *recount {
	c := &recount{m: m, at: at, counts: map[string]*ledger.Counters{}, active: map[string]int{}}
	for _, d := range m.devices {
		if d.ReplacedBy == "" {
			for _, id := range c.path(d.Group) {
				c.of("g/"+id).Devices++
			}
		}
	}
	for _, g := range m.groups {
		c.of("g/" + g.ID)
		if g.Archived.IsZero() {
			for _, id := range c.path(g.ID)[1:] {
				c.of("g/"+id).Groups++
			}
		}
	}
	for _, u := range m.users {
		c.of("u/" + u.ID)
		for _, g := range u.Groups {
			for _, id := range c.path(g) {
				c.of("g/"+id).Users++
				if len(u.Groups) > 1 {
					c.of("g/"+id).Several++
				}
			}
		}
	}
	c.admit()
	for _, u := range m.uses {
		keys, cut := c.ways(u.Groups, u.User)
		for _, key := range keys {
			n := c.of(key)
			for r, need := range u.Needs() {
				n.Used[r] += need
				n.Active[r] += need / u.Count * c.active[u.ID]
				if !cut[key] {
					n.Outside[r] += need
				}
			}
		}
	}
	c.reserve()
	return c
}

func (c *recount) admit() {
	uses := make([]ledger.Use, 0, len(c.m.uses))
	for _, u := range c.m.uses {
		uses = append(uses, u)
	}
	slices.SortFunc(uses, func(a, b ledger.Use) int {
		if a.Pinned != b.Pinned {
			return map[bool]int{true: -1, false: 1}[a.Pinned]
		}
		if d := a.Since.Compare(b.Since); d != 0 {
			return d
		}
		return map[bool]int{true: -1, false: 1}[a.ID < b.ID]
	})
	taken := map[string]ledger.Amounts{}
	for _, u := range uses {
		keys, _ := c.ways(u.Groups, u.User)
		for c.active[u.ID] < u.Count && c.roomForOne(keys, u, taken) {
			c.active[u.ID]++
			for _, key := range keys {
				sum := taken[key]
				for r, need := range u.Needs() {
					sum[r] += need / u.Count
				}
				taken[key] = sum
			}
		}
	}
}

func (c *recount) roomForOne(keys []string, u ledger.Use, taken map[string]ledger.Amounts) bool {
	for _, key := range keys {
		own := c.own(c.limits(key), c.of(key).Devices)
		for r, need := range u.Needs() {
			if need > 0 && taken[key][r]+1 > own[r] {
				return false
			}
		}
	}
	return true
}

func (c *recount) limits(key string) ledger.Limits {
	if key[0] == 'u' {
		return c.m.users[key[2:]].Limits
	}
	return c.m.groups[key[2:]].Limits
}

func (c *recount) reserve() {
	add := func(to string, own ledger.Amounts) {
		n := c.of(to)
		for r := range own {
			if own[r] < ledger.Unlimited { // what is not limited is no promise
				n.Reserved[r] += own[r]
			}
		}
	}
	for _, g := range c.m.groups {
		if g.Restricted && g.Archived.IsZero() {
			for _, id := range c.path(g.ID)[1:] {
				add("g/"+id, c.own(g.Limits, c.of("g/"+g.ID).Devices))
				if c.m.groups[id].Restricted {
					break
				}
			}
		}
	}
	for _, u := range c.m.users {
		if !u.Restricted {
			continue
		}
		reached := map[string]bool{}
		for _, g := range u.Groups {
			for _, id := range c.path(g) {
				reached[id] = true
				if c.m.groups[id].Restricted {
					break
				}
			}
		}
		for id := range reached {
			add("g/"+id, c.own(u.Limits, 0))
		}
	}
}

// check compares the records with what they should say.
func (c *recount) check(t *rapid.T) {
	for id, g := range c.m.groups {
		if got, want := g.Count, *c.of("g/" + id); got != want {
			t.Fatalf("group %s counts\n%+v, recounted\n%+v", id, got, want)
		}
		own := c.own(g.Limits, g.Count.Devices)
		for r := range own {
			if g.Count.Active[r] > own[r] {
				t.Fatalf("group %s: %d active of %d", id, g.Count.Active[r], own[r])
			}
		}
		for _, b := range g.Blocks {
			if b.Counts[ledger.Apps] > b.Counts[ledger.SIPNumbers] {
				t.Fatalf("group %s, block %s: %v", id, b.ID, b.Counts)
			}
		}
	}
	for id, u := range c.m.users {
		want := *c.of("u/" + id)
		if u.Count.Used != want.Used || u.Count.Active != want.Active {
			t.Fatalf("user %s counts\n%+v, recounted\n%+v", id, u.Count, want)
		}
	}
	for id, u := range c.m.uses {
		if u.Active != c.active[id] {
			t.Fatalf("use %s: %d active, recounted %d", id, u.Active, c.active[id])
		}
	}
	c.checkEdges(t)
}

func (c *recount) checkEdges(t *rapid.T) {
	want := map[ledger.Edge]bool{}
	note := func(l ledger.Limits, group, user string) {
		if !l.Restricted {
			return
		}
		for _, b := range l.Blocks {
			for _, at := range []time.Time{b.From, b.Until} {
				if !at.IsZero() {
					want[ledger.Edge{Kind: ledger.WindowEdge, At: at, Group: group, User: user}] = true
				}
			}
		}
	}
	for _, g := range c.m.groups {
		if g.Archived.IsZero() {
			note(g.Limits, g.ID, "")
		}
	}
	for _, u := range c.m.users {
		note(u.Limits, "", u.ID)
	}
	got := map[ledger.Edge]bool{}
	for _, e := range c.m.edges {
		if e.Kind == ledger.WindowEdge {
			got[e] = true
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("edges %v, recounted %v", got, want)
	}
}

// history plays people who do all that can be done, at random, with little of everything so that limits are met often.
type history struct {
	*rapid.T
	m      *memory
	now    time.Time
	number int
}

func (h *history) one(what string, of ...string) string { return rapid.SampledFrom(of).Draw(h.T, what) }

func (h *history) some(what string, most int) int { return rapid.IntRange(0, most).Draw(h.T, what) }

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m)+1)
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return append(keys, "nobody")
}

func (h *history) aGroup() string { return h.one("group", sortedKeys(h.m.groups)...) }
func (h *history) aUser() string  { return h.one("user", sortedKeys(h.m.users)...) }
func (h *history) aUse() string   { return h.one("use", sortedKeys(h.m.uses)...) }
func (h *history) aPanel() string { return panelID(h.some("panel", 4)) }

func (h *history) fresh() string {
	h.number++
	return fmt.Sprintf("n%03d", h.number)
}

func (h *history) aLimits() ledger.Limits {
	l := ledger.Limits{Restricted: h.some("restricted", 3) > 0}
	if h.some("reserved", 3) == 0 {
		l.Mode = ledger.Reserved
	}
	for i := range h.some("blocks", 2) {
		numbers := h.some("numbers", 6)
		b := ledger.Block{ID: fmt.Sprint("b", i), Counts: pairs(numbers, h.some("apps", numbers))}
		b.Counts[ledger.Buttons] = h.some("buttons", 4)
		b.Counts[ledger.Panels] = h.some("panels", 3)
		if h.some("from", 3) == 0 {
			b.From = h.now.Add(time.Duration(h.some("begins", 4)-2) * 24 * time.Hour)
		}
		if h.some("until", 1) == 0 {
			b.Until = h.now.Add(time.Duration(1+h.some("ends", 5)) * 24 * time.Hour)
		}
		if h.some("reminder", 3) == 0 {
			b.Reminder = &ledger.Reminder{Days: 1 + h.some("days", 3), Every: ledger.Daily}
		}
		l.Blocks = append(l.Blocks, b)
	}
	return l
}

func (h *history) aChange() ledger.Change {
	switch h.some("change", 24) {
	case 0, 1:
		parent := h.aGroup()
		return ledger.CreateGroup{Group: ledger.Group{ID: h.fresh(), Parent: parent, Name: "x", Level: h.one("level", "building", "units", "floors", "apartments")}}
	case 2, 3, 4:
		return ledger.SaveLicenses{Group: h.aGroup(), Limits: h.aLimits(), Clip: h.some("clip", 1) == 1, Above: h.some("above", 5) > 0}
	case 5:
		return ledger.MoveGroup{ID: h.aGroup(), To: h.aGroup()}
	case 6:
		if g := h.aGroup(); h.some("archive", 1) == 0 {
			return ledger.ArchiveGroup{ID: g}
		}
		return ledger.RestoreGroup{ID: h.aGroup()}
	case 7, 8:
		u := ledger.User{ID: h.fresh(), Groups: []string{h.aGroup(), h.aGroup()}}
		if h.some("own", 2) == 0 {
			u.Limits = h.aLimits()
			u.Mode = ""
		}
		return ledger.AddUser{User: u, Clip: true}
	case 9:
		groups := []string{h.aGroup(), h.aGroup()}
		change := ledger.EditUser{ID: h.aUser(), Groups: &groups}
		if h.some("own", 1) == 0 {
			l := h.aLimits()
			l.Mode = ""
			change.Limits = &l
		}
		return change
	case 10:
		return ledger.RemoveUser{ID: h.aUser()}
	case 11, 12, 13, 14:
		return h.aConsume()
	case 15:
		return ledger.Release{Use: h.aUse()}
	case 16:
		return ledger.Pin{Use: h.aUse(), On: h.some("on", 2) > 0}
	case 17:
		return ledger.Resize{Use: h.aUse(), Count: 1 + h.some("count", 4)}
	case 18:
		return ledger.RegisterDevice{ID: h.aPanel(), Group: h.aGroup(), Found: h.some("found", 1) == 0}
	case 22, 23, 24:
		c := ledger.Allot{Pool: packageID(h.some("pool", 1)), Panel: h.aPanel(), Count: h.some("count", 4), Found: h.some("found", 2) == 0}
		c.Gives = h.some("gives", c.Count)
		return c
	case 19:
		if h.some("replace", 1) == 0 {
			return ledger.ReplaceDevice{Dead: h.aPanel(), Fresh: h.aPanel(), Approved: true}
		}
		return ledger.RemoveDevice{ID: h.aPanel()}
	case 20:
		id := packageID(h.some("package", 3))
		switch h.some("paper", 2) {
		case 0:
			return ledger.UndoPackage{ID: id}
		case 1:
			return ledger.RevokePackage{ID: id}
		}
		numbers := h.some("numbers", 8)
		return ledger.ActivatePackage{Root: "root", ID: id, Grant: grants(numbers, h.some("apps", numbers), "guests"), Until: h.now.Add(time.Duration(1+h.some("ends", 5)) * 24 * time.Hour)}
	}
	return ledger.StartTrial{Root: "root", Registration: h.one("registration", "one", "two")}
}

func (h *history) aConsume() ledger.Consume {
	c := ledger.Consume{ID: h.fresh(), Resource: rapid.SampledFrom([]ledger.Resource{ledger.SIPNumbers, ledger.SIPNumbers, ledger.Apps, ledger.Buttons}).Draw(h.T, "resource")}
	if c.Resource == ledger.Buttons {
		c.Count = 1 + h.some("count", 3)
	}
	if h.some("whose", 2) == 0 {
		c.User = h.aUser()
	} else {
		c.Group = h.aGroup()
	}
	if h.some("on panel", 3) == 0 {
		c.Panel = h.aPanel()
	}
	return c
}

func (h *history) decide(m *memory, change ledger.Change) (ledger.Changes, *ledger.Refusal) {
	c, err := ledger.Decide(m, ledger.Request{At: h.now, Who: "anna"}, change)
	if err == nil {
		return c, nil
	}
	r, ok := err.(*ledger.Refusal)
	if !ok {
		h.Fatalf("%s: %v", change.What(), err)
	}
	return ledger.Changes{}, r
}

func begin(t *rapid.T) *history {
	h := &history{T: t, m: newMemory(), now: start}
	for _, change := range []ledger.Change{
		ledger.CreateGroup{Group: ledger.Group{ID: "root", Name: "root"}},
		ledger.CreateGroup{Group: ledger.Group{ID: "b1", Parent: "root", Name: "b1", Level: "building"}},
		ledger.CreateGroup{Group: ledger.Group{ID: "b2", Parent: "root", Name: "b2", Level: "building"}},
		ledger.CreateGroup{Group: ledger.Group{ID: "f1", Parent: "b1", Name: "f1", Level: "floors"}},
		ledger.CreateGroup{Group: ledger.Group{ID: "other", Name: "other", Limits: limits(block("b", sip(3)))}},
		ledger.SaveLicenses{Above: true, Group: "root", Limits: h.aLimits()},
	} {
		if c, r := h.decide(h.m, change); r == nil {
			h.m.write(c)
		}
	}
	return h
}

func TestWhateverIsDoneTheRecordsSayWhatTheyShould(t *testing.T) {
	histories(t, 2_000, func(t *rapid.T) {
		h := begin(t)
		for range rapid.IntRange(5, 40).Draw(t, "steps") {
			switch h.some("time", 5) {
			case 0:
				h.now = h.now.Add(time.Duration(h.some("hours", 60)) * time.Hour)
			case 1:
				h.now = h.now.Add(time.Minute)
			case 2:
				if h.some("clock", 9) == 0 {
					h.now = h.now.Add(-time.Duration(h.some("back", 72)) * time.Hour)
				}
			}
			if h.some("crash", 9) == 0 {
				h.m = h.m.reload()
			}
			h.step(h.aChange())
			count(h.m, h.m.mark.At).check(t)
		}
		if n, err := ledger.Verify(func(yield func(ledger.Entry, error) bool) {
			for _, e := range h.m.reload().entries {
				if !yield(e, nil) {
					return
				}
			}
		}, h.m.mark); err != nil {
			t.Fatalf("%d entries whole: %v", n, err)
		}
	})
}

// step makes a change and holds it to what is promised of every change.
func (h *history) step(change ledger.Change) {
	var line ledger.Line
	if c, ok := change.(ledger.Consume); ok {
		s, err := ledger.StateOf(h.m, h.now, c.Subject(), everyone)
		if err == nil {
			line = s.Line(c.Resource.String())
		}
	}
	before := h.m.image()
	c, r := h.decide(h.m, change)
	h.Logf("at %s %s %+v: %v", h.now.Format("02 15:04"), change.What(), change, r)
	if after := h.m.image(); string(before) != string(after) {
		h.Fatalf("%s changed records while it was decided", change.What())
	}
	if c, ok := change.(ledger.Consume); ok {
		h.explained(c, line, r)
	}
	if r != nil {
		return
	}
	h.suspendsNobody(change, c)
	elapsed := !h.m.mark.At.Equal(h.now)
	instants := []time.Time{h.now}
	for _, e := range slices.Concat(h.m.edges, c.Edges) {
		if e.Kind == ledger.WindowEdge && e.At.After(h.now) {
			instants = append(instants, e.At)
		}
	}
	missed := h.promises(instants)
	h.m.write(c)
	if a, gave := change.(ledger.Allot); gave && h.m.devices[a.Panel].ID != "" && !h.m.devices[a.Panel].Gone() {
		if _, works, found, err := ledger.ShareOf(h.m, a.Pool, a.Panel); works < a.Gives || found != (a.Count > 0) || err != nil {
			h.Fatalf("%+v was accepted: %d work of what is given, %v %v", a, works, found, err)
		}
	}
	if text, err := json.Marshal(c); err != nil || len(text) == 0 {
		h.Fatalf("changes of %s cannot be written: %v", change.What(), err)
	}
	if a, counted := change.(ledger.Allot); counted && a.Found {
		return // what is there already is not refused
	}
	if _, removed := change.(ledger.RemoveDevice); removed || elapsed {
		return // time and a panel that is gone may leave less than was promised
	}
	switch change.(type) {
	case ledger.RevokePackage, ledger.ReplaceDevice, ledger.RegisterDevice:
		return
	case ledger.StartTrial, ledger.ActivatePackage, ledger.UndoPackage:
		instants = instants[:1] // what they give has an end of its own
	}
	for key, missing := range h.promises(instants) {
		if missing > missed[key] {
			h.Fatalf("%s %+v was accepted: %s is %d short of what it reserves, before %d", change.What(), change, key, missing, missed[key])
		}
	}
}

// suspendsNobody holds what people decide to leaving everybody active: only time, a revocation, a panel that goes and a pin
// suspend somebody.
func (h *history) suspendsNobody(change ledger.Change, c ledger.Changes) {
	switch change := change.(type) {
	case ledger.RemoveDevice, ledger.ReplaceDevice, ledger.RevokePackage, ledger.Pin:
		return
	case ledger.RegisterDevice:
		if change.Found {
			return
		}
	case ledger.Allot:
		if change.Found {
			return
		}
	}
	for _, e := range c.Entries {
		if e.What == change.What() && len(e.Stopped) > 0 {
			h.Fatalf("%s %+v suspended %v", change.What(), change, e.Stopped)
		}
	}
}

// promises is how much each reserved group is short, by resource and instant, of which the first is now.
func (h *history) promises(instants []time.Time) map[string]int {
	short := map[string]int{}
	for _, g := range h.m.groups {
		if g.Mode != ledger.Reserved {
			continue
		}
		h.shortOf(short, instants)
		break
	}
	return short
}

func (h *history) shortOf(short map[string]int, instants []time.Time) {
	for i, at := range instants {
		c := count(h.m, at)
		for id, g := range h.m.groups {
			if !g.Restricted || g.Mode != ledger.Reserved || !g.Archived.IsZero() {
				continue
			}
			own, n := naiveOwn(g.Limits, g.Count.Devices, at), c.of("g/"+id)
			for r := range own {
				promised := n.Reserved[r]
				if i == 0 {
					promised += n.Outside[r]
				}
				short[fmt.Sprint(id, r, at.Unix())] = max(0, promised-own[r])
			}
		}
	}
}

// explained holds a refusal to what the state said before: who binds there is who refuses.
func (h *history) explained(c ledger.Consume, line ledger.Line, r *ledger.Refusal) {
	asked := max(c.Count, 1)
	switch {
	case line.Name == "" || r != nil && r.Reason != ledger.LimitReached:
	case r == nil && line.Available < asked:
		h.Fatalf("%d %s given, the state said %d are available", asked, line.Name, line.Available)
	case r != nil && line.Available >= asked:
		h.Fatalf("%d %s refused (%v), the state said %d are available", asked, line.Name, r, line.Available)
	case r != nil && c.Resource != ledger.Apps && !reflect.DeepEqual(r.Binds, line.Binds):
		h.Fatalf("refused by %+v, the state named %+v", r.Binds, line.Binds)
	case r != nil && (len(r.Binds) == 0 || len(line.Binds) == 0):
		h.Fatalf("nobody refuses %+v", c)
	}
}

func TestIndependentChangesMayComeInAnyOrder(t *testing.T) {
	histories(t, 500, func(t *rapid.T) {
		h := begin(t)
		for range rapid.IntRange(5, 20).Draw(t, "steps") {
			h.step(h.aChange())
			h.now = h.now.Add(time.Minute)
		}
		one, two := h.aConsume(), h.aChange()
		one.Panel = ""
		if one.User != "" && one.User == two.Subject().User || one.ID == "" {
			return
		}
		first, second := h.m.reload(), h.m.reload()
		for _, order := range []struct {
			m       *memory
			changes []ledger.Change
		}{{first, []ledger.Change{one, two, ledger.Tick{}}}, {second, []ledger.Change{two, one, ledger.Tick{}}}} {
			for _, change := range order.changes {
				c, r := h.decide(order.m, change)
				if r != nil {
					return
				}
				order.m.write(c)
			}
		}
		for _, m := range []*memory{first, second} {
			m.mark, m.entries = ledger.Mark{}, nil
			for id, g := range m.groups { // the most that was used is that of the order in which it was
				g.Month = ledger.Month{}
				m.groups[id] = g
			}
		}
		if a, b := string(first.image()), string(second.image()); a != b {
			t.Fatalf("%s and %s in the other order:\n%s\n%s", one.What(), two.What(), a, b)
		}
	})
}

func TestRenewalBringsBackTheSameOnes(t *testing.T) {
	histories(t, 500, func(t *rapid.T) {
		h := begin(t)
		until := h.now.AddDate(0, 0, 1)
		for _, change := range []ledger.Change{
			ledger.SaveLicenses{Above: true, Group: "root", Limits: ledger.Limits{}},
			ledger.ActivatePackage{Root: "root", ID: packageID(9), Grant: grants(8, 8), Until: until},
		} {
			if c, r := h.decide(h.m, change); r == nil {
				h.m.write(c)
			}
		}
		for range rapid.IntRange(5, 30).Draw(t, "steps") {
			change := h.aChange()
			switch c := change.(type) {
			case ledger.ActivatePackage, ledger.RevokePackage, ledger.UndoPackage, ledger.StartTrial:
				continue
			case ledger.SaveLicenses:
				if c.Group == "root" {
					continue
				}
			}
			h.step(change)
			h.now = h.now.Add(time.Minute)
		}
		active := func() map[string]int {
			out := map[string]int{}
			for id, u := range h.m.uses {
				out[id] = u.Active
			}
			return out
		}
		before := active()
		h.step(ledger.RevokePackage{ID: packageID(9)})
		h.now = h.now.Add(time.Minute)
		h.step(ledger.ActivatePackage{Root: "root", ID: packageID(10), Grant: grants(8, 8), Until: until})
		if after := active(); !reflect.DeepEqual(before, after) {
			t.Fatalf("active before the lapse: %v, after the renewal: %v", before, after)
		}
	})
}
