package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/hub"
	"github.com/doorpanel/doorpanel/hub/fleet"
)

// box is an outbox in memory.
type box struct {
	mu     sync.Mutex
	all    map[string]fleet.Delivery
	moves  []string              // what was moved, such as "d1 waiting>claimed"
	broken func(to string) error // what the disk says to a move
}

func newBox(deliveries ...fleet.Delivery) *box {
	b := &box{all: map[string]fleet.Delivery{}}
	b.add(deliveries...)
	return b
}

func (b *box) add(deliveries ...fleet.Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range deliveries {
		b.all[d.ID] = d
	}
}

func (b *box) Due(now time.Time, limit int) (due []fleet.Delivery, next time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.all {
		switch {
		case d.Over():
		case !d.Due.After(now):
			due = append(due, d)
		case next.IsZero() || d.Due.Before(next):
			next = d.Due
		}
	}
	slices.SortFunc(due, func(x, y fleet.Delivery) int {
		if c := x.Due.Compare(y.Due); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return due[:min(len(due), limit)], next, nil
}

func (b *box) Move(from, to fleet.Delivery, more ...fleet.Delivery) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken != nil {
		if err := b.broken(string(to.State)); err != nil {
			return err
		}
	}
	was := b.all[from.ID]
	if was.State != from.State || was.By != from.By || was.Tries != from.Tries || !was.Due.Equal(from.Due) {
		return fleet.ErrTaken
	}
	b.all[to.ID] = to
	b.moves = append(b.moves, fmt.Sprintf("%s %s>%s", to.ID, from.State, to.State))
	for _, d := range more {
		if _, there := b.all[d.ID]; !there {
			b.all[d.ID] = d
		}
	}
	return nil
}

func (b *box) get(id string) fleet.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[id]
}

func (b *box) said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.moves)
}

// post is a sender that does what the test says and remembers what it delivered.
type post struct {
	do func(ctx context.Context, d fleet.Delivery, committing func() error) error

	mu        sync.Mutex
	tries     []string
	delivered []string
	at        []time.Time
	now, most int
}

func (p *post) Send(ctx context.Context, d fleet.Delivery, committing func() error) (string, error) {
	p.mu.Lock()
	p.tries = append(p.tries, d.ID)
	p.at = append(p.at, time.Now())
	p.now++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.now--
		p.mu.Unlock()
	}()
	if p.do != nil {
		if err := p.do(ctx, d, committing); err != nil {
			return "", err
		}
	} else if err := committing(); err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delivered = append(p.delivered, d.ID)
	return "receipt of " + d.ID, nil
}

func (p *post) counts() (tries, delivered int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.tries), len(p.delivered)
}

// no is what a server says.
type no struct {
	permanent, unclear, down bool
	after                    time.Duration
}

func (n no) Error() string             { return "the server's words" }
func (n no) Permanent() bool           { return n.permanent }
func (n no) Unclear() bool             { return n.unclear }
func (n no) Down() bool                { return n.down }
func (n no) RetryAfter() time.Duration { return n.after }

func mailTo(n int) fleet.Delivery {
	return fleet.Delivery{ID: fmt.Sprintf("d%03d", n), Kind: "lost", Recipient: "anna", Channel: fleet.Email, Address: fmt.Sprintf("a%d@example.org", n), State: fleet.Waiting, Made: time.Now(), Due: time.Now()}
}

func withFallback(d fleet.Delivery) fleet.Delivery {
	d.Fallback = &fleet.Target{Channel: fleet.SMS, Address: "+393471234567"}
	return d
}

// run starts a deliverer and returns how it is stopped.
func run(t *testing.T, outbox hub.Outbox, sender hub.Sender, options hub.DeliveryOptions) (*hub.Deliverer, func()) {
	t.Helper()
	d, err := hub.NewDeliverer(outbox, sender, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		d.Run(ctx)
		close(done)
	}()
	return d, func() {
		cancel()
		<-done
	}
}

func TestEachStepIsDurableBeforeItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1))
		p := &post{do: func(_ context.Context, d fleet.Delivery, committing func() error) error {
			if got := b.get("d001"); got.State != fleet.Claimed || got.By == "" || got.Tries != 1 {
				t.Errorf("while the server is asked it is %+v", got)
			}
			if err := committing(); err != nil {
				return err
			}
			if got := b.get("d001"); got.State != fleet.Committing {
				t.Errorf("at the final dot it is %s", got.State)
			}
			return nil
		}}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		synctest.Wait()
		if got := b.get("d001"); got.State != fleet.Sent || got.Receipt != "receipt of d001" || got.SentAt.IsZero() || got.By != "" {
			t.Errorf("%+v", got)
		}
		if want := []string{"d001 waiting>claimed", "d001 claimed>committing", "d001 committing>sent"}; !slices.Equal(b.said(), want) {
			t.Errorf("%v", b.said())
		}
		stop()
	})
}

func TestATemporaryFailureIsTriedAgainWithGrowingPausesForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1))
		p := &post{do: func(context.Context, fleet.Delivery, func() error) error { return no{} }}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		got := b.get("d001")
		if got.State != fleet.Failed || got.Last != "the server's words" {
			t.Errorf("%+v", got)
		}
		if tries, _ := p.counts(); tries < 20 || tries > 60 || got.Tries != tries {
			t.Errorf("%d tries, %d written", tries, got.Tries)
		}
		if first, second := p.at[1].Sub(p.at[0]), p.at[2].Sub(p.at[1]); first < 30*time.Second || first > 40*time.Second || second < time.Minute || second > 80*time.Second {
			t.Errorf("tried again after %v and %v", first, second)
		}
		if last := p.at[len(p.at)-1].Sub(p.at[0]); last != 24*time.Hour {
			t.Errorf("the last try was after %v", last)
		}
		stop()
	})
}

func TestATemporaryFailureThatPassesIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1))
		p := &post{}
		p.do = func(_ context.Context, _ fleet.Delivery, committing func() error) error {
			// A 4xx comes after the final dot as well.
			if err := committing(); err != nil {
				return err
			}
			if tries, _ := p.counts(); tries < 4 {
				return no{}
			}
			return nil
		}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if tries, delivered := p.counts(); tries != 4 || delivered != 1 || b.get("d001").State != fleet.Sent {
			t.Errorf("%d tries, %d delivered, %+v", tries, delivered, b.get("d001"))
		}
		stop()
	})
}

func TestTheFallbackIsUsedWhenTheFirstChannelSurelyOrPerhapsFailed(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		state fleet.DeliveryState
		after time.Duration
		tries int
	}{
		{"permanent", no{permanent: true}, fleet.Failed, time.Second, 1},
		{"unclear", no{unclear: true}, fleet.Uncertain, time.Second, 1},
		{"temporary for ten minutes", no{}, fleet.Failed, 11 * time.Minute, 6},
		{"down for ten minutes", no{down: true}, fleet.Failed, 11 * time.Minute, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(withFallback(mailTo(1)))
				p := &post{do: func(_ context.Context, d fleet.Delivery, committing func() error) error {
					if d.Channel == fleet.Email {
						return c.err
					}
					return committing()
				}}
				_, stop := run(t, b, p, hub.DeliveryOptions{})
				time.Sleep(c.after)
				synctest.Wait()
				first, second := b.get("d001"), b.get("d001+sms")
				if first.State != c.state || !strings.Contains(first.Last, "the server's words") || first.Tries == 0 || first.Tries > c.tries {
					t.Errorf("%+v", first)
				}
				if second.State != fleet.Sent || second.Instead != "d001" || second.Address != "+393471234567" || second.Fallback != nil || second.Kind != "lost" || second.Recipient != "anna" {
					t.Errorf("%+v", second)
				}
				time.Sleep(48 * time.Hour)
				synctest.Wait()
				if _, delivered := p.counts(); delivered != 1 || b.get("d001").State != c.state {
					t.Errorf("%d delivered, first is %s", delivered, b.get("d001").State)
				}
				stop()
			})
		})
	}
}

func TestAnErrorOfAnotherKindIsUnclearOnceItWasCommitting(t *testing.T) {
	for _, breaks := range []func() error{func() error { return errors.New("broken") }, func() error { panic("broken") }} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(mailTo(1), mailTo(2))
			p := &post{}
			p.do = func(_ context.Context, d fleet.Delivery, committing func() error) error {
				if d.ID == "d001" {
					_ = committing()
					return breaks()
				}
				if d.Tries == 1 {
					return breaks()
				}
				return committing()
			}
			_, stop := run(t, b, p, hub.DeliveryOptions{})
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := b.get("d001"); got.State != fleet.Uncertain || got.Tries != 1 || !strings.Contains(got.Last, "broken") {
				t.Errorf("%+v", got)
			}
			if got := b.get("d002"); got.State != fleet.Sent || got.Tries != 2 {
				t.Errorf("%+v", got)
			}
			stop()
		})
	}
}

func TestOneAddressGetsOneMessageAtATimeAndTheOthersDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		for i := range 30 {
			d := mailTo(i)
			if i < 10 {
				d.Address = "same@example.org"
			}
			b.add(d)
		}
		var mu sync.Mutex
		busy, same := map[string]bool{}, 0
		p := &post{do: func(_ context.Context, d fleet.Delivery, committing func() error) error {
			mu.Lock()
			if busy[d.Address] {
				t.Errorf("two at once for %s", d.Address)
			}
			busy[d.Address] = true
			same++
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			busy[d.Address] = false
			mu.Unlock()
			return committing()
		}}
		start := time.Now()
		_, stop := run(t, b, p, hub.DeliveryOptions{Parallel: 4})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if _, delivered := p.counts(); delivered != 30 || p.most != 4 {
			t.Errorf("%d delivered, %d at once", delivered, p.most)
		}
		if last := p.at[len(p.at)-1].Sub(start); last > 12*time.Second {
			t.Errorf("it took %v", last)
		}
		stop()
	})
}

func TestAServerThatIsDownIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		for i := range 200 {
			b.add(mailTo(i))
		}
		hook := mailTo(999)
		hook.Channel = fleet.Webhook
		b.add(hook)
		start := time.Now()
		p := &post{do: func(_ context.Context, d fleet.Delivery, committing func() error) error {
			if d.Channel == fleet.Email && time.Since(start) < time.Hour {
				return no{down: true}
			}
			return committing()
		}}
		d, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		tries, delivered := p.counts()
		if tries > 40 || delivered != 1 {
			t.Errorf("%d tries in an hour, %d delivered", tries, delivered)
		}
		states := d.Channels()
		if len(states) != 2 || states[0].Channel != fleet.Email || !states[0].Failing.Equal(start) || states[0].Words != "the server's words" || !states[0].Next.After(time.Now()) || !states[1].Failing.IsZero() {
			t.Errorf("%+v", states)
		}
		if got := b.get("d100"); got.State != fleet.Waiting || got.Last != "the server's words" {
			t.Errorf("%+v", got)
		}
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if _, delivered := p.counts(); delivered != 201 {
			t.Errorf("%d delivered", delivered)
		}
		if states := d.Channels(); !states[0].Failing.IsZero() || states[0].Worked.IsZero() || !states[0].Next.IsZero() {
			t.Errorf("%+v", states)
		}
		stop()
	})
}

func TestOneMessageThatBringsAServerDownDoesNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		for i := range 20 {
			b.add(mailTo(i))
		}
		p := &post{do: func(_ context.Context, d fleet.Delivery, committing func() error) error {
			if d.ID == "d000" {
				return no{down: true}
			}
			return committing()
		}}
		_, stop := run(t, b, p, hub.DeliveryOptions{Parallel: 1})
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, delivered := p.counts(); delivered != 19 {
			t.Errorf("%d delivered", delivered)
		}
		stop()
	})
}

func TestAServerIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	for _, down := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(mailTo(1))
			p := &post{do: func(context.Context, fleet.Delivery, func() error) error {
				return no{down: down, after: 20 * time.Minute}
			}}
			_, stop := run(t, b, p, hub.DeliveryOptions{})
			time.Sleep(30 * time.Minute)
			synctest.Wait()
			if tries, _ := p.counts(); tries != 2 || p.at[1].Sub(p.at[0]) < 20*time.Minute {
				t.Errorf("%d tries at %v", tries, p.at)
			}
			stop()
		})
	}
}

func TestWhatIsWithdrawnWhileTheServerIsAskedIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1))
		p := &post{do: func(_ context.Context, d fleet.Delivery, committing func() error) error {
			withdrawn := b.get(d.ID)
			withdrawn.State = fleet.Withdrawn
			b.add(withdrawn)
			return committing()
		}}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if tries, delivered := p.counts(); tries != 1 || delivered != 0 || b.get("d001").State != fleet.Withdrawn {
			t.Errorf("%d tries, %d delivered, %+v", tries, delivered, b.get("d001"))
		}
		stop()
	})
}

func TestTwoHubsOverOneOutboxSendEachMessageOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		for i := range 100 {
			b.add(mailTo(i))
		}
		p := &post{do: func(_ context.Context, _ fleet.Delivery, committing func() error) error {
			time.Sleep(time.Second)
			return committing()
		}}
		_, stopA := run(t, b, p, hub.DeliveryOptions{Name: "a"})
		_, stopB := run(t, b, p, hub.DeliveryOptions{Name: "b"})
		time.Sleep(time.Minute)
		synctest.Wait()
		slices.Sort(p.delivered)
		if got := slices.Compact(slices.Clone(p.delivered)); len(got) != 100 || len(p.delivered) != 100 || p.most <= 8 {
			t.Errorf("%d delivered, %d different ones, %d at once", len(p.delivered), len(got), p.most)
		}
		stopA()
		stopB()
	})
}

func TestWhatADeadHubHeldIsTakenUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		as    string // who comes
		state fleet.DeliveryState
		soon  bool // at once, or when the lease is over
		want  fleet.DeliveryState
	}{
		{"the same hub, claimed", "hub", fleet.Claimed, true, fleet.Sent},
		{"the same hub, committing", "hub", fleet.Committing, true, fleet.Uncertain},
		{"another hub, claimed", "other", fleet.Claimed, false, fleet.Sent},
		{"another hub, committing", "other", fleet.Committing, false, fleet.Uncertain},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				held := withFallback(mailTo(1))
				held.State, held.By, held.Tries, held.Tried, held.Due = c.state, "hub", 1, time.Now(), time.Now().Add(10*time.Minute)
				b := newBox(held)
				p := &post{}
				_, stop := run(t, b, p, hub.DeliveryOptions{Name: c.as})
				time.Sleep(9 * time.Minute)
				synctest.Wait()
				if got := b.get("d001"); (got.State == c.want) != c.soon {
					t.Errorf("after nine minutes it is %s", got.State)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if got := b.get("d001"); got.State != c.want || got.By != "" {
					t.Errorf("%+v", got)
				}
				if got := b.get("d001+sms").State; (c.want == fleet.Uncertain) != (got == fleet.Sent) {
					t.Errorf("the fall-back is %q", got)
				}
				stop()
			})
		})
	}
}

func TestNothingIsSentThatCouldNotBeWrittenDownFirst(t *testing.T) {
	for _, at := range []string{"claimed", "committing"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(mailTo(1))
			failing := true
			b.broken = func(to string) error {
				if failing && to == at {
					return errors.New("the disk is full")
				}
				return nil
			}
			p := &post{}
			_, stop := run(t, b, p, hub.DeliveryOptions{})
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if _, delivered := p.counts(); delivered != 0 || b.get("d001").State != fleet.Waiting {
				t.Errorf("%d delivered while %s cannot be written, %+v", delivered, at, b.get("d001"))
			}
			b.mu.Lock()
			failing = false
			b.mu.Unlock()
			time.Sleep(time.Hour)
			synctest.Wait()
			if _, delivered := p.counts(); delivered != 1 || b.get("d001").State != fleet.Sent {
				t.Errorf("%d delivered afterwards, %+v", delivered, b.get("d001"))
			}
			stop()
		})
	}
}

func TestWhatWasSentIsWrittenDownWhenTheDiskIsBackAndNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1))
		start := time.Now()
		b.broken = func(to string) error {
			if to == "sent" && time.Since(start) < 5*time.Minute {
				return errors.New("the disk is full")
			}
			return nil
		}
		p := &post{}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, delivered := p.counts(); delivered != 1 || b.get("d001").State != fleet.Sent {
			t.Errorf("%d delivered, %+v", delivered, b.get("d001"))
		}
		stop()
	})
}

func TestWhatWasSentAndNeverWrittenDownIsUncertainAndNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1))
		b.broken = func(to string) error {
			if to == "sent" {
				return errors.New("the disk is full")
			}
			return nil
		}
		p := &post{}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if _, delivered := p.counts(); delivered != 1 || b.get("d001").State != fleet.Uncertain {
			t.Errorf("%d delivered, %+v", delivered, b.get("d001"))
		}
		stop()
	})
}

func TestAHubThatStopsPutsBackWhatItHadNotHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1))
		p := &post{do: func(ctx context.Context, _ fleet.Delivery, _ func() error) error {
			<-ctx.Done()
			return no{down: true}
		}}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		synctest.Wait()
		stop()
		if got := b.get("d001"); got.State != fleet.Waiting || got.By != "" || got.Due.After(time.Now()) {
			t.Errorf("%+v", got)
		}
	})
}

func TestATryIsBoundedUntilItCommitsAndNotAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1), mailTo(2))
		p := &post{do: func(ctx context.Context, d fleet.Delivery, committing func() error) error {
			if d.ID == "d002" {
				if err := committing(); err != nil {
					return err
				}
			}
			select {
			case <-ctx.Done():
				return no{}
			case <-time.After(5 * time.Minute):
				return nil
			}
		}}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if got := b.get("d002"); got.State != fleet.Sent {
			t.Errorf("%+v", got)
		}
		if got := b.get("d001"); got.Tries < 2 {
			t.Errorf("%+v", got)
		}
		stop()
	})
}

func TestAHubDoesNotTakeAwayFromItselfWhatOutlastsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1))
		p := &post{do: func(_ context.Context, _ fleet.Delivery, committing func() error) error {
			err := committing()
			time.Sleep(15 * time.Minute)
			return err
		}}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if tries, _ := p.counts(); tries != 1 || b.get("d001").State != fleet.Sent {
			t.Errorf("%d tries, %+v", tries, b.get("d001"))
		}
		stop()
	})
}

func TestWhoMayNotCommitOnceMayNotInTheSameTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(mailTo(1))
		failures := 1
		b.broken = func(to string) error {
			if to == "committing" && failures > 0 {
				failures--
				return errors.New("the disk is full")
			}
			return nil
		}
		p := &post{do: func(_ context.Context, d fleet.Delivery, committing func() error) error {
			if first := committing(); first != nil && committing() == nil {
				t.Error("the second question was answered with yes")
			}
			if d.Tries == 1 {
				return errors.New("given up")
			}
			return nil
		}}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := b.get("d001"); got.State != fleet.Sent || got.Tries != 2 {
			t.Errorf("%+v", got)
		}
		stop()
	})
}

func TestANewMessageIsSentAtOnceWhenTheHubIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		p := &post{}
		d, stop := run(t, b, p, hub.DeliveryOptions{})
		synctest.Wait()
		start := time.Now()
		b.add(mailTo(1))
		d.Wake()
		synctest.Wait()
		if got := b.get("d001"); got.State != fleet.Sent || !got.SentAt.Equal(start) {
			t.Errorf("%+v", got)
		}
		// Without a call, as when another hub put it there, it takes half a minute.
		b.add(mailTo(2))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := b.get("d002"); got.State != fleet.Sent {
			t.Errorf("%+v", got)
		}
		stop()
	})
}

func TestMoreThanOneLookfulIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox()
		for i := range 2500 {
			b.add(mailTo(i))
		}
		p := &post{}
		_, stop := run(t, b, p, hub.DeliveryOptions{})
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, delivered := p.counts(); delivered != 2500 {
			t.Errorf("%d delivered", delivered)
		}
		stop()
	})
}
