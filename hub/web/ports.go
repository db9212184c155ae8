package web

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/monitor"
	"github.com/doorpanel/doorpanel/hub/roles"
	"github.com/doorpanel/doorpanel/telemetry"
)

// What a port may wrap, so that the caller is told in the right words. The text of the wrapping error is shown to the
// caller as it is; every other error is shown as a failure of the hub and goes to the log.
var (
	ErrNotFound = errors.New("not found")              // 404
	ErrInvalid  = errors.New("not valid")              // 422
	ErrConflict = errors.New("not possible as it is")  // 409
	ErrReadOnly = errors.New("the store is read-only") // 503: written by a newer version, or the disk is full
	ErrBusy     = errors.New("busy")                   // 503, worth another try
)

// Sites keeps the installation environments.
type Sites interface {
	// Sites lists all of them, archived ones too, in any order.
	Sites() ([]fleet.Site, error)
	Site(id string) (site fleet.Site, known bool, err error)
	// PutSite makes a site or changes it, also for those who watch it. The zone and the id have been checked.
	// What edit says is written into the audit with it, or neither is.
	PutSite(ctx context.Context, s fleet.Site, edit fleet.Edit) error
	// SiteToEdit returns a site and the edition that a change is made from; fleet.ErrUnknown when there is none.
	SiteToEdit(id string) (fleet.Site, fleet.Edition, error)
}

// Panels keeps the panels and ends their rights.
type Panels interface {
	// Panels lists all of them, revoked and replaced ones too, in any order.
	Panels() ([]fleet.Panel, error)
	Panel(id string) (panel fleet.Panel, known bool, err error)
	// RenamePanel writes the change into the audit with the name, or neither.
	RenamePanel(ctx context.Context, id, name string, change fleet.Change) error
	// RevokePanel ends the panel's certificate: it is disconnected at once and not heard any more.
	RevokePanel(ctx context.Context, id string, change fleet.Change) error
}

// Statuses tells what the panels said of themselves last.
type Statuses interface {
	// Said returns the panels' last words, of those that ever said something, in any order.
	Said() ([]Said, error)
	// Head is the last event that is stored of a panel; ok is false before the first.
	Head(panel string) (h fleet.Head, ok bool, err error)
	// Faults are those of one panel, or of all when panel is empty; newest first, at most limit.
	Faults(panel string, limit int) ([]fleet.Fault, error)
}

// Said is the last online status of a panel: its doors, accounts and clock as they were then.
type Said struct {
	Panel  string
	At     time.Time // when it arrived, by the hub's clock
	Status telemetry.Status
}

// Watch is what is known of each site: presence, outages, policy, recipients.
type Watch interface {
	// Watched lists every site's, in any order.
	Watched() ([]monitor.Site, error)
	// Tell takes an event in: PolicyChanged, RecipientsChanged, MaintenanceSet or Acknowledged. What follows from it is durable
	// when it returns nil, and so is the change in the audit. fleet.ErrUnknown: there is no such site.
	Tell(ctx context.Context, site string, event monitor.Event, change fleet.Change) error
}

// Pairing opens windows in which a panel may be enrolled.
type Pairing interface {
	OpenWindow(ctx context.Context, ask PairingAsk) (PairingWindow, error)
	// Windows are the open ones and those of the last hour, newest first. Their Code is empty: the hub keeps only its hash.
	Windows() ([]PairingWindow, error)
	CloseWindow(ctx context.Context, id string, change fleet.Change) error
}

// PairingAsk says who may come in.
type PairingAsk struct {
	Site     string
	Name     string       // of the panel; empty: the name it brings
	Identity string       // DI1:…, from the panel's display; empty: any panel that shows the secret
	Replaces string       // id of the dead panel whose place it takes; empty: none
	Change   fleet.Change // for the audit, kept with the window; its Who opens it and its Object becomes the window's id
}

// PairingWindow is ten minutes in which one panel may be enrolled.
type PairingWindow struct {
	ID       string    `json:"id"`
	Site     string    `json:"site"`
	Panel    string    `json:"panel,omitempty"` // the only one that may come; empty: any
	Replaces string    `json:"replaces,omitempty"`
	Code     string    `json:"code,omitempty"` // DH1:…, told once
	By       string    `json:"by"`
	Opened   time.Time `json:"opened"`
	Until    time.Time `json:"until"`
	Wrong    int       `json:"wrong,omitempty"`    // secrets that did not fit
	Enrolled string    `json:"enrolled,omitempty"` // id of the panel that came
	Closed   string    `json:"closed,omitempty"`   // why it is closed, in words; empty: open until Until
}

// Orders asks panels to do something.
type Orders interface {
	// Order sends one and returns what came of it, at the latest when its deadline has passed (about 30 s). It goes on when ctx
	// ends: only the waiting ends.
	Order(ctx context.Context, panel, verb, object, by string) (fleet.Order, error)
	// Orders are those of one panel, newest first, at most limit.
	Orders(panel string, limit int) ([]fleet.Order, error)
}

// Events are the journals of all panels.
type Events interface {
	// Search returns what fits, newest first, at most q.Limit. It may stop looking before that: next is where to go on as
	// q.Before, and 0 when everything was looked at.
	Search(ctx context.Context, q fleet.Query) (found []fleet.Received, next uint64, err error)
	// After returns events with a serial above it, oldest first, at most limit.
	After(serial uint64, limit int) ([]fleet.Received, error)
	// Last is the newest serial; 0 while there is none.
	Last() (uint64, error)
}

// Eraser takes persons out of the events.
type Eraser interface {
	// Erase takes the person's name out of every event that names exactly this person, and returns of how many.
	Erase(ctx context.Context, person string) (int, error)
}

// News tells that something can be seen that could not be seen before: presence, a door, an order, a delivery, a panel, an event.
type News interface {
	// Wait returns the present number as soon as it is not seen any more.
	Wait(ctx context.Context, seen uint64) (uint64, error)
}

// Outbox is what is told to people.
type Outbox interface {
	// Deliveries returns what fits, newest first.
	Deliveries(q fleet.DeliveryQuery) (fleet.DeliveryPage, error)
	// Delivery is the one with this id; fleet.ErrUnknown when there is none.
	Delivery(id string) (fleet.Delivery, error)
}

// Messenger has messages sent because somebody wants them sent.
type Messenger interface {
	// Retry has a failed or uncertain delivery sent again, as somebody decided who knows that it may arrive twice.
	Retry(ctx context.Context, id string, change fleet.Change) error
	// Test puts a test message into the outbox. Site, Recipient, Channel, Address and Language of d are set. It returns the
	// delivery with its ID.
	Test(ctx context.Context, d fleet.Delivery, change fleet.Change) (fleet.Delivery, error)
}

// Templates are the words of messages.
type Templates interface {
	// Templates lists every kind in every language and channel, in the order in which they are to be shown.
	Templates() ([]Template, error)
	// PutTemplate keeps another wording; one with empty Subject and Text brings the built-in one back. ErrInvalid says where a
	// template cannot be read.
	PutTemplate(ctx context.Context, t Template, change fleet.Change) error
	// Preview fills a template with an example. The errors are those of PutTemplate.
	Preview(t Template) (subject, text string, err error)
}

// Template is the wording of one kind of message.
type Template struct {
	Kind     string        `json:"kind"`
	Title    string        `json:"title"` // the kind in words
	Language string        `json:"language"`
	Channel  fleet.Channel `json:"channel"`
	Subject  string        `json:"subject,omitempty"` // e-mail only
	Text     string        `json:"text"`
	Own      bool          `json:"own"`   // not the built-in wording
	Names    []string      `json:"names"` // of the facts that it may use
	// Edition is set by the API, for If-Match.
	Edition string `json:"edition,omitempty"`
}

// MonitoringLicenses are what warnings are sent with, one for each site (I-28).
type MonitoringLicenses interface {
	// MonitoringLicense is the site's newest; ok is false when none was ever entered.
	MonitoringLicense(site string) (l MonitoringLicense, ok bool, err error)
	// MonitoringSupply is what the groups above the site give it of monitoring; a zero From says that they give none.
	MonitoringSupply(site string, at time.Time) (ledger.Supply, error)
	// EnterLicense examines the text DP1:… and keeps it for the site. ErrInvalid says in words why it is refused.
	// The change in the audit is kept with it; its Object becomes the license's id, its Detail what is said of it.
	EnterLicense(ctx context.Context, site, text string, change fleet.Change) (MonitoringLicense, error)
}

// MonitoringLicense is what is known of a site's license.
type MonitoringLicense struct {
	ID        string    `json:"id"`
	Label     string    `json:"label,omitempty"`
	Status    string    `json:"status"` // active, not_yet_valid, expired, revoked
	Message   string    `json:"message,omitempty"`
	Activated time.Time `json:"activated"`
	From      time.Time `json:"from,omitzero"`
	Until     time.Time `json:"until,omitzero"` // zero: for ever
	Issuer    string    `json:"issuer,omitempty"`
}

// Settings are what an administrator sets on the pages.
type Settings interface {
	// Settings returns them with every secret as Hidden.
	Settings() (HubSettings, error)
	// PutSettings keeps them durably and puts them in force. A secret that is Hidden stays what it was.
	// What change says is written into the audit with them, or neither is.
	PutSettings(ctx context.Context, s HubSettings, change fleet.Change) error
}

// Hidden stands where a secret is set.
const Hidden = "***"

// HubSettings are what the hub needs to reach people and other programs, and how long it keeps what. A section that the
// configuration file gives is named in Fixed, shown, and not changed here.
type HubSettings struct {
	Name  string       `json:"name"`      // of the hub, in messages and in pairing codes
	Addrs []string     `json:"addresses"` // as what panels know it; from the configuration file
	Mail  Mail         `json:"mail"`
	SMS   []SMSGateway `json:"sms"` // in the order in which they are tried
	Hooks []Hook       `json:"hooks"`
	Keep  []fleet.Keep `json:"keep"`
	Fixed []string     `json:"fixed,omitempty"` // of name, mail, sms, hooks, keep
	// Editions count the changes of each section, so that nobody overwrites what he has not seen.
	Editions map[string]int `json:"editions,omitempty"`
}

// Mail is the server that takes e-mail.
type Mail struct {
	Server   string `json:"server"` // empty: no e-mail
	Port     int    `json:"port"`
	TLS      string `json:"tls"` // starttls, tls, none (only to this host)
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	From     string `json:"from"`
}

// SMSGateway is a service that takes short messages over HTTP.
type SMSGateway struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`              // twilio or template
	URL     string `json:"url"`               // https
	Account string `json:"account,omitempty"` // user or account number
	Secret  string `json:"secret,omitempty"`
	From    string `json:"from,omitempty"`
	// Body and Type are the request's, for kind template; {to}, {text} and {from} stand in the body.
	Body string `json:"body,omitempty"`
	Type string `json:"type,omitempty"`
	// Headers are lines "Name: value" and Receipt the place of the service's name for the message in its answer, for kind template.
	Headers []string `json:"headers,omitempty"`
	Receipt string   `json:"receipt,omitempty"`
}

// Hook is another program that is told.
type Hook struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Secret string `json:"secret,omitempty"` // signs each request, at least 16 bytes
	Events string `json:"events"`           // kinds of events, with commas, a dot at the end for all that begin so; empty: warnings alone
}

// Accounts are who may log in.
type Accounts interface {
	Users() ([]fleet.User, error)
	// UserToEdit returns a user and the edition that a change is made from; fleet.ErrUnknown when there is none.
	UserToEdit(name string) (fleet.User, fleet.Edition, error)
	// PutUser writes what edit says into the audit with the user, or does neither.
	PutUser(u fleet.User, edit fleet.Edit) error
	User(name string) (u fleet.User, known bool, err error)
}

// Roles is who may do what, and where.
type Roles interface {
	// Roles lists those that were made by hand.
	Roles() ([]roles.Role, error)
	// Assignments lists those of one user, or of all when user is empty.
	Assignments(user string) ([]roles.Assignment, error)
	HandOvers() ([]roles.HandOver, error)
}

// Arranger changes who may do what.
type Arranger interface {
	// Arrange lets change look at everything that roles hang on, and keeps what it changed together with its entries of the
	// audit, or nothing when it returns an error, which is returned as it is. Sessions end with what they were good for.
	Arrange(ctx context.Context, change func(*roles.Arrangement) error) error
}

// Groups is the tree of groups that sites hang below.
type Groups interface {
	// Path is the group with those above it, the topmost first; fleet.ErrUnknown: there is no such group.
	Path(group string) ([]Place, error)
}

// Place is a group in the words of people.
type Place struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Sessions are who is logged in, by the hash of the token.
type Sessions interface {
	Session(hash string) (s fleet.Session, found bool, err error)
	PutSession(hash string, s fleet.Session) error
	DeleteSession(hash string) error
}

// Tokens lists what scripts log in with.
type Tokens interface {
	// Tokens returns the sessions with a Label, by their hash.
	Tokens() (map[string]fleet.Session, error)
	// MakeToken and EndToken write the change into the audit with the token, or do neither.
	MakeToken(hash string, t fleet.Session, change fleet.Change) error
	EndToken(hash string, change fleet.Change) error
}

// Audit is who changed what. It only grows.
type Audit interface {
	// Note keeps a change durably; Number and Chain are set by it.
	Note(c fleet.Change) error
	// Changes returns what fits, newest first; next is where to go on as q.Before, 0 at the end.
	Changes(q fleet.ChangeQuery) (found []fleet.Change, next uint64, err error)
	// VerifyChanges checks the chain from the first entry to the last and returns how many it found whole. An error says
	// which entry does not follow.
	VerifyChanges(ctx context.Context) (uint64, error)
}

// Health is how the hub itself is.
type Health struct {
	Version  string        `json:"version"`
	Started  time.Time     `json:"started"`
	Parts    []PartHealth  `json:"parts"`
	Counters []Counter     `json:"counters"` // of refused input, with reasons
	Figures  []Figure      `json:"figures"`  // queues, connections, sizes
	Certs    []Certificate `json:"certificates"`
	Ready    bool          `json:"ready"`
	Causes   []string      `json:"causes,omitempty"` // why it is not ready
}

// PartHealth is one part of the hub: broker, store, mail, ...
type PartHealth struct {
	Name   string    `json:"name"`
	State  string    `json:"state"` // ok, warn, bad, off
	Detail string    `json:"detail,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// Counter counts one reason for which input was refused.
type Counter struct {
	Part   string    `json:"part"`
	Reason string    `json:"reason"` // in words
	Count  uint64    `json:"count"`
	Last   time.Time `json:"last,omitzero"`
	// Example is the last of them, in words, for administrators; what a stranger sent stands in it quoted.
	Example string `json:"example,omitempty"`
}

// Figure is one number about the hub.
type Figure struct {
	Name  string `json:"name"`
	Value string `json:"value"` // with its unit
}

// Certificate is one that the hub made or uses.
type Certificate struct {
	Name        string    `json:"name"` // what it is for
	Names       []string  `json:"names,omitempty"`
	Fingerprint string    `json:"fingerprint"` // SHA-256, as a browser shows it
	From        time.Time `json:"from"`
	Until       time.Time `json:"until"`
}

// Backup writes everything that the hub keeps as one file, while it goes on working.
type Backup func(ctx context.Context, w io.Writer) error
