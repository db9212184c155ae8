package hub

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorpanel/doorpanel/hub/fleet"
	"github.com/doorpanel/doorpanel/hub/ledger"
	"github.com/doorpanel/doorpanel/hub/notify"
	"github.com/doorpanel/doorpanel/hub/notify/notifytest"
)

// mailer hands deliveries to a mail server as the program does.
type mailer struct {
	mail *notify.Mail
	done chan string
}

func (m mailer) Send(ctx context.Context, d fleet.Delivery, committing func() error) (string, error) {
	message := notify.Message{ID: d.ID, Kind: d.Kind, Language: d.Language, To: d.Address, Made: d.Made}
	for _, f := range d.Facts {
		message.Facts = append(message.Facts, notify.Fact{Name: f.Name, Value: f.Value})
	}
	receipt, err := m.mail.Send(ctx, message, notify.Templates{}.Render(message), committing)
	m.done <- d.Address
	return receipt, err
}

// TestRemindersReachTheRightPeopleByRealMail reads the mailbox of a real mail server.
func TestRemindersReachTheRightPeopleByRealMail(t *testing.T) {
	server := notifytest.Start(t)
	mail, err := notify.NewMail(notify.MailOptions{Server: server.Addr, Security: notify.StartTLS, User: notifytest.User, Password: notifytest.Password, From: notifytest.User, CA: server.CA})
	if err != nil {
		t.Fatal(err)
	}
	e := newEstate(t)
	e.stop()
	begin := time.Now().AddDate(0, 0, -30).Truncate(24 * time.Hour).Add(6 * time.Hour)
	now := begin
	clock, err := NewLedger(LedgerOptions{Store: e.store, Leases: e.store, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	e.ledger, e.stop = clock, func() {}
	sender := mailer{mail, make(chan string, 100)}
	deliverer, err := NewDeliverer(e.store, sender, DeliveryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { deliverer.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })

	until := begin.AddDate(0, 0, 10)
	e.do(
		ledger.CreateGroup{Group: ledger.Group{ID: "company", Name: "Müller Immobilien", Zone: "Europe/Berlin", Administrators: []string{"dealer@example.org"}}},
		ledger.CreateGroup{Group: ledger.Group{ID: "building", Parent: "company", Name: "Haus 7", Level: "building", Limits: ledger.Limits{
			Restricted: true, Blocks: []ledger.Block{{ID: "b", Counts: ledger.SIPNumbers.Of(2), Until: until}},
			Reminder: &ledger.Reminder{Days: 3, Every: ledger.Daily, To: []string{"owner@example.org"}},
		}}},
		ledger.AddUser{User: ledger.User{ID: "ada", Name: "Ada Bianchi", Mail: "ada@example.org", Groups: []string{"building"}}},
		ledger.Consume{ID: "x", User: "ada", Label: "tablet"})
	edit := fleet.Edit{From: fleet.AnyEdition}
	if _, err := e.store.PutSite(fleet.Site{ID: "haus-7", Name: "Haus 7", Zone: "Europe/Berlin", Language: "de", Group: "building"}, edit); err != nil {
		t.Fatal(err)
	}
	reminded := map[int][]string{}
	for day := range 13 {
		now = begin.AddDate(0, 0, day).Add(3 * time.Hour)
		if _, err := clock.turn(); err != nil {
			t.Fatal(err)
		}
		deliverer.Wake()
		if day >= 7 && day <= 9 {
			for range 2 {
				select {
				case to := <-sender.done:
					reminded[day] = append(reminded[day], to)
				case <-time.After(notifytest.Deadline):
					t.Fatalf("day %d: nobody was told", day)
				}
			}
		}
	}
	for day := 7; day <= 9; day++ {
		slices.Sort(reminded[day])
		if want := []string{"dealer@example.org", "owner@example.org"}; !slices.Equal(reminded[day], want) {
			t.Errorf("on day %d %v were told, not %v", day, reminded[day], want)
		}
	}
	messages := server.Messages()
	if len(messages) != 6 || len(sender.done) != 0 {
		t.Fatalf("%d mails, %d more tries", len(messages), len(sender.done))
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(messages[0].Header.Get("Subject"))
	if want := "Haus 7: Lizenzen enden am " + until.In(berlin(t)).Format("02.01.2006 15:04"); err != nil || subject != want {
		t.Errorf("subject %q, not %q, %v", subject, want, err)
	}
	_, raw, _ := strings.Cut(string(messages[0].Raw), "\n\n")
	body, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 SIP-Nummern", "Verbleibende Tage: 3", "Müller Immobilien > Haus 7", "- Ada Bianchi: SIP-Nummern (tablet)"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the mail does not say %q:\n%s", want, body)
		}
	}
	// The state of each is kept, and none is made twice.
	page, err := e.store.Deliveries(fleet.DeliveryQuery{State: fleet.Sent})
	if err != nil || len(page.Deliveries) != 6 {
		t.Errorf("%d are sent by the store, %v", len(page.Deliveries), err)
	}
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(errors.New("no time zones here"))
	}
	return zone
}
