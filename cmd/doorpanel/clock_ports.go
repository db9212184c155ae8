package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doorpanel/doorpanel/license"
	"github.com/doorpanel/doorpanel/panel"
	"github.com/doorpanel/doorpanel/panel/web"
	"github.com/doorpanel/doorpanel/storage"
)

// errSynchronized is the answer to whoever sets a clock that a better source sets already.
var errSynchronized = fmt.Errorf("%w: this machine's clock follows a time server, which knows better; "+
	"if it is wrong, mend the time server, or say kernel = false under [clock] in the configuration", web.ErrOtherClock)

// farAhead is how much later than what is known a time may be before it must be confirmed: a year that was mistyped ends
// licenses for good once it has stood for a day.
const farAhead = 400 * 24 * time.Hour

const (
	clockTable = "clock"
	wordKey    = "administrator"
)

// timePort lets the pages show the clock and set it.
type timePort struct {
	clock *clock
	words storage.Table[clockWord]
	tell  func(panel.Entry)
}

func (p timePort) Time() web.ClockView {
	now, reading, keeping := p.clock.look()
	return web.ClockView{
		Now: now.Wall.UTC(), Source: string(reading.Source), Trusted: now.Trusted, Mark: keeping.Mark.UTC(),
		SettlesSeconds: int64(keeping.Settles().Seconds()),
	}
}

func (p timePort) SetTime(_ context.Context, now time.Time, confirmed bool, by string) (web.ClockView, error) {
	before, _, keeping := p.clock.look()
	if ahead := now.Sub(keeping.Mark); !confirmed && !keeping.Mark.IsZero() && ahead > farAhead {
		return web.ClockView{}, fmt.Errorf("%s is %d days later than the last time this panel is sure of (%s), and would end licenses for good once it has stood for a day; %w",
			now.UTC().Format(time.RFC3339), int(ahead.Hours()/24), keeping.Mark.UTC().Format(time.DateOnly), web.ErrFarAhead)
	}
	switch err := p.clock.say(now, func(w clockWord) error { return p.words.Put(wordKey, w) }); {
	case errors.Is(err, storage.ErrReadOnly), errors.Is(err, storage.ErrFull):
		return web.ClockView{}, fmt.Errorf("%w: %w", web.ErrReadOnly, err)
	case err != nil:
		return web.ClockView{}, err
	}
	p.tell(panel.Entry{Kind: panel.ClockSet, Who: by, Detail: clockDetail(before.Wall, now)})
	return p.Time(), nil
}

// recallTime takes up what an administrator said about the time before this start.
func (h *house) recallTime() {
	words := storage.NewTable[clockWord](h.store, clockTable)
	word, found, err := words.Get(wordKey)
	switch {
	case err != nil:
		h.note("the time that was set by hand", err.Error())
	case found:
		if fault := h.clock.recall(word, h.config.Clock.RTC); fault != "" {
			h.note("the clock", fault)
			h.forgetTime()
		}
	}
}

func (h *house) forgetTime() {
	if h.store.ReadOnly() {
		return
	}
	if err := storage.NewTable[clockWord](h.store, clockTable).Delete(wordKey); err != nil {
		h.log.Warn("cannot forget the time that was set by hand", "cause", err)
	}
}

// keepTime forgets an administrator's word as soon as a better source has taken over: after a restart it would count from another
// clock.
func (h *house) keepTime(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.clock.expired:
			h.forgetTime()
		}
	}
}

// vouched is who vouches for the simulated hardware's clock while it is to be trusted.
func vouched(clock func() (time.Time, bool)) func() (time.Time, license.TimeSource) {
	return func() (time.Time, license.TimeSource) {
		now, trusted := clock()
		if trusted {
			return now, license.Synchronized
		}
		return now, license.Unknown
	}
}
