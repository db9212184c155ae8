package ledger

import "time"

// maxWeighed is up to how much of all resources together is in use below a node for the single uses to be named; of more, only the
// numbers are told, so that no question reads a whole company.
const maxWeighed = 5_000

// Fall is an instant from which on something of what is in use now will be suspended, if nothing else changes until then.
type Fall struct {
	Place
	At    time.Time `json:"at"`
	Stops Amounts   `json:"stops"` // how much of each resource
	// Stopping are the uses, newest first, at most 20; none where very many are in use.
	Stopping []string `json:"stopping,omitempty"`
}

// Outlook is what will come of a change that is decided but not written: every later instant at which the limits of the subject alone
// suspend more of what is in use now than before. After a move they are also those of the groups above that the asker sees, since
// what is in use came to them. A refused change is a *Refusal.
func Outlook(book Book, r Request, change Change, subject Subject, asker Asker) ([]Fall, error) {
	d, err := newDraft(book, r)
	if err != nil {
		return nil, err
	}
	d.passWindows()
	if err := d.decide(change); err != nil {
		return nil, err
	}
	n := node{}
	if subject.User != "" {
		n.user = d.user(subject.User)
	} else {
		n.group = d.group(subject.Group)
	}
	if d.failure != nil || n.user == nil && n.group == nil {
		return nil, orRefusal(d.failure, unknown("group"))
	}
	nodes := []node{n}
	if _, moved := change.(MoveGroup); moved {
		nodes = append(d.strictlyAbove(n), n)
	}
	var falls []Fall
	for _, n := range nodes {
		if n.restricted() && asker.sees(d.pathOf(n)) {
			falls = append(falls, d.falling(n)...)
		}
	}
	return falls, d.failure
}

// falling are the later instants at which a node suspends more than just before.
func (d *draft) falling(n node) (falls []Fall) {
	stopped := excess(n, n.own(d.at))
	for _, at := range n.limits().instants(d.at) {
		own := n.own(at)
		stops := excess(n, own)
		for r := range stops {
			if stops[r] > stopped[r] {
				falls = append(falls, Fall{Place: d.spot(n), At: at, Stops: stops, Stopping: d.named(n, own)})
				break
			}
		}
		stopped = stops
	}
	return falls
}

// named is displaced, where not too many are in use to look at each.
func (d *draft) named(n node, own Amounts) []string {
	if excess(n, own).IsZero() {
		return nil
	}
	all := 0
	for _, used := range n.count().Used {
		all += used
	}
	if all > maxWeighed {
		return nil
	}
	return d.displaced(n, own)
}
