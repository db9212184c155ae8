package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorpanel/doorpanel/license"
)

// wallClock is a clock on the wall that a test moves.
type wallClock struct {
	now    time.Time
	source license.TimeSource
}

func (w *wallClock) read() (time.Time, license.TimeSource) { return w.now, w.source }

func kept(clockWord) error { return nil }

func TestMarkFollowsATrustedClockAndNoOther(t *testing.T) {
	day := 24 * time.Hour
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		mark    time.Time
		wall    time.Time
		source  license.TimeSource
		trusted bool
		want    time.Time
	}{
		{"nothing is known and nobody is trusted", time.Time{}, start, license.Unknown, false, time.Time{}},
		{"the first trusted time", time.Time{}, start, license.Synchronized, true, start},
		{"an hour later", start, start.Add(time.Hour), license.Battery, true, start.Add(time.Hour)},
		{"an hour later, not trusted", start, start.Add(time.Hour), license.Unknown, false, start},
		{"set back", start, start.Add(-time.Hour), license.Synchronized, true, start},
		{"a battery that is empty", start, time.Unix(0, 0), license.Battery, false, start},
		{"a whole day", start, start.Add(day), license.Synchronized, true, start.Add(day)},
		{"the year 2040", start, start.AddDate(14, 0, 0), license.Synchronized, true, start.Add(day)},
	} {
		wall := &wallClock{c.wall, c.source}
		clock := newClock(wall.read)
		clock.restore(license.Timekeeping{Mark: c.mark})
		clock.start = clock.start.Add(time.Hour) // no time passes on the monotonic clock that counts
		got := clock.license()
		if !got.Mark.Equal(c.want) || !got.Now.Equal(c.wall) || got.Trusted != c.trusted {
			t.Errorf("%s: %+v, want the mark at %v", c.name, got, c.want)
		}
	}
}

// A panel that was switched off for a week finds its mark further behind than a day. Running time takes it on, and a spoofed clock
// takes it no faster.
func TestMarkThatIsFarBehindMovesOnAsTimePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mark := time.Now()
		time.Sleep(7 * 24 * time.Hour)
		clock := newClock(func() (time.Time, license.TimeSource) { return time.Now(), license.Synchronized })
		clock.restore(license.Timekeeping{Mark: mark})
		if got := clock.license().Mark.Sub(mark); got != 24*time.Hour {
			t.Errorf("the mark leapt by %v", got)
		}
		for range 48 {
			time.Sleep(time.Hour)
			clock.license()
		}
		if got := clock.license().Mark.Sub(mark); got != 72*time.Hour {
			t.Errorf("after two days the mark moved by %v", got)
		}
	})
}

func TestMarkIsTheLatestOfWhatIsKnown(t *testing.T) {
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clock := newClock((&wallClock{time.Unix(0, 0), license.Unknown}).read)
	clock.restore(license.Timekeeping{Mark: start.Add(-time.Hour)}, start, time.Time{})
	clock.start = clock.start.Add(time.Hour)
	clock.prove(start.Add(-2 * time.Hour))
	if got := clock.license().Mark; !got.Equal(start) {
		t.Errorf("the mark is %v, want %v", got, start)
	}
}

func TestAnAdministratorsWordCountsFromWhenItWasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		typed := time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)
		wall := &wallClock{time.Unix(100, 0), license.Unknown}
		clock := newClock(wall.read)
		if got := clock.now(); got.Trusted || got.ByHand {
			t.Errorf("before: %+v", got)
		}
		if err := clock.say(typed, kept); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		wall.now = wall.now.Add(time.Hour)
		if got := clock.now(); !got.Wall.Equal(typed.Add(time.Hour)) || !got.Trusted || !got.ByHand {
			t.Errorf("an hour later: %+v", got)
		}
	})
}

func TestAWordThatCannotBeKeptIsNotTaken(t *testing.T) {
	clock := newClock((&wallClock{time.Unix(100, 0), license.Unknown}).read)
	full := errors.New("the disk is full")
	if err := clock.say(time.Unix(1e9, 0), func(clockWord) error { return full }); !errors.Is(err, full) {
		t.Errorf("err %v", err)
	}
	if got := clock.now(); got.Trusted || got.Wall.Unix() != 100 {
		t.Errorf("the clock shows %+v", got)
	}
}

func TestATimeServerKnowsBetterThanAnybodysWord(t *testing.T) {
	typed := time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)
	wall := &wallClock{time.Unix(100, 0), license.Unknown}
	clock := newClock(wall.read)
	if err := clock.say(typed, kept); err != nil {
		t.Fatal(err)
	}
	wall.now, wall.source = typed.Add(-time.Minute), license.Synchronized
	if got := clock.now(); !got.Wall.Equal(wall.now) || got.ByHand || !got.Trusted {
		t.Errorf("with a time server: %+v", got)
	}
	select {
	case <-clock.expired:
	default:
		t.Error("the word is still kept")
	}
	wall.source = license.Unknown
	if got := clock.now(); got.ByHand || got.Trusted {
		t.Errorf("the word came back: %+v", got)
	}
	wall.source = license.Synchronized
	if err := clock.say(typed, kept); !errors.Is(err, errSynchronized) {
		t.Errorf("a word against a time server: %v", err)
	}
}

func TestAStoredWordIsTakenUpOnlyWhereItStillMeansSomething(t *testing.T) {
	mark := time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)
	before := clockWord{Offset: time.Hour, Boot: "another boot of the kernel"}
	same := clockWord{Offset: -50 * time.Hour, Boot: kernelBoot()}
	for _, c := range []struct {
		name    string
		word    clockWord
		battery bool
		wall    time.Time
		taken   bool
	}{
		{"the daemon was started again", same, false, mark, true},
		{"the board was switched off, with a battery", before, true, mark, true},
		{"the board was switched off, and the battery was empty", before, true, time.Unix(0, 0), false},
		{"the board was switched off, without a battery", before, false, mark, false},
		{"the kernel does not say", clockWord{Offset: time.Hour}, false, mark, false},
	} {
		clock := newClock((&wallClock{c.wall, license.Unknown}).read)
		clock.restore(license.Timekeeping{Mark: mark})
		fault := clock.recall(c.word, c.battery)
		got := clock.now()
		if (fault == "") != c.taken || got.ByHand != c.taken || c.taken && !got.Wall.Equal(c.wall.Add(c.word.Offset)) {
			t.Errorf("%s: %q, %+v", c.name, fault, got)
		}
	}
}
