package main

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// agenda does things at their time, one after the other. What takes long is to be done elsewhere.
type agenda struct {
	mu    sync.Mutex
	items appointments
	count uint64
	wake  chan struct{}
}

type appointment struct {
	at    time.Time
	order uint64 // of two at one time the older goes first
	do    func()
}

type appointments []appointment

func (a appointments) Len() int { return len(a) }
func (a appointments) Less(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].order < a[j].order
}
func (a appointments) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *appointments) Push(x any)   { *a = append(*a, x.(appointment)) }
func (a *appointments) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = appointment{}
	*a = old[:len(old)-1]
	return last
}

func newAgenda() *agenda { return &agenda{wake: make(chan struct{}, 1)} }

func (a *agenda) add(at time.Time, do func()) {
	a.mu.Lock()
	a.count++
	heap.Push(&a.items, appointment{at, a.count, do})
	first := a.items[0].order == a.count
	a.mu.Unlock()
	if first {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// next takes out what is due, or tells how long until something is.
func (a *agenda) next(now time.Time) (do func(), wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.items) == 0 {
		return nil, time.Hour
	}
	if wait := a.items[0].at.Sub(now); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&a.items).(appointment).do, 0
}

func (a *agenda) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		do, wait := a.next(time.Now())
		if do != nil {
			do()
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-a.wake:
		case <-timer.C:
		}
	}
}
