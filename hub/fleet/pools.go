package fleet

import "time"

// PoolEntry is a license that somebody enters for a site.
type PoolEntry struct {
	Site    string
	Text    string // DP1:..., or the short code of a license that is kept here
	Panel   string // the only panel that is to have it; empty: a pool, or every panel of the site
	Account string // for whom an account's license is
	Keep    bool   // only keep it, for whoever types its short code at a panel of the site
	By      string
}

// PoolAnswer is what came of an entered license.
type PoolAnswer struct {
	Result  string `json:"result"`
	Title   string `json:"title"`
	Message string `json:"message"`
	License string `json:"license,omitempty"`
	Use     Use    `json:"use,omitempty"`
}

// PoolAsk says how much of a license's feature a panel is to have.
type PoolAsk struct {
	License string
	Feature string // empty: buttons
	Panel   string
	Count   int
	Preview bool // say what would come of it, and change nothing
	Confirm bool // also when something stops
	By      string
}

// PoolAllotted is what came of it, or would.
type PoolAllotted struct {
	Result  string `json:"result"` // activated: done or on its way; unconfirmed: something would stop
	Title   string `json:"title"`
	Message string `json:"message"`
	Before  int    `json:"before"`  // what the panel has
	After   int    `json:"after"`   // what it is to have
	Waiting bool   `json:"waiting"` // nothing is free before the panel has given it back
	// Stops says what would stop at the panel, in its own words; Named is false when the panel could not be asked.
	Stops string `json:"stops,omitempty"`
	Named bool   `json:"named"`
}

// PoolView is a license that the hub knows, as pages and programs see it.
type PoolView struct {
	ID       string        `json:"id"`
	Site     string        `json:"site"`
	Use      Use           `json:"use"`
	Label    string        `json:"label,omitempty"`
	Panel    string        `json:"panel,omitempty"`
	Account  string        `json:"account,omitempty"`
	Added    time.Time     `json:"added"`
	By       string        `json:"by"`
	Status   string        `json:"status"`
	Message  string        `json:"message,omitempty"`
	Until    time.Time     `json:"until,omitzero"`
	Features []PoolFeature `json:"features"`
	// Held says why nothing more is given at the moment; empty when it is.
	Held string `json:"held,omitempty"`
}

// PoolFeature is one feature of such a license.
type PoolFeature struct {
	Name    string      `json:"name"`
	Title   string      `json:"title"`
	Counted bool        `json:"counted"`
	Sold    int         `json:"sold"`
	Free    int         `json:"free"` // to be given
	Shares  []PoolShare `json:"shares"`
}

// PoolShare is what one panel has of it.
type PoolShare struct {
	Panel string `json:"panel"`
	Name  string `json:"name"`
	Asked int    `json:"asked"`
	Has   int    `json:"has"` // and nobody else can have it
	// Suspended are those of Asked that do not work because a group above has no room for them now. They come back by themselves.
	Suspended int       `json:"suspended,omitempty"`
	By        string    `json:"by,omitempty"`
	Since     time.Time `json:"since,omitzero"` // when it was asked
	// Taken is when the panel answered the document that gives it so much; zero: not yet. Refused says why it does not.
	Taken   time.Time `json:"taken,omitzero"`
	Refused string    `json:"refused,omitempty"`
	// Waiting tells that the panel is to give some back and has not; Why what came of asking it.
	Waiting bool   `json:"waiting,omitempty"`
	Why     string `json:"why,omitempty"`
}

// PaperState says in a word how a document of a panel stands.
type PaperState string

// The states of a document.
const (
	PaperWaiting   PaperState = "waiting"
	PaperTaken     PaperState = "taken"
	PaperRefused   PaperState = "refused"
	PaperWithdrawn PaperState = "withdrawn"
)

// Paper is a document of a panel with what the panel said to it.
type Paper struct {
	Kind  string     `json:"kind"`
	ID    string     `json:"id"`
	What  string     `json:"what"` // in words
	State PaperState `json:"state"`
	Made  time.Time  `json:"made"`
	By    string     `json:"by,omitempty"`
	At    time.Time  `json:"at,omitzero"` // when the panel answered
	Why   string     `json:"why,omitempty"`
}
